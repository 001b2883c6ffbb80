"""The text of a result is bounded in length, time and memory."""

from __future__ import annotations

import pytest

from mcp_runtime.result_text import MAXIMUM_CHARACTERS, result_text
from prompt import Prompt


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "text", b"bytes", [1, [2]], {"a": (1,)}, {1, 2}, frozenset({1}), (), [], {}, set(),
     range(3), 1j, bytearray(b"x"), ..., int, [None], ("a",), {"k": {"k": []}}],
)  # fmt: skip
def test_an_ordinary_value_has_its_repr(value: object) -> None:
    assert result_text(value) == repr(value)


def test_a_list_that_holds_itself_has_its_repr() -> None:
    value: list[object] = [1]
    value.append(value)
    assert result_text(value) == "[1, [...]]"


def test_what_is_left_out_of_a_long_text_is_counted() -> None:
    text = result_text("a" * 30_000)
    assert text.startswith("'aaa")
    assert text.endswith("… [10,002 more characters]")


@pytest.mark.parametrize("make", [list, tuple, set, frozenset])
def test_a_huge_container_is_cut_and_counted(make: type) -> None:
    text = result_text(make(range(5_000_000)))
    assert MAXIMUM_CHARACTERS <= len(text) < MAXIMUM_CHARACTERS + 200
    assert "more items]" in text
    assert text[-1] in ")]}"


def test_a_huge_dictionary_is_cut_and_counted() -> None:
    text = result_text(dict.fromkeys(range(1_000_000), "v"))
    assert text.startswith("{0: 'v', 1: 'v'")
    assert "more items]}" in text


def test_the_items_left_out_are_counted_exactly() -> None:
    text = result_text(["abcdefgh"] * 100_000)
    shown = text.count("'abcdefgh'")
    assert f"… [{100_000 - shown:,} more items]" in text


def test_a_huge_inner_container_is_cut() -> None:
    text = result_text([list(range(3_000_000)), 1])
    assert len(text) < MAXIMUM_CHARACTERS + 200
    assert text.count("more items]") == 2


def test_a_huge_string_is_not_copied_whole() -> None:
    value = "é" * 50_000_000
    text = result_text(value)
    assert len(text) < MAXIMUM_CHARACTERS + 100
    assert "more characters]" in text
    assert result_text(b"x" * 50_000_000).startswith("b'xxx")


def test_a_huge_string_inside_is_cut() -> None:
    text = result_text({"k": ["x" * 5_000_000]})
    assert text.startswith("{'k': ['xxx")
    assert len(text) < MAXIMUM_CHARACTERS + 200


def test_shared_containers_that_unfold_without_end_are_cut() -> None:
    value: list[object] = []
    for _ in range(60):
        value = [value, value]
    assert len(result_text(value)) < MAXIMUM_CHARACTERS * 2


def test_a_huge_container_that_holds_itself_ends() -> None:
    value: list[object] = list(range(100))
    value.insert(0, value)
    value.extend(range(1_000_000))
    assert result_text(value).startswith("[[...], 0, 1")


def test_lone_surrogates_can_be_sent() -> None:
    text = result_text(type("A", (), {"__repr__": lambda self: "\ud800é"})())
    assert text == "\\ud800é"


def test_a_repr_of_a_string_subclass_is_a_plain_string() -> None:
    class Text(str):
        pass

    text = result_text(type("A", (), {"__repr__": lambda self: Text("ok")})())
    assert type(text) is str and text == "ok"


def test_an_integer_too_long_to_print_says_so(prompt: Prompt) -> None:
    cell = prompt.run("10 ** 10_000")
    if cell.error is not None:
        assert cell.type == "ValueError" and "4300" in cell.message
        assert "ran to its end" in cell.notices[0]
    else:
        assert cell.result is not None and cell.result.startswith("1000")
