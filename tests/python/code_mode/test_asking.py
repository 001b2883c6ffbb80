"""What code asks of whoever is behind the client: mcp_runtime.ask() and its kin, and input()."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from call_server import CallServer, Frame

from prompt import Prompt


class Person(CallServer):
    """A server whose client has somebody, or something, that answers."""

    def __init__(self) -> None:
        super().__init__(type(self)._serve_question)  # type: ignore[arg-type]
        self.says: Any = {"action": "accept", "content": {"answer": "Ada"}}
        self.refuses: str | None = None

    def _serve_question(self, frame: Frame) -> None:
        if self.refuses is not None:
            self.refuse(frame["id"], self.refuses)
        else:
            self.give(frame["id"], self.says)

    def accepts(self, **content: Any) -> None:
        self.says = {"action": "accept", "content": content}

    @property
    def asked(self) -> Frame:
        """The last question."""
        return next(frame for frame in reversed(self.frames) if frame["op"] in ("ask", "sample", "roots"))


@pytest.fixture
def servers() -> Person:
    return Person()


@pytest.fixture
def person(servers: Person) -> Person:
    return servers


@pytest.fixture(autouse=True)
def builtins_are_given_back() -> Iterator[None]:
    kept = builtins.input
    yield
    builtins.input = kept


def test_a_text_is_asked_for(prompt: Prompt, person: Person) -> None:
    assert prompt.value("import mcp_runtime; mcp_runtime.ask('Your name?')") == "'Ada'"
    assert person.asked["message"] == "Your name?"
    schema = person.asked["schema"]
    assert schema["required"] == ["answer"] and schema["properties"]["answer"]["type"] == "string"
    assert "timeout" not in person.asked


def test_the_module_needs_no_import(prompt: Prompt) -> None:
    assert prompt.value("mcp_runtime.ask('Your name?')") == "'Ada'"
    assert "mcp_runtime" not in prompt.session.namespace
    assert prompt.value("from mcp_runtime import ask\nask('Your name?')") == "'Ada'"


def test_what_is_not_there_is_said_as_of_any_module(prompt: Prompt) -> None:
    assert prompt.failure("mcp_runtime.answer").message == "module 'mcp_runtime' has no attribute 'answer'"


@pytest.mark.parametrize(
    ("kind", "json_type", "answer", "value"),
    [("bool", "boolean", True, "True"), ("int", "integer", 5.0, "5"), ("float", "number", 2, "2.0"), ("str", "string", "x", "'x'")],
)
def test_a_type_says_what_is_answered(prompt: Prompt, person: Person, kind: str, json_type: str, answer: Any, value: str) -> None:
    person.accepts(answer=answer)
    assert prompt.value(f"mcp_runtime.ask('?', {kind})") == value
    assert person.asked["schema"]["properties"]["answer"]["type"] == json_type


def test_a_schema_of_one_value_is_kept(prompt: Prompt, person: Person) -> None:
    person.accepts(answer=7)
    assert prompt.value("mcp_runtime.ask('?', {'type': 'integer', 'minimum': 1})") == "7"
    assert person.asked["schema"]["properties"]["answer"] == {"title": "Answer", "type": "integer", "minimum": 1}


def test_a_form_has_fields_of_several_kinds(prompt: Prompt, person: Person) -> None:
    person.accepts(name="Ada", age=36.0, size="M", more="x")
    wanted = "{'name': str, 'age': 30, 'size': ['S', 'M'], 'mail': {'type': 'string', 'format': 'email'}}"
    assert prompt.value(f"mcp_runtime.ask('?', {wanted})") == "{'name': 'Ada', 'age': 36, 'size': 'M'}"
    assert person.asked["schema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "default": 30},
            "size": {"type": "string", "enum": ["S", "M"]},
            "mail": {"type": "string", "format": "email"},
        },
        "required": ["name", "age", "size", "mail"],
    }


def test_a_whole_schema_is_sent_as_it_is(prompt: Prompt, person: Person) -> None:
    person.accepts(a=1)
    assert prompt.value("mcp_runtime.ask('?', {'type': 'object', 'properties': {'a': {'type': 'integer'}}})") == "{'a': 1}"
    assert person.asked["schema"] == {"type": "object", "properties": {"a": {"type": "integer"}}}


def test_choices_stand_for_values(prompt: Prompt, person: Person) -> None:
    person.accepts(answer="2")
    assert prompt.value("mcp_runtime.ask('?', choices=[1, 2, None])") == "2"
    assert person.asked["schema"]["properties"]["answer"]["enum"] == ["1", "2", "None"]
    person.accepts(answer="Small")
    assert prompt.value("mcp_runtime.ask('?', choices={'Small': (1, 1), 'Large': (9, 9)})") == "(1, 1)"
    person.accepts(answer=["b", "a"])
    assert prompt.value("mcp_runtime.ask('?', choices='abc', multiple=True)") == "['b', 'a']"


def test_choices_that_look_alike_are_numbered(prompt: Prompt, person: Person) -> None:
    person.accepts(answer="2. 1")
    assert prompt.value("mcp_runtime.ask('?', choices=[1, '1'])") == "'1'"


def test_an_address_is_consented_to(prompt: Prompt, person: Person) -> None:
    person.says = {"action": "accept", "content": {}}
    assert prompt.value("mcp_runtime.ask('Log in there', url='https://example.com/x')") == "True"
    assert person.asked["url"] == "https://example.com/x" and "schema" not in person.asked


@pytest.mark.parametrize(("action", "reason"), [("decline", "declined"), ("cancel", "cancelled")])
def test_a_person_may_say_nothing(prompt: Prompt, person: Person, action: str, reason: str) -> None:
    person.says = {"action": action, "content": {}}
    cell = prompt.failure("mcp_runtime.ask('?')")
    assert cell.type == "mcp_runtime.NotAnswered" and "The user" in cell.message
    assert "asking.py" not in cell.traceback
    code = f"try:\n    mcp_runtime.ask('?')\nexcept mcp_runtime.NotAnswered as error:\n    print(error.reason)"
    assert prompt.run(code).out == f"{reason}\n"
    assert prompt.value("mcp_runtime.ask('?', otherwise=3)") == "3"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("no_client", "unavailable"), ("timeout", "timeout"), ("no_run", "unavailable"), ("lost", "unavailable"), ("cancelled", "cancelled")],
)
def test_why_there_is_no_answer_is_told(prompt: Prompt, person: Person, kind: str, reason: str) -> None:
    person.refuses = kind
    code = "try:\n    mcp_runtime.ask('?')\nexcept mcp_runtime.NotAnswered as error:\n    print(error.reason)"
    assert prompt.run(code).out == f"{reason}\n"
    assert prompt.value("mcp_runtime.ask('?', otherwise=None) is None") == "True"


def test_a_question_that_is_wrong_is_a_mistake(prompt: Prompt, person: Person) -> None:
    person.refuses = "arguments"
    assert prompt.failure("mcp_runtime.ask('?', otherwise=1)").type == "ValueError"
    for wrong in ("''", "5", "'?', int, choices=[1]", "'?', object()", "'?', {'a': object()}"):
        assert prompt.failure(f"mcp_runtime.ask({wrong})").type == "TypeError", wrong
    assert prompt.failure("mcp_runtime.ask('?', choices=[])").type == "ValueError"


def test_several_questions_may_be_open(prompt: Prompt, person: Person) -> None:
    code = "import asyncio\nawait asyncio.gather(*[mcp_runtime.ask_async(str(i)) for i in range(3)])"
    assert prompt.value(code) == "['Ada', 'Ada', 'Ada']"
    assert [frame["message"] for frame in person.frames if frame["op"] == "ask"] == ["0", "1", "2"]
    person.says = {"action": "decline", "content": {}}
    assert prompt.failure("await mcp_runtime.ask_async('?')").type == "mcp_runtime.NotAnswered"


def test_not_answered_can_be_carried(prompt: Prompt) -> None:
    code = "import pickle\npickle.loads(pickle.dumps(mcp_runtime.NotAnswered('no', 'declined'))).reason"
    assert prompt.value(code) == "'declined'"


# --- the model and the folders -----------------------------------------------------------------------


def test_a_model_answers(prompt: Prompt, person: Person) -> None:
    person.says = {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"}
    assert prompt.value("mcp_runtime.sample('Capital of France?', system='Be brief.', max_tokens=9, temperature=0.5, stop='.')") == "'Paris'"
    assert person.asked["request"] == {
        "messages": [{"role": "user", "content": {"type": "text", "text": "Capital of France?"}}],
        "maxTokens": 9,
        "systemPrompt": "Be brief.",
        "temperature": 0.5,
        "stopSequences": ["."],
    }
    person.says = {"role": "assistant", "content": {"type": "image", "data": "", "mimeType": "image/png"}, "model": "m"}
    assert prompt.value("(await mcp_runtime.sample_async([{'role': 'user', 'content': 'x'}]))['type']") == "'image'"


def test_folders_are_told(prompt: Prompt, person: Person) -> None:
    person.says = {"roots": [{"uri": "file:///a%20b/c", "name": "c"}, {"uri": "https://x/y"}]}
    expected = "[{'uri': 'file:///a%20b/c', 'name': 'c', 'path': '/a b/c'}, {'uri': 'https://x/y'}]"
    assert prompt.value("mcp_runtime.roots()") == expected
    assert prompt.value("await mcp_runtime.roots_async()") == expected


# --- input() -----------------------------------------------------------------------------------------


def test_input_asks_the_person(prompt: Prompt, person: Person) -> None:
    cell = prompt.run("x = input('Name? ')\nx")
    assert (cell.result, cell.out) == ("'Ada'", "Name? Ada\n")
    assert person.asked["message"] == "Name?" and person.asked["input"] is True
    person.accepts()
    assert prompt.value("input()") == "''"


def test_input_of_a_client_that_can_not_be_asked_says_so(prompt: Prompt, person: Person) -> None:
    person.refuses = "no_client"
    cell = prompt.failure("input('Name? ')")
    assert (cell.type, cell.out) == ("EOFError", "Name? ") and "cannot wait for input()" in cell.message
    person.refuses, person.says = None, {"action": "decline", "content": {}}
    assert "declined" in prompt.failure("input()").message


def test_input_reads_what_code_has_put_in_the_place_of_stdin(prompt: Prompt, person: Person) -> None:
    assert prompt.value("import io, sys\nkept, sys.stdin = sys.stdin, io.StringIO('mine\\n')\nline = input('? ')\nsys.stdin = kept\nline") == "'mine'"
    assert not person.frames


def test_prompts_of_the_standard_library_talk_to_the_person(prompt: Prompt, person: Person) -> None:
    person.accepts(answer="twice 21\n")
    code = "import cmd\nclass Shell(cmd.Cmd):\n    def do_twice(self, line):\n        print(2 * int(line))\n        return True\nShell().cmdloop()"
    assert prompt.run(code).out == "(Cmd) twice 21\n42\n"


def test_stdin_is_as_before(prompt: Prompt) -> None:
    assert prompt.failure("sys = __import__('sys'); sys.stdin.readline()").type == "EOFError"
    assert type(sys.stdin).__name__ == "NoInput"
