"""Libraries that the server ships for sessions, imported under names of our own.

A user's own copy of such a library, of whatever version, is neither used nor shadowed. The folder
that holds them is told by whoever starts the runtime: the server in its bootstrap configuration, a
worker by PYEMBER_BUNDLED; without that it is `bundled` beside the runtime, as the wheel has it.

Imported when an interpreter is made fit for sessions, before `posix` is patched: so without `os`.
"""

from __future__ import annotations

import _frozen_importlib as importlib_core
import _frozen_importlib_external as importlib_files
import posix
import sys
from builtins import ImportError, OSError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

CLOUDPICKLE = "mcp_runtime.bundled_cloudpickle"

_told: str | None = None


def set_directory(path: str | None) -> None:
    """Where the shipped libraries lie; None or "" for the folder beside the runtime."""
    global _told
    _told = path or None


def directory() -> str:
    """The folder with the shipped libraries, whether it exists or not."""
    if _told is not None:
        return _told
    return __file__.rpartition("/")[0].rpartition("/")[0] + "/bundled"


def cloudpickle() -> ModuleType:
    """The shipped cloudpickle. Raises ImportError when the installation lacks it."""
    loaded = sys.modules.get(CLOUDPICKLE)
    if loaded is not None:
        return loaded
    path = directory() + "/cloudpickle/cloudpickle.py"
    try:
        posix.stat(path)
    except OSError:
        raise ImportError(
            "cloudpickle is missing from the installation of pyember. Install it again, or run "
            f"./dev build. (It was looked for at {path}.)",
            name="cloudpickle",
        ) from None
    spec = importlib_files.spec_from_file_location(CLOUDPICKLE, path)  # type: ignore[attr-defined]
    module: ModuleType = importlib_core._load(spec)  # type: ignore[attr-defined]
    return module
