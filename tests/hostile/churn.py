"""Session churn: many cells over many sessions that come and go, with faults mixed in.

Errors, timeouts, interrupts, output, threads and children are mixed by a seeded generator, every
answer is checked, and the server's descriptors, threads and memory are watched: the first two must
come back to where they began, the third must stay flat.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from tests.support.raw_client import (
    CellAnswer,
    NoAnswer,
    RawClient,
    ServerGone,
    descendants,
    open_descriptors,
    proportional_memory,
    threads,
)

# Sessions that live at the same time.
LANES = 4


@dataclass
class ChurnReport:
    cells: int = 0
    sessions: int = 0
    seed: int = 0
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    descriptors: tuple[int, int] = (0, 0)  # before, after
    threads: tuple[int, int] = (0, 0)
    children_left: int = 0
    memory: list[tuple[int, int]] = field(default_factory=list)  # (cells done, PSS)

    def memory_growth(self) -> float:
        """Growth over the last half, as a part of what there was at half time."""
        half = [pss for done, pss in self.memory if done >= self.cells / 2]
        if len(half) < 4:
            return 0.0
        quarter = max(1, len(half) // 4)
        first = sum(half[:quarter]) / quarter
        last = sum(half[-quarter:]) / quarter
        return last / first - 1.0


class Lane:
    """One client's sequence of sessions; its own random numbers, so that runs can be repeated."""

    def __init__(self, churn: Churn, name: str, sessions: int, cells: int) -> None:
        self.churn, self.client, self.report = churn, churn.client, churn.report
        self.name, self.sessions, self.cells = name, sessions, cells
        self.random = random.Random(f"{churn.report.seed}-{name}")
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            for serial in range(self.sessions):
                self._one_session(f"{self.name}-{serial}")
        except (ServerGone, NoAnswer) as gone:
            self.report.problems.append(f"lane {self.name}: {gone}")

    def _one_session(self, session: str) -> None:
        self._check(self.client.run("n = 0", session), "completed", None)
        expected = 0
        for _ in range(self.cells - 1):
            kind = self.random.random()
            if kind < 0.72:
                expected += 1
                self._check(self.client.run("n += 1\nn", session), "completed", str(expected))
            elif kind < 0.80:
                self._check(self.client.run("1 / 0", session), "raised", None)
            elif kind < 0.84:
                self._check(self.client.run("def broken(:", session), "raised", None)
            elif kind < 0.88:
                answer = self.client.run("print('x' * 2000)", session)
                self._check(answer, "completed", None)
                if answer.stdout != "x" * 2000 + "\n":
                    self.report.problems.append(f"{session}: wrong output: {answer}")
            elif kind < 0.90:
                self._check(self.client.run("import json, re, datetime\njson.dumps({'n': n})", session), "completed", None)
            elif kind < 0.92:
                code = "import threading\nt = threading.Thread(target=sum, args=(range(1000),))\nt.start()\nt.join()"
                self._check(self.client.run(code, session), "completed", None)
            elif kind < 0.925:
                code = "import subprocess\nsubprocess.run(['true']).returncode"
                self._check(self.client.run(code, session), "completed", "0")
            elif kind < 0.93:
                self._check(self.client.run("import asyncio\nawait asyncio.sleep(0.001)\nn", session), "completed", str(expected))
            elif kind < 0.965:
                code = self.random.choice(["while True: pass", "import time\ntime.sleep(60)"])
                self._check(self.client.run(code, session, timeout=0.05), "timed_out", None)
            else:
                self._interrupt(session)
        closed = self.client.tool("close_session", session=session)
        if closed.is_error or closed.protocol_error:
            self.report.problems.append(f"{session}: close_session: {closed}")
        with self.churn.lock:
            self.report.sessions += 1

    def _interrupt(self, session: str) -> None:
        code = self.random.choice(["while True: pass", "import time\ntime.sleep(60)"])
        running = self.client.send_cell(code, session, timeout=60)
        time.sleep(0.01)
        for _ in range(100):  # the cell may not have begun: then there is nothing to interrupt yet
            self.client.tool("interrupt_session", session=session)
            if running._done.wait(0.1):
                break
        self._check(CellAnswer(running, 30), "interrupted", None)

    def _check(self, answer: CellAnswer, status: str, result: str | None) -> None:
        report = self.report
        with self.churn.lock:
            report.cells += 1
            report.statuses[answer.status] = report.statuses.get(answer.status, 0) + 1
            if answer.status != status or (result is not None and answer.result != result):
                report.problems.append(f"expected {status} {result}: {answer}")
            if report.cells % self.churn.sample_every == 0:
                report.memory.append((report.cells, proportional_memory(self.client.pid)))


class Churn:
    """Runs `cells` cells over `sessions` sessions on a server of its own."""

    def __init__(self, cells: int, sessions: int, seed: int) -> None:
        self.total_cells, self.total_sessions = cells, sessions
        self.report = ChurnReport(seed=seed)
        self.lock = threading.Lock()
        self.sample_every = max(1, cells // 100)
        self.client = RawClient(["serve"])

    def run(self) -> ChurnReport:
        report = self.report
        begin = time.monotonic()
        try:
            self._warm_up()
            before = open_descriptors(self.client.pid), threads(self.client.pid)
            self._run_lanes("churn", self.total_sessions // LANES, self.total_cells // self.total_sessions)
            after = self._settled(before)
            report.descriptors = before[0], after[0]
            report.threads = before[1], after[1]
            report.children_left = len(descendants(self.client.pid))
            if self.client.close() != 0:
                report.problems.append(f"the server ended with {self.client.process.returncode}")
        except (ServerGone, NoAnswer) as gone:
            report.problems.append(str(gone))
        finally:
            if not self.client.alive() and self.client.process.returncode != 0:
                report.problems.append(f"the server died with {self.client.process.returncode}")
            self.client.kill()
            report.seconds = time.monotonic() - begin
        return report

    def _warm_up(self) -> None:
        """The same mixture, shorter: interpreters are kept once made, and a session that opens while
        another is being closed takes a further one. Afterwards there are as many as it takes.
        """
        report, self.report = self.report, ChurnReport(seed=self.report.seed)
        self._run_lanes("warm", 10, 20)
        report.problems += self.report.problems
        self.report = report
        time.sleep(2.0)

    def _run_lanes(self, name: str, sessions: int, cells: int) -> None:
        lanes = [Lane(self, f"{name}-{n}", sessions, cells) for n in range(LANES)]
        for lane in lanes:
            lane.thread.start()
        for lane in lanes:
            lane.thread.join()

    def _settled(self, target: tuple[int, int]) -> tuple[int, int]:
        """Descriptors and threads once closing has caught up; at most ten seconds are granted."""
        for _ in range(100):
            now = open_descriptors(self.client.pid), threads(self.client.pid)
            if now[0] <= target[0] and now[1] <= target[1]:
                break
            time.sleep(0.1)
        return now
