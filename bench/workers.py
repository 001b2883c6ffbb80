"""What worker sessions cost: by turns with what they are compared to.

numpy and pandas come from the package index the first time, into .dev/bench/cache; afterwards
nothing is asked of the network. They are preloaded as for any user, because sessions have imported
them before.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from bench import peers
from bench.latency import Samples, Setting, ask_client, merge
from bench.samples import Row, p50, short, spread
from tests.support.raw_client import CellAnswer, RawClient, descendants, proportional_memory
from tests.support.world import find_uv

MEGABYTE = 1e6
PACKAGES = ["numpy", "pandas"]
IMPORT = "import numpy, pandas"
USE = f"{IMPORT}\nint(pandas.DataFrame({{'n': numpy.arange(4)}}).n.sum())"
USED = "6"
# Sessions that import the packages before the zygote is asked to have them, and before it has.
BEFORE_PRELOADED = 4
PRELOAD_PAUSE_MS = 2000
WORKERS_AT_ONCE = 100


def _command(setting: Setting, room: str, *more: str) -> list[str]:
    return [setting.binary, "serve", "--isolation", room, *more]


def _variables() -> dict[str, str]:
    kept = peers.clean_environment()
    kept.update(XDG_CACHE_HOME=str(peers.HOME / "cache"), PYEMBER_UV=find_uv())
    return kept


# --- round trips --------------------------------------------------------------------------------------


def round_trips(setting: Setting) -> list[Row]:
    """`1+1` in a warm worker, in-process and on the SDK's smallest server, by turns."""
    peers.set_up(setting.python)
    return _compare(setting, False) + _compare(setting, True)


def _compare(setting: Setting, pinned: bool) -> list[Row]:
    sdk = peers.sdk()
    commands = {"worker": _command(setting, "process"), "own": _command(setting, "inprocess"), "sdk": sdk.command}
    found: dict[str, Samples] = {name: defaultdict(list) for name in commands}
    for _ in range(3 if setting.quick else 6):
        for name, command in commands.items():
            calls = 300 if name == "sdk" else 1500
            options = ["--calls", str(calls), "--idle-calls", "50", "--warm-up", "100", "--repeat", "2"]
            if pinned:
                options += ["--pin", "0"]
            merge(found[name], ask_client(setting, "calls", command, *options))
    times = {name: samples["sequential_us"] for name, samples in found.items()}
    worker, own, other = (p50(times[name]) for name in ("worker", "own", "sdk"))
    where = "pinned to one CPU" if pinned else "unpinned"
    rows = [
        Row(f"`1+1` in a warm worker, {where}: p50/p90/p99", spread(times["worker"]), f"in-process {spread(times['own'])}",
            f"{worker / own:.1f} ×", "≤ 5 ×", worker <= 5 * own),
        Row(f"the same beside the SDK's smallest server, {where}", spread(times["worker"]), f"SDK {spread(times['sdk'])}",
            f"1/{other / worker:.1f}", "≤ 1/10", worker <= other / 10),
    ]  # fmt: skip
    ours, theirs = (1000 / p50(found[name]["pipelined_s"]) for name in ("worker", "own"))
    idle, own_idle = (found[name]["idle_us"] for name in ("worker", "own"))
    return [
        *rows,
        Row(f"1,000 pipelined calls, {where}", f"{ours:,.0f} calls/s", f"in-process {theirs:,.0f} calls/s", f"1/{theirs / ours:.1f}"),
        Row(f"after 3 ms of idleness, {where}", spread(idle), f"in-process {spread(own_idle)}", f"{p50(idle) / p50(own_idle):.1f} ×"),
    ]


# --- new sessions -------------------------------------------------------------------------------------


def new_sessions(setting: Setting) -> list[Row]:
    """From the request for a session that is not there to its first result, with a warm zygote."""
    python = _make_environment(setting)
    repeat = "15" if setting.quick else "50"
    bare: list[float] = []
    loaded: list[float] = []
    afresh: list[float] = []
    arguments = json.dumps({"code": USE, "dependencies": PACKAGES})
    for _ in range(2):
        command = _command(setting, "process")
        bare += ask_client(setting, "sessions", command, "--warm-up", "1", "--repeat", repeat)["first_result_us"]
        loaded += ask_client(
            setting, "sessions", command, "--arguments", arguments, "--expect", USED, "--repeat", repeat,
            "--warm-up", str(BEFORE_PRELOADED), "--warm-up-pause", str(PRELOAD_PAUSE_MS), variables=_variables(),
        )["first_result_us"]  # fmt: skip
        afresh += [_import_us(python) for _ in range(4 if setting.quick else 10)]
    ratio = p50(loaded) / p50(afresh)
    return [
        Row("new worker session → first result, bare: p50/p90/p99", spread(bare, "ms", 1e-3), bar="p50 ≤ 5 ms", met=p50(bare) <= 5000),
        Row("the same with numpy and pandas imported and used", spread(loaded, "ms", 1e-3), bar="p50 ≤ 10 ms", met=p50(loaded) <= 10_000),
        Row("the same against importing them afresh", spread(loaded, "ms", 1e-3), f"`{IMPORT}` {short(p50(afresh) / 1000)} ms",
            f"1/{1 / ratio:.0f}", "≤ 1/30", ratio <= 1 / 30),
    ]  # fmt: skip


