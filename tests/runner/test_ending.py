"""Timeouts, cancellation and killed runners end the whole tree, wherever its processes have moved to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from conftest import Run, Runners, is_alive, until

# Makes four processes: the child, one in a session of its own, one in a group of its own, and one
# that a parent left behind. All ignore SIGTERM and SIGHUP, print their pids and sleep.
STUBBORN_TREE = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
def born(prepare):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        prepare()
        os.write(write, str(os.getpid()).encode())
        while True: time.sleep(60)
    os.close(write)
    return os.read(read, 20).decode()
def orphan():
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
pids = [str(os.getpid()), born(os.setsid), born(lambda: os.setpgid(0, 0)), born(orphan)]
print('half a line', end='', file=sys.stderr, flush=True)
print(*pids, flush=True)
"""
SLEEP = "\nwhile True: time.sleep(60)\n"


def pids_of(runners: Runners, run: Run, count: int) -> list[int]:
    pids = [int(word) for word in run.said()]
    assert len(set(pids)) == count
    runners.pids += pids
    return pids


def test_a_timeout_ends_a_tree_that_ignores_term(anyone: Runners) -> None:
    run = anyone.start_python(STUBBORN_TREE + SLEEP, options=["--timeout", "2", "--grace", "0.3"])
    pids = pids_of(anyone, run, 4)
    record = run.wait()
    assert not [pid for pid in pids if is_alive(pid)]
    assert (record["timed_out"], record["cancelled"], record["exit_code"]) == (True, False, -9)
    assert record["wall_seconds"] > 2.25  # both waits, each rounded to its clock's ticks
    assert run.stderr == b"half a line\n[TIMEOUT]\n"
    assert run.stdout.split() == [str(pid).encode() for pid in pids]


def test_a_timeout_of_a_program_that_heeds_term_needs_no_kill(anyone: Runners) -> None:
    run = anyone.run_python("import time\nprint('a', flush=True)\ntime.sleep(60)",
                            options=["--timeout", "1.5", "--grace", "20"])
    record = run.record()
    assert (record["timed_out"], record["exit_code"]) == (True, -signal.SIGTERM)
    assert record["wall_seconds"] < 15
    assert run.stdout == b"a\n"
    assert run.stderr == b"[TIMEOUT]\n"


def test_a_program_may_say_a_last_word_after_the_timeout(runners: Runners) -> None:
    run = runners.run_python("import signal, sys, time\n"
                             "signal.signal(signal.SIGTERM, lambda *_: (print('bye', file=sys.stderr), sys.exit(7)))\n"
                             "time.sleep(60)", options=["--timeout", "1.5", "--grace", "20"])
    assert run.record()["exit_code"] == 7
    assert run.record()["timed_out"]
    assert run.stderr == b"bye\n[TIMEOUT]\n"


def test_a_stopped_process_hears_the_timeout_too(runners: Runners) -> None:
    run = runners.run_python("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
                             options=["--timeout", "0.5", "--grace", "20"])
    assert run.record()["exit_code"] == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_runner_cancels(anyone: Runners, number: signal.Signals) -> None:
    run = anyone.start_python(STUBBORN_TREE + SLEEP, options=["--grace", "0.3"])
    pids = pids_of(anyone, run, 4)
    run.process.send_signal(number)
    record = run.wait()
    assert not [pid for pid in pids if is_alive(pid)]
    assert (record["timed_out"], record["cancelled"], record["exit_code"]) == (False, True, -9)
    assert run.stderr == b"half a line"


def test_a_program_that_ended_before_it_was_cancelled_is_not_cancelled(runners: Runners) -> None:
    run = runners.start_python("import os, signal; print(os.getppid(), os.getpid(), flush=True); signal.pause()")
    worker, child = pids_of(runners, run, 2)
    os.kill(worker, signal.SIGSTOP)
    os.kill(child, signal.SIGUSR1)
    until(lambda: not is_alive(child), "the child has ended")
    os.kill(worker, signal.SIGTERM)  # waits beside SIGCHLD until the worker goes on
    os.kill(worker, signal.SIGCONT)
    record = run.wait()
    assert (record["exit_code"], record["cancelled"]) == (-signal.SIGUSR1, False)


def test_a_hangup_is_ignored(runners: Runners) -> None:
    run = runners.start_python("import time; print('up', flush=True); time.sleep(0.5)")
    run.said()
    run.process.send_signal(signal.SIGHUP)
    assert run.wait()["exit_code"] == 0


def test_a_runner_has_a_session_of_its_own(runners: Runners) -> None:
    """Else a Ctrl+C or a hang-up of the server's terminal would reach it."""
    run = runners.start_python("import os, time; print(os.getsid(0), os.getpgid(0), os.getpid(), flush=True); time.sleep(60)")
    session, group, child = map(int, run.said())
    assert session == run.process.pid != os.getsid(0)
    assert group == child  # kill(0, …) in the program does not reach the runner


def test_a_program_that_signals_its_group_does_not_hit_the_runner(runners: Runners) -> None:
    record = runners.run_python("import os, signal; os.kill(0, signal.SIGKILL)").record()
    assert (record["exit_code"], record["cancelled"], record["error"]) == (-9, False, None)


