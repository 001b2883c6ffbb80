"""Logging in at an upstream, and what becomes of the tokens, against an authorization server of the tests' own."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.upstream_http.authorization import Authorization, answer_of, requests_of, visit
from tests.upstream_http.driver import Connection
from tests.upstream_http.scripted import Scripted, serving


@contextmanager
def logging_in(server: Scripted, tokens: Path, **wish: str) -> Iterator[Connection]:
    with Connection(server.url, tokens=str(tokens), login=wish) as login:
        yield login


def log_in(server: Scripted, tokens: Path, **wish: str) -> str:
    """The user agrees; what was granted."""
    with logging_in(server, tokens, **wish) as login:
        visit(login.wait_for(lambda event: "show" in event)["show"])
        granted: str = login.wait_for(lambda event: "logged_in" in event)["logged_in"]
        return granted


def refusal(server: Scripted, tokens: Path, **wish: str) -> str:
    with logging_in(server, tokens, **wish) as login:
        told = login.wait_for(lambda event: "show" in event or "login_failed" in event)
        if "show" in told:
            visit(told["show"])
            told = login.wait_for(lambda event: "login_failed" in event)
        why: str = told["login_failed"]
        assert why.startswith("'driven' was not logged in at. ")
        assert why.endswith(" Then try again.")
        return why


def stored(tokens: Path) -> dict[str, Any]:
    (file,) = tokens.glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert tokens.stat().st_mode & 0o777 == 0o700
    record: dict[str, Any] = json.loads(file.read_text())
    return record


def change(tokens: Path, **fields: Any) -> None:
    (file,) = tokens.glob("*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


# --- logging in ------------------------------------------------------------------------------------


def test_a_login_brings_a_token_that_is_sent_with_every_request(tokens: Path) -> None:
    does = Authorization(challenge_scope="read")
    with serving(does) as server:
        assert log_in(server, tokens) == "read"
        with Connection(server.url, tokens=str(tokens)) as upstream:
            for number in (1, 2):
                upstream.send("tools/list", id=number)
                assert upstream.answer(number)["result"]["value"] == {"scope": "read", "resource": server.url}
        assert stored(tokens)["issuer"] == server.origin
        for asked in server.asked:
            if asked.path != "/mcp":
                assert "authorization" not in asked.headers


@pytest.mark.parametrize("header", [True, False])
def test_the_metadata_is_found_with_and_without_being_told_where(tokens: Path, header: bool) -> None:
    with serving(Authorization(metadata_header=header)) as server:
        log_in(server, tokens)
        assert len(requests_of(server, "/.well-known/oauth-protected-resource/mcp")) == 1


@pytest.mark.parametrize("metadata", [True, False])
def test_a_server_without_metadata_is_its_own_authorization_server(tokens: Path, metadata: bool) -> None:
    with serving(Authorization(resource_metadata=False, issuer_metadata=metadata, metadata_header=False)) as server:
        log_in(server, tokens)
        (asked,) = requests_of(server, "/authorize")
        assert "resource" not in urllib.parse.parse_qs(asked.path)


@pytest.mark.parametrize(("challenge", "supported", "issuer", "wanted"), [
    ("a b", ["c"], [], "a b"),
    ("", ["c", "d"], [], "c d"),
    ("", [], ["everything"], None),
    ("a", [], ["a", "offline_access"], "a offline_access"),
])
def test_the_scope_is_what_the_server_asks_for_or_else_all_it_has(
        tokens: Path, challenge: str, supported: list[str], issuer: list[str], wanted: str | None) -> None:
    does = Authorization(challenge_scope=challenge, scopes_supported=supported, issuer_scopes=issuer)
    with serving(does) as server:
        log_in(server, tokens)
        (asked,) = requests_of(server, "/authorize")
        fields = urllib.parse.parse_qs(asked.path.partition("?")[2])
        assert fields.get("scope") == (None if wanted is None else [wanted])
        assert fields["resource"] == [server.url]


def test_the_scope_is_asked_for_by_a_server_that_lets_handshakes_pass_without_a_token(tokens: Path) -> None:
    does = Authorization(open_handshake=True, challenge_scope="read", scopes_supported=["everything"])
    with serving(does) as server:
        assert log_in(server, tokens) == "read"


@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
def test_a_client_that_was_registered_by_hand_is_used(tokens: Path, method: str) -> None:
    does = Authorization(registration=False, auth_methods=[method])
    secret = "" if method == "none" else "very secret:/"
    does.add_client("mine", method, secret)
    with serving(does) as server:
        log_in(server, tokens, client_id="mine", client_secret=secret)
        assert stored(tokens)["client_id"] == "mine"


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_client_is_registered_in_the_way_the_server_wants(tokens: Path, method: str) -> None:
    with serving(Authorization(auth_methods=[method])) as server:
        log_in(server, tokens)
        assert stored(tokens)["client_auth"] == method


def test_the_address_of_a_clients_metadata_is_preferred_to_registering(tokens: Path) -> None:
    address = "https://example.com/client.json"
    with serving(Authorization(client_urls=True)) as server:
        log_in(server, tokens, client_url=address)
        assert stored(tokens)["client_id"] == address
        assert requests_of(server, "/register") == []


def test_the_answer_may_be_typed_in(tokens: Path) -> None:
    with serving(Authorization()) as server, logging_in(server, tokens) as login:
        answer = answer_of(login.wait_for(lambda event: "show" in event)["show"])
        for wrong in ("", "http://127.0.0.1/callback", "http://127.0.0.1/callback?code=1&state=2"):
            login.order(do="answer", address=wrong)
            assert login.wait_for(lambda event: "taken" in event) == {"taken": False}
        login.order(do="answer", address=answer)
        assert login.wait_for(lambda event: "taken" in event) == {"taken": True}
        login.wait_for(lambda event: "logged_in" in event)


def test_an_answer_with_another_state_changes_nothing(tokens: Path) -> None:
    with serving(Authorization()) as server, logging_in(server, tokens) as login:
        address = login.wait_for(lambda event: "show" in event)["show"]
        back = urllib.parse.parse_qs(address.partition("?")[2])["redirect_uri"][0]
        assert "not the answer" in visit(back + "?code=stolen&state=guessed")
        assert "not the answer" in visit(back + "?error=access_denied")
        assert "being completed" in visit(address)
        login.wait_for(lambda event: "logged_in" in event)
        assert len(requests_of(server, "/token")) == 1


# --- logins that must fail -------------------------------------------------------------------------


@pytest.mark.parametrize(("switch", "says"), [
    ({"resource": "https://other.example/mcp"}, "metadata is that of another server"),
    ({"issuer": "https://other.example"}, "metadata is another's"),
    ({"pkce": []}, "does not say that it knows PKCE"),
    ({"pkce": ["plain"]}, "does not say that it knows PKCE"),
    ({"answer_issuer": "https://other.example"}, "another authorization server than the one that was asked"),
    ({"answer_issuer": ""}, "another authorization server than the one that was asked"),
    ({"refuses": "access_denied"}, "refused the login: access_denied: because"),
    ({"registration": False}, "--client-id"),
    ({"issuer_metadata": False}, "has no metadata"),
])
def test_a_login_that_could_be_led_astray_is_refused(tokens: Path, switch: dict[str, Any], says: str) -> None:
    does = Authorization(**switch)
    with serving(does) as server:
        assert says in refusal(server, tokens)
        assert requests_of(server, "/token") == []
        assert not list(tokens.glob("*.json"))


def test_a_server_that_wants_no_login_is_told(tokens: Path) -> None:
    with serving(lambda asked, to: to.answer(200 if asked.method == "POST" else 404, {})) as server:
        assert "It wants no login" in refusal(server, tokens)


def test_a_wrong_secret_is_told_and_not_repeated(tokens: Path) -> None:
    does = Authorization(auth_methods=["client_secret_post"])
    does.add_client("mine", "client_secret_post", "right")
    with serving(does) as server:
        why = refusal(server, tokens, client_id="mine", client_secret="hush-hush")
        assert "invalid_client" in why
        assert "hush" not in why


# --- tokens ----------------------------------------------------------------------------------------


def test_without_a_login_the_command_is_named(tokens: Path) -> None:
    with serving(Authorization()) as server, Connection(server.url, tokens=str(tokens)) as upstream:
        upstream.send("tools/list", id=1)
        assert "wants a login. There is none yet. Have the user run `pyember upstreams login driven`" in (
            upstream.answer(1)["why"])


def test_a_login_is_found_by_a_connection_that_was_there_before(tokens: Path) -> None:
    with serving(Authorization()) as server, Connection(server.url, tokens=str(tokens)) as upstream:
        upstream.send("tools/list", id=1)
        assert "failed" in upstream.answer(1)
        log_in(server, tokens)
        upstream.send("tools/list", id=2)
        assert "result" in upstream.answer(2)


def test_a_token_is_refreshed_before_it_expires(tokens: Path) -> None:
    does = Authorization(expires_in=30)
    with serving(does) as server:
        log_in(server, tokens)
        does.expires_in = 3600
        with Connection(server.url, tokens=str(tokens)) as upstream:
            for number in range(5):
                upstream.send("tools/list", id=number)
            for number in range(5):
                assert "result" in upstream.answer(number)
        assert does.refreshed == 1
        assert all(server.asked.index(asked) > server.asked.index(requests_of(server, "/token")[-1])
                   for asked in requests_of(server, "/mcp")[1:])


def test_a_token_of_short_life_is_not_refreshed_all_the_time(tokens: Path) -> None:
    does = Authorization(expires_in=20)
    with serving(does) as server:
        log_in(server, tokens)
        with Connection(server.url, tokens=str(tokens)) as upstream:
            for number in range(5):
                upstream.send("tools/list", id=number)
                assert "result" in upstream.answer(number)
        assert does.refreshed == 1


def test_a_token_that_is_refused_is_refreshed_once(tokens: Path) -> None:
    does = Authorization()
    with serving(does) as server:
        log_in(server, tokens)
        before = stored(tokens)
        does.tokens.clear()
        with Connection(server.url, tokens=str(tokens)) as upstream:
            for number in range(10):
                upstream.send("tools/list", id=number)
            for number in range(10):
                assert "result" in upstream.answer(number)
        assert does.refreshed == 1
        assert stored(tokens)["refresh_token"] != before["refresh_token"]
        assert requests_of(server, "/token")[-1].body.decode().count(urllib.parse.quote(server.url, safe="")) == 1


def test_several_servers_refresh_once_between_them(tokens: Path) -> None:
    does = Authorization()
    with serving(does) as server:
        log_in(server, tokens)
        does.tokens.clear()
        answers = []

        def use() -> None:
            with Connection(server.url, tokens=str(tokens)) as upstream:
                upstream.send("tools/list", id=1)
                answers.append(upstream.answer(1))

        threads = [threading.Thread(target=use) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all("result" in answer for answer in answers), answers
        assert len(answers) == 6
        assert does.refreshed == 1


def test_a_login_that_is_over_is_told_and_its_tokens_are_dropped(tokens: Path) -> None:
    does = Authorization()
    with serving(does) as server:
        log_in(server, tokens)
        does.tokens.clear()
        does.refresh.clear()
        with Connection(server.url, tokens=str(tokens)) as upstream:
            for number in (1, 2):
                upstream.send("tools/list", id=number)
                assert "wants a login" in upstream.answer(number)["why"]
        assert stored(tokens)["refresh_token"] == ""
        assert len(requests_of(server, "/token")) == 2


def test_a_server_that_never_takes_a_token_is_not_asked_for_ever(tokens: Path) -> None:
    does = Authorization()
    with serving(does) as server:
        log_in(server, tokens)
        does.give = lambda grant, to: to.answer(200, {"access_token": "never good", "refresh_token": "r"})  # type: ignore[method-assign]
        does.tokens.clear()
        with Connection(server.url, tokens=str(tokens)) as upstream:
            upstream.send("tools/list", id=1)
            assert "It refused the new token, too." in upstream.answer(1)["why"]
        assert len(requests_of(server, "/mcp")) == 3  # of the login; the old token; the new one


def test_an_authorization_server_that_is_away_does_not_hold_up_a_token_that_is_still_good(tokens: Path) -> None:
    does = Authorization()
    with serving(does) as server:
        log_in(server, tokens)
        change(tokens, expires_at=1, token_endpoint="http://127.0.0.1:9/token")
        with Connection(server.url, tokens=str(tokens)) as upstream:
            for number in (1, 2):
                upstream.send("tools/list", id=number)
                assert "result" in upstream.answer(number)


def test_a_scope_that_is_missing_is_asked_for_by_the_next_login(tokens: Path) -> None:
    does = Authorization(challenge_scope="read", needs_scope="write")
    with serving(does) as server:
        log_in(server, tokens)
        with Connection(server.url, tokens=str(tokens)) as upstream:
            upstream.send("tools/call", id=1, name="x")
            why = upstream.answer(1)["why"]
            assert "the scope 'write' is wanted" in why
            assert "pyember upstreams login driven" in why
            assert log_in(server, tokens) == "read write"
            upstream.send("tools/call", id=2, name="x")
            assert "result" in upstream.answer(2)


def test_a_configured_authorization_is_sent_in_place_of_a_login(tokens: Path) -> None:
    does = Authorization()
    with serving(does) as server:
        log_in(server, tokens)
        with Connection(server.url, tokens=str(tokens), headers={"authorization": "Bearer mine"}) as upstream:
            upstream.send("tools/list", id=1)
            assert "to the Authorization header that is configured for it" in upstream.answer(1)["why"]
        assert requests_of(server, "/mcp")[-1].headers["authorization"] == "Bearer mine"
