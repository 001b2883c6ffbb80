"""Progress and output that a job reports of itself."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from python_mcp_server import _job
from python_mcp_server.smart_async import (
    STATE,
    create_output_callback,
    create_progress_callback,
    get_job_status,
    list_jobs,
    smart_async,
    update_job_output,
)
from smart_jobs import MEMBERS, record_with, records, until_over


@smart_async(default_timeout=0.05)
async def report_then_wait(go_on: asyncio.Event, async_mode: bool = False) -> str:
    create_progress_callback()(1, 3)
    create_output_callback()("first\n", "careful\n")
    await go_on.wait()
    create_progress_callback()(3, 3, "all of it")
    create_output_callback()(stdout="second\n")
    await go_on.wait()
    return "value"


@pytest.mark.parametrize("async_mode", [True, False], ids=["async_mode", "switched"])
def test_what_is_reported_before_the_switch_is_kept(async_mode: bool, folder: Any) -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        job_id = (await report_then_wait(go_on, async_mode=async_mode))["job_id"]
        await asyncio.sleep(0)
        job = get_job_status(job_id)["job"]
        assert list(job) == [*MEMBERS, "partial_stdout", "partial_stderr"]
        assert job["progress"] == {"current": 1, "total": 3}
        assert (job["partial_stdout"], job["partial_stderr"]) == ("first\n", "careful\n")
        go_on.set()
        go_on = asyncio.Event()
        job = await until_over(job_id)
        assert list(job) == MEMBERS
        assert job["progress"] == {"current": 3, "total": 3, "message": "all of it"}
        assert records(folder)[job_id]["progress"]["current"] == 3

    asyncio.run(main())


def test_new_output_comes_once(folder: Any) -> None:
    async def main() -> None:
        job_id = (await report_then_wait(asyncio.Event()))["job_id"]
        first = get_job_status(job_id, incremental=True)
        assert first["incremental"] is True
        assert (first["job"]["new_stdout"], first["job"]["new_stderr"]) == ("first\n", "careful\n")
        update_job_output(job_id, stdout="more\n")
        plain = get_job_status(job_id)
        assert set(plain) == {"job"}
        assert "new_stdout" not in plain["job"]
        second = get_job_status(job_id, incremental=True)["job"]
        assert (second["new_stdout"], second["new_stderr"]) == ("more\n", "")
        assert second["partial_stdout"] == "first\nmore\n"
        third = get_job_status(job_id, incremental=True)["job"]
        assert (third["new_stdout"], third["new_stderr"]) == ("", "")

    asyncio.run(main())


def test_a_job_that_is_over_has_no_partial_output(folder: Any) -> None:
    async def main() -> None:
        @smart_async()
        async def speak(async_mode: bool = False) -> None:
            create_output_callback()("hello\n")

        job_id = (await speak(async_mode=True))["job_id"]
        await until_over(job_id)
        assert set(get_job_status(job_id, incremental=True)) == {"job"}
        assert list(get_job_status(job_id, incremental=True)["job"]) == MEMBERS
        assert (records(folder)[job_id]["partial_stdout"], records(folder)[job_id]["partial_stderr"]) == ("", "")
        update_job_output(job_id, stdout="too late\n")
        assert get_job_status(job_id)["job"]["status"] == "completed"

    asyncio.run(main())


def test_callbacks_outside_a_job_do_nothing() -> None:
    create_progress_callback()(1, 2, "nobody asked")
    create_output_callback()("nobody reads\n")
    update_job_output("no such id", "text")
    assert not STATE.jobs


def test_callbacks_within_the_budget_leave_nothing_behind() -> None:
    kept: list[Any] = []

    @smart_async()
    async def quick() -> int:
        kept.append(create_progress_callback())
        kept[0](1, 1)
        return 1

    assert asyncio.run(quick()) == 1
    kept[0](2, 2)
    assert not STATE.jobs
    assert not STATE._trials


def test_callbacks_work_from_other_threads() -> None:
    @smart_async(default_timeout=0.05)
    async def count(pool: ThreadPoolExecutor) -> str:
        progress, output = create_progress_callback(), create_output_callback()

        def in_thread() -> None:
            for number in range(1, 201):
                progress(number, 200)
                output("x")

        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.run_in_executor(pool, in_thread) for _ in range(2)])
        await asyncio.sleep(30)
        return "never"

    async def main() -> None:
        with ThreadPoolExecutor(2) as pool:
            job_id = (await count(pool))["job_id"]
            while len(get_job_status(job_id)["job"]["partial_stdout"]) < 400:
                await asyncio.sleep(0.02)
        assert get_job_status(job_id)["job"]["progress"] == {"current": 200, "total": 200}

    asyncio.run(asyncio.wait_for(main(), 20))


def test_progress_reaches_the_file_while_the_job_runs(folder: Any) -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        job_id = (await report_then_wait(go_on))["job_id"]
        loop = asyncio.get_running_loop()
        look = loop.run_in_executor(None, lambda: record_with(folder, job_id, progress={"current": 1, "total": 3}))
        record = await look
        assert record["status"] == "running"
        assert record["partial_stdout"] == "first\n"

    asyncio.run(main())


def test_memory_for_output_is_bounded(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    monkeypatch.setattr(_job, "KEPT_OUTPUT", 1000)
    monkeypatch.setattr(_job, "WRITTEN_OUTPUT", 100)

    async def main() -> None:
        job_id = (await report_then_wait(asyncio.Event()))["job_id"]
        get_job_status(job_id, incremental=True)
        for number in range(1000):
            update_job_output(job_id, f"line {number:04}\n")
        job = get_job_status(job_id, incremental=True)["job"]
        assert 1000 <= len(job["partial_stdout"]) <= 2000
        assert job["partial_stdout"].endswith("line 0998\nline 0999\n")
        assert job["new_stdout"] == job["partial_stdout"]
        update_job_output(job_id, "the last\n")
        assert get_job_status(job_id, incremental=True)["job"]["new_stdout"] == "the last\n"
        STATE.flush(1)
        assert len(records(folder)[job_id]["partial_stdout"]) == 100

    asyncio.run(main())


def test_running_jobs_are_listed_without_their_output() -> None:
    async def main() -> None:
        await report_then_wait(asyncio.Event())
        (job,) = list_jobs(status_filter="running")["jobs"]
        assert list(job) == MEMBERS

    asyncio.run(main())
