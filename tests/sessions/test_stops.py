"""Cells that must be stopped: the session and its names are there afterwards, in every room.

The same runaways as tests/hostile/test_stops.py, which holds the in-process room to its margins.
"""

from __future__ import annotations

import time

import pytest

from tests.hostile.stoppable_code import LOOPS, STUBBORN_WAITS, WAITS
from tests.sessions.prompt import Prompt

TIMEOUT = 0.25
# Far above what any stop needs, even on a busy machine.
LATEST = 20.0

STOPPABLE = {**LOOPS, **WAITS, **STUBBORN_WAITS}
# Code in C that never looks: stopping it costs the session.
UNSTOPPABLE = {
    "sum over a range": "sum(range(10**11))",
    "an endless iterator consumed in C": "import collections, itertools\ncollections.deque(itertools.count(), 0)",
}


@pytest.mark.parametrize("name", STOPPABLE)
def test_a_timeout_leaves_the_session_intact(prompt: Prompt, name: str) -> None:
    prompt.value("kept = 41")
    answer = prompt.run(STOPPABLE[name], timeout=TIMEOUT)
    assert answer.status == "timed_out", answer
    assert answer.seconds < LATEST
    assert prompt.value("kept + 1") == "42"


@pytest.mark.parametrize("name", ["plain loop", "loop that swallows BaseException", "time.sleep", "Lock", "Queue",
                                  "socket recv", "select.select", "subprocess.run", "asyncio.sleep"])
def test_an_interrupt_leaves_the_session_intact(prompt: Prompt, name: str) -> None:
    prompt.value("kept = 41")
    running = prompt.send("print('begun')\n" + STOPPABLE[name], timeout=600)
    time.sleep(0.15)
    interrupted = prompt.tool("interrupt_session")
    assert interrupted.structured["interrupted"] is True
    answer = running.wait(LATEST)["result"]["structuredContent"]
    assert (answer["status"], answer["stdout"]) == ("interrupted", "begun\n"), answer
    assert prompt.value("kept + 1") == "42"


@pytest.mark.parametrize("name", UNSTOPPABLE)
def test_code_in_c_costs_the_session_and_the_next_call_says_so(prompt: Prompt, name: str) -> None:
    prompt.value("kept = 41")
    answer = prompt.run(UNSTOPPABLE[name], timeout=TIMEOUT)
    assert answer.status == "lost" and answer.seconds < LATEST, answer
    after = prompt.run("'kept' in globals()")
    assert (after.status, after.result) == ("completed", "False"), after
    assert "lost" in " ".join(after.notices), after


def test_the_stopped_cells_traceback_shows_where_it_was(prompt: Prompt) -> None:
    answer = prompt.run("import time\ndef wait_long():\n    time.sleep(600)  # right here\nwait_long()", timeout=TIMEOUT)
    assert answer.status == "timed_out" and "# right here" in answer.error["traceback"], answer
    assert "mcp_runtime" not in answer.error["traceback"]


def test_a_cell_may_catch_the_interrupt_and_end(prompt: Prompt) -> None:
    code = "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass\n'tidied up'"
    answer = prompt.run(code, timeout=TIMEOUT)
    # On a busy machine it may be too slow, and be insisted on.
    assert (answer.status, answer.result) in (("completed", "'tidied up'"), ("timed_out", None)), answer
    assert prompt.value("1 + 1") == "2"


def test_finally_blocks_run_when_a_cell_is_stopped(prompt: Prompt) -> None:
    answer = prompt.run("done = []\ntry:\n    while True: pass\nfinally:\n    done.append('cleaned')", timeout=TIMEOUT)
    assert answer.status == "timed_out", answer
    assert prompt.value("done") == "['cleaned']"


def test_a_stop_never_hits_the_next_cell(prompt: Prompt) -> None:
    for _ in range(25):
        prompt.run("import time\ntime.sleep(0.01)", timeout=0.012)
        assert prompt.value("sum(n for n in range(2000))") == "1999000"


def test_interrupting_an_idle_session_says_so(prompt: Prompt) -> None:
    prompt.value("1")
    assert prompt.tool("interrupt_session").structured["interrupted"] is False
    assert prompt.value("1 + 1") == "2"


def test_a_child_is_ended_with_the_session_not_with_the_cell(prompt: Prompt) -> None:
    prompt.value("import subprocess\nchild = subprocess.Popen(['sleep', '600'])")
    assert prompt.run("while True: pass", timeout=TIMEOUT).status == "timed_out"
    assert prompt.value("child.poll()") is None


def test_a_signal_handler_of_the_users_own_is_no_trouble(prompt: Prompt) -> None:
    prompt.run("import signal\ntry: signal.signal(signal.SIGINT, signal.SIG_IGN)\nexcept ValueError: pass\nkept = 1")
    answer = prompt.run("while True: pass", timeout=TIMEOUT)
    assert answer.status in ("timed_out", "lost"), answer
    assert answer.seconds < LATEST
    assert prompt.value("1 + 1") == "2"
