"""What becomes of upstreams through the whole server: code that loses them, and servers that end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_client import RawClient

SERVER = Path(__file__).resolve().parents[1] / "support" / "upstream_server.py"
KILLS = 50


class World:
    """A server whose one upstream can be told from every other process of the machine."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "upstream_of_this_test.py"
        shutil.copy(SERVER, self.script)
        self.configuration = folder / "servers.json"
        # Through a shell, as npx and uvx are: the program itself is a grandchild.
        command = f"{sys.executable} -S {self.script}; true"
        self.configuration.write_text(json.dumps({"mcpServers": {"one": {"command": "sh", "args": ["-c", command]}}}))

    def client(self, **settings: Any) -> RawClient:
        return RawClient(["serve", "--upstreams", str(self.configuration)], **settings)

    def processes(self) -> set[int]:
        """The upstream's, with its shell and its keeper."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.script).encode() in command:
                    found.add(int(entry.name))
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def wait_until(happened: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.01)
    return False


def pid_of(client: RawClient, session: str = "main") -> int:
    answer = client.run("from mcp import mcp_one\n(await mcp_one.about())['pid']", session)
    assert answer.status == "completed", answer
    return int(answer.result)


def test_killed_in_the_middle_of_calls_each_has_an_error_and_the_next_works(world: World) -> None:
    mark = world.script.with_suffix(".begun")
    code = f"""
import asyncio
from mcp import mcp_one
from mcp.runtime import MCPError
async def lost():
    try:
        await mcp_one.sleep(seconds=100, mark={str(mark)!r})
    except MCPError as error:
        return error.kind
kinds = await asyncio.gather(lost(), lost(), lost())
[*kinds, await mcp_one.echo(text="next")]
"""

    def kill_when_all_have_begun(pid: int) -> None:
        wait_until(lambda: mark.exists() and mark.stat().st_size == 3)
        os.kill(pid, signal.SIGKILL)

    with world.client() as client:
        seen = set()
        for _ in range(KILLS):
            pid = pid_of(client)
            seen.add(pid)
            mark.unlink(missing_ok=True)
            killer = threading.Thread(target=kill_when_all_have_begun, args=(pid,))
            killer.start()
            answer = client.run(code)
            killer.join()
            assert answer.result == "['lost', 'lost', 'lost', 'next']", answer
        assert len(seen) == KILLS
        assert len(world.processes()) == 3  # the keeper, the shell, the program: of the last one alone
    assert wait_until(lambda: not world.processes())


def test_a_cell_that_is_stopped_cancels_its_call(world: World) -> None:
    with world.client() as client:
        pid_of(client)
        answer = client.run("await mcp_one.sleep(seconds=100)", timeout=1)
        assert answer.status == "timed_out", answer
        assert client.run("len((await mcp_one.about())['cancelled'])").result == "1"


@pytest.mark.parametrize("how", ["closed", "killed", "terminated"])
@pytest.mark.parametrize("supervised", [False, True])
def test_nothing_of_an_upstream_outlives_the_server(world: World, how: str, supervised: bool) -> None:
    client = world.client(supervised=supervised)
    pid_of(client)
    spawned = json.loads(client.run("import json\nprint(json.dumps(await mcp_one.spawn()))").stdout)["pid"]
    assert len(world.processes()) == 3
    if how == "closed":
        client.close()
    elif how == "killed":
        client.kill()
    else:
        os.kill(client.process.pid, signal.SIGTERM)
        client.process.wait(20)
    assert wait_until(lambda: not world.processes())
    assert wait_until(lambda: not Path(f"/proc/{spawned}").exists() or
                      b"time.sleep" not in Path(f"/proc/{spawned}/cmdline").read_bytes())


def test_a_server_that_follows_one_that_died_starts_them_again(world: World) -> None:
    with world.client(supervised=True) as client:
        first = pid_of(client)
        os.kill(client.pid, signal.SIGKILL)
        assert wait_until(lambda: first not in world.processes())
        second = pid_of(client, "another")
        assert second != first
        assert len(world.processes()) == 3


def test_sessions_share_one_upstream(world: World) -> None:
    with world.client() as client:
        assert len({pid_of(client, session) for session in ("main", "a", "b")}) == 1
        answer = client.tool("run_python", code="from mcp import mcp_one\n(await mcp_one.about())['pid']", session="c",
                             isolation="process")
        assert int(answer.result) == pid_of(client)
