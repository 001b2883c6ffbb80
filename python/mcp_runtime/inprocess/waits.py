"""Waits that a stop can end.

System calls are woken by a signal (libc's blocking functions are interposed in the server). What
CPython builds on its own locks cannot be: a woken lock there would look as if it had been taken.
So every interpreter of a session gets lock types of ours before `threading` is imported, and what
CPython blocks on in C behind our back is rebuilt over them: Thread.join, SimpleQueue. Condition,
Event, Semaphore, Barrier, Queue and concurrent.futures are Python over these and follow.
"""

from .errors import refusal, three_parts

_ECANCELED = 125  # Linux; errno is not imported where it is not needed


class Waits:
    def __init__(self, native, patches):
        self._native = native
        self._patches = patches

    def install(self):
        after = self._patches.after_import
        after("_thread", self._patch_thread)
        after("time", self._patch_time)
        after("_queue", self._patch_queue)
        after("queue", self._patch_queue)
        after("sqlite3.dbapi2", self._patch_sqlite3)
        after("sqlite3", self._publish_sqlite3)
        after("_multiprocessing", self._patch_semaphore)
        after("selectors", _patch_selectors)

    def _patch_thread(self, module):
        lock = self._native.Lock
        module.allocate_lock = module.allocate = lock
        module.LockType = lock
        if hasattr(module, "lock"):
            module.lock = lock
        module.RLock = self._native.RLock
        _patch_joinable(module, lock)

    def _patch_time(self, module):
        """A stop comes out of sleep() as KeyboardInterrupt, so that code around it may catch it.

        The system call fails with ECANCELED, and the KeyboardInterrupt comes where the interpreter
        next looks: behind the `except` that was meant for it. Calling anything makes it look.
        """
        real, stop_requested = module.sleep, self._native.stop_requested

        def sleep(seconds, /):
            try:
                real(seconds)
            except OSError as error:
                if error.errno == _ECANCELED and stop_requested():
                    raise KeyboardInterrupt from None
                raise

        sleep.__doc__ = real.__doc__
        sleep.__qualname__ = "sleep"
        sleep.__module__ = "time"
        module.sleep = sleep

    def _patch_queue(self, module):
        from . import queues
        module.SimpleQueue = queues.simple_queue(self._native.Lock)

    def _patch_sqlite3(self, module):
        from . import databases
        databases.patch(module, self._native.stop_requested)

    def _publish_sqlite3(self, module):
        from . import databases
        databases.publish(module)

    def _patch_semaphore(self, module):
        """multiprocessing's locks wait in sem_wait(); without its processes a lock serves."""
        from . import queues
        module.SemLock = queues.semaphore_lock(self._native.Lock)


def _patch_joinable(module, new_lock):
    """Thread handles whose join() waits for a lock of ours before it joins in C."""
    real_handle = module._ThreadHandle
    real_start = module.start_joinable_thread
    real_make = module._make_thread_handle
    session_thread = module.get_ident()

    class _ThreadHandle:
        __slots__ = ("_handle", "_running")

        def __init__(self):
            self._handle = real_handle()
            self._running = None

        @property
        def ident(self):
            return self._handle.ident

        def is_done(self):
            return self._handle.is_done()

        def _set_done(self):
            self._handle._set_done()
            _release(self._running)

        def join(self, timeout=None, /):
            running = self._running
            if running is not None and self._handle.ident != module.get_ident():
                seconds = -1 if timeout is None or timeout < 0 else timeout
                if not running.acquire(True, seconds):
                    return
                running.release()
            # What is left is the moment in which the thread takes itself apart. For the errors
            # (not started, joining oneself) the real one knows the words.
            self._handle.join()

    def start_joinable_thread(function, handle=None, daemon=True):
        """Start a thread whose handle can be joined, and the join stopped."""
        if not callable(function):
            raise TypeError("thread function must be callable")
        if handle is None:
            handle = _ThreadHandle()
        running = new_lock()
        running.acquire()
        handle._running = running

        def run():
            try:
                function()
            finally:
                running.release()

        try:
            real_start(run, handle=handle._handle, daemon=daemon)
        except BaseException:
            running.release()
            raise
        return handle

    def _make_thread_handle(ident):
        handle = _ThreadHandle()
        handle._handle = real_make(ident)
        handle._running = new_lock()
        handle._running.acquire()
        return handle

    module._ThreadHandle = _ThreadHandle
    module.start_joinable_thread = start_joinable_thread
    module._make_thread_handle = _make_thread_handle
    # The session's thread is the main one of its interpreter, not the process's first.
    module._get_main_thread_ident = lambda: session_thread
    module.interrupt_main = refusal(
        "_thread.interrupt_main()", "signals of the process belong to the server, not to a session",
        "Raise KeyboardInterrupt in the cell itself, or call the tool interrupt_session",
        RuntimeError)
    _keep_stacks_reasonable(module)


def _release(lock):
    if lock is not None:
        try:
            lock.release()
        except RuntimeError:
            pass


def _keep_stacks_reasonable(module):
    """threading.stack_size() is the process's: read it, don't set it."""
    real = module.stack_size

    def stack_size(size=0, /):
        if size and size != real():
            raise ValueError(three_parts(
                "threading.stack_size() was not changed",
                "the size holds for threads of every session in the process",
                "Run deep recursion in a script of its own with subprocess.run"))
        return real()

    module.stack_size = stack_size


def _patch_selectors(module):
    """A select() that a stop cancelled has found nothing; the KeyboardInterrupt comes right after.

    As an error it would unwind an event loop while the KeyboardInterrupt falls into its `finally`,
    and the loop would count as running for ever.
    """
    import errno

    def tolerant(real):
        def select(self, timeout=None):
            try:
                return real(self, timeout)
            except OSError as error:
                if error.errno != errno.ECANCELED:
                    raise
                return []

        return select

    for name in ("EpollSelector", "PollSelector", "SelectSelector"):
        selector = getattr(module, name, None)
        if selector is not None:
            selector.select = tolerant(selector.select)
