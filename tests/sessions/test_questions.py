"""What cells ask of the person behind the client, in every room. The client here is a raw one of the modern era: it is
answered `input_required` and calls again with what the person says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.sessions.prompt import Prompt
from tests.support.raw_client import META, CellAnswer, Pending

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
WAIT = 60.0


class Asked:
    """A call of run_python by a client that shows questions."""

    def __init__(self, prompt: Prompt, code: str, timeout: float = 30.0, **arguments: Any) -> None:
        self.prompt, self.rounds = prompt, 0
        first, prompt._first = prompt._first, {}
        self.arguments = {"code": code, "session": prompt.name, "timeout": timeout, **first, **arguments}
        self.answer = self._call({})

    @property
    def requests(self) -> dict[str, Any]:
        """The questions that are open."""
        result = self.answer["result"]
        assert result["resultType"] == "input_required", result
        found: dict[str, Any] = result["inputRequests"]
        return found

    @property
    def question(self) -> dict[str, Any]:
        """The only one."""
        (request,) = self.requests.values()
        assert request["method"] == "elicitation/create"
        params: dict[str, Any] = request["params"]
        return params

    def say(self, action: str = "accept", **content: Any) -> None:
        """The same to all questions."""
        response = {"action": action, "content": content} if action == "accept" else {"action": action}
        self.respond({key: response for key in self.requests})

    def respond(self, responses: dict[str, Any]) -> None:
        self.rounds += 1
        self.answer = self._call({"inputResponses": responses, "requestState": self.answer["result"]["requestState"]})

    @property
    def cell(self) -> CellAnswer:
        pending = Pending(0)
        pending.resolve(self.answer, 0.0)
        return CellAnswer(pending, 0)

    @property
    def value(self) -> object:
        assert self.cell.status == "completed", self.cell
        return self.cell.result

    def _call(self, more: dict[str, Any]) -> dict[str, Any]:
        meta = {**META, CAPABILITIES: {"elicitation": {}}}
        return self.prompt.client.request("tools/call", {"name": "run_python", "arguments": self.arguments, **more, "_meta": meta}, WAIT)


@pytest.fixture
def ask(prompt: Prompt) -> Callable[..., Asked]:
    return lambda code, **arguments: Asked(prompt, code, **arguments)


def test_the_person_answers(ask: Callable[..., Asked], prompt: Prompt) -> None:
    asked = ask("name = mcp_runtime.ask('What is your name?')\nname.upper()")
    assert asked.question["message"] == f"Python code in session '{prompt.name}' asks: What is your name?"
    assert asked.question["mode"] == "form" and asked.question["requestedSchema"]["required"] == ["answer"]
    asked.say(answer="Ada")
    assert asked.value == "'ADA'"
    assert prompt.value("name") == "'Ada'"


def test_input_is_typed_by_the_person(ask: Callable[..., Asked]) -> None:
    asked = ask("first = input('First? ')\nsecond = input('Second? ')\nint(first) + int(second)")
    assert asked.question["message"].endswith("asks: First?")
    asked.say(answer="40")
    assert asked.question["message"].endswith("asks: Second?")
    asked.say(answer="2")
    assert asked.value == "42" and asked.cell.stdout == "First? 40\nSecond? 2\n"


def test_several_questions_are_asked_at_once(ask: Callable[..., Asked]) -> None:
    code = "from mcp_runtime import ask_async\nawait asyncio.gather(*[ask_async(str(i), int) for i in range(3)])"
    asked = ask(code)
    seen = []
    while asked.answer["result"]["resultType"] == "input_required":
        responses = {}
        for key, request in asked.requests.items():
            number = int(request["params"]["message"].rpartition(" ")[2])
            seen.append(number)
            responses[key] = {"action": "accept", "content": {"answer": number * number}}
        asked.respond(responses)
    assert asked.value == "[0, 1, 4]" and sorted(seen) == [0, 1, 2]


def test_a_no_reaches_the_code(ask: Callable[..., Asked]) -> None:
    code = "try:\n    mcp_runtime.ask('Delete it?', bool)\nexcept mcp_runtime.NotAnswered as error:\n    print(error.reason)"
    asked = ask(code)
    asked.say("decline")
    assert asked.cell.stdout == "declined\n"
    asked = ask("input()")
    asked.say("cancel")
    assert asked.cell.error["type"] == "EOFError" and "closed the question" in asked.cell.error["message"]


def test_the_timeout_stands_still_while_a_question_is_open(ask: Callable[..., Asked], prompt: Prompt) -> None:
    asked = ask("import time\nanswer = mcp_runtime.ask('How long?')\ntime.sleep(0.01)\nanswer", timeout=1)
    time.sleep(3)
    asked.say(answer="long")
    assert asked.value == "'long'"
    asked = ask("mcp_runtime.ask('And now?')\nwhile True: pass", timeout=1)
    asked.say(answer="on")
    assert asked.cell.status == "timed_out"
    assert prompt.value("answer") == "'long'"


def test_limits_of_wall_time_go_on_while_a_question_is_open(prompt: Prompt, room: str) -> None:
    if room == "inprocess":
        pytest.skip("has no such limits")
    prompt._first["limits"] = {"wall_seconds": 1}
    asked = Asked(prompt, "mcp_runtime.ask('How long?')")
    time.sleep(2)
    asked.respond({})
    assert asked.cell.status == "timed_out" and "limits.wall_seconds" in str(asked.cell.notices), asked.cell


def test_a_question_that_nobody_answers_is_taken_back(ask: Callable[..., Asked]) -> None:
    asked = ask("mcp_runtime.ask('Anybody?', timeout=0.5, otherwise='nobody')")
    time.sleep(1)
    asked.respond({})
    assert asked.value == "'nobody'"


def test_a_form_is_checked_before_anybody_sees_it(prompt: Prompt) -> None:
    answer = prompt.run("mcp_runtime.ask('?', {'type': 'object', 'properties': {'a': {'type': 'object'}}})")
    assert answer.error["type"] == "ValueError" and "the field 'a' has a type that forms don't have" in answer.error["message"]


def test_a_client_without_the_capability_is_not_asked(prompt: Prompt) -> None:
    answer = prompt.run("mcp_runtime.ask('?')")
    assert answer.error["type"] == "mcp_runtime.NotAnswered" and "this client shows no questions" in answer.error["message"]
    answer = prompt.run("input('name? ')")
    assert answer.error["type"] == "EOFError" and answer.stdout == "name? "
    assert "cannot wait for input()" in answer.error["message"] and "shows no questions" in answer.error["message"]


def test_children_of_the_code_ask_nobody(ask: Callable[..., Asked], room: str) -> None:
    if room == "inprocess":
        pytest.skip("its code forks no children")
    code = """
import os
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    try:
        mcp_runtime.ask('?')
        said = 'answered'
    except mcp_runtime.NotAnswered as error:
        said = str(error)
    os.write(write, said.encode())
    os._exit(0)
os.waitpid(pid, 0)
os.read(read, 1000).decode()"""
    assert "does not run in a session" in str(ask(code).value)
