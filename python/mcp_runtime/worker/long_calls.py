"""Calls into C that no signal ends by itself: os.system(), waits for children, sqlite3's queries.

The zygote changes them, before any package is imported and without importing anything for it; each
worker says who is to be asked whether its cell must end.
"""

from __future__ import annotations

import os
import posix
from builtins import bool

from mcp_runtime.inprocess import children, databases
from mcp_runtime.inprocess.patching import Patches
from mcp_runtime.worker import stops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# Instructions of sqlite's machine between two looks, each of which may have to wait for the GIL.
# At the usual 20 ns that is less than a millisecond; slow ones may take fifty times as long.
_STEPS = 20_000

_native: stops.WorkerNative | None = None


def install() -> None:
    """Changes this process's modules, those that are loaded and those that will be."""
    os.system = posix.system = children.system_over(posix, posix.environ)
    patches = Patches()
    patches.after_import("subprocess", children.patch_subprocess)
    patches.after_import("sqlite3.dbapi2", _patch_sqlite3)
    patches.after_import("sqlite3", databases.publish)
    patches.install()


def ask(native: stops.WorkerNative) -> None:
    """In a worker: long calls ask this one from now on."""
    global _native
    _native = native


def _abort_requested() -> bool:
    native = _native
    return native is not None and native.abort_requested()


def _patch_sqlite3(module: ModuleType) -> None:
    databases.patch(module, _abort_requested, _STEPS)


stops.ASKED_CODES |= {_abort_requested.__code__, databases.ASKED_CODE}
