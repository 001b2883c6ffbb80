"""The main job through the official Python SDK, in every way it can settle the protocol."""

from __future__ import annotations

import time

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.e2e.sdk import DEADLINE, MODES, connect, links_of, run, text_of, tool

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("mode", MODES)]

TOOLS = ["run_python", "list_sessions", "inspect_session", "interrupt_session", "reset_session", "close_session"]

FOREVER = "while True:\n    pass"


async def wait_until(condition, what: str) -> None:
    """Asks again and again until `condition()` holds."""
    with anyio.move_on_after(DEADLINE):
        while not await condition():
            await anyio.sleep(0.02)
        return
    pytest.fail(f"{what} did not come true within {DEADLINE:g} s")


async def test_the_client_and_the_server_agree_on_a_revision(mode: str) -> None:
    async with connect(mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert client.server_capabilities.tools is not None or mode == "2026-07-28"
        if mode != "2026-07-28":  # a pinned client does not ask who the server is
            assert client.server_info is not None
            assert client.server_info.name == "pyember"


async def test_every_tool_is_listed_with_its_schemas_and_annotations(mode: str) -> None:
    async with connect(mode) as client:
        tools = (await client.list_tools()).tools
        assert [entry.name for entry in tools][:len(TOOLS)] == TOOLS  # then those of scripts and jobs
        for entry in tools:
            assert entry.description
            assert entry.input_schema["type"] == "object"
            assert entry.output_schema is not None
            assert entry.annotations is not None
        assert {"code", "session", "timeout", "background"} <= set(tools[0].input_schema["properties"])


async def test_names_live_from_one_call_to_the_next(mode: str) -> None:
    async with connect(mode) as client:
        first = await run(client, "def twice(x):\n    return 2 * x\nprint('defined')")
        assert (first["status"], first["stdout"], first["result"]) == ("completed", "defined\n", None)
        second = await run(client, "twice(21)")
        assert (second["result"], second["session"]) == ("42", "main")
        assert second["elapsed_seconds"] >= 0
        assert (await run(client, "_ + 1"))["result"] == "43"


async def test_sessions_have_names_of_their_own(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "x = 1", session="a")
        await run(client, "x = 2", session="b")
        assert (await run(client, "x", session="a"))["result"] == "1"
        assert (await run(client, "x", session="b"))["result"] == "2"


async def test_an_exception_comes_with_its_traceback(mode: str) -> None:
    async with connect(mode) as client:
        answer = await run(client, "def f():\n    raise ValueError('no good')\nf()")
        assert answer["status"] == "raised"
        assert (answer["error"]["type"], answer["error"]["message"]) == ("ValueError", "no good")
        traceback = answer["error"]["traceback"]
        assert traceback.startswith("Traceback (most recent call last):")
        assert "raise ValueError('no good')" in traceback
        assert "mcp_runtime" not in traceback


async def test_a_syntax_error_points_at_its_place(mode: str) -> None:
    async with connect(mode) as client:
        answer = await run(client, "x = (1,\ny = 2")
        assert (answer["status"], answer["error"]["type"]) == ("raised", "SyntaxError")
        assert "^" in answer["error"]["traceback"]


async def test_await_works_at_the_top_level(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "import asyncio\nqueue = asyncio.Queue()\nawait queue.put(5)")
        assert (await run(client, "await queue.get()"))["result"] == "5"


async def test_output_is_told_apart_by_stream(mode: str) -> None:
    async with connect(mode) as client:
        answer = await run(
            client,
            "import os, sys\nprint('a')\nos.write(1, b'b\\n')\nprint('c')\nprint('d', file=sys.stderr)\nos.system('echo e')",
        )
        assert answer["stdout"] == "a\nb\nc\ne\n"
        assert answer["stderr"] == "d\n"


async def test_a_timeout_stops_the_cell_and_keeps_the_session(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "kept = 'here'")
        started = time.monotonic()
        answer = await run(client, FOREVER, timeout=0.3)
        assert time.monotonic() - started < 10
        assert answer["status"] == "timed_out"
        assert (await run(client, "kept"))["result"] == "'here'"


@pytest.mark.parametrize("timeout", [0, -1, 1e9])
async def test_a_timeout_that_can_not_be_kept_is_refused_with_advice(mode: str, timeout: float) -> None:
    async with connect(mode) as client:
        result = await tool(client, "run_python", code="1", timeout=timeout)
        assert result.is_error
        assert "timeout" in text_of(result)


async def test_a_cancelled_call_stops_its_cell_and_keeps_the_session(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "kept = 'here'")
        with anyio.move_on_after(0.5):
            await run(client, FOREVER, timeout=600)
            pytest.fail("the endless loop came to an end")
        # The next cell of the session runs only when the one before it is over.
        with anyio.fail_after(10):
            assert (await run(client, "kept"))["result"] == "'here'"


async def test_progress_carries_output_as_it_is_printed(mode: str) -> None:
    async with connect(mode) as client:
        told: list[tuple[float, float, str]] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            told.append((time.monotonic(), progress, message or ""))

        code = "import time\nfor n in range(3):\n    print('line', n)\n    time.sleep(0.4)"
        result = await client.call_tool("run_python", {"code": code}, progress_callback=on_progress)
        ended = time.monotonic()
        assert result.structured_content["stdout"] == "line 0\nline 1\nline 2\n"
        numbers = [progress for _, progress, _ in told]
        assert numbers == sorted(set(numbers))
        assert any("line 0" in message for _, _, message in told)
        # Streamed, not delivered with the answer.
        first = next(at for at, _, message in told if "line 0" in message)
        assert first < ended - 0.4


async def test_long_output_is_cut_and_every_byte_is_readable_through_its_link(mode: str) -> None:
    async with connect(mode) as client:
        lines = 40_000
        result = await tool(client, "run_python", code=f"for n in range({lines}): print('line', n)")
        stdout = result.structured_content["stdout"]
        assert len(stdout) < 25_000
        assert stdout.startswith("line 0\n")
        assert stdout.endswith(f"line {lines - 1}\n")
        [link] = links_of(result)
        assert await read_all(client, str(link.uri)) == "".join(f"line {n}\n" for n in range(lines))


async def read_all(client, uri: str) -> str:
    """Follows a resource through all its parts."""
    pieces: list[str] = []
    next_uri: str | None = uri
    while next_uri:
        answer = await client.read_resource(next_uri)
        [content] = answer.contents
        pieces.append(content.text)
        next_uri = ((content.meta or {}) if hasattr(content, "meta") else {}).get("nextUri")
    return "".join(pieces)


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


async def test_a_picture_is_image_content_and_a_resource(mode: str) -> None:
    code = f"display({{'image/png': {PIXEL!r}}}, raw=True)\ndisplay({{'text/html': '<b>'}}, raw=True)"
    async with connect(mode) as client:
        result = await tool(client, "run_python", code=code)
        _, image, link = result.content
        assert (image.type, image.mime_type, image.data) == ("image", "image/png", PIXEL)
        assert result.structured_content is not None
        shown = result.structured_content["displays"]
        assert [each["mime"] for each in shown] == ["image/png", "text/html"] and str(link.uri) == shown[1]["uri"]
        (read,) = (await client.read_resource(shown[0]["uri"])).contents
        assert (read.mime_type, read.blob) == ("image/png", PIXEL)


async def test_a_file_is_put_changed_by_a_cell_and_read(mode: str) -> None:
    code = ("import os, pathlib\nfile = pathlib.Path(os.environ['PYEMBER_SESSION_FOLDER'], 'a.txt')\n"
            "_ = file.write_text(file.read_text().upper())")
    async with connect(mode) as client:
        await tool(client, "put_file", path="a.txt", content="hello")
        answer = await run(client, code)
        (file,) = answer["files"]
        (read,) = (await client.read_resource(file["uri"])).contents
        assert (file["path"], read.mime_type, read.text) == ("a.txt", "text/plain", "HELLO")
        listed = (await tool(client, "list_files")).structured_content
        assert listed is not None and listed["files"] == answer["files"]


async def test_cut_output_is_listed_as_a_resource_and_a_wrong_address_is_an_error(mode: str) -> None:
    async with connect(mode) as client:
        async def outputs() -> list[str]:
            listed = (await client.list_resources(cache_mode="bypass")).resources
            return [str(entry.uri) for entry in listed if not str(entry.uri).startswith("ui://")]

        assert await outputs() == []
        result = await tool(client, "run_python", code="print('x' * 100_000)")
        [link] = links_of(result)
        assert await outputs() == [str(link.uri)]
        templates = (await client.list_resource_templates()).resource_templates
        assert any(template.uri_template.startswith(str(link.uri).split("//")[0]) for template in templates)
        with pytest.raises(MCPError) as caught:
            await client.read_resource(str(link.uri).replace("stdout", "nothing"))
        assert caught.value.error.code == (-32002 if mode == "legacy" else -32602)


async def test_a_client_is_told_that_there_is_more_to_read(mode: str) -> None:
    told = anyio.Event()

    async def on_message(message: object) -> None:
        # The handshake era tells everybody; the newest revision only those who listen.
        if "ResourceListChanged" in repr(message):
            told.set()

    async with connect(mode, message_handler=on_message) as client:
        if mode == "legacy":
            await run(client, "print('x' * 100_000)")
            with anyio.fail_after(10):
                await told.wait()
            return
        async with client.listen(resources_list_changed=True) as subscription:
            await run(client, "print('x' * 100_000)")
            with anyio.fail_after(10):
                assert type(await anext(aiter(subscription))).__name__ == "ResourcesListChanged"


async def test_a_slow_cell_delays_nobody_else(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "pass", session="quick")
        finished: list[str] = []

        async def slow() -> None:
            answer = await run(client, "import time\ntime.sleep(3)\n'slow'", session="slow")
            finished.append(answer["result"])

        async with anyio.create_task_group() as group:
            group.start_soon(slow)
            await anyio.sleep(0.3)
            for n in range(20):
                assert (await run(client, f"{n}", session="quick"))["result"] == str(n)
            await client.list_tools(cache_mode="bypass")
            assert not finished
        assert finished == ["'slow'"]


async def test_calls_to_one_session_run_in_the_order_they_were_made(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "seen = []")
        async with anyio.create_task_group() as group:
            for n in range(30):
                group.start_soon(run, client, f"seen.append({n})")
                await anyio.sleep(0)
        answer = await run(client, "seen == list(range(30))")
        assert answer["result"] == "True", answer


async def test_two_sessions_compute_at_the_same_time(mode: str) -> None:
    async with connect(mode) as client:
        code = "import time\nbegan = time.monotonic()\ntime.sleep(0.5)\nprint(began, time.monotonic())"
        spans: list[tuple[float, float]] = []

        async def compute(session: str) -> None:
            began, ended = (await run(client, code, session=session))["stdout"].split()
            spans.append((float(began), float(ended)))

        async with anyio.create_task_group() as group:
            group.start_soon(compute, "left")
            group.start_soon(compute, "right")
        assert max(began for began, _ in spans) < min(ended for _, ended in spans)


async def test_a_background_cell_answers_at_once_and_can_be_watched(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "pass", session="back")
        started = time.monotonic()
        result = await tool(client, "run_python", session="back", background=True,
                            code="import time\nprint('begun', flush=True)\ntime.sleep(2)\nfinished = True")
        assert time.monotonic() - started < 1.5
        assert not result.is_error, result

        async def shows_output() -> bool:
            seen = (await tool(client, "inspect_session", session="back")).structured_content
            return "begun" in ((seen or {}).get("running") or {}).get("stdout", "")

        await wait_until(shows_output, "the output so far in inspect_session")
        # Queued behind it, so it runs when the background cell is over.
        assert (await run(client, "finished", session="back"))["result"] == "True"


async def test_list_sessions_names_them_all(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "x = 1", session="one")
        await run(client, "x = 1", session="two")
        result = await tool(client, "list_sessions")
        assert not result.is_error
        names = [entry["session"] for entry in result.structured_content["sessions"]]
        assert sorted(names) == ["one", "two"]


async def test_inspect_session_shows_names_without_running_user_code(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "class Loud:\n    def __repr__(self):\n        raise SystemExit('ran')\n"
                          "loud = Loud()\nnumbers = [1, 2, 3]\ntext = 'hello'")
        result = await tool(client, "inspect_session", session="main")
        assert not result.is_error, result
        names = {entry["name"]: entry for entry in result.structured_content["names"]}
        assert {"Loud", "loud", "numbers", "text"} <= set(names)
        assert names["numbers"]["type"] == "list"
        assert "Loud" in names["loud"]["type"]


async def test_inspect_session_does_not_wait_for_a_busy_session(mode: str) -> None:
    async with connect(mode) as client:

        async def shows_output() -> bool:
            with anyio.fail_after(10):
                seen = (await tool(client, "inspect_session", session="main")).structured_content
            return "busy now" in ((seen or {}).get("running") or {}).get("stdout", "")

        await run(client, "pass")
        async with anyio.create_task_group() as group:
            group.start_soon(run_quietly, client, "print('busy now')\n" + FOREVER)
            await wait_until(shows_output, "the output of the busy session")
            await tool(client, "interrupt_session", session="main")


async def run_quietly(client: Client, code: str) -> None:
    await tool(client, "run_python", code=code, timeout=600)


async def test_interrupt_session_stops_the_running_cell_and_queued_ones_stay(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "order = []")
        answers: dict[str, dict] = {}

        async def cell(key: str, code: str) -> None:
            answers[key] = await run(client, code, timeout=600)

        async with anyio.create_task_group() as group:
            group.start_soon(cell, "endless", FOREVER)
            await anyio.sleep(0.3)
            group.start_soon(cell, "queued", "order.append('queued'); len(order)")
            await anyio.sleep(0.2)
            result = await tool(client, "interrupt_session", session="main")
            assert not result.is_error, result
        assert answers["endless"]["status"] == "interrupted"
        assert answers["queued"]["result"] == "1"


async def test_reset_session_empties_it(mode: str) -> None:
    async with connect(mode) as client:
        await run(client, "import os\nx = 1\nos.chdir('/')")
        assert not (await tool(client, "reset_session", session="main")).is_error
        answer = await run(client, "x")
        assert (answer["status"], answer["error"]["type"]) == ("raised", "NameError")
        assert (await run(client, "import os; os.getcwd() != '/'"))["result"] == "True"


async def test_close_session_ends_it_even_while_it_runs(mode: str) -> None:
    async with connect(mode) as client:
        answers: list[dict] = []

        async def endless() -> None:
            result = await tool(client, "run_python", code=FOREVER, session="gone", timeout=600)
            answers.append(result.structured_content)

        async with anyio.create_task_group() as group:
            group.start_soon(endless)
            await anyio.sleep(0.3)
            result = await tool(client, "close_session", session="gone")
            assert not result.is_error, result
        assert answers[0]["status"] in ("interrupted", "lost")
        listed = (await tool(client, "list_sessions")).structured_content["sessions"]
        assert "gone" not in [entry["session"] for entry in listed]


@pytest.mark.parametrize("name", ["inspect_session", "interrupt_session", "reset_session", "close_session"])
async def test_a_session_that_does_not_exist_is_an_error_with_advice(mode: str, name: str) -> None:
    async with connect(mode) as client:
        result = await tool(client, name, session="nobody")
        assert result.is_error
        assert "nobody" in text_of(result)


async def test_arguments_that_do_not_fit_are_an_error_the_model_can_act_on(mode: str) -> None:
    async with connect(mode) as client:
        result = await tool(client, "run_python", code=42)
        assert result.is_error
        assert "code" in text_of(result)


async def test_an_unknown_tool_is_a_protocol_error(mode: str) -> None:
    async with connect(mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("run_pyhton", {"code": "1"})
        assert caught.value.error.code == -32602
