"""What code gives to tools, as JSON."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from typing import Any

import pytest

from mcp_runtime.code_mode import arguments
from mcp_runtime.code_mode.errors import MCPError

BINARY = {"type": "string", "contentEncoding": "base64"}


def as_json(value: Any, schema: Any = None) -> Any:
    return arguments.as_json({"x": value}, lambda: {"properties": {"x": schema}} if schema else {})["x"]


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    at: datetime.date


class Array:
    """As numpy's are."""

    def tolist(self) -> Any:
        return [1, 2.5]


class Scalar:
    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        (frozenset({"a"}), ["a"]),
        (datetime.date(2025, 1, 31), "2025-01-31"),
        (datetime.datetime(2025, 1, 31, 12), "2025-01-31T12:00:00"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (decimal.Decimal("2"), 2),
        (decimal.Decimal("2.5"), 2.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Color.RED, "red"),
        (Point(1, datetime.date(2025, 1, 1)), {"x": 1, "at": "2025-01-01"}),
        (Array(), [1, 2.5]),
        (Scalar(), 7),
        ({2: "a", None: "b", True: "c"}, {"2": "a", "null": "b", "true": "c"}),
        ({"a": {"b": (1,)}}, {"a": {"b": [1]}}),
        (True, True),
    ],
)
def test_values_have_the_form_everybody_would_choose(value: Any, expected: Any) -> None:
    assert as_json(value) == expected
    assert arguments.are_simple({"x": value}) is (value is True)


@pytest.mark.parametrize(
    ("data", "schema", "expected"),
    [
        (b"text", {"type": "string"}, "text"),
        ("ä".encode(), {"type": ["string", "null"]}, "ä"),
        (b"text", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        (b"\x89PNG", {"type": "string"}, "iVBORw=="),
        (b"text", BINARY, "dGV4dA=="),
        (b"text", {"type": "string", "format": "byte"}, "dGV4dA=="),
        (b"text", None, "dGV4dA=="),
        (bytearray(b"text"), {"type": "string"}, "text"),
        (memoryview(b"text"), {"type": "string"}, "text"),
        ([b"a", b"\xff"], {"type": "array", "items": {"type": "string"}}, ["a", "/w=="]),
        ({"k": b"a"}, {"type": "object", "properties": {"k": {"type": "string"}}}, {"k": "a"}),
    ],
)
def test_bytes_are_text_where_the_schema_wants_some(data: Any, schema: Any, expected: Any) -> None:
    assert as_json(data, schema) == expected


async def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "a value of type object has no form in JSON"),
        (float("nan"), "JSON has no nan"),
        ([float("inf")], "JSON has no inf"),
        ({(1, 2): 3}, "tuple is no key"),
    ],
)
def test_what_has_no_form_is_refused_with_a_way_out(value: Any, why: str) -> None:
    with pytest.raises(MCPError, match=why) as raised:
        as_json(value)
    assert raised.value.kind == "arguments" and "Nothing was sent" in str(raised.value)


def test_what_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(MCPError, match="nested too deeply"):
        as_json(endless)


def test_positional_arguments_are_named_in_order() -> None:
    order = ["repo", "title", "labels"]
    assert arguments.named("f", ("o/r",), {"labels": []}, order) == {"repo": "o/r", "labels": []}
    with pytest.raises(MCPError, match=r"f was given 4 positional arguments, and it takes repo, title, labels"):
        arguments.named("f", (1, 2, 3, 4), {}, order)
    with pytest.raises(MCPError, match="takes no arguments"):
        arguments.named("f", (1,), {}, [])
    with pytest.raises(MCPError, match="'repo' twice"):
        arguments.named("f", ("a",), {"repo": "b"}, order)
