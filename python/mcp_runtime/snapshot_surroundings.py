"""What a session has changed around its namespace, told for another session to do the same.

The working directory, environment variables, directories added to sys.path, the sources of cells
that defined something, `from __future__` flags, and what snapshot_libraries knows. Runs no user code.
"""

from __future__ import annotations

import os
import sys
from builtins import OSError, dict, isinstance, list, set, str

from mcp_runtime import snapshot_libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.session import Session

    Started = tuple[list[str], dict[bytes, bytes]]


def describe(session: Session) -> dict[str, Any]:
    """What JSON can carry of it."""
    path, environment = session.started_with
    return {
        "directory": _directory(),
        "environment": _environment_changes(environment),
        "path": _path_changes(path),
        "sources": session.sources.kept(),
        "flags": session.future_flags(),
        "libraries": snapshot_libraries.describe(),
    }


def apply(session: Session, told: dict[str, Any]) -> dict[str, str]:
    """Does the same here. Returns what did not work, with its reason."""
    troubles: dict[str, str] = {}
    session.sources.adopt(told["sources"])
    session.adopt_future_flags(told["flags"])
    directory = told["directory"]
    if directory is not None and directory != _directory():
        try:
            os.chdir(directory)
        except OSError as error:
            troubles[f"the working directory {directory}"] = str(error.strerror)
    for name, value in told["environment"].items():
        try:
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        except OSError as error:
            troubles[f"the environment variable {name}"] = str(error)
    _extend_path(told["path"])
    troubles.update(snapshot_libraries.apply(told["libraries"]))
    return troubles


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # it was removed


def _environment_changes(before: dict[bytes, bytes]) -> dict[str, str | None]:
    now = dict(os.environ._data)  # type: ignore[attr-defined]
    changes: dict[str, str | None] = {
        os.fsdecode(name): os.fsdecode(value)
        for name, value in now.items()
        if before.get(name) != value
    }
    for name in before:
        if name not in now:
            changes[os.fsdecode(name)] = None
    return changes


def _path_changes(before: list[str]) -> dict[str, list[str]]:
    """The directories that were added, before all others and after."""
    known = set(before)
    front: list[str] = []
    back: list[str] = []
    added = front
    for entry in list(sys.path):
        if not isinstance(entry, str):
            continue
        if entry in known:
            added = back
        else:
            added.append(entry)
    return {"front": front, "back": back}


def _extend_path(added: dict[str, list[str]]) -> None:
    front = [entry for entry in added["front"] if entry not in sys.path]
    sys.path[:0] = front
    sys.path += [entry for entry in added["back"] if entry not in sys.path]
