"""Jobs under stress: many at once, and servers, runners and children that are killed.

A job belongs to its runner, not to the server that started it. So whatever is killed here, no job
may be lost that still has its process, no byte of output may be missing, and an exit code must be
the one the process had.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.raw_client import NoAnswer, RawClient, proportional_memory, server_binary
from tests.support.world import World, make_world, runs

MEGABYTE = 1_000_000
OVER = ("completed", "failed", "cancelled")

# 100 bytes a line; each job's lines are its own.
FLOOD = """
import sys
for n in range({lines}): sys.stdout.write(f'{job:04d} {{n:09d}} ' + 'x' * 84 + '\\n')
sys.exit({code})
"""

# One line every few milliseconds until all are written.
TICKS = """
import sys, time
for n in range({lines}):
    print({job}, n, flush=True)
    time.sleep({pause})
print('err of', {job}, file=sys.stderr)
sys.exit({code})
"""


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="pyember-jobs-", ignore_cleanup_errors=True) as folder:
        yield make_world(Path(folder) / "world")


def server(place: World) -> RawClient:
    return RawClient(command=[server_binary(), "serve", "--profile", "scripts"], variables=place.variables(), cwd=str(place.work))


def tool(client: RawClient, name: str, wait: float = 60.0, **arguments: Any) -> Any:
    answer = client.tool(name, timeout=wait, **arguments)
    if answer.protocol_error or answer.is_error:
        raise RuntimeError(f"{name}: {answer.text[:600]}")
    structured = answer.structured
    return structured["result"] if set(structured) == {"result"} else structured


def start_job(client: RawClient, place: World, code: str) -> str:
    started = tool(client, "run_script_in_dir_async", directory=str(place.work), script_content=code, use_uv=False)
    job_id: str = started["job_id"]
    return job_id


def job_of(client: RawClient, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = tool(client, "py_job_status", job_id=job_id, incremental=False)
    if "error" in found:
        raise RuntimeError(found["error"])
    job: dict[str, Any] = found["job"]
    return job


def statuses(client: RawClient) -> dict[str, str]:
    """Of every job, by its id."""
    return {job["id"]: job["status"] for job in tool(client, "py_list_jobs", limit=10_000)["jobs"]}


def streams(client: RawClient, job_id: str) -> tuple[str, str]:
    """All of a job's stdout and stderr, as its resource has them."""
    message = client.request("resources/read", {"uri": f"job-stream://{job_id}"}, timeout=60)
    text = message["result"]["contents"][0]["text"]
    out, _, err = text.removeprefix("---STDOUT---\n").partition("\n---STDERR---\n")
    return out, err


def exit_code(client: RawClient, job_id: str) -> str:
    code: str = tool(client, "get_job_output", job_id=job_id)["exit_code"]
    return code


def unfinished(client: RawClient) -> int:
    """How many jobs are not over; a cheaper question than statuses()."""
    return sum(int(tool(client, "py_list_jobs", status_filter=each, limit=1)["total"]) for each in ("pending", "running"))


def until(holds: Callable[[], Any], what: str, deadline: float, pause: float = 0.05) -> Any:
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(pause)
    raise NoAnswer(f"{what}: did not come about within {deadline:g} s")


def all_over(client: RawClient, ids: list[str], deadline: float) -> None:
    def over() -> bool:
        known = statuses(client)
        return all(known.get(each) in OVER for each in ids)

    until(over, f"the end of {len(ids)} jobs", deadline)


# --- many at once -----------------------------------------------------------------------------------


@dataclass
class FloodReport:
    jobs: int = 0
    complete: int = 0
    bytes_lost: int = 0
    grown: int = 0  # bytes the server's memory grew by, at most
    list_ms: list[float] = field(default_factory=list)  # tools/list meanwhile
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Beside:
    """Asks for the list of tools again and again, and watches the server's memory."""

    def __init__(self, client: RawClient, report: FloodReport) -> None:
        self.client, self.report = client, report
        self.before = self.peak = proportional_memory(client.pid)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._list, self._memory)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.report.grown = self.peak - self.before

    def _list(self) -> None:
        while not self._stop.wait(0.01):
            pending = self.client.send("tools/list")
            if "result" not in pending.wait(60):
                self.report.problems.append(f"tools/list: {pending.answer}")
            self.report.list_ms.append(pending.seconds * 1000)

    def _memory(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, proportional_memory(self.client.pid))


