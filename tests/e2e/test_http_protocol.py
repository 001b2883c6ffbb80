"""What HTTP adds to the protocol, over real sockets: streams, hanging up, going on behind an event."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http_client import HttpClient, HttpServer, Legacy, Response, Stream

PRINTS = "import time\nfor n in range(4):\n    print(n, flush=True)\n    time.sleep(0.2)\n'done'"


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


@pytest.fixture
def client(server: HttpServer) -> HttpClient:
    return server.client()


def run(code: str, **arguments: Any) -> dict[str, Any]:
    return {"name": "run_python", "arguments": {"code": code, **arguments}}


def until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


class Events:
    """A response to one request of a session, read byte by byte: ids are looked at, and it is left."""

    def __init__(self, session: Legacy, method: str, body: dict[str, Any] | None, **headers: str) -> None:
        self.connection = session.client.server.connect()
        self.connection.request(method, session.client.server.path, None if body is None else json.dumps(body), {
            "Content-Type": "application/json", **session.headers,
            "Accept": "text/event-stream" if body is None else "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()}})
        self.sock = self.connection.sock
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.type = self.response.headers["Content-Type"]

    def next(self) -> dict[str, str]:
        """The fields of the next event; empty: the stream is over."""
        fields: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line == "\n" and fields:
                return fields
            name, colon, value = line.rstrip("\n").partition(": ")
            if colon and name:
                fields[name] = value
        return fields

    def leave(self) -> None:
        self.sock.shutdown(2)
        self.connection.close()


def post_of(session: Legacy, request_id: Any, code: str, name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call",
            "params": {**run(code, session=name), "_meta": {"progressToken": request_id}}}


# --- the stateless era ----------------------------------------------------------------------------


def test_many_requests_go_over_one_connection(client: HttpClient) -> None:
    client.run("x = 0", session="kept")
    sock = client.connection.sock
    for _ in range(50):
        client.run("x += 1", session="kept")
    assert client.run("x", session="kept")["result"] == "50"
    assert client.connection.sock is sock


def test_a_call_is_answered_with_json_and_with_a_stream_when_it_reports(client: HttpClient) -> None:
    plain = client.request("tools/call", run("1 + 1"))
    assert plain.headers["content-type"] == "application/json"
    told = client.request("tools/call", run(PRINTS), meta={"progressToken": "p"})
    assert told.headers["content-type"] == "text/event-stream"
    assert told.headers["cache-control"] == "no-cache"
    assert told.headers["x-accel-buffering"] == "no"
    *progress, answer = told.messages
    assert progress
    assert all(each["params"]["progressToken"] == "p" for each in progress)
    assert answer["result"]["structuredContent"]["result"] == "'done'"


def test_hanging_up_stops_the_cell(server: HttpServer, client: HttpClient) -> None:
    stream = Stream(server.client(), "tools/call", run("import time\nprint('runs')\ntime.sleep(600)", session="left"),
                    meta={"progressToken": 1})
    assert stream.status == 200
    stream.hang_up()
    answer = client.run("'free again'", session="left")
    assert answer["result"] == "'free again'"


def test_headers_and_body_say_the_same_or_nothing_runs(client: HttpClient) -> None:
    params = run("open_door = True", session="front")
    for headers in ({"Mcp-Param-Session": "back"}, {"Mcp-Name": "list_sessions"}, {"Mcp-Method": "tools/list"},
                    {"MCP-Protocol-Version": "2025-11-25"}, {"Mcp-Param-Session": "=?base64?%?="}):
        refused = client.request("tools/call", params, headers=headers)
        assert refused.status == 400, refused
        assert refused.answer["error"]["code"] == -32020
    assert "NameError" in client.run("open_door", session="front")["error"]["type"]
    encoded = client.request("tools/call", params, headers={"Mcp-Param-Session": "=?base64?ZnJvbnQ=?="})
    assert encoded.status == 200


@pytest.mark.parametrize(("method", "status", "code"), [
    ("ping", 404, -32601), ("logging/setLevel", 404, -32601), ("no/such/method", 404, -32601),
    ("tools/call", 400, -32602), ("server/discover", 200, None)])
def test_statuses(client: HttpClient, method: str, status: int, code: int | None) -> None:
    response = client.request(method, {"name": "no_such_tool"} if method == "tools/call" else {})
    assert response.status == status
    assert response.answer.get("error", {}).get("code") == code


def test_subscriptions_get_their_result_when_the_server_ends() -> None:
    with HttpServer() as server:
        stream = Stream(server.client(), "subscriptions/listen", {"notifications": {"resourcesListChanged": True}},
                        request_id="mine")
        first = stream.next()
        assert first is not None and first["method"] == "notifications/subscriptions/acknowledged"
        server.end()
        last = stream.rest()[-1]
        assert last["id"] == "mine"
        assert last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "mine"


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_each_older_version_has_its_sessions(client: HttpClient, version: str) -> None:
    session = Legacy(client, version)
    assert session.initialized["protocolVersion"] == version
    result = session.call("run_python", {"code": "6 * 7"})
    assert "42" in result["content"][0]["text"]
    assert ("structuredContent" in result) == (version >= "2025-06-18")
    deleted = client.send("DELETE", client.server.path, headers=session.headers)
    assert deleted.status == 204
    assert session.post("ping").status == 404


def test_a_batch_is_answered_as_one_where_batches_are_known(client: HttpClient) -> None:
    def batch(session: Legacy) -> Response:
        return session._send([{"jsonrpc": "2.0", "id": "a", "method": "ping"},  # type: ignore[arg-type]
                              post_of(session, "b", "1 + 1", "batch"),
                              {"jsonrpc": "2.0", "method": "notifications/x"}])

    answers = json.loads(batch(Legacy(client, "2025-03-26")).body)
    assert {each["id"] for each in answers} == {"a", "b"}
    assert batch(Legacy(client, "2025-06-18")).status == 400


def test_hanging_up_stops_nothing_in_a_session(client: HttpClient) -> None:
    session = Legacy(client)
    code = "import time\nprint('begun')\ntime.sleep(3)\nended = True"
    post = Events(session, "POST", post_of(session, 7, code, "goes_on"))
    assert post.type == "text/event-stream"
    post.leave()
    assert session.run("ended", session="goes_on")["result"] == "True"


def test_a_stream_that_broke_is_gone_on_with_behind_the_last_event(client: HttpClient) -> None:
    session = Legacy(client)
    post = Events(session, "POST", post_of(session, "slow", "import time\ntime.sleep(4)\n'late'", "resumed"))
    priming = post.next()
    assert priming["id"]
    assert int(priming["retry"]) > 0
    assert not priming.get("data", "").strip()
    post.leave()
    resumed = Events(session, "GET", None, Last_Event_ID=priming["id"])
    assert resumed.status == 200
    while event := resumed.next():
        if event.get("data", "").startswith("{"):
            message = json.loads(event["data"])
            if message.get("id") == "slow":
                assert message["result"]["structuredContent"]["result"] == "'late'"
                assert not resumed.next()
                return
    raise AssertionError("the stream was over without the answer")


def test_what_belongs_to_no_request_goes_over_a_get(client: HttpClient) -> None:
    session = Legacy(client)
    stream = Stream.of_get(client, session.headers)
    assert stream.status == 200
    session.run("print('x' * 50_000)", session="noisy")  # too long for an answer: a new resource
    told = stream.next()
    assert told == {"jsonrpc": "2.0", "method": "notifications/resources/list_changed"}
    assert client.send("DELETE", client.server.path, headers=session.headers).status == 204
    stream.rest()  # it ends with its session


def test_a_cancelled_request_has_no_answer_and_its_stream_ends(client: HttpClient) -> None:
    session = Legacy(client)
    found: list[bytes] = []

    def wait() -> None:
        post = Events(session, "POST", post_of(session, "stop", "import time\ntime.sleep(600)", "cancelled"))
        found.append(post.response.read())

    waiting = threading.Thread(target=wait)
    waiting.start()
    other = Legacy.__new__(Legacy)
    other.__dict__.update({**session.__dict__, "client": client.server.client()})
    until(lambda: any(each["session"] == "cancelled" and each["state"] == "busy" for each in
                      other.call("list_sessions")["structuredContent"]["sessions"]))
    assert other.notify("notifications/cancelled", {"requestId": "stop"}).status == 202
    waiting.join(60)
    assert not waiting.is_alive()
    assert b'"id":"stop"' not in found[0]
    assert other.run("'free'", session="cancelled")["result"] == "'free'"


def test_both_eras_share_what_is_behind_them(client: HttpClient) -> None:
    session = Legacy(client)
    session.run("shared = [1, 2, 3]", session="between")
    assert client.run("sum(shared)", session="between")["result"] == "6"


# --- questions ------------------------------------------------------------------------------------

ASKS = "input('What is your name? ')"
FORMS = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


def filled_in(question: dict[str, Any]) -> dict[str, Any]:
    """What a person who is called Ada answers."""
    name = next(iter(question["params"]["requestedSchema"]["properties"]))
    return {"action": "accept", "content": {name: "Ada"}}


def test_a_cell_s_question_is_answered_over_another_connection(server: HttpServer) -> None:
    first = server.client().request("tools/call", run(ASKS, session="asks"), meta=FORMS)
    asked = first.answer["result"]
    assert asked["resultType"] == "input_required"
    (key, question), = asked["inputRequests"].items()
    again = {**run(ASKS, session="asks"), "requestState": asked["requestState"],
             "inputResponses": {key: filled_in(question)}}
    refused = server.client().request("tools/call", {**again, "requestState": asked["requestState"] + "x"}, meta=FORMS)
    assert (refused.status, refused.answer["error"]["code"]) == (400, -32602)
    second = server.client().request("tools/call", again, meta=FORMS)
    assert second.answer["result"]["structuredContent"]["result"] == "'Ada'"


def test_a_cell_asks_over_the_stream_of_its_call(client: HttpClient) -> None:
    session = Legacy(client)
    opened = client.send("POST", client.server.path, json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "raw-client", "version": "1"}}}).encode(),
        {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"})
    session.id = opened.headers["mcp-session-id"]
    session.notify("notifications/initialized")
    post = Events(session, "POST", post_of(session, 1, ASKS, "asks_beside"))
    assert post.type == "text/event-stream"
    while not (event := post.next()).get("data", "").startswith("{") or "elicitation/create" not in event["data"]:
        assert event, "the stream was over without a question"
    question = json.loads(event["data"])
    answered = session._send({"jsonrpc": "2.0", "id": question["id"], "result": filled_in(question)})
    assert answered.status == 202
    while event := post.next():
        if '"id":1' in event.get("data", ""):
            assert json.loads(event["data"])["result"]["structuredContent"]["result"] == "'Ada'"
            return
    raise AssertionError("the stream was over without the answer")
