"""What scripts, jobs and benchmarks cost: by turns with what they are compared to."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import peers
from bench.latency import Setting, ask_client
from bench.samples import Row, p50, quantile, short, spread
from tests.hostile import jobs
from tests.support.raw_client import CellAnswer, RawClient
from tests.support.world import VERSION, World, make_world

MEGABYTE = 1e6
PACKAGE = "requests"


@contextmanager
def _world() -> Iterator[World]:
    """Folders of their own for a server, with uv's real index: what is measured is warmed first."""
    with tempfile.TemporaryDirectory(prefix="pyember-bench-", ignore_cleanup_errors=True) as folder:
        yield make_world(Path(folder) / "world", UV_CACHE_DIR=str(Path(folder) / "uv-cache"))


def _variables(place: World, *, offline: bool = True) -> dict[str, str]:
    kept = place.variables()
    for name in ("UV_NO_INDEX", "UV_FIND_LINKS", "UV_PYTHON"):
        kept.pop(name, None)
    kept.update({name: value for name, value in os.environ.items() if "INDEX" in name})
    # A version manager's shims look like Pythons, and each costs whoever asks it a tenth of a second.
    kept["PATH"] = os.pathsep.join(each for each in kept["PATH"].split(os.pathsep) if "shims" not in each)
    kept["SMART_ASYNC_TIMEOUT_SECONDS"] = "600"  # every answer is a result
    if offline:
        kept["UV_OFFLINE"] = "1"
    return kept


def _server(setting: Setting, place: World, *, profile: str = "scripts", offline: bool = True) -> RawClient:
    command = [setting.binary, "serve", "--profile", profile]
    return RawClient(command=command, variables=_variables(place, offline=offline), cwd=str(place.work))


def _call(client: RawClient, name: str, wait: float = 120.0, **arguments: Any) -> CellAnswer:
    answer = client.tool(name, timeout=wait, **arguments)
    if answer.protocol_error or answer.is_error:
        raise RuntimeError(f"{name}: {answer.text[:600]}")
    return answer


def _ms(samples: list[float]) -> str:
    return spread(samples, "ms")


# --- a tiny script ------------------------------------------------------------------------------------


def tiny_script(setting: Setting) -> list[Row]:
    """A script that does nothing, run by the system's Python, against that Python by itself."""
    with _world() as place, _server(setting, place) as client:
        (place.work / "tiny.py").write_text("pass\n")
        python = shutil.which("python3", path=place.variables()["PATH"])
        assert python is not None
        arguments = {"directory": str(place.work), "script_path": "tiny.py", "use_uv": False}
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(3):
            _call(client, "run_script_in_dir", **arguments)
        for _ in range(15 if setting.quick else 60):
            bare += [each / 1000 for each in ask_client(setting, "run", [python, "-c", "pass"], "--repeat", "4")["run_us"]]
            ours += [_call(client, "run_script_in_dir", **arguments).seconds * 1000 for _ in range(4)]
    ratio = p50(ours) / p50(bare)
    return [Row("`run_script_in_dir`, tiny script, system Python: p50/p90/p99", _ms(ours), f"`python3 -c pass` {_ms(bare)}",
                f"{ratio:.2f} ×", "≤ 1.4 ×", ratio <= 1.4)]  # fmt: skip


# --- a script with a dependency -----------------------------------------------------------------------

HEADER = f'# /// script\n# requires-python = ">={VERSION}"\n# dependencies = ["{PACKAGE}"]\n# ///\n'
NOTHING = "pass\n"


def with_dependencies(setting: Setting) -> list[Row]:
    """Warm and offline: ours, uv by itself on a script that names its dependency, and the original."""
    peers.set_up(setting.python)
    with _world() as place, ExitStack() as stack:
        script = place.work / "floor.py"
        script.write_text(HEADER + NOTHING)
        uv = shutil.which("uv", path=place.variables()["PATH"])
        assert uv is not None
        floor_command = [uv, "run", "--script", str(script)]
        _warm(setting, place, floor_command)
        client = stack.enter_context(_server(setting, place))
        original, label = _original(setting, place, stack)
        _call_ours(client), original()
        ours: list[float] = []
        floor: list[float] = []
        theirs: list[float] = []
        for _ in range(8 if setting.quick else 40):
            floor += [_run_ms(floor_command, place) for _ in range(2)]
            ours += [_call_ours(client) * 1000 for _ in range(2)]
            theirs.append(original() * 1000)
    above, below = p50(ours) / p50(floor), p50(ours) / p50(theirs)
    what = f'`run_script_with_dependencies(["{PACKAGE}"])`, warm, offline, no import'
    return [
        Row(f"{what}: p50/p90/p99", _ms(ours), f"PEP 723 `uv run` {_ms(floor)}", f"{above:.2f} ×", "≤ 1.2 ×", above <= 1.2),
        Row(f"the same against {label}", _ms(ours), _ms(theirs), f"1/{1 / below:.2f}", "≤ 1/1.5", below <= 1 / 1.5),
    ]


