"""Starts the server pyember under the name of a command of this package.

The process becomes the server (execv), so that the client's pipe, its signals and its exit code
are the server's own. The server chooses its profile by the name it is started under.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import sysconfig
from typing import NoReturn

PROGRAM = "pyember"
VARIABLE = "PYEMBER_BINARY"


class CannotStart(Exception):
    """What to tell the user: what happened, why, what to do next."""


def python_executor_mcp() -> NoReturn:
    """The command `python-executor-mcp`."""
    launch("python-executor-mcp")


def python_mcp_server() -> NoReturn:
    """The command `python-mcp-server`, and `python -m python_mcp_server`."""
    launch("python-mcp-server")


def launch(name: str) -> NoReturn:
    """Becomes the server under this name, with our arguments; exits with 127 if it can't."""
    try:
        become(find_program(), [name, *sys.argv[1:]])
    except CannotStart as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(127) from None


def find_program() -> str:
    """The server: named by PYEMBER_BINARY, else installed beside this Python, else on PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        if not _is_program(named):
            raise CannotStart(
                f"the server can't be started: {VARIABLE} names {named}, which is no program. "
                "Correct the variable, or unset it to use the server that is installed."
            )
        return named
    for folder in _folders():
        path = os.path.join(folder, PROGRAM)
        if _is_program(path):
            return path
    found = shutil.which(PROGRAM)
    if found is None:
        raise CannotStart(
            f"the server can't be started: there is no program {PROGRAM} in "
            f"{', '.join(_folders())}, nor on PATH. "
            f"Install it with `pip install pyember`, or set {VARIABLE}=/path/to/{PROGRAM}."
        )
    return found


def become(program: str, arguments: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two, and what a process ignores the next program goes on ignoring.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execv(program, arguments)
    except OSError as error:
        raise CannotStart(
            f"the server {program} can't be started: {error.strerror}. "
            "Install pyember again, for this kind of machine."
        ) from None


def _folders() -> list[str]:
    """Where an installer puts programs of the environment that this package is installed in."""
    folders = [
        os.path.dirname(os.path.abspath(sys.argv[0])),  # of the command itself
        os.path.dirname(os.path.abspath(sys.executable)),
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")),
    ]
    return list(dict.fromkeys(folders))


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
