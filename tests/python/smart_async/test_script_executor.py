"""What the tests of the script executor asked of smart_async, written anew.

The budget is two seconds as it was there. The tasks wait side by side where nothing speaks against
it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from python_mcp_server.smart_async import (
    STATE,
    cancel_job,
    create_progress_callback,
    get_job_status,
    list_jobs,
    prune_jobs,
    smart_async,
)
from smart_jobs import until_over


@smart_async(timeout_env="TEST_TIMEOUT", default_timeout=2.0)
async def wait_for(duration: float, async_mode: bool = False, job_label: str | None = None) -> dict[str, Any]:
    await asyncio.sleep(duration)
    return {"status": "completed", "duration": duration}


@smart_async(timeout_env="TEST_TIMEOUT", default_timeout=2.0)
async def go_through(items: int, async_mode: bool = False, job_label: str | None = None) -> dict[str, Any]:
    progress = create_progress_callback()
    for number in range(1, items + 1):
        await asyncio.sleep(0.1)
        progress(number, items, f"went through {number}")
    return {"status": "completed", "items": items}


@smart_async(timeout_env="TEST_TIMEOUT", default_timeout=2.0)
async def fail(async_mode: bool = False, job_label: str | None = None) -> None:
    await asyncio.sleep(0.05)
    raise ValueError("failed as it was meant to")


def test_a_task_within_its_budget_answers_with_its_own_value() -> None:
    assert asyncio.run(wait_for(0.5)) == {"status": "completed", "duration": 0.5}
    assert not STATE.jobs


def test_a_task_over_its_budget_goes_on_in_the_background_and_completes() -> None:
    async def main() -> None:
        started = time.monotonic()
        answer = await wait_for(5.0)
        assert time.monotonic() - started < 3
        assert set(answer) == {"job_id", "status", "message"}
        assert answer["status"] == "running"
        assert answer["message"] == "Task exceeded 2.0s time budget; running in background"
        job = await until_over(answer["job_id"])
        assert (job["status"], job["result"]["duration"], job["label"]) == ("completed", 5.0, "wait_for")

    asyncio.run(main())


def test_async_mode_answers_at_once_with_a_pending_job_that_keeps_its_label() -> None:
    async def main() -> None:
        answer = await wait_for(0.5, async_mode=True, job_label="by name")
        assert answer == {"job_id": answer["job_id"], "status": "pending"}
        assert get_job_status(answer["job_id"])["job"]["status"] == "pending"
        job = await until_over(answer["job_id"])
        assert (job["status"], job["label"]) == ("completed", "by name")

    asyncio.run(main())


@pytest.mark.parametrize("async_mode", [True, False], ids=["async_mode", "switched"])
def test_progress_is_seen_while_the_job_runs(async_mode: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TIMEOUT", "0.35")

    async def main() -> None:
        answer = await go_through(10, async_mode=async_mode, job_label="with progress")
        seen = []
        while (job := get_job_status(answer["job_id"])["job"])["status"] in ("pending", "running"):
            seen.append(job["progress"])
            await asyncio.sleep(0.02)
        reported = [progress["current"] for progress in seen if progress]
        assert len(set(reported)) > 3
        assert reported == sorted(reported)
        assert {"current": 5, "total": 10, "message": "went through 5"} in seen
        assert job["result"]["items"] == 10
        assert job["progress"]["current"] == 10

    asyncio.run(main())


def test_a_cancelled_job_is_cancelled_in_the_answer_and_in_its_status() -> None:
    async def main() -> None:
        job_id = (await wait_for(10.0, async_mode=True))["job_id"]
        await asyncio.sleep(0.05)
        answer = cancel_job(job_id)
        assert (answer["job_id"], answer["status"]) == (job_id, "cancelled")
        assert "message" in answer
        assert get_job_status(job_id)["job"]["status"] == "cancelled"

    asyncio.run(main())


def test_jobs_are_listed_filtered_and_limited() -> None:
    async def main() -> None:
        started = [await wait_for(0.05, async_mode=True, job_label=f"listed {number}") for number in range(3)]
        for answer in started:
            await until_over(answer["job_id"])
        assert list_jobs()["total"] >= 3
        assert list_jobs(status_filter="completed")["total"] >= 3
        limited = list_jobs(limit=2)
        assert [job["label"] for job in limited["jobs"]] == ["listed 2", "listed 1"]
        assert (limited["total"], limited["returned"]) == (3, 2)
        assert list_jobs(limit=0) == {"jobs": [], "total": 3, "returned": 0}

    asyncio.run(main())


def test_a_failing_job_is_failed_with_the_message_of_its_exception() -> None:
    async def main() -> None:
        job = await until_over((await fail(async_mode=True))["job_id"])
        assert (job["status"], job["error"]) == ("failed", "failed as it was meant to")

    asyncio.run(main())


def test_pruning_with_age_zero_removes_what_it_may() -> None:
    async def main() -> None:
        done = (await wait_for(0.01, async_mode=True))["job_id"]
        failed = (await fail(async_mode=True))["job_id"]
        going_on = (await wait_for(30.0, async_mode=True))["job_id"]
        await until_over(done)
        await until_over(failed)
        assert prune_jobs(keep_completed=False, keep_failed=True, max_age_hours=0) == {"removed": 1, "remaining": 2}
        assert get_job_status(done) == {"error": f"Job {done} not found"}
        assert prune_jobs(keep_completed=False, keep_failed=False, max_age_hours=0) == {"removed": 1, "remaining": 1}
        assert get_job_status(going_on)["job"]["status"] == "running"

    asyncio.run(main())


def test_the_whole_walk_through() -> None:
    """All of the above in one loop, one after the other, as a client would do it."""

    async def main() -> None:
        assert (await wait_for(0.01))["status"] == "completed"
        slow = await wait_for(2.5)
        assert slow["status"] == "running"
        quick = await wait_for(0.01, async_mode=True, job_label="quick")
        moving = await go_through(4, async_mode=True)
        failing = await fail(async_mode=True)
        stopped = await wait_for(60.0, async_mode=True)
        await asyncio.sleep(0.25)
        assert get_job_status(moving["job_id"])["job"]["progress"]["total"] == 4
        assert cancel_job(stopped["job_id"])["status"] == "cancelled"
        ends = [(await until_over(each["job_id"]))["status"] for each in (slow, quick, moving, failing, stopped)]
        assert ends == ["completed", "completed", "completed", "failed", "cancelled"]
        assert list_jobs()["total"] == 5
        assert list_jobs(status_filter="completed")["total"] == 3
        assert prune_jobs(keep_completed=False, keep_failed=False, max_age_hours=0) == {"removed": 5, "remaining": 0}
        assert list_jobs() == {"jobs": [], "total": 0, "returned": 0}

    asyncio.run(main())