def _call_ours(client: RawClient) -> float:
    answer = _call(client, "run_script_with_dependencies", script_content=NOTHING, dependencies=[PACKAGE], python_version=VERSION)
    if answer.structured["exit_code"] != 0:
        raise RuntimeError(f"the run failed: {answer.structured['stderr'][:600]}")
    return answer.seconds


def _warm(setting: Setting, place: World, floor: list[str]) -> None:
    """Fetches the package once, so that everything after can do without the network."""
    for command in (floor, [floor[0], "run", "--isolated", "--no-project", "--python", VERSION, "--with", PACKAGE, "python", "-c", f"import {PACKAGE}"]):
        subprocess.run(command, cwd=place.work, env=_variables(place, offline=False), check=True, capture_output=True, timeout=300)
    with _server(setting, place, offline=False) as client:
        _call_ours(client)


def _run_ms(command: list[str], place: World) -> float:
    begin = time.monotonic()
    subprocess.run(command, cwd=place.work, env=_variables(place), check=True, capture_output=True, timeout=120, start_new_session=True)
    return (time.monotonic() - begin) * 1000


def _original(setting: Setting, place: World, stack: ExitStack) -> tuple[Any, str]:
    """A function that runs the script once through the original executor, or what stands in for it."""
    if setting.executor:
        command, label = shlex.split(setting.executor), "the original executor"
    else:
        command, label = [peers.python_of("fastmcp"), str(peers.SOURCES / "executor_standin.py")], "a stand-in for the original"
    client = RawClient(command=command, variables=_variables(place), cwd=str(place.work))
    stack.callback(client.kill)
    client.handshake()
    names = [tool["name"] for tool in client.request("tools/list", timeout=60)["result"]["tools"]]
    name = next(each for each in ("run_script_with_dependencies", "py_run_script_with_dependencies") if each in names)

    def once() -> float:
        answer = _call(client, name, script_content=NOTHING, dependencies=[PACKAGE], python_version=VERSION)
        if answer.structured.get("result", answer.structured)["exit_code"] != 0:
            raise RuntimeError(f"{label} failed: {answer.text[:600]}")
        return answer.seconds

    return once, label


# --- what a benchmark adds ------------------------------------------------------------------------------

# Says at its end what the kernel has counted for it.
MEASURED = """
import os, resource, sys, time
data = bytearray(40_000_000)
end = time.process_time() + 0.5
while time.process_time() < end: sum(range(1000))
use = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))
if len(sys.argv) == 1: print(use.ru_utime + use.ru_stime, peak, sys.executable)
"""


TIME = "/usr/bin/time"


def benchmark_overhead(setting: Setting) -> list[Row]:
    """The same script by benchmark_script and by the clock around a bare start of it, by turns.

    /usr/bin/time does the same but tells only hundredths of a second, too coarse for 2 %; what it
    says stands beside.
    """
    ours: list[float] = []
    theirs: list[float] = []
    cpu: list[float] = []
    peak: list[float] = []
    with _world() as place, _server(setting, place) as client:
        script = place.work / "measured.py"
        script.write_text(MEASURED)
        arguments: dict[str, Any] = {"script_path": str(script), "python_version": VERSION}
        python = _call(client, "benchmark_script", **arguments).structured["stdout"].split()[2]
        coarse = _timed([python, str(script), "quiet"], place)
        for _ in range(6 if setting.quick else 25):
            theirs.append(ask_client(setting, "run", [python, str(script), "quiet"], "--repeat", "1")["run_us"][0] / 1e6)
            answer = _call(client, "benchmark_script", **arguments).structured
            ours.append(answer["wall_time_seconds"])
            kernel_cpu, kernel_peak = (float(word) for word in answer["stdout"].split()[:2])
            cpu.append(answer["cpu_time_seconds"] - kernel_cpu)
            peak.append(answer["peak_rss_mb"] * 1048576 - kernel_peak * 1024)
    ratio = p50(ours) / p50(theirs)
    return [
        Row("`benchmark_script` on 0.5 s of work: wall time", f"{p50(ours) * 1000:.1f} ms", f"start to exit {p50(theirs) * 1000:.1f} ms (`{TIME}`: {coarse})",
            f"{(ratio - 1) * 100:+.1f} %", "≤ +2 %", ratio <= 1.02),
        Row("its CPU time less what the kernel told the script at its end", f"p50 {p50(cpu) * 1000:+.1f} ms, most {max(cpu) * 1000:+.1f} ms",
            bar="0 to 30 ms: the interpreter's own end", met=min(cpu) >= -0.001 and max(cpu) <= 0.03),
        Row("its peak memory less the script's own VmHWM", f"p50 {p50(peak) / 1024:+.0f} KiB, most {max(peak, key=abs) / 1024:+.0f} KiB",
            bar="within 1 MiB", met=max(map(abs, peak)) <= 1 << 20),
    ]  # fmt: skip


