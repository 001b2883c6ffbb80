"""Runs the official conformance suites of MCP (npm packages beside this file) and reads what they found.

A scenario passes when none of its checks failed or warned. Which scenarios a revision of the protocol requires is said
by the newer suite itself; the older one has one list for all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
DEADLINE = 300.0  # of one run of a suite; it has deadlines of its own for scenarios
OLD = "0.1"  # npm's 0.1.16: no requirements
REVISIONS = ("2026-07-28", "2025-11-25")


def build_folder() -> Path:
    return Path(os.environ.get("PYEMBER_BINARY", str(ROOT / "build" / "release" / "pyember"))).resolve().parent


def node() -> str:
    """Node 22, which the older suite needs."""
    brought = sorted((ROOT / ".dev" / "node" / "node_modules").glob("node-*/bin/node"))
    return os.environ.get("NODE") or (str(brought[0]) if brought else shutil.which("node") or "node")


def program(package: str) -> list[str]:
    path = FOLDER / "node_modules" / f"conformance-{package}" / "dist" / "index.js"
    assert path.is_file(), f"{path} is missing; ./dev test installs it"
    return [node(), str(path)]


@dataclass
class Run:
    """What a suite is asked to run, and the results of it."""

    side: str  # "client" or "server"
    revision: str  # of REVISIONS, or OLD

    @property
    def package(self) -> str:
        return OLD if self.revision == OLD else "0.2"

    @property
    def chosen(self) -> list[str]:
        return ["--suite", "all"] if self.revision == OLD else ["--requirements", self.revision]


@dataclass
class Results:
    """By scenario: what is wrong with it; empty: it passed. A scenario that was not run is missing."""

    found: dict[str, list[str]] = field(default_factory=dict)
    output: str = ""  # of the suite

    def problems(self, scenario: str) -> list[str]:
        if scenario not in self.found:
            return [f"it was not run; the suite said\n{self.output[-4000:]}"]
        return self.found[scenario]


@cache
def scenarios(side: str, revision: str) -> tuple[list[str], list[str]]:
    """Those that are required, and those that are run and reported only."""
    if revision == OLD:
        listed = subprocess.run([*program(OLD), "list", f"--{side}"], capture_output=True, text=True, check=True).stdout
        return re.findall(r"^  - (\S+)", listed, re.MULTILINE), []
    listed = (FOLDER / "node_modules/conformance-0.2/requirements" / f"{revision}.yaml").read_text()
    required = listed.partition(f"\n{side}:\n")[2]
    required = required.partition("\n\n")[0]
    others = re.findall(r"^  - scenario: (\S+)\n    leg: (\S+)", listed, re.MULTILINE)
    return re.findall(r"^  - (\S+)", required, re.MULTILINE), [name for name, leg in others if leg == side]


def run(what: Run, target: list[str], results: Path) -> Results:
    """`target` is the suite's option that says what is tested."""
    command = [*program(what.package), what.side, *target, *what.chosen, "-o", str(results)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL, cwd=results)
    return Results(read(results), ended.stdout + ended.stderr)


def read(results: Path) -> dict[str, list[str]]:
    """Each scenario has a folder, whose name ends with the time when it was run."""
    found = {}
    for file in sorted(results.rglob("checks.json")):
        name = str(file.parent.relative_to(results))
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", name).removeprefix("server-")
        found[name] = [told(check) for check in json.loads(file.read_text()) if check["status"] in ("FAILURE", "WARNING")]
        stderr = file.parent / "stderr.txt"
        if found[name] and stderr.is_file():
            found[name].append(f"the client said: {stderr.read_text()[-2000:]}")
    return found


def told(check: dict[str, object]) -> str:
    return f"{check['status']} {check['id']}: {check.get('errorMessage') or check.get('description')}"
