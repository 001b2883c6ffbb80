"""Jobs outlive their server: it is killed in the middle, and the next one has them all."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_client import RawClient

DEADLINE = 60.0
OVER = ("completed", "failed", "cancelled")


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "meta"
    yield folder
    for runner in folder.glob("jobs/*/runner"):  # nothing of a test that failed lives on
        try:
            os.kill(json.loads(runner.read_text())["pid"], signal.SIGTERM)
        except (OSError, ValueError):
            pass


def server(meta: Path) -> RawClient:
    home = meta.parent
    return RawClient(environment={
        "HOME": str(home), "PYTHON_MCP_META": str(meta), "PYTHON_MCP_HOME": str(home), "XDG_CACHE_HOME": str(home)})


def start(client: RawClient, meta: Path, code: str) -> str:
    answer = client.tool("run_script_in_dir_async", directory=str(meta.parent), script_content=code, use_uv=False)
    assert not answer.is_error, answer
    job: str = answer.structured["job_id"]
    return job


def job(client: RawClient, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.tool("py_job_status", job_id=job_id, incremental=False).structured["job"]
    return found


def wait(client: RawClient, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found = job(client, job_id)
        if found["status"] in OVER:
            return found
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} is still {found['status']}")


def output(client: RawClient, job_id: str) -> dict[str, Any]:
    return client.tool("get_job_output", job_id=job_id).structured


def stream(client: RawClient, job_id: str) -> str:
    text: str = client.request("resources/read", {"uri": f"job-stream://{job_id}"})["result"]["contents"][0]["text"]
    return text


def test_a_job_goes_on_when_its_server_is_killed(meta: Path) -> None:
    code = "import sys, time\nfor i in range(10):\n    print(i, flush=True)\n    time.sleep(0.2)\nsys.exit(3)"
    first = server(meta)
    job_id = start(first, meta, code)
    first.kill()
    with server(meta) as second:
        assert job(second, job_id)["status"] in ("running", *OVER)
        over = wait(second, job_id)
        assert over["status"] == "completed" and over["error"] is None, over
        lines = "".join(f"{i}\n" for i in range(10))
        assert output(second, job_id)["stdout"] == lines
        assert output(second, job_id)["exit_code"] == "3"
        assert stream(second, job_id) == f"---STDOUT---\n{lines}\n---STDERR---\n"


def test_a_job_somebody_was_told_of_is_there_when_its_server_is_killed_at_once(meta: Path) -> None:
    jobs = []
    for number in range(6):
        with server(meta) as client:
            pending = [
                client.send_tool("run_script_in_dir_async", {
                    "directory": str(meta.parent), "use_uv": False, "script_content": f"print({number}, {each})"})
                for each in range(4)
            ]  # fmt: skip
            told = pending[number % 4].wait(DEADLINE)["result"]["structuredContent"]["job_id"]
            client.kill()
            jobs.append((told, f"{number} {number % 4}\n"))
    with server(meta) as last:
        for job_id, printed in jobs:
            over = wait(last, job_id)
            assert over["status"] == "completed", over
            assert output(last, job_id)["stdout"] == printed


def test_a_job_is_taken_over_though_nobody_asks_for_it(meta: Path) -> None:
    first = server(meta)
    job_id = start(first, meta, "print('done')")
    first.kill()
    with server(meta) as second:
        assert second.run("1").status == "completed"  # a client that has no use for jobs
        end = time.monotonic() + DEADLINE
        records: dict[str, Any] = {}
        while time.monotonic() < end and records.get(job_id) not in OVER:
            try:
                records = {each["id"]: each["status"] for each in json.loads((meta / "jobs.json").read_text())}
            except OSError:
                pass
            time.sleep(0.05)
        assert records[job_id] == "completed"


def test_a_server_without_jobs_makes_no_store(meta: Path) -> None:
    with server(meta) as client:
        assert client.run("1").status == "completed"
        time.sleep(1.5)
    assert not meta.exists()


def test_a_cell_in_the_background_is_a_job(meta: Path) -> None:
    with server(meta) as client:
        started = client.tool("run_python", code="print('from a cell')\n6 * 7", background=True)
        job_id = started.structured["job_id"]
        assert job_id in started.content[0]["text"]
        over = wait(client, job_id)
        assert over["status"] == "completed" and over["result"]["result"] == "42"
        assert over["label"] == "run_python"
        assert stream(client, job_id) == "---STDOUT---\nfrom a cell\n\n---STDERR---\n"
        raised = client.tool("run_python", code="1 / 0", background=True).structured["job_id"]
        assert wait(client, raised)["error"] == "ZeroDivisionError: division by zero"
        endless = client.tool("run_python", code="while True: pass", background=True).structured["job_id"]
        assert client.tool("py_cancel_job", job_id=endless).structured["status"] == "cancelled"
        assert wait(client, endless)["status"] == "cancelled"
        assert client.run("'usable'").result == "'usable'"


def test_a_cell_ends_with_its_server_and_says_so(meta: Path) -> None:
    first = server(meta)
    job_id = first.tool("run_python", code="import time; time.sleep(1000)", background=True).structured["job_id"]
    first.kill()
    with server(meta) as second:
        over = job(second, job_id)
        assert over["status"] == "failed"
        assert over["error"] == "Server restarted while job was running"


def test_two_servers_share_a_store(meta: Path) -> None:
    code = "import time\nprint('here', flush=True)\ntime.sleep(1)\nprint('there')"
    with server(meta) as one, server(meta) as other:
        jobs = [start(each, meta, code) for each in (one, other) for _ in range(3)]
        for each in (one, other):
            for job_id in jobs:
                assert wait(each, job_id)["status"] == "completed"
                assert output(each, job_id)["stdout"] == "here\nthere\n"


def test_a_damaged_store_is_replaced_and_jobs_json_brings_the_jobs_back(meta: Path) -> None:
    with server(meta) as first:
        job_id = start(first, meta, "print('kept')")
        wait(first, job_id)
    for log in meta.glob("jobs.db-*"):  # from which SQLite would mend it
        log.unlink()
    (meta / "jobs.db").write_bytes(b"no database at all" * 1000)
    with server(meta) as second:
        assert job(second, job_id)["status"] == "completed"
        assert output(second, job_id)["stdout"] == "kept\n"
    assert list(meta.glob("jobs.db.corrupt-*"))


def test_the_store_is_private_and_sound_after_a_kill(meta: Path) -> None:
    first = server(meta)
    for _ in range(5):
        start(first, meta, "print(1)")
    first.kill()
    for path in (meta, meta / "jobs", *meta.glob("jobs/*")):
        assert path.stat().st_mode & 0o077 == 0, path
    for path in meta.glob("jobs.db*"):
        assert path.stat().st_mode & 0o077 == 0, path
    with sqlite3.connect(meta / "jobs.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_job_goes_on_when_its_server_ends_in_order(meta: Path) -> None:
    with server(meta) as first:
        job_id = start(first, meta, "import time\ntime.sleep(1.5)\nprint('after')")
    with server(meta) as second:
        assert wait(second, job_id)["status"] == "completed"
        assert output(second, job_id)["stdout"] == "after\n"


def test_a_job_may_use_every_cpu(meta: Path) -> None:
    with server(meta) as client:
        for _ in range(20):  # while cells come quickly, the server keeps its loop on one CPU
            client.run("1")
        job_id = start(client, meta, "import os\nprint(len(os.sched_getaffinity(0)))")
        wait(client, job_id)
        assert output(client, job_id)["stdout"] == f"{len(os.sched_getaffinity(0))}\n"
