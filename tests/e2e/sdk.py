"""The official Python MCP SDK, connected to the server under test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult

from tests.support.raw_client import jobs_folder, server_binary

# How the client settles the protocol: probing, pinned to the newest revision, or by handshake.
MODES = ["auto", "2026-07-28", "legacy"]

# No answer of these tests takes longer than a few seconds on an idle machine.
DEADLINE = 60.0


@asynccontextmanager
async def connect(mode: str, *arguments: str, **options: Any) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=server_binary(), args=["serve", *arguments],
                                   env={"PYTHON_MCP_META": jobs_folder(), "PYEMBER_STATE_DIR": jobs_folder()})
    async with Client(server, mode=mode, read_timeout_seconds=DEADLINE, **options) as client:
        yield client


async def tool(client: Client, name: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(name, arguments)


async def run(client: Client, code: str, **arguments: Any) -> dict[str, Any]:
    """run_python's structured answer."""
    result = await client.call_tool("run_python", {"code": code, **arguments})
    assert result.structured_content is not None, result
    answer: dict[str, Any] = result.structured_content
    # The flag and the status must tell the same story.
    assert result.is_error == (answer["status"] != "completed"), result
    return answer


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def links_of(result: CallToolResult) -> list[Any]:
    return [block for block in result.content if block.type == "resource_link"]
