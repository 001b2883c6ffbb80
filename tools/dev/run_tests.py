"""Runs the project's test suites one after another and counts what each of them reports.

Called by ./dev test, ./dev asan and ./dev tsan. A suite is one command that leaves a JUnit file;
the counts come from those files alone, so nothing is counted that did not run. A suite that ran
nothing, left no report, was stopped by its deadline or ended badly although its report is green
counts as a failure. The last line is exactly `N passed, N failed, N skipped`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parents[2]

# Longest time a suite may take, in seconds: far above what it needs, far below a CI job's limit.
SUITE_DEADLINE = 600


@dataclass
class Suite:
    name: str
    command: list[str]
    report: Path
    environment: dict[str, str] = field(default_factory=dict)
    # Runs in a second lane, beside the suites that follow it: what waits more than it computes.
    beside: bool = False


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)  # of the suite, each counted as one failure
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.failed and not self.problems


# --- which suites there are -----------------------------------------------------------------------


def pytest_suite(name: str, folder: str, reports: Path, *, strict: bool = False,
                 environment: dict[str, str] | None = None, leave_out: str = "",
                 only: str = "", beside: bool = False) -> Suite:
    report = reports / f"{name}.xml"
    ignored = [f"--ignore={ROOT / leave_out}"] if leave_out else []
    chosen = ["-k", only] if only else []
    command = [sys.executable, *(["-W", "error"] if strict else []), "-m", "pytest", "-q",
               "-p", "no:cacheprovider", "-ra", f"--junitxml={report}", *ignored, *chosen, str(ROOT / folder)]
    return Suite(name, command, report, {"PYTHONPATH": str(ROOT / "python"), **(environment or {})},
                 beside)


def compiled_suites(build: Path, reports: Path) -> list[Suite]:
    """Every test binary that CTest knows; each writes Catch2's own JUnit report, case by case."""
    listing = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                             check=True, capture_output=True, text=True)
    binaries: list[str] = []
    for test in json.loads(listing.stdout)["tests"]:
        binary = (test.get("command") or [""])[0]
        if binary and binary not in binaries:
            binaries.append(binary)
    return [Suite(Path(binary).name, [binary, "--reporter", "junit", "--out",
                                      str(reports / f"{Path(binary).name}.xml")],
                  reports / f"{Path(binary).name}.xml")
            for binary in binaries]


def node_suite(name: str, folder: str, node: str, reports: Path, environment: dict[str, str]) -> Suite:
    report = reports / f"{name}.xml"
    tests = sorted(str(path) for path in (ROOT / folder).glob("*.test.mjs"))
    return Suite(name,
                 [node, "--test", "--test-reporter=junit", f"--test-reporter-destination={report}",
                  "--test-reporter=spec", "--test-reporter-destination=stdout", *tests],
                 report, environment, beside=True)


def all_suites(build: Path, reports: Path, node: str | None) -> list[Suite]:
    server = {"PYEMBER_BINARY": str(build / "pyember")}
    tidy = reports / "checks.xml"
    suites = [
        Suite("checks", [sys.executable, str(ROOT / "tools" / "tidy.py"), "--junit", str(tidy)], tidy),
        pytest_suite("tools", "tests/tools", reports),
        *compiled_suites(build, reports),
        # What measures how soon a cell is stopped has the machine for itself.
        pytest_suite("hostile", "tests/hostile", reports, environment=server, leave_out="tests/hostile/escapes"),
        pytest_suite("runner", "tests/runner", reports, environment=server, beside=True),
        pytest_suite("sandbox", "tests/sandbox", reports, environment=server, beside=True),
        pytest_suite("services", "tests/services", reports, strict=True,
                     environment={"PYEMBER_PACKAGES": str(build / "packages")}, beside=True),
        pytest_suite("upstream-servers", "tests/upstream_servers", reports, environment=server, beside=True),
        pytest_suite("upstream", "tests/upstream", reports, environment=server, beside=True),
        pytest_suite("e2e-http", "tests/e2e", reports, environment=server, only="http", beside=True),
        pytest_suite("http-gate", "tests/http_gate", reports, environment=server, beside=True),
        pytest_suite("upstream-http", "tests/upstream_http", reports, environment=server, beside=True),
        pytest_suite("conformance-server", "tests/conformance/test_server.py", reports, environment=server, beside=True),
        pytest_suite("conformance-client", "tests/conformance/test_client.py", reports, environment=server, beside=True),
        pytest_suite("containers", "tests/containers", reports, environment=server, beside=True),
        pytest_suite("escapes", "tests/hostile/escapes", reports, environment=server, beside=True),
        pytest_suite("sessions-containers", "tests/sessions", reports, environment=server, only="container", beside=True),
    ]
    if node:
        suites.append(node_suite("e2e-typescript", "tests/e2e/typescript", node, reports, server))
        suites.append(node_suite("apps", "tests/apps", node, reports, server))
    return [
        *suites,
        pytest_suite("python", "tests/python", reports, strict=True, environment=server),
        pytest_suite("sessions", "tests/sessions", reports, environment=server, only="not container"),
        pytest_suite("e2e", "tests/e2e", reports, environment=server, only="not http"),
        # Last: its wheel is compiled beside the others.
        pytest_suite("packaging", "tests/packaging", reports),
    ]


