"""Runs the battery of hostile cells against one server and records what happened.

The sessions are all in one room: `inprocess`, where the guards of the embedding are tested, or
`process`, where the worker is the session's own and what it does to itself must stay there.

Used by test_battery.py (once over, lenient margins) and by soak.py (many times over, the real
bar). For every cell: a fresh session runs it, a call follows in the same session, the session is
closed, and another fresh session must work; meanwhile a bystander session computes and every one
of its results is checked.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from tests.hostile.cells import Cell
from tests.support.raw_client import CellAnswer, NoAnswer, RawClient, ServerGone

# Sessions may hold this much, so that a memory bomb bursts soon and leaves the machine alone.
MEMORY_BUDGET = "256M"
SERVER_ARGUMENTS = ["serve", "--memory-budget", MEMORY_BUDGET]

# The same for workers, of those categories that ask for it; other cells make many threads.
WORKER_LIMITS: dict[str, dict[str, int]] = {"memory": {"memory_mb": 256}, "stack": {"memory_mb": 256}}

# A worker has limits::kWorkerStopGrace to follow (a million frames take their time), then it is killed.
FORCE_AFTER = {"inprocess": 0.0, "process": 1.5}

# How long we wait for an answer before we call it missing, beyond the deadline.
GIVE_UP_AFTER = 15.0
# A call that has nothing to wait for.
PLAIN_CALL = 10.0
# The same in the session of a cell before it, where it may hang like that.
CALL_AFTER = 3.0

NEXT_SESSION_CODE = """\
import json, re, threading
done = []
t = threading.Thread(target=done.append, args=(re.sub('x', 'y', 'axb'),))
t.start()
t.join()
print('works')
json.loads('[1, 2]'), done
"""
NEXT_SESSION_RESULT = "([1, 2], ['ayb'])"


@dataclass
class Problem:
    cell: str
    what: str


@dataclass
class Report:
    """What a pass over the battery showed."""

    cells: int = 0
    problems: list[Problem] = field(default_factory=list)
    over_deadline_ms: list[float] = field(default_factory=list)  # of cells that were stopped or lost
    bystander_calls: int = 0
    bystander_ms: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    server_deaths: int = 0

    def add(self, cell: str, what: str) -> None:
        self.problems.append(Problem(cell, what))


class Bystander:
    """A session that computes all the while; every result is checked against what it must be."""

    CODE = (
        "import json, hashlib\n"
        "n += 1\n"
        "text = json.dumps({'n': n, 'square': n * n})\n"
        "digest = hashlib.sha256(digest.encode() + text.encode()).hexdigest()\n"
        "n, digest[:12], sum(i * i for i in range(2000))"
    )

    def __init__(self, client: RawClient, report: Report, name: str = "bystander") -> None:
        self.client, self.report, self.name = client, report, name
        self.during = ""  # the cell that runs beside us, for messages
        self._namespace: dict[str, object] = {"n": 0, "digest": ""}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._compute, daemon=True)

    def start(self) -> None:
        first = self.client.run("n, digest = 0, ''", self.name)
        if first.status != "completed":
            raise RuntimeError(f"the bystander's session does not work at all: {first}")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _expected(self) -> str:
        body, last = self.CODE.rsplit("\n", 1)
        exec(body, self._namespace)
        return repr(eval(last, self._namespace))

    def _compute(self) -> None:
        while not self._stop.is_set():
            during = self.during
            try:
                answer = self.client.run(self.CODE, self.name, wait=PLAIN_CALL)
            except ServerGone:
                return
            except NoAnswer as gone:
                self.report.add(during, f"bystander: {gone}")
                return
            self.report.bystander_calls += 1
            self.report.bystander_ms.append(answer.seconds * 1000)
            expected = self._expected()
            if answer.status != "completed" or answer.result != expected:
                self.report.add(f"{during} / {self.during}", f"bystander: expected {expected}, got {answer}")
                return
            if answer.stdout or answer.stderr:
                self.report.add(f"{during} / {self.during}", f"bystander saw foreign output: {answer}")
            time.sleep(0.002)


class Battery:
    """One pass over some cells, against one server that must outlive it."""

    def __init__(self, cells: list[Cell], margin: float, room: str, verbose: bool = False) -> None:
        self.cells = cells
        self.margin = margin
        self.room = room
        self.verbose = verbose
        self.report = Report()
        self._serial = 0

    def run(self, passes: int = 1) -> Report:
        """Runs the battery `passes` times over, each on a server of its own: the interpreters that
        hostile cells cost are not given back. A dead server is replaced, and counted.
        """
        for _ in range(passes):
            pending = list(self.cells)
            while pending:
                pending = self._run_until_death(pending)
        return self.report

    def _run_until_death(self, pending: list[Cell]) -> list[Cell]:
        """Returns what is still to be run when the server died; an empty list when it did not."""
        client = RawClient(SERVER_ARGUMENTS, environment={"PYEMBER_ISOLATION": self.room})
        bystander = Bystander(client, self.report)
        try:
            bystander.start()
            for index, cell in enumerate(pending):
                bystander.during = cell.name
                if not self._run_cell(client, cell):
                    return pending[index + 1 :]
                if not bystander._thread.is_alive() and client.alive():
                    bystander = Bystander(client, self.report, f"bystander-{index}")
                    bystander.start()
            bystander.stop()
            code = client.close()
            if code != 0:
                self.report.add("(end)", f"the server ended with {code}")
            return []
        finally:
            bystander._stop.set()
            client.kill()

    def _run_cell(self, client: RawClient, cell: Cell) -> bool:
        """False when the server is no more."""
        self._serial += 1
        session = f"hostile-{self._serial}"
        self.report.cells += 1
        try:
            self._provoke(client, cell, session)
            self._check_next_session(client, cell)
        except (ServerGone, NoAnswer) as gone:
            time.sleep(0.2)
            died = not client.alive()
            code = client.process.poll()
            self.report.server_deaths += died
            what = f"the server died (exit {code})" if died else f"the server is wedged: {gone}"
            self.report.add(cell.name, what)
            client.kill()
            return False
        return True

    def _provoke(self, client: RawClient, cell: Cell, session: str) -> None:
        call: dict[str, object] = {"code": cell.code, "session": session, "timeout": cell.timeout}
        if self.room == "process" and cell.category in WORKER_LIMITS:
            call["limits"] = WORKER_LIMITS[cell.category]
        answer = CellAnswer(client.send_tool("run_python", call), cell.timeout + GIVE_UP_AFTER)
        self._note(cell, answer)
        after = client.run("1+1", session, timeout=CALL_AFTER, wait=CALL_AFTER + GIVE_UP_AFTER)
        if cell.intact and (after.status, after.result) != ("completed", "2"):
            self.report.add(cell.name, f"the session does not go on: {after}")
        if answer.status == "lost" and "lost" not in after.text:
            self.report.add(cell.name, f"the call after the loss does not say so: {after}")
        closed = client.tool("close_session", session=session, timeout=GIVE_UP_AFTER)
        if closed.protocol_error or (closed.is_error and "no session" not in closed.text.lower()):
            self.report.add(cell.name, f"close_session: {closed}")

    def _note(self, cell: Cell, answer: CellAnswer) -> None:
        report = self.report
        report.statuses[answer.status] = report.statuses.get(answer.status, 0) + 1
        over = answer.seconds - cell.timeout
        if self.verbose:
            print(f"  {cell.category:12} {cell.name:44} {answer.status:10} {answer.seconds * 1000:8.1f} ms", flush=True)
        if answer.status in ("timed_out", "lost") and over > 0:
            report.over_deadline_ms.append(over * 1000)
        if over > self.margin + FORCE_AFTER[self.room]:
            report.add(cell.name, f"answered {over * 1000:.0f} ms after its deadline: {answer}")
        if answer.status not in cell.accept:
            report.add(cell.name, f"{answer.status or 'protocol error'}, accepted {sorted(cell.accept)}: {answer}")
        if answer.structured.get("isolation") != self.room:
            report.add(cell.name, f"it ran in another room than {self.room}: {answer}")
        if cell.says and cell.says not in answer.text:
            report.add(cell.name, f"the answer does not say {cell.says!r}: {answer}")

    def _check_next_session(self, client: RawClient, cell: Cell) -> None:
        session = f"next-{self._serial}"
        answer = client.run(NEXT_SESSION_CODE, session, timeout=PLAIN_CALL, wait=PLAIN_CALL + GIVE_UP_AFTER)
        right = answer.status == "completed" and answer.result == NEXT_SESSION_RESULT and answer.stdout == "works\n"
        if not right:
            self.report.add(cell.name, f"the next session does not work: {answer}")
        client.tool("close_session", session=session, timeout=GIVE_UP_AFTER)
