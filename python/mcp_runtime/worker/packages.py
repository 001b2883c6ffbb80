"""The directories with packages that a worker imports from, and their change while it runs.

A session that is given more packages gets another environment: its directories take the places of
those before, in front of the interpreter's own packages. Modules that are imported already stay
what they are; where the new environment has another version of them, that is told.
"""

from __future__ import annotations

import importlib
import os
import site
import sys
from builtins import any, dict, enumerate, getattr, len, list, set, str, type
from importlib.machinery import PathFinder

from mcp_runtime.inprocess.distributions import owner

# Names of loaded packages spelled out in the notice.
_MAXIMUM_NAMED = 10
_FOLDERS = ("site-packages", "dist-packages")
_modules = sys.modules

# What we have put on sys.path: directories and what their .pth files name.
_placed: list[str] = []


def add(directories: list[str]) -> None:
    """Puts directories at the end of sys.path; their .pth files count."""
    before = set(sys.path)
    for directory in directories:
        if directory not in sys.path:
            site.addsitedir(directory)
    _placed.extend(directories)
    _placed.extend([entry for entry in sys.path if entry not in before and entry not in _placed])


def change(directories: list[str]) -> list[str]:
    """Puts directories in the place of those before. Returns notices on what is loaded already."""
    kept = [entry for entry in sys.path if entry not in _placed]
    at = _place_of_packages(kept)
    sys.path[:] = kept
    _placed.clear()
    add(directories)
    added = sys.path[len(kept) :]
    sys.path[:] = kept[:at] + added + kept[at:]
    importlib.invalidate_caches()
    stale = _stale(added)
    if not stale:
        return []
    told = [f"{loaded} (installed now: {there})" for loaded, there in stale.items()]
    if len(told) > _MAXIMUM_NAMED:
        told[_MAXIMUM_NAMED:] = [f"and {len(told) - _MAXIMUM_NAMED} more"]
    return [
        f"Imported already, and kept as imported: {', '.join(told)}. For the installed versions "
        "call reset_session, which drops the session's names, and import them again."
    ]


def enter(root: str) -> None:
    """What `source bin/activate` and the environment's own python would have set."""
    path = os.environ.get("PATH", "").split(os.pathsep)
    before = os.environ.get("VIRTUAL_ENV")
    if before and before != root:
        path = [entry for entry in path if entry != os.path.join(before, "bin")]
    sys.prefix = sys.exec_prefix = root
    os.environ["VIRTUAL_ENV"] = root
    programs = os.path.join(root, "bin")
    if programs not in path:
        path.insert(0, programs)
    os.environ["PATH"] = os.pathsep.join([entry for entry in path if entry])
    python = os.path.join(programs, "python")
    if os.access(python, os.X_OK):
        sys.executable = python


def _place_of_packages(entries: list[str]) -> int:
    """Before the interpreter's own packages, behind the standard library."""
    for place, entry in enumerate(entries):
        if type(entry) is str and os.path.basename(entry.rstrip("/")) in _FOLDERS:
            return place
    return len(entries)


def _stale(directories: list[str]) -> dict[str, str]:
    """What is loaded from elsewhere and is in these directories in another version."""
    found: dict[str, str] = {}
    for name, module in list(_modules.items()):
        origin = getattr(module, "__dict__", {}).get("__file__")
        if "." in name or type(origin) is not str:
            continue
        if not any(f"/{folder}/" in origin for folder in _FOLDERS):
            continue
        spec = PathFinder.find_spec(name, directories)
        if spec is None or spec.origin in (None, origin):
            continue
        loaded, there = owner(origin, name), owner(str(spec.origin), name)
        if loaded != there:
            found[loaded.removeprefix("the package ")] = there.removeprefix("the package ")
    return found
