"""The official servers, as ./dev test has installed them (tools/dev/environment.sh)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.upstream_servers.driver import Driver  # noqa: E402

MODERN = ROOT / ".dev" / "upstreams" / "bin"
HANDSHAKE = ROOT / ".dev" / "upstreams-handshake" / "bin"


def node() -> str:
    own = sorted((ROOT / ".dev" / "node" / "node_modules").glob("node-*/bin/node"))
    found = os.environ.get("NODE") or (str(own[0]) if own else shutil.which("node"))
    if not found:
        pytest.fail("there is no Node 22: ./dev test installs it")
    return found


def from_npm(name: str, *arguments: str) -> dict[str, Any]:
    script = HERE / "node_modules" / "@modelcontextprotocol" / f"server-{name}" / "dist" / "index.js"
    if not script.exists():
        pytest.fail(f"{script} is missing: ./dev test installs it")
    return {"command": node(), "args": [str(script), *arguments]}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("servers")
    files = folder / "files"
    files.mkdir()
    (files / "hello.txt").write_text("hello from a file\n")
    repository = folder / "repository"
    for command in (["init", "-q", str(repository)],
                    ["-C", str(repository), "-c", "user.name=n", "-c", "user.email=n@example.org", "commit", "-q",
                     "--allow-empty", "-m", "The first of all"]):
        subprocess.run(["git", *command], check=True)
    broken = {"command": str(MODERN / "python"), "args": ["-c", "raise SystemExit('no such database')"]}
    return {
        "everything": from_npm("everything", "stdio"),
        "filesystem": from_npm("filesystem", str(files)),
        "memory": {**from_npm("memory"), "env": {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}},
        "time": {"command": str(MODERN / "mcp-server-time"), "args": ["--local-timezone", "Europe/Berlin"]},
        "git": {"command": str(MODERN / "mcp-server-git"), "args": ["--repository", str(repository)], "cwd": str(repository)},
        "sqlite": {"command": str(HANDSHAKE / "mcp-server-sqlite"), "args": ["--db-path", str(folder / "data.db")]},
        "broken": broken,
    }


@pytest.fixture(scope="module")
def driver(servers: dict[str, dict[str, Any]]) -> Iterator[Driver]:
    driver = Driver(servers)
    yield driver
    driver.close()


@pytest.fixture
def fresh(servers: dict[str, dict[str, Any]]) -> Iterator[Driver]:
    driver = Driver(servers)
    yield driver
    driver.close()
