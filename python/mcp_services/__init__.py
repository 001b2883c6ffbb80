"""What the server itself asks of Python: reading scripts and .env files, drawing curves.

Runs in an interpreter of its own that no client can reach (src/host/services), one call at a time.
A call names a function of FUNCTIONS and brings its keyword arguments as JSON; the answer is one
line of JSON on descriptor 1. Nothing here executes a user's script, and nothing of a call is kept:
no result, no source, no log, because values of .env files pass through.

Modules are imported at the first call that needs them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

# Where each function lives.
FUNCTIONS = {
    "inspect_script": "scripts",
    "describe_scripts": "scripts",
    "add_header": "scripts",
    "project_python": "scripts",
    "parse_env_file": "env_files",
    "memory_curve": "curve",
    "top_functions": "profiles",
    "export_session": "exports",
}


def prepare(packages: str) -> None:
    """Leaves nothing on the path but the standard library, our own folder and our packages.

    What the user's environment holds must not take the place of either.
    """
    keep = [entry for entry in sys.path if not entry.endswith(("site-packages", "dist-packages"))]
    sys.path[:] = [*keep, packages] if packages else keep


def serve(function: str, arguments: str) -> None:
    """Calls a function and writes {"value": …} or {"error": {"type", "message"}}."""
    import os

    _forget_call()
    answer = memoryview(answer_to(function, arguments).encode() + b"\n")
    while answer:
        answer = answer[os.write(1, answer) :]


def answer_to(function: str, arguments: str) -> str:
    """The answer as JSON; never raises."""
    import json

    try:
        answer = json.dumps(
            {"value": _find(function)(**json.loads(arguments))},
            allow_nan=False,
            ensure_ascii=False,
        )
    except Exception as error:
        kind = type(error).__name__
        message = {"type": kind, "message": f"{kind}: {error}"}
        answer = json.dumps({"error": message}, ensure_ascii=False)
    # Half a surrogate pair, which a string of Python's may hold, is no text on the wire.
    return answer.encode("utf-8", "replace").decode()


def _find(function: str) -> Callable[..., Any]:
    from importlib import import_module

    found: Callable[..., Any] = getattr(
        import_module(f"{__name__}.{FUNCTIONS[function]}"), function
    )
    return found


def _forget_call() -> None:
    """Drops the source of the cell that called us: a session keeps those for tracebacks."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        sources = getattr(frame.f_locals.get("self"), "sources", None)
        if sources is not None:
            sources.clear()
            return
        frame = frame.f_back