def sanitizer_suites(build: Path, reports: Path, sanitizer: str) -> list[Suite]:
    """What a sanitizer can cover. CPython itself is not built for the thread sanitizer.

    embed_guard_tests look at the interposed libc functions, which sanitized builds leave out
    (src/embed/interpose.h).
    """
    suites = [suite for suite in compiled_suites(build, reports) if suite.name != "embed_guard_tests"]
    if sanitizer == "tsan":
        return [suite for suite in suites if "embed" not in suite.name]
    for suite in suites:
        if "embed" in suite.name:
            # Live interpreters and parked threads stay until _exit by design: no leak of ours.
            options = os.environ.get("ASAN_OPTIONS", "")
            suite.environment["ASAN_OPTIONS"] = f"{options}:detect_leaks=0"
    # The runner writes nothing to stderr: what a sanitizer finds ends it, and its record is missing.
    return [*suites, pytest_suite("runner", "tests/runner", reports,
                                  environment={"PYEMBER_BINARY": str(build / "pyember")})]


# --- what is prepared meanwhile --------------------------------------------------------------------


class WheelCompiledMeanwhile:
    """Compiles the wheel beside the suites before `packaging`, which then finds it done.

    Most suites wait more than they compute, so this costs them nothing: it has the lowest weight there is, which takes
    a group of its own on kernels that share CPUs out by process session. Its outcome counts for nothing here: what is
    wrong with the wheel is found by the suite, which builds it again.
    """

    def __init__(self, reports: Path) -> None:
        folder = reports / "wheel-meanwhile"
        with (reports / "wheel-meanwhile.log").open("wb") as log:
            self._build = subprocess.Popen([sys.executable, str(ROOT / "tests/packaging/build_wheel.py"), str(folder)],
                                           cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True, preexec_fn=lambda: weigh(19))
        self._deadline = time.monotonic() + SUITE_DEADLINE

    def finish(self) -> None:
        """Waits for it, at full weight."""
        try:
            weigh(0, self._build.pid)
            self._build.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        self.stop()

    def stop(self) -> None:
        stop_group(self._build)


