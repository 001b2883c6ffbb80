"""The long tests, run by `./dev soak`: battery, kills, servers, churn, endings, fuzzing, jobs. Prints figures, exits 1 on a miss.

    python3 tests/hostile/soak.py [--quick] [--only battery,workers,kills,servers,churn,endings,fuzz,jobs] [--write]

With --write the figures replace those of the same parts in the soak's section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.results import machine, replace_section, section  # noqa: E402
from tests.hostile.battery import FORCE_AFTER, Battery  # noqa: E402
from tests.hostile.cells import CELLS, cells_in  # noqa: E402
from tests.hostile.churn import Churn  # noqa: E402
from tests.hostile.endings import run_endings  # noqa: E402
from tests.hostile.fuzz_stdin import Fuzz  # noqa: E402
from tests.hostile.jobs import flood, kill_servers  # noqa: E402
from tests.hostile.killed_copies import KilledCopies  # noqa: E402
from tests.hostile.killed_servers import KilledServers  # noqa: E402
from tests.hostile.killed_workers import KilledWorkers  # noqa: E402

# The bars of the project: a call is answered within its deadline and this, in seconds.
BAR = 0.25
MEMORY_FLAT = 0.10
ENDS_WITHIN = 2.0
JOBS_MEMORY = 64_000_000
SHOWN_PROBLEMS = 20


def quantile(samples: list[float], part: float) -> float:
    ordered = sorted(samples) or [0.0]
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


Lines = tuple[list[str], list[str]]  # figures, problems


def run_battery(part: str, room: str, bar: float, options: argparse.Namespace) -> Lines:
    passes = options.passes or (1 if options.quick else 10)
    report = Battery(cells_in(room), BAR, room).run(passes)
    over, beside = report.over_deadline_ms, report.bystander_ms
    figures = [
        f"{part}: {len(CELLS)} cells, {passes} times over: {report.cells} run, {report.server_deaths} server deaths, "
        f"{len(report.problems)} problems; statuses {report.statuses}",
        f"{part}: answered after the deadline: p50 {quantile(over, 0.5):.0f} ms, p99 {quantile(over, 0.99):.0f} ms, "
        f"worst {quantile(over, 1.0):.0f} ms (bar {bar * 1000:.0f} ms)",
        f"{part}: bystander answered {report.bystander_calls} calls, p50 {quantile(beside, 0.5):.2f} ms, "
        f"p99 {quantile(beside, 0.99):.1f} ms, worst {quantile(beside, 1.0):.0f} ms",
    ]
    return figures, [f"{problem.cell}: {problem.what}" for problem in report.problems]


def soak_battery(options: argparse.Namespace) -> Lines:
    return run_battery("battery", "inprocess", BAR, options)


def soak_workers(options: argparse.Namespace) -> Lines:
    """The same battery in worker processes, which have a while to follow before they are killed."""
    return run_battery("workers", "process", BAR + FORCE_AFTER["process"], options)


def soak_kills(options: argparse.Namespace) -> Lines:
    report = KilledWorkers(60 if options.quick else 500, options.seed).run()
    before, after = report.before, report.after
    problems = list(report.problems)
    if before is None or after is None:
        return [], [*problems, "it did not come to its end"]
    return [
        f"kills: {report.kills} workers killed in the middle of their cells in {len(report.kinds)} ways, "
        f"{report.zygote_kills} times with the zygote, in {report.seconds:.0f} s, seed {report.seed}; "
        f"{len(problems)} problems: a call without its reason, or something left over",
        f"kills: from the signal to the answer: p50 {quantile(report.answer_ms, 0.5):.1f} ms, "
        f"p99 {quantile(report.answer_ms, 0.99):.0f} ms, worst {quantile(report.answer_ms, 1.0):.0f} ms",
        f"kills: processes {before.processes} -> {after.processes}, descriptors {before.descriptors} -> {after.descriptors}, "
        f"the zygote's {before.zygote_descriptors} -> {after.zygote_descriptors}, threads {before.threads} -> {after.threads}, "
        f"files {len(before.files)} -> {len(after.files)}",
    ], problems


def soak_copies(options: argparse.Namespace) -> Lines:
    report = KilledCopies(200 if options.quick else 2000, options.seed).run()
    return [
        f"copies: {report.kills} kills of workers, copies and zygotes while sessions were forked {report.forked} "
        f"times and went back {report.undone} times, seed {report.seed}; {len(report.problems)} problems: an answer "
        "that is missing or not right, or something left over",
    ], list(report.problems)


def soak_servers(options: argparse.Namespace) -> Lines:
    figures: list[str] = []
    problems: list[str] = []
    for era in ("modern", "handshake"):
        report = KilledServers(20 if options.quick else 200, era, options.seed).run()
        figures += [
            f"servers: killed {report.kills} times under load, {era} era, in {report.seconds:.0f} s, seed {report.seed}: "
            f"{report.requests} requests {dict(report.statuses)}, {report.jobs} jobs, {report.checkpoints} looks at sessions with "
            f"checkpoints; {len(report.problems)} problems",
            f"servers: from the kill to the next answer: p50 {quantile(report.answer_ms, 0.5):.0f} ms, "
            f"p99 {quantile(report.answer_ms, 0.99):.0f} ms, worst {quantile(report.answer_ms, 1.0):.0f} ms",
        ]
        problems += report.problems
    return figures, problems


def soak_churn(options: argparse.Namespace) -> Lines:
    cells, sessions = (2_000, 20) if options.quick else (20_000, 200)
    report = Churn(cells, sessions, options.seed).run()
    growth = report.memory_growth()
    problems = list(report.problems)
    if report.cells < cells:
        problems.append(f"only {report.cells} of {cells} cells were run")
    if growth > MEMORY_FLAT:
        problems.append(f"memory grew by {growth:.1%} over the last half")
    if report.descriptors[1] > report.descriptors[0]:
        problems.append(f"descriptors: {report.descriptors[0]} before, {report.descriptors[1]} after")
    if report.threads[1] > report.threads[0]:
        problems.append(f"threads: {report.threads[0]} before, {report.threads[1]} after")
    if report.children_left:
        problems.append(f"{report.children_left} children left")
    last = report.memory[-1][1] / 1e6 if report.memory else 0.0
    figures = [
        f"churn: {report.cells} cells over {report.sessions} sessions in {report.seconds:.0f} s, seed {report.seed}; "
        f"statuses {report.statuses}",
        f"churn: descriptors {report.descriptors[0]} -> {report.descriptors[1]}, threads {report.threads[0]} -> "
        f"{report.threads[1]}, memory over the last half {growth:+.1%}, {last:.0f} MB at the end",
    ]
    return figures, problems


def soak_endings(options: argparse.Namespace) -> Lines:
    report = run_endings(10 if options.quick else 100, options.seed)
    problems = list(report.problems)
    worst = quantile(report.seconds, 1.0)
    if worst > ENDS_WITHIN:
        problems.append(f"an end took {worst:.2f} s")
    return [
        f"endings: {report.rounds} servers ended in the middle of work, p50 {quantile(report.seconds, 0.5):.2f} s, "
        f"worst {worst:.2f} s (bar {ENDS_WITHIN} s), no child left behind unless listed"
    ], problems


def soak_fuzz(options: argparse.Namespace) -> Lines:
    report = Fuzz(options.fuzz_seconds or (10 if options.quick else 180), options.seed).run()
    return [
        f"fuzz: {report.lines} lines, {report.bytes / 1e6:.0f} MB of garbage on stdin in {report.seconds:.0f} s, seed {report.seed}"
    ], report.problems


def soak_jobs(options: argparse.Namespace) -> Lines:
    many = 40 if options.quick else 200
    kills = 5 if options.quick else 20
    flooded = flood(many)
    killed = kill_servers(kills, kills, lines=1500)
    problems = [*flooded.problems, *killed.problems]
    if flooded.complete < many or flooded.bytes_lost:
        problems.append(f"{flooded.complete} of {many} jobs complete, {flooded.bytes_lost} bytes lost")
    if flooded.grown > JOBS_MEMORY:
        problems.append(f"memory grew by {flooded.grown / 1e6:.0f} MB during {many} jobs")
    if killed.adopted < kills:
        problems.append(f"{killed.adopted} of {kills} jobs outlived their servers")
    return [
        f"jobs: {many} at once, 1 MB printed by each: {flooded.complete} complete, {flooded.bytes_lost} bytes lost, "
        f"memory +{flooded.grown / 1e6:.1f} MB (bar {JOBS_MEMORY / 1e6:.0f} MB), {flooded.seconds:.0f} s",
        f"jobs: tools/list meanwhile: p50 {quantile(flooded.list_ms, 0.5):.1f} ms, p99 {quantile(flooded.list_ms, 0.99):.0f} ms, "
        f"worst {quantile(flooded.list_ms, 1.0):.0f} ms",
        f"jobs: server killed {killed.kills} times during {kills} jobs: {killed.adopted} adopted and finished with full output",
    ], problems


PARTS: dict[str, Callable[[argparse.Namespace], Lines]] = {
    "battery": soak_battery,
    "workers": soak_workers,
    "kills": soak_kills,
    "copies": soak_copies,
    "servers": soak_servers,
    "churn": soak_churn,
    "endings": soak_endings,
    "fuzz": soak_fuzz,
    "jobs": soak_jobs,
}


def write(lines: dict[str, list[str]]) -> None:
    """Puts the figures of the parts that were run in place of their earlier ones."""
    kept: dict[str, list[str]] = {}
    for line in section("Soak").splitlines():
        part = line.removeprefix("- ").split(":", 1)[0]
        if part in PARTS:
            kept.setdefault(part, []).append(line)
    for part, found in lines.items():
        date = f"{part}: run on {time.strftime('%Y-%m-%d')}; {machine()}"
        kept[part] = [f"- {line}" for line in [date, *found]]
    replace_section("Soak", "\n".join(line for part in PARTS for line in kept.get(part, [])))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, comma separated")
    parser.add_argument("--passes", type=int, default=0, help="times the battery is run")
    parser.add_argument("--fuzz-seconds", type=float, default=0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--write", action="store_true", help="replace the section in bench/RESULTS.md")
    options = parser.parse_args()
    figures: dict[str, list[str]] = {}
    missed = 0
    for part in options.only.split(","):
        lines, problems = PARTS[part](options)
        missed += len(problems)
        shown = [f"{part}: MISSED: {problem[:400]}" for problem in problems[:SHOWN_PROBLEMS]]
        if len(problems) > SHOWN_PROBLEMS:
            shown.append(f"{part}: and {len(problems) - SHOWN_PROBLEMS} more")
        for line in [*lines, *shown]:
            print(line, flush=True)
        figures[part] = [*lines, *shown]
    if options.write:
        write(figures)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
