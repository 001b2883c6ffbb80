"""The guards of modules that few sessions import; loaded together with the first of those."""

from .errors import refusal, three_parts

_SHARED = "the process belongs to the server and to the other sessions as well"
_CHILD = ("Do it in a child process, subprocess.run([sys.executable, path]), or in a session whose "
          "isolation is 'process'")
_CLOSE = "Raise SystemExit to end the cell, or call the tool close_session to end the session"
_TIMER = ("Use threading.Timer, asyncio.wait_for or the timeout argument of the call; a cell's own "
          "limit is the argument timeout of run_python")


def patch(module, guards):
    _PATCHES[module.__name__](module, guards)


def _named(name, function, real):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = getattr(real, "__doc__", None)
    return function


def _patch_signals(module, guards):
    import posix
    owns = guards.owns
    handlers = "signals and their handlers are the whole process's, and it is the server's"
    for name in ("signal", "set_wakeup_fd"):
        # A ValueError, as CPython's own outside the main thread: libraries expect it and go on.
        setattr(module, name, refusal(f"signal.{name}()", handlers, _TIMER, ValueError))
    for name in ("alarm", "setitimer", "siginterrupt"):
        setattr(module, name, refusal(f"signal.{name}()", handlers, _TIMER))
    pthread_kill, raise_signal = module.pthread_kill, module.raise_signal
    pidfd_send_signal = getattr(module, "pidfd_send_signal", None)
    set_mask, replace = module.pthread_sigmask, module.SIG_SETMASK
    mask = set_mask(module.SIG_BLOCK, ())
    guards.undo_once("signal mask", lambda: set_mask(replace, mask))

    def guarded_pthread_kill(thread_id, signalnum, /):
        if signalnum:
            raise PermissionError(three_parts("signal.pthread_kill()", handlers, _CLOSE))
        return pthread_kill(thread_id, signalnum)

    def guarded_pidfd_send_signal(pidfd, signalnum, siginfo=None, flags=0, /):
        if signalnum and owns(posix, _pid_of(pidfd)):
            raise PermissionError(three_parts("signal.pidfd_send_signal()", _SHARED, _CLOSE))
        return pidfd_send_signal(pidfd, signalnum, siginfo, flags)

    module.pthread_kill = _named("pthread_kill", guarded_pthread_kill, pthread_kill)
    module.raise_signal = refusal("signal.raise_signal()", handlers, _CLOSE)
    if pidfd_send_signal is not None:
        module.pidfd_send_signal = _named(
            "pidfd_send_signal", guarded_pidfd_send_signal, pidfd_send_signal)


def _pid_of(pidfd):
    with open(f"/proc/thread-self/fdinfo/{int(pidfd)}") as lines:
        for line in lines:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    raise OSError(f"{pidfd} is not a pidfd")


def _patch_signal_wrappers(module, guards):
    """signal.py wraps some of _signal's functions in its own: they call ours already."""


def _patch_resource(module, guards):
    import posix
    prlimit = getattr(module, "prlimit", None)
    instead = ("Set the limit in a child, for instance with subprocess.run(['prlimit', …]); the "
               "memory of a session is bounded by the server")
    module.setrlimit = refusal("resource.setrlimit()", _SHARED, instead)
    if prlimit is not None:
        def guarded_prlimit(pid, resource, limits=None, /):
            if limits is None:
                return prlimit(pid, resource)
            if guards.owns(posix, pid):
                raise PermissionError(three_parts("resource.prlimit() of the server", _SHARED, instead))
            return prlimit(pid, resource, limits)
        module.prlimit = _named("prlimit", guarded_prlimit, prlimit)


def _patch_interpreters(module, guards):
    why = "an interpreter inside a session would be outside the session's fences"
    instead = "Open another session: each has an interpreter and a GIL of its own"
    for name in ("create", "destroy", "exec", "call", "run_string", "run_func",
                 "set___main___attrs", "new_config"):
        if hasattr(module, name):
            setattr(module, name, refusal(f"{module.__name__}.{name}()", why, instead, RuntimeError))


def _patch_socket(module, guards):
    if hasattr(module, "sethostname"):
        module.sethostname = refusal("socket.sethostname()", "the name is the machine's", _CHILD)


def _patch_asyncio(module, guards):
    """Let asyncio be collected when the session ends.

    CPython 3.13 keeps the iterators of awaited futures in a free list inside the module. Each holds
    its type and that the module, unseen by the collector, so that the module and with it the
    whole package (6 MB) would stay for ever (gh-121621). Taken out of the list and tied to the
    module they go with it.
    """
    future = module.Future

    class Loop:
        get_debug = staticmethod(bool)

    def empty_free_list():
        iterate = future(loop=Loop()).__iter__
        module.__dict__["__iterators__"] = [iterate() for _ in range(_FREE_LIST_LENGTH)]

    guards.undo_once("free list of _asyncio", empty_free_list)


_FREE_LIST_LENGTH = 255  # FI_FREELIST_MAXLEN in Modules/_asynciomodule.c

_PATCHES = {
    "_signal": _patch_signals,
    "signal": _patch_signal_wrappers,
    "resource": _patch_resource,
    "_interpreters": _patch_interpreters,
    "_xxsubinterpreters": _patch_interpreters,
    "_socket": _patch_socket,
    "_asyncio": _patch_asyncio,
}
