"""A worker's state is written unasked, by a child that it forks between two cells.

The child has the names as they were, pickles them at leisure and ends, while the worker serves. The
fork itself is all that a cell may have to wait for. The child holds none of the worker's
descriptors for the server; it ends with the worker, and is killed when it takes too long. Whether it
came to its end is seen by the file alone, which appears when it is whole.
"""

from __future__ import annotations

import _signal as signal  # the module signal takes 2 ms, for its enumerations
import faulthandler
import os
import select
import time
from builtins import (
    BaseException,
    ChildProcessError,
    KeyboardInterrupt,
    OSError,
    bool,
    float,
    int,
    max,
    open,
    range,
    str,
)

from mcp_runtime.worker import copies, limits, linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from mcp_runtime.session import Session

# Beyond it copying the tables of pages takes longer than a cell may wait, and would not fit anyway.
MAXIMUM_RESIDENT = 1 << 30
# Between being asked to come to its end and being killed.
_GRACE_SECONDS = 1.0
_LEFT_MILLISECONDS = 50


class Checkpoints:
    """Of one worker. `leave` is what every child of the worker's does with what is not its own."""

    def __init__(self, session: Session, leave: Callable[[], None]) -> None:
        self.child = 0  # the one that writes, or was not reaped yet; 0: none
        self._session = session
        self._leave = leave

    def begin(self, order: str, limit: int, seconds: float) -> None:
        """Forks the child, unless one is at work. Returns in the worker only."""
        if self.child or _resident() > MAXIMUM_RESIDENT:
            return
        worker = os.getpid()
        left = _Left() if limits.in_groups() else None
        try:
            pid = _fork()
        except BaseException:  # hooks of the user's may raise anything
            if os.getpid() == worker:
                return
            os._exit(1)
        if pid == 0:
            limits.leave_groups()
            if left is not None:
                left.tell()
            self._live(worker, order, limit, seconds)
        if pid > 0:
            self.child = pid
        if left is not None:
            left.wait()

    def reap(self) -> None:
        """Lets go of a child that has ended."""
        try:
            if os.waitpid(self.child, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:  # a cell's os.wait() has met it
            pass
        self.child = 0

    def _live(self, worker: int, order: str, limit: int, seconds: float) -> NoReturn:
        """In the child, to its end."""
        code = 1
        try:
            self._leave()
            faulthandler.disable()
            linux.end_with_parent(worker)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):  # what code of the user's prints here belongs to no cell
                os.dup2(nowhere, number)
            os.sched_setaffinity(0, range(os.cpu_count() or 1))  # not where the worker is held
            os.nice(10)
            native = _Native(seconds)
            native.install()
            self._session.native = native
            from mcp_runtime import snapshot

            snapshot.checkpoint(self._session, order, limit, None)
            code = 0
        except BaseException:
            pass
        os._exit(code)


class _Left:
    """Whether the child counts for the session's limits no more: a tenth of a millisecond, mostly."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def tell(self) -> None:
        """In the child."""
        os.close(self._writer)
        os.close(self._reader)

    def wait(self) -> None:
        os.close(self._writer)
        waiting = select.poll()
        waiting.register(self._reader, select.POLLIN)
        waiting.poll(_LEFT_MILLISECONDS)
        os.close(self._reader)


class _Native:
    """What a session asks of its process, in the child: the time alone ends the pickling."""

    def __init__(self, seconds: float) -> None:
        self._open = False
        self._deadline = time.monotonic() + seconds

    def install(self) -> None:
        signal.signal(signal.SIGALRM, self._on_time)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
        signal.setitimer(signal.ITIMER_REAL, max(0.001, self._deadline - time.monotonic()))

    def stoppable(self, on: bool, /) -> None:
        self._open = on

    def stop_requested(self) -> bool:
        return time.monotonic() >= self._deadline

    def _on_time(self, *_: Any) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
        signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS)
        if self._open:
            raise KeyboardInterrupt


def _fork() -> int:
    """Without the hooks of cells where no other thread can have left a lock behind."""
    if linux.threads() == 1:
        pid = linux.plain_fork()
        if pid >= 0:
            return pid
    return copies.quiet_fork()


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(256).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
