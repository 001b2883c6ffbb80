"""What tools answer, as values; without a session."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
from typing import Any

import pytest

from mcp_runtime.code_mode import values
from mcp_runtime.result_text import result_text

PNG = base64.b64encode(b"\x89PNG\r\n").decode()


def blocks(*content: Any, **more: Any) -> Any:
    return values.tool_result({"content": list(content), **more})


def said(text: str) -> Any:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ({"structuredContent": {"a": 1}, "content": [said("x")]}, {"a": 1}),
        ({"structuredContent": {"result": [1, 2]}, "content": []}, [1, 2]),
        ({"structuredContent": {"result": "text"}}, "text"),
        ({"structuredContent": {"result": 5}}, 5),
        ({"structuredContent": {"result": None}}, None),
        ({"structuredContent": {"result": True}}, True),
        ({"structuredContent": {"result": 1, "more": 2}}, {"result": 1, "more": 2}),
        ({"content": [said('{"a": [1]}')]}, {"a": [1]}),
        ({"content": [said(' [1, "b"]')]}, [1, "b"]),
        ({"content": [said("[not json")]}, "[not json"),
        ({"content": [said("5")]}, "5"),
        ({"content": [said("month,revenue\n1,2\n")]}, "month,revenue\n1,2\n"),
        ({"content": [said("a"), said("b")]}, [said("a"), said("b")]),
        ({"content": []}, []),
        ({"toolResult": 1}, {"toolResult": 1}),
        ({"content": "nonsense"}, {"content": "nonsense"}),
        ([1], [1]),
        (None, None),
    ],
)
def test_an_answer_is_what_it_says(raw: Any, value: Any) -> None:
    found = values.tool_result(raw)
    assert found == value
    if isinstance(found, (str, list, dict)) and isinstance(raw, dict):
        assert found.raw == raw
        assert json.dumps(found) == json.dumps(value)


def test_the_answers_own_keys_are_there_for_every_kind_of_value() -> None:
    for content, more in (([said("hello")], {}), ([said("[1]")], {}), ([said('{"a": 1}')], {"isError": False})):
        found = values.tool_result({"content": content, **more})
        assert found["content"][0]["text"] == content[0]["text"]
        assert found["isError"] is False
        with pytest.raises(KeyError):
            found["structuredContent"]


def test_keys_of_its_own_win() -> None:
    found = values.tool_result({"structuredContent": {"content": "mine", "x": 1}, "content": [said("theirs")]})
    assert found["content"] == "mine"
    assert found.get("content") == "mine" and found.get("nothing", 7) == 7
    assert found.get("structuredContent") == {"content": "mine", "x": 1}
    assert "isError" not in found and list(found) == ["content", "x"]


def test_they_behave_as_what_they_are() -> None:
    text = blocks(said("a,b"))
    assert text[0] == "a" and text[-1:] == "b" and text.upper() == "A,B" and f"{text}!" == "a,b!" and len(text) == 3
    assert io.StringIO(text).read() == "a,b"
    assert [each for each in blocks(said("[1, 2]"))] == [1, 2] and blocks(said("[1, 2]"))[1] == 2
    with pytest.raises(TypeError):
        text["nonsense"]


@pytest.mark.parametrize("text", ["plain", "[1, [2]]", '{"a": {"b": 1}}'])
def test_pickled_they_are_the_plain_values(text: str) -> None:
    found = blocks(said(text))
    for plain in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
        assert type(plain) in (str, list, dict) and plain == found
    assert result_text(found) == repr(found)


def test_a_huge_answer_is_written_out_no_further_than_it_is_shown() -> None:
    found = blocks(said(json.dumps({str(number): "x" * 100 for number in range(50_000)})))
    assert len(result_text(found)) < 25_000
    assert len(result_text(blocks(said("x" * 10_000_000)))) < 25_000


def test_a_picture_has_data_and_mime() -> None:
    picture = blocks({"type": "image", "data": PNG, "mimeType": "image/png"})
    assert (picture.data, picture.mime, picture["type"]) == (b"\x89PNG\r\n", "image/png", "image")
    assert picture[0] is picture and picture.raw["content"][0]["data"] == PNG
    assert repr(picture) == "<image image/png, 6 bytes>"
    assert picture._repr_mimebundle_() == {"image/png": b"\x89PNG\r\n"}


def test_blocks_are_maps_with_attributes() -> None:
    found = blocks(
        said("see:"),
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "a://b", "blob": "AAEC", "mimeType": "x/y"}},
        {"type": "resource_link", "uri": "c://d"},
        "nonsense",
    )
    assert found[0].text == "see:" and found[1].mime == "image/png"
    assert (found[2].data, found[2].mime, found[2].uri) == (bytes([0, 1, 2]), "x/y", "a://b")
    assert found[3].uri == "c://d" and found[4] == "nonsense"
    with pytest.raises(AttributeError, match="the block has no 'data'; it has type, text"):
        print(found[0].data)
    with pytest.raises(AttributeError, match="it has type, text"):
        print(found[0].txt)


def test_a_damaged_picture_is_told() -> None:
    picture = blocks({"type": "image", "data": "A", "mimeType": "image/png"})
    assert "damaged" in repr(picture)
    with pytest.raises(ValueError):
        print(picture.data)


@pytest.mark.parametrize(
    ("contents", "value"),
    [
        ([{"uri": "a", "text": "hello"}], "hello"),
        ([{"uri": "a", "text": "[1]"}], "[1]"),
        ([{"uri": "a", "text": "x"}, {"uri": "b", "text": "y"}], [{"type": "resource", "resource": {"uri": name, "text": text}} for name, text in (("a", "x"), ("b", "y"))]),
    ],
)
def test_resources_are_texts_or_lists(contents: Any, value: Any) -> None:
    found = values.resource_result({"contents": contents})
    assert found == value and found.raw == {"contents": contents}


def test_other_resources_have_data() -> None:
    found = values.resource_result({"contents": [{"uri": "a", "blob": "AAEC", "mimeType": "x/y"}]})
    assert (found.data, found.mime) == (bytes([0, 1, 2]), "x/y")
