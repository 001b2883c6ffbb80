"""What a worker may use, kept by the kernel. Applied in the worker before any user code runs.

All limits are inherited by the worker's children, each process counting for itself.
"""

from __future__ import annotations

import math
import os
import resource
import time
from builtins import OSError, ValueError, dict, int, max, min, type

from mcp_runtime.worker import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcp_runtime.worker.stops import WorkerNative

# CPU seconds between the error in the cell and the end of the process.
CPU_GRACE = 5
_INFINITY = resource.RLIM_INFINITY

_get_limit = resource.getrlimit
_set_limit = resource.setrlimit
_cpu_seconds = time.process_time


def apply(limits: dict[str, int]) -> None:
    """Lowers this process's limits, soft and hard. Raises ValueError for a value of no sense.

    Memory and processes count from what there is: a worker begins with its zygote's mappings, and
    the kernel counts all processes of a user together (and none of root's).
    """
    for name, value in limits.items():
        if type(value) is not int or value < 0:
            raise ValueError(f"the limit {name} is {value!r}, not a number")
    if "memory_bytes" in limits:
        _lower(resource.RLIMIT_AS, linux.mapped_bytes() + limits["memory_bytes"])
    if "processes" in limits:
        _lower(resource.RLIMIT_NPROC, _tasks_of_user() + limits["processes"])
    if "file_size_bytes" in limits:
        _lower(resource.RLIMIT_FSIZE, limits["file_size_bytes"])
    if "open_files" in limits:
        _lower(resource.RLIMIT_NOFILE, limits["open_files"])
    _set_limit(resource.RLIMIT_CORE, (0, _get_limit(resource.RLIMIT_CORE)[1]))


class CpuTime:
    """The CPU time of a session and of single cells: SIGXCPU, and the end CPU_GRACE later."""

    def __init__(self, native: WorkerNative, session_seconds: int | None) -> None:
        self._native = native
        self._session_seconds = session_seconds
        self._hard = _get_limit(resource.RLIMIT_CPU)[1]
        if session_seconds is not None:
            _lower(resource.RLIMIT_CPU, session_seconds, CPU_GRACE)
            self._hard = _get_limit(resource.RLIMIT_CPU)[1]
            native.cpu_message = (
                f"the session has used the {session_seconds} s of CPU time it was given, so the "
                f"cell was ended; a few seconds more and its process is ended too. Save what you "
                "need, and go on in a session with a higher limit."
            )
        self._session_message = native.cpu_message

    def begin_cell(self, seconds: int) -> None:
        """Ends the cell after so many seconds of CPU time, counted in whole ones."""
        limit = math.ceil(_cpu_seconds()) + seconds
        if self._session_seconds is not None and limit >= self._session_seconds:
            return
        self._native.cpu_message = (
            f"the cell has used the {seconds} s of CPU time that this call allowed, so it was "
            "ended. The session is intact; give the call more time, or do the work in parts."
        )
        self._set_soft(limit)

    def end_cell(self) -> None:
        """Back to the session's own limit."""
        self._native.cpu_message = self._session_message
        own = self._session_seconds
        self._set_soft(_INFINITY if own is None else max(own, math.ceil(_cpu_seconds()) + 1))

    def _set_soft(self, limit: int) -> None:
        if self._hard != _INFINITY:
            limit = self._hard if limit == _INFINITY else min(limit, self._hard)
        try:
            _set_limit(resource.RLIMIT_CPU, (limit, self._hard))
        except (OSError, ValueError):  # user code has lowered it further
            pass


def _lower(what: int, soft: int, grace: int = 0) -> None:
    """Sets both limits, never above what they are."""
    hard = _get_limit(what)[1]
    if hard == _INFINITY:
        hard = soft + grace
    _set_limit(what, (min(soft, hard), min(soft + grace, hard)))


def _tasks_of_user() -> int:
    """How many threads the user's processes have, as RLIMIT_NPROC counts them."""
    user = os.getuid()
    count = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                count += os.stat(f"/proc/{name}/task").st_nlink - 2
        except OSError:  # it has ended
            pass
    return count
