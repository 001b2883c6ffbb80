"""Top-level await: one event loop that lives between cells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fresh import run_fresh
from prompt import Prompt


@pytest.fixture
def prompt(native: Any) -> Iterator[Prompt]:
    prompt = Prompt(native, asyncio=asyncio)
    yield prompt
    prompt.end()
    assert asyncio._get_running_loop() is None


def test_an_awaited_expression_is_the_result(prompt: Prompt) -> None:
    assert prompt.value("await asyncio.sleep(0, 'done')") == "'done'"


def test_statements_may_await(prompt: Prompt) -> None:
    assert prompt.value("x = await asyncio.sleep(0, 5)\ny = x + 1\ny") == "6"
    assert prompt.value("x, y") == "(5, 6)"


def test_only_the_last_expression_may_await(prompt: Prompt) -> None:
    assert prompt.value("x = 5\nawait asyncio.sleep(0, x)") == "5"


def test_a_function_defined_in_a_cell_can_be_awaited(prompt: Prompt) -> None:
    prompt.value("async def f(a):\n    await asyncio.sleep(0.001)\n    return a * 2")
    assert prompt.value("await f(4)") == "8"
    assert prompt.value("await asyncio.gather(f(1), f(2))") == "[2, 4]"


def test_async_for_and_with_work_at_top_level(prompt: Prompt) -> None:
    prompt.value("async def g():\n    for i in range(3):\n        yield i")
    prompt.value(
        "class C:\n    async def __aenter__(self): return 'in'\n    async def __aexit__(self, *a): global left; left = True"
    )
    assert prompt.value("[i async for i in g()]") == "[0, 1, 2]"
    assert prompt.value("seen = []\nasync for i in g():\n    seen.append(i)\nseen") == "[0, 1, 2]"
    assert prompt.value("async with C() as c:\n    pass\nc, left") == "('in', True)"


def test_a_task_goes_on_in_the_next_awaiting_cell(prompt: Prompt) -> None:
    prompt.value("seen = []\nasync def work():\n    for i in range(3):\n        seen.append(i); await asyncio.sleep(0)")
    prompt.value("task = asyncio.create_task(work()); await asyncio.sleep(0)")
    assert prompt.value("task.done()") == "False"
    assert prompt.value("await task\nseen") == "[0, 1, 2]"


def test_all_cells_share_one_loop(prompt: Prompt) -> None:
    prompt.value("async def f(): return asyncio.get_running_loop()\na = await f()")
    assert prompt.value("a is await f()") == "True"


def test_queues_and_locks_work_across_cells(prompt: Prompt) -> None:
    prompt.value("q = asyncio.Queue()\nasync def put(): await q.put(1)\nt = asyncio.create_task(put()); await asyncio.sleep(0)")
    assert prompt.value("await q.get()") == "1"


def test_an_async_generator_lives_between_cells(prompt: Prompt) -> None:
    prompt.value("async def g():\n    yield 1\n    await asyncio.sleep(0)\n    yield 2\nit = g()")
    assert prompt.value("await it.__anext__()") == "1"
    assert prompt.value("await it.__anext__()") == "2"


def test_no_loop_runs_while_a_synchronous_cell_does(prompt: Prompt) -> None:
    prompt.value("await asyncio.sleep(0)")
    assert prompt.failure("asyncio.get_running_loop()").type == "RuntimeError"


def test_asyncio_run_works_in_a_cell(prompt: Prompt) -> None:
    prompt.value("async def f(): await asyncio.sleep(0); return 5")
    assert prompt.value("asyncio.run(f())") == "5"
    assert prompt.value("await f()") == "5"
    assert prompt.value("asyncio.run(f())") == "5"


def test_run_until_complete_of_the_sessions_loop_works(prompt: Prompt) -> None:
    prompt.value("async def f(): return 5\nawait f()")
    assert prompt.value("asyncio.get_event_loop().run_until_complete(f())") == "5"


def test_a_closed_loop_is_replaced_with_a_notice(prompt: Prompt) -> None:
    prompt.value("await asyncio.sleep(0)\nloop = asyncio.get_running_loop()")
    prompt.value("loop.close()")
    cell = prompt.run("await asyncio.sleep(0, 5)")
    assert cell.result == "5" and "new loop" in cell.notices[0]


def test_stopping_the_loop_does_not_end_the_cell(prompt: Prompt) -> None:
    assert prompt.value("asyncio.get_running_loop().stop()\nawait asyncio.sleep(0.001, 'still')") == "'still'"


def test_an_error_in_a_coroutine_shows_the_cells_frames_alone(prompt: Prompt) -> None:
    prompt.value("async def f():\n    await asyncio.sleep(0)\n    1 / 0")
    cell = prompt.failure("x = 1\nawait f()")
    lines = [line for line in cell.traceback.splitlines() if line.startswith("  File")]
    assert lines == ['  File "<cell 2>", line 2, in <module>', '  File "<cell 1>", line 3, in f']


def test_cancelling_ones_own_task_is_an_error(prompt: Prompt) -> None:
    cell = prompt.failure("asyncio.current_task().cancel()\nawait asyncio.sleep(1)")
    assert cell.type == "asyncio.exceptions.CancelledError"


def test_a_timeout_works(prompt: Prompt) -> None:
    assert prompt.failure("await asyncio.wait_for(asyncio.sleep(30), 0.01)").type in (
        "TimeoutError", "asyncio.exceptions.TimeoutError")  # fmt: skip


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import sys; sys.exit(3)", "exit(3)"])
def test_exit_in_an_awaiting_cell_ends_the_cell(prompt: Prompt, code: str) -> None:
    cell = prompt.failure(f"await asyncio.sleep(0)\n{code}")
    assert cell.type == "SystemExit" and "run_forever" not in cell.traceback
    assert prompt.value("await asyncio.sleep(0, 1)") == "1"


def test_exit_in_a_background_task_ends_the_waiting_cell(prompt: Prompt) -> None:
    prompt.value("async def f(): raise SystemExit(4)")
    cell = prompt.failure("t = asyncio.create_task(f())\nawait asyncio.sleep(30)")
    assert cell.type == "SystemExit"
    assert prompt.value("await asyncio.sleep(0, 1)") == "1"


def test_context_variables_last_between_cells(prompt: Prompt) -> None:
    prompt.value("import contextvars; v = contextvars.ContextVar('v', default=0)")
    prompt.value("v.set(1)")
    assert prompt.value("await asyncio.sleep(0); v.get()") == "1"
    if sys.version_info >= (3, 11):
        prompt.value("await asyncio.sleep(0); v.set(2)")
        assert prompt.value("v.get()") == "2"


def test_a_coroutine_that_is_not_awaited_is_a_value(prompt: Prompt) -> None:
    prompt.value("async def f(): return 1")
    assert (prompt.value("f()") or "").startswith("<coroutine object f")
    assert prompt.value("await _") == "1"


def test_async_children_work(prompt: Prompt) -> None:
    code = (
        "import sys\np = await asyncio.create_subprocess_exec('printf', 'hello', stdout=asyncio.subprocess.PIPE)\n"
        "(await p.communicate())[0]"
    )
    assert prompt.value(code) == "b'hello'"


def test_threads_can_be_awaited(prompt: Prompt) -> None:
    assert prompt.value("await asyncio.to_thread(lambda: 5)") == "5"


def test_closing_the_session_ends_its_tasks(prompt: Prompt) -> None:
    prompt.value("seen = []\nasync def f():\n    try:\n        await asyncio.sleep(60)\n    finally:\n        seen.append(1)")
    prompt.value("t = asyncio.create_task(f()); await asyncio.sleep(0)")
    seen = prompt.session.namespace["seen"]
    assert prompt.session.close() == []
    assert seen == [1]


def test_closing_does_not_wait_for_a_task_that_won_t_end(prompt: Prompt) -> None:
    prompt.value(
        "async def f():\n    while True:\n        try:\n            await asyncio.sleep(60)\n        except asyncio.CancelledError:\n            pass"
    )
    prompt.value("t = asyncio.create_task(f()); await asyncio.sleep(0)")
    prompt.session.close()


HINTED = {
    "import asyncio\nasyncio.create_task(asyncio.sleep(1))": "only while a cell awaits",
    "import asyncio\nawait asyncio.sleep(0)\nasyncio.run(asyncio.sleep(1))": "Await the coroutine directly",
}


@pytest.mark.parametrize("code", HINTED)
def test_errors_about_the_loop_say_what_to_do(code: str) -> None:
    cell = run_fresh(code).cells[0]
    assert cell.type == "RuntimeError"
    assert HINTED[code] in cell.notices[0]


@pytest.mark.parametrize("code", ["yield 1", "async def f(): await", "def f(): await x"])
def test_what_is_no_top_level_await_stays_an_error(prompt: Prompt, code: str) -> None:
    assert prompt.failure(code).type == "SyntaxError"
