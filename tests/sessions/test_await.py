"""Top-level await: one event loop lives as long as its session, in every room."""

from __future__ import annotations

import time

from tests.sessions.prompt import Prompt


def test_top_level_await_works(prompt: Prompt) -> None:
    assert prompt.value("import asyncio\nawait asyncio.sleep(0, 'slept')") == "'slept'"
    assert prompt.value("async def double(n):\n    await asyncio.sleep(0)\n    return 2 * n\nawait double(21)") == "42"
    assert prompt.value("[await double(n) for n in range(3)]") == "[0, 2, 4]"


def test_async_for_and_with_work_at_top_level(prompt: Prompt) -> None:
    prompt.value("class Gate:\n    async def __aenter__(self): return 'open'\n    async def __aexit__(self, *_): print('shut')\n"
                 "async def numbers():\n    for n in range(2): yield n")
    answer = prompt.run("got = []\nasync with Gate() as gate:\n    async for n in numbers(): got.append((gate, n))\ngot")
    assert (answer.result, answer.stdout) == ("[('open', 0), ('open', 1)]", "shut\n")


def test_all_cells_share_one_loop(prompt: Prompt) -> None:
    prompt.value("import asyncio\nasync def loop(): return asyncio.get_running_loop()\nfirst = await loop()")
    assert prompt.value("first is await loop()") == "True"


def test_a_task_goes_on_in_the_next_awaiting_cell(prompt: Prompt) -> None:
    prompt.value("import asyncio\nsteps = []\nasync def work():\n    for n in range(3):\n        steps.append(n)\n        await asyncio.sleep(0)\n    return 'done'\n"
                 "task = asyncio.ensure_future(work())\nawait asyncio.sleep(0)")
    assert prompt.value("await task, steps") == "('done', [0, 1, 2])"


def test_queues_live_between_cells(prompt: Prompt) -> None:
    prompt.value("import asyncio\nqueue = asyncio.Queue()\nasync def feed():\n    for n in range(3): await queue.put(n)\nfeeder = asyncio.ensure_future(feed())\nawait asyncio.sleep(0)")
    assert prompt.value("[await queue.get() for _ in range(3)]") == "[0, 1, 2]"


def test_asyncio_run_works_in_a_cell(prompt: Prompt) -> None:
    assert prompt.value("import asyncio\nasync def main(): return 5\nasyncio.run(main())") == "5"
    assert prompt.value("await main()") == "5"


def test_async_children_and_threads_work(prompt: Prompt) -> None:
    code = ("import asyncio\nchild = await asyncio.create_subprocess_exec('echo', 'hello', stdout=asyncio.subprocess.PIPE)\n"
            "out, _ = await child.communicate()\nout, child.returncode, await asyncio.to_thread(sum, [1, 2])")
    assert prompt.value(code) == "(b'hello\\n', 0, 3)"


def test_a_stopped_await_leaves_loop_and_tasks_intact(prompt: Prompt) -> None:
    prompt.value("import asyncio\nseen = []\nasync def tick():\n    while True:\n        seen.append(1)\n        await asyncio.sleep(0.01)\n"
                 "ticker = asyncio.ensure_future(tick())\nawait asyncio.sleep(0)\nasync def cleanly():\n    try: await asyncio.sleep(600)\n    finally: seen.append('cleaned')")
    answer = prompt.run("await cleanly()", timeout=0.4)
    assert answer.status == "timed_out", answer
    assert prompt.value("'cleaned' in seen, ticker.done()") == "(True, False)"
    assert prompt.value("before = len(seen)\nawait asyncio.sleep(0.1)\nlen(seen) > before") == "True"


def test_an_error_in_a_coroutine_shows_the_cells_frames_alone(prompt: Prompt) -> None:
    answer = prompt.run("async def broken():\n    raise ValueError('inside')\nawait broken()")
    trace = answer.error["traceback"]
    assert "await broken()" in trace and "raise ValueError('inside')" in trace
    assert "asyncio" not in trace and "mcp_runtime" not in trace


def test_a_server_in_a_task_answers_a_client_in_a_later_cell(prompt: Prompt) -> None:
    prompt.value("import asyncio\nasync def echo(reader, writer):\n    writer.write(await reader.readline())\n    await writer.drain()\n    writer.close()\n"
                 "server = await asyncio.start_server(echo, '127.0.0.1', 0)\nport = server.sockets[0].getsockname()[1]")
    time.sleep(0.1)
    code = "reader, writer = await asyncio.open_connection('127.0.0.1', port)\nwriter.write(b'ping\\n')\nawait reader.read()"
    assert prompt.value(code) == "b'ping\\n'"
