"""How the cells of a worker are stopped: its `Native`.

A stop comes as SIGINT, together with the cell's number in a page shared with the server. Python
runs the handler in the main thread, between two instructions of whatever runs there or when a
system call was interrupted. It raises KeyboardInterrupt when user code runs, that is inside a
region. Three things keep the exception out of everything else:

- opening and closing a region is one function, and nothing is raised while it runs. A signal whose
  handler runs there, or outside a region, is kept, and raised when the next region of the same cell
  opens; a cell's end forgets it.
- a number that is not the running cell's means that the stop came late: nothing happens.
- after a stop the session gets a moment, REPORT_SECONDS, to cancel tasks and to write its report:
  signals that come in there are dropped. The server sends SIGINT again as long as the cell runs.

A second signal that reaches the same region finds code that swallowed the first, and insists.

C code that asks abort_requested() while it works drops what is raised there. So nothing is: the
answer makes it give up, and the stop is raised at the next line of the user's.
"""

from __future__ import annotations

import _signal
import _thread
import struct
import sys
import time
from builtins import (
    BaseException,
    KeyboardInterrupt,
    RuntimeError,
    bool,
    frozenset,
    int,
    list,
    str,
)

from mcp_runtime.worker.insist import Insistence

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from types import FrameType
    from typing import Any

# How long what a session does after a stop (drain tasks, describe the error) is left alone.
REPORT_SECONDS = 0.1
# A stop asked for in an earlier cell may arrive this late; any later one is the user's own.
LATE_SECONDS = 5.0

_read_number = struct.Struct("<Q").unpack_from
_now = time.monotonic
# The module signal wraps these in Python, which would need the builtins that user code may remove.
_get_handler = _signal.getsignal
_set_handler = _signal.signal
_mask = _signal.pthread_sigmask
_get_trace = sys.gettrace
_this_thread = _thread.get_ident
_SIGINT = _signal.SIGINT
_SIGXCPU = _signal.SIGXCPU


class CpuTimeExceeded(RuntimeError):
    """The cell, or the session, has used the CPU time that it was given."""


CpuTimeExceeded.__module__ = "builtins"  # so that answers name it plainly


