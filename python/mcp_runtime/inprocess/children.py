"""Child processes of a session: what they inherit, and that we know them.

fork() itself is refused by CPython in a sub-interpreter (the child would be a copy of the whole
server). Children come from _posixsubprocess.fork_exec, behind subprocess and os.popen, and from
posix_spawn; os.system and os.spawn* are rebuilt over those two, because the libc functions they
use would inherit the server's environment and could not be stopped.
"""

import errno

from .errors import refusal

_WAY_OUT = "Use subprocess.run([...]) or subprocess.Popen([...]); they work here"


class Children:
    def __init__(self, native, environment, patches):
        self._note = getattr(native, "note_child", None) or (lambda pid: None)
        self._forget = getattr(native, "forget_child", None) or (lambda pid: None)
        self._stop_requested = native.stop_requested
        self._environment = environment
        self._patches = patches

    def install(self):
        after = self._patches.after_import
        after("posix", self._patch_posix)
        after("os", self._patch_os)
        after("_posixsubprocess", self._patch_fork_exec)
        after("subprocess", patch_subprocess)
        after("multiprocessing.process", _refuse_processes)
        after("multiprocessing.context", _refuse_managers)

    def _patch_fork_exec(self, module):
        environment, note = self._environment, self._note
        real = module.fork_exec

        def fork_exec(*args):
            if len(args) > 5:
                args = (*args[:5], environment.for_child(args[5]), *args[6:])
            pid = real(*args)
            note(pid)
            return pid

        module.fork_exec = fork_exec

    def _patch_posix(self, posix):
        for name in ("posix_spawn", "posix_spawnp"):
            if hasattr(posix, name):
                setattr(posix, name, self._spawning(name, getattr(posix, name)))
        self._patch_waits(posix)
        posix.system = system_over(posix)
        for name in ("fork", "fork1", "forkpty"):
            if hasattr(posix, name):
                setattr(posix, name, refusal(
                    f"os.{name}()", "the session shares its process with the server and the other "
                    "sessions, so a fork would copy them all", _WAY_OUT, RuntimeError))
        for name in ("execv", "execve"):
            setattr(posix, name, refusal(
                f"os.{name}()", "it would replace the server's process and end every session",
                _WAY_OUT, RuntimeError))

    def _spawning(self, name, real):
        environment, note = self._environment, self._note

        def spawn(path, argv, env, /, **options):
            pid = real(path, argv, environment.mapping_for_child(env), **options)
            note(pid)
            return pid

        spawn.__name__ = spawn.__qualname__ = name
        spawn.__doc__ = real.__doc__
        return spawn

    def _patch_waits(self, posix):
        """Waiting for a child forgets it, and a stop comes out as KeyboardInterrupt at once.

        A stopped system call fails with ECANCELED and the KeyboardInterrupt is raised where the
        interpreter next looks. subprocess kills its child when wait() raises; if the exception
        came only there, inside kill(), the child would live on. Calling anything makes it look.
        """
        forget, stop_requested = self._forget, self._stop_requested

        def waiting(name, pid_of):
            real = getattr(posix, name, None)
            if real is None:
                return

            def wait(*args, **kwargs):
                try:
                    result = real(*args, **kwargs)
                except OSError as error:
                    if error.errno == errno.ECANCELED and stop_requested():
                        raise KeyboardInterrupt from None
                    raise
                pid = pid_of(result)
                if pid:
                    forget(pid)
                return result

            wait.__name__ = wait.__qualname__ = name
            wait.__doc__ = real.__doc__
            setattr(posix, name, wait)

        for name in ("wait", "waitpid", "wait3", "wait4"):
            waiting(name, lambda result: result[0])
        waiting("waitid", lambda result: None)

    def _patch_os(self, os):
        posix_spawn, posix_spawnp, waitpid = os.posix_spawn, os.posix_spawnp, os.waitpid

        def _spawnvef(mode, file, args, env, func):
            if not isinstance(args, (tuple, list)):
                raise TypeError("argv must be a tuple or a list")
            if not args or not args[0]:
                raise ValueError("argv first element cannot be empty")
            searched = func in (os.execvp, os.execvpe)
            pid = (posix_spawnp if searched else posix_spawn)(file, args, env)
            if mode == os.P_NOWAIT:
                return pid
            return os.waitstatus_to_exitcode(waitpid(pid, 0)[1])

        os._spawnvef = _spawnvef


def system_over(posix, environment=None):
    """os.system() whose wait can be stopped; libc's own ignores SIGINT while it waits."""
    spawn, waitpid, killpg = posix.posix_spawn, posix.waitpid, posix.killpg

    def system(command):
        """Run the command in a shell of its own process group; return its wait status."""
        pid = spawn("/bin/sh", ["sh", "-c", command], environment, setpgroup=0)
        try:
            return waitpid(pid, 0)[1]
        except BaseException:
            try:
                killpg(pid, 9)
                waitpid(pid, 0)
            except OSError:
                pass
            raise

    system.__module__, system.__qualname__ = "posix", "system"
    return system


def patch_subprocess(module):
    """Popen.wait() that lets a stop through at once."""
    # After a KeyboardInterrupt Popen.wait() gives its child 0.25 s to see the terminal's Ctrl-C
    # too. There is no terminal here, and the stop would be that late.
    module.Popen._sigint_wait_secs = property(lambda self: 0, lambda self, seconds: None)


def _refuse_processes(module):
    module.BaseProcess.start = refusal(
        "multiprocessing.Process.start()",
        "its children are copies of the interpreter or import the main module, and a session in "
        "the server's process can offer neither",
        "Use a session whose isolation is 'process' or 'auto', several sessions (each has its own "
        "GIL), concurrent.futures.ThreadPoolExecutor, or a script: "
        "subprocess.run([sys.executable, path])", RuntimeError)


def _refuse_managers(module):
    module.BaseContext.Manager = refusal(
        "multiprocessing.Manager()", "it starts a server process from a copy of the interpreter",
        "Use a session whose isolation is 'process' or 'auto', ordinary objects with threads, or a "
        "script: subprocess.run([sys.executable, path])", RuntimeError)
