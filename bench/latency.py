"""What the raw C++ client measures: round trips, pipelines, starts, new sessions."""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.samples import Row, p50, short, spread

Samples = dict[str, list[float]]
PINNED_CPU = 0


@dataclass
class Setting:
    """Where things are and how long to measure."""

    binary: str
    python: str
    client: str
    quick: bool
    long: bool = False
    executor: str = ""  # command of the original script executor

    def ours(self) -> peers.Peer:
        return peers.Peer("pyember", [self.binary, "serve"])


def ask_client(
    setting: Setting, mode: str, command: list[str], *options: str, variables: dict[str, str] | None = None
) -> Samples:
    """One run of the C++ client; its samples. `variables` is the whole environment of the server."""
    line = [setting.client, mode, *options, "--", *command]
    # Its own session, as servers and runs have: the kernel shares out CPUs by session.
    done = subprocess.run(line, env=variables or peers.clean_environment(), capture_output=True, text=True, timeout=600, start_new_session=True)
    if done.returncode != 0:
        raise SystemExit(f"the benchmark's client failed: {' '.join(line)}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def merge(into: Samples, new: Samples) -> None:
    for name, samples in new.items():
        if isinstance(samples, list):
            into[name].extend(samples)


def round_trips(setting: Setting) -> list[Row]:
    """Ours and the SDK's smallest server by turns, both eras, free and pinned; the others for the picture."""
    rows: list[Row] = []
    for era in ("modern", "legacy"):
        for pinned in (False, True):
            rows += _compare_round_trips(setting, era, pinned)
    return rows + _other_peers(setting)


def _calls(setting: Setting, peer: peers.Peer, era: str, pinned: bool) -> Samples:
    calls, idle = (300, 40) if peer.slow else (2000, 150)
    if setting.quick:
        calls, idle = calls // 2, idle // 3
    options = ["--calls", str(calls), "--idle-calls", str(idle), "--warm-up", "100", "--repeat", "2"]
    if pinned:
        options += ["--pin", str(PINNED_CPU)]
    if "--era" not in peer.client_options:
        options += ["--era", era]
    return ask_client(setting, "calls", peer.command, *options, *peer.client_options)


def _compare_round_trips(setting: Setting, era: str, pinned: bool) -> list[Row]:
    ours: Samples = defaultdict(list)
    sdk: Samples = defaultdict(list)
    for _ in range(2 if setting.quick else 5):
        merge(ours, _calls(setting, setting.ours(), era, pinned))
        merge(sdk, _calls(setting, peers.sdk(), era, pinned))
    where = "pinned to one CPU" if pinned else "unpinned"
    return [
        _round_trip_row(f"`1+1` round trip, {where}, {era}: p50/p90/p99", ours["sequential_us"], sdk["sequential_us"], True),
        _round_trip_row(f"the same after 3 ms of idleness, {where}, {era}", ours["idle_us"], sdk["idle_us"], False),
        _pipeline_row(f"1,000 pipelined calls, {where}, {era}", ours["pipelined_s"], sdk["pipelined_s"], not pinned),
    ]


def _round_trip_row(measure: str, ours: list[float], sdk: list[float], barred: bool) -> Row:
    ratio = p50(ours) / p50(sdk)
    row = Row(measure, spread(ours), f"SDK {spread(sdk)}", f"1/{1 / ratio:.1f}")
    if barred:
        row.bar, row.met = "≤ 1/20", ratio <= 1 / 20
    return row


def _pipeline_row(measure: str, ours_s: list[float], sdk_s: list[float], barred: bool) -> Row:
    ours, sdk = 1000 / p50(ours_s), 1000 / p50(sdk_s)
    row = Row(measure, f"{ours:,.0f} calls/s", f"SDK {sdk:,.0f} calls/s", f"{ours / sdk:.1f} ×")
    if barred:
        row.bar, row.met = "≥ 20 ×", ours / sdk >= 20
    return row


def _other_peers(setting: Setting) -> list[Row]:
    rows = []
    for peer in (peers.echo(Path(setting.client).parent), peers.fastmcp()):
        samples: Samples = defaultdict(list)
        for _ in range(1 if setting.quick else 2):
            merge(samples, _calls(setting, peer, "modern", False))
        calls = 1000 / p50(samples["pipelined_s"])
        rows.append(Row(f"peer: {peer.name}", "–", f"{spread(samples['sequential_us'])}, {calls:,.0f} calls/s"))
    command = [peers.python_of("ipykernel"), str(peers.SOURCES / "kernel_client.py"), "100" if setting.quick else "300"]
    done = subprocess.run(command, env=peers.clean_environment(), capture_output=True, text=True, timeout=300, check=True)
    kernel = json.loads(done.stdout)
    ready = short(kernel["ready_us"] / 1000)
    rows.append(Row("peer: ipykernel + jupyter_client", "–", f"{spread(kernel['sequential_us'])}, ready in {ready} ms"))
    return rows


def starts(setting: Setting) -> list[Row]:
    """Process start to the first answer and result, by turns with a bare Python."""
    python: list[float] = []
    ours: dict[str, Samples] = {"modern": defaultdict(list), "legacy": defaultdict(list)}
    sdk: Samples = defaultdict(list)
    for turn in range(4 if setting.quick else 12):
        python += ask_client(setting, "run", [setting.python, "-I", "-S", "-c", "pass"], "--repeat", "4")["run_us"]
        for era, samples in ours.items():
            merge(samples, ask_client(setting, "start", setting.ours().command, "--repeat", "3", "--era", era))
        if turn < 3:
            merge(sdk, ask_client(setting, "start", peers.sdk().command, "--repeat", "1"))
    bare = p50(python)
    rows = []
    for era, method in (("modern", "server/discover"), ("legacy", "initialize")):
        first = ours[era]["first_answer_us"]
        result = ours[era]["first_result_us"]
        rows.append(_start_row(f"start → first answer (`{method}`)", first, bare, 1))
        rows.append(_start_row(f"start → first `run_python` result ({era})", result, bare, 6))
    both = f"{short(p50(sdk['first_answer_us']) / 1000)} / {short(p50(sdk['first_result_us']) / 1000)} ms"
    rows.append(Row("peer: SDK, start → first answer / result", "–", both))
    return rows


def _start_row(measure: str, samples: list[float], bare: float, times: int) -> Row:
    ratio = p50(samples) / bare
    bar = "≤ 1 ×" if times == 1 else f"≤ {times} ×"
    reference = f"`python -I -S -c pass` {short(bare / 1000)} ms"
    return Row(measure, spread(samples, "ms", 1e-3), reference, f"{ratio:.2f} ×", bar, ratio <= times)


def new_sessions(setting: Setting) -> list[Row]:
    samples = ask_client(setting, "sessions", setting.ours().command, "--repeat", "30" if setting.quick else "120")
    times = samples["first_result_us"]
    met = p50(times) <= 1000
    return [Row("new session → first result, with spares", spread(times, "ms", 1e-3), bar="p50 ≤ 1 ms", met=met)]


def default_client(binary: str) -> str:
    return os.environ.get("PYEMBER_BENCH_CLIENT") or str(Path(binary).parent / "bench" / "pyember_bench_client")
