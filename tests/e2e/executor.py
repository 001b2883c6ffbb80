"""The official Python SDK, connected to a server in profile `scripts` (tests/support/world.py)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult

from tests.support.raw_client import server_binary
from tests.support.world import World

# No answer of these tests takes longer than a few seconds on an idle machine; uv may have to make
# an environment first.
DEADLINE = 120.0


@asynccontextmanager
async def connect(world: World, mode: str = "auto", profile: str = "scripts", **options: Any) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=server_binary(), args=["serve", "--profile", profile],
                                   env=world.variables(), cwd=str(world.work))
    async with Client(server, mode=mode, read_timeout_seconds=DEADLINE, **options) as client:
        yield client


async def call(client: Client, name: str, **arguments: Any) -> Any:
    """A tool's structured answer; it must be no error."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None, result
    structured: Any = result.structured_content
    # A list can't stand at the top of structuredContent in every era, so it has a name of its own.
    return structured["result"] if isinstance(structured, dict) and set(structured) == {"result"} else structured


async def refused(client: Client, name: str, **arguments: Any) -> str:
    """The text of the error a call ended in."""
    result = await client.call_tool(name, arguments)
    assert result.is_error, result
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


async def eventually(ask: Callable[[], Awaitable[Any]], what: str, deadline: float = DEADLINE) -> Any:
    """Asks again and again until something true comes back."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if found := await ask():
            return found
        await anyio.sleep(0.05)
    raise AssertionError(f"{what}: did not come about within {deadline:g} s")


async def job_over(client: Client, job_id: str) -> dict[str, Any]:
    """The job as py_job_status shows it, when it is over."""

    async def over() -> Any:
        job = (await call(client, "py_job_status", job_id=job_id))["job"]
        return job if job["status"] not in ("pending", "running") else None

    found: dict[str, Any] = await eventually(over, f"the end of job {job_id}")
    return found

