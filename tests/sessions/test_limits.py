"""Limits of sessions and of single calls: what the code meets, what is said, and what stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import time

import pytest

from tests.sessions.prompt import Prompt, until
from tests.support.raw_client import RawClient

LOW = {"memory_mb": 100}
GROUPS = Path("/sys/fs/cgroup")


def groups() -> list[Path]:
    """Control groups that servers have made for workers and that are there now."""
    return [each for each in GROUPS.rglob("pyember-worker-*") if each.is_dir()]


def makes_groups() -> bool:
    """Whether this machine lets the server make them: it runs where we run."""
    with RawClient() as client:
        prompt = Prompt(client, "process", limits={"memory_mb": 100, "processes": 5})
        prompt.value("1")
        return any(f"-{client.pid}-" in each.name for each in groups())


@pytest.fixture(scope="module")
def grouped() -> bool:
    return makes_groups()


@pytest.fixture
def auto(client: RawClient) -> Iterator[Prompt]:
    prompt = Prompt(client, "auto")
    yield prompt
    prompt.close()


def told(answer, what: str) -> bool:
    return any(what in notice for notice in answer.notices)


def test_the_limit_that_was_met_is_named_and_the_session_goes_on(client: RawClient, tmp_path: Path) -> None:
    prompt = Prompt(client, "process", limits={"memory_mb": 100, "file_size_mb": 1, "open_files": 60})
    answer = prompt.run("kept = 1\nhoard = bytearray(400_000_000)")
    assert answer.error["type"] == "MemoryError" and told(answer, "100 MB of memory (limits.memory_mb)"), answer
    answer = prompt.run(f"with open({str(tmp_path / 'big')!r}, 'wb') as file: file.write(bytes(2_000_000))")
    assert answer.error["type"] == "OSError" and told(answer, "files of 1 MB (limits.file_size_mb)"), answer
    answer = prompt.run("files = [open('/dev/null') for _ in range(100)]")
    assert answer.error["type"] == "OSError" and told(answer, "60 open files (limits.open_files)"), answer
    assert prompt.run("1 / 0").notices == []
    assert prompt.value("kept") == "1"
    prompt.close()


def test_limits_of_a_later_call_are_that_calls(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    prompt.value("kept = 1")
    answer = prompt.run("hoard = bytearray(400_000_000)", limits=LOW)
    assert answer.error["type"] == "MemoryError" and told(answer, "This call may use 100 MB"), answer
    assert prompt.value("kept, len(bytearray(400_000_000))") == "(1, 400000000)"
    assert prompt.run("files = [open('/dev/null') for _ in range(100)]", limits={"open_files": 40}).error["type"] == "OSError"
    assert prompt.value("len([open('/dev/null') for _ in range(100)])") == "100"
    prompt.close()


def test_a_session_keeps_its_limits_whatever_later_calls_ask(client: RawClient) -> None:
    prompt = Prompt(client, "process", limits=LOW)
    prompt.value("1")
    assert prompt.run("bytearray(400_000_000)", limits={"memory_mb": 4000}).error["type"] == "MemoryError"
    assert prompt.run("import os\nos._exit(1)").status == "lost"
    assert prompt.run("bytearray(400_000_000)", limits={"open_files": 500}).error["type"] == "MemoryError"
    prompt.close()


def test_a_limit_takes_an_auto_session_to_a_worker_for_good(auto: Prompt) -> None:
    auto.value("kept = 41")
    answer = auto.run("kept + 1", limits=LOW)
    assert (answer.result, answer.structured["isolation"]) == ("42", "process"), answer
    assert auto.value("len(bytearray(400_000_000))") == "400000000"  # the limit was that call's


def test_wall_time_of_a_call_and_of_a_session(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    prompt.value("kept = 1")
    answer = prompt.run("import time\ntime.sleep(60)", limits={"wall_seconds": 0.3})
    assert answer.status == "timed_out" and told(answer, "0.3 s of wall time that this call allowed"), answer
    assert prompt.value("kept") == "1"
    prompt.close()

    prompt = Prompt(client, "process", limits={"wall_seconds": 1})
    prompt.value("kept = 1")
    begun = time.monotonic()
    answer = prompt.run("import time\ntime.sleep(60)")
    assert answer.status == "timed_out" and told(answer, "limits.wall_seconds"), answer
    assert time.monotonic() - begun < 30
    after = prompt.run("kept")
    assert after.status == "raised" and after.error["type"] == "WallTimeExceeded" and "was not run" in after.error["message"], after
    prompt.close()


def test_cpu_time_of_a_session_ends_the_cell_then_the_session(client: RawClient) -> None:
    prompt = Prompt(client, "process", limits={"cpu_seconds": 1})
    answer = prompt.run("while True: pass", timeout=60)
    assert answer.status == "raised" and "1 s of CPU time" in answer.error["message"], answer
    answer = prompt.run("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", timeout=100, wait=120)
    assert answer.status == "lost" and "CPU" in answer.text, answer
    assert prompt.value("1") == "1"
    prompt.close()


@pytest.mark.parametrize("limits", [
    {"memory_mb": 0}, {"memory_mb": 1}, {"memory_mb": 1e30}, {"cpu_seconds": -1}, {"wall_seconds": 0}, {"processes": 1.5},
    {"processes": 0}, {"open_files": -5}, {"file_size_mb": 0}, {"unheard_of": 1}, {"memory_mb": "much"}, {"memory_mb": True},
], ids=str)  # fmt: skip
def test_limits_of_no_sense_are_refused_before_anything_runs(client: RawClient, limits: dict[str, object]) -> None:
    answer = client.tool("run_python", code="1", session="never-made", limits=limits)
    assert answer.is_error and "not run" in answer.text and str(next(iter(limits))) in answer.text, answer


def test_the_least_memory_serves_a_session(client: RawClient) -> None:
    prompt = Prompt(client, "process", limits={"memory_mb": 16})
    assert prompt.value("import json\njson.dumps([1])") == "'[1]'"
    assert prompt.run("bytearray(100_000_000)").error["type"] == "MemoryError"
    assert prompt.run("def deep(n): return deep(n + 1)\ndeep(0)").error["type"] == "RecursionError"
    prompt.close()


# --- what only control groups can count --------------------------------------------------------------

EATERS = """
import subprocess, sys, time
eater = "import time; kept = bytearray(60_000_000); kept[::4096] = b'x' * len(kept[::4096]); print('full', flush=True); time.sleep(600)"
eaters = [subprocess.Popen([sys.executable, '-c', eater], stdout=subprocess.PIPE) for _ in range(4)]
lines = [each.stdout.readline() for each in eaters]
until = time.monotonic() + 20
while time.monotonic() < until and not any(each.poll() for each in eaters):
    time.sleep(0.01)
