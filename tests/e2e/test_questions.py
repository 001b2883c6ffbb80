"""What code asks the person behind a client, through the official Python SDK, in every way it can settle the protocol."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

from tests.e2e.sdk import MODES, connect, run, tool

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("mode", MODES)]


class Person:
    """Who answers the client's questions."""

    def __init__(self, action: str = "accept", seconds: float = 0, **content: Any) -> None:
        self.action, self.seconds, self.content = action, seconds, content
        self.asked: list[Any] = []

    async def __call__(self, _context: Any, params: Any) -> ElicitResult:
        self.asked.append(params)
        await anyio.sleep(self.seconds)
        return ElicitResult(action=self.action, content=self.content if self.action == "accept" else None)


async def test_a_person_answers(mode: str) -> None:
    person = Person(answer="Ada")
    async with connect(mode, elicitation_callback=person) as client:
        assert (await run(client, "mcp_runtime.ask('Who are you?')"))["result"] == "'Ada'"
    assert person.asked[0].message == "Python code in session 'main' asks: Who are you?"


async def test_a_form_is_filled_in(mode: str) -> None:
    person = Person(name="Ada", age=36, size="M", member=True)
    code = "mcp_runtime.ask('Your data?', {'name': str, 'age': {'type': 'integer', 'minimum': 0}, 'size': ['S', 'M'], 'member': False})"
    async with connect(mode, elicitation_callback=person) as client:
        assert (await run(client, code))["result"] == "{'name': 'Ada', 'age': 36, 'size': 'M', 'member': True}"
    assert list(person.asked[0].requested_schema["properties"]) == ["name", "age", "size", "member"]


async def test_lines_are_typed(mode: str) -> None:
    person = Person(answer="21")
    async with connect(mode, elicitation_callback=person) as client:
        answer = await run(client, "sum(int(input(f'{i}: ')) for i in range(2))")
        assert (answer["result"], answer["stdout"]) == ("42", "0: 21\n1: 21\n")


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_person_who_does_not_answer(mode: str, action: str) -> None:
    async with connect(mode, elicitation_callback=Person(action)) as client:
        answer = await run(client, "mcp_runtime.ask('Who are you?')")
        assert answer["error"]["type"] == "mcp_runtime.NotAnswered"
        assert (await run(client, "mcp_runtime.ask('Who are you?', otherwise='nobody')"))["result"] == "'nobody'"


async def test_an_answer_may_take_longer_than_the_cell_may_run(mode: str) -> None:
    async with connect(mode, elicitation_callback=Person(seconds=1.5, answer="late")) as client:
        assert (await run(client, "mcp_runtime.ask('When?')", timeout=0.5))["result"] == "'late'"


async def test_questions_of_several_tasks(mode: str) -> None:
    person = Person(answer="yes")
    code = "await asyncio.gather(*[mcp_runtime.ask_async(str(number)) for number in range(12)])"
    async with connect(mode, elicitation_callback=person) as client:
        assert (await run(client, code))["result"] == str(["yes"] * 12)
    assert len(person.asked) == 12


async def test_a_client_that_shows_no_questions(mode: str) -> None:
    async with connect(mode) as client:
        answer = await run(client, "mcp_runtime.ask('Who are you?')")
        assert "this client shows no questions" in answer["error"]["message"]
        assert "nobody is asked in its place" in (await run(client, "input()"))["error"]["message"]


async def test_a_cell_in_the_background_asks_nobody(mode: str) -> None:
    async with connect(mode, elicitation_callback=Person(answer="x")) as client:
        await tool(client, "run_python", code="try:\n    mcp_runtime.ask('?')\nexcept mcp_runtime.NotAnswered as error:\n    said = str(error)", background=True)
        assert "runs in the background" in str((await run(client, "said"))["result"])


async def test_questions_need_no_upstreams(mode: str) -> None:
    async with connect(mode, "--no-upstreams", elicitation_callback=Person(answer="Ada")) as client:
        assert (await run(client, "mcp_runtime.ask('Who are you?')"))["result"] == "'Ada'"
        assert "--no-upstreams" in (await run(client, "runtime.list_servers_sync()"))["error"]["message"]
        for isolation in ("process",):
            answer = await run(client, "mcp_runtime.ask('Who are you?')", session="w", isolation=isolation)
            assert answer["result"] == "'Ada'"


async def test_a_page_is_opened(mode: str) -> None:
    person = Person()
    async with connect(mode, elicitation_callback=person) as client:
        assert (await run(client, "mcp_runtime.ask('Log in, please.', url='https://example.com/login')"))["result"] == "True"
        answer = await run(client, "mcp_runtime.ask('?', url='file:///etc/passwd')")
        assert answer["error"]["type"] == "ValueError"
    (params,) = person.asked
    assert (params.mode, params.url) == ("url", "https://example.com/login")


async def test_the_clients_model_answers(mode: str) -> None:
    asked: list[Any] = []

    async def model(_context: Any, params: Any) -> CreateMessageResult:
        asked.append(params)
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text="Paris"), model="m")

    async with connect(mode, sampling_callback=model) as client:
        assert (await run(client, "mcp_runtime.sample('Capital of France?', system='Be brief.', max_tokens=9)"))["result"] == "'Paris'"
        answer = await run(client, "mcp_runtime.ask('?')")
        assert answer["error"]["type"] == "mcp_runtime.NotAnswered"
    assert (asked[0].messages[0].content.text, asked[0].system_prompt, asked[0].max_tokens) == ("Capital of France?", "Be brief.", 9)


async def test_the_clients_folders_are_told(mode: str) -> None:
    async def folders(_context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///home/ada", name="home")])

    async with connect(mode, list_roots_callback=folders) as client:
        assert (await run(client, "mcp_runtime.roots()"))["result"] == "[{'uri': 'file:///home/ada', 'name': 'home', 'path': '/home/ada'}]"
        assert "sampling" in (await run(client, "mcp_runtime.sample('?')"))["error"]["message"]
