"""What a worker may use, kept by the kernel. Applied in the worker before any user code runs.

All limits are inherited by the worker's children, each process counting for itself.
"""

from __future__ import annotations

import math
import os
import resource
import time
from builtins import OSError, ValueError, bool, dict, int, list, max, min, open, str, tuple, type

from mcp_runtime.worker import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.worker.stops import WorkerNative

# CPU seconds between the error in the cell and the end of the process.
CPU_GRACE = 5
_INFINITY = resource.RLIM_INFINITY

_get_limit = resource.getrlimit
_set_limit = resource.setrlimit
_cpu_seconds = time.process_time
# The control groups that this process has entered, the latest last.
_groups: list[str] = []


def apply(limits: dict[str, int]) -> None:
    """Lowers this process's limits, soft and hard. Raises ValueError for a value of no sense.

    Memory and processes count from what there is: a worker begins with its zygote's mappings, and
    the kernel counts all processes of a user together (and none of root's).
    """
    for what, value in _kernel_limits(limits):
        _lower(what, value)
    _set_limit(resource.RLIMIT_CORE, (0, _get_limit(resource.RLIMIT_CORE)[1]))


def enter_groups(order: dict[str, Any]) -> dict[str, int]:
    """Enters the control groups of a fork order. Returns the limits that are left to setrlimit."""
    left = dict(order.get("limits") or {})
    # Beside setrlimit, whose limit is a MemoryError: the group counts what the worker starts too.
    _enter_group(order.get("memory_group"))
    if order.get("room") or _enter_group(order.get("processes_group")):
        left.pop("processes", None)  # the kernel would count all of the user's besides
    return left


def in_groups() -> bool:
    return len(_groups) > 0


def leave_groups() -> None:
    """In a child of ours that is no part of the session: it shall not count for its limits, lest
    the kernel refuse the session a process, or end it for memory."""
    for folder in _groups[-2:]:
        _move_to(folder.rpartition("/")[0])


def halve_open_files() -> None:
    """Behind a boundary, when the zygote has handed over what it must.

    Descriptors on their way through sockets are counted by user, and rooms have one in common, an
    ordinary user's server too: whoever sends some is refused when more than its own RLIMIT_NOFILE
    are on their way already. With a limit below that of those who have yet to say hello, and of the
    server, no session can keep others from beginning.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard // 2))


def _enter_group(folder: str | None) -> bool:
    """At a worker's beginning: it has no other thread."""
    if not folder or not (_move_to(folder, "tasks") or _move_to(folder)):
        return False
    _groups.append(folder)
    return True


def _move_to(folder: str, by: str = "cgroup.procs") -> bool:
    """Version 1 of the file system can move a thread by itself too, in 0.3 ms instead of 10."""
    try:
        with open(f"{folder}/{by}", "wb", buffering=0) as file:
            file.write(b"0")
    except OSError:  # setrlimit's hold all the same
        return False
    return True


class Limits:
    """What holds for the session, and for the cell that runs."""

    def __init__(self, native: WorkerNative, session: dict[str, int]) -> None:
        self._cpu = CpuTime(native, session.get("cpu_seconds"))
        self._session = session
        self._call: dict[str, int] = {}
        self._before: list[tuple[int, int]] = []  # soft limits that the cell has lowered

    def begin_cell(self, limits: dict[str, int]) -> None:
        """Lowers soft limits for one cell; a session's own stay above them."""
        self._call = limits
        for what, value in _kernel_limits(limits):
            soft, hard = _get_limit(what)
            if _is_lower(value, soft):
                self._before.append((what, soft))
                _set_limit(what, (value, hard))
        if "cpu_seconds" in limits:
            self._cpu.begin_cell(limits["cpu_seconds"])

    def end_cell(self) -> None:
        """Back to the session's own limits."""
        if "cpu_seconds" in self._call:
            self._cpu.end_cell()
        self._call = {}
        while self._before:
            what, soft = self._before.pop()
            hard = _get_limit(what)[1]
            try:
                _set_limit(what, (hard if _is_lower(hard, soft) else soft, hard))
            except (OSError, ValueError):  # user code has lowered it further
                pass

    def explained(self, outcome: tuple[Any, ...]) -> tuple[Any, ...]:
        """The outcome of a cell that raised, with a notice when a limit may be why."""
        error = outcome[2]
        told = self._explanation(error[0], error[1]) if error is not None else None
        if told is None:
            return outcome
        return (*outcome[:3], (*(outcome[3] or ()), told), *outcome[4:])

    def _explanation(self, name: str, message: str) -> str | None:
        for limit, meets, words in _EXPLANATIONS:
            if not meets(name, message):
                continue
            for limits, whose in ((self._call, "This call"), (self._session, "The session")):
                if limit in limits:
                    allowed = words.format(limits[limit], limits[limit] / 1e6)
                    elsewhere = "" if limits is self._call else " to a new session"
                    return (
                        f"{whose} may use {allowed}. The session is intact: let go of what it "
                        f"doesn't need, or give a higher limit{elsewhere}."
                    )
        return None


def _is_no_memory(name: str, message: str) -> bool:
    return name == "MemoryError" or name.endswith("ArrayMemoryError") or "[Errno 12]" in message


def _is_no_process(name: str, message: str) -> bool:
    return name == "BlockingIOError" and "[Errno 11]" in message or "start new thread" in message


_EXPLANATIONS = (
    ("memory_bytes", _is_no_memory, "{1:,.0f} MB of memory (limits.memory_mb)"),
    ("processes", _is_no_process, "{0} processes and threads (limits.processes)"),
    ("file_size_bytes", lambda _, message: "[Errno 27]" in message, "files of {1:,g} MB (limits.file_size_mb)"),
    ("open_files", lambda _, message: "[Errno 24]" in message, "{0} open files (limits.open_files)"),
)  # fmt: skip


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


def _kernel_limits(limits: dict[str, int]) -> list[tuple[int, int]]:
    """(which, how much) for setrlimit; raises ValueError for a value of no sense."""
    for name, value in limits.items():
        if type(value) is not int or value < 0:
            raise ValueError(f"the limit {name} is {value!r}, not a number")
    found = []
    if "memory_bytes" in limits:
        found.append((resource.RLIMIT_AS, linux.mapped_bytes() + limits["memory_bytes"]))
    if "processes" in limits:
        found.append((resource.RLIMIT_NPROC, _tasks_of_user() + limits["processes"]))
    if "file_size_bytes" in limits:
        found.append((resource.RLIMIT_FSIZE, limits["file_size_bytes"]))
    if "open_files" in limits:
        found.append((resource.RLIMIT_NOFILE, limits["open_files"]))
    return found


def _is_lower(one: int, other: int) -> bool:
    return one != _INFINITY and (other == _INFINITY or one < other)


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
