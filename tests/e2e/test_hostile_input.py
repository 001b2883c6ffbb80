"""Any bytes on stdin get the right error and leave the server serving."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.raw_client import META, CellAnswer, RawClient, proportional_memory

DEADLINE = 30.0

PARSE, REQUEST, METHOD, PARAMS, VERSION = -32700, -32600, -32601, -32602, -32022


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with RawClient() as running:
        running.run("pass")
        yield running


def modern(method: object, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": {"_meta": META, **params}}


def answer_without_id(client: RawClient, data: bytes, deadline: float = DEADLINE) -> dict[str, Any]:
    """Sends bytes whose answer carries no id we could wait for."""
    client.stray.clear()
    client.write(data)
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if client.stray:
            return client.stray[0]
        time.sleep(0.005)
    pytest.fail(f"no answer within {deadline:g} s")


def still_serving(client: RawClient) -> None:
    assert client.request("server/discover", timeout=DEADLINE)["result"]["supportedVersions"] == ["2026-07-28"]
    assert client.alive()


BROKEN_LINES = [
    ("not JSON", b"hello\n", PARSE),
    ("truncated JSON", b'{"jsonrpc":"2.0","id":1,"method":"tools/li\n', PARSE),
    ("two values on a line", b'{"jsonrpc":"2.0"} {"jsonrpc":"2.0"}\n', PARSE),
    ("invalid UTF-8", b'{"jsonrpc":"2.0","id":"\xff\xfe","method":"ping"}\n', PARSE),
    ("a lone surrogate half in UTF-8", b'{"jsonrpc":"2.0","id":"\xed\xa0\x80","method":"ping"}\n', PARSE),
    ("a NUL byte", b"\x00\n", PARSE),
    ("all byte values", bytes(byte for byte in range(256) if byte != 10) + b"\n", PARSE),
    ("an unfinished escape", b'{"id":"\\u12"}\n', PARSE),
    ("NaN", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":NaN}\n', PARSE),
    ("a number", b"42\n", REQUEST),
    ("a string", b'"ping"\n', REQUEST),
    ("null", b"null\n", REQUEST),
    ("true", b"true\n", REQUEST),
    ("an empty array", b"[]\n", REQUEST),
    ("an array of numbers", b"[1,2,3]\n", REQUEST),
    ("an empty object", b"{}\n", REQUEST),
    ("an id of null", b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', REQUEST),
    ("an id that is an object", b'{"jsonrpc":"2.0","id":{},"method":"ping"}\n', REQUEST),
    ("an id that is a fraction", b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n', REQUEST),
]


@pytest.mark.parametrize(("data", "code"), [line[1:] for line in BROKEN_LINES], ids=[line[0] for line in BROKEN_LINES])
def test_a_line_that_is_no_request_gets_its_error(client: RawClient, data: bytes, code: int) -> None:
    answer = answer_without_id(client, data)
    assert answer["error"]["code"] == code, answer
    assert answer["error"]["message"]
    assert answer.get("id") is None
    still_serving(client)


WRONG_REQUESTS = [
    ("another JSON-RPC version", {**modern("server/discover"), "jsonrpc": "1.0"}, {REQUEST}),
    ("no JSON-RPC version", {"method": "server/discover", "params": {"_meta": META}}, {REQUEST}),
    ("a method that is a number", modern(7), {REQUEST}),
    ("params that are a string", {"jsonrpc": "2.0", "method": "server/discover", "params": "x"}, {REQUEST, PARAMS}),
    ("params that are an array", {"jsonrpc": "2.0", "method": "server/discover", "params": [1]}, {REQUEST, PARAMS}),
    ("an unknown method", modern("no/such"), {METHOD}),
    ("a method that this era removed", modern("ping"), {METHOD}),
    ("an empty method", modern(""), {METHOD, REQUEST}),
    ("a missing tool name", modern("tools/call", arguments={}), {PARAMS}),
    ("a tool name that is a number", modern("tools/call", name=5, arguments={}), {PARAMS}),
    ("an unknown tool", modern("tools/call", name="no_such", arguments={}), {PARAMS}),
    ("arguments that are an array", modern("tools/call", name="run_python", arguments=[]), {PARAMS}),
    ("an invalid cursor", modern("tools/list", cursor="nonsense"), {PARAMS}),
    ("a cursor that is a number", modern("tools/list", cursor=5), {PARAMS}),
    ("a missing URI", modern("resources/read"), {PARAMS}),
    ("an unknown resource", modern("resources/read", uri="nope://nothing"), {PARAMS}),
    ("a _meta that is a string", {"jsonrpc": "2.0", "method": "tools/list", "params": {"_meta": "x"}}, {PARAMS, REQUEST}),
    ("no capabilities in _meta",
     {"jsonrpc": "2.0", "method": "tools/list", "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}}, {PARAMS}),
    ("a bad log level", modern("tools/list", _meta={**META, "io.modelcontextprotocol/logLevel": "loud"}), {PARAMS}),
    ("a progress token that is an object", modern("tools/list", _meta={**META, "progressToken": {}}), {PARAMS}),
]


@pytest.mark.parametrize(("request_", "codes"), [case[1:] for case in WRONG_REQUESTS], ids=[case[0] for case in WRONG_REQUESTS])
def test_a_wrong_request_gets_its_error_under_its_id(client: RawClient, request_: dict[str, Any], codes: set[int]) -> None:
    request_id = f"wrong-{time.monotonic_ns()}"
    pending = client.expect(request_id)
    client.write(json.dumps({**request_, "id": request_id}).encode() + b"\n")
    answer = pending.wait(DEADLINE)
    assert answer["error"]["code"] in codes, answer
    still_serving(client)


def test_a_revision_that_is_not_served_is_answered_with_those_that_are(client: RawClient) -> None:
    answer = client.request("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": "1900-01-01"}})
    assert answer["error"]["code"] == VERSION
    assert answer["error"]["data"] == {"supported": ["2026-07-28"], "requested": "1900-01-01"}


@pytest.mark.parametrize("depth", [1_000, 1_000_000])
@pytest.mark.parametrize("shape", ["[", '{"a":'])
def test_deep_nesting_is_an_error_not_a_crash(client: RawClient, depth: int, shape: str) -> None:
    answer = answer_without_id(client, (shape * depth).encode() + b"\n")
    assert answer["error"]["code"] in (PARSE, REQUEST)
    still_serving(client)


def test_deep_nesting_that_is_closed_again_is_answered_too(client: RawClient) -> None:
    depth = 100_000
    line = b'{"jsonrpc":"2.0","id":"deep","method":"tools/list","params":' + b"[" * depth + b"]" * depth + b"}\n"
    pending = client.expect("deep")
    client.stray.clear()
    client.write(line)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and not pending.done and not client.stray:
        time.sleep(0.005)
    answer = pending.wait(0) if pending.done else client.stray[0]
    assert "error" in answer
    still_serving(client)


def test_a_line_of_100_megabytes_is_refused_without_being_held(client: RawClient) -> None:
    before = proportional_memory(client.pid)
    chunk = b"x" * (1 << 20)
    client.stray.clear()
    client.write(b'{"jsonrpc":"2.0","id":1,"method":"')
    for _ in range(100):
        client.write(chunk)
    grown = proportional_memory(client.pid) - before
    answer = answer_without_id(client, b'"}\n')
    assert answer["error"]["code"] in (PARSE, REQUEST)
    assert grown < 64 << 20
    still_serving(client)


def test_code_over_the_limit_is_refused_with_the_limit_named(client: RawClient) -> None:
    answer = client.run("#" * (5 << 20))
    assert answer.is_error or answer.protocol_error
    assert "4" in answer.text
    still_serving(client)


def test_an_id_that_is_in_flight_is_refused_and_the_first_request_is_answered(client: RawClient) -> None:
    request = {**modern("tools/call", name="run_python", arguments={"code": "import time; time.sleep(0.5); 'first'", "session": "twice"}), "id": "twin"}
    pending = client.expect("twin")
    line = json.dumps(request).encode() + b"\n"
    client.stray.clear()
    client.write(line + line)
    first = pending.wait(DEADLINE)
    end = time.monotonic() + DEADLINE
    while not client.stray and time.monotonic() < end:
        time.sleep(0.005)
    second = client.stray[0]
    answers = sorted([first, second], key=lambda answer: "error" in answer)
    assert answers[0]["result"]["structuredContent"]["result"] == "'first'"
    assert answers[1]["error"]["code"] == REQUEST
    still_serving(client)


def test_an_id_keeps_its_type(client: RawClient) -> None:
    for request_id in (0, -5, 2**53, "7", "", "täglich"):
        pending = client.expect(request_id)
        client.write(json.dumps({**modern("server/discover"), "id": request_id}).encode() + b"\n")
        answer = pending.wait(DEADLINE)
        assert answer["id"] == request_id
        assert type(answer["id"]) is type(request_id)


def test_a_request_split_into_single_bytes_is_put_together(client: RawClient) -> None:
    pending = client.expect("split")
    for byte in json.dumps({**modern("server/discover"), "id": "split"}, ensure_ascii=False).encode() + b"\n":
        client.write(bytes([byte]))
    assert "result" in pending.wait(DEADLINE)


def test_unknown_notifications_and_answers_to_nothing_are_ignored(client: RawClient) -> None:
    client.stray.clear()
    client.write(b'{"jsonrpc":"2.0","method":"notifications/unheard-of"}\n')
    client.write(b'{"jsonrpc":"2.0","id":99,"result":{}}\n')
    client.write(b'{"jsonrpc":"2.0","id":98,"error":{"code":1,"message":"x"}}\n')
    still_serving(client)
    assert client.stray == []


def test_a_request_before_any_handshake_and_without_meta_is_refused() -> None:
    with RawClient() as fresh:
        pending = fresh.expect(1)
        fresh.write(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n')
        assert "error" in pending.wait(DEADLINE)
        still_serving(fresh)


def test_a_flood_of_wrong_lines_does_not_keep_a_cell_from_its_answer() -> None:
    with RawClient() as fresh:
        fresh.run("pass")
        pending = fresh.send_cell("sum(range(1000))")
        for _ in range(200):
            fresh.write(b"garbage\n" * 50)
        assert CellAnswer(pending, DEADLINE).result == "499500"
        still_serving(fresh)


def test_text_of_every_plane_goes_through_and_comes_back(client: RawClient) -> None:
    text = "ä € 😀 \u2028 \x7f \\ \" é"
    answer = client.run(f"s = {text!r}\nprint(s)\ns", "unicode")
    assert answer.stdout == text + "\n"
    assert answer.result == repr(text)
    # A lone surrogate can't be sent as UTF-8: it arrives escaped or replaced, never as bad bytes.
    assert client.run("print('\\ud800')\n'\\ud800'", "unicode").status in ("completed", "raised")
    still_serving(client)
