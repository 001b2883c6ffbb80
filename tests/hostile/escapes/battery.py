"""Runs the table against one room: each case in a session of its own, several at a time, beside a neighbour in the same kind of room
and a bystander in the server's own process, which computes all the while.

What holds for every case: the answer comes within its deadline and has no secret in it, the probe reached nothing, the kernel itself
says that the session's processes have no privileges, nobody outside was reached or changed, the neighbour's next call works, and when
the session is closed none of its processes and control groups are there any more.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import os
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.hostile.battery import Bystander, Report as BystanderReport
from tests.hostile.escapes.canaries import Canaries
from tests.hostile.escapes.case import Case
from tests.hostile.escapes.cases.others import NEIGHBOUR, NEIGHBOUR_LEAVES
from tests.hostile.escapes.rooms import Delegation, Room
from tests.support.raw_client import CellAnswer, NoAnswer, ServerGone, descendants, open_descriptors, threads

INSIDE = (Path(__file__).parent / "inside.py").read_text()
FIRST_CALL = 60.0  # a room is made
GIVE_UP_AFTER = 60.0  # beyond a deadline: then the answer is missing
MARGIN = 15.0  # beyond a deadline: then it came too late
PLAIN_CALL = 20.0
SETTLES_WITHIN = 20.0
SETTLED = 4.0  # nothing has changed for so long: a container that is kept ready takes a moment
MEMORY_GROWTH = 400 << 20
NO_PRIVILEGES = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0, "NoNewPrivs": 1, "Seccomp": 2}


@dataclass
class Found:
    """What was seen of one case; `problems` are what must not be."""

    reached: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    status: str = ""
    seconds: float = 0.0
    text: str = ""


@dataclass
class Report:
    cases: dict[str, Found] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # of the room as a whole
    seconds: float = 0.0
    bystander_calls: int = 0
    has_groups: bool = False  # its rooms are in control groups of their own


class Battery:
    """One server with one kind of room."""

    def __init__(self, room: Room, cases: tuple[Case, ...]) -> None:
        self.room = room
        self.cases = cases
        self.report = Report()
        self._running: set[str] = set()
        self._firsts: set[tuple[int, int]] = set()  # of each namespace that was met
        self._neighbour_facts: dict[str, object] = {}
        self._neighbour_lock = threading.Lock()

    def run(self) -> Report:
        began = time.monotonic()
        with contextlib.ExitStack() as surroundings:
            self.canaries = surroundings.enter_context(contextlib.closing(Canaries(self.room.uid, self.room.home)))
            groups = []
            if self.room.uid is not None:
                delegation = surroundings.enter_context(contextlib.closing(Delegation(self.room.uid, self.canaries.tag)))
                groups = delegation.groups
            hold = self.canaries.root / "hold"
            hold.mkdir()
            self.client = self.room.start(self.canaries.environment(), hold, groups)
            surroundings.callback(self.client.kill)
            try:
                self._run()
            except (ServerGone, NoAnswer) as gone:
                self.report.problems.append(f"the server is gone or wedged: {gone}, exit {self.client.process.poll()}")
        self.report.seconds = time.monotonic() - began
        return self.report

    def _run(self) -> None:
        calm = BystanderReport()
        bystander = Bystander(self.client, calm)
        bystander.start()
        try:
            self._meet_neighbour()
            self._warm_up()
            before = Traces(self.client.pid)
            with ThreadPoolExecutor(self.room.lanes) as lanes:
                for case, found in zip(self.cases, lanes.map(self._attempt, self.cases)):
                    self.report.cases[case.name] = found
            bystander.stop()
        finally:
            bystander._stop.set()
        self.report.bystander_calls = calm.bystander_calls
        self.report.problems += [f"the bystander, {problem.what}" for problem in calm.problems]
        self.report.problems += [f"on the protocol's stream: {each!r:.300}" for each in self.client.stray]
        self._settle(before)
        self._end()

    def _warm_up(self) -> None:
        """A session of the kind comes and goes, so that what the server makes for the first one is there, and a spare room is whole."""
        self.call("warm-up", "1", FIRST_CALL)
        self.client.tool("close_session", session="warm-up")
        deadline = time.monotonic() + SETTLES_WITHIN
        seen, since = Traces(self.client.pid).counts(), time.monotonic()
        while time.monotonic() < min(since + SETTLED, deadline):
            time.sleep(0.2)
            if (now := Traces(self.client.pid).counts()) != seen:
                seen, since = now, time.monotonic()

    # --- the neighbour ---

    def _meet_neighbour(self) -> None:
        facts = {**self.facts("neighbour"), "secret": self.canaries.secret, "key": int.from_bytes(os.urandom(3), "big") + 1}
        answer = self.call("neighbour", with_facts(facts, NEIGHBOUR), FIRST_CALL)
        if answer.status != "completed" or answer.result is None:
            raise ServerGone(f"the room {self.room.name} does not work at all: {answer}")
        told = ast.literal_eval(answer.result)
        place = self._look("neighbour")
        self.report.has_groups = bool(place.groups)
        self._neighbour_facts = {
            "neighbour": told,
            "neighbour_pid": place.outside.get(told["pid"], told["pid"]), "neighbour_sleeper": place.outside.get(told["sleeper"], told["sleeper"]),
        }

    def ask_neighbour(self, code: str) -> CellAnswer:
        with self._neighbour_lock:
            return self.call("neighbour", code, PLAIN_CALL)

    def _neighbour_answers(self, found: Found) -> None:
        answer = self.ask_neighbour("len(secret), heard")
        if answer.status != "completed" or answer.result != f"({len(self.canaries.secret)}, [])":
            if self.room.isolation != "process":
                found.problems.append(f"the neighbour's next call: {answer}")

    # --- one case ---

    def facts(self, case: str) -> dict[str, object]:
        return {**self.canaries.facts(), **self._neighbour_facts, "case": case, "server_pid": self.client.pid,
                "runtime": [str(Path(__file__).parents[3] / "python")], "state": [str(self.canaries.root / name) for name in ("state", "jobs", "cache")]}

    def _attempt(self, case: Case) -> Found:
        found = Found()
        self._running.add(case.name)
        try:
            Attempt(self, case, found).make()
        except (ServerGone, NoAnswer) as gone:
            found.problems.append(f"no answer, beside {sorted(self._running)}: {gone}; server's exit {self.client.process.poll()}")
        except Exception:
            found.problems.append(f"the battery itself: {traceback.format_exc()}")
        finally:
            self._running.discard(case.name)
        return found

    def call(self, session: str, code: str, timeout: float, **more: object) -> CellAnswer:
        arguments = {"code": code, "session": session, "timeout": timeout, "isolation": self.room.isolation, **more}
        return CellAnswer(self.client.send_tool("run_python", arguments), timeout + GIVE_UP_AFTER)

    def _look(self, session: str) -> Place:
        """Where a session's processes are, seen from outside."""
        answer = self.call(session, "import os\nos.getpid(), os.readlink('/proc/self/ns/pid')", PLAIN_CALL)
        pid, namespace = ast.literal_eval(answer.result or "(0, '')")
        place = Place(namespace, pid)
        self._firsts.update(place.firsts)
        return place

    # --- the end ---

    def _settle(self, before: Traces) -> None:
        """Every session of the table is closed: the server is as it was before."""
        left: list[str] = []
        deadline = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() < deadline:
            after = Traces(self.client.pid)
            left = after.more_than(before)
            if not left:
                break
            time.sleep(0.2)
        self.report.problems += left
        self.report.problems += self.canaries.harm() if self.room.isolation != "process" else []

    def _end(self) -> None:
        self.ask_neighbour(NEIGHBOUR_LEAVES)
        below = {(pid, started(pid)) for pid in descendants(self.client.pid)} | self._firsts
        server = self.client.pid
        temporary = {path for path in self.canaries.temporary.iterdir()}
        code = self.client.close()
        if code != 0:
            self.report.problems.append(f"the server ended with {code}")
        deadline = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() < deadline:
            alive = [pid for pid, since in below if since and started(pid) == since]
            groups = control_groups_of(server)
            if not alive and not groups:
                break
            time.sleep(0.2)
        self.report.problems += [f"left behind: process {pid} {command_line(pid)!r}" for pid in alive]
        self.report.problems += [f"left behind: control group {each}" for each in groups]
        self.report.problems += [f"left behind: mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.canaries.root) in line]
        self.report.problems += [f"left behind: {path}" for path in self.canaries.temporary.iterdir() if path in temporary or path.exists()]


class Attempt:
    """One case in its session."""

    def __init__(self, battery: Battery, case: Case, found: Found) -> None:
        self.battery, self.case, self.found = battery, case, found
        self.client = battery.client
        number = battery.cases.index(case)
        self.session = f"escape-{number}"
        self._key = f"c{number}"

    def make(self) -> None:
        prelude = with_facts(self.battery.facts(self._key), "got")
        first = self.battery.call(self.session, prelude, FIRST_CALL, **dict(self.case.arguments))
        if first.status != "completed":
            self.found.problems.append(f"the room was not made: {first}")
            return
        self.place = place = self.battery._look(self.session)
        if self.battery.room.isolation != "process":
            self.found.problems += place.privileges()
        self._run()
        self._follow()
        self._close(place)
        self.battery._neighbour_answers(self.found)

    def _run(self) -> None:
        code = ("need_walls()\n" if self.case.dangerous else "") + self.case.code + "\ngot"
        answer = self.battery.call(self.session, code, self.case.timeout)
        self.found.status, self.found.seconds = answer.status, answer.seconds
        self.found.text = answer.stdout[:2000]
        if answer.status not in self.case.accept:
            self.found.problems.append(f"{answer.status or 'protocol error'}, accepted {sorted(self.case.accept)}: {answer}")
        if answer.seconds > self.case.timeout + MARGIN:
            self.found.problems.append(f"answered {answer.seconds:.1f} s after it was sent, and its deadline was {self.case.timeout} s")
        if self.battery.room.isolation != "process" and self.battery.canaries.leak_in(answer.text):
            self.found.problems.append(f"a secret is in the answer: {answer}")
        with contextlib.suppress(ValueError, SyntaxError, TypeError):
            if answer.status == "completed":
                self.found.reached = [str(each) for each in ast.literal_eval(answer.result or "[]")][:30]

    def _follow(self) -> None:
        """What the harness does next in that session; and a plain call in it is answered, whatever it says by now."""
        if self.case.then is not None:
            self.found.problems += self.case.then(self)
        after = self.battery.call(self.session, "1 + 1", 3.0)
        if not after.status:
            self.found.problems.append(f"the next call in the same session: {after}")
        if self.battery.room.isolation != "process" and self.battery.canaries.leak_in(after.text):
            self.found.problems.append(f"a secret is in the next answer: {after}")

    def _close(self, place: Place) -> None:
        later = self._place_now() or place
        closed = self.client.tool("close_session", session=self.session, timeout=GIVE_UP_AFTER)
        if closed.protocol_error or (closed.is_error and "no session" not in closed.text.lower()):
            self.found.problems.append(f"close_session: {closed}")
        if self.battery.room.isolation == "process":
            return
        deadline = time.monotonic() + SETTLES_WITHIN
        while (left := place.left() + later.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.found.problems += sorted({f"left behind: {each}" for each in left})

    def _place_now(self) -> Place | None:
        """A session that was lost has begun anew, in another room."""
        with contextlib.suppress(ValueError, SyntaxError, NoAnswer):
            return self.battery._look(self.session)
        return None

    def call_tool(self, tool: str, **arguments: object) -> CellAnswer:
        return CellAnswer(self.client.send_tool(tool, arguments), GIVE_UP_AFTER)

    def read_file(self, path: str) -> str:
        """What the server gives of a file in the session's folder: text, or the words of its refusal."""
        answer = self.client.request("resources/read", {"uri": f"session-file://{self.session}/{quote(path)}"}, PLAIN_CALL)
        contents = (answer.get("result") or {}).get("contents") or []
        texts = [each.get("text") or base64.b64decode(each.get("blob", "")).decode("utf-8", "replace") for each in contents]
        return "".join(texts) or str(answer)

    def is_own(self, path: Path) -> bool:
        """Whether it lies in the session's own folder, where that is one of this machine."""
        return self.session in path.parts


# --- what the kernel says, outside --------------------------------------------------------------------


class Place:
    """The processes of one session's namespace, as they are seen from outside."""

    def __init__(self, namespace: str, pid: int) -> None:
        self.namespace = namespace
        self.outside = {inner: outer for outer in processes_in(namespace) if (inner := inner_pid(outer))} if namespace else {}
        self._worker = self.outside.get(pid)
        # The kernel ends a namespace with its first process, and gives its number to another.
        self.firsts = {(outer, started(outer)) for inner, outer in self.outside.items() if inner == 1 and not self._is_ours()}
        self.groups = {group for outer in self.outside.values() for group in own_groups(outer)}

    def privileges(self) -> list[str]:
        """What the worker has too much, or where it can't be found."""
        if self._worker is None:
            return ["the worker is not in a process namespace of its own"]
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self._worker}/status").read_text().splitlines())
        wrong = [f"{name} is {status[name].strip()}" for name, wanted in NO_PRIVILEGES.items() if int(status[name], 16) != wanted]
        if "0" in status["Uid"].split() or "0" in status["Gid"].split():
            wrong.append(f"it is root: {status['Uid'].strip()}, {status['Gid'].strip()}")
        for name in ("mnt", "net", "ipc", "uts", "pid"):
            if os.readlink(f"/proc/{self._worker}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}"):
                wrong.append(f"its {name} namespace is the machine's")
        return [f"from outside: {each}" for each in wrong]

    def memory_counted(self) -> int:
        """Bytes that its control group for memory has counted; 0: there is none."""
        for group in self.groups:
            for name in ("memory.usage_in_bytes", "memory.current"):
                with contextlib.suppress(OSError):
                    return int(Path(group, name).read_text())
        return 0

    def left(self) -> list[str]:
        found = [f"process {pid} {command_line(pid)!r}" for pid, since in self.firsts if since and started(pid) == since]
        return found + [f"control group {group}" for group in self.groups if os.path.isdir(group) and not self._is_ours()]

    def _is_ours(self) -> bool:
        return self.namespace == os.readlink("/proc/self/ns/pid")


class Traces:
    """What a server has: counted before and after."""

    def __init__(self, pid: int) -> None:
        self.processes = len(descendants(pid))
        self.descriptors = open_descriptors(pid)
        self.targets = sorted(targets_of(pid))
        self.threads = threads(pid)
        self.groups = len(control_groups_of(pid))
        self.memory = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def counts(self) -> tuple[int, ...]:
        return self.processes, self.descriptors, self.threads, self.groups

    def more_than(self, before: Traces) -> list[str]:
        found = [f"left over: {name}: {getattr(before, name)} before, {getattr(self, name)} after"
                 for name in ("processes", "descriptors", "threads", "groups") if getattr(self, name) > getattr(before, name)]
        if self.descriptors > before.descriptors:
            found.append(f"descriptors: {before.targets} before, {self.targets} after")
        if self.memory > before.memory + MEMORY_GROWTH:
            found.append(f"left over: the server's memory grew from {before.memory >> 20} to {self.memory >> 20} MB")
        return found


def with_facts(facts: dict[str, object], code: str) -> str:
    return f"W = {facts!r}\n{INSIDE}\n{code}"


def processes_in(namespace: str) -> list[int]:
    """Those alive; what only waits to be reaped is gone."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == namespace:
                found.append(int(name))
    return found


def targets_of(pid: int) -> list[str]:
    """What the descriptors of a process lead to, without the kernel's own numbers."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}").split(":[")[0])
    return found


def inner_pid(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0


def started(pid: int) -> int:
    """When it was; 0 when it is gone or dead."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return 0 if fields[0] in "ZX" else int(fields[19])
    return 0


def command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:100]
    return ""


def own_groups(pid: int) -> set[str]:
    """Folders of the control groups that were made for it: those that are not this process's, too."""
    ours = set(Path("/proc/self/cgroup").read_text().splitlines())
    found = set()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if line in ours or path == "/" or "/.." in path:
                continue
            for root in (f"/sys/fs/cgroup/{controllers}", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                if os.path.isdir(root + path) and (controllers or root != f"/sys/fs/cgroup/{controllers}"):
                    found.add(root + path)
                    break
    return found


def control_groups_of(server: int) -> list[str]:
    """Those that bear the server's id in their name."""
    return [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if f"-{server}-" in os.path.basename(folder)]