def flood(jobs: int, size: int = MEGABYTE, deadline: float = 300.0) -> FloodReport:
    """`jobs` jobs at once, each of which prints `size` bytes."""
    report = FloodReport(jobs=jobs)
    lines = size // 100
    with world() as place, server(place) as client:
        warm = start_job(client, place, "print('warm')")
        all_over(client, [warm], 60)
        beside = Beside(client, report)
        begin = time.monotonic()
        pending = [
            client.send_tool("run_script_in_dir_async", {"directory": str(place.work), "use_uv": False,
                             "script_content": FLOOD.format(lines=lines, job=job, code=job % 7)})
            for job in range(jobs)
        ]  # fmt: skip
        ids = [each.wait(deadline)["result"]["structuredContent"]["job_id"] for each in pending]
        try:
            until(lambda: unfinished(client) == 0, f"the end of {jobs} jobs", deadline, pause=0.2)
        finally:
            report.seconds = time.monotonic() - begin
            beside.stop()
        for job, job_id in enumerate(ids):
            _check_flood(client, report, job, job_id, lines)
    return report


def _check_flood(client: RawClient, report: FloodReport, job: int, job_id: str, lines: int) -> None:
    expected = "".join(f"{job:04d} {n:09d} {'x' * 84}\n" for n in range(lines)).encode()
    out, err = streams(client, job_id)
    got = out.encode()
    report.bytes_lost += max(0, len(expected) - len(got))
    code = exit_code(client, job_id)
    if hashlib.sha256(got).digest() != hashlib.sha256(expected).digest():
        report.problems.append(f"job {job}: {len(got)} bytes instead of {len(expected)}, or others")
    elif (code, err) != (str(job % 7), ""):
        report.problems.append(f"job {job}: exit code {code} instead of {job % 7}, stderr {err[:200]!r}")
    else:
        report.complete += 1


# --- killed servers -----------------------------------------------------------------------------------


@dataclass
class KillReport:
    jobs: int = 0
    kills: int = 0
    adopted: int = 0  # jobs that ended as they should, under the id they began with
    problems: list[str] = field(default_factory=list)


def kill_servers(jobs: int, kills: int, lines: int, pause: float = 0.01, deadline: float = 300.0) -> KillReport:
    """Starts jobs, then kills the server with SIGKILL and starts another, again and again."""
    report = KillReport(jobs=jobs)
    with world() as place:
        client = server(place)
        try:
            ids = [start_job(client, place, TICKS.format(lines=lines, pause=pause, job=job, code=job % 5)) for job in range(jobs)]
            for number in range(kills):
                time.sleep(0.05 + 0.02 * (number % 10))
                os.kill(client.pid, signal.SIGKILL)
                client.process.wait()
                report.kills += 1
                client = server(place)
                known = statuses(client)
                for each in ids:
                    if known.get(each) not in ("running", "completed", "failed"):
                        report.problems.append(f"after kill {number}: job {each} is {known.get(each)}")
            all_over(client, ids, deadline)
            for job, job_id in enumerate(ids):
                _check_ticks(client, report, job, job_id, lines)
        finally:
            client.kill()
    return report


def _check_ticks(client: RawClient, report: KillReport, job: int, job_id: str, lines: int) -> None:
    out, err = streams(client, job_id)
    code = exit_code(client, job_id)
    expected = "".join(f"{job} {n}\n" for n in range(lines))
    if (out, err, code) == (expected, f"err of {job}\n", str(job % 5)):
        report.adopted += 1
    else:
        status = job_of(client, job_id)
        report.problems.append(f"job {job}: {len(out)} of {len(expected)} characters, stderr {err[:200]!r}, "
                               f"exit code {code} instead of {job % 5}; {status['status']}: {status['error']}")  # fmt: skip


# --- killed runners and children ------------------------------------------------------------------------


def runner_processes(place: World, job_id: str) -> dict[str, int]:
    """The processes of a job: its runner's two halves and the script (docs/runner.md)."""

    def found() -> Any:
        for path in place.store.rglob("runner"):
            if path.parent.name == job_id:
                record = json.loads(path.read_text())
                return record if record.get("child") else None
        return None

    record = until(found, f"the record of the runner of job {job_id}", 30)
    worker = int(Path(f"/proc/{record['child']}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return {"keeper": record["pid"], "worker": worker, "child": record["child"]}


def stop_all(pids: Iterable[int]) -> None:
    """SIGKILL to all of them, before any can react to the end of another."""
    numbers = list(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in numbers:
            os.kill(pid, number)


def printing(client: RawClient, job_id: str) -> None:
    until(lambda: streams(client, job_id)[0], f"the first output of job {job_id}", 60)


def gone(pid: int, deadline: float = 20.0) -> None:
    until(lambda: not runs(pid), f"the end of process {pid}", deadline)
