"""Ends of the server: its stdin closes or a signal comes, whatever its sessions are doing.

It must go at once, with its exit code, and take along every child its sessions have left running.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field

from tests.support.raw_client import RawClient, descendants

# What the sessions do when the end comes.
BUSY = [
    "while True: pass",
    "import time\ntime.sleep(600)",
    "sum(range(10**11))",
    "import subprocess\nsubprocess.run(['sleep', '600'])",
    "import subprocess\nchildren = [subprocess.Popen(['sleep', '600']) for _ in range(5)]",
    "import subprocess\nsubprocess.Popen(['sh', '-c', 'trap \"\" TERM; while :; do sleep 1; done'])",
    "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin).start()",
    "while True: print('x' * 1000)",
    "import asyncio\nawait asyncio.sleep(600)",
    "x = 1",
]


@dataclass
class EndingsReport:
    rounds: int = 0
    seconds: list[float] = field(default_factory=list)  # from the end's cause to the exit
    problems: list[str] = field(default_factory=list)


def run_endings(rounds: int, seed: int, wait: float = 20.0) -> EndingsReport:
    report = EndingsReport()
    chance = random.Random(seed)
    for number in range(rounds):
        _one_end(report, chance, number, wait)
    return report


def _one_end(report: EndingsReport, chance: random.Random, number: int, wait: float) -> None:
    client = RawClient(["serve"])
    try:
        codes = chance.sample(BUSY, 3)
        for index, code in enumerate(codes):
            client.send_cell(code, f"busy-{index}", timeout=600)
        time.sleep(chance.uniform(0.0, 0.6))
        children = descendants(client.pid)
        how = chance.choice(["stdin closes", "SIGTERM", "SIGINT"])
        begin = time.monotonic()
        if how == "stdin closes":
            client.process.stdin.close()  # type: ignore[union-attr]
        else:
            client.process.send_signal(getattr(signal, how))
        code = client.process.wait(wait)
        report.seconds.append(time.monotonic() - begin)
        report.rounds += 1
        expected = (0,) if how == "stdin closes" else (0, 143, 130, -signal.SIGTERM, -signal.SIGINT)
        if code not in expected:
            report.problems.append(f"round {number}, {how}, {codes}: exit code {code}")
        left = [pid for pid in children if _runs(pid)]
        if left:
            report.problems.append(f"round {number}, {how}, {codes}: children left running: {left}")
    except Exception as problem:  # each round stands for itself; the report tells
        report.problems.append(f"round {number}: {type(problem).__name__}: {problem}")
    finally:
        client.kill()


def _runs(pid: int) -> bool:
    deadline = time.monotonic() + 2.5  # a last `sleep 1` of a shell that is gone may end by itself
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                state = stat.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
    return True
