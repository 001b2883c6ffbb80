"""smart_async inside a session: the package is at hand, and its jobs live in the session's loop."""

from __future__ import annotations

import json
import os
from ast import literal_eval
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.e2e.sdk import DEADLINE, run
from tests.support.raw_client import server_binary

pytestmark = pytest.mark.anyio

_PREPARED = """
import asyncio
from python_mcp_server.smart_async import *

@smart_async(default_timeout=0.1)
async def count(to, async_mode=False, job_label=None):
    progress, output = create_progress_callback(), create_output_callback()
    for number in range(1, to + 1):
        progress(number, to)
        output(f"{number}\\n")
        await asyncio.sleep(0.02)
    return to
"""


@asynccontextmanager
async def connected(home: Path) -> AsyncIterator[Client]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_MCP_META"}
    server = StdioServerParameters(command=server_binary(), args=["serve"], env={**environment, "HOME": str(home)})
    async with Client(server, read_timeout_seconds=DEADLINE) as client:
        yield client


async def value(client: Client, code: str, **arguments: Any) -> Any:
    """What the last expression of the cell is."""
    answer = await run(client, code, **arguments)
    assert answer["status"] == "completed", answer
    return literal_eval(answer["result"])


async def over(client: Client, job_id: str) -> dict[str, Any]:
    """The job when it is over; its loop runs while the cell awaits."""
    wait = f"""
while (job := get_job_status({job_id!r})["job"])["status"] in ("pending", "running"):
    await asyncio.sleep(0.02)
job
"""
    job: dict[str, Any] = await value(client, wait)
    return job


def records(home: Path) -> dict[str, dict[str, Any]]:
    text = (home / ".python_mcp" / "meta" / "jobs.json").read_text(encoding="utf-8")
    return {record["id"]: record for record in json.loads(text)}


async def record_that_is_over(home: Path, job_id: str) -> dict[str, Any]:
    with anyio.move_on_after(DEADLINE):
        while (record := records(home)[job_id])["status"] in ("pending", "running"):
            await anyio.sleep(0.02)
        return record
    pytest.fail(f"the job does not end: {records(home)[job_id]}")


async def test_a_quick_function_answers_with_its_value(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        assert await value(client, "await count(1)") == 1
        assert not (tmp_path / ".python_mcp").exists()


async def test_a_slow_function_becomes_a_job_that_goes_on_while_later_cells_await(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        answer = await value(client, "await count(30)")
        assert answer["status"] == "running"
        job_id = answer["job_id"]
        first = await value(client, f"get_job_status({job_id!r}, incremental=True)")
        assert first["job"]["progress"]["current"] >= 1
        assert first["job"]["new_stdout"].startswith("1\n")
        # Between cells, and in cells that don't await, the session's loop stands still.
        same = await value(client, f"get_job_status({job_id!r}, incremental=True)")
        assert (same["job"]["progress"], same["job"]["new_stdout"]) == (first["job"]["progress"], "")
        job = await over(client, job_id)
        assert (job["status"], job["result"]) == ("completed", 30)
        assert job["progress"] == {"current": 30, "total": 30}
        assert records(tmp_path)[job_id]["result"] == 30


async def test_async_mode_and_its_label(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        answer = await value(client, "await count(3, async_mode=True, job_label='three')")
        assert answer == {"job_id": answer["job_id"], "status": "pending"}
        job = await over(client, answer["job_id"])
        assert (job["label"], job["status"], job["result"]) == ("three", "completed", 3)


async def test_a_job_cancelled_by_a_cell_without_await_ends_when_the_next_one_awaits(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        job_id = (await value(client, "await count(100000)"))["job_id"]
        cancelled = await value(client, f"cancel_job({job_id!r})")
        assert cancelled["status"] == "cancelled"
        assert (await value(client, f"get_job_status({job_id!r})"))["job"]["status"] == "cancelled"
        assert await value(client, "await asyncio.sleep(0.05)\nlen(asyncio.all_tasks())") == 1


async def test_a_session_sees_the_jobs_of_another_one_and_leaves_them_alone(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        job_id = (await value(client, "await count(100000)"))["job_id"]
        await run(client, "await asyncio.sleep(0.4)")
        await run(client, _PREPARED, session="other")
        (job,) = (await value(client, "list_jobs()", session="other"))["jobs"]
        assert (job["id"], job["status"]) == (job_id, "running")
        assert "another process" in (await value(client, f"cancel_job({job_id!r})", session="other"))["error"]


async def test_closing_the_session_ends_its_jobs_in_the_file_too(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        job_id = (await value(client, "await count(100000)"))["job_id"]
        await run(client, "await asyncio.sleep(0.4)")
        assert records(tmp_path)[job_id]["status"] == "running"
        await client.call_tool("close_session", {"session": "main"})
        record = await record_that_is_over(tmp_path, job_id)
        assert record["status"] == "cancelled"
        assert "owner" not in record


async def test_a_job_whose_server_is_gone_is_failed_for_the_next_one(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        job_id = (await value(client, "await count(100000)"))["job_id"]
        await run(client, "await asyncio.sleep(0.4)")
        assert records(tmp_path)[job_id]["status"] == "running"
    async with connected(tmp_path) as client:
        await run(client, _PREPARED)
        job = (await value(client, f"get_job_status({job_id!r})"))["job"]
        assert (job["status"], job["error"]) == ("failed", "Server restarted while job was running")


async def test_a_package_of_the_same_name_in_the_session_comes_first(tmp_path: Path) -> None:
    (tmp_path / "python_mcp_server.py").write_text("own = True\n")
    async with connected(tmp_path) as client:
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport python_mcp_server\npython_mcp_server.own"
        assert await value(client, code) is True


async def test_a_cell_that_is_stopped_within_the_budget_leaves_a_job_that_can_be_cancelled(tmp_path: Path) -> None:
    async with connected(tmp_path) as client:
        await run(client, _PREPARED.replace("default_timeout=0.1", "default_timeout=60"))
        answer = await run(client, "await count(100000)", timeout=0.5)
        assert answer["status"] == "timed_out"
        (job,) = (await value(client, "list_jobs()"))["jobs"]
        assert job["status"] == "running"
        before = job["progress"]["current"]
        job = (await value(client, f"await asyncio.sleep(0.2)\nget_job_status({job['id']!r})"))["job"]
        assert job["progress"]["current"] > before
        assert (await value(client, f"cancel_job({job['id']!r})"))["status"] == "cancelled"
        assert await value(client, "await asyncio.sleep(0.05)\nlen(asyncio.all_tasks())") == 1
