"""Which process a running job belongs to, and whether that process is still there.

A process is named by its number, by when it started, as the kernel counts, and by the boot of the
machine, so that a number used again is not taken for the process that is gone; pyember's server
writes the same. Where there is no /proc the number alone must do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_STATE, _START = 0, 19  # fields 3 and 22 of proc(5), counted behind the name in brackets
_GONE = ("Z", "X")


def this_process() -> dict[str, Any]:
    """What is written as `owner` of a job that is not over."""
    return _process(os.getpid())


def is_alive(owner: object) -> bool | None:
    """Whether the process that wrote this may still be running the job; None: it does not say."""
    if not isinstance(owner, Mapping) or type(owner.get("pid")) is not int or owner["pid"] <= 0:
        return None
    if owner.get("boot_id") and _boot_id() and owner["boot_id"] != _boot_id():
        return False
    fields = _stat(owner["pid"])
    if fields is None:
        return _has_number(owner["pid"])
    if fields[_STATE] in _GONE:
        return False
    start = owner.get("start_ticks")
    return type(start) is not int or start == int(fields[_START])


@lru_cache(maxsize=1)
def _process(pid: int) -> dict[str, Any]:
    fields = _stat(pid)
    start = int(fields[_START]) if fields else None
    return {"pid": pid, "start_ticks": start, "boot_id": _boot_id()}


def _stat(pid: int) -> list[str] | None:
    try:
        # Relative to /proc: in a session of pyember the absolute path of the server's own process
        # means the session's thread, which started later.
        folder = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        file = os.open(f"{pid}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        try:
            text = os.read(file, 4096).decode("utf-8", "replace")
        finally:
            os.close(file)
        return text.rpartition(")")[2].split()
    except OSError:
        return None
    finally:
        os.close(folder)


def _has_number(pid: int) -> bool:
    """For systems without /proc, and for processes that /proc does not show to us."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
