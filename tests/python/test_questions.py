"""What the server asks a session: its packages, what some code has changed, an expression's value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prompt import COMPLETED, Prompt


def ask(prompt: Prompt, what: str, **more: Any) -> Any:
    status, result, error, _ = prompt.session.ask(json.dumps({"what": what, **more}), 0)
    assert status == COMPLETED, error
    return json.loads(result or "")


def test_changes_are_told_by_their_kind(prompt: Prompt) -> None:
    prompt.run("a = [1, [2]]; b = 'text'; c = {1: {2}}; d = 4; e = object(); f = bytearray(b'x'); g = []; import math")
    assert ask(prompt, "mark", expression=None) == {}
    prompt.run("a[1].append(3); b = 'other'; c[1].add(5); del d; new = 1; f += b'y'; 7")
    found = ask(prompt, "changes")
    assert found == {
        "new": ["new"],
        "rebound": ["b"],
        "deleted": ["d"],
        "mutated": ["a", "c", "f"],
        "unknown": ["e"],
        "more": 0,
    }


def test_what_is_too_large_or_of_another_kind_is_not_known(prompt: Prompt) -> None:
    prompt.run("big = list(range(100_000)); own = [object()]; me = []; me.append(me); class_ = type('T', (), {})")
    ask(prompt, "mark", expression=None)
    prompt.run("big.append(1)")
    found = ask(prompt, "changes")
    assert found["unknown"] == ["big", "me", "own"] and found["mutated"] == []


def test_names_are_bounded(prompt: Prompt) -> None:
    ask(prompt, "mark", expression=None)
    prompt.run("globals().update({f'n{i}': i for i in range(150)})")
    found = ask(prompt, "changes")
    assert len(found["new"]) == 100 and found["more"] == 50


def test_names_that_are_hardly_any_do_no_harm(prompt: Prompt) -> None:
    ask(prompt, "mark", expression=None)
    prompt.run(r"globals().update({1: 2, '\ud800': 3, 'n' * 10**6: 4})")
    found = ask(prompt, "changes")
    assert found["new"] == ["n" * 200, "?"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [("x", 3.0), ("len(y) / 2", 1.0), (" -x ", -3.0), ("True", 1.0), ("await asyncio.sleep(0, 5)", 5.0)],
)
def test_an_expression_has_a_number(prompt: Prompt, expression: str, value: float) -> None:
    prompt.run("import asyncio; x = 3; y = 'ab'")
    assert ask(prompt, "mark", expression=expression) == {}
    assert ask(prompt, "value", expression=expression) == {"value": value}


@pytest.mark.parametrize(
    ("expression", "why"),
    [("nobody", "NameError"), ("'12'", "no number"), ("[1]", "TypeError"), ("float('nan')", "no number"), ("None", "TypeError")],
)
def test_an_expression_that_gives_no_number_says_why(prompt: Prompt, expression: str, why: str) -> None:
    prompt.run("x = 3")
    assert why in ask(prompt, "value", expression=expression)["problem"]


def test_an_expression_that_is_none_is_told_before_anything_runs(prompt: Prompt) -> None:
    prompt.run("x = 3")
    assert "SyntaxError" in ask(prompt, "mark", expression="x = 4")["problem"]


def test_packages_name_what_was_imported(prompt: Prompt) -> None:
    prompt.run("import pytest, json")
    found = ask(prompt, "packages")
    by_name = {each["name"]: each for each in found["packages"]}
    assert by_name["pytest"]["requirement"] == f"pytest=={pytest.__version__}" and "pytest" in by_name["pytest"]["modules"]
    assert "json" not in [each["module"] for each in found["local"]]


def test_an_unknown_question_is_an_error(prompt: Prompt) -> None:
    prompt.run("1")
    status, _, error, _ = prompt.session.ask('{"what": "nonsense"}', 0)
    assert status == 1 and error is not None and "nonsense" in error[1]
