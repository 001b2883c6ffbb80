"""Limits are the kernel's, and the record says how each is kept and which one ended the run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from conftest import Runners

MEBIBYTE = 1 << 20
EAT = ("import sys\nkept = []\ntry:\n    for _ in range(40): kept.append(b'x' * (16 << 20))\n"
       "except MemoryError:\n    sys.exit('no memory')\nprint('ate it all')")


def test_a_run_within_its_limits_is_not_disturbed(anyone: Runners) -> None:
    run = anyone.run_python("print('fine')", options=["--memory", str(512 * MEBIBYTE), "--cpu", "20", "--file-size",
                                                      str(MEBIBYTE), "--processes", "40"])
    record = run.record()
    assert record["error"] is None
    assert (record["exit_code"], record["limit"], run.stdout) == (0, None, b"fine\n")
    assert set(record["kept_by"]) == {"memory", "cpu", "file_size", "processes"}


def test_memory_is_limited(anyone: Runners) -> None:
    run = anyone.run_python(EAT, options=["--memory", str(200 * MEBIBYTE)])
    record = run.record()
    assert b"ate it all" not in run.stdout
    if record["kept_by"]["memory"] == "cgroup":
        assert (record["limit"], record["exit_code"]) == ("memory", -9)
        assert record["peak_source"] == "cgroup"
        assert 150 * MEBIBYTE < record["peak_bytes"] <= 200 * MEBIBYTE
    else:
        assert record["kept_by"]["memory"] == "address_space"
        assert run.stderr.strip() == b"no memory"
        assert (record["limit"], record["exit_code"]) == (None, 1)
        assert record["largest_process_bytes"] < 200 * MEBIBYTE


def test_memory_of_a_whole_tree_is_limited_where_a_control_group_can_be_made(runners: Runners) -> None:
    code = ("import subprocess, sys\neat = 'x = b\"x\" * (60 << 20); import time; time.sleep(2)'\n"
            "children = [subprocess.Popen([sys.executable, '-c', eat]) for _ in range(5)]\n"
            "sys.exit(sum(child.wait() != 0 for child in children))")
    record = runners.run_python(code, options=["--memory", str(200 * MEBIBYTE)]).record()
    if record["kept_by"]["memory"] == "cgroup":
        assert record["limit"] == "memory" and record["exit_code"] != 0
    else:  # each by itself is small enough
        assert record["exit_code"] == 0


def test_cpu_time_is_limited(anyone: Runners) -> None:
    run = anyone.run_python("while True: pass", options=["--cpu", "1", "--timeout", "25"])
    record = run.record()
    assert (record["limit"], record["exit_code"], record["timed_out"]) == ("cpu", -24, False)
    assert 0.9 <= record["user_seconds"] + record["system_seconds"] < 3
    assert record["kept_by"] == {"cpu": "each_process"}


def test_a_program_that_ignores_the_cpu_signal_is_killed(runners: Runners) -> None:
    run = runners.run_python("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
                             options=["--cpu", "1", "--timeout", "25"])
    assert (run.record()["limit"], run.record()["exit_code"]) == ("cpu", -9)


def test_sleeping_costs_no_cpu_time(runners: Runners) -> None:
    record = runners.run_python("import time; time.sleep(1.3)", options=["--cpu", "1"]).record()
    assert (record["limit"], record["exit_code"]) == (None, 0)


def test_the_size_of_files_is_limited(anyone: Runners) -> None:
    code = ("import os, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
            "with open(sys.argv[1] + '/big', 'wb') as f:\n    for _ in range(100): f.write(b'x' * 65536); f.flush()")
    folder = anyone.folder()
    run = anyone.run_python(code, str(folder), folder=folder, options=["--file-size", str(MEBIBYTE)])
    record = run.record()
    assert (record["limit"], record["exit_code"]) == ("file_size", -25)
    assert (folder / "big").stat().st_size == MEBIBYTE


def test_output_counts_as_a_file(anyone: Runners) -> None:
    run = anyone.run_python("import os\nfor _ in range(100): os.write(1, b'x' * 65536)", options=["--file-size", str(MEBIBYTE)])
    record = run.record()
    assert len(run.stdout) == MEBIBYTE
    assert b"File too large" in run.stderr
    assert (record["limit"], record["exit_code"]) == ("file_size", 1)


def test_the_runners_own_files_are_not_limited(runners: Runners) -> None:
    run = runners.run("/bin/true", options=["--file-size", "1"])
    assert (run.record()["exit_code"], run.record()["limit"]) == (0, None)


FORK = ("import os, sys, time\nmade = 0\ntry:\n    for _ in range(60):\n"
        "        if os.fork() == 0:\n            time.sleep(3); os._exit(0)\n        made += 1\n"
        "except BlockingIOError:\n    print(made); sys.exit(9)\nprint(made)")


def test_the_number_of_processes_is_limited(anyone: Runners) -> None:
    run = anyone.run_python(FORK, options=["--processes", "12"])
    record = run.record()
    assert record["error"] is None
    assert (int(run.stdout), record["exit_code"]) == (11, 9)  # and itself
    way = record["kept_by"]["processes"]
    assert way in ("cgroup", "user_namespace")
    assert record["limit"] == ("processes" if way == "cgroup" else None)


def test_other_processes_of_the_same_user_do_not_count(anyone: Runners) -> None:
    sleepers = [subprocess.Popen([*anyone.as_user(), "sleep", "60"]) for _ in range(15)]
    try:
        run = anyone.run_python(FORK, options=["--processes", "12"])
        assert int(run.stdout) == 11
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_two_runs_are_counted_apart(anyone: Runners) -> None:
    runs = [anyone.start_python(FORK, options=["--processes", "20"]) for _ in range(2)]
    for run in runs:
        run.wait()
        assert int(run.stdout) == 19


def test_limits_do_not_change_who_the_program_is(anyone: Runners) -> None:
    code = "import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.access('/etc/passwd', os.R_OK))"
    plain = anyone.run_python(code).stdout
    limited = anyone.run_python(code, options=["--processes", "20", "--memory", str(256 * MEBIBYTE), "--no-network"])
    assert limited.record()["error"] is None
    assert limited.stdout == plain


def test_control_groups_are_removed(anyone: Runners) -> None:
    for _ in range(3):
        run = anyone.run_python("pass", options=["--processes", "9", "--memory", str(256 * MEBIBYTE)])
        assert run.record()["error"] is None
        left = [path for path in Path("/sys/fs/cgroup").glob(f"**/pyember-run-{run.process.pid}")]
        assert left == []


def test_control_groups_are_removed_when_the_runner_is_killed(runners: Runners) -> None:
    run = runners.start_python("import os, time; print(os.getppid(), flush=True); time.sleep(60)",
                               options=["--processes", "9", "--memory", str(256 * MEBIBYTE)])
    (worker,) = map(int, run.said())
    os.kill(worker, signal.SIGKILL)
    assert run.wait()["error_kind"] == "lost"
    assert list(Path("/sys/fs/cgroup").glob(f"**/pyember-run-{run.process.pid}")) == []


def without_namespaces() -> list[str]:
    """A user namespace in which no further namespace can be made, and whose root is nobody real."""
    close = "echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\""
    return ["unshare", "--user", "--map-root-user", "--", "/bin/sh", "-c", close, "sh"]


def test_processes_that_can_not_be_limited_are_refused(ordinary: Runners) -> None:
    run = ordinary.run_python("print('ran')", options=["--processes", "5"], before=without_namespaces())
    record = run.record()
    assert record["error_kind"] == "limits"
    assert "the kernel refused a user namespace" in record["error"] and "leave the limit out" in record["error"]
    assert record["exit_code"] == 127
    assert not (run.folder / "stdout").exists() or run.stdout == b""
