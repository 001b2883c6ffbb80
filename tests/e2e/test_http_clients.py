"""Streamable HTTP with the official Python SDK, in every way it can settle the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitResult

from tests.e2e.sdk import DEADLINE, MODES, run
from tests.support.http_client import HttpServer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


def connect(server: HttpServer, mode: str, **options: Any) -> Client:
    return Client(server.url, mode=mode, read_timeout_seconds=DEADLINE, **options)


@pytest.mark.parametrize("mode", MODES)
async def test_the_client_and_the_server_agree_on_a_revision(server: HttpServer, mode: str) -> None:
    async with connect(server, mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert (await client.list_tools()).tools[0].name == "run_python"
        assert (await client.list_prompts()).prompts
        assert (await client.list_resource_templates()).resource_templates


@pytest.mark.parametrize("mode", MODES)
async def test_names_live_on_over_connections(server: HttpServer, mode: str) -> None:
    session = f"python-{mode}"
    async with connect(server, mode) as client:
        await client.list_tools()  # from here on a modern client mirrors the session's name into a header
        assert (await run(client, "def twice(x):\n    return 2 * x", session=session))["status"] == "completed"
    async with connect(server, mode) as client:
        assert (await run(client, "twice(21)", session=session))["result"] == "42"


@pytest.mark.parametrize("mode", MODES)
async def test_many_calls_at_once_have_their_own_answers(server: HttpServer, mode: str) -> None:
    answers: dict[int, str] = {}

    async def ask(client: Client, number: int) -> None:
        answers[number] = (await run(client, f"{number} * 3", session=f"many-{mode}-{number % 4}"))["result"]

    async with connect(server, mode) as client, anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(ask, client, number)
    assert answers == {number: str(3 * number) for number in range(12)}


@pytest.mark.parametrize("mode", MODES)
async def test_progress_is_told_while_a_call_goes_on(server: HttpServer, mode: str) -> None:
    told: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    code = "import time\nfor n in range(8):\n    print(n, flush=True); time.sleep(0.3)"
    async with connect(server, mode) as client:
        result = await client.call_tool("run_python", {"code": code, "session": f"progress-{mode}"},
                                        progress_callback=progress)
    assert not result.is_error
    assert told and told == sorted(told)


@pytest.mark.parametrize("mode", MODES)
async def test_code_asks_the_person_behind_the_client(server: HttpServer, mode: str) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        names = params.requested_schema["properties"]
        return ElicitResult(action="accept", content=dict.fromkeys(names, "blue"))

    async with connect(server, mode, elicitation_callback=answer) as client:
        asked = await run(client, "from mcp_runtime import ask\nask('Which colour?')", session=f"asks-{mode}", timeout=50)
    assert asked["result"] == "'blue'", asked


@pytest.mark.parametrize("mode", MODES)
async def test_a_cell_is_stopped_when_its_caller_gives_up(server: HttpServer, mode: str) -> None:
    session = f"given-up-{mode}"
    async with connect(server, mode) as client:
        with anyio.move_on_after(0.5):
            await client.call_tool("run_python", {"code": "while True: pass", "session": session})
        assert (await run(client, "1 + 1", session=session, timeout=50))["result"] == "2"
