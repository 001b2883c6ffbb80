"""Runs cells in a session of a process of its own: for what would damage pytest's process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

RUNTIME = Path(__file__).resolve().parents[2] / "python"

# What the verdict needs is kept from before the cells run: they may destroy builtins and modules.
_SCRIPT = """
import os, sys
write, leave = os.write, os._exit
runtime, descriptor, cells = {arguments!r}
sys.path.insert(0, runtime)
from mcp_runtime.plain import PlainNative
from mcp_runtime.session import Session
session = Session(PlainNative(), "main")
outcomes = []
for code in cells:
    number = outcomes.__len__() + 1
    outcomes.append(session.run(code, number))
rest = b"[" + b",".join([b"[%d,%s]" % (status, b",".join([
    b"null" if part is None else b'"' + part.encode("utf-8", "replace").hex().encode() + b'"'
    for part in (result, *(error or (None, None, None)), *(notices or ()))]))
    for status, result, error, notices, *_ in outcomes]) + b"]"
write(descriptor, rest)
leave(0)
"""


class Outcome(NamedTuple):
    """What a cell of the other process came to."""

    status: int
    result: str | None
    type: str | None
    message: str | None
    traceback: str | None
    notices: tuple[str, ...]


class Fresh(NamedTuple):
    """All cells of one process, and what it printed."""

    cells: list[Outcome]
    out: str
    err: str


def run_fresh(*cells: str) -> Fresh:
    """Runs cells one after the other in a new process."""
    reader, writer = os.pipe()
    try:
        script = _SCRIPT.format(arguments=(str(RUNTIME), writer, cells))
        with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file, subprocess.Popen(
            [sys.executable, "-I", "-S", _written(file, script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(writer,),
        ) as child:
            os.close(writer)
            writer = -1
            out, err = child.communicate(timeout=60)
        with os.fdopen(reader, "rb", closefd=False) as verdict:
            answer = verdict.read()
        assert answer, f"no verdict; the process said {err.decode()}"
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    return Fresh([_outcome(row) for row in json.loads(answer)], out.decode(), err.decode())


def _written(file: Any, text: str) -> str:
    file.write(text)
    file.flush()
    return str(file.name)


def _outcome(row: list[Any]) -> Outcome:
    texts = [None if part is None else bytes.fromhex(part).decode() for part in row[1:]]
    return Outcome(row[0], *texts[:4], tuple(text or "" for text in texts[4:]))
