"""The trace that a client keeps (W3C Trace Context, Baggage) reaches the MCP servers that its code calls."""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_client import HttpClient, HttpServer, Legacy
from tests.support.raw_client import META, RawClient

UPSTREAM = Path(__file__).parents[1] / "support" / "upstream_server.py"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = {"traceparent": PARENT, "tracestate": "vendor=1,other=2", "baggage": "tenant=blue"}
NOTHING = dict.fromkeys(TRACE)
ASKS = """from mcp import mcp_{0}
meta = await mcp_{0}.meta()
{{key: meta.get(key) for key in ("traceparent", "tracestate", "baggage")}}"""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options for an MCP server of each era behind it, which tells what its calls came with."""
    file = tmp_path_factory.mktemp("upstreams") / "servers.json"
    file.write_text(json.dumps({"mcpServers": {
        era: {"command": sys.executable, "args": [str(UPSTREAM), "--era", era]} for era in ("modern", "handshake")}}))
    return ["--upstreams", str(file)]


@pytest.fixture(scope="module")
def server(behind: list[str]) -> Iterator[HttpServer]:
    with HttpServer(behind) as running:
        yield running


def told(client: HttpClient, era: str, trace: dict[str, str], **arguments: object) -> dict[str, str | None]:
    """What that MCP server found in its request."""
    result = client.call("run_python", {"code": ASKS.format(era), **arguments}, meta=trace)["structuredContent"]
    assert result["status"] == "completed", result["error"]
    return ast.literal_eval(result["result"])  # type: ignore[no-any-return]


@pytest.mark.parametrize("room", ["inprocess", "process"])
@pytest.mark.parametrize("era", ["modern", "handshake"])
def test_a_cell_s_calls_carry_the_trace_of_its_client(server: HttpServer, era: str, room: str) -> None:
    client = server.client()
    session = {"session": f"trace-{era}-{room}", "isolation": room}
    assert told(client, era, {}, **session) == NOTHING
    assert told(client, era, TRACE, **session) == TRACE
    assert told(client, era, {"baggage": "tenant=blue"}, **session) == {**NOTHING, "baggage": "tenant=blue"}
    assert told(client, era, {"traceparent": "00-zz", "tracestate": "vendor=1"}, **session) == NOTHING
    assert told(client, era, {}, **session) == NOTHING  # not that of a cell before


def test_a_client_of_the_handshake_era_may_keep_one_too(server: HttpServer) -> None:
    answer = Legacy(server.client()).post("tools/call", {
        "name": "run_python", "arguments": {"code": ASKS.format("modern"), "session": "legacy"}, "_meta": TRACE})
    assert ast.literal_eval(answer.answer["result"]["structuredContent"]["result"]) == TRACE


def test_over_a_pipe_it_is_the_same(behind: list[str]) -> None:
    with RawClient(["serve", *behind]) as client:
        for era in ("modern", "handshake"):
            answer = client.request("tools/call", {"name": "run_python", "arguments": {"code": ASKS.format(era)},
                                                   "_meta": {**META, **TRACE}})
            assert ast.literal_eval(answer["result"]["structuredContent"]["result"]) == TRACE


def test_code_mode_hands_it_on_as_well(behind: list[str]) -> None:
    with HttpServer(["--profile", "code", "--isolation", "inprocess", *behind]) as server:
        client = server.client()
        for trace in (TRACE, {}):
            answer = client.call("run_python", {"code": "from mcp import mcp_modern\nprint(await mcp_modern.meta())"}, meta=trace)
            assert (PARENT in answer["content"][0]["text"]) == bool(trace)


def test_a_cell_in_the_background_has_its_caller_s_trace(server: HttpServer) -> None:
    client = server.client()
    client.call("run_python", {"code": ASKS.format("modern"), "session": "later", "background": True}, meta=TRACE)
    assert client.run("meta['traceparent']", session="later")["result"] == repr(PARENT)


def test_candidates_of_a_race_have_it(server: HttpServer) -> None:
    codes = [ASKS.format("modern"), ASKS.format("handshake")]
    result = server.client().call("run_python", {"code": codes, "branch": True, "pick": "all", "session": "race"},
                                  meta=TRACE)["structuredContent"]
    assert [ast.literal_eval(each["result"]) for each in result["candidates"]] == [TRACE, TRACE]


def test_a_header_is_no_trace(server: HttpServer) -> None:
    response = server.client().request(
        "tools/call", {"name": "run_python", "arguments": {"code": ASKS.format("modern"), "session": "headers"}},
        headers={"traceparent": PARENT})
    assert ast.literal_eval(response.answer["result"]["structuredContent"]["result"]) == NOTHING


def test_the_audit_log_names_the_trace_and_nothing_else_of_it(server: HttpServer) -> None:
    told(server.client(), "modern", TRACE, session="audited")
    told(server.client(), "modern", {}, session="unaudited")
    path = Path(server.state) / "audit.jsonl"
    deadline = time.monotonic() + 30
    while True:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        found = {line["session"]: line for line in lines}
        if {"audited", "unaudited"} <= set(found):
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["audited"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace_id" not in found["unaudited"]
    assert "tenant" not in path.read_text()
