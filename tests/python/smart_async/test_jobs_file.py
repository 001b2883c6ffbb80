"""jobs.json: its format, what is read from it, when it is written, and what is never done to it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import math
import os
import re
import stat
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from python_mcp_server import _jobs_file, _owner, _state
from python_mcp_server.smart_async import (
    STATE,
    cancel_job,
    create_output_callback,
    create_progress_callback,
    get_job_status,
    initialize_state,
    list_jobs,
    prune_jobs,
    smart_async,
)
from smart_jobs import DEADLINE, RECORD_MEMBERS, a_record, record_with, records, until_over, write_records

RESTARTED = "Server restarted while job was running"


@smart_async(default_timeout=0.05)
async def work(seconds: float = 0.0, value: Any = None, async_mode: bool = False, job_label: str | None = None) -> Any:
    await asyncio.sleep(seconds)
    return value


async def finished(value: Any = None, **options: Any) -> str:
    job_id: str = (await work(0, value, async_mode=True, **options))["job_id"]
    await until_over(job_id)
    return job_id


# --- the format -----------------------------------------------------------------------------------


def test_the_file_is_an_array_of_objects_with_two_spaces_and_members_in_their_order(folder: Path) -> None:
    first = asyncio.run(finished({"answer": [1, "ß"]}, job_label="one"))
    asyncio.run(finished())
    text = (folder / "jobs.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    found = json.loads(text)
    assert [list(record) for record in found] == [RECORD_MEMBERS, RECORD_MEMBERS]
    assert found[0]["id"] == first
    assert found[0]["label"] == "one"
    assert found[0]["result"] == {"answer": [1, "ß"]}
    assert (found[0]["error"], found[0]["progress"]) == (None, None)


def test_times_are_local_with_offset_and_microseconds(folder: Path) -> None:
    job_id = asyncio.run(finished())
    record = records(folder)[job_id]
    for name in ("created_at", "started_at", "completed_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d", record[name])
        assert abs(datetime.fromisoformat(record[name]) - datetime.now().astimezone()) < timedelta(minutes=1)
    assert record["created_at"] <= record["started_at"] <= record["completed_at"]


def test_a_running_job_names_its_process(folder: Path) -> None:
    async def main() -> None:
        job_id = (await work(30))["job_id"]
        STATE.flush(1)
        record = records(folder)[job_id]
        assert list(record) == [*RECORD_MEMBERS, "owner"]
        assert record["owner"] == _owner.this_process()
        assert record["owner"]["pid"] == os.getpid()

    asyncio.run(main())
    assert all(["owner" not in record for record in records(folder).values()])


def test_folder_and_files_are_the_users_own(tmp_path: Path) -> None:
    initialize_state(tmp_path / "new" / "meta")
    asyncio.run(finished())
    assert stat.S_IMODE((tmp_path / "new" / "meta").stat().st_mode) == 0o700
    for name in ("jobs.json", "jobs.json.lock"):
        assert stat.S_IMODE((tmp_path / "new" / "meta" / name).stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path / "new" / "meta")) == ["jobs.json", "jobs.json.lock"]


@dataclass
class Point:
    x: int
    y: float


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no description")


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "bottom"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, None),
        (-math.inf, None),
        (2**63, 2**63),
        (10**400, str(10**400)),
        (10**5000, "<int>"),
        ("half a \ud800 pair", "half a ? pair"),
        ({1: "a", None: (1, 2), "\udfff": b"x"}, {"1": "a", "None": [1, 2], "?": "b'x'"}),
        (Point(1, math.inf), {"x": 1, "y": None}),
        (Odd(), "<Odd>"),
        (Path("a/b"), repr(Path("a/b"))),
        ({n: n for n in range(2000)}, repr({n: n for n in range(2000)})),
    ],
    ids=["nan", "inf", "64 bits", "long", "longer", "surrogate", "keys", "dataclass", "no repr", "path", "many members"],
)
def test_whatever_a_job_returns_the_file_is_json_that_every_reader_takes(folder: Path, value: Any, written: Any) -> None:
    async def main() -> None:
        job_id = await finished(value)
        assert get_job_status(job_id)["job"]["result"] is value
        assert records(folder)[job_id]["result"] == written

    asyncio.run(main())


def test_values_that_nest_deeply_or_hold_themselves_are_cut(folder: Path) -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep, round_about = asyncio.run(finished(nested(200))), asyncio.run(finished(circle))
    text = (folder / "jobs.json").read_text(encoding="utf-8")
    assert "bottom" in text
    assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 2 * 40
    assert set(records(folder)) == {deep, round_about}


def test_a_very_large_result_stays_with_its_process(folder: Path) -> None:
    large = ["x" * 1000] * 2000

    async def main() -> None:
        job_id = await finished(large)
        assert get_job_status(job_id)["job"]["result"] is large
        assert records(folder)[job_id]["result"]["truncated"] is True
        assert (folder / "jobs.json").stat().st_size < 2000

    asyncio.run(main())


# --- reading --------------------------------------------------------------------------------------


def test_the_default_folder_is_used_when_none_was_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(STATE, "persistence_dir", None)
    monkeypatch.setattr(STATE, "_file", None)
    job_id = asyncio.run(finished())
    assert STATE.persistence_dir == tmp_path / "home" / ".python_mcp" / "meta"
    assert list(records(tmp_path / "home" / ".python_mcp" / "meta")) == [job_id]


def test_a_variable_names_another_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHON_MCP_META", str(tmp_path / "elsewhere"))
    initialize_state()
    job_id = asyncio.run(finished())
    assert list(records(tmp_path / "elsewhere")) == [job_id]


def test_times_without_a_zone_are_local_and_listed_newest_first(folder: Path) -> None:
    write_records(
        folder,
        a_record("old", created_at="2025-11-30T09:15:00.123456"),
        a_record("utc", created_at="2025-11-30T23:00:00Z"),
        a_record("east", created_at="2025-11-30T09:15:00.000001+14:00"),
        a_record("none", created_at="some time ago"),
    )
    initialize_state(folder)
    assert [job["id"] for job in list_jobs()["jobs"]] == ["utc", "old", "east", "none"]
    assert get_job_status("old")["job"]["created_at"] == "2025-11-30T09:15:00.123456"


def test_jobs_left_running_by_a_writer_that_names_no_process_become_failed(folder: Path) -> None:
    write_records(folder, a_record("r", status="running", partial_stdout="half"), a_record("p", status="pending"), a_record("c"))
    before = datetime.now().astimezone()
    initialize_state(folder)
    for job_id in ("r", "p"):
        job = get_job_status(job_id)["job"]
        assert (job["status"], job["error"]) == ("failed", RESTARTED)
        assert records(folder)[job_id]["error"] == RESTARTED
        assert before <= datetime.fromisoformat(records(folder)[job_id]["completed_at"])
    assert records(folder)["r"]["partial_stdout"] == ""
    assert get_job_status("c")["job"]["status"] == "completed"


def test_a_process_number_used_again_is_not_taken_for_the_writer(folder: Path) -> None:
    here = _owner.this_process()
    write_records(
        folder,
        a_record("alive", status="running", owner=here),
        a_record("later", status="running", owner={**here, "start_ticks": here["start_ticks"] + 1}),
        a_record("booted", status="running", owner={**here, "boot_id": "another boot"}),
        a_record("gone", status="running", owner={"pid": 2**22 + 1}),
    )
    initialize_state(folder)
    assert {job["id"]: job["status"] for job in list_jobs()["jobs"]} == {
        "alive": "running", "later": "failed", "booted": "failed", "gone": "failed",
    }  # fmt: skip


def test_jobs_of_the_server_are_shown_and_never_changed(folder: Path) -> None:
    running = a_record("s", status="running", tool="run_script_in_dir", details={}, owner={"pid": 2**22 + 1})
    over = a_record("t", tool="run_script_in_dir", details={})
    write_records(folder, running, over)
    initialize_state(folder)
    assert get_job_status("s")["job"]["status"] == "running"
    assert "py_cancel_job" in cancel_job("s")["error"]
    assert prune_jobs(keep_completed=False, keep_failed=False, max_age_hours=0)["removed"] == 0
    asyncio.run(finished())
    assert (records(folder)["s"], records(folder)["t"]) == (running, over)


def test_a_live_job_is_never_replaced_by_what_the_file_says(folder: Path) -> None:
    async def main() -> None:
        job_id = (await work(0.3, "done"))["job_id"]
        job = STATE.jobs[job_id]
        STATE.flush(1)
        record = records(folder)[job_id]
        write_records(folder, {**record, "status": "failed", "error": "says another"})
        initialize_state(folder)
        list_jobs()
        assert STATE.jobs[job_id] is job
        assert get_job_status(job_id)["job"]["status"] == "running"
        assert (await until_over(job_id))["result"] == "done"
        assert records(folder)[job_id]["status"] == "completed"

    asyncio.run(main())


def test_live_jobs_move_to_another_folder_and_jobs_that_are_over_stay(folder: Path, tmp_path: Path) -> None:
    async def main() -> None:
        over = await finished()
        job_id = (await work(0.3))["job_id"]
        initialize_state(tmp_path / "other")
        assert [job["id"] for job in list_jobs()["jobs"]] == [job_id]
        await until_over(job_id)
        assert list(records(tmp_path / "other")) == [job_id]
        assert over in records(folder)

    asyncio.run(main())


def test_what_others_wrote_and_we_do_not_know_is_kept(folder: Path) -> None:
    async def main() -> None:
        foreign = a_record("foreign", colour="blue", result={"a": [1, None]})
        write_records(folder, foreign)
        job_id = (await work(0.3))["job_id"]
        STATE.flush(1)
        written = list(records(folder).values())
        (folder / "jobs.json").write_text(json.dumps([*[{**each, "note": "kept"} for each in written], "no record", 7]))
        await until_over(job_id)
        array = json.loads((folder / "jobs.json").read_text())
        assert array[2:] == ["no record", 7]
        assert array[0] == {**foreign, "note": "kept"}
        assert (array[1]["id"], array[1]["status"], array[1]["note"]) == (job_id, "completed", "kept")

    asyncio.run(main())


def test_not_a_number_written_by_others_is_read_as_null(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps([a_record("nan", result={"x": math.nan})]))
    assert get_job_status("nan")["job"]["result"] == {"x": None}


@pytest.mark.parametrize("text", ['[{"id": "half', "{}", "\x00\xff"], ids=["half", "object", "bytes"])
def test_a_damaged_file_is_set_aside_and_our_jobs_are_written_again(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        first = await finished()
        (folder / "jobs.json").write_text(text, encoding="latin-1")
        assert get_job_status(first)["job"]["status"] == "completed"
        second = await finished()
        STATE.flush(1)
        assert set(records(folder)) == {first, second}
        (aside,) = folder.glob("jobs.json.damaged-*")
        assert aside.read_text(encoding="latin-1") == text
        assert "renamed" in caplog.text

    asyncio.run(main())


def test_a_change_that_can_not_be_told_from_the_files_facts_is_not_lost(folder: Path) -> None:
    """Another process replaced the file within a tick of the clock: same number, size and time."""

    async def main() -> None:
        write_records(folder, a_record("other", label="before"))
        await finished()
        facts = (folder / "jobs.json").stat()
        text = (folder / "jobs.json").read_text(encoding="utf-8").replace("before", "behind")
        with open(folder / "jobs.json", "r+", encoding="utf-8") as file:
            file.write(text)
        os.utime(folder / "jobs.json", ns=(facts.st_atime_ns, facts.st_mtime_ns))
        await finished()
        assert records(folder)["other"]["label"] == "behind"

    asyncio.run(main())


def test_a_file_that_was_deleted_is_written_again(folder: Path) -> None:
    async def main() -> None:
        first = await finished()
        (folder / "jobs.json").unlink()
        assert list_jobs()["total"] == 1
        second = await finished()
        STATE.flush(1)
        assert set(records(folder)) == {first, second}

    asyncio.run(main())


# --- writing --------------------------------------------------------------------------------------


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the file was written."""
    times: list[float] = []
    write = _jobs_file.JobsFile._write

    def noted(file: _jobs_file.JobsFile, content: list[Any]) -> None:
        times.append(time.monotonic())
        write(file, content)

    monkeypatch.setattr(_jobs_file.JobsFile, "_write", noted)
    return times


