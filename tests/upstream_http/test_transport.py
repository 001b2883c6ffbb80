"""The transport alone, against servers that do what the test says."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.upstream_http.driver import HANDSHAKE, MODERN, Connection
from tests.upstream_http.scripted import Answering, Asked, result, serving


def handshake_server(after: Any, *, session: str = "s-1") -> Any:
    """Answers the handshake; what comes afterwards is after(asked, to)."""

    def script(asked: Asked, to: Answering) -> None:
        method = asked.json.get("method") if asked.method == "POST" else asked.method
        if method == "initialize":
            return to.answer(200, result(asked), {"Mcp-Session-Id": session} if session else None)
        if method == "notifications/initialized":
            return to.answer(202)
        after(asked, to)

    return script


# --- messages and answers --------------------------------------------------------------------------


def test_a_request_says_in_headers_what_it_is() -> None:
    with serving(lambda asked, to: to.answer(200, result(asked, 7))) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", {"name": "añadir"}, id=5, name="añadir")
        assert upstream.answer(5)["result"] == {"value": 7}
        headers = server.asked[0].headers
        assert headers["content-type"] == "application/json"
        assert headers["accept"] == "application/json, text/event-stream"
        assert headers["mcp-protocol-version"] == MODERN
        assert headers["mcp-method"] == "tools/call"
        assert headers["mcp-name"] == "=?base64?YcOxYWRpcg==?="
        assert server.asked[0].json["params"]["name"] == "añadir"


def test_an_answer_may_be_a_stream_with_progress_before_it() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.stream()
        to.wfile.write(b": keep-alive\n\n")
        to.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}})
        to.event({"ignored": True}, type="other")
        to.event(result(asked, "done"))

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="slow")
        assert upstream.message()["method"] == "notifications/progress"
        assert upstream.answer(1)["result"]["value"] == "done"


def test_a_notification_is_answered_by_nothing() -> None:
    with serving(lambda asked, to: to.answer(202)) as server, Connection(server.url) as upstream:
        upstream.send("notifications/cancelled", {"requestId": 4})
        server.wait_for(lambda asked: asked.json["method"] == "notifications/cancelled")
        upstream.end()
        assert upstream.kept == []


def test_many_requests_are_on_their_way_at_once() -> None:
    there = threading.Barrier(60, timeout=60)

    def script(asked: Asked, to: Answering) -> None:
        there.wait()
        to.answer(200, result(asked, asked.json["id"]))

    with serving(script) as server, Connection(server.url) as upstream:
        for number in range(60):
            upstream.send("tools/call", id=number, name="x")
        assert {upstream.answer(number)["result"]["value"] for number in range(60)} == set(range(60))


def test_what_is_abandoned_closes_its_stream_and_nothing_more_is_told() -> None:
    gone = threading.Event()

    def script(asked: Asked, to: Answering) -> None:
        to.stream()
        to.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        if to.until_gone():
            gone.set()

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        upstream.message()
        upstream.order(do="abandon", id=1)
        assert gone.wait(60)
        upstream.end()
        assert upstream.kept == []


def test_dropping_the_transport_closes_everything() -> None:
    gone = threading.Semaphore(0)

    def script(asked: Asked, to: Answering) -> None:
        to.stream()
        to.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        if to.until_gone():
            gone.release()

    with serving(script) as server, Connection(server.url) as upstream:
        for number in range(3):
            upstream.send("tools/call", id=number, name="x")
        for _ in range(3):
            upstream.message()
        upstream.order(do="drop")
        for _ in range(3):
            assert gone.acquire(timeout=60)


# --- what goes wrong -------------------------------------------------------------------------------


def test_a_json_rpc_error_of_whatever_status_is_the_answer() -> None:
    error = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": ["x"]}}

    def script(asked: Asked, to: Answering) -> None:
        to.answer(400, {"jsonrpc": "2.0", "id": None, "error": error})

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("server/discover", id=9)
        assert upstream.answer(9) == {"jsonrpc": "2.0", "id": 9, "error": error}


@pytest.mark.parametrize(("status", "body", "kind", "says"), [
    (404, b"<html>not here</html>", "text/html", "(often it ends in /mcp)"),
    (500, b"it broke", "text/plain", "status 500: it broke. Try again;"),
    (429, b"", "text/plain", "Try again after 17 s."),
    (413, b"x" * 300_000, "text/plain", "status 413"),
])
def test_a_status_that_is_no_success_is_told_in_three_parts(status: int, body: bytes, kind: str, says: str) -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.answer(status, body, {"Content-Type": kind, "Retry-After": "17"})

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/list", id=1)
        failed = upstream.answer(1)
        assert says in failed["why"]
        assert failed["why"].startswith(f"'driven' ({server.url}) refused the request.")
        assert len(failed["why"]) < 700


def test_secrets_are_in_no_error() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.answer(500, f"you said {asked.headers['authorization']} and {asked.headers['x-key']}".encode(),
                  {"Content-Type": "text/plain"})

    with serving(script) as server, Connection(server.url + "?key=hush1", headers={
            "Authorization": "Bearer hush2", "X-Key": "hush3"}) as upstream:
        upstream.send("tools/list", id=1)
        why = upstream.answer(1)["why"]
        assert "you said" in why
        assert "hush" not in why
        assert server.asked[0].path == "/mcp?key=hush1"


def test_nobody_there_is_told_for_each_request() -> None:
    with serving(lambda asked, to: None) as server:
        url = server.url
    with Connection(url) as upstream:
        upstream.send("tools/list", id=1)
        upstream.send("tools/list", id=2)
        assert "could not be reached" in upstream.answer(1)["why"]
        assert "could not be reached" in upstream.answer(2)["why"]


@pytest.mark.parametrize("url", ["", "example.com/mcp", "ftp://127.0.0.1/", "http://a b/"])
def test_a_url_that_is_none_ends_the_connection(url: str) -> None:
    with Connection(url) as upstream:
        assert "no address of http or https" in upstream.wait_for(lambda event: "ended" in event)["ended"]


def test_a_header_with_a_line_break_is_never_sent() -> None:
    with serving(lambda asked, to: to.answer(200, result(asked))) as server, Connection(
            server.url, headers={"X-Key": "hush\r\nX-Other: y"}) as upstream:
        ended = upstream.wait_for(lambda event: "ended" in event)["ended"]
        assert "X-Key" in ended
        assert "hush" not in ended
        upstream.send("tools/list", id=1)
        upstream.end()
        assert server.asked == []


def test_an_answer_that_breaks_off_is_told() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", "1000")
        to.end_headers()
        to.wfile.write(b'{"jsonrpc"')
        to.close_connection = True

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        assert "was lost" in upstream.answer(1)["why"]


def test_a_stream_that_ends_without_the_answer_is_told() -> None:
    with serving(lambda asked, to: to.stream()) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        assert "gave no answer" in upstream.answer(1)["why"]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_message_above_the_bound_is_given_up(streamed: bool) -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        to.end_headers()
        to.close_connection = True
        to.wfile.write(b"data: ")
        for _ in range(70):
            to.wfile.write(b"x" * (1 << 20))

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        failed = upstream.answer(1)
        assert "larger than 64 MB" in failed["why"]
        assert failed["code"] == 2  # LimitReached


def test_an_answer_that_is_a_page_is_told() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.answer(200, b"<html>", {"Content-Type": "text/html"})

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        assert "text/html, which is neither JSON" in upstream.answer(1)["why"]


def test_a_head_without_end_is_given_up() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.send_response(200)
        for number in range(20_000):
            to.send_header(f"X-{number}", "y" * 100)
        to.end_headers()

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        assert "failed" in upstream.answer(1)


# --- redirects -------------------------------------------------------------------------------------


def test_a_redirect_within_the_origin_is_followed_once() -> None:
    def script(asked: Asked, to: Answering) -> None:
        if asked.path == "/mcp":
            return to.answer(307, headers={"Location": "/mcp/"})
        to.answer(200, result(asked, asked.path))

    with serving(script) as server, Connection(server.url) as upstream:
        for number in (1, 2):
            upstream.send("tools/call", id=number, name="x")
            assert upstream.answer(number)["result"]["value"] == "/mcp/"
        assert [asked.path for asked in server.asked] == ["/mcp", "/mcp/", "/mcp/"]


def test_a_redirect_to_another_origin_is_not_followed() -> None:
    with serving(lambda asked, to: to.answer(200, result(asked))) as other:
        def script(asked: Asked, to: Answering) -> None:
            to.answer(307, headers={"Location": other.url + "?secret=1"})

        with serving(script) as server, Connection(server.url, headers={"Authorization": "Bearer x"}) as upstream:
            upstream.send("tools/call", id=1, name="x")
            why = upstream.answer(1)["why"]
            assert f"to {other.url}, which is not followed" in why
            assert "secret=" not in why
        assert other.asked == []


def test_redirects_in_a_circle_end() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.answer(307, headers={"Location": asked.path + "x"})

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("tools/call", id=1, name="x")
        assert "sends elsewhere" in upstream.answer(1)["why"]
        assert len(server.asked) == 4


# --- the handshake eras ----------------------------------------------------------------------------


def test_nothing_overtakes_the_end_of_the_handshake() -> None:
    order: list[str] = []

    def script(asked: Asked, to: Answering) -> None:
        method = asked.json["method"]
        if method == "initialize":
            return to.answer(200, result(asked))
        if method == "notifications/initialized":
            time.sleep(0.3)
            order.append(method)
            return to.answer(202)
        order.append(method)
        to.answer(200, result(asked))

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.handshake()
        upstream.send("tools/list", id=2, version=HANDSHAKE)
        upstream.answer(2)
        assert order == ["notifications/initialized", "tools/list"]


def test_the_session_is_named_kept_and_deleted() -> None:
    def after(asked: Asked, to: Answering) -> None:
        if asked.method == "GET":
            return to.answer(405)
        to.answer(200, result(asked) if asked.method == "POST" else {})

    with serving(handshake_server(after)) as server, Connection(server.url) as upstream:
        upstream.handshake()
        upstream.send("tools/list", id=2, version=HANDSHAKE)
        upstream.answer(2)
        upstream.end()
        asked = {a.method if a.method != "POST" else a.json["method"]: a.headers for a in server.asked}
        assert "mcp-session-id" not in asked["initialize"]
        for what in ("notifications/initialized", "tools/list", "GET", "DELETE"):
            assert asked[what]["mcp-session-id"] == "s-1"
            assert asked[what]["mcp-protocol-version"] == HANDSHAKE
        assert asked["GET"]["accept"] == "text/event-stream"


@pytest.mark.parametrize("answers", ["with events", "never", "no"])
def test_calls_wait_a_moment_for_the_stream_of_the_servers_own_messages(answers: str) -> None:
    order: list[str] = []
    over = threading.Event()

    def after(asked: Asked, to: Answering) -> None:
        if asked.method != "GET":
            order.append(asked.json.get("method", "") if asked.method == "POST" else asked.method)
            return to.answer(200, result(asked) if asked.method == "POST" else {})
        order.append("GET")
        if answers == "no":
            return to.answer(405)
        if answers == "with events":
            to.stream()
        over.wait(60)

    try:
        with serving(handshake_server(after)) as server, Connection(server.url) as upstream:
            upstream.handshake()
            upstream.send("tools/list", id=2, version=HANDSHAKE)
            assert "result" in upstream.answer(2)
            assert order == ["GET", "tools/list"]
            over.set()
    finally:
        over.set()


def test_a_session_id_that_is_no_header_is_not_used() -> None:
    def after(asked: Asked, to: Answering) -> None:
        to.answer(200, result(asked))

    with serving(handshake_server(after, session="a b")) as server, Connection(server.url) as upstream:
        upstream.handshake()
        upstream.send("tools/list", id=2, version=HANDSHAKE)
        upstream.answer(2)
        assert all("mcp-session-id" not in asked.headers for asked in server.asked)


def test_a_session_that_the_server_forgot_is_told_and_not_named_again() -> None:
    forgotten = threading.Event()

    def after(asked: Asked, to: Answering) -> None:
        if asked.method == "GET":
            return to.answer(405)
        if forgotten.is_set():
            return to.answer(404, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "no session"}})
        to.answer(200, result(asked))

    with serving(handshake_server(after)) as server, Connection(server.url) as upstream:
        upstream.handshake()
        forgotten.set()
        upstream.send("tools/list", id=2, version=HANDSHAKE)
        assert upstream.wait_for(lambda event: "session_lost" in event) == {"session_lost": 2}
        before = len(server.asked)
        upstream.handshake()
        assert "mcp-session-id" not in server.asked[before].headers


def test_the_server_speaks_by_itself_on_a_stream_that_is_opened_again() -> None:
    times = []

    def after(asked: Asked, to: Answering) -> None:
        if asked.method != "GET":
            return to.answer(200, result(asked))
        times.append(asked.headers.get("last-event-id"))
        to.stream()
        to.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}, id=f"e{len(times)}", retry=10)
        if len(times) == 3:
            to.until_gone()

    with serving(handshake_server(after)) as server, Connection(server.url) as upstream:
        upstream.handshake()
        for _ in range(3):
            assert upstream.message()["method"] == "notifications/tools/list_changed"
        assert times == [None, "e1", "e2"]


def test_a_stream_that_broke_before_its_answer_is_gone_on_with() -> None:
    def after(asked: Asked, to: Answering) -> None:
        if asked.method == "POST":
            to.stream()
            to.event(id="first", retry=20)
            return to.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}, id="second")
        if asked.headers.get("last-event-id") != "second":
            return to.answer(405)
        to.stream()
        to.event({"jsonrpc": "2.0", "id": 2, "result": {"value": "late"}}, id="third")

    with serving(handshake_server(after)) as server, Connection(server.url) as upstream:
        upstream.handshake()
        upstream.send("tools/call", id=2, name="x", version=HANDSHAKE)
        assert upstream.answer(2)["result"]["value"] == "late"


# --- HTTP+SSE of 2024-11-05 ------------------------------------------------------------------------


def old_server(endpoint: str) -> Any:
    streams: list[Answering] = []

    def script(asked: Asked, to: Answering) -> None:
        if asked.method == "GET" and asked.path == "/mcp":
            to.stream()
            streams.append(to)
            to.event(endpoint, type="endpoint")
            to.until_gone()
        elif asked.method == "POST" and asked.path.startswith("/messages"):
            to.answer(202, b"Accepted")
            if asked.json.get("method") == "die":
                return streams[0].connection.shutdown(2)
            if "id" in asked.json:
                streams[0].event(result(asked, asked.path))
        else:
            to.answer(405, b"Method Not Allowed", {"Content-Type": "text/plain"})

    return script


def test_an_old_server_is_spoken_to_in_the_old_way() -> None:
    with serving(old_server("/messages?session=9")) as server, Connection(server.url) as upstream:
        upstream.send("server/discover", id=7)
        assert "405" in upstream.answer(7)["why"]
        upstream.handshake("2024-11-05")
        upstream.send("tools/list", id=2, version="2024-11-05")
        assert upstream.answer(2)["result"]["value"] == "/messages?session=9"
        upstream.send("die", id=3, version="2024-11-05")
        assert "gave no answer" in upstream.wait_for(lambda event: "ended" in event)["ended"]


def test_an_old_server_that_sends_elsewhere_is_not_followed() -> None:
    with serving(lambda asked, to: to.answer(200)) as other, serving(old_server(other.url)) as server:
        with Connection(server.url) as upstream:
            upstream.send("initialize", {}, id=1, version="2024-11-05")
            assert "405" in upstream.answer(1)["why"]
        assert other.asked == []


def test_a_server_that_knows_neither_way_is_told_by_its_first_answer() -> None:
    def script(asked: Asked, to: Answering) -> None:
        to.answer(404 if asked.method == "POST" else 403, b"no", {"Content-Type": "text/plain"})

    with serving(script) as server, Connection(server.url) as upstream:
        upstream.send("initialize", {}, id=1, version=HANDSHAKE)
        assert "status 404: no" in upstream.answer(1)["why"]
        assert [asked.method for asked in server.asked] == ["POST", "GET"]
