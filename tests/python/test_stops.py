"""A cell that is asked to stop ends as stopped, shows where it was, and leaves a usable session.

Here a timer signal stands for the server's stopper: its handler raises KeyboardInterrupt in the
main thread, exactly where CPython would raise the server's, and only inside a stoppable region.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prompt import Prompt
from stopper import Stopper


@pytest.fixture
def native() -> Iterator[Any]:
    stopper = Stopper()
    kept = signal.signal(signal.SIGALRM, stopper.on_signal)
    yield stopper
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, kept)


def stop(prompt: Prompt, code: str, seconds: float = 0.05) -> Any:
    prompt.native.stop_after(seconds)
    cell = prompt.stopped(code)
    signal.setitimer(signal.ITIMER_REAL, 0)
    prompt.native.requested = False
    return cell


LOOPS = {
    "a loop": "while True:\n    pass",
    "a sleep": "import time\ntime.sleep(30)",
    "a function": "def f():\n    while True: pass\nf()",
    "a comprehension": "[0 for _ in iter(int, 1)]",
    "a repr": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "a lock": "import threading\nl = threading.Lock(); l.acquire(); l.acquire()",
    "a queue": "import queue\nqueue.Queue().get()",
    "a child": "import subprocess\nsubprocess.run(['sleep', '30'])",
    "an import": "import sys, types\nclass F:\n    def find_spec(self, *a):\n        while True: pass\n"
    "sys.meta_path.insert(0, F())\ntry:\n    import no_such_thing\nfinally:\n    del sys.meta_path[0]",
    "a cell with await": "import asyncio\nawait asyncio.sleep(30)",
    "a loop in a coroutine": "import asyncio\nasync def f():\n    while True: pass\nawait f()",
    "a loop that yields": "import asyncio\nwhile True: await asyncio.sleep(0)",
    "asyncio.run": "import asyncio\nasyncio.run(asyncio.sleep(30))",
    "a background task": "import asyncio\nasync def f():\n    while True: pass\nt = asyncio.create_task(f())\nawait asyncio.sleep(30)",
}


# subprocess.run() leaves its killed child to be reaped later, and says so when collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("code", LOOPS.values(), ids=LOOPS.keys())
def test_it_is_stopped_and_the_session_goes_on(prompt: Prompt, code: str) -> None:
    prompt.value("x = 5")
    cell = stop(prompt, code)
    assert cell.type == "KeyboardInterrupt"
    assert cell.traceback.endswith("KeyboardInterrupt\n")
    assert '"<cell 2>"' in cell.traceback
    assert "mcp_runtime" not in cell.traceback
    assert prompt.value("x") == "5"
    assert prompt.value("import asyncio\nawait asyncio.sleep(0.001, 'ok')") == "'ok'"
    assert prompt.value("asyncio.run(asyncio.sleep(0.001, 'ok'))") == "'ok'"


def test_the_place_where_a_task_waited_is_shown(prompt: Prompt) -> None:
    prompt.value("import asyncio\nasync def waits():\n    await asyncio.sleep(30)  # here")
    traceback = stop(prompt, "x = 1\nawait waits()  # from here").traceback
    assert "# from here" in traceback and "# here" in traceback


def test_a_stopped_await_runs_its_clean_up(prompt: Prompt) -> None:
    prompt.value("import asyncio\nseen = []")
    stop(prompt, "try:\n    await asyncio.sleep(30)\nfinally:\n    await asyncio.sleep(0)\n    seen.append('cleaned')")
    assert prompt.value("seen") == "['cleaned']"


# A stop between making a coroutine and awaiting it leaves one that was never awaited.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_busy_await_is_stopped_wherever_the_stop_falls(prompt: Prompt) -> None:
    """Between two callbacks the loop holds one that is neither queued nor run; none may get lost."""
    prompt.value("import asyncio\nasync def busy():\n    while True: await asyncio.sleep(0)")
    for round in range(100):
        assert stop(prompt, "await busy()", 0.002 + round * 0.00003).notices == ()


def test_a_task_that_waits_or_is_queued_is_not_taken_for_stranded() -> None:
    from mcp_runtime.event_loop import _is_stranded

    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def look() -> None:
        loop = asyncio.get_running_loop()
        started, yielding, waiting = (loop.create_task(wait(s)) for s in (0, 0, 30))
        assert not _is_stranded(started, loop)
        await asyncio.sleep(0)
        assert not _is_stranded(yielding, loop)
        assert not _is_stranded(waiting, loop)
        waiting._fut_waiter.set_result(None)
        assert waiting._fut_waiter.done()
        assert not _is_stranded(waiting, loop)
        await waiting
        assert not _is_stranded(waiting, loop)

    asyncio.run(look())


def test_a_task_whose_next_step_was_lost_goes_on() -> None:
    from mcp_runtime.event_loop import _mend

    async def work() -> int:
        await asyncio.sleep(0)
        return 5

    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(work())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop._ready.clear()  # type: ignore[attr-defined]
        _mend(loop, KeyboardInterrupt())
        assert loop.run_until_complete(asyncio.wait_for(task, 5)) == 5
    finally:
        loop.close()


def test_a_task_that_survives_its_cancellation_is_told(prompt: Prompt) -> None:
    code = (
        "import asyncio\ndone = []\nwhile not done:\n    try:\n        await asyncio.sleep(30)\n"
        "    except asyncio.CancelledError:\n        pass"
    )
    cell = stop(prompt, code)
    assert "did not end" in cell.notices[0]
    prompt.session.namespace["done"].append(1)
    assert prompt.value("1 + 1") == "2"


def test_background_tasks_survive_a_stopped_cell(prompt: Prompt) -> None:
    prompt.value("import asyncio\nseen = []\nasync def tick():\n    while True:\n        seen.append(1); await asyncio.sleep(0.001)")
    prompt.value("t = asyncio.create_task(tick()); await asyncio.sleep(0)")
    stop(prompt, "await asyncio.sleep(30)")
    prompt.value("n = len(seen); await asyncio.sleep(0.05)")
    assert prompt.value("len(seen) > n, t.cancel()") == "(True, True)"


def test_an_error_that_replaces_the_interrupt_still_counts_as_stopped(prompt: Prompt) -> None:
    cell = stop(prompt, "import time\ntry:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    raise ValueError('instead')")
    assert cell.type == "ValueError"
    assert "KeyboardInterrupt" in cell.traceback


def test_a_cell_that_catches_the_interrupt_and_ends_has_completed(prompt: Prompt) -> None:
    prompt.native.stop_after(0.05)
    code = "import time\ntry:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    pass\n'ended'"
    assert prompt.value(code) == "'ended'"


def test_a_wait_that_was_cancelled_is_an_interrupt(prompt: Prompt) -> None:
    prompt.native.requested = True
    cell = prompt.stopped("import os\ndef wait():\n    raise OSError(125, 'cancelled')\nwait()")
    assert cell.type == "KeyboardInterrupt" and "in wait" in cell.traceback
    assert "OSError: " not in cell.traceback


def test_a_cancelled_wait_in_a_coroutine_is_an_interrupt(prompt: Prompt) -> None:
    prompt.native.requested = True
    cell = prompt.stopped("import asyncio\nasync def wait():\n    raise OSError(125, 'cancelled')\nawait wait()")
    assert cell.type == "KeyboardInterrupt" and "in wait" in cell.traceback


def test_a_cancelled_wait_of_the_loop_is_an_interrupt(prompt: Prompt) -> None:
    code = (
        "import asyncio\nloop = asyncio.get_running_loop()\noriginal = loop._selector.select\ncalls = []\n"
        "def select(timeout):\n    calls.append(1)\n    if len(calls) == 1: raise OSError(125, 'cancelled')\n"
        "    return original(timeout)\nloop._selector.select = select\nawait asyncio.sleep(30)  # here"
    )
    prompt.native.requested = True
    cell = prompt.stopped(code)
    assert cell.type == "KeyboardInterrupt" and "# here" in cell.traceback
    prompt.native.requested = False
    assert prompt.value("await asyncio.sleep(0, 1)") == "1"


def test_a_cancelled_wait_is_no_part_of_the_story(prompt: Prompt) -> None:
    prompt.native.requested = True
    code = "try:\n    raise OSError(125, 'x')\nfinally:\n    raise KeyboardInterrupt"
    assert "OSError: " not in prompt.stopped(code).traceback


def test_a_loop_left_in_its_last_lines_does_not_count_as_running(prompt: Prompt) -> None:
    prompt.value("import asyncio\nloop = asyncio.new_event_loop()")
    prompt.failure("asyncio._set_running_loop(loop)\n1 / 0")
    assert prompt.value("loop.close(); asyncio.run(asyncio.sleep(0, 'ok'))") == "'ok'"


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", "raise OSError(125, 'x')"])
def test_without_a_request_nothing_counts_as_stopped(prompt: Prompt, code: str) -> None:
    assert prompt.failure(code).type in ("KeyboardInterrupt", "OSError")


def test_an_exception_whose_text_never_ends_is_told_without_it(prompt: Prompt) -> None:
    prompt.native.stop_after(0.05)
    cell = prompt.run("class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E")
    assert cell.status == 1 and cell.type == "E"
    assert prompt.value("1 + 1") == "2"


def test_the_text_of_an_ordinary_error_is_made_in_a_region(prompt: Prompt) -> None:
    prompt.native.regions.clear()
    prompt.failure("1 / 0")
    assert prompt.native.regions == [True, False, True, False]


def test_every_region_is_closed(prompt: Prompt) -> None:
    for code in ("1 + 1", "x = (", "1 / 0", "import asyncio; await asyncio.sleep(0)", "await asyncio.sleep('x')"):
        prompt.run(code)
        assert prompt.native.regions[-1] is False


def test_a_stop_at_any_moment_is_contained() -> None:
    """Stops every few hundred microseconds, wherever they fall; run() must always return.

    In a process of its own: a stop may fall into a finaliser, which Python reports on stderr.
    """
    script = Path(__file__).with_name("stop_anywhere.py")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", str(script)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "contained" in done.stdout
