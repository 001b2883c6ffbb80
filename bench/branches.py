"""What live copies cost: a branch of a session and an undone cell."""

from __future__ import annotations

import time
from typing import Any

from bench import peers
from bench.latency import Setting
from bench.samples import Row, p50, spread
from tests.support.raw_client import CellAnswer, RawClient

# 100 MB that a session may hold: half in few large objects, half in a million small ones.
HOLD = "big = [bytes(range(256)) * 390 for _ in range(500)]\nsmall = [list(range(i, i + 50_000)) for i in range(0, 1_250_000, 50_000)]"
SMALL_CELL = "n = len(big)"
BAR_MS = 10
PAUSE = 0.05


def branches(setting: Setting) -> list[Row]:
    """A session holding 100 MB is forked, and the copy answers a cell; a cell there is undone."""
    forked: list[float] = []
    undone: list[float] = []
    cells: list[float] = []
    plain: list[float] = []
    rested: list[float] = []
    command = [setting.binary, "serve", "--isolation", "process"]
    with RawClient(command=command, variables=peers.clean_environment()) as client:
        _call(client, "run_python", code=HOLD, session="held")
        _call(client, "run_python", code=HOLD, session="undone", undo=2)
        count = 20 if setting.quick else 60
        for _ in range(count):
            forked.append(_branch(client))
        for _ in range(count):
            plain.append(_call(client, "run_python", code=SMALL_CELL, session="held"))
            cells.append(_call(client, "run_python", code=SMALL_CELL, session="undone"))
            undone.append(_call(client, "undo_session", session="undone"))
        for _ in range(count):
            time.sleep(PAUSE)
            rested.append(_branch(client))
    return [
        Row("branch of a session holding 100 MB, to the copy's first answer: p50/p90/p99", spread(forked, "ms"), "",
            "", f"≤ {BAR_MS} ms", p50(forked) <= BAR_MS),
        Row(f"the same after {PAUSE * 1000:.0f} ms of idleness", spread(rested, "ms")),
        Row("undo of one cell there", spread(undone, "ms"), "", "", f"≤ {BAR_MS} ms", p50(undone) <= BAR_MS),
        Row("a cell of such a session with `undo`", spread(cells, "ms"), f"without {spread(plain, 'ms')}"),
    ]  # fmt: skip


def _branch(client: RawClient) -> float:
    begin = time.monotonic()
    _call(client, "fork_session", session="held", name="branch")
    _call(client, "run_python", code=SMALL_CELL, session="branch")
    took = (time.monotonic() - begin) * 1000
    _call(client, "close_session", session="branch")
    return took


def _call(client: RawClient, tool: str, **arguments: Any) -> float:
    begin = time.monotonic()
    answer = CellAnswer(client.send_tool(tool, arguments), 60)
    took = (time.monotonic() - begin) * 1000
    if answer.is_error:
        raise RuntimeError(f"{tool} was answered with {answer}")
    return took


MEASURES = {"branches": branches}
