"""The benchmark: `./dev bench`. Prints one table: ours, the reference, the ratio, the bar.

    python3 bench/run.py [--quick | --long] [--only starts,flood,...] [--write] [--binary P] [--python P]
                         [--executor COMMAND]

PYEMBER_BINARY names the server (default build/release/pyember; the client is built beside it, in
its folder bench/), PYEMBER_PYTHON the Python it is compared with and the peers run on. With --write
the tables replace their sections in bench/RESULTS.md. The exit code is 0 even when a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import behaviour, boundaries, branches, code_mode, latency, over_http, peers, races, scripts, survival, workers  # noqa: E402
from bench.results import machine, merged, replace_section  # noqa: E402
from bench.samples import Row, table  # noqa: E402

MEASURES: dict[str, Callable[[latency.Setting], list[Row]]] = {
    "round_trips": latency.round_trips,
    "starts": latency.starts,
    "new_sessions": latency.new_sessions,
    "parallel": behaviour.parallel_sessions,
    "memory": behaviour.idle_memory,
    "flood": behaviour.flood,
    "stops": behaviour.stops,
}

SCRIPT_MEASURES: dict[str, Callable[[latency.Setting], list[Row]]] = {
    "tiny_script": scripts.tiny_script,
    "with_dependencies": scripts.with_dependencies,
    "benchmark_overhead": scripts.benchmark_overhead,
    "comparisons": scripts.comparisons,
    "many_jobs": scripts.many_jobs,
    "killed_servers": scripts.killed_servers,
}

# The sections of bench/RESULTS.md and what stands in each.
SECTIONS = {"Benchmark": MEASURES, "Scripts and jobs": SCRIPT_MEASURES, "Worker sessions": workers.MEASURES,
            "State that survives": {**survival.MEASURES, **branches.MEASURES, **races.MEASURES},
            "Sandbox and container": boundaries.MEASURES, "Code mode": code_mode.MEASURES, "HTTP": over_http.MEASURES}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--long", action="store_true", help="comparisons fifty times over, which takes many minutes")
    parser.add_argument("--write", action="store_true", help="write the rows into the tables of bench/RESULTS.md")
    every = [name for measures in SECTIONS.values() for name in measures]
    parser.add_argument("--only", default=",".join(every), help="measures, comma separated: " + ", ".join(every))
    parser.add_argument("--binary", default=os.environ.get("PYEMBER_BINARY") or str(ROOT / "build" / "release" / "pyember"))
    parser.add_argument("--python", default=os.environ.get("PYEMBER_PYTHON") or "python3.13")
    parser.add_argument("--executor", default="", help="command that starts the original script executor on stdio")
    return parser.parse_args()


def measure(setting: latency.Setting, measures: dict[str, Callable[[latency.Setting], list[Row]]], wanted: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in wanted:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            rows += measures[name](setting)
        except Exception as problem:  # a server that dies must not take the other figures along
            rows.append(Row(name, f"not measured: {type(problem).__name__}: {problem}", met=False))
    return rows


def main() -> int:
    options = arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options.binary = str(Path(options.binary).resolve())
    setting = latency.Setting(options.binary, options.python, latency.default_client(options.binary), options.quick,
                              options.long, options.executor)
    for needed, mend in ((setting.binary, "./dev build"), (setting.client, "./dev build")):
        if not Path(needed).exists():
            raise SystemExit(f"{needed} is not there, so nothing can be measured. Build it: {mend}")
    wanted = options.only.split(",")
    unknown = set(wanted) - {name for measures in SECTIONS.values() for name in measures}
    if unknown:
        raise SystemExit(f"there is no measure {', '.join(sorted(unknown))}; --help names them all")
    if {"round_trips", "starts", "upstream_calls"} & set(wanted):
        peers.set_up(setting.python)
    for title, measures in SECTIONS.items():
        rows = measure(setting, measures, [name for name in wanted if name in measures])
        if not rows:
            continue
        text = table(rows)
        print(text, flush=True)
        if options.write:
            whole = text if set(measures) <= set(wanted) else merged(title, text)
            replace_section(title, f"{machine()}; {time.strftime('%Y-%m-%d')}.\n\n{whole}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
