"""Tokens that an authorization server has signed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.http_gate.driver import Gate
from tests.http_gate.tokens import TokenFile
from tests.support.issuer import AUDIENCE, Issuer, base64url, unsigned


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


def gate_for(issuer: Issuer, **more: Any) -> Gate:
    return Gate(oauth_issuer=issuer.url, oauth_audience=AUDIENCE, **more)


def refused(answer: dict[str, Any], token: str, why: str = "") -> None:
    assert answer["status"] == 401, answer
    challenge = answer["headers"]["WWW-Authenticate"]
    assert 'error="invalid_token"' in challenge
    assert 'resource_metadata="https://python.example/.well-known/oauth-protected-resource/mcp"' in challenge
    assert why in challenge
    assert token not in json.dumps(answer)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
def test_a_signed_token_says_who_its_bearer_is(issuer: Issuer, algorithm: str) -> None:
    issuer.add_key("two", algorithm)
    with gate_for(issuer) as gate:
        answer = gate.ask(token=issuer.token("two", sub="bob", scope="code tool:kill_job"), tool="kill_job")
        assert answer["status"] == 200, answer
        assert answer["principal"] == f"oauth:{issuer.url} bob"
        assert answer["scopes"] == ["code", "tool:kill_job"]


def test_the_metadata_is_for_everybody(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
            answer = gate.ask(method="GET", path=path)
            assert answer["status"] == 200
            told = json.loads(answer["body"])
            assert told["resource"] == AUDIENCE
            assert told["authorization_servers"] == [issuer.url]
            assert "offline_access" not in told["scopes_supported"]
        assert gate.ask(method="GET", path="/.well-known/oauth-protected-resource", headers={"Host": "evil.example"})["status"] == 403
        assert gate.ask(method="POST", path="/.well-known/oauth-protected-resource")["status"] == 405
        missing = gate.ask()
        assert missing["status"] == 401
        assert "error=" not in missing["headers"]["WWW-Authenticate"]
        assert 'scope="tools:*"' in missing["headers"]["WWW-Authenticate"]


WRONG_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": int(time.time()) - 3600}, "expired"),
    "no expiry": ({"exp": None}, "until when"),
    "an expiry that is text": ({"exp": "2099"}, "until when"),
    "not yet valid": ({"nbf": int(time.time()) + 3600}, "not valid yet"),
    "another issuer": ({"iss": "https://evil.example"}, "another authorization server"),
    "no issuer": ({"iss": None}, "another authorization server"),
    "another audience": ({"aud": "https://other.example/mcp"}, "another server"),
    "an audience that begins alike": ({"aud": AUDIENCE + ".evil.example"}, "another server"),
    "no audience": ({"aud": None}, "another server"),
    "audiences of others": ({"aud": ["https://a.example", "https://b.example"]}, "another server"),
    "nobody": ({"sub": None}, "whose"),
}


@pytest.mark.parametrize("name", WRONG_CLAIMS)
def test_a_token_with_wrong_claims_is_refused(issuer: Issuer, name: str) -> None:
    changes, why = WRONG_CLAIMS[name]
    token = issuer.token(**changes) if name != "an expiry that is text" else unsigned({"alg": "RS256", "kid": "one"}, {**issuer.claims(), **changes}, b"x")
    with gate_for(issuer) as gate:
        refused(gate.ask(token=token), token, why)


def forgeries(issuer: Issuer) -> dict[str, str]:
    good = issuer.token()
    head, payload, signature = good.split(".")
    claims = issuer.claims(sub="root")
    forged_payload = unsigned({}, claims).split(".")[1]
    stranger = Issuer()
    strangers = stranger.keys["one"]
    stranger.url = issuer.url
    public = json.dumps(issuer.public("one")).encode()
    return {
        "no signature": f"{head}.{payload}.",
        "an empty signature": unsigned({"alg": "none"}, claims),
        "none with a signature": unsigned({"alg": "none"}, claims, b"x"),
        "None": unsigned({"alg": "None", "kid": "one"}, claims, b"x"),
        "the public key as a secret": jwt.encode(claims, base64url(public), "HS256", headers={"kid": "one"}),
        "the modulus as a secret": jwt.encode(claims, issuer.public("one")["n"], "HS256", headers={"kid": "one"}),
        "other claims": f"{head}.{forged_payload}.{signature}",
        "another's signature": jwt.encode(claims, strangers, "RS256", headers={"kid": "one"}),
        "another's key in the header": jwt.encode(claims, strangers, "RS256", headers={"kid": "one", "jwk": stranger.public("one")}),
        "another's keys by address": jwt.encode(claims, strangers, "RS256", headers={"kid": "two", "jku": f"{issuer.url}/other"}),
        "another algorithm of the key": issuer.token(algorithm="RS512"),
        "an unknown key": issuer.token(header={"kid": "unheard-of"}),
        "extensions": issuer.token(header={"crit": ["exp"]}),
        "a token for something else": issuer.token(header={"typ": "logout+jwt"}),
        "a signature cut short": good[:-8],
        "a signature of zeros": f"{head}.{payload}.{base64url(bytes(256))}",
        "a huge signature": f"{head}.{payload}.{'A' * 4000}",
        "junk": "AAAA.AAAA.AAAA",
    }


def test_a_forged_token_is_refused(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        assert gate.ask(token=issuer.token())["status"] == 200
        for name, token in forgeries(issuer).items():
            # Each from an address of its own: too many from one are answered otherwise.
            answer = gate.ask(token=token, peer=f"10.0.0.{len(name)}")
            assert answer["status"] == 401, (name, answer)
            assert token not in json.dumps(answer)
        assert gate.ask(token=issuer.token())["status"] == 200
    assert "/other" not in issuer.asked
    assert issuer.token() not in gate.log


def test_padding_and_blanks_are_no_part_of_a_signed_token(issuer: Issuer) -> None:
    good = issuer.token()
    with gate_for(issuer) as gate:
        for token in (good + "=", good.replace(".", "=.", 1), good + ".AAAA", "A==." + good):
            assert gate.ask(token=token)["status"] == 401, token[-20:]


def test_keys_are_fetched_once_and_a_new_key_is_found(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        for _ in range(20):
            assert gate.ask(token=issuer.token(jti=str(time.monotonic_ns())))["status"] == 200
        assert issuer.asked.count("/keys") == 1


def test_an_unknown_key_does_not_make_the_server_ask_again_and_again(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        assert gate.ask(token=issuer.token())["status"] == 200
        for at in range(30):
            assert gate.ask(token=issuer.token(header={"kid": f"unknown-{at}"}), peer=f"10.1.0.{at}")["status"] == 401
        assert issuer.asked.count("/keys") <= 2


def test_a_key_without_a_name_is_used_when_it_is_the_only_one(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        assert gate.ask(token=issuer.token(header={"kid": None}))["status"] == 200
    issuer.add_key("two", "RS256")
    with gate_for(issuer) as gate:
        assert gate.ask(token=issuer.token(header={"kid": None}))["status"] == 401


def test_many_wait_for_the_first_keys(issuer: Issuer) -> None:
    issuer.hold.clear()
    with gate_for(issuer) as gate:
        numbers = [gate.send(token=issuer.token(sub=f"caller-{at}")) for at in range(50)]
        issuer.hold.set()
        assert [gate.answer(number)["shown"] for number in numbers] == [f"caller-{at}" for at in range(50)]
        assert issuer.asked.count("/keys") == 1


@pytest.mark.parametrize("broken", ["status", "no json", "no keys", "weak", "another's metadata", "no metadata", "keys elsewhere"])
def test_without_keys_nobody_is_told_that_their_token_is_wrong(issuer: Issuer, broken: str) -> None:
    if broken == "status":
        issuer.status = 500
    elif broken == "no json":
        issuer.text = "<html>"
    elif broken == "no keys":
        issuer.text = '{"keys": []}'
    elif broken == "weak":
        issuer.text = '{"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}]}'
    elif broken == "another's metadata":
        issuer.fields = {"issuer": "https://evil.example"}
    elif broken == "no metadata":
        issuer.metadata_status = 404
    else:
        issuer.fields = {"jwks_uri": "http://keys.example/keys"}
    with gate_for(issuer) as gate:
        answer = gate.ask(token=issuer.token())
        assert answer["status"] == 503, answer
        assert int(answer["headers"]["Retry-After"]) > 0
    assert "oauth_keys_not_fetched" in gate.log


def test_keys_may_be_named_instead_of_found(issuer: Issuer) -> None:
    issuer.metadata_status = 404
    with gate_for(issuer, oauth_keys=f"{issuer.url}/keys") as gate:
        assert gate.ask(token=issuer.token())["status"] == 200
    assert issuer.asked == ["/keys"]


def test_a_key_set_holds_what_is_not_for_us_and_that_does_not_matter(issuer: Issuer) -> None:
    issuer.more_keys = [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}, {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "AAAA"},
                        {"kty": "RSA", "kid": "one", "use": "enc", "n": "AQAB", "e": "AQAB"}, {"kty": "RSA", "n": "A===", "e": "AQAB"},
                        {"kty": "EC", "kid": "one", "crv": "P-999", "x": "AAAA", "y": "AAAA"}, {}]
    with gate_for(issuer) as gate:
        assert gate.ask(token=issuer.token())["status"] == 200


def test_a_token_without_scopes_of_ours_lets_no_tool_be_called(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        for changes in ({"scope": None}, {"scope": "openid profile"}, {"scope": 7}, {"scope": ["x"]}):
            answer = gate.ask(token=issuer.token(**changes), tool="run_python")
            assert answer["status"] == 403
            assert 'scope="code"' in answer["headers"]["WWW-Authenticate"]
        assert gate.ask(token=issuer.token(scope=None, scp=["sessions"]), tool="run_python")["status"] == 200


def test_who_somebody_is_can_not_be_made_up_in_a_log(issuer: Issuer) -> None:
    with gate_for(issuer) as gate:
        answer = gate.ask(token=issuer.token(sub='a" event=\nfaked\x1b[31m' + "x" * 100))
        assert answer["status"] == 200
        assert len(answer["shown"]) <= 64
        assert not set(answer["shown"]) & set('" \n\x1b')


def test_when_too_many_were_refused_signatures_are_not_checked_but_known_tokens_pass(issuer: Issuer) -> None:
    known = issuer.token(sub="known")
    with gate_for(issuer) as gate:
        assert gate.ask(token=known, peer="10.0.0.1")["status"] == 200
        statuses = {gate.ask(token=f"junk-{at}", peer="10.0.0.1")["status"] for at in range(200)}
        assert statuses == {401, 429}
        assert gate.ask(token=issuer.token(sub="new"), peer="10.0.0.1")["status"] == 429
        assert gate.ask(token=known, peer="10.0.0.1")["status"] == 200
        assert gate.ask(token=issuer.token(sub="new"), peer="10.0.0.2")["status"] == 200


def test_an_issuer_and_a_file_name_different_callers(issuer: Issuer, tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    with gate_for(issuer, token_file=str(file.path)) as gate:
        own = gate.ask(token=file.add("alice"))
        theirs = gate.ask(token=issuer.token(sub="alice"))
        assert own["status"] == theirs["status"] == 200
        assert own["principal"] != theirs["principal"]
        spoofed = gate.ask(token=issuer.token(sub="token:alice"))
        assert spoofed["principal"] not in (own["principal"], theirs["principal"])
