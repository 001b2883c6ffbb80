"""Children of sessions and children of the server in one process: neither disturbs the other.

The server reaps its children through libuv, whose SIGCHLD handler writes to a descriptor of the
server's; on a session's thread that number is a file of the session's (src/host/loop/child_signal).
"""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.e2e.executor import call, connect
from tests.support.world import PACKAGE, VERSION, World, make_world

pytestmark = pytest.mark.anyio

# Sockets under every low number, each with a byte to be read, while children come and go.
CHILDREN = """
import socket, subprocess, sys
ends = [end for _ in range(60) for end in socket.socketpair()]
for end in ends:
    end.setblocking(False)
    end.send(b"x")
codes = [subprocess.run([sys.executable, "-S", "-c", f"raise SystemExit({n % 7})"]).returncode
         for n in range(40)]
left = set()
for end in ends:
    try:
        left.add(end.recv(100))
    except BlockingIOError:
        left.add(None)
(codes == [n % 7 for n in range(40)], left)
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


async def test_children_of_sessions_and_of_the_server_end_side_by_side(world: World) -> None:
    async with connect(world, profile="full") as client:
        answers: list[str] = []

        async def session(name: str) -> None:
            answer = await client.call_tool("run_python", {"code": CHILDREN, "session": name})
            answers.append("".join(block.text for block in answer.content if block.type == "text"))

        async def environments(first: int) -> None:
            # Each is another environment, which uv makes: several children of the server's.
            for number in range(first, first + 4):
                answer = await call(client, "run_script_with_dependencies", script_content="print('ran')",
                                    dependencies=[f"{PACKAGE}!=99.{number}"], auto_parse_imports=False,
                                    python_version=VERSION)
                assert answer["stdout"] == "ran\n", answer

        await environments(0)  # from here on the server's handler is in place
        async with anyio.create_task_group() as group:
            group.start_soon(session, "one")
            group.start_soon(session, "two")
            group.start_soon(environments, 10)
        assert len(answers) == 2
        for answer in answers:
            assert "(True, {b'x'})" in answer, answer
