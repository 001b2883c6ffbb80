"""Stops cells at arbitrary moments for a few seconds; run by test_stops.py in its own process."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2] / "python")]

from mcp_runtime.session import Session  # noqa: E402
from stopper import Stopper  # noqa: E402

CELLS = [
    "x = [i for i in range(2000)]\nlen(x)",
    "1 / 0",
    "await asyncio.sleep(0)",
    "for _ in range(20): await asyncio.sleep(0)",
    "await asyncio.gather(*[asyncio.sleep(0.0001) for _ in range(5)])",
    "class A:\n    def __repr__(self): return str(sum(range(500)))\nA()",
    "print('x' * 10)",
    "def f(n): return f(n - 1) if n else n\nf(200)",
    "import json; json.dumps({'a': [1] * 200})",
    "1 + 1",
    "asyncio.run(asyncio.sleep(0))",
    "try:\n    while True: pass\nfinally:\n    x = 5",
    "x = (",
]
SECONDS = 4


def main() -> None:
    out = sys.stdout
    stopper = Stopper()
    signal.signal(signal.SIGALRM, stopper.on_signal)
    session = Session(stopper, "main")
    session.run("import asyncio, json, traceback\nasyncio.run(asyncio.sleep(0))", 1)
    sys.stdout = sys.stderr  # what the cells print is of no interest
    counts = [0, 0, 0]
    deadline = time.monotonic() + SECONDS
    number = 1
    while time.monotonic() < deadline:
        number += 1
        # The first stop falls anywhere in the first two milliseconds, then one comes every 0.4 ms.
        stopper.stop_after(0.00002 + (number * 37 % 199) * 0.00001, 0.0004)
        counts[session.run(CELLS[number % len(CELLS)], number)[0]] += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # the last one may have set the timer again
    stopper.requested = False
    assert min(counts) > 0, counts
    for code, result in (
        ("await asyncio.sleep(0.001, 'ok')", "'ok'"),
        ("asyncio.run(asyncio.sleep(0.001, 'ok'))", "'ok'"),
        ("t = asyncio.create_task(asyncio.sleep(0, 'ok')); await asyncio.sleep(0.01); t.result()", "'ok'"),
    ):
        outcome = session.run(code, number)
        assert outcome[:2] == (0, result), (code, outcome)
    out.write(f"contained: {counts[0]} completed, {counts[1]} raised, {counts[2]} stopped\n")


main()
