"""What a server over HTTP tells of itself: its numbers, read as Prometheus reads them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.http_client import HttpClient, HttpServer, Legacy, Stream, make_token
from tests.support.issuer import AUDIENCE, Issuer

UPSTREAM = Path(__file__).parents[1] / "support" / "upstream_server.py"


class Numbers:
    """One scrape: what is not there is 0, as Prometheus' rate() has it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                        for family in self.families.values() for sample in family.samples}

    def of(self, name: str, **labels: str) -> float:
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)

    def calls(self, tool: str, outcome: str) -> float:
        return self.of("pyember_tool_calls_total", tool=tool, outcome=outcome)


def scrape(client: HttpClient) -> Numbers:
    response = client.send("GET", "/metrics")
    assert response.status == 200, response
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Numbers(response.body.decode())


def until(client: HttpClient, holds: Callable[[Numbers], bool], seconds: float = 30) -> Numbers:
    deadline = time.monotonic() + seconds
    while not holds(numbers := scrape(client)):
        assert time.monotonic() < deadline, numbers.text
        time.sleep(0.02)
    return numbers


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


@pytest.fixture
def client(server: HttpServer) -> Iterator[HttpClient]:
    client = server.client()
    yield client
    client.close()


# --- calls ---------------------------------------------------------------------------------------


def test_calls_are_counted_by_tool_and_outcome(client: HttpClient) -> None:
    before = scrape(client)
    client.run("1 + 1")
    client.run("2 + 2")
    client.run("1 / 0")
    client.call("list_sessions")
    client.call("run_python", {"cod": "1"})
    client.request("tools/call", {"name": "no_such_tool", "arguments": {}})
    after = scrape(client)

    def more(tool: str, outcome: str) -> float:
        return after.calls(tool, outcome) - before.calls(tool, outcome)

    assert more("run_python", "ok") == 2
    assert more("run_python", "error") == 1
    assert more("run_python", "refused") == 1
    assert more("list_sessions", "ok") == 1
    assert more("other", "refused") == 1


def test_latencies_are_a_histogram_in_seconds(client: HttpClient) -> None:
    client.run("import time; time.sleep(0.3)", session="slow")
    numbers = scrape(client)
    family = numbers.families["pyember_tool_call_duration_seconds"]
    assert family.type == "histogram"
    buckets = [sample for sample in family.samples
               if sample.name.endswith("_bucket") and sample.labels["tool"] == "run_python"]
    counts = [sample.value for sample in buckets]
    assert counts == sorted(counts) and buckets[-1].labels["le"] == "+Inf"
    assert numbers.of("pyember_tool_call_duration_seconds_count", tool="run_python") == counts[-1]
    assert numbers.of("pyember_tool_call_duration_seconds_sum", tool="run_python") > 0.3
    ended = sum(numbers.calls("run_python", outcome) for outcome in ("ok", "error", "failed", "cancelled"))
    assert counts[-1] == ended


def test_a_call_is_in_flight_until_its_client_hangs_up(client: HttpClient, server: HttpServer) -> None:
    before = scrape(client).calls("run_python", "cancelled")
    stream = Stream(server.client(), "tools/call",
                    {"name": "run_python", "arguments": {"code": "print(1, flush=True)\nwhile True: pass", "session": "busy"}},
                    meta={"progressToken": 1})
    assert scrape(client).of("pyember_tool_calls_in_flight") == 1
    stream.hang_up()
    numbers = until(client, lambda now: now.calls("run_python", "cancelled") == before + 1)
    assert numbers.of("pyember_tool_calls_in_flight") == 0


def test_a_tool_has_its_listed_name_whatever_it_is_called_by(client: HttpClient) -> None:
    before = scrape(client).calls("py_list_scripts", "ok")
    client.call("py_list_scripts")
    client.call("list_scripts")
    numbers = scrape(client)
    assert numbers.calls("py_list_scripts", "ok") == before + 2
    assert 'tool="list_scripts"' not in numbers.text


def test_a_wrong_name_of_a_tool_makes_no_label(client: HttpClient) -> None:
    for number in range(30):
        client.request("tools/call", {"name": f"tool_{number}_secret", "arguments": {}})
    text = scrape(client).text
    assert "secret" not in text


# --- what there is -------------------------------------------------------------------------------


