"""The benchmark: `./dev bench`. Prints one table: ours, the reference, the ratio, the bar.

    python3 bench/run.py [--quick] [--only starts,flood,...] [--write] [--binary P] [--python P]

PYEMBER_BINARY names the server (default build/release/pyember; the client is built beside it, in
its folder bench/), PYEMBER_PYTHON the Python it is compared with and the peers run on. With --write
the table replaces its section in bench/RESULTS.md. The exit code is 0 even when a bar is missed.
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

from bench import behaviour, latency, peers  # noqa: E402
from bench.results import machine, replace_section  # noqa: E402
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


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--write", action="store_true", help="replace the table in bench/RESULTS.md")
    parser.add_argument("--only", default=",".join(MEASURES), help="measures, comma separated: " + ", ".join(MEASURES))
    parser.add_argument("--binary", default=os.environ.get("PYEMBER_BINARY") or str(ROOT / "build" / "release" / "pyember"))
    parser.add_argument("--python", default=os.environ.get("PYEMBER_PYTHON") or "python3.13")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    setting = latency.Setting(options.binary, options.python, latency.default_client(options.binary), options.quick)
    for needed, mend in ((setting.binary, "./dev build"), (setting.client, "./dev build")):
        if not Path(needed).exists():
            raise SystemExit(f"{needed} is not there, so nothing can be measured. Build it: {mend}")
    wanted = options.only.split(",")
    if {"round_trips", "starts"} & set(wanted):
        peers.set_up(setting.python)
    rows: list[Row] = []
    for name in wanted:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            rows += MEASURES[name](setting)
        except Exception as problem:  # a server that dies must not take the other figures along
            rows.append(Row(name, f"not measured: {type(problem).__name__}: {problem}", met=False))
    text = table(rows)
    print(text)
    if options.write:
        replace_section("Benchmark", f"{machine()}; {time.strftime('%Y-%m-%d')}.\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
