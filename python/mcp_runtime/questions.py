"""Questions of the server about a session: JSON in, JSON out (CellKind::Ask).

Called by Session.ask inside a stoppable region; runs no code of the user's but what looking at
modules runs, and the expression that candidates of a race are compared by. Imported when something
is asked for the first time.
"""

from __future__ import annotations

import json
import os
import sys
from builtins import (
    Exception,
    ValueError,
    any,
    bool,
    compile,
    dict,
    eval,
    float,
    getattr,
    len,
    list,
    repr,
    set,
    sorted,
    str,
    tuple,
    type,
)

from mcp_runtime.session import CO_COROUTINE, PyCF_ALLOW_TOP_LEVEL_AWAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution
    from types import CodeType
    from typing import Any

    from mcp_runtime.changes import Mark
    from mcp_runtime.session import Session

_SITES = ("/site-packages/", "/dist-packages/")
# Packages of the server itself, which sessions find on their path.
_OURS = frozenset({"mcp_runtime", "mcp_services", "python_mcp_server"})
_modules = sys.modules
INFINITY = float("inf")
_marks: list[Mark] = []  # one at most


def answer(session: Session, question: str) -> str:
    """The answer to {"what": …} as JSON. Raises ValueError for a question that is not known."""
    asked = json.loads(question)
    what = asked["what"]
    if what == "packages":
        return _json(packages(session))
    if what == "mark":
        return _json(mark(session, asked["expression"]))
    if what == "changes":
        return _json(changes_since_mark(session))
    if what == "value":
        return _json(value_of(session, asked["expression"]))
    raise ValueError(f"the question {what!r} is not known")


def _json(value: dict[str, Any]) -> str:
    """Half a surrogate pair, which names and paths may hold, is no text on the wire."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def mark(session: Session, expression: str | None) -> dict[str, Any]:
    """Remembers the names as they are. The answer has the expression's `problem`, if it has one."""
    from mcp_runtime.changes import Mark

    _marks[:] = [Mark(session)]
    if expression is None:
        return {}
    try:
        _compiled(session, expression)
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {error}"}
    return {}


def changes_since_mark(session: Session) -> dict[str, Any]:
    """What has become of the names since; forgets the mark, which keeps old values alive."""
    from mcp_runtime.changes import changes

    return changes(session, _marks.pop())


def value_of(session: Session, expression: str) -> dict[str, Any]:
    """{"value"} of an expression that must be a number, or {"problem"}; runs the user's code."""
    try:
        code = _compiled(session, expression)
        if code.co_flags & CO_COROUTINE:
            value = session.wait_for(code)
        else:
            value = eval(code, session.namespace)
        number = float(value)
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {str(error)[:500]}"}
    if type(value) is str or not -INFINITY < number < INFINITY:
        return {"problem": f"its value is {repr(value)[:100]}, which is no number to compare by"}
    return {"value": number}


def _compiled(session: Session, expression: str) -> CodeType:
    flags = session.future_flags() | PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(expression.strip(), "<pick>", "eval", flags, True)
    return code


def packages(session: Session) -> dict[str, Any]:
    """Which installed packages, and which modules from files, the session has imported.

    `preloaded` are packages all of whose modules were there before its first cell: the server's
    zygote had imported them, which does not mean that the session uses them.
    """
    installed, local = _loaded_files()
    found = []
    for distribution in _distributions() if installed else ():
        tops = _tops_of(distribution, installed)
        if not tops:
            continue
        name, version = distribution.metadata["Name"], distribution.version
        found.append(
            {
                "name": name,
                "version": version,
                "requirement": _requirement(distribution, name, version),
                "modules": sorted(tops),
                "preloaded": not any([top not in session.preloaded for top in tops]),
            }
        )
    return {
        "python": ".".join([str(part) for part in sys.version_info[:3]]),
        "packages": sorted(found, key=lambda each: str(each["name"]).lower()),
        "local": [{"module": top, "file": path} for top, path in sorted(local.items())],
    }


def _loaded_files() -> tuple[dict[str, str], dict[str, str]]:
    """({file of an installed module: its first name}, {first name: file} of all others)."""
    runtime = __file__.rpartition("/")[0].rpartition("/")[0] + "/"
    standard = os.path.dirname(os.__file__) + "/"
    installed: dict[str, str] = {}
    local: dict[str, str] = {}
    for name, module in list(_modules.items()):
        path = getattr(module, "__dict__", {}).get("__file__")
        top = name.partition(".")[0]
        if type(path) is not str or top in _OURS or top == "__main__":
            continue
        if any([site in path for site in _SITES]):
            installed[path] = top
        elif not (
            top in sys.stdlib_module_names or path.startswith((standard, runtime)) or top in local
        ):
            local[top] = path
    return installed, local


def _distributions() -> Iterator[Distribution]:
    """The first of each name on the path, which is the one that is imported."""
    from importlib.metadata import distributions

    seen = set()
    for distribution in distributions():
        try:
            name = distribution.metadata["Name"]
        except Exception:  # a damaged installation is nothing to stop at
            continue
        if name and name.lower() not in seen:
            seen.add(name.lower())
            yield distribution


def _tops_of(distribution: Distribution, installed: dict[str, str]) -> set[str]:
    """The first names of the loaded modules that a distribution has brought."""
    record = distribution.read_text("RECORD")
    if record is None:  # installed by the system's own tools
        names = (distribution.read_text("top_level.txt") or "").split()
        return set(names) & set(installed.values())
    root = str(distribution.locate_file("")).rstrip("/") + "/"
    found = set()
    for line in record.split("\n"):
        top = installed.get(root + line.partition(",")[0])
        if top is not None:
            found.add(top)
    return found


def _requirement(distribution: Distribution, name: str, version: str) -> str:
    """What has the same package installed again."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = origin.get("url", "")
        source = origin.get("vcs_info")
    except Exception:
        url, source = "", None
    if source and len(url) > 0:
        return f"{name} @ {source['vcs']}+{url}@{source['commit_id']}"
    if url and bool(origin.get("archive_info") is not None or url.startswith("file:")):
        return f"{name} @ {url}"
    return f"{name}=={version}"