def test_sessions_are_counted_by_where_they_run(client: HttpClient) -> None:
    before = scrape(client)
    client.run("1", session="inside", isolation="inprocess")
    client.run("1", session="outside", isolation="process")
    after = scrape(client)
    for room in ("inprocess", "process"):
        assert after.of("pyember_sessions", isolation=room) == before.of("pyember_sessions", isolation=room) + 1
    client.call("close_session", {"session": "inside"})
    client.call("close_session", {"session": "outside"})
    left = scrape(client)
    assert left.of("pyember_sessions", isolation="inprocess") == before.of("pyember_sessions", isolation="inprocess")
    assert set(re.findall(r'pyember_sessions\{isolation="(\w+)"', left.text)) == {"inprocess", "process", "sandbox", "container"}


def test_jobs_are_counted_by_status(tmp_path: Path) -> None:
    with HttpServer(environment={"PYTHON_MCP_META": str(tmp_path)}) as server:
        client = server.client()
        client.run("import time; time.sleep(60)", background=True)
        assert scrape(client).of("pyember_jobs", status="running") == 1
        client.call("interrupt_session", {"session": "main"})
        numbers = until(client, lambda now: now.of("pyember_jobs", status="running") == 0)
        assert sum(numbers.of("pyember_jobs", status=each) for each in ("failed", "cancelled")) == 1


def test_tasks_are_counted_by_status(client: HttpClient, tmp_path: Path) -> None:
    before, go = scrape(client).of("pyember_tasks", status="completed"), tmp_path / "go"
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    declared = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
    answer = client.request("tools/call", {"name": "run_python", "arguments": {"code": waits, "session": "task"}},
                            meta=declared).answer["result"]
    assert answer["resultType"] == "task"
    assert scrape(client).of("pyember_tasks", status="working") == 1
    go.touch()
    until(client, lambda now: now.of("pyember_tasks", status="working") == 0)
    assert scrape(client).of("pyember_tasks", status="completed") == before + 1


def test_questions_are_counted_when_they_end(client: HttpClient) -> None:
    def asked(numbers: Numbers) -> float:
        return numbers.of("pyember_questions_total", kind="form", outcome="answered")

    before = scrape(client)
    can_ask = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
    order = {"name": "run_python", "arguments": {"code": "input('Name? ')", "session": "asks"}}
    wants = client.request("tools/call", order, meta=can_ask).answer["result"]
    assert wants["resultType"] == "input_required"
    assert scrape(client).of("pyember_questions_open") == 1
    (key, question), = wants["inputRequests"].items()
    field, = question["params"]["requestedSchema"]["properties"]
    answered = client.request("tools/call", {**order, "requestState": wants["requestState"],
                                             "inputResponses": {key: {"action": "accept", "content": {field: "Ada"}}}}, meta=can_ask)
    assert answered.answer["result"]["structuredContent"]["result"] == "'Ada'"
    after = scrape(client)
    assert after.of("pyember_questions_open") == 0
    assert asked(after) == asked(before) + 1
    assert after.calls("run_python", "ok") == before.calls("run_python", "ok") + 1  # two requests, one call


# --- HTTP ----------------------------------------------------------------------------------------


def test_responses_are_counted_by_status(client: HttpClient) -> None:
    def responses(numbers: Numbers, code: int) -> float:
        return numbers.of("pyember_http_responses_total", code=str(code))

    before = scrape(client)
    assert client.send("GET", "/nothing").status == 404
    assert client.send("GET", "/healthz", headers={"Host": "evil.example"}).status == 403
    assert client.send("GET", "/healthz").status == 200
    after = scrape(client)
    assert responses(after, 404) == responses(before, 404) + 1
    assert responses(after, 403) == responses(before, 403) + 1
    assert responses(after, 200) == responses(before, 200) + 2  # with the scrape before


