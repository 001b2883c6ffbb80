"""Servers killed at random moments under load: every request is answered exactly once, what ran once
ran once, sessions with a checkpoint are back, no job is lost, no process left over.

Used by test_killed_servers.py (a dozen kills) and by soak.py (200 for each era). The load is all that
a server does at once: cells in-process and in workers, output of 200 KB, pages of a megabyte, lists of
tools, jobs. A cell says in a file that it ran, by its number; so a request that was made twice shows.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.raw_client import CellAnswer, NoAnswer, Pending, RawClient, ServerGone, having

ANSWER_WITHIN = 60.0
IN_FLIGHT = 60
CHECKPOINT_AFTER = 3.0  # an idle session has one by then
TAG = "PYEMBER_SERVER_KILL_TEST"
PAGE = 1_000_000
# What sessions hold that are let alone, but for being asked for it.
KEPT = {
    "kept-plain": ("inprocess", "kept = {'a': [1, 2, 3], 'b': 'text' * 1000}", "len(kept['b']) + sum(kept['a'])", "4006"),
    "kept-class": ("inprocess", "class Point:\n    def __init__(self, x): self.x = x\npoint = Point(41)\ndef more(): return point.x + 1", "more()", "42"),
    "kept-worker": ("process", "import collections\nkept = collections.Counter('mississippi')", "kept['s']", "4"),
}


@dataclass
class Report:
    era: str
    kills: int = 0
    requests: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    checkpoints: int = 0  # looks at a session that had one
    answer_ms: list[float] = field(default_factory=list)  # from a kill to the next answer
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    seed: int = 0


@dataclass
class Sent:
    """A request, and what it is about."""

    kind: str
    pending: Pending
    number: int = 0


class KilledServers:
    """A supervised server, some kills, and what came of the requests."""

    def __init__(self, kills: int, era: str, seed: int) -> None:
        self.report = Report(era, seed=seed)
        self._wanted = kills
        self._random = random.Random(seed)
        self._folder = Path(tempfile.mkdtemp(prefix="pyember-servers-"))
        self._ran = self._folder / "ran"
        self._tag = f"{os.getpid()}-{era}-{seed}"
        self._number = 0
        self._sent: list[Sent] = []
        self._jobs: list[str] = []

    def run(self) -> Report:
        begun = time.monotonic()
        try:
            with self._server() as client:
                self._run(client)
        except (ServerGone, NoAnswer) as gone:
            self.report.problems.append(f"{type(gone).__name__}: {gone}")
        finally:
            self._look_for_processes()
            shutil.rmtree(self._folder, ignore_errors=True)
        self.report.seconds = time.monotonic() - begun
        return self.report

    @contextlib.contextmanager
    def _server(self) -> Iterator[RawClient]:
        places = {name: str(self._folder / name) for name in ("TMPDIR", "XDG_CACHE_HOME", "PYTHON_MCP_META", "PYEMBER_STATE_DIR")}
        for place in places.values():
            os.mkdir(place)
        client = RawClient(supervised=True, environment={**places, TAG: self._tag, "PYEMBER_LOG_LEVEL": "critical"})
        try:
            if self.report.era == "handshake":
                client.handshake()
            yield client
            code = client.close(30)
            if code != 0:
                self.report.problems.append(f"the server ended with {code}")
            if client.stray:
                self.report.problems.append(f"{len(client.stray)} answers nobody waited for: {client.stray[:2]}")
        finally:
            client.kill()

    def _run(self, client: RawClient) -> None:
        for session, (room, code, _, _) in KEPT.items():
            answer = client.tool("run_python", code=code, session=session, isolation=room)
            if answer.status != "completed":
                raise ServerGone(f"no session to keep: {answer}")
        time.sleep(CHECKPOINT_AFTER)
        while self.report.kills < self._wanted and client.alive():
            self._load(client, 0.02 + self._random.random() * 0.25)
            self._kill(client)
            if self.report.kills % 10 == 0:
                self._look_at_kept(client)
        self._look_at_kept(client)
        self._look_at_answers()
        self._look_at_jobs(client)

    # --- the load -----------------------------------------------------------------------------

    def _load(self, client: RawClient, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(6):
                self._send(client, self._random.random())
            while sum(not each.pending.done for each in self._sent[-4 * IN_FLIGHT:]) > IN_FLIGHT and time.monotonic() < end:
                time.sleep(0.001)

    def _send(self, client: RawClient, what: float) -> None:
        self._number += 1
        number = self._number
        mark = f"import os\nf = os.open({str(self._ran)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\nos.write(f, b'{number}\\n')\nos.close(f)\n"
        session = f"s{self._random.randrange(4)}"
        if what < 0.55:
            self._note("cell", client.send_cell(f"{mark}{number}", session), number)
        elif what < 0.65:
            self._note("worker", client.send_tool("run_python", {"code": f"{mark}{number}", "session": "w", "isolation": "process"}), number)
        elif what < 0.75:
            self._note("output", client.send_cell(f"{mark}print('x' * 200_000)\n{number}", session), number)
        elif what < 0.80:
            self._note("wait", client.send_cell(f"{mark}import time\ntime.sleep({self._random.random() * 0.3})\n{number}", session), number)
        elif what < 0.90:
            self._note("list", client.send("tools/list"))
        elif what < 0.98:
            # An answer of a megabyte, which a kill may cut.
            self._note("page", client.send_cell(f"{mark}'y' * {PAGE}", session), number)
        else:
            script = f"import time\ntime.sleep(0.2)\nprint('job {number}')"
            arguments = {"directory": str(self._folder), "script_content": script, "use_uv": False}
            self._note("job", client.send_tool("run_script_in_dir_async", arguments), number)

    def _note(self, kind: str, pending: Pending, number: int = 0) -> None:
        self._sent.append(Sent(kind, pending, number))

    def _kill(self, client: RawClient) -> None:
        times = 2 if self._random.random() < 0.1 else 1  # the next one as well, while it starts
        for _ in range(times):
            os.kill(client.pid, signal.SIGKILL)
            self.report.kills += 1
            if times == 2:
                time.sleep(self._random.random() * 0.03)
        begun = time.monotonic()
        client.request("tools/list", timeout=ANSWER_WITHIN)
        self.report.answer_ms.append((time.monotonic() - begun) * 1000)

    # --- what came of it ------------------------------------------------------------------------

    def _look_at_kept(self, client: RawClient) -> None:
        for session, (room, _, question, wanted) in KEPT.items():
            answer = client.run(question, session, wait=ANSWER_WITHIN)
            self.report.checkpoints += 1
            if answer.result != wanted or answer.structured.get("isolation") != room:
                self.report.problems.append(f"{session} is not what it was: {answer}")
        time.sleep(0.1)

    def _look_at_answers(self) -> None:
        completed: set[int] = set()
        sent: set[int] = set()
        for each in self._sent:
            answer = each.pending.wait(ANSWER_WITHIN)
            self.report.requests += 1
            status = self._status(each, answer)
            self.report.statuses[status] += 1
            if each.kind not in ("list", "job"):
                sent.add(each.number)
                if status == "completed":
                    completed.add(each.number)
        ran = Counter(int(line) for line in self._ran.read_text().split())
        twice = [number for number, times in ran.items() if times > 1]
        if twice:
            self.report.problems.append(f"{len(twice)} cells ran twice: {twice[:5]}")
        if missing := completed - set(ran):
            self.report.problems.append(f"{len(missing)} cells are said to have run and did not: {sorted(missing)[:5]}")

    def _status(self, each: Sent, message: dict[str, object]) -> str:
        answer = CellAnswer(each.pending, 0.1)
        if each.kind == "list":
            return "listed" if "result" in message else f"list: {str(message)[:200]}"
        if each.kind == "job":
            job = answer.structured.get("job_id")
            if job:
                self._jobs.append(str(job))
            elif "lost" not in answer.text and "started again" not in answer.text and "died" not in answer.text:
                self.report.problems.append(f"a job did not start: {answer}")
            return "job" if job else "job lost"
        whole = {"page": f"'{'y' * PAGE}'", "output": str(each.number)}.get(each.kind, str(each.number))
        if answer.status == "completed" and each.kind != "page" and answer.result != whole:
            self.report.problems.append(f"{each.kind} {each.number}: {answer}")
        if answer.status not in ("completed", "lost"):
            self.report.problems.append(f"{each.kind} {each.number}: {answer}")
        return answer.status or "protocol error"

    def _look_at_jobs(self, client: RawClient) -> None:
        self.report.jobs = len(self._jobs)
        for job in self._jobs:
            end = time.monotonic() + ANSWER_WITHIN
            status = ""
            while status in ("", "running", "pending") and time.monotonic() < end:
                found = client.tool("py_job_status", job_id=job)
                status = str((found.structured.get("job") or {}).get("status"))
                if status in ("running", "pending"):
                    time.sleep(0.05)
            if status != "completed":
                self.report.problems.append(f"job {job}: {status}")

    def _look_for_processes(self) -> None:
        end = time.monotonic() + 10
        left: set[int] = set()
        while time.monotonic() < end:
            left = having(f"{TAG}={self._tag}")
            if not left:
                return
            time.sleep(0.05)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.report.problems.append(f"{len(left)} processes outlived the server")
