"""What it costs that a server outlives its own death, and how soon it is back."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict

from bench import peers
from bench.latency import Samples, Setting, ask_client, merge
from bench.samples import Row, p50, spread
from tests.support.raw_client import RawClient

OFF = {"PYEMBER_NO_SUPERVISOR": "1", "PYEMBER_CHECKPOINTS": "off"}


def supervised_round_trips(setting: Setting) -> list[Row]:
    """`1+1` with the supervisor and checkpoints, and without both, by turns; free and pinned."""
    return [_compare(setting, pinned) for pinned in (False, True)]


def _compare(setting: Setting, pinned: bool) -> Row:
    found: dict[str, Samples] = {"on": defaultdict(list), "off": defaultdict(list)}
    options = ["--calls", "4000", "--idle-calls", "1", "--warm-up", "500", "--repeat", "1", *(["--pin", "0"] if pinned else [])]
    for turn in range(6 if setting.quick else 24):
        order = ("on", "off") if turn % 2 else ("off", "on")  # neither has the better place
        for name in order:
            variables = peers.clean_environment() | (OFF if name == "off" else {})
            merge(found[name], ask_client(setting, "calls", setting.ours().command, *options, variables=variables))
    on, off = (found[name]["sequential_us"] for name in ("on", "off"))
    ratio = p50(on) / p50(off)
    where = "pinned to one CPU" if pinned else "unpinned"
    return Row(f"`1+1` round trip with supervisor and checkpoints, {where}: p50/p90/p99", spread(on), f"without {spread(off)}",
               f"{ratio:.3f} ×", "≤ 1.05 ×", ratio <= 1.05)  # fmt: skip


def restarts(setting: Setting) -> list[Row]:
    """From SIGKILL of the server to the answer of a call that is sent at once."""
    times: list[float] = []
    with RawClient(command=[setting.binary, "serve"], supervised=True) as client:
        for _ in range(15 if setting.quick else 60):
            client.run("x = 1\nx + 1")
            time.sleep(0.2)  # what a server makes ready after its first cell is not part of this
            pid = client.pid
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            answer = client.run("1 + 1")
            times.append((time.monotonic() - begin) * 1000)
            if answer.result != "2":
                raise RuntimeError(f"the call after a kill was answered with {answer}")
    return [Row("server killed → next answer: p50/p90/p99", spread(times, "ms"), bar="p50 ≤ 100 ms", met=p50(times) <= 100)]


MEASURES = {"supervised_round_trips": supervised_round_trips, "restarts": restarts}
