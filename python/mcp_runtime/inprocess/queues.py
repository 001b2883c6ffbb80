"""SimpleQueue and multiprocessing's SemLock over a lock that a stop can end.

Imported only by sessions that import `queue` or `multiprocessing`.
"""

import time
from _collections import deque

_classes = {}


def simple_queue(new_lock):
    if "SimpleQueue" in _classes:
        return _classes["SimpleQueue"]
    from _queue import Empty

    class SimpleQueue:
        """Simple, unbounded, reentrant FIFO queue."""

        # The lock is taken while the queue may be empty: a getter that finds nothing takes it,
        # and blocks when it is taken already; put() opens it. Whoever got through opens it again
        # for the next. An opening too many costs a getter one more look, one too few would leave
        # it asleep. Nothing is held between calls, so put() may come from a finaliser.
        __slots__ = ("_items", "_maybe_empty", "__weakref__")

        def __init__(self):
            self._items = deque()
            self._maybe_empty = new_lock()

        def put(self, item, block=True, timeout=None):
            """Put the item on the queue; never blocks."""
            self._items.append(item)
            self._open()

        def put_nowait(self, item):
            """Put the item on the queue."""
            self.put(item)

        def get(self, block=True, timeout=None):
            """Remove and return an item; raise Empty when there is none in time."""
            if block and timeout is not None and timeout < 0:
                raise ValueError("'timeout' must be a non-negative number")
            deadline = None if timeout is None else time.monotonic() + timeout
            try:
                while True:
                    try:
                        return self._items.popleft()
                    except IndexError:
                        pass
                    if not block:
                        break
                    left = -1 if deadline is None else max(0, deadline - time.monotonic())
                    if not self._maybe_empty.acquire(True, left):
                        break
            finally:
                if self._items:
                    self._open()
            raise Empty

        def get_nowait(self):
            """Remove and return an item; raise Empty when there is none."""
            return self.get(False)

        def empty(self):
            """Return True if the queue is empty (at the moment)."""
            return not self._items

        def qsize(self):
            """Return the approximate size of the queue."""
            return len(self._items)

        def __sizeof__(self):
            return object.__sizeof__(self) + self._items.__sizeof__()

        def __class_getitem__(cls, item):
            import types
            return types.GenericAlias(cls, item)

        def _open(self):
            try:
                self._maybe_empty.release()
            except RuntimeError:
                pass

    SimpleQueue.__module__ = "_queue"
    SimpleQueue.__qualname__ = "SimpleQueue"
    _classes["SimpleQueue"] = SimpleQueue
    return SimpleQueue


def semaphore_lock(new_lock):
    if "SemLock" in _classes:
        return _classes["SemLock"]
    from _thread import get_ident

    class SemLock:
        """Semaphore or recursive mutex among the threads of one session."""

        SEM_VALUE_MAX = 0x7FFFFFFF
        __slots__ = ("kind", "maxvalue", "name", "handle", "_value", "_owner", "_depth", "_guard",
                     "_closed")

        def __init__(self, kind, value, maxvalue, name, unlink):
            # Without a name nobody starts the process that would remove it one day.
            self.kind, self.maxvalue, self.name, self.handle = kind, maxvalue, None, 0
            self._value, self._owner, self._depth = value, 0, 0
            self._guard, self._closed = new_lock(), new_lock()
            if value <= 0:
                self._closed.acquire()

        def acquire(self, block=True, timeout=None):
            """Acquire the semaphore/lock."""
            if self.kind == 0 and self._is_mine():
                self._depth += 1
                return True
            left = -1 if timeout is None else max(0, timeout)
            if not (self._closed.acquire(True, left) if block else self._closed.acquire(False)):
                return False
            with self._guard:
                self._value -= 1
                if self._value > 0:
                    self._closed.release()
            self._owner = get_ident()
            self._depth += 1
            return True

        def release(self):
            """Release the semaphore/lock."""
            if self.kind == 0:
                if not self._is_mine():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                if self._depth > 1:
                    self._depth -= 1
                    return
            with self._guard:
                if self._value >= self.maxvalue:
                    raise ValueError("semaphore or lock released too many times")
                self._depth -= 1
                self._value += 1
                if self._value == 1:
                    self._closed.release()

        def _count(self):
            return self._depth

        def _is_mine(self):
            return self._depth > 0 and self._owner == get_ident()

        def _get_value(self):
            return self._value

        def _is_zero(self):
            return self._value == 0

        def _after_fork(self):
            self._depth = 0

        def __enter__(self):
            return self.acquire()

        def __exit__(self, *args):
            self.release()

    SemLock.__module__ = "_multiprocessing"
    SemLock.__qualname__ = "SemLock"
    _classes["SemLock"] = SemLock
    return SemLock