def test_streams_and_sessions_are_there_as_long_as_they_are_open(client: HttpClient, server: HttpServer) -> None:
    before = scrape(client)
    stream = Stream(server.client(), "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    assert stream.next() is not None
    session = Legacy(server.client())
    now = scrape(client)
    assert now.of("pyember_http_streams") == before.of("pyember_http_streams") + 1
    assert now.of("pyember_http_sessions") == before.of("pyember_http_sessions") + 1
    assert now.of("pyember_http_connections") >= before.of("pyember_http_connections") + 2
    stream.hang_up()
    session.client.send("DELETE", server.path, headers=session.headers)
    until(client, lambda later: later.of("pyember_http_streams") == before.of("pyember_http_streams")
          and later.of("pyember_http_sessions") == before.of("pyember_http_sessions"))


def test_it_is_only_read(client: HttpClient) -> None:
    refused = client.send("POST", "/metrics", b"{}", {"Content-Type": "application/json"})
    assert refused.status == 405 and refused.headers["allow"] == "GET, HEAD"
    head = client.send("HEAD", "/metrics")
    assert head.status == 200 and head.body == b""


def test_pages_and_other_names_see_nothing(client: HttpClient) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        refused = client.send("GET", "/metrics", headers=headers)
        assert refused.status == 403 and b"pyember_" not in refused.body


# --- the process ---------------------------------------------------------------------------------


def test_the_process_is_described(client: HttpClient, server: HttpServer) -> None:
    numbers = scrape(client)
    resident = numbers.of("process_resident_memory_bytes")
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    assert resident / 4 < pages * 4096 < resident * 4
    assert 0 < time.time() - numbers.of("process_start_time_seconds") < 600
    assert numbers.of("process_open_fds") > 5
    build, = numbers.families["pyember_build_info"].samples
    assert build.value == 1 and build.labels["version"] and build.labels["python"].startswith("3.")


def test_a_server_that_follows_another_says_so() -> None:
    with HttpServer(supervised=True) as server:
        assert scrape(server.client()).of("pyember_restarts_total") == 0
        server.kill()
        deadline = time.monotonic() + 30
        while True:
            try:
                numbers = scrape(server.client())
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert numbers.of("pyember_restarts_total") == 1


# --- who may see it ------------------------------------------------------------------------------


def test_with_tokens_only_their_own_scope_shows_numbers(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    alice, watcher = make_token(file, "alice"), make_token(file, "prometheus", "metrics")
    with HttpServer(["--token-file", str(file)]) as server:
        server.client(alice).run("secret = 'hunter2'", session="confidential")
        nobody = server.client().send("GET", "/metrics")
        assert nobody.status == 401 and nobody.headers["www-authenticate"].startswith("Bearer")
        wrong = server.client("pye_" + "0" * 64).send("GET", "/metrics")
        assert wrong.status == 401
        caller = server.client(alice).send("GET", "/metrics")
        assert caller.status == 403
        assert 'error="insufficient_scope"' in caller.headers["www-authenticate"]
        assert 'scope="tools:* metrics"' in caller.headers["www-authenticate"]
        for refused in (nobody, wrong, caller):
            assert b"pyember_" not in refused.body
        numbers = scrape(server.client(watcher))
        sessions = numbers.families["pyember_sessions"].samples
        assert sum(sample.value for sample in sessions) == 1  # hers, without her name
        assert numbers.calls("run_python", "ok") == 1
        for word in ("alice", "prometheus", "hunter2", "confidential", alice, watcher):
            assert word not in numbers.text
        assert server.client(watcher).request("tools/call", {"name": "run_python", "arguments": {"code": "1"}}).status == 403
        assert server.client(watcher).request("tools/list").answer["result"]["tools"] == []


def test_a_signed_token_may_have_the_scope_too() -> None:
    with Issuer() as issuer, HttpServer(["--oauth-issuer", issuer.url, "--oauth-audience", AUDIENCE]) as server:
        assert scrape(server.client(issuer.token(scope="metrics"))).of("pyember_http_connections") >= 1
        refused = server.client(issuer.token(scope="tools:*")).send("GET", "/metrics")
        assert refused.status == 403
        assert 'scope="tools:* metrics"' in refused.headers["www-authenticate"]
        assert "resource_metadata=" in refused.headers["www-authenticate"]


# --- MCP servers behind it -----------------------------------------------------------------------


def test_calls_of_mcp_servers_are_counted_by_server_and_outcome(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"mcpServers": {
        name: {"command": sys.executable, "args": [str(UPSTREAM)]} for name in ("first", "second")}}))
    with HttpServer(["--upstreams", str(file)]) as server:
        client = server.client()
        client.run("from mcp import mcp_first, mcp_second\n"
                   "await mcp_first.echo(text='a'); await mcp_first.echo(text='b'); await mcp_second.echo(text='c')\n"
                   "try: await mcp_second.refuse()\n"
                   "except Exception as error: print(type(error).__name__)")
        numbers = scrape(client)
        assert numbers.of("pyember_upstream_calls_total", server="first", outcome="ok") == 2
        assert numbers.of("pyember_upstream_calls_total", server="second", outcome="ok") == 1
        assert numbers.of("pyember_upstream_calls_total", server="second", outcome="upstream") == 1
        assert numbers.of("pyember_upstream_call_duration_seconds_count", server="second") == 2