def test_reports_are_written_at_most_four_times_a_second_and_the_end_at_once(folder: Path, writes: list[float]) -> None:
    @smart_async()
    async def chatter(async_mode: bool = False) -> None:
        progress, output = create_progress_callback(), create_output_callback()
        begun = time.monotonic()
        while time.monotonic() < begun + 1.1:
            for _ in range(50):
                progress(1, 2)
                output("line\n")
            await asyncio.sleep(0.01)

    async def main() -> None:
        job_id = (await chatter(async_mode=True))["job_id"]
        begun = time.monotonic()
        while STATE.jobs[job_id].task is not None:
            await asyncio.sleep(0.01)
        assert records(folder)[job_id]["status"] == "completed"
        # One at the start and one at the end, and between them one for each quarter of a second.
        assert 3 <= len(writes) <= 2 + (time.monotonic() - begun) / 0.25

    asyncio.run(main())


def test_jobs_that_end_together_are_one_write(folder: Path, writes: list[float]) -> None:
    go_on = asyncio.Event()

    @smart_async()
    async def until_told(async_mode: bool = False) -> None:
        await go_on.wait()

    async def main() -> None:
        ids = [(await until_told(async_mode=True))["job_id"] for _ in range(100)]
        await asyncio.sleep(0)
        STATE.flush(1)
        del writes[:]
        go_on.set()
        while any([STATE.jobs[job_id].task for job_id in ids]):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert {records(folder)[job_id]["status"] for job_id in ids} == {"completed"}
        assert len(writes) <= 5

    asyncio.run(main())