def _timed(command: list[str], place: World) -> str:
    """What /usr/bin/time says of the command."""
    if not Path(TIME).exists():
        return "not installed"
    done = subprocess.run([TIME, "-f", "%e s", *command], cwd=place.work, env=_variables(place), capture_output=True, text=True, timeout=60, check=True,
                          start_new_session=True)  # fmt: skip
    return done.stderr.strip().splitlines()[-1]


# --- comparisons ----------------------------------------------------------------------------------------

WORK = "total = 0\nfor n in range({rounds}): total += n * n\n"
ROUNDS = 400_000


def comparisons(setting: Setting) -> list[Row]:
    """A script against itself, and against one that does a tenth more."""
    turns = 50 if setting.long else 5 if setting.quick else 10
    same: list[str] = []
    slower: list[str] = []
    seconds: list[float] = []
    with _world() as place, _server(setting, place, profile="full") as client:
        for _ in range(turns):
            for more, found in ((1.0, same), (1.1, slower)):
                verdict, took = _compare(client, WORK.format(rounds=ROUNDS), WORK.format(rounds=int(ROUNDS * more)))
                found.append(verdict)
                seconds.append(took)
    right_same, right_slower = same.count("no difference"), slower.count("slower")
    each = f"{p50(seconds):.1f} s each"
    return [
        Row(f"compare of a script with itself, {turns} times", f"“no difference” {right_same}, {each}", bar="47 of 50", met=right_same >= turns * 0.94),
        Row(f"compare with 10 % more work, {turns} times", f"“slower” {right_slower}, {each}", bar="45 of 50", met=right_slower >= turns * 0.9),
    ]


def _compare(client: RawClient, baseline: str, candidate: str) -> tuple[str, float]:
    answer = _call(client, "benchmark_script", wait=600, script_content=baseline, compare={"script_content": candidate}, python_version=VERSION)
    verdict: str = answer.structured["comparison"]["verdict"]
    return verdict, answer.seconds


# --- jobs -----------------------------------------------------------------------------------------------


def many_jobs(setting: Setting) -> list[Row]:
    """Several floods: one alone brings fewer than a hundred answers, whose 99th percentile would be the worst."""
    count, floods = (40, 1) if setting.quick else (200, 4)
    with _binary(setting):
        reports = [jobs.flood(count) for _ in range(floods)]
    problems = [each for report in reports for each in report.problems]
    complete = min(report.complete for report in reports)
    lost = sum(report.bytes_lost for report in reports)
    grown = max(report.grown for report in reports)
    list_ms = [each for report in reports for each in report.list_ms]
    p99 = quantile(list_ms, 0.99)
    told = f"; {problems[0][:200]}" if problems else ""
    return [
        Row(f"{count} jobs at once, 1 MB printed by each, {floods} times", f"{complete} complete, {lost} bytes lost, {p50([report.seconds for report in reports]):.1f} s{told}",
            bar="all, 0", met=complete == count and lost == 0),
        Row("the server's memory grows by, at most", f"{grown / MEGABYTE:.1f} MB", bar="≤ 64 MB", met=grown <= 64 * MEGABYTE),
        Row("a list of tools meanwhile: p50, p99, worst", f"{short(p50(list_ms))}, {short(p99)}, {short(max(list_ms))} ms ({len(list_ms)})",
            bar="p99 ≤ 100 ms", met=p99 <= 100),
    ]  # fmt: skip


def killed_servers(setting: Setting) -> list[Row]:
    kills = 5 if setting.quick else 20
    with _binary(setting):
        report = jobs.kill_servers(kills, kills, lines=600 if setting.quick else 1500)
    told = f"; {report.problems[0][:200]}" if report.problems else ""
    return [Row(f"server killed {report.kills} times during {report.jobs} jobs", f"{report.adopted} adopted and finished with full output{told}",
                bar=f"{report.jobs} of {report.jobs}", met=report.adopted == report.jobs and not report.problems)]  # fmt: skip


@contextmanager
def _binary(setting: Setting) -> Iterator[None]:
    before = os.environ.get("PYEMBER_BINARY")
    os.environ["PYEMBER_BINARY"] = setting.binary
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYEMBER_BINARY"]
        else:
            os.environ["PYEMBER_BINARY"] = before
