"""What upstreams ask in the middle of a call reaches the client of the run that makes it, with the official client in
both eras in front and servers of both eras behind."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

from tests.support.raw_client import server_binary

SERVER = Path(__file__).with_name("curious_server.py")
DEADLINE = 60.0

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("era", ["legacy", "2026-07-28"]),
    pytest.mark.parametrize("behind", ["handshake", "modern"]),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Person:
    """Who is behind the client: answers forms, opens pages."""

    def __init__(self, action: str = "accept", seconds: float = 0) -> None:
        self.action, self.seconds = action, seconds
        self.asked: list[Any] = []

    async def __call__(self, _context: Any, params: Any) -> ElicitResult:
        self.asked.append(params)
        await anyio.sleep(self.seconds)
        content = {"name": "Ada"} if self.action == "accept" and params.mode == "form" else None
        return ElicitResult(action=self.action, content=content)


async def model(_context: Any, params: Any) -> CreateMessageResult:
    assert params.messages[0].content.text == "Capital of France?"
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="Paris"), model="m")


async def folders(_context: Any) -> ListRootsResult:
    return ListRootsResult(roots=[Root(uri="file:///home/ada", name="home")])


@asynccontextmanager
async def connect(folder: Path, behind: str, era: str, **callbacks: Any) -> Any:
    (folder / "servers.json").write_text(
        json.dumps({"mcpServers": {"curious": {"command": sys.executable, "args": [str(SERVER), behind, str(folder)]}}})
    )
    server = StdioServerParameters(
        command=server_binary(),
        args=["serve", "--isolation", "inprocess", "--upstreams", str(folder / "servers.json")],
        env={"PYEMBER_STATE_DIR": str(folder / "state"), "PYTHON_MCP_META": str(folder / "jobs")},
    )
    async with Client(server, mode=era, read_timeout_seconds=DEADLINE, **callbacks) as client:
        yield client


async def said(client: Client, tool: str, **options: Any) -> Any:
    """What the tool was told."""
    code = f"import json\nfrom mcp import mcp_curious\njson.loads(str(await mcp_curious.{tool}())[5:])"
    answer = (await client.call_tool("run_python", {"code": code, "timeout": 50, **options})).structured_content
    assert answer is not None
    return answer


async def test_a_form_is_filled_in(tmp_path: Path, behind: str, era: str) -> None:
    person = Person()
    async with connect(tmp_path, behind, era, elicitation_callback=person) as client:
        answer = await said(client, "name")
        assert answer["result"] == "{'action': 'accept', 'content': {'name': 'Ada'}}", answer
        assert person.asked[0].message == "The MCP server 'curious', called by Python code in session 'main', asks: What is your name?"


async def test_a_no_is_passed_on(tmp_path: Path, behind: str, era: str) -> None:
    async with connect(tmp_path, behind, era, elicitation_callback=Person("decline")) as client:
        assert "'action': 'decline'" in (await said(client, "name"))["result"]


async def test_models_and_folders_are_asked(tmp_path: Path, behind: str, era: str) -> None:
    async with connect(tmp_path, behind, era, sampling_callback=model, list_roots_callback=folders) as client:
        assert "'text': 'Paris'" in (await said(client, "think"))["result"]
        assert (await said(client, "where"))["result"] == "{'roots': [{'uri': 'file:///home/ada', 'name': 'home'}]}"
    declared = json.loads((tmp_path / "declared.json").read_text())
    assert declared == {"sampling": {}, "roots": {}}


async def test_what_is_no_form_is_not_shown(tmp_path: Path, behind: str, era: str) -> None:
    person = Person()
    async with connect(tmp_path, behind, era, elicitation_callback=person) as client:
        answer = await said(client, "bad")
        assert "Nobody was asked" in json.dumps(answer)
    assert person.asked == []


async def test_neither_the_call_nor_the_cell_runs_out_of_time_meanwhile(tmp_path: Path, behind: str, era: str) -> None:
    async with connect(tmp_path, behind, era, elicitation_callback=Person(seconds=3)) as client:
        await said(client, "name")  # started, and imported
        code = "str(await mcp_curious.name(timeout=1.5))"
        answer = (await client.call_tool("run_python", {"code": code, "timeout": 2})).structured_content
        assert answer is not None and answer["status"] == "completed", answer


async def test_a_client_that_can_not_be_asked(tmp_path: Path, behind: str, era: str) -> None:
    async with connect(tmp_path, behind, era) as client:
        answer = await said(client, "name")
        text = json.dumps(answer)
        assert "not known to this client" in text or "can't be given from here" in text, answer
    assert json.loads((tmp_path / "declared.json").read_text()) == {}
