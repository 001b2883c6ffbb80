"""One jobs.json for the server and for programs that use python_mcp_server.smart_async."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.e2e.executor import call, connect, eventually, job_over
from tests.support.raw_client import ROOT
from tests.support.world import World, make_world

pytestmark = pytest.mark.anyio

_PROGRAM = """
import asyncio, sys
from python_mcp_server.smart_async import *

@smart_async()
async def work(seconds, value=None, async_mode=False, job_label=None):
    create_progress_callback()(1, 2, "half")
    create_output_callback()("said\\n")
    await asyncio.sleep(seconds)
    return value

def tell(value):
    print(value, flush=True)

async def asked():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
"""

_ONE_JOB = """
async def main():
    tell((await work(60, async_mode=True, job_label="in a program"))["job_id"])
    await asked()
asyncio.run(main())
"""

_MANY_JOBS = """
async def main():
    jobs = []
    for number in range(40):
        jobs.append((await work(0.01, number, async_mode=True))["job_id"])
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    for job in jobs:
        tell(job)
asyncio.run(main())
"""


@contextmanager
def program(world: World, code: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**world.variables(), "PYTHONPATH": str(ROOT / "python")},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = await anyio.to_thread.run_sync(process.stdout.readline)
    assert text, "the program ended"
    return text.strip()


def from_program(world: World, expression: str) -> Any:
    """What an expression is in a program of its own."""
    code = f"{_PROGRAM}\nimport json\nprint(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env={**world.variables(), "PYTHONPATH": str(ROOT / "python")})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def records(world: World) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in json.loads((world.store / "jobs.json").read_text(encoding="utf-8"))}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


async def start(client: Any, world: World, code: str) -> str:
    answer = await call(client, "run_script_in_dir_async", directory=str(world.work), script_content=code, use_uv=False)
    job_id: str = answer["job_id"]
    return job_id


async def test_the_server_shows_a_job_of_a_program_and_does_not_touch_it(world: World) -> None:
    with program(world, _ONE_JOB) as process:
        job_id = await line(process)
        async with connect(world) as client:

            async def running() -> Any:
                found = [job for job in (await call(client, "py_list_jobs"))["jobs"] if job["id"] == job_id]
                return found and found[0]["progress"] and found[0]

            job = await eventually(running, "the program's job in the server's list")
            assert (job["label"], job["status"]) == ("in a program", "running")
            assert job["progress"] == {"current": 1, "total": 2, "message": "half"}
            status = (await call(client, "py_job_status", job_id=job_id))["job"]
            assert status["partial_stdout"] == "said\n"
            refused = await call(client, "py_cancel_job", job_id=job_id)
            assert "error" in refused
            await job_over(client, await start(client, world, "print(1)"))
            assert (await call(client, "py_job_status", job_id=job_id))["job"]["status"] == "running"
        assert process.poll() is None
        assert records(world)[job_id]["status"] == "running"


async def test_a_program_that_was_killed_leaves_a_failed_job(world: World) -> None:
    async with connect(world) as client:
        await call(client, "py_list_jobs")
        with program(world, _ONE_JOB) as process:
            job_id = await line(process)
            await eventually(lambda: _status(world, job_id, "running"), "the job in the file")
        assert from_program(world, f"get_job_status({job_id!r})['job']['status']") == "failed"
        assert (await job_over(client, job_id))["error"] == "Server restarted while job was running"


async def _status(world: World, job_id: str, status: str) -> bool:
    try:
        return records(world).get(job_id, {}).get("status") == status
    except FileNotFoundError:
        return False


async def test_a_program_shows_a_job_of_the_server_and_leaves_it_to_the_server(world: World) -> None:
    async with connect(world) as client:
        job_id = await start(client, world, "import time; print('begun', flush=True); time.sleep(60)")
        await eventually(lambda: _status(world, job_id, "running"), "the server's job in the file")
        shown = from_program(world, f"get_job_status({job_id!r})['job']")
        assert (shown["id"], shown["status"]) == (job_id, "running")
        assert "py_cancel_job" in from_program(world, f"cancel_job({job_id!r})['error']")
        assert from_program(world, "prune_jobs(False, False, 0)")["removed"] == 0
        assert (await call(client, "py_job_status", job_id=job_id))["job"]["status"] == "running"
        await call(client, "py_cancel_job", job_id=job_id)
        await eventually(lambda: _status(world, job_id, "cancelled"), "the end of the job in the file")
        assert from_program(world, f"get_job_status({job_id!r})['job']['status']") == "cancelled"


async def test_a_job_that_outlives_its_server_is_not_failed_by_a_program(world: World) -> None:
    async with connect(world) as client:
        job_id = await start(client, world, "import os, time; print(os.getppid(), flush=True); time.sleep(3); print('done')")
        await eventually(lambda: _status(world, job_id, "running"), "the server's job in the file")
        os.kill(await _server_of(world), signal.SIGKILL)
        assert from_program(world, f"get_job_status({job_id!r})['job']['status']") == "running"
    async with connect(world) as client:
        job = await job_over(client, job_id)
        assert job["status"] == "completed"
        assert job["result"]["stdout"].endswith("done\n")
        await eventually(lambda: _status(world, job_id, "completed"), "the end of the job in the file")


async def _server_of(world: World) -> int:
    """The server whose HOME is this world's."""
    home = f"HOME={world.home}".encode()
    for entry in Path("/proc").iterdir():
        try:
            named = entry.name.isdigit() and (entry / "comm").read_text().strip() == "pyember"
            if named and home in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError("no server of this test is running")


async def test_both_write_at_once_and_no_job_is_lost(world: World) -> None:
    async with connect(world) as client:
        with program(world, _MANY_JOBS) as one, program(world, _MANY_JOBS) as two:
            ours = [await start(client, world, f"print({number})") for number in range(20)]
            theirs = [await line(process) for process in (one, two) for _ in range(40)]
        for job_id in ours:
            assert (await job_over(client, job_id))["status"] == "completed"

        async def all_written() -> bool:
            found = records(world)
            return all([found.get(job_id, {}).get("status") == "completed" for job_id in ours + theirs])

        await eventually(all_written, "every job of all three writers in the file")
        listed = await call(client, "py_list_jobs", limit=500)
        assert {job["id"] for job in listed["jobs"]} >= {*ours, *theirs}
