"""Workers killed in the middle of their cells, in every way: each call is answered with its reason,
and nothing is left over.

Used by test_killed_workers.py (a few dozen) and by soak.py (500). Several sessions at a time lose
their workers: by signals from outside and from inside, by exits, for want of memory, while they
print, with children left behind in every form; in between the zygote itself is killed with all of
its workers. At the end the processes, descriptors and files of the server are counted as they were
before the first kill.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.raw_client import CellAnswer, NoAnswer, Pending, RawClient, ServerGone, descendants, having, open_descriptors, threads

LANES = 6  # sessions that are killed at the same time
ZYGOTE_EVERY = 20  # kills between two deaths of the zygote
WITH_ZYGOTE = 4  # workers that run then
ANSWER_WITHIN = 30.0
SETTLES_WITHIN = 30.0
MEMORY_LIMIT_MB = 128
TAG = "PYEMBER_KILL_TEST"  # in the environment of everything the server starts

LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
MARK = "open(marker, 'w').close()\n"
SLEEP = MARK + "import time\ntime.sleep(600)"
SPIN = MARK + "while True: pass"
# What was printed before the mark must be in the answer.
PRINT = "n = 0\nwhile True:\n    print('line', n)\n    n += 1\n    if n == 2: open(marker, 'w').close()"
PRINT_RAW = (
    "import os\nos.write(1, b'line 0\\nline 1\\n')\n" + MARK
    + "while True:\n    os.write(1, b'line\\n' * 1000)\n    os.write(2, b'error\\n' * 1000)"
)
HASH = MARK + "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**9)"
THREADS = (
    "import threading\ndef spin():\n    while True: sum(range(1000))\n"
    "for _ in range(8): threading.Thread(target=spin).start()\n" + SLEEP
)
# Children in every form: in the group, in sessions of their own, orphaned, holding the output open,
# deaf to SIGTERM, and a fork of the worker itself.
CHILDREN = (
    "import os, subprocess, time\n"
    "subprocess.Popen(['sleep', '600'])\n"
    "subprocess.Popen(['setsid', 'sleep', '600'])\n"
    "subprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP; while :; do sleep 600; done'])\n"
    "subprocess.run('setsid nohup sleep 600 & sleep 600 &', shell=True)\n"
    "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\n"
)
BUS = (
    "import mmap, tempfile\nf = tempfile.TemporaryFile()\nf.truncate(8192)\n"
    "m = mmap.mmap(f.fileno(), 8192)\nf.truncate(0)\nm[4096]"
)
WIRE = "import os\nfor fd in range(1000, 1010):\n    try: os.write(fd, b'\\xff' * 64)\n    except OSError: pass\n" + SLEEP


@dataclass(frozen=True)
class Kill:
    """One way of losing a worker: what its cell does, and who sends which signal from outside."""

    name: str
    code: str
    reason: str  # must stand in the answer
    signal: int = 0  # sent by us once the cell has begun; 0: the cell ends its process itself
    limits: tuple[tuple[str, int], ...] = ()
    timeout: float = 600.0
    printed: str = ""  # what the answer's stdout begins with
    group: bool = False  # needs control groups: the server's when it has limits, else one of ours
    races: bool = False  # with the beginning or the end of the cell, which may be as if nothing was


PLAIN = (signal.SIGKILL, signal.SIGTERM)
# faulthandler's walk may fall over frames that the signal found half made, which is a crash as well.
CRASH = "crashed with SIG"


def _from_outside(name: str, code: str, printed: str = "") -> list[Kill]:
    return [
        Kill(f"{number.name} while it {name}", code, number.name if number in PLAIN else CRASH, number, printed=printed)
        for number in (*PLAIN, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)
    ]


KILLS: list[Kill] = [
    *_from_outside("sleeps", SLEEP),
    *_from_outside("computes", SPIN),
    *_from_outside("prints", PRINT, printed="line 0\nline 1\n"),
    *_from_outside("has children", CHILDREN + SLEEP),
    Kill("SIGKILL while it writes to both descriptors", PRINT_RAW, "SIGKILL", signal.SIGKILL, printed="line 0\nline 1\n"),
    Kill("SIGKILL while it is in C code", HASH, "SIGKILL", signal.SIGKILL),
    Kill("SIGKILL with threads", THREADS, "SIGKILL", signal.SIGKILL),
    Kill("SIGSEGV with threads", THREADS, CRASH, signal.SIGSEGV),
    Kill("SIGKILL of itself", "import os\nos.kill(os.getpid(), 9)", "SIGKILL"),
    Kill("SIGTERM of itself", "import signal\nprint('before')\nsignal.raise_signal(signal.SIGTERM)", "SIGTERM", printed="before\n"),
    Kill("a null pointer", "import ctypes\nprint('before')\nctypes.string_at(0)", "crashed with SIGSEGV", printed="before\n"),
    Kill("abort", "import os\nos.abort()", "crashed with SIGABRT"),
    Kill("a bus error", BUS, "crashed with SIGBUS"),
    Kill("a null pointer in a thread", "import ctypes, threading\nthreading.Thread(target=ctypes.string_at, args=(0,)).start()\n" + SLEEP,
         "crashed with SIGSEGV"),
    Kill("os._exit", "import os\nprint('before')\nos._exit(7)", "exit code 7", printed="before\n"),
    Kill("os._exit in a thread", "import os, threading\nthreading.Thread(target=os._exit, args=(8,)).start()\n" + SLEEP, "exit code 8"),
    Kill("exit of libc", LIBC + "libc.exit(9)", "exit code 9"),
    Kill("os._exit with children", CHILDREN + "os._exit(10)", "exit code 10"),
    Kill("abort with children", CHILDREN + "os.abort()", "crashed with SIGABRT"),
    Kill("another program", "import os\nos.execv('/bin/true', ['true'])", "exit code 0"),
    Kill("every descriptor closed", "import os\nos.closerange(0, 65536)", "closed the descriptor"),
    Kill("garbage on the wire", WIRE, "can't have meant"),
    # malloc() of C code fails at the memory limit, and the code does not look.
    Kill("malloc that fails", LIBC + "libc.malloc.restype = ctypes.c_void_p\nlibc.memset(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(1 << 40))), 1, 8)",
         f"memory limit of {MEMORY_LIMIT_MB} MB", limits=(("memory_mb", MEMORY_LIMIT_MB),)),
    Kill("abort for want of memory", LIBC + "held = []\ntry:\n    while True: held.append(bytearray(1 << 20))\nexcept MemoryError: libc.abort()",
         f"memory limit of {MEMORY_LIMIT_MB} MB", limits=(("memory_mb", MEMORY_LIMIT_MB),)),
    Kill("memory that runs out", "held = []\nwhile True: held.append(bytearray(os.urandom(1 << 20)))",
         "by the kernel because memory ran out", group=True),
    # No limit of the process's own counts what it has in a file in memory.
    Kill("more memory than its limit", "import os\nfile = os.memfd_create('x')\nwhile True: os.write(file, bytes(1 << 20))",
         f"was killed for memory: it and what it started used more together than its memory limit of {MEMORY_LIMIT_MB} MB",
         limits=(("memory_mb", MEMORY_LIMIT_MB),), group=True),
    Kill("a stack that overflows in C", "import sys\nsys.setrecursionlimit(10**9)\n" + LIBC
         + "kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)\ndata = (ctypes.c_int * 2)(2, 1)\n"
         "def again(a, b):\n    libc.qsort(data, 2, 4, callback)\n    return 0\n"
         "callback = kind(again)\nlibc.qsort(data, 2, 4, callback)", "crashed with SIGSEGV"),
    Kill("SIGKILL at the beginning", "import time\ntime.sleep(0.2)", "SIGKILL", signal.SIGKILL, races=True),
    Kill("SIGKILL at the end", "import os, random, threading\n"
         "threading.Timer(random.random() * 0.01, os.kill, (os.getpid(), 9)).start()\n'end'", "SIGKILL", races=True),
    Kill("SIGKILL while its answer is on its way", "import os, random, threading\nclass Big:\n"
         "    def _repr_png_(self):\n        threading.Timer(random.random() * 0.05, os.kill, (os.getpid(), 9)).start()\n"
         "        return b'\\x89PNG\\r\\n\\x1a\\n' + os.urandom(1 << 20) * 20\nBig()", "SIGKILL", races=True),
    Kill("SIGTERM of its process group", "import os\nos.killpg(0, 15)", "SIGTERM"),
    # Stopped, it can't follow the deadline's interrupt, and is killed by the server.
    Kill("SIGSTOP, then its deadline", SLEEP, "did not stop when its time was over", signal.SIGSTOP, timeout=1.0),
]  # fmt: skip


@dataclass
class Traces:
    """What the server has of the machine."""

    processes: int  # below it or started by it, itself included; the dead that nobody reaped count
    descriptors: int
    threads: int
    zygote_descriptors: int
    files: frozenset[str]  # and folders, and control groups


@dataclass
class Report:
    kills: int = 0
    zygote_kills: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    answer_ms: list[float] = field(default_factory=list)  # from our signal
    problems: list[str] = field(default_factory=list)
    before: Traces | None = None
    after: Traces | None = None
    seconds: float = 0.0
    seed: int = 0


class KilledWorkers:
    """A server of its own, some kills, and what they left."""

    def __init__(self, kills: int, seed: int) -> None:
        self.report = Report(seed=seed)
        self._wanted = kills
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._serial = 0
        self._folder = Path(tempfile.mkdtemp(prefix="pyember-kills-"))
        self._tag = f"{os.getpid()}-{seed}"
        self._bag: list[Kill] = []
        self._groups = MemoryGroups(self._tag)

    def run(self) -> Report:
        begun = time.monotonic()
        try:
            with self._server() as client:
                self._run(client)
        except (ServerGone, NoAnswer) as gone:
            self.report.problems.append(f"the server: {gone}")
        finally:
            left = self._tagged()
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if left:
                self.report.problems.append(f"{len(left)} processes outlived the server")
            shutil.rmtree(self._folder, ignore_errors=True)
            self._groups.remove()
        self.report.seconds = time.monotonic() - begun
        return self.report

    @contextlib.contextmanager
    def _server(self) -> Iterator[RawClient]:
        places = {name: str(self._folder / name) for name in ("TMPDIR", "XDG_CACHE_HOME", "PYTHON_MCP_META", "PYEMBER_STATE_DIR")}
        for place in places.values():
            os.mkdir(place)
        os.mkdir(self._folder / "markers")
        client = RawClient(["serve", "--isolation", "process"], environment={**places, TAG: self._tag})
        try:
            yield client
            code = client.close()
            if code != 0:
                self.report.problems.append(f"the server ended with {code}")
        finally:
            client.kill()

    def _run(self, client: RawClient) -> None:
        self._warm(client)
        self.report.before = self._traces(client)
        while self.report.kills < self._wanted and client.alive():
            batch = self._choose(min(ZYGOTE_EVERY, self._wanted - self.report.kills))
            with ThreadPoolExecutor(LANES) as lanes:
                list(lanes.map(lambda kill: self._guarded(client, kill), batch))
            self._kill_spare(client)
            if self.report.kills < self._wanted:
                self._kill_zygote(client)
        self._settle(client)

    def _choose(self, count: int) -> list[Kill]:
        """All kinds are used before one is used again."""
        found: list[Kill] = []
        while len(found) < count:
            if not self._bag:
                self._bag = [kill for kill in KILLS if not kill.group or self._groups.possible]
                self._random.shuffle(self._bag)
            found.append(self._bag.pop())
        return found

    def _warm(self, client: RawClient) -> None:
        """Everything that comes once (a zygote, folders, sessions kept at hand) is there before we count."""
        for each in range(LANES):
            client.run("import ctypes, subprocess\nsubprocess.run(['true']).returncode", f"warm-{each}", wait=ANSWER_WITHIN)
        for each in range(LANES):
            client.tool("close_session", session=f"warm-{each}", timeout=ANSWER_WITHIN)
        time.sleep(0.5)
        self._kill_zygote(client)  # has the server start the threads it needs for that
        self.report.kills = 0
        time.sleep(1.0)  # until the new one has what it keeps ready

    # --- one kill -----------------------------------------------------------------------------

    def _guarded(self, client: RawClient, kill: Kill) -> None:
        try:
            problem = self._kill(client, kill)
        except (ServerGone, NoAnswer, OSError, KeyError) as gone:
            problem = f"{type(gone).__name__}: {gone}"
        with self._lock:
            self.report.kills += 1
            self.report.kinds[kill.name] = self.report.kinds.get(kill.name, 0) + 1
            if problem:
                self.report.problems.append(f"{kill.name}: {problem}")

    def _name(self) -> str:
        with self._lock:
            self._serial += 1
            return f"k{self._serial}"

    def _begin(self, client: RawClient, session: str, kill: Kill) -> tuple[int, str]:
        """A new session; the worker's id, and the file by which its cell will say that it runs."""
        marker = str(self._folder / "markers" / session)
        call: dict[str, object] = {"code": f"import os\nmarker = {marker!r}\nos.getpid()", "session": session}
        if kill.limits:
            call["limits"] = dict(kill.limits)
        first = CellAnswer(client.send_tool("run_python", call), ANSWER_WITHIN)
        if first.status != "completed" or first.notices:
            raise ServerGone(f"no new session: {first}")
        return int(str(first.result)), marker

    def _kill(self, client: RawClient, kill: Kill) -> str:
        session = self._name()
        pid, marker = self._begin(client, session, kill)
        if kill.group and not kill.limits:
            self._groups.add(session, pid)
        pending = client.send_cell(kill.code, session, timeout=kill.timeout)
        since = time.monotonic()
        if kill.signal and not kill.races:
            wait_for(lambda: os.path.exists(marker) or pending.done, "the cell's beginning")
        if kill.signal:
            time.sleep(random.random() * 0.02)
            since = time.monotonic()
            os.kill(pid, kill.signal)
        answer = CellAnswer(pending, ANSWER_WITHIN)
        with self._lock:
            if kill.signal and kill.signal != signal.SIGSTOP:
                self.report.answer_ms.append((pending.arrived_at - since) * 1000)
        problem = "" if kill.races else self._wrong(answer, kill.reason) or self._wrong_output(answer, kill)
        if kill.races and not is_lost_or_whole(answer, kill.reason):
            problem = f"neither lost nor whole: {answer}"
        problem = problem or self._wrong_after(client, session, pid)
        client.tool("close_session", session=session, timeout=ANSWER_WITHIN)
        with contextlib.suppress(OSError):
            os.remove(marker)
        return problem

    def _wrong(self, answer: CellAnswer, reason: str) -> str:
        """An answer begins with what happened, and says that the state is gone and what comes next."""
        message = answer.error.get("message", "")
        if answer.status != "lost":
            return f"not lost: {answer}"
        if reason not in message:
            return f"does not say {reason!r}: {message}"
        for part in ("state is gone", "The next call with this session's name starts a fresh one"):
            if part not in message:
                return f"does not say {part!r}: {message}"
        if not answer.error.get("traceback", "").startswith(f"{answer.error.get('type')}: {message}"):
            return f"does not begin with the reason: {answer}"
        return ""

    def _wrong_output(self, answer: CellAnswer, kill: Kill) -> str:
        return "" if answer.stdout.startswith(kill.printed) else f"what it had printed is missing: {answer}"

    def _wrong_after(self, client: RawClient, session: str, pid: int) -> str:
        wait_for(lambda: not is_running(pid), "the process's end")
        for _ in range(2):
            after = client.run("'marker' in globals()", session, timeout=ANSWER_WITHIN, wait=ANSWER_WITHIN)
            if after.status != "lost":  # sent before the server had heard of the end
                break
        if (after.status, after.result) != ("completed", "False") or "was lost" not in " ".join(after.notices):
            return f"the next call: {after}"
        return ""

    # --- the zygote, and the worker it keeps ready -----------------------------------------------

    def _kill_spare(self, client: RawClient) -> None:
        """No session is open, so what the zygote has is its spare; a session may just be getting it."""
        spares = [pid for zygote in self._zygotes(client)[1] for pid in children(zygote)]
        session = self._name()
        pending = client.send_cell("1 + 1", session, timeout=60)
        for pid in spares:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        answer = CellAnswer(pending, ANSWER_WITHIN)
        if not is_lost_or_whole(answer, "SIGKILL"):
            self.report.problems.append(f"a spare: {answer}")
        client.tool("close_session", session=session, timeout=ANSWER_WITHIN)

    def _kill_zygote(self, client: RawClient) -> None:
        """The zygote dies in the middle of several cells, and while a session is being opened."""
        kill = Kill("the zygote", SLEEP, "forked from is gone")
        sessions = [(name := self._name(), *self._begin(client, name, kill)) for _ in range(WITH_ZYGOTE)]
        pendings: list[Pending] = []
        for name, _, marker in sessions:
            code = CHILDREN + SLEEP if len(pendings) % 2 else SLEEP
            pendings.append(client.send_cell(code, name, timeout=600))
            wait_for(lambda path=marker: os.path.exists(path), "the cell's beginning")  # type: ignore[misc]
        opening = [client.send_cell("1 + 1", self._name(), timeout=60) for _ in range(2)]
        since = time.monotonic()
        self._end_zygote(client)
        self.report.zygote_kills += 1
        problems: list[str] = []
        for (name, pid, marker), pending in zip(sessions, pendings):
            answer = CellAnswer(pending, ANSWER_WITHIN)
            self.report.answer_ms.append((pending.arrived_at - since) * 1000)
            self.report.kills += 1
            self.report.kinds[kill.name] = self.report.kinds.get(kill.name, 0) + 1
            problems.append(self._wrong(answer, kill.reason) or self._wrong_after(client, name, pid))
            client.tool("close_session", session=name, timeout=ANSWER_WITHIN)
            os.remove(marker)
        for pending in opening:
            answer = CellAnswer(pending, ANSWER_WITHIN)
            if answer.status != "completed" and kill.reason not in answer.text:
                problems.append(f"a session that was being opened: {answer}")
        for number in range(self._serial - 2, self._serial + 1):
            client.tool("close_session", session=f"k{number}", timeout=ANSWER_WITHIN)
        self.report.problems += [f"{kill.name}: {problem}" for problem in problems if problem]

    def _end_zygote(self, client: RawClient) -> None:
        """It is killed from outside, by a cell, or its keeper is."""
        keepers, zygotes = self._zygotes(client)
        how = self.report.zygote_kills % 3
        if how == 0:
            client.send_cell("import os\nos.kill(os.getppid(), 9)", self._name(), timeout=60)
        for pid in [] if how == 0 else keepers if how == 1 else zygotes:
            os.kill(pid, self._random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)))

    def _zygotes(self, client: RawClient) -> tuple[list[int], list[int]]:
        """The keepers, and the zygotes below them."""
        keepers = [pid for pid in children(client.pid) if b"mcp_runtime.worker" in command_line(pid)]
        return keepers, [pid for keeper in keepers for pid in children(keeper)]

    # --- counting -----------------------------------------------------------------------------

    def _tagged(self) -> set[int]:
        """What was started by the server, wherever it hangs in the tree of processes by now."""
        return having(f"{TAG}={self._tag}")

    def _traces(self, client: RawClient) -> Traces:
        zygotes = sum(self._zygotes(client), [])
        markers = self._folder / "markers"
        files = {str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if markers not in path.parents}
        files.update(map(str, Path("/sys/fs/cgroup").rglob(f"pyember-worker-{client.pid}-*")))
        return Traces(
            processes=len({client.pid, *descendants(client.pid)} | self._tagged()),
            descriptors=open_descriptors(client.pid),
            threads=threads(client.pid),
            zygote_descriptors=sum(open_descriptors(pid) for pid in zygotes),
            files=frozenset(files),
        )

    def _settle(self, client: RawClient) -> None:
        """What is on its way out may take a moment; then nothing may be left."""
        before = self.report.before
        assert before is not None
        left: list[str] = []
        time.sleep(1.0)  # as before: a worker kept ready must not stand in for one that is left
        deadline = time.monotonic() + SETTLES_WITHIN
        while True:
            after = self._traces(client)
            left = left_over(before, after)
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.report.after = after
        self.report.problems += left


