"""What an interpreter keeps in C: hooks, limits, the collector, exit handlers. Used by Baseline.

Read once, before the first session; every function is taken then too, so that nothing a session
does to the modules changes what is called here.
"""

import _imp
import _thread
import atexit
import gc
import posix
import sys

_MONITORING_TOOLS = 6


class ProcessState:
    def __init__(self, native):
        self._native = native
        self.threads = _thread._count
        self._modules = sys.modules
        self._import_lock = (_imp.lock_held, _imp.release_lock)
        self._exit_handlers = (atexit._ncallbacks, atexit._run_exitfuncs, atexit._clear)
        self._collect = gc.collect
        self._gc_lists = (gc.callbacks, gc.garbage)
        self._gc_on = (gc.isenabled, gc.enable, gc.unfreeze)
        self._gc_threshold = (gc.set_threshold, gc.get_threshold())
        self._trace = (sys.settrace, sys.setprofile)
        self._asyncgen_hooks = sys.set_asyncgen_hooks
        self._monitoring = (sys.monitoring.get_tool, _tool_freer(sys.monitoring))
        self._settings = [(read, write, read()) for read, write in (
            (sys.getrecursionlimit, sys.setrecursionlimit),
            (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
            (sys.getswitchinterval, sys.setswitchinterval),
            (sys.getdlopenflags, sys.setdlopenflags),
            (sys.get_coroutine_origin_tracking_depth, sys.set_coroutine_origin_tracking_depth),
            (gc.get_debug, gc.set_debug),
        )]
        mask = posix.umask(0o022)
        posix.umask(mask)
        self._place = (posix.umask, mask, posix.chdir, posix.getcwd())

    def quiet(self):
        """No function of the session is called any more for what we do from here on."""
        for stop in self._trace:
            stop(None)
        self._asyncgen_hooks(None, None)
        get_tool, free = self._monitoring
        for tool in range(_MONITORING_TOOLS):
            if get_tool(tool) is not None:
                free(tool)

    def free_import_lock(self):
        """A stop can hit importlib between taking the lock and the `try` that gives it back.

        False when a thread that has ended took the lock with it: nothing can be imported then.
        """
        held, release = self._import_lock
        while held():
            try:
                release()
            except RuntimeError:
                return False
        return True

    def run_exit_handlers(self):
        """What the session registered with atexit; CPython itself would run it never."""
        count, run, clear = self._exit_handlers
        if not count():
            return True
        stopped = self._as_user_code(run)
        clear()
        return not stopped

    def restore(self):
        self.quiet()
        asyncio = self._modules.get("_asyncio")
        if asyncio is not None:
            asyncio._set_running_loop(None)  # 3.14 keeps it with the thread
        for read, write, value in self._settings:
            if read() != value:
                write(value)
        write, value = self._gc_threshold
        write(*value)
        is_enabled, enable, unfreeze = self._gc_on
        if not is_enabled():
            enable()
        unfreeze()
        for entries in self._gc_lists:
            entries.clear()
        umask, mask, chdir, home = self._place
        umask(mask)
        chdir(home)
        return True

    def collect(self):
        """Collect what was dropped; finalisers of the session run here."""
        return not self._as_user_code(self._collect) and not self._as_user_code(self._collect)

    def _as_user_code(self, action):
        """Run something that may call the session's functions; True when it had to be stopped."""
        native = self._native
        stopped = False
        try:
            try:
                native.stoppable(True)
                action()
            finally:
                native.stoppable(False)
        except KeyboardInterrupt:
            stopped = True
        except BaseException:
            pass
        return stopped or native.stop_requested()


def _tool_freer(monitoring):
    set_events, register, free_tool_id = (
        monitoring.set_events, monitoring.register_callback, monitoring.free_tool_id)

    def free(tool):
        # Before 3.14 freeing a tool leaves its events and callbacks in place.
        set_events(tool, 0)
        for event in range(20):
            try:
                register(tool, 1 << event, None)
            except ValueError:
                break
        free_tool_id(tool)

    return free