f'killed: {sum(each.poll() == -9 for each in eaters)}'
"""


def test_memory_of_a_session_and_its_children_together(client: RawClient, grouped: bool) -> None:
    if not grouped:
        pytest.skip("control groups can't be made here")
    prompt = Prompt(client, "process", limits={"memory_mb": 120})
    answer = prompt.run(EATERS, timeout=60, wait=90)
    assert client.alive()
    if answer.status == "lost":
        assert "killed for memory" in answer.text and "120 MB" in answer.text.replace("114 MB", "120 MB"), answer
    else:
        # Which ones is up to the kernel: one that had said "full" may go, to make room for another.
        assert str(answer.result) in ("'killed: 1'", "'killed: 2'", "'killed: 3'"), answer
        assert told(answer, "The kernel killed a process that the session had started, for memory"), answer
        assert prompt.value("1 + 1") == "2"
    prompt.close()


def test_checkpoints_take_none_of_a_sessions_processes_and_memory(client: RawClient, grouped: bool) -> None:
    """They are written by a child of the worker, a second after a cell: right when the next one runs."""
    if not grouped:
        pytest.skip("control groups can't be made here")
    prompt = Prompt(client, "process", limits={"processes": 1, "memory_mb": 200})
    prompt.run("import subprocess\nheld = [list(range(50_000)) for _ in range(40)]")
    for number in range(4):
        prompt.run(f"x = {number}")
        time.sleep(1.0 + number * 0.05)
        for _ in range(20):
            assert prompt.value("subprocess.run(['true']).returncode") == "0"
    prompt.close()


def test_a_worker_over_its_groups_memory_is_killed_for_memory(client: RawClient, grouped: bool) -> None:
    """By a mapping that setrlimit counts where it is made and the group where it is used: in a child
    of the worker that has its memory to itself."""
    if not grouped:
        pytest.skip("control groups can't be made here")
    prompt = Prompt(client, "process", limits={"memory_mb": 100})
    code = "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        held = bytearray(60_000_000)\n        held[::4096] = b'x' * len(held[::4096])\n        os.pause() if hasattr(os, 'pause') else __import__('signal').pause()\nimport time\ntime.sleep(3)\n'over'"
    answer = prompt.run(code, timeout=60, wait=90)
    assert answer.status in ("completed", "lost") and "memory" in answer.text, answer
    assert client.alive()
    prompt.close()


def test_processes_of_a_session_are_bounded_for_root_too(client: RawClient, grouped: bool) -> None:
    if not grouped and os.geteuid() == 0:
        pytest.skip("control groups can't be made here, and the kernel counts no processes of root's")
    prompt = Prompt(client, "process", limits={"processes": 5})
    answer = prompt.run("import subprocess\nchildren = []\nfor _ in range(50): children.append(subprocess.Popen(['sleep', '600']))", wait=120)
    assert answer.status == "raised" and told(answer, "5 processes and threads (limits.processes)"), answer
    if grouped:
        assert prompt.value("len(children)") == "5"
    assert prompt.value("for each in children: each.kill(), each.wait()\nlen([subprocess.run(['true']) for _ in range(20)])") == "20"
    prompt.close()


def test_no_control_group_is_left_over(grouped: bool) -> None:
    if not grouped:
        pytest.skip("control groups can't be made here")
    with RawClient() as client:
        mine = f"-{client.pid}-"
        prompts = [Prompt(client, "process", limits={"memory_mb": 200, "processes": 20}) for _ in range(3)]
        for prompt in prompts:
            prompt.value("1")
        assert any(mine in each.name for each in groups())
        prompts[0].close()
        assert prompts[1].run("import os\nos.kill(os.getpid(), 9)").status == "lost"
        until(lambda: sum(mine in each.name for each in groups()) <= 2, "the removal of two workers' groups")
    assert not [each for each in groups() if mine in each.name]


def test_groups_of_a_server_that_was_killed_are_removed_by_the_next(grouped: bool) -> None:
    if not grouped:
        pytest.skip("control groups can't be made here")
    with RawClient() as killed:
        Prompt(killed, "process", limits=LOW).value("1")
        mine = f"-{killed.pid}-"
        assert any(mine in each.name for each in groups())
        killed.process.kill()
        killed.process.wait()

    def gone() -> bool:
        with RawClient() as client:
            Prompt(client, "process", limits=LOW).value("1")
        return not any(mine in each.name for each in groups())

    until(gone, "the removal of the groups of a server that was killed")