class MemoryGroups:
    """Control groups (version 1) that the kernel kills in when MEMORY_LIMIT_MB are used up."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self._made: list[Path] = []
        try:
            self.add("trial", None)
            self.possible = True
        except OSError:  # no such hierarchy, or no right to make a group in it
            self.possible = False

    def add(self, name: str, pid: int | None) -> None:
        """Puts a process into a new group of its own."""
        group = Path(f"/sys/fs/cgroup/memory/pyember-{self._tag}-{name}")
        group.mkdir()
        self._made.append(group)
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_LIMIT_MB * 1_000_000))
        if pid is not None:
            (group / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        for group in self._made:
            with contextlib.suppress(OSError):
                group.rmdir()


def left_over(before: Traces, after: Traces) -> list[str]:
    found = [
        f"left over: {name}: {getattr(before, name)} before, {getattr(after, name)} after"
        for name in ("processes", "descriptors", "threads", "zygote_descriptors")
        if getattr(after, name) > getattr(before, name)
    ]
    if after.files - before.files:
        found.append(f"left over: files {sorted(after.files - before.files)[:20]}")
    return found


def is_lost_or_whole(answer: CellAnswer, reason: str) -> bool:
    """For a cell whose process was killed when it had hardly begun, or was about to be answered."""
    if answer.status == "lost":
        return reason in answer.error.get("message", "")
    return answer.status == "completed" or reason in " ".join(answer.notices)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise NoAnswer(f"{what} did not come within {ANSWER_WITHIN} s")
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def is_running(pid: int) -> bool:
    """Lives; a process that is dead but not reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"
