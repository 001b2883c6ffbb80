"""Time, CPU and memory are the kernel's own figures for the program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import Runners

MEBIBYTE = 1 << 20
BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\n"
REPORT = ("import json, resource, sys\nu = resource.getrusage(resource.RUSAGE_SELF)\n"
          "print(json.dumps([u.ru_utime, u.ru_stime, u.ru_maxrss * 1024]))\n")


def is_sanitized(runners: Runners) -> bool:
    return b"__asan_" in runners.binary.read_bytes()


def test_the_figures_are_those_the_program_sees_of_itself(anyone: Runners) -> None:
    run = anyone.run_python("x = b'x' * (100 << 20)\n" + BURN + REPORT)
    user, system, peak = json.loads(run.stdout)
    record = run.record()
    assert record["user_seconds"] + record["system_seconds"] == pytest.approx(user + system, abs=0.1)
    assert record["peak_bytes"] == record["largest_process_bytes"]
    assert record["peak_source"] == "largest process"
    assert peak <= record["peak_bytes"] <= peak + 2 * MEBIBYTE
    assert record["wall_seconds"] >= user


def test_the_figures_are_those_of_usr_bin_time(runners: Runners) -> None:
    time = shutil.which("time") or "/usr/bin/time"
    code = "x = b'x' * (80 << 20)\n" + BURN
    if not os.path.exists(time):
        pytest.skip("GNU time is not installed")
    done = subprocess.run([time, "-f", "%U %S %M", runners.python, "-c", code], capture_output=True, text=True, check=True)
    user, system, kibibytes = done.stderr.split()
    record = runners.run_python(code).record()
    assert record["user_seconds"] + record["system_seconds"] == pytest.approx(float(user) + float(system), abs=0.15)
    assert record["peak_bytes"] == pytest.approx(int(kibibytes) * 1024, rel=0.03)


def test_a_small_program_is_not_given_the_runners_memory(runners: Runners) -> None:
    """The peak of a process includes what it was forked from, until exec."""
    if is_sanitized(runners):
        pytest.skip("a sanitized runner is larger than a small program")
    run = runners.start_python("import os, re, time\ntext = open(f'/proc/{os.getppid()}/status').read()\n"
                               "print(re.search(r'VmHWM:\\s+(\\d+)', text).group(1), flush=True)")
    run.wait()
    own_peak = int(run.stdout) * 1024
    small = runners.run("/bin/true").record()["peak_bytes"]
    assert own_peak < small


def test_waited_for_descendants_count_as_the_kernel_counts_them(runners: Runners) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {(BURN + 'x = bytes(150 << 20)')!r}])"
    code = code.replace("bytes(150 << 20)", 'b"x" * (150 << 20)')
    record = runners.run_python(code).record()
    assert record["user_seconds"] + record["system_seconds"] >= 0.55
    assert 150 * MEBIBYTE < record["largest_process_bytes"] < 190 * MEBIBYTE


def test_an_orphans_memory_counts_too(runners: Runners) -> None:
    code = ("import os, time\nif os.fork() == 0:\n    if os.fork() == 0:\n        x = b'x' * (90 << 20); time.sleep(0.1)\n"
            "    os._exit(0)\nos.wait(); time.sleep(1.5)")
    record = runners.run_python(code).record()
    assert record["largest_process_bytes"] > 90 * MEBIBYTE


def samples(folder: Path) -> list[tuple[float, int]]:
    text = (folder / "samples").read_text()
    assert text.endswith("\n")
    return [(float(seconds), int(size)) for seconds, size in map(str.split, text.splitlines())]


def test_the_curve_follows_the_memory_of_the_tree(runners: Runners) -> None:
    hold = "import time; x = b'x' * (60 << 20); time.sleep(0.8)"
    code = f"import subprocess, sys, time\ntime.sleep(0.4)\np = [subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in (1, 2)]\n" \
           "[q.wait() for q in p]\ntime.sleep(0.4)"
    run = runners.run_python(code, options=["--measure", "0.05"])
    curve = samples(run.folder)
    assert [at for at, _ in curve] == sorted(at for at, _ in curve)
    assert curve[-1][0] <= run.record()["wall_seconds"] + 0.1
    sizes = [size for _, size in curve]
    assert 120 * MEBIBYTE < max(sizes) < 220 * MEBIBYTE
    assert sizes[1] < 60 * MEBIBYTE and sizes[-1] < 60 * MEBIBYTE
    assert max(sizes) > run.record()["largest_process_bytes"]  # a tree, not one process


def test_a_run_shorter_than_the_interval_has_a_curve(runners: Runners) -> None:
    run = runners.run_python("import time; time.sleep(0.2)", options=["--measure", "30"])
    assert len(samples(run.folder)) == 1


def test_no_samples_without_being_asked(runners: Runners) -> None:
    assert not (runners.run("/bin/true").folder / "samples").exists()
