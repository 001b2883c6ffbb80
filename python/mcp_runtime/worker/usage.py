"""What a worker says of itself after a cell: whether it may be held on one CPU, and its memory."""

from __future__ import annotations

import _imp
import _thread
import os
import sys
import time
from builtins import BaseException, bool, getattr, int, list, str, tuple, type

from mcp_runtime.worker import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Reading it takes the kernel longer than a small cell takes.
_EVERY_CELLS = 64
_AFTER_SECONDS = 0.05

_modules = sys.modules
_started_threads = _thread._count
_now = time.monotonic
_threads = linux.threads
_private_bytes = linux.private_bytes
# Extension modules of the standard library lie in a folder of their own, beside nobody else's.
_STANDARD = os.path.join(os.path.dirname(os.path.realpath(os.__file__)), "lib-dynload") + os.sep


_foreign = False  # an extension module from outside the standard library was loaded
_looking = False


def look_at_extensions() -> None:
    """Looks at every module, once, and at those that are loaded from now on.

    The zygote does it before it forks: workers then needn't, which would copy much of what they
    share with it.
    """
    global _foreign, _looking
    if _looking:
        return
    _looking = True
    _foreign = _has_foreign_extensions()
    create = _imp.create_dynamic

    def create_dynamic(spec: Any, *rest: Any) -> Any:
        global _foreign
        if not _foreign and not _is_standard(getattr(spec, "origin", None)):
            _foreign = True
        return create(spec, *rest)

    _imp.create_dynamic = create_dynamic


class Usage:
    """Kept by a worker; asked after every cell."""

    def __init__(self) -> None:
        self._cells = 0
        self._began = 0.0
        self._other_threads = False
        look_at_extensions()

    def begin(self) -> None:
        self._began = _now()

    def renew(self) -> None:
        """In the copy of a worker, which has no thread but the one that runs."""
        self._other_threads = False

    def memory(self) -> int | None:
        """Private bytes, where it is time to look; threads of C code are looked for as well."""
        self._cells += 1
        if self._cells % _EVERY_CELLS and _now() - self._began < _AFTER_SECONDS:
            return None
        self._other_threads = _threads() > 1
        return _private_bytes()

    def plain(self) -> bool:
        """No other thread runs, and no extension module from outside the standard library is
        loaded that could start one."""
        return not _foreign and _started_threads() == 0 and not self._other_threads


def _has_foreign_extensions() -> bool:
    suffixes = tuple(_imp.extension_suffixes())
    for module in list(_modules.values()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if type(origin) is str and origin.endswith(suffixes) and not _is_standard(origin):
            return True
    return False


def _is_standard(origin: Any) -> bool:
    if type(origin) is not str:
        return False
    try:
        return os.path.realpath(origin).startswith(_STANDARD)
    except BaseException:
        return False
