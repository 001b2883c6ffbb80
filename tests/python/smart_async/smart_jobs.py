"""What the tests of python_mcp_server share: waiting, the file, and other processes with jobs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from python_mcp_server.smart_async import get_job_status

PACKAGES = Path(__file__).resolve().parents[3] / "python"
DEADLINE = 20.0  # of every wait here; what is waited for takes a second at most

MEMBERS = ["id", "label", "status", "created_at", "started_at", "completed_at", "error", "result", "progress"]
RECORD_MEMBERS = [*MEMBERS, "partial_stdout", "partial_stderr"]


async def until_over(job_id: str) -> dict[str, Any]:
    """The job when it is over; other tasks go on meanwhile."""
    deadline = time.monotonic() + DEADLINE
    while True:
        job: dict[str, Any] = get_job_status(job_id)["job"]
        if job["status"] not in ("pending", "running"):
            return job
        assert time.monotonic() < deadline, f"the job does not end: {job}"
        await asyncio.sleep(0.02)


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """What is in jobs.json, by id."""
    return {record["id"]: record for record in json.loads((folder / "jobs.json").read_text(encoding="utf-8"))}


def record_with(folder: Path, job_id: str, **members: Any) -> dict[str, Any]:
    """The record of a job, once the file has it with these members."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            record = records(folder).get(job_id, {})
        except FileNotFoundError:
            record = {}
        if record and all([record[name] == value for name, value in members.items()]):
            return record
        assert time.monotonic() < deadline, f"not {members} in the file: {record}"
        time.sleep(0.02)


def write_records(folder: Path, *written: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps(list(written), indent=2), encoding="utf-8")


def a_record(job_id: str, **members: Any) -> dict[str, Any]:
    """As the first script executor wrote one: no zone, no owner."""
    record = {
        "id": job_id, "label": "old work", "status": "completed", "created_at": "2025-11-30T09:15:00.123456",
        "started_at": "2025-11-30T09:15:00.200000", "completed_at": None, "error": None, "result": None,
        "progress": None, "partial_stdout": "", "partial_stderr": "",
    }
    return {**record, **members}


class OtherProcess:
    """A Python of its own that runs `code` with the same folder and prints what the test asks for."""

    def __init__(self, code: str, folder: Path) -> None:
        home = folder.parent / "home"
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _START + code, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(PACKAGES), "HOME": str(home)},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the other process ended with {self.process.wait(DEADLINE)}"
        return line.strip()

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """The exit of a process that was told to end by itself."""
        assert self.process.wait(DEADLINE) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)


@contextmanager
def other_process(code: str, folder: Path) -> Iterator[OtherProcess]:
    other = OtherProcess(code, folder)
    try:
        yield other
    finally:
        other.kill()
        for stream in (other.process.stdin, other.process.stdout):
            if stream is not None:
                stream.close()


_START = """
import asyncio, sys, time
from python_mcp_server.smart_async import *
initialize_state(sys.argv[1])
def tell(text):
    print(text, flush=True)
async def asked():
    return (await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)).strip()
@smart_async()
async def work(seconds=60.0, value=None, async_mode=False, job_label=None):
    await asyncio.sleep(seconds)
    return value
"""