def _make_environment(setting: Setting) -> str:
    """Installs the packages where sessions find them, compiled; the environment's Python."""
    with RawClient(command=_command(setting, "process"), variables=_variables()) as client:
        answer = client.tool("run_python", timeout=600, code="import sys\nsys.executable", dependencies=PACKAGES)
        if answer.status != "completed":
            raise RuntimeError(f"{PACKAGES} could not be installed: {answer.text[:600]}")
    python = str(answer.result).strip("'")
    # What uv installs is compiled when it is first imported: not what is to be measured.
    library = Path(python).parents[1] / "lib"
    subprocess.run([python, "-m", "compileall", "-q", str(library)], env=_variables(), capture_output=True, timeout=600)
    return python


def _import_us(python: str) -> float:
    """What the import itself takes in a new process, without its start."""
    code = f"import time\nbegin = time.perf_counter()\n{IMPORT}\nprint(time.perf_counter() - begin)"
    done = subprocess.run([python, "-c", code], env=_variables(), capture_output=True, text=True, check=True, timeout=120, start_new_session=True)
    return float(done.stdout) * 1e6


# --- memory -------------------------------------------------------------------------------------------


def idle_memory(setting: Setting) -> list[Row]:
    """What each idle worker has to itself, and that it shares with nobody."""
    _make_environment(setting)
    count = 8
    with RawClient(command=_command(setting, "process"), variables=_variables()) as client:
        bare = [_private_memory(_worker_of(client, f"bare-{n}", "x = 1\nx + 1", [])) for n in range(count)]
    with RawClient(command=_command(setting, "process"), variables=_variables()) as client:
        _preload(client)
        loaded = [_private_memory(_worker_of(client, f"loaded-{n}", USE, PACKAGES)) for n in range(count)]
    return [
        _memory_row("an idle worker's private memory, bare", bare, 6),
        _memory_row("the same with numpy and pandas preloaded, imported and used", loaded, 12),
    ]


def _memory_row(measure: str, samples: list[int], bar: int) -> Row:
    each = p50([float(sample) for sample in samples]) / MEGABYTE
    return Row(measure, f"{each:.1f} MB", bar=f"≤ {bar} MB", met=each <= bar)


def _worker_of(client: RawClient, session: str, code: str, dependencies: list[str]) -> int:
    """The process of a new session that has run a cell."""
    more = {"dependencies": dependencies} if dependencies else {}
    answer = client.tool("run_python", timeout=120, code=code, session=session, **more)
    if answer.status != "completed":
        raise RuntimeError(f"session {session}: {answer.text[:600]}")
    return int(client.run("import os\nos.getpid()", session).result)


def _private_memory(pid: int) -> int:
    time.sleep(0.1)
    rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(row[1]) for row in rows if row[0].startswith("Private_")) * 1024


def _preload(client: RawClient) -> None:
    """Opens sessions that import the packages until the zygote has them."""
    for n in range(BEFORE_PRELOADED):
        _worker_of(client, f"before-{n}", USE, PACKAGES)
        client.tool("close_session", session=f"before-{n}")
        time.sleep(PRELOAD_PAUSE_MS / 1000)


# --- many ---------------------------------------------------------------------------------------------


def many_workers(setting: Setting) -> list[Row]:
    """A hundred sessions asked for at once, each with pandas."""
    _make_environment(setting)
    count = 20 if setting.quick else WORKERS_AT_ONCE
    command = _command(setting, "process", "--max-sessions", "200")
    with RawClient(command=command, variables=_variables()) as client:
        _preload(client)
        begin = time.monotonic()
        sent = [client.send_tool("run_python", {"code": USE, "session": f"many-{n}", "dependencies": PACKAGES}) for n in range(count)]
        answers = [CellAnswer(each, 300) for each in sent]
        seconds = time.monotonic() - begin
        right = sum(answer.result == USED for answer in answers)
        again = [client.run("int(pandas.Series(range(1000)).sum())", f"many-{n}", wait=120).result for n in range(count)]
        right = min(right, again.count("499500"))
        together = sum(_pss(pid) for pid in [client.pid, *descendants(client.pid)])
    slowest = max(answer.seconds for answer in answers)
    return [
        Row(f"{count} workers at once, each with pandas", f"{right} answered rightly, in {seconds:.1f} s (slowest {slowest:.1f} s)",
            bar="all", met=right == count),
        Row("their memory together, with the server's and the zygotes' (PSS)", f"{together / MEGABYTE:.0f} MB",
            bar="≤ 1,500 MB", met=together <= 1500 * MEGABYTE),
    ]  # fmt: skip


def _pss(pid: int) -> int:
    try:
        return proportional_memory(pid)
    except OSError:  # it has ended since
        return 0


MEASURES: dict[str, Callable[[Setting], list[Row]]] = {
    "worker_round_trips": round_trips,
    "new_workers": new_sessions,
    "worker_memory": idle_memory,
    "many_workers": many_workers,
}
