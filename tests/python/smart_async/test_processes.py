"""Several processes with one jobs.json, some of which are killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from python_mcp_server.smart_async import cancel_job, get_job_status, list_jobs, prune_jobs, smart_async
from smart_jobs import other_process, record_with, records, until_over

RESTARTED = "Server restarted while job was running"

_ONE_JOB = """
async def main():
    tell((await work(60, async_mode=True))["job_id"])
    await asked()
asyncio.run(main())
"""

_MANY_JOBS = """
async def main():
    jobs = [(await work(0.001 * n, n, async_mode=True))["job_id"] for n in range(40)]
    while list_jobs(limit=1000)["total"] < 40 or any(STATE.jobs[j].task for j in jobs):
        await asyncio.sleep(0.02)
    for job in jobs:
        tell(job)
asyncio.run(main())
"""


@smart_async()
async def work(seconds: float = 0.0, async_mode: bool = False) -> None:
    await asyncio.sleep(seconds)


def test_two_processes_at_once_lose_no_job(folder: Path) -> None:
    with other_process(_MANY_JOBS, folder) as one, other_process(_MANY_JOBS, folder) as two:
        ids = {other.line() for other in (one, two) for _ in range(40)}
        one.end()
        two.end()
    found = records(folder)
    assert set(found) == ids
    assert {record["status"] for record in found.values()} == {"completed"}


def test_a_job_of_a_living_process_is_shown_and_left_alone(folder: Path) -> None:
    with other_process(_ONE_JOB, folder) as other:
        job_id = other.line()
        record_with(folder, job_id, status="running")
        asyncio.run(_one_of_ours())
        assert get_job_status(job_id)["job"]["status"] == "running"
        assert [job["id"] for job in list_jobs(status_filter="running")["jobs"]] == [job_id]
        answer = cancel_job(job_id)
        assert set(answer) == {"error", "job_id"}
        assert "another process" in answer["error"]
        assert prune_jobs(keep_completed=False, keep_failed=False, max_age_hours=0) == {"removed": 1, "remaining": 1}
        other.tell("end")
        other.end()
    assert get_job_status(job_id)["job"]["status"] == "cancelled"


async def _one_of_ours() -> None:
    await until_over((await work(async_mode=True))["job_id"])


def test_jobs_of_a_killed_process_become_failed_at_the_next_look(folder: Path) -> None:
    with other_process(_ONE_JOB, folder) as other:
        job_id = other.line()
        record_with(folder, job_id, status="running")
        assert get_job_status(job_id)["job"]["status"] == "running"
        other.kill()
        job = get_job_status(job_id)["job"]
        assert (job["status"], job["error"]) == ("failed", RESTARTED)
        assert records(folder)[job_id]["status"] == "failed"
        assert records(folder)[job_id]["completed_at"]


def test_a_process_killed_again_and_again_leaves_a_whole_file_and_no_lock(folder: Path) -> None:
    busy = """
async def main():
    tell("ready")
    while True:
        await asyncio.gather(*[work(0, async_mode=True) for _ in range(5)])
        await asyncio.sleep(0)
asyncio.run(main())
"""
    for _ in range(5):
        with other_process(busy, folder) as other:
            other.line()
            before = len(records(folder)) if (folder / "jobs.json").exists() else 0
            while not (folder / "jobs.json").exists() or len(records(folder)) <= before:
                pass
            other.kill()
    asyncio.run(_one_of_ours())
    assert set(os.listdir(folder)) <= {"jobs.json", "jobs.json.lock", "jobs.json.new"}
    assert not [job for job in list_jobs(limit=1000)["jobs"] if job["status"] in ("pending", "running")]


def test_a_process_that_ends_with_a_job_running_says_so_itself(folder: Path) -> None:
    code = """
loop = asyncio.new_event_loop()
tell(loop.run_until_complete(work(60, async_mode=True))["job_id"])
import os, warnings
warnings.simplefilter("ignore")
STATE.jobs[next(iter(STATE.jobs))].task._log_destroy_pending = False
"""
    with other_process(code, folder) as other:
        job_id = other.line()
        other.end()
    record = records(folder)[job_id]
    assert (record["status"], record["error"]) == ("failed", "The process ended while job was running")


def test_what_was_not_yet_written_is_written_at_exit(folder: Path) -> None:
    code = """
async def main():
    await work(0, async_mode=True)
    tell((await work(0, "last", async_mode=True))["job_id"])
    while any(job.task for job in STATE.jobs.values()):
        await asyncio.sleep(0)
import fcntl, os
os.mkdir(sys.argv[1])
lock = open(sys.argv[1] + "/jobs.json.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
asyncio.run(main())
lock.close()
"""
    with other_process(code, folder) as other:
        job_id = other.line()
        other.end()
    assert records(folder)[job_id]["result"] == "last"


def test_jobs_pruned_by_another_process_are_gone_here_too(folder: Path) -> None:
    async def main() -> str:
        job_id: str = (await work(async_mode=True))["job_id"]
        await until_over(job_id)
        return job_id

    job_id = asyncio.run(main())
    with other_process('tell(str(prune_jobs(False, False, 0)["removed"]))', folder) as other:
        assert other.line() == "1"
        other.end()
    assert list_jobs()["total"] == 0
    assert get_job_status(job_id) == {"error": f"Job {job_id} not found"}
    assert not records(folder)


def test_a_forked_process_does_not_touch_its_parents_jobs(folder: Path) -> None:
    code = """
import os
async def main():
    answer = await work(0.5, "parent's", async_mode=True)
    await asyncio.sleep(0.3)
    child = os.fork()
    if child == 0:
        status = get_job_status(answer["job_id"])["job"]["status"]
        refused = "another process" in cancel_job(answer["job_id"])["error"]
        sys.stdout.write(f"{status} {refused}\\n")
        sys.stdout.flush()
        STATE._at_exit()
        os._exit(0)
    os.waitpid(child, 0)
    while STATE.jobs[answer["job_id"]].task:
        await asyncio.sleep(0.02)
    tell(answer["job_id"])
import warnings
warnings.simplefilter("ignore")
asyncio.run(main())
"""
    with other_process(code, folder) as other:
        assert other.line() == "running True"
        job_id = other.line()
        other.end()
    assert records(folder)[job_id]["result"] == "parent's"
