"""Workers, their copies and their zygote killed at any moment of forks and undos: each call is
answered, what was not killed goes on with its state, and nothing is left over.

Used by test_killed_copies.py and by soak.py. Sessions keep copies to go back to, are forked, and go
back, while processes of theirs are killed at random.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.killed_workers import children, wait_for
from tests.support.raw_client import (
    CellAnswer,
    NoAnswer,
    RawClient,
    ServerGone,
    open_descriptors,
)

LANES = 3
ANSWER_WITHIN = 60.0
ZYGOTE_EVERY = 15  # kills between two deaths of the zygote
ENDED = ("SIGKILL", "gone", "was not kept", "killed", "not forked", "ended", "closed", "no copy", "There is no session", "cells only")


@dataclass
class Report:
    kills: int = 0
    forked: int = 0
    undone: int = 0
    problems: list[str] = field(default_factory=list)
    seed: int = 0


class KilledCopies:
    """A server of its own, some kills, and what they left."""

    def __init__(self, kills: int, seed: int) -> None:
        self.report = Report(seed=seed)
        self._wanted = kills
        self._random = random.Random(seed)
        self._over = threading.Event()

    def run(self) -> Report:
        try:
            with RawClient(["serve", "--isolation", "process", "--no-supervisor"]) as client:
                self._run(client)
        except (ServerGone, NoAnswer) as gone:
            self.report.problems.append(f"the server: {gone}")
        return self.report

    def _run(self, client: RawClient) -> None:
        zygote = self._zygote(client)
        time.sleep(0.5)
        descriptors = open_descriptors(client.process.pid)
        lanes = [threading.Thread(target=self._guarded, args=(client, f"lane{each}", random.Random(self._random.random()))) for each in range(LANES)]
        for lane in lanes:
            lane.start()
        while self.report.kills < self._wanted and not self.report.problems:
            time.sleep(self._random.random() * 0.08)
            self._kill_one(client)
        self._over.set()
        for lane in lanes:
            lane.join()
        zygote = self._zygote(client)
        # The spare, and the worker of the session that told us who the zygote is.
        self._settles(lambda: len(children(zygote)) <= 2, "workers are left over")
        client.tool("close_session", session="zygote")
        self._settles(lambda: len(children(zygote)) <= 1, "a worker is left over")
        self._settles(lambda: open_descriptors(client.process.pid) <= descriptors + 2, "descriptors are left over")

    def _settles(self, condition: object, problem: str) -> None:
        try:
            wait_for(condition, problem)  # type: ignore[arg-type]
        except NoAnswer:
            self.report.problems.append(problem)

    def _zygote(self, client: RawClient) -> int:
        for _ in range(5):
            answer = CellAnswer(client.send_tool("run_python", {"code": "import os; os.getppid()", "session": "zygote"}), ANSWER_WITHIN)
            if answer.status == "completed":
                return int(str(answer.result))
        raise ServerGone(f"no session any more: {answer}")

    def _kill_one(self, client: RawClient) -> None:
        keepers = [pid for pid in children(client.process.pid) if "mcp_runtime" in _command(pid)]
        zygotes = [zygote for keeper in keepers for zygote in _children(keeper)]
        workers = [worker for zygote in zygotes for worker in _children(zygote)]
        self.report.kills += 1
        of = zygotes if self.report.kills % ZYGOTE_EVERY == 0 else workers
        if of:
            try:
                os.kill(self._random.choice(of), signal.SIGKILL)
            except OSError:
                pass

    # --- what goes on meanwhile ---------------------------------------------------------------

    def _guarded(self, client: RawClient, name: str, chance: random.Random) -> None:
        try:
            while not self._over.is_set():
                self._play(client, name, chance)
        except (ServerGone, NoAnswer, AssertionError, KeyError) as error:
            self.report.problems.append(f"{name}: {type(error).__name__}: {error}")

    def _play(self, client: RawClient, name: str, chance: random.Random) -> None:
        """A session from its beginning to its end. Whatever is answered at all must be right."""
        state: int | None = None  # what x is; None: it may be gone
        for step in range(8):
            what = chance.random()
            if what < 0.5 or state is None:
                answer = self._call(client, "run_python", session=name, code=f"x = {step}", undo=2)
                state = step if answer.status == "completed" else None
            elif what < 0.7:
                answer = self._call(client, "undo_session", session=name)
                state = None
                if not answer.is_error:
                    self.report.undone += 1
            elif self._fork(client, name, state):
                self.report.forked += 1
            if state is not None:
                answer = self._call(client, "run_python", session=name, code="x")
                if answer.status == "completed":
                    assert answer.result == str(state), answer
                elif answer.status == "lost" or "NameError" in answer.text:
                    state = None
                else:
                    raise AssertionError(f"the state is another: {answer}")
        self._call(client, "close_session", session=name)

    def _fork(self, client: RawClient, name: str, state: int) -> bool:
        copy = f"{name}-copy"
        answer = self._call(client, "fork_session", session=name, name=copy)
        if answer.is_error:
            return False
        cell = self._call(client, "run_python", session=copy, code="x")
        # The session may have been lost before the fork, which then is empty.
        right = cell.status == "lost" or cell.result == str(state) or "NameError" in cell.text
        assert right, cell
        self._call(client, "close_session", session=copy)
        return True

    def _call(self, client: RawClient, tool: str, **arguments: object) -> CellAnswer:
        answer = CellAnswer(client.send_tool(tool, arguments), ANSWER_WITHIN)
        if answer.is_error and tool != "run_python":
            assert any(word in answer.text for word in ENDED), answer
        return answer


def _children(pid: int) -> list[int]:
    try:
        return children(pid)
    except OSError:  # it has ended
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