def test_calls_that_only_look_write_nothing(folder: Path, writes: list[float]) -> None:
    job_id = asyncio.run(finished())
    del writes[:]
    for _ in range(3):
        list_jobs()
        get_job_status(job_id)
    assert not writes


def test_a_burst_of_jobs_is_complete_in_the_file(folder: Path) -> None:
    async def main() -> None:
        started = [(await work(0.05, number, async_mode=True))["job_id"] for number in range(100)]
        for job_id in started:
            await until_over(job_id)
        assert {job_id: records(folder)[job_id]["result"] for job_id in started} == {job_id: number for number, job_id in enumerate(started)}

    asyncio.run(main())


def test_a_reader_never_sees_half_a_file(folder: Path) -> None:
    async def main() -> None:
        await finished()
        running = [(await work(0.5, "x" * 50_000, async_mode=True))["job_id"] for _ in range(20)]
        while any([STATE.jobs[job_id].task for job_id in running]):
            records(folder)  # raises when it is half
            await asyncio.sleep(0)

    asyncio.run(main())


def test_old_jobs_beyond_a_bound_are_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "KEPT_JOBS", 3)

    async def main() -> None:
        ids = [await finished() for _ in range(5)]
        assert list(records(folder)) == ids[2:]
        assert [job["id"] for job in list_jobs()["jobs"]] == ids[:1:-1]

    asyncio.run(main())


