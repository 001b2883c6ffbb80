"""What a session may not do to the process it shares: refused, with the way out.

These fences stop accidents, not attackers: code in the same address space can always reach C.
Each refusal is an ordinary exception, so a script that tries something and can do without goes on.
"""

from .errors import refusal, three_parts

_SHARED = "the process belongs to the server and to the other sessions as well"
_CHILD = ("Do it in a child process, subprocess.run([sys.executable, path]), or in a session whose "
          "isolation is 'process'")
_CLOSE = "Raise SystemExit to end the cell, or call the tool close_session to end the session"

# os functions that change the whole process for ever.
_REFUSED_IN_OS = {
    "_exit": _CLOSE, "abort": _CLOSE,
    **dict.fromkeys(
        ("setuid", "setgid", "seteuid", "setegid", "setreuid", "setregid", "setresuid",
         "setresgid", "setgroups", "initgroups", "chroot", "setsid", "setpgrp", "login_tty",
         "nice", "setns", "unshare"), _CHILD),
}


class Guards:
    def __init__(self, native, patches, environment):
        self._patches = patches
        self._environment = environment
        self._native = native
        self.dirty = []  # why this interpreter must not be reused
        self._undone_later = {}
        self.undo = [self._undo_later]  # called when a session ends; False if that did not help

    def install(self):
        after = self._patches.after_import
        after("posix", self._patch_posix)
        after("sys", self._patch_sys)
        after("time", self._patch_time)
        after("_imp", self._patch_imp)
        after("_codecs", self._patch_codecs)
        after("codecs", self._publish_codecs)
        for name in ("_signal", "signal", "resource", "_interpreters",
                     "_xxsubinterpreters", "_socket", "_asyncio"):
            after(name, self._patch_later)

    def undo_once(self, what, action):
        """Like appending to `undo`, for modules that every session imports anew."""
        self._undone_later[what] = action

    def _patch_later(self, module):
        from . import guards_later
        guards_later.patch(module, self)

    def _undo_later(self):
        while self._undone_later:
            self._undone_later.popitem()[1]()

    # Whose process is it?

    def owns(self, posix, pid):
        """Whether a signal to `pid` would reach the server itself (or the client above it)."""
        own = posix.getpid()
        if pid in (0, -1, own, posix.getppid()):
            return True
        if pid < 0:
            return -pid in (posix.getpgrp(), own)
        try:  # kill() takes a thread's number as well
            posix.stat(f"/proc/self/task/{pid}")
        except OSError:
            return False
        return True

    def _patch_posix(self, posix):
        for name, instead in _REFUSED_IN_OS.items():
            if hasattr(posix, name):
                setattr(posix, name, refusal(f"os.{name}()", _SHARED, instead))
        self._guard_kill(posix)
        self._guard_scheduling(posix)
        # Nothing forks in this process, and what is registered could never be taken back.
        posix.register_at_fork = lambda *, before=None, after_in_child=None, after_in_parent=None: None

    def _guard_kill(self, posix):
        kill, killpg, owns = posix.kill, posix.killpg, self.owns
        getpgrp, pidfd_open, setpgid = posix.getpgrp, getattr(posix, "pidfd_open", None), posix.setpgid

        def guarded_kill(pid, signal, /):
            """Kill a process with a signal."""
            if signal != 0 and isinstance(pid, int) and owns(posix, pid):
                raise PermissionError(three_parts(
                    f"os.kill({pid}, {int(signal)})", f"that is the server's own process: {_SHARED}", _CLOSE))
            return kill(pid, signal)

        def guarded_killpg(pgid, signal, /):
            """Kill a process group with a signal."""
            if signal != 0 and isinstance(pgid, int) and pgid in (0, 1, getpgrp()):
                raise PermissionError(three_parts(
                    f"os.killpg({pgid}, {int(signal)})", f"the server is in that group: {_SHARED}", _CLOSE))
            return killpg(pgid, signal)

        def guarded_setpgid(pid, pgrp, /):
            """Call the system call setpgid(pid, pgrp)."""
            if owns(posix, pid):
                raise PermissionError(three_parts("os.setpgid()", _SHARED, _CHILD))
            return setpgid(pid, pgrp)

        posix.kill, posix.killpg, posix.setpgid = guarded_kill, guarded_killpg, guarded_setpgid
        for function, name in ((guarded_kill, "kill"), (guarded_killpg, "killpg"),
                               (guarded_setpgid, "setpgid")):
            function.__name__ = function.__qualname__ = name
        if pidfd_open is not None:
            def guarded_pidfd_open(pid, flags=0):
                """Return a file descriptor referring to the process *pid*."""
                if owns(posix, pid):
                    raise PermissionError(three_parts("os.pidfd_open() of the server", _SHARED, _CLOSE))
                return pidfd_open(pid, flags)
            guarded_pidfd_open.__name__ = guarded_pidfd_open.__qualname__ = "pidfd_open"
            posix.pidfd_open = guarded_pidfd_open

    def _guard_scheduling(self, posix):
        owns = self.owns
        instead = "Start a child with subprocess and set it there; children may be changed freely"

        def guard(name, position):
            real = getattr(posix, name, None)
            if real is None:
                return

            def guarded(*args, **kwargs):
                who = args[position] if len(args) > position else 0
                if isinstance(who, int) and owns(posix, who):
                    raise PermissionError(three_parts(f"os.{name}() of the server's process", _SHARED, instead))
                return real(*args, **kwargs)

            guarded.__name__ = guarded.__qualname__ = name
            guarded.__doc__ = real.__doc__
            setattr(posix, name, guarded)

        guard("sched_setaffinity", 0)
        guard("sched_setscheduler", 0)
        guard("sched_setparam", 0)
        guard("setpriority", 1)

    def _patch_sys(self, sys):
        addaudithook, dirty = sys.addaudithook, self.dirty

        def guarded_addaudithook(hook):
            """Adds a new audit hook callback."""
            dirty.append("an audit hook was added, which cannot be removed")
            return addaudithook(hook)

        guarded_addaudithook.__name__ = guarded_addaudithook.__qualname__ = "addaudithook"
        sys.addaudithook = guarded_addaudithook
        if hasattr(sys, "activate_stack_trampoline"):
            sys.activate_stack_trampoline = refusal("sys.activate_stack_trampoline()", _SHARED, _CHILD)
        if hasattr(sys, "remote_exec"):
            remote_exec, owns = sys.remote_exec, self.owns
            import posix

            def guarded_remote_exec(pid, script):
                """Execute a script in another Python process."""
                if owns(posix, pid):
                    raise PermissionError(three_parts("sys.remote_exec() into the server", _SHARED, _CHILD))
                return remote_exec(pid, script)

            guarded_remote_exec.__name__ = guarded_remote_exec.__qualname__ = "remote_exec"
            sys.remote_exec = guarded_remote_exec

    def _patch_time(self, time):
        data, server = self._environment.data(), self._environment.default(b"TZ")

        def tzset():
            """Read the time zone rules again; a session can't choose its own."""
            if data.get(b"TZ") != server:
                raise PermissionError(three_parts(
                    "time.tzset()", "the C library has one time zone for the whole process",
                    "Use zoneinfo.ZoneInfo(name) with datetime"))

        if hasattr(time, "tzset"):
            time.tzset = tzset
        if hasattr(time, "clock_settime"):
            for name in ("clock_settime", "clock_settime_ns"):
                setattr(time, name, refusal(f"time.{name}()", "the clock is the machine's", _CHILD))

    def _patch_imp(self, module):
        module._override_multi_interp_extensions_check = refusal(
            "_imp._override_multi_interp_extensions_check()",
            "an extension module that shares its C state among interpreters can corrupt other sessions",
            "Run code that needs such a module in a session whose isolation is 'process'")

    def _patch_codecs(self, module):
        """Search functions live in C; those that a session adds go with it."""
        register, unregister, added = module.register, module.unregister, []

        def guarded_register(search_function, /):
            register(search_function)
            added.append(search_function)

        def forget_added():
            while added:
                unregister(added.pop())

        guarded_register.__name__ = guarded_register.__qualname__ = "register"
        guarded_register.__doc__ = register.__doc__
        module.register = guarded_register
        self.undo.append(forget_added)

    def _publish_codecs(self, module):
        import _codecs
        module.register = _codecs.register
