"""Whoever may not come in is refused with the right status and learns nothing; and no caller reaches what is another's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.http_gate.tokens import TokenFile
from tests.support.http_client import VERSION, HttpClient, HttpServer, Legacy, Response, Stream
from tests.support.issuer import AUDIENCE, Issuer, unsigned
from tests.support.raw_client import META, server_binary
from tests.support.waiting import until
from tests.support.world import World, make_world

SECRET = "the-secret-of-alice"


class Place:
    """A server with tokens, an authorization server, and two callers."""

    def __init__(self, root: Path, issuer: Issuer) -> None:
        self.world: World = make_world(root)
        self.file = TokenFile(root / "tokens.json")
        self.issuer = issuer
        self.tokens = {"alice": self.file.add("alice"), "bob": self.file.add("bob"), "carol": self.file.add("carol"),
                       "coder": self.file.add("coder", scopes=["code"]), "nothing": self.file.add("nothing", scopes=[]),
                       "scripter": self.file.add("scripter", scopes=["scripts"]),
                       "expired": self.file.add("alice", expires_at=int(time.time()) - 1)}
        self.removed = self.file.add("alice")
        self.file.entries.pop()
        self.file.write()
        # Trusted, so that it is the protocol that keeps them apart; see test_http_callers_apart.py for the rest.
        self.server = HttpServer(["--token-file", str(self.file.path), "--trust-callers", "--oauth-issuer", issuer.url, "--oauth-audience", AUDIENCE,
                                  "--log-level", "debug"], environment=self.world.variables(), cwd=str(self.world.work))

    def caller(self, name: str) -> HttpClient:
        return self.server.client(self.tokens[name])

    def secrets(self) -> list[str]:
        return [SECRET, *self.tokens.values(), *(each["hash"] for each in self.file.entries)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Issuer() as issuer:
        made = Place(tmp_path_factory.mktemp("refusals"), issuer)
        with made.server:
            yield made


PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}).encode()


def knock(place: Place, *, token: str | None = None, method: str = "POST", path: str = "/mcp", host: str | None = "",
          more: list[tuple[str, str]] | None = None, body: bytes = PING) -> Response:
    headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", VERSION),
               ("Mcp-Method", "tools/list"), *(more or [])]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    return place.server.request(method, path, headers=headers, body=body if method == "POST" else b"", host=host)


def called(client: HttpClient, tool: str, **arguments: Any) -> Response:
    return client.request("tools/call", {"name": tool, "arguments": arguments})


def able(capabilities: dict[str, Any]) -> dict[str, Any]:
    """The _meta of a client that has them."""
    return {"io.modelcontextprotocol/clientCapabilities": capabilities}


def told_nothing(place: Place, response: Response, *more: str) -> None:
    said = response.text + json.dumps(response.headers)
    for secret in [*place.secrets(), *more]:
        assert not secret or secret not in said


def test_who_may_come_in_does(place: Place) -> None:
    assert knock(place, token=place.tokens["alice"]).status == 200
    assert knock(place, token=place.issuer.token()).status == 200


def test_who_is_refused_finds_out_where_tokens_come_from(place: Place) -> None:
    challenge = knock(place).headers["www-authenticate"]
    address = re.search(r'resource_metadata="https://python\.example(/[^"]+)"', challenge)
    assert address
    metadata = place.server.request("GET", address.group(1))
    assert metadata.status == 200
    told = json.loads(metadata.body)
    assert told["resource"] == AUDIENCE
    assert told["authorization_servers"] == [place.issuer.url]
    assert {"tools:*", "sessions", "scripts", "code"} == set(told["scopes_supported"])


# --- names and pages -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example",
                                  "0.0.0.0", "[::2]:80", "localhost,evil.example"])
def test_under_another_name_nobody_comes_in(place: Place, host: str) -> None:
    response = knock(place, token=place.tokens["alice"], host=host)
    assert response.status == 403
    told_nothing(place, response, host)


@pytest.mark.parametrize("path", ["/healthz", "/.well-known/oauth-protected-resource", "/elsewhere", "/metrics"])
def test_names_are_looked_at_on_every_path(place: Place, path: str) -> None:
    assert place.server.request("GET", path, host="evil.example").status == 403
    assert place.server.request("GET", path, headers=[("Origin", "http://evil.example")]).status == 403


def test_without_a_name_nobody_comes_in(place: Place) -> None:
    assert knock(place, token=place.tokens["alice"], host=None).status in (400, 403)


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://localhost.evil.example", "file://", "http://localhost:1/x"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_from_another_page_nobody_comes_in(place: Place, origin: str, method: str) -> None:
    response = knock(place, token=place.tokens["alice"], method=method, more=[("Origin", origin)])
    assert response.status == 403
    assert "access-control-allow-origin" not in response.headers
    told_nothing(place, response)


# --- tokens ----------------------------------------------------------------------------------------


def wrong_tokens(place: Place) -> dict[str, str]:
    alice = place.tokens["alice"]
    return {"nobody's": "pye_" + "0" * 64, "cut short": alice[:-1], "with more": alice + "0", "in capitals": alice.upper(),
            "without its mark": alice[4:], "its hash": place.file.entries[0]["hash"], "its id": place.file.entries[0]["id"],
            "its name": "alice", "expired": place.tokens["expired"], "removed": place.removed}


@pytest.mark.parametrize("kind", ["nobody's", "cut short", "with more", "in capitals", "without its mark", "its hash", "its id", "its name",
                                  "expired", "removed"])
def test_a_wrong_token_is_refused(place: Place, kind: str) -> None:
    token = wrong_tokens(place)[kind]
    response = knock(place, token=token)
    assert response.status == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    told_nothing(place, response, token if len(token) > 10 else "")


@pytest.mark.parametrize("header", [None, "", "Basic YWxpY2U6eA==", "Token {alice}", "{alice}"])
def test_without_a_token_nobody_comes_in(place: Place, header: str | None) -> None:
    more = [] if header is None else [("Authorization", header.format(alice=place.tokens["alice"]))]
    response = knock(place, more=more)
    assert response.status == 401
    assert "error=" not in response.headers["www-authenticate"]
    assert "resource_metadata=" in response.headers["www-authenticate"]
    told_nothing(place, response)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
def test_no_method_gets_around_the_token(place: Place, method: str) -> None:
    response = knock(place, method=method)
    assert response.status in (401, 405), response
    told_nothing(place, response)


def test_a_token_counts_nowhere_but_in_its_header(place: Place) -> None:
    alice = place.tokens["alice"]
    for response in (knock(place, path=f"/mcp?access_token={alice}"), knock(place, more=[("Cookie", f"access_token={alice}")]),
                     knock(place, more=[("X-Authorization", f"Bearer {alice}")]), knock(place, more=[("Proxy-Authorization", f"Bearer {alice}")])):
        assert response.status == 401
        told_nothing(place, response)


@pytest.mark.parametrize("header", ["Bearer", "Bearer {alice} {alice}", "Bearer {alice},", 'Bearer "{alice}"'])
def test_what_is_no_token_is_malformed(place: Place, header: str) -> None:
    response = knock(place, more=[("Authorization", header.format(alice=place.tokens["alice"]))])
    assert response.status == 400
    told_nothing(place, response)


def test_two_tokens_are_none(place: Place) -> None:
    response = knock(place, token=place.tokens["alice"], more=[("Authorization", f"Bearer {place.tokens['bob']}")])
    assert response.status in (400, 401)
    told_nothing(place, response)


FORGED: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 3600),
    "not yet valid": lambda issuer: issuer.token(nbf=int(time.time()) + 3600),
    "for another server": lambda issuer: issuer.token(aud="https://other.example/mcp"),
    "from another issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "nobody's": lambda issuer: issuer.token(sub=None),
    "endless": lambda issuer: issuer.token(exp=None),
    "unsigned": lambda issuer: unsigned({"alg": "none"}, issuer.claims(), b"x"),
    "signed with the public key": lambda issuer: jwt.encode(issuer.claims(), issuer.public("one")["n"], "HS256", headers={"kid": "one"}),
    "signed by a stranger": lambda issuer: jwt.encode(issuer.claims(), Issuer().keys["one"], "RS256", headers={"kid": "one"}),
    "with an unknown key": lambda issuer: issuer.token(header={"kid": "unheard-of"}),
    "cut short": lambda issuer: issuer.token()[:-6],
    "for something else": lambda issuer: issuer.token(header={"typ": "logout+jwt"}),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_token_is_refused(place: Place, kind: str) -> None:
    token = FORGED[kind](place.issuer)
    response = knock(place, token=token)
    assert response.status == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    told_nothing(place, response, token)


# --- scopes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "tool", "scope"), [("coder", "list_sessions", "code sessions"), ("coder", "kill_job", "code scripts"),
                                                     ("coder", "py_kill_job", "code scripts"), ("nothing", "run_python", "code"),
                                                     ("scripter", "run_python", "scripts code")])
def test_a_tool_beyond_the_scopes_is_refused_in_both_eras(place: Place, name: str, tool: str, scope: str) -> None:
    caller = place.caller(name)
    assert tool not in {each["name"] for each in caller.request("tools/list").result["tools"]}
    for response in (called(caller, tool), Legacy(caller).post("tools/call", {"name": tool, "arguments": {}})):
        assert response.status == 403, response
        challenge = response.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert f'scope="{scope}"' in challenge
        told_nothing(place, response)


def test_the_scopes_hold_all_tools_there_are(place: Place) -> None:
    every = {each["name"] for each in place.caller("alice").request("tools/list").result["tools"]}
    scripts = {each["name"] for each in place.caller("scripter").request("tools/list").result["tools"]}
    sessions = {each["name"] for each in place.server.client(place.issuer.token(scope="sessions")).request("tools/list").result["tools"]}
    assert {each["name"] for each in place.caller("coder").request("tools/list").result["tools"]} == {"run_python"}
    assert scripts | sessions == every
    assert not scripts & sessions


# --- what is another caller's ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def belongings(place: Place) -> dict[str, Any]:
    """What Alice has: a session with output and a file, a job, a session of the protocol."""
    alice = place.caller("alice")
    ran = called(alice, "run_python", code=f"import os\nsecret = {SECRET!r}\n"
                 "open(os.environ['PYEMBER_SESSION_FOLDER'] + '/kept.txt', 'w').write(secret)\nprint(secret * 3000)", session="hers").result
    assert not ran.get("isError"), ran
    started = called(alice, "run_script_in_dir_async", script_content=f"import time\nprint({SECRET!r}, flush=True)\ntime.sleep(600)",
                     directory=str(place.world.work)).result
    job = started["structuredContent"]["job_id"]
    until(lambda: SECRET in called(alice, "py_job_status", job_id=job, incremental=False).text)
    links = [block["uri"] for block in ran["content"] if block["type"] == "resource_link"]
    saved = called(alice, "py_save_script", script_name="kept", source=f"print({SECRET!r})").result
    assert not saved.get("isError"), saved
    return {"job": job, "links": links, "session": Legacy(alice).id}


@pytest.mark.parametrize("who", ["bob", "scripter", "alice of the issuer"])
def test_sessions_of_others_are_not_there(place: Place, belongings: dict[str, Any], who: str) -> None:
    bob = place.server.client(place.issuer.token(sub="alice")) if who.endswith("issuer") else place.caller(who)
    if who == "scripter":
        assert called(bob, "inspect_session", session="hers").status == 403
        return
    told_nothing(place, called(bob, "list_sessions"))
    assert '"hers"' not in called(bob, "list_sessions").text
    for tool in ("inspect_session", "interrupt_session", "reset_session", "close_session", "save_session", "restore_session", "export_session",
                 "list_files", "undo_session"):
        response = called(bob, tool, session="hers")
        assert response.status in (200, 400)
        told_nothing(place, response)
    ran = called(bob, "run_python", code="print('secret' in globals())", session="hers")
    assert "False" in ran.text
    told_nothing(place, ran)
    assert SECRET in called(place.caller("alice"), "run_python", code="secret", session="hers").text


def test_a_session_of_the_protocol_is_its_callers_alone(place: Place, belongings: dict[str, Any]) -> None:
    stolen = {"Mcp-Session-Id": belongings["session"], "Accept": "text/event-stream"}
    for name in ("bob", "scripter", "nothing"):
        thief = place.caller(name)
        session = Legacy.of_id(thief, belongings["session"])
        for response in (session.post("tools/list"), session.post("ping"), session.notify("notifications/cancelled", {"requestId": 1}),
                         thief.send("GET", "/mcp", headers=stolen), thief.send("GET", "/mcp", headers={**stolen, "Last-Event-ID": "0-1"}),
                         thief.send("DELETE", "/mcp", headers=stolen)):
            assert response.status == 404, response
            told_nothing(place, response)
    assert Legacy.of_id(place.server.client(), belongings["session"]).post("tools/list").status == 401
    assert Legacy.of_id(place.caller("alice"), belongings["session"]).post("tools/list").status == 200


@pytest.mark.parametrize("tool", ["py_job_status", "py_cancel_job", "kill_job", "get_job_output"])
def test_jobs_of_others_are_not_there(place: Place, belongings: dict[str, Any], tool: str) -> None:
    for name in ("bob", "scripter"):
        response = called(place.caller(name), tool, job_id=belongings["job"])
        told_nothing(place, response)
        assert '"running"' not in response.text
    status = called(place.caller("alice"), "py_job_status", job_id=belongings["job"], incremental=False)
    assert SECRET in status.text and "running" in status.text


@pytest.mark.parametrize("tool", ["py_list_jobs", "list_running_jobs", "py_prune_jobs", "cleanup_jobs"])
def test_lists_of_jobs_hold_ones_own(place: Place, belongings: dict[str, Any], tool: str) -> None:
    response = called(place.caller("bob"), tool)
    assert belongings["job"] not in response.text
    told_nothing(place, response)
    assert SECRET in called(place.caller("alice"), "py_job_status", job_id=belongings["job"], incremental=False).text


def test_resources_of_others_are_not_there(place: Place, belongings: dict[str, Any]) -> None:
    alice, carol = place.caller("alice"), place.caller("carol")
    # Views are the same for everybody.
    listed = [each["uri"] for each in alice.request("resources/list").result["resources"] if not each["uri"].startswith("ui://")]
    hers = {*listed, *belongings["links"], f"job-stream://{belongings['job']}", f"job-view://{belongings['job']}"}
    assert any(uri.endswith("kept.txt") for uri in hers)
    readable = [uri for uri in hers if SECRET in alice.request("resources/read", {"uri": uri}).text]
    assert len(readable) >= 4, readable
    assert not set(each["uri"] for each in carol.request("resources/list").result["resources"]) & hers
    for uri in readable:
        response = carol.request("resources/read", {"uri": uri})
        if uri.startswith("job-stream://"):  # says so in its text, as the script executor does
            assert "job not found" in response.text
        else:
            assert response.status == 400, response
            assert response.answer["error"]["code"] == -32602
        told_nothing(place, response)
    session = Legacy(carol)
    for uri in readable:
        for method in ("resources/read", "resources/subscribe"):
            response = session.post(method, {"uri": uri})
            stays = method == "resources/subscribe" or uri.startswith("job-stream://")
            assert stays or response.answer["error"]["code"] == -32002
            told_nothing(place, response)


def test_scripts_of_others_are_not_there(place: Place, belongings: dict[str, Any]) -> None:
    alice, carol = place.caller("alice"), place.caller("carol")
    assert "kept" in called(alice, "py_list_scripts").text
    assert "kept" not in called(carol, "py_list_scripts").text
    for tool in ("py_view_script", "py_run_saved_script"):
        told_nothing(place, called(carol, tool, script_name="kept"))


def test_nothing_of_others_is_completed(place: Place, belongings: dict[str, Any]) -> None:
    alice, carol = place.caller("alice"), place.caller("carol")
    wanted = [("ref/prompt", "explore_data", "session", "he"), ("ref/resource", "job-stream://{job_id}{?since}", "job_id", belongings["job"][:2])]
    for kind, name, argument, value in wanted:
        params = {"ref": {"type": kind, ("name" if kind == "ref/prompt" else "uri"): name}, "argument": {"name": argument, "value": value}}
        assert alice.request("completion/complete", params).result["completion"]["values"], name
        assert not carol.request("completion/complete", params).result["completion"]["values"]


def test_nobody_hears_of_what_happens_to_others(place: Place, belongings: dict[str, Any]) -> None:
    bob, alice = place.caller("bob"), place.caller("alice")
    uris = [f"job-stream://{belongings['job']}", *belongings["links"]]
    body, headers = bob.message("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris, "resourcesListChanged": True}})
    connection = place.server.connect(timeout=5)
    connection.request("POST", "/mcp", body, {**bob.headers, **headers})
    response = connection.getresponse()
    assert response.status == 200
    called(alice, "run_python", code="print(secret * 3000)", session="hers")
    heard = b""
    try:
        while True:
            piece = response.read1(65536)
            if not piece:
                break
            heard += piece
    except TimeoutError:
        pass
    connection.close()
    assert b"notifications/resources/updated" not in heard
    assert SECRET.encode() not in heard


@pytest.mark.parametrize("thief", ["bob", "alice of the issuer", "tampered", "other arguments"])
def test_the_state_of_a_call_that_asks_is_its_callers_alone(place: Place, thief: str) -> None:
    alice = place.caller("alice")
    asks = {"name": "run_python", "arguments": {"code": f"import mcp_runtime\nprint(mcp_runtime.ask('Which?'), {SECRET!r})",
                                                "session": f"asks-{len(thief)}"}}
    can_ask = {"elicitation": {"form": {}}}
    asked = alice.request("tools/call", asks, meta=able(can_ask)).result
    assert asked["resultType"] == "input_required", asked
    (key, question), = asked["inputRequests"].items()
    (member,) = question["params"]["requestedSchema"]["properties"]
    answers = {key: {"action": "accept", "content": {member: "that one"}}}
    stolen = {**asks, "requestState": asked["requestState"], "inputResponses": answers}
    who = alice
    if thief == "bob":
        who = place.caller("bob")
    elif thief == "tampered":
        stolen["requestState"] = stolen["requestState"][:-3] + "AAA"
    elif thief == "other arguments":
        stolen["arguments"] = {"code": "print('mine')", "session": asks["arguments"]["session"]}
    else:
        who = place.server.client(place.issuer.token(sub="alice"))
    response = who.request("tools/call", stolen, meta=able(can_ask))
    assert response.status == 400, response
    assert response.answer["error"]["code"] == -32602
    told_nothing(place, response)
    finished = alice.request("tools/call", {**asks, "requestState": asked["requestState"], "inputResponses": answers}, meta=able(can_ask))
    assert "that one" in finished.text


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_tasks_of_others_are_not_there(place: Place, method: str) -> None:
    alice, tasks = place.caller("alice"), {"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {"form": {}}}
    made = alice.request("tools/call", {"name": "run_script_in_dir", "arguments": {
        "script_content": f"print({SECRET!r}, flush=True)\nimport time\ntime.sleep(600)", "directory": str(place.world.work)}}, meta=able(tasks)).result
    assert made["resultType"] == "task", made
    params = {"taskId": made["taskId"], **({"inputResponses": {}} if method == "tasks/update" else {})}
    unknown = {**params, "taskId": made["taskId"][:-4] + "0000"}
    for thief in (place.caller("bob"), place.caller("coder"), place.server.client(place.issuer.token(sub="alice"))):
        refused_ = thief.request(method, params, meta=able(tasks))
        assert refused_.status == 400, refused_
        assert refused_.answer["error"]["code"] == -32602
        # Whether it is another's or nobody's can't be told.
        other = thief.request(method, unknown, meta=able(tasks))
        assert other.answer["error"]["message"].replace(unknown["taskId"], "") == refused_.answer["error"]["message"].replace(made["taskId"], "")
        told_nothing(place, refused_)
    assert alice.request("tasks/get", {"taskId": made["taskId"]}, meta=able(tasks)).result["status"] == "working"
    assert alice.request("tasks/cancel", {"taskId": made["taskId"]}, meta=able(tasks)).status == 200


def test_a_token_that_is_removed_is_refused_at_once(place: Place) -> None:
    token = place.file.add("late")
    assert knock(place, token=token).status == 200
    place.file.entries.pop()
    place.file.write()
    assert knock(place, token=token).status == 401


def test_a_stream_ends_when_its_token_is_removed(place: Place) -> None:
    stream = Stream(place.server.client(place.file.add("listener")), "subscriptions/listen", {"notifications": {"resourcesListChanged": True}})
    assert "acknowledged" in json.dumps(stream.next())
    place.file.entries.pop()
    place.file.write()
    stream.rest()  # raises unless it is cut off
    stream.hang_up()


@pytest.mark.parametrize(("arguments", "word"), [
    (["--host", "0.0.0.0"], "pyember tokens add"), (["--host", "::", "--allowed-host", "python.example"], "pyember tokens add"),
    (["--token-file", "/nowhere/tokens.json"], "/nowhere/tokens.json"), (["--allowed-origin", "*"], "--allowed-origin"),
    (["--oauth-issuer", "https://login.example"], "--oauth-audience"),
    (["--oauth-issuer", "http://login.example", "--oauth-audience", "https://python.example/mcp"], "https"),
])
def test_a_server_that_would_be_open_or_useless_does_not_start(tmp_path: Path, arguments: list[str], word: str) -> None:
    world = make_world(tmp_path)
    done = subprocess.run([server_binary(), "serve", "--transport", "http", "--port", "0", *arguments], cwd=world.work,
                          env={**os.environ, **world.variables()}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert word in done.stderr


def test_nothing_secret_is_logged(place: Place, belongings: dict[str, Any]) -> None:
    log = "".join(place.server.log)
    for secret in [*place.tokens.values(), place.removed, *(each["hash"] for each in place.file.entries)]:
        assert secret not in log
    assert "eyJ" not in log  # how signed tokens begin