def test_while_another_process_holds_the_lock_jobs_go_on_and_are_written_afterwards(folder: Path) -> None:
    async def main() -> None:
        await finished()
        with open(folder / "jobs.json.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            job_id = await finished("value")
            assert get_job_status(job_id)["job"]["result"] == "value"
            assert job_id not in records(folder)
        deadline = time.monotonic() + DEADLINE
        while job_id not in records(folder):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    asyncio.run(main())


def test_a_folder_that_can_not_be_written_is_a_warning_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    initialize_state(tmp_path / "file" / "meta")

    async def main() -> None:
        for _ in range(2):
            assert get_job_status(await finished(7))["job"]["result"] == 7

    asyncio.run(main())
    (said,) = [each.getMessage() for each in caplog.records]
    assert "initialize_state" in said


def test_a_job_whose_loop_was_closed_under_it_is_failed(folder: Path) -> None:
    loop = asyncio.new_event_loop()
    job_id = loop.run_until_complete(work(30, async_mode=True))["job_id"]
    task = STATE.jobs[job_id].task
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    job = get_job_status(job_id)["job"]
    assert (job["status"], job["error"]) == ("failed", "The event loop was closed while job was running")
    record_with(folder, job_id, status="failed")
    assert task is not None
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine = task.get_coro()
    assert coroutine is not None
    coroutine.close()
