"""Tokens of the server's own file."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.http_gate.driver import Gate
from tests.http_gate.tokens import TokenFile


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def test_a_token_says_who_its_bearer_is(tokens: TokenFile) -> None:
    alice, bob, again = tokens.add("alice"), tokens.add("bob"), tokens.add("alice")
    with Gate(token_file=str(tokens.path)) as gate:
        first = gate.ask(token=alice)
        assert (first["status"], first["principal"], first["still"]) == (200, "token:alice", True)
        assert gate.ask(token=bob)["principal"] == "token:bob"
        assert gate.ask(token=again)["principal"] == "token:alice"
        assert gate.ask(headers={"Authorization": f"bEaReR   {alice}"})["status"] == 200


def refused(answer: dict[str, Any], status: int, *secrets_: str) -> str:
    assert answer["status"] == status, answer
    challenge: str = answer["headers"]["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    for secret in secrets_:
        assert not secret or secret not in json.dumps(answer)
    return challenge


def test_without_a_token_nobody_comes_in(tokens: TokenFile) -> None:
    token = tokens.add()
    with Gate(token_file=str(tokens.path)) as gate:
        for request in ({}, {"query": f"access_token={token}"}, {"headers": {"Authorization": f"Basic {token}"}},
                        {"headers": {"Authorization": f"Token {token}"}}, {"headers": {"Authorization": ""}},
                        {"headers": {"Cookie": f"token={token}"}}, {"headers": {"X-Authorization": f"Bearer {token}"}}):
            challenge = refused(gate.ask(**request), 401, token)
            assert "error=" not in challenge


def test_a_wrong_token_is_refused_and_not_repeated(tokens: TokenFile) -> None:
    token = tokens.add()
    wrong = [token[:-1], token + "0", token.upper(), token.replace("pye_", ""), "pye_", "pye_" + "0" * 64, "a",
             hashlib.sha256(token.encode()).hexdigest(), tokens.entries[0]["id"], "alice", "a.b.c", token + "=="]
    with Gate(token_file=str(tokens.path)) as gate:
        for each in wrong:
            challenge = refused(gate.ask(token=each), 401, each if len(each) > 10 else "", tokens.entries[0]["hash"])
            assert 'error="invalid_token"' in challenge


def test_what_is_no_token_at_all_is_malformed(tokens: TokenFile) -> None:
    token = tokens.add()
    with Gate(token_file=str(tokens.path)) as gate:
        for value in ("Bearer", "Bearer ", f"Bearer {token} {token}", f"Bearer {token}, Bearer {token}", 'Bearer "x"', "Bearer \x01",
                      "Bearer ü", "Bearer " + "a" * 20_000, f"Bearer {token},"):
            assert 'error="invalid_request"' in refused(gate.ask(headers={"Authorization": value}), 400, token), value[:40]


def test_a_token_ends_when_it_expires_or_is_removed(tokens: TokenFile) -> None:
    old, soon, stays = tokens.add(expires_at=int(time.time()) - 1), tokens.add(expires_at=int(time.time()) + 3600), tokens.add()
    with Gate(token_file=str(tokens.path)) as gate:
        refused(gate.ask(token=old), 401, old)
        assert gate.ask(token=soon)["status"] == 200
        assert gate.ask(token=stays)["status"] == 200
        tokens.entries.pop()
        tokens.write()
        refused(gate.ask(token=stays), 401, stays)
        later = tokens.add("carol")
        assert gate.ask(token=later)["principal"] == "token:carol"


def test_a_file_that_others_may_read_lets_nobody_in(tokens: TokenFile) -> None:
    token = tokens.add()
    with Gate(token_file=str(tokens.path)) as gate:
        assert gate.ask(token=token)["status"] == 200
        for mode in (0o644, 0o660, 0o604, 0o620):
            tokens.path.chmod(mode)
            refused(gate.ask(token=token), 401, token)
        tokens.path.chmod(0o600)
        assert gate.ask(token=token)["status"] == 200
        tokens.path.write_text("{")
        refused(gate.ask(token=token), 401, token)
        tokens.path.unlink()
        refused(gate.ask(token=token), 401, token)
    assert token not in gate.log
    assert "tokens_unusable" in gate.log


def test_scopes_say_which_tools(tokens: TokenFile) -> None:
    code, one, none, both = tokens.add(scopes=["code"]), tokens.add(scopes=["tool:kill_job"]), tokens.add(scopes=[]), \
        tokens.add(scopes=["sessions", "scripts"])
    with Gate(token_file=str(tokens.path)) as gate:
        assert gate.ask(token=code, tool="run_python")["status"] == 200
        assert gate.ask(token=one, tool="kill_job")["status"] == 200
        assert gate.ask(token=both, tool="fork_session")["status"] == 200
        for token, tool, scope in ((code, "kill_job", "code scripts"), (one, "run_python", "tool:kill_job code"),
                                   (none, "close_session", "sessions"), (both, "unheard_of", "sessions scripts tools:*")):
            challenge = refused(gate.ask(token=token, tool=tool), 403, token)
            assert 'error="insufficient_scope"' in challenge
            assert f'scope="{scope}"' in challenge


def test_too_many_requests_of_one_caller_wait(tokens: TokenFile) -> None:
    alice, bob = tokens.add("alice"), tokens.add("bob")
    with Gate(token_file=str(tokens.path), requests_per_second=0.5) as gate:
        assert gate.ask(token=alice)["status"] == 200
        answer = gate.ask(token=alice)
        assert answer["status"] == 429
        assert 1 <= int(answer["headers"]["Retry-After"]) <= 2
        assert gate.ask(token=bob)["status"] == 200


def test_too_many_refused_tokens_are_not_answered_one_by_one_but_good_ones_pass(tokens: TokenFile) -> None:
    token = tokens.add()
    with Gate(token_file=str(tokens.path)) as gate:
        statuses = [gate.ask(token="pye_wrong", peer="10.0.0.1")["status"] for _ in range(300)]
        assert statuses[0] == 401
        assert 429 in statuses
        assert gate.ask(token=token, peer="10.0.0.1")["status"] == 200
        assert gate.ask(token="pye_wrong", peer="10.0.0.2")["status"] == 401