class WorkerNative:
    """A `Native` whose stops are signals. Lives in a worker's main thread."""

    def __init__(self, page: mmap.mmap, call_pipes: tuple[int, int] = (-1, -1)) -> None:
        self.cpu_message = ""  # what CpuTimeExceeded says in the running cell
        self.notices: list[str] = []  # the running cell's
        self.call_pipes = call_pipes  # for calls and for answers (docs/code-mode-wire.md)
        self._calls_lost = False
        self._page = page
        self._thread = _this_thread()
        self._cell = 0  # the one that runs, or 0
        self._open = False
        self._region = 0
        self._pending = False
        self._aborting = False  # C code that asks must give up, without a stop of the server's
        self._noticed = False  # the running cell's stop has been seen
        self._forestalled = False  # … in the page; its signal is on the way
        self._asked_region = 0  # the last region in which something was raised
        self._asked_at = 0.0
        self._number = 0  # the last one seen in the page, and when it was last of use
        self._number_at = -LATE_SECONDS
        self._insisting = False
        self._once = False  # insisting ends with the first line that it hits
        self._insistence = Insistence(self._raise_at_line)
        self._error: type[BaseException] = KeyboardInterrupt
        self._on_interrupt = self.on_interrupt  # one object, to be recognised
        self._on_cpu_time = self.on_cpu_time

    # --- what the session calls ---

    def stoppable(self, on: bool, /) -> None:
        """Opens or closes a region. Raises, when opening, a stop that came before."""
        if on:
            if not self._open:
                self._region += 1
                self._open = True
            if self._pending:
                self._pending = False
                self._stop()
        else:
            self._open = False
            if self._insisting:
                self._insisting = False
                self._insistence.end()

    def stop_requested(self) -> bool:
        """The server wants the running cell to end."""
        cell = self._cell
        return cell != 0 and _read_number(self._page)[0] == cell  # type: ignore[no-any-return]

    # --- the calls channel ---

    def calls(self) -> tuple[int, int]:
        """Its descriptors, which stay the worker's. Raises RuntimeError when they are of no use."""
        if self._calls_lost or self.call_pipes[0] < 0:
            raise RuntimeError(
                "No MCP server can be called from this session any more: its channel to the server was "
                "closed or written to by other code. Reset the session."
            )
        return self.call_pipes

    def calls_lost(self, calls: int, answers: int) -> None:
        """They are of no use any more."""
        if calls >= 0 or answers >= 0:
            self._calls_lost = True

    def renew_calls(self) -> None:
        """In the copy of a worker: other pipes are at the same numbers."""
        self._calls_lost = False
        channel = _attached_channel()
        if channel is not None:
            channel.begin_again()

    def leave_calls(self) -> None:
        """In a forked child: they are the worker's."""
        self._calls_lost = True
        channel = _attached_channel()
        if channel is not None:
            channel.leave_to_child()

    # --- what C code asks while it works on ---

    def abort_requested(self) -> bool:
        """Whether C code that was called by the running cell must give up. False on threads that
        the session has started: a stop is the cell's."""
        cell = self._cell
        if cell == 0 or _this_thread() != self._thread:
            return False
        if self._aborting:
            self._aborting = False
            return True
        if _read_number(self._page)[0] != cell:
            return False
        if not self._noticed:
            self._noticed = self._forestalled = True
            self._abort()
        return True

    # --- what the worker's loop calls ---

    def install(self) -> None:
        """Makes the handlers this process's."""
        _set_handler(_SIGINT, self._on_interrupt)
        _set_handler(_SIGXCPU, self._on_cpu_time)

    def move_to(self, page: mmap.mmap) -> mmap.mmap:
        """In the copy of a worker: stops are asked for in another page. Returns the former one."""
        before, self._page = self._page, page
        self._thread = _this_thread()
        self._number = 0
        return before

    def begin(self, cell: int) -> None:
        """User code of this cell runs from now on, whenever a region is open.

        Its stop may have been asked for when it was still in the socket.
        """
        self._asked_region = 0
        self._aborting = self._noticed = self._forestalled = False
        self._error = KeyboardInterrupt
        self._cell = cell
        self._pending = _read_number(self._page)[0] == cell

    def end(self) -> None:
        """The cell is over; whatever is still on its way will find nothing to stop."""
        cell, self._cell = self._cell, 0
        if self._open:
            self.stoppable(False)
        if _read_number(self._page)[0] == cell:
            self._number = cell
            self._number_at = _now()

    def mend(self) -> None:
        """Puts back what user code has done to SIGINT, so that the next cell can be stopped."""
        if _get_handler(_SIGINT) is not self._on_interrupt:
            _set_handler(_SIGINT, self._on_interrupt)
        if _SIGINT in _mask(_signal.SIG_BLOCK, ()):
            _mask(_signal.SIG_UNBLOCK, (_SIGINT,))

    def leave(self) -> None:
        """In a forked child: signals do what they do in any Python process."""
        self._cell = 0
        self._pending = False
        if self._insisting:
            self._insisting = False
            self._insistence.end()
        if _get_handler(_SIGINT) is self._on_interrupt:
            _set_handler(_SIGINT, _signal.default_int_handler)
        if _get_handler(_SIGXCPU) is self._on_cpu_time:
            _set_handler(_SIGXCPU, _signal.SIG_DFL)

    # --- signals ---

    def on_interrupt(self, _number: int, frame: FrameType | None) -> None:
        if self._cell == 0:
            return
        asked = frame is not None and frame.f_code in ASKED_CODES
        if self.stop_requested():
            self._noticed = True
            if self._forestalled:
                self._forestalled = False
                return
            self._error = KeyboardInterrupt
            if asked:
                self._abort()
            elif self._open and not _in_region_change(frame):
                self._stop()
            else:
                self._pending = True
        elif self._open and not _in_region_change(frame) and not self._is_late():
            if not asked:
                raise KeyboardInterrupt
            self._error = KeyboardInterrupt
            self._aborting = True
            self._abort()

    def _is_late(self) -> bool:
        """Nobody asked for this cell's end. Either a stop of an earlier cell came late, or it is
        the code's own: os.kill(os.getpid(), SIGINT), _thread.interrupt_main()."""
        number = _read_number(self._page)[0]
        if number != self._number:
            self._number = number
            self._number_at = _now()
        return _now() - self._number_at < LATE_SECONDS

    def on_cpu_time(self, _number: int, frame: FrameType | None) -> None:
        """SIGXCPU; the kernel sends it again after every further second of CPU time."""
        if frame is not None and frame.f_code in ASKED_CODES:
            if self._cell != 0:
                self.notices.append(self.cpu_message)  # what the C code raises doesn't say it
                self._error = CpuTimeExceeded
                self._aborting = True
                self._abort()
            return
        if self._cell != 0 and self._open and not _in_region_change(frame):
            self._error = CpuTimeExceeded
            self._stop()

    def _abort(self) -> None:
        """C code that asks is about to give up: whatever of the user's runs after it stops."""
        if self._open and _get_trace() is None:
            self._once = self._asked_region != self._region
            self._insisting = self._insistence.begin()
        self._asked_region = self._region
        self._asked_at = _now()

    def _stop(self) -> None:
        region = self._region
        if self._asked_region == region:
            self._once = False
            self._insisting = self._insistence.begin()
        elif self._asked_region and _now() - self._asked_at < REPORT_SECONDS:
            return
        self._asked_region = region
        self._asked_at = _now()
        self._raise_again()

    def _raise_at_line(self) -> None:
        if self._once:
            self._insisting = False
            self._insistence.end()
        self._raise_again()

    def _raise_again(self) -> None:
        if self._error is CpuTimeExceeded:
            raise CpuTimeExceeded(self.cpu_message)
        raise KeyboardInterrupt


_OUR_CODES = frozenset(
    {
        WorkerNative.stoppable.__code__,
        WorkerNative.on_interrupt.__code__,
        WorkerNative.on_cpu_time.__code__,
        WorkerNative._stop.__code__,
        WorkerNative._raise_again.__code__,
        WorkerNative._raise_at_line.__code__,
        Insistence.on_frame.__code__,
        Insistence.begin.__code__,
        Insistence.end.__code__,
    }
)
# What C code calls to ask: that is where the handler of a signal runs which came meanwhile.
ASKED_CODES = {WorkerNative.abort_requested.__code__}


def _attached_channel() -> Any:
    module = sys.modules.get("mcp_runtime.code_mode.channel")
    return None if module is None else module.attached()


def _in_region_change(frame: FrameType | None) -> bool:
    """Whether a region is being opened or closed, or a stop is already being raised."""
    while frame is not None:
        if frame.f_code in _OUR_CODES:
            return True
        frame = frame.f_back
    return False
