"""What it costs that a server outlives its own death, and how soon it is back."""

from __future__ import annotations

import os
import signal
import time

from bench import peers
from bench.latency import Setting, ask_client
from bench.samples import Row, p50, spread
from tests.support.raw_client import RawClient

APART_US = 60  # between the two speeds of an unpinned run
OFF = {"PYEMBER_NO_SUPERVISOR": "1", "PYEMBER_CHECKPOINTS": "off"}


def supervised_round_trips(setting: Setting) -> list[Row]:
    """`1+1` with the supervisor and checkpoints, and without both, by turns; free and pinned."""
    return [_compare(setting, pinned) for pinned in (False, True)]


def _compare(setting: Setting, pinned: bool) -> Row:
    """The median of the runs' medians, against the same without.

    Unpinned, a run of this client has one of two speeds from its start to its end: client and server share a CPU, or
    the scheduler has set them apart and every message wakes a sleeping CPU (25 or 110 µs here). The median of all
    calls together moves with the share of the second kind more than with anything else: it was 1.02 to 1.12, and once
    0.29, for the same two programs. So every run has one vote, there are many short ones, and the shares are shown.
    They differ: in 150 runs each 20 with the supervisor and 6 without were set apart, and 6 with the supervisor and
    write() in place of the journal's splice(), which wakes the client without the hint that the writer is about to
    wait.
    """
    found: dict[str, list[float]] = {"on": [], "off": []}
    options = ["--calls", "1500", "--idle-calls", "1", "--warm-up", "500", "--repeat", "1", *(["--pin", "0"] if pinned else [])]
    for turn in range(8 if setting.quick else 60):
        order = ("on", "off") if turn % 2 else ("off", "on")  # neither has the better place
        for name in order:
            variables = peers.clean_environment() | (OFF if name == "off" else {})
            samples = ask_client(setting, "calls", setting.ours().command, *options, variables=variables)
            found[name].append(p50(samples["sequential_us"]))
    on, off = p50(found["on"]), p50(found["off"])
    where = "pinned to one CPU" if pinned else "unpinned"
    return Row(f"`1+1` round trip with supervisor and checkpoints, {where}: median of the runs' p50", _runs(found["on"]),
               f"without {_runs(found['off'])}", f"{on / off:.3f} ×", "≤ 1.05 ×", on <= 1.05 * off)  # fmt: skip


def _runs(medians: list[float]) -> str:
    apart = sum(median > APART_US for median in medians)
    return f"{p50(medians):.1f} µs" + (f" ({apart} of {len(medians)} runs on two CPUs)" if apart else "")


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
