"""What a race of candidates costs, beside one candidate's own time."""

from __future__ import annotations

import time
from typing import Any

from bench import peers
from bench.latency import Setting
from bench.samples import Row, p50, short, spread
from tests.support.raw_client import RawClient

CANDIDATES = 4
HOLD = "held = [bytes(range(256)) * 4096 for _ in range(100)]"  # 100 MB, all of it written to
WAIT = "import time; time.sleep(0.2)"
WAIT_MS = 200
BAR = 1.3


def races(setting: Setting) -> list[Row]:
    """Four candidates that wait 200 ms each, on a session holding 100 MB; one of them as a cell."""
    alone: list[float] = []
    raced: list[float] = []
    nothing: list[float] = []
    command = [setting.binary, "serve", "--isolation", "process"]
    with RawClient(command=command, variables=peers.clean_environment()) as client:
        client.run(HOLD)
        for _ in range(10 if setting.quick else 40):
            alone.append(_ms(client, code=WAIT))
            raced.append(_ms(client, code=[WAIT] * CANDIDATES, branch=True, pick="all"))
            nothing.append(_ms(client, code=["1"], branch=True))
    ratio = p50(raced) / p50(alone)
    return [
        Row(f"{CANDIDATES} candidates that wait {WAIT_MS} ms each, raced on 100 MB: p50/p90/p99", spread(raced, "ms"),
            f"one alone {short(p50(alone))} ms", f"{ratio:.2f} ×", f"≤ {BAR} ×", ratio <= BAR),
        Row("one candidate that does nothing, adopted, on 100 MB", spread(nothing, "ms")),
    ]  # fmt: skip


def _ms(client: RawClient, **arguments: Any) -> float:
    begin = time.monotonic()
    answer = client.tool("run_python", **arguments)
    took = (time.monotonic() - begin) * 1000
    if answer.status != "completed":
        raise RuntimeError(f"the race was answered with {answer}")
    return took


MEASURES = {"races": races}
