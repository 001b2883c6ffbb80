"""save_tool() and what later sessions have of it."""

from __future__ import annotations

import pytest
from servers import Servers

from prompt import Prompt

SQUARE = "def square(x):\n    'Of a number.'\n    return x * x\n"


def test_a_plain_function_is_kept_by_its_source(prompt: Prompt, servers: Servers) -> None:
    assert prompt.value(f"{SQUARE}\nsave_tool(square)") == "'Saved square.'"
    assert servers.saved == {"square": SQUARE}
    prompt.run("from mcp import runtime\nif True:\n    def cube(x):\n        return x ** 3")
    assert prompt.value("runtime.save_tool(cube)") == "'Saved cube.'"
    assert servers.saved["cube"] == "def cube(x):\n    return x ** 3\n"
    assert prompt.value("runtime.list_saved_tools()") == "('square', 'cube')"
    assert prompt.value("runtime.delete_tool('cube')") == "'Deleted cube.'"
    assert prompt.value("await runtime.list_saved_tools()") == "['square']"
    assert prompt.failure("runtime.delete_tool('cube')").message == "There is no saved tool cube."


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("save_tool(5)", "save_tool() keeps plain functions, not int."),
        ("class A: pass\nsave_tool(A)", "save_tool() keeps plain functions, not type."),
        ("save_tool(len)", "save_tool() keeps plain functions, not builtin_function_or_method."),
        ("class A:\n    def f(self): pass\nsave_tool(A().f)", "save_tool() keeps plain functions, not method."),
        ("save_tool(lambda: 1)", "save_tool() keeps functions that have a name, not <lambda>."),
        ("def make(n):\n    def f(): return n\n    return f\nsave_tool(make(1))", "f was not kept: it uses n of the function"),
        ("def print(): pass\nsave_tool(print)", "The function was not kept: 'print' is a name of the language itself"),
        ("def _f(): pass\nsave_tool(_f)", "The function was not kept: '_f' is a private name"),
        ("deco = lambda f: f\n@deco\ndef f(): pass\nsave_tool(f)", "f was not kept: its decorators or defaults use deco"),
        ("n = 5\ndef f(x=n): pass\nsave_tool(f)", "f was not kept: its decorators or defaults use n"),
        ("exec('def f(): pass')\nsave_tool(f)", "f was not kept: its source is not known any more"),
        ("def f(): pass\nf.__name__ = 'g'\nsave_tool(f)", "g was not kept: its source is no definition of its own"),
    ],
)
def test_what_cant_be_kept_says_why(prompt: Prompt, servers: Servers, cell: str, message: str) -> None:
    failure = prompt.failure(cell)
    assert failure.type == "ValueError" and failure.message.startswith(message)
    assert servers.saved == {}


def test_it_tells_what_a_later_session_will_lack(prompt: Prompt, servers: Servers) -> None:
    cell = "import json\nrows = []\ndef f(x: rows) -> json.JSONDecoder:\n    def inner(): return json.dumps(rows)\n    return inner(), mcp_github, runtime\nsave_tool(f)"
    assert prompt.value(cell) == (
        "'Saved f. It uses json, rows, which later sessions may not have: import or make such things inside the function, and save it again.'"
    )


def later(prompt: Prompt) -> Prompt:
    """The session that comes after."""
    prompt.session.saved_tools = True
    return prompt


def test_a_later_session_has_them_by_their_names(prompt: Prompt, servers: Servers) -> None:
    servers.source = f"import math\n\n{SQUARE}\nasync def issue(t):\n    return await mcp_github.create_issue(title=t)\n\ndef _hidden(): pass\n"
    session = later(prompt)
    assert session.value("square(5)") == "25"
    assert session.value("await issue('t')") == "{'title': 't'}"
    assert session.value("import inspect\ninspect.getsource(square)") == repr(SQUARE)
    assert session.value("from mcp.user_tools import square as again\nagain is square, square.__module__") == "(True, 'mcp.user_tools')"
    assert session.failure("_hidden").type == "NameError"
    assert session.failure("math").type == "NameError"
    assert [entry[0] for entry in session.session.names()] == ["inspect", "again"]
    assert session.run("square = 5\nsquare").result == "5"
    servers.saved["square"] = SQUARE
    session.value("del square\nruntime.delete_tool('square')")
    assert session.failure("square(5)").type == "NameError"


@pytest.mark.parametrize(
    ("source", "error"),
    [(f"{SQUARE}\nraise ValueError('no')", "ValueError: no"), (f"{SQUARE}\nimport not_there", "ModuleNotFoundError"), ("def f(:", "SyntaxError")],
)
def test_what_fails_in_them_is_one_note_and_no_failure(prompt: Prompt, servers: Servers, source: str, error: str) -> None:
    servers.source = source
    cell = later(prompt).run("1 + 1")
    assert (cell.status, cell.result) == (0, "2")
    assert cell.err.count("\n") == 1 and error in cell.err and "user_tools.py" in cell.err
    if SQUARE in source:
        assert prompt.value("square(5)") == "25"


def test_a_session_without_a_channel_says_so_once(prompt: Prompt, servers: Servers) -> None:
    def refuse() -> tuple[int, int]:
        raise RuntimeError("No MCP server can be called from here: it is off.")

    servers.calls = refuse  # type: ignore[method-assign]
    cell = later(prompt).run("1 + 1")
    assert cell.result == "2" and cell.err == "The saved tools were not loaded: No MCP server can be called from here: it is off.\n"
    assert prompt.run("1 + 1").err == ""


def test_they_never_take_the_place_of_the_languages_own(prompt: Prompt, servers: Servers) -> None:
    servers.source = "def len(x): return 0\ndef fine(): return 1\n"
    assert later(prompt).value("len('abc'), fine()") == "(3, 1)"