@pytest.mark.parametrize("victim", ["keeper", "worker"])
def test_a_killed_runner_takes_its_tree_along(anyone: Runners, victim: str) -> None:
    """The keeper is the process that the server started; the worker is the child's parent."""
    run = anyone.start_python("print(os.getppid(), end=' ')\n".join(["import os\n", STUBBORN_TREE]) + SLEEP,
                              options=["--grace", "0.3"])
    worker, *pids = pids_of(anyone, run, 5)
    assert run.process.pid == run.runner()["pid"] != worker
    os.kill(run.process.pid if victim == "keeper" else worker, signal.SIGKILL)
    until(lambda: not [pid for pid in (worker, *pids) if is_alive(pid)], "the tree is gone")
    until((run.folder / "exit").exists, "the end is recorded")
    record = run.record()
    assert record["exit_code"] == -9
    if victim == "keeper":
        assert record["cancelled"]
    else:
        run.process.wait(10)
        assert record["error_kind"] == "lost"
        assert "its runner was" in record["error"] and "start the run again" in record["error"]


def test_when_both_halves_of_the_runner_are_killed_the_child_dies(anyone: Runners) -> None:
    run = anyone.start_python("import os, time; print(os.getppid(), os.getpid(), flush=True); time.sleep(60)")
    worker, child = pids_of(anyone, run, 2)
    os.kill(run.process.pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    os.kill(run.process.pid, signal.SIGKILL)
    until(lambda: not is_alive(child), "the child is gone")
    run.process.wait(10)
    assert not (run.folder / "exit").exists()


def test_what_a_program_leaves_behind_is_ended_before_the_record(anyone: Runners) -> None:
    run = anyone.run_python(STUBBORN_TREE)
    pids = pids_of(anyone, run, 4)
    assert not [pid for pid in pids if is_alive(pid)]
    record = run.record()
    assert (record["exit_code"], record["timed_out"], record["cancelled"]) == (0, False, False)
    assert run.stderr == b"half a line"


def test_what_is_left_behind_does_not_count_as_time_of_the_run(runners: Runners) -> None:
    started = time.monotonic()
    run = runners.run_python("import os, signal, time\nready, tell = os.pipe()\nif os.fork() == 0:\n"
                             "    signal.signal(signal.SIGTERM, signal.SIG_IGN); os.write(tell, b'1'); time.sleep(60)\n"
                             "os.read(ready, 1)")
    # limits::kLeftoverGrace passes after the end of the program and before that of the runner.
    assert time.monotonic() - started - run.record()["wall_seconds"] >= 0.5
    assert run.record()["exit_code"] == 0


def test_a_background_helper_may_clean_up_by_itself(runners: Runners) -> None:
    """As multiprocessing's resource tracker does: it ignores SIGTERM and ends with its pipe."""
    run = runners.run_python("import os, signal, sys\nread, write = os.pipe()\nready, tell = os.pipe()\n"
                             "if os.fork() == 0:\n"
                             "    signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(write); os.write(tell, b'1')\n"
                             "    os.read(read, 1); os.write(1, b'cleaned up')\n    os._exit(0)\n"
                             "os.read(ready, 1)")
    assert run.stdout == b"cleaned up"


def test_a_forking_tree_can_not_outrun_the_kill(anyone: Runners) -> None:
    """Each process replaces itself all the time, in new sessions too; the witness must stop."""
    folder = anyone.folder()
    code = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 25
generation = 0
for _ in range(3): os.fork()
while time.monotonic() < end:
    generation += 1
    if os.fork(): os._exit(0)
    if generation % 7 == 0: os.setsid()
    os.utime(sys.argv[1])
    time.sleep(0.002)
"""
    witness = folder / "witness"
    witness.touch()
    witness.chmod(0o666)
    started = time.monotonic()
    run = anyone.start_python("import subprocess, sys, time\n"
                              "subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]])\ntime.sleep(60)",
                              str(witness), code, folder=folder, options=["--timeout", "1.5", "--grace", "0.2"])
    record = run.wait()
    assert record["timed_out"]
    assert time.monotonic() - started < 20  # before they would have ended by themselves
    last = witness.stat().st_mtime
    time.sleep(0.3)
    assert witness.stat().st_mtime == last


def test_signals_reach_the_program_as_by_default(runners: Runners) -> None:
    """The server ignores SIGPIPE, and may block others."""
    code = ("import re\ntext = open('/proc/self/status').read()\n"
            "print(*re.findall(r'Sig(?:Blk|Ign):\\s+(\\w+)', text))")

    def as_a_server_might() -> None:
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2, signal.SIGCHLD])

    run = runners.run("/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status", preexec_fn=as_a_server_might)
    assert [int(line.split()[1], 16) for line in run.stdout.decode().splitlines()] == [0, 0], code


def test_a_zero_timeout_is_none(runners: Runners) -> None:
    assert not runners.run_python("import time; time.sleep(0.3)", options=["--timeout", "0"]).record()["timed_out"]


def test_nothing_is_left_of_two_hundred_short_runs(runners: Runners) -> None:
    before = _runner_processes(runners.binary)
    runs = [runners.start("/bin/true") for _ in range(200)]
    for run in runs:
        assert run.wait(60)["exit_code"] == 0
    assert _runner_processes(runners.binary) == before


def _runner_processes(binary: Path) -> int:
    count = 0
    for link in Path("/proc").glob("[0-9]*/exe"):
        try:
            count += os.readlink(link) == str(binary)
        except OSError:
            pass
    return count
