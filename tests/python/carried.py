"""Carries a session's state from one process to another: cells there, a file, cells here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

RUNTIME = Path(__file__).resolve().parents[2] / "python"

_SCRIPT = """
import json, os, sys
given = json.loads(sys.argv[1])
sys.path.insert(0, given["runtime"])
from mcp_runtime import bundled
bundled.set_directory(given["bundled"])
sys.path[:] = [entry for entry in sys.path if entry != given["runtime"]] + given["path"]
from mcp_runtime.plain import PlainNative
from mcp_runtime.session import Session
verdict = os.dup(1)
os.dup2(2, 1)
session = Session(PlainNative(), "main")
told = []
for number, (kind, text) in enumerate(given["steps"], given["first"]):
    told.append(getattr(session, kind)(text, number)[:4])
os.write(verdict, json.dumps(told).encode())
os._exit(0)
"""


class Outcome(NamedTuple):
    """What a cell, a snapshot or a restoring came to."""

    status: int
    result: str | None
    error: tuple[str, str, str] | None
    notices: tuple[str, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """Of a snapshot or a restoring that worked."""
        assert self.status == 0, self.error
        assert self.result is not None
        told = dict(json.loads(self.result))
        return {**told, "left_behind": dict(told["left_behind"])}

    @property
    def counts(self) -> dict[str, Any]:
        """How many names went, and what stayed behind."""
        summary = self.summary
        return {key: summary[key] for key in ("saved", "restored", "left_behind") if key in summary}

    @property
    def notice(self) -> str:
        """The only one."""
        assert len(self.notices) == 1, self.notices
        return self.notices[0]


def find_bundled() -> str | None:
    """The folder with cloudpickle: told, or of the newest build."""
    told = os.environ.get("PYEMBER_BUNDLED")
    if told:
        return told
    builds = sorted(RUNTIME.parent.glob("build/*/bundled"), key=lambda path: path.stat().st_mtime)
    return str(builds[-1]) if builds else None


def run_steps(
    *steps: tuple[str, str], python: str = sys.executable, path: tuple[str, ...] = (),
    first: int = 1, bundled: str | None = None, folder: Path | None = None,
) -> list[Outcome]:
    """Runs ("run", code), ("snapshot", path) and ("restore", path) in a new process."""
    given = {"runtime": str(RUNTIME), "bundled": bundled or find_bundled(), "steps": steps,
             "path": path, "first": first}
    done = subprocess.run(
        [python, "-I", "-S", "-c", _SCRIPT, json.dumps(given)], stdin=subprocess.DEVNULL,
        capture_output=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return [Outcome(row[0], row[1], tuple(row[2]) if row[2] else None, tuple(row[3] or ()))
            for row in json.loads(done.stdout)]


class Carried(NamedTuple):
    """Both halves of a move."""

    saved: Outcome
    restored: Outcome
    cells: list[Outcome]  # of the new session

    @property
    def values(self) -> list[str | None]:
        for cell in self.cells:
            assert cell.status == 0, cell
        return [cell.result for cell in self.cells]


def carry(
    file: Path, before: list[str], after: list[str], to: str = sys.executable, **options: Any
) -> Carried:
    """Runs cells, carries the state to another process, runs cells there."""
    first = run_steps(*[("run", code) for code in before], ("snapshot", str(file)), **options)
    for cell in first[:-1]:
        assert cell.status == 0, cell
    second = run_steps(("restore", str(file)), *[("run", code) for code in after],
                       python=to, first=len(before) + 2)
    return Carried(first[-1], second[0], second[1:])