def weigh(nice: int, pid: int | str = "self") -> None:
    """How much CPU the process session gets beside others: -20 (most) to 19 (least)."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))
    except OSError:
        pass  # a kernel that shares out by process: CPU time is all that is lost


# --- running and counting -------------------------------------------------------------------------


def stop_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def start(suite: Suite, output: BinaryIO | None = None) -> subprocess.Popen[bytes]:
    suite.report.unlink(missing_ok=True)
    # Servers of tests leave nothing where those of people look for it.
    states = suite.report.with_suffix(".states")
    shutil.rmtree(states, ignore_errors=True)
    environment = {**os.environ, "PYEMBER_STATE_DIR": str(states), **suite.environment}
    return subprocess.Popen(suite.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                            stdout=output, stderr=output, start_new_session=True)


def finish(suite: Suite, process: subprocess.Popen[bytes], started: float) -> Outcome:
    timed_out = False
    try:
        code = process.wait(max(0.0, started + SUITE_DEADLINE - time.monotonic()))
    except subprocess.TimeoutExpired:
        stop_group(process)
        code, timed_out = -signal.SIGKILL, True
    except BaseException:
        stop_group(process)
        raise
    outcome = count(suite.report)
    outcome.seconds = time.monotonic() - started
    judge(outcome, code, timed_out)
    return outcome


def run(suite: Suite) -> Outcome:
    print(f"\n== {suite.name}", flush=True)
    started = time.monotonic()
    return finish(suite, start(suite), started)


class SecondLane:
    """Runs suites one after another beside the first lane; what each prints comes at its end."""

    def __init__(self, suites: list[Suite]) -> None:
        self._suites = suites
        self._outcomes: dict[str, Outcome] = {}
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="second lane")
        self._thread.start()

    def _run(self) -> None:
        for suite in self._suites:
            if self._stopped:
                return
            log = suite.report.with_suffix(".log")
            started = time.monotonic()
            try:
                with log.open("wb") as output:
                    self._running = start(suite, output)
            except OSError as error:
                self._outcomes[suite.name] = Outcome(problems=[f"could not be started: {error}"])
                continue
            outcome = finish(suite, self._running, started)
            print(f"\n== {suite.name}, beside others\n{log.read_text(errors='replace')}", flush=True)
            self._outcomes[suite.name] = outcome

    def outcomes(self) -> dict[str, Outcome]:
        """Of all its suites, when they are over."""
        self._thread.join()
        for suite in self._suites:
            self._outcomes.setdefault(suite.name, Outcome(problems=["was not run: the second lane ended before"]))
        return self._outcomes

    def stop(self) -> None:
        self._stopped = True
        if self._running is not None:
            stop_group(self._running)
        self._thread.join()


def run_all(suites: list[Suite], reports: Path) -> dict[str, Outcome]:
    worth_it = len(suites) > 1 and any(suite.name == "packaging" for suite in suites)
    wheel = WheelCompiledMeanwhile(reports) if worth_it else None
    beside = [suite for suite in suites if suite.beside]
    lane: SecondLane | None = None
    outcomes: dict[str, Outcome] = {}
    try:
        for suite in suites:
            if suite.beside:
                lane = lane or SecondLane(beside)
                continue
            if wheel and suite.name == "packaging":
                wheel.finish()
            outcomes[suite.name] = run(suite)
        if lane:
            outcomes.update(lane.outcomes())
    finally:
        if lane:
            lane.stop()
        if wheel:
            wheel.stop()
    return outcomes


def judge(outcome: Outcome, code: int, timed_out: bool) -> None:
    """Adds what the report alone does not say."""
    if timed_out:
        outcome.problems.append(f"was stopped: it did not end within {SUITE_DEADLINE} s")
    elif code < 0:
        outcome.problems.append(f"died of signal {-code} ({signal.Signals(-code).name})")
    elif code != 0 and outcome.ok:
        outcome.problems.append(f"ended with exit code {code} although no test failed")
    if outcome.passed + outcome.failed + outcome.skipped == 0:
        outcome.problems.append("ran no test")


def count(report: Path) -> Outcome:
    outcome = Outcome()
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError) as error:
        outcome.problems.append(f"left no readable report ({error})")
        return outcome
    for case in root.iter("testcase"):
        name = f"{case.get('classname') or ''} {case.get('name') or ''}".strip()
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
            outcome.failures.append(f"{name}{first_line(case)}")
        elif case.find("skipped") is not None:
            outcome.skipped += 1
            outcome.skips.append(f"{name}{first_line(case)}")
        else:
            outcome.passed += 1
    return outcome


def first_line(case: ElementTree.Element) -> str:
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            text = (found.get("message") or found.text or "").strip()
            return f": {text.splitlines()[0][:160]}" if text else ""
    return ""


# --- the summary ----------------------------------------------------------------------------------


def summarize(outcomes: dict[str, Outcome]) -> bool:
    print("\n== summary")
    for name, outcome in outcomes.items():
        mark = "ok" if outcome.ok else "FAILED"
        print(f"{name:<18} {outcome.passed:>5} passed {outcome.failed:>4} failed "
              f"{outcome.skipped:>4} skipped {outcome.seconds:>7.1f} s  {mark}")
        for line in (*outcome.problems, *outcome.failures):
            print(f"    {line}")
        for line in outcome.skips:
            print(f"    skipped: {line}")
    passed = sum(outcome.passed for outcome in outcomes.values())
    failed = sum(outcome.failed + len(outcome.problems) for outcome in outcomes.values())
    skipped = sum(outcome.skipped for outcome in outcomes.values())
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return failed == 0


def choose(suites: list[Suite], names: list[str]) -> list[Suite]:
    known = {suite.name: suite for suite in suites}
    for name in names:
        if name not in known:
            sys.exit(f"there is no test suite '{name}'; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else suites


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--node", help="Node 22, for the TypeScript clients")
    parser.add_argument("--sanitizer", choices=["asan", "tsan"])
    parser.add_argument("--list", action="store_true", help="print the names of the suites")
    parser.add_argument("suites", nargs="*")
    options = parser.parse_args()

    reports = options.build / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    if options.sanitizer:
        suites = sanitizer_suites(options.build, reports, options.sanitizer)
    else:
        suites = all_suites(options.build, reports, options.node or "node")
    if options.list:
        print("\n".join(suite.name for suite in suites))
        return
    outcomes = run_all(choose(suites, options.suites), reports)
    sys.exit(0 if summarize(outcomes) else 1)


if __name__ == "__main__":
    main()
