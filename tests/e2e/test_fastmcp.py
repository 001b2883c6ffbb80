"""fastmcp's client, over both transports and in every way it can settle the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.e2e.sdk import DEADLINE, MODES
from tests.support.http_client import HttpServer
from tests.support.raw_client import jobs_folder, server_binary

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("mode", MODES), pytest.mark.parametrize("over", ["stdio", "http"])]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture
def target(over: str, server: HttpServer, tmp_path: Path) -> Any:
    if over == "http":
        return server.url
    environment = {"PYTHON_MCP_META": jobs_folder(), "PYEMBER_STATE_DIR": str(tmp_path / "state")}
    return StdioTransport(command=server_binary(), args=["serve"], env=environment)


async def test_it_lists_what_there_is(target: Any, mode: str, over: str) -> None:
    async with Client(target, mode=mode, timeout=DEADLINE) as client:
        assert (await client.list_tools())[0].name == "run_python"
        assert await client.list_prompts()
        assert await client.list_resource_templates()


async def test_names_live_from_one_call_to_the_next(target: Any, mode: str, over: str) -> None:
    async with Client(target, mode=mode, timeout=DEADLINE) as client:
        await client.list_tools()  # which says what goes into headers, too
        session = f"fastmcp-{mode}"
        await client.call_tool("run_python", {"code": "kept = 21", "session": session})
        result = await client.call_tool("run_python", {"code": "kept * 2", "session": session})
        assert result.structured_content is not None
        assert result.structured_content["result"] == "42"


async def test_progress_is_told(target: Any, mode: str, over: str) -> None:
    told: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    code = "import time\nfor n in range(8):\n    print(n, flush=True); time.sleep(0.3)"
    async with Client(target, mode=mode, timeout=DEADLINE) as client:
        await client.list_tools()
        await client.call_tool("run_python", {"code": code, "session": f"slow-{mode}"}, progress_handler=progress)
    assert told and told == sorted(told)
