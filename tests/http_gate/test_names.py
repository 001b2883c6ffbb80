"""Under which names a server may be addressed, and from which pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http_gate.driver import Gate


def test_a_server_on_this_machine_lets_everybody_here_in_as_the_same_caller() -> None:
    with Gate() as gate:
        answer = gate.ask()
        assert answer["status"] == 200
        assert answer["principal"] == ""
        assert gate.ask(token="whatever")["principal"] == ""


@pytest.mark.parametrize("host", [None, "", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io",
                                  "localhost, evil.example", "localhost@evil.example", "[::1", "x" * 5000])
def test_other_names_are_refused(host: str | None) -> None:
    with Gate() as gate:
        answer = gate.ask(headers={"Host": host})
        assert answer["status"] == 403
        assert "--allowed-host" in json.loads(answer["body"])["error"]["message"]
        assert host is None or len(host) < 5 or host not in answer["body"]


@pytest.mark.parametrize("origin", ["null", "", "http://evil.example", "https://localhost.evil.example", "file://", "http://localhost:1 x",
                                    "http://localhost, http://evil.example"])
def test_pages_from_elsewhere_are_refused(origin: str) -> None:
    with Gate(allowed_origins=["https://app.example"]) as gate:
        answer = gate.ask(headers={"Origin": origin})
        assert answer["status"] == 403
        assert "Access-Control-Allow-Origin" not in answer["headers"]


def test_names_and_pages_can_be_allowed() -> None:
    with Gate(allowed_hosts=["python.example", "[2001:db8::1]:8443"], allowed_origins=["https://app.example"]) as gate:
        for headers in ({"Host": "python.example"}, {"Host": "PYTHON.example:443"}, {"Host": "[2001:db8::1]:8443"},
                        {"Origin": "https://app.example"}, {"Origin": "http://localhost:6274"}, {"Origin": "https://python.example"}):
            assert gate.ask(headers=headers)["status"] == 200, headers
        assert gate.ask(headers={"Host": "[2001:db8::1]:8444"})["status"] == 403


def test_only_pages_that_are_named_may_read_answers() -> None:
    with Gate(allowed_origins=["https://app.example"]) as gate:
        answer = gate.ask(method="OPTIONS", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"})
        assert answer["status"] == 204
        assert answer["headers"]["Access-Control-Allow-Origin"] == "https://app.example"
        assert "Mcp-Session-Id" in answer["headers"]["Access-Control-Allow-Headers"]
        here = gate.ask(method="OPTIONS", headers={"Origin": "http://localhost:6274"})
        assert "Access-Control-Allow-Origin" not in here.get("headers", {})


@pytest.mark.parametrize(("settings", "word"), [
    ({"address": "0.0.0.0"}, "pyember tokens add"),
    ({"address": "::"}, "pyember tokens add"),
    ({"address": "192.168.1.2"}, "pyember tokens add"),
    ({"address": "0.0.0.0", "token_file": "/tokens.json"}, "--allowed-host"),
    ({"allowed_hosts": ["http://python.example"]}, "--allowed-host"),
    ({"allowed_origins": ["*"]}, "--allowed-origin"),
    ({"oauth_issuer": "https://login.example"}, "--oauth-audience"),
    ({"oauth_audience": "https://python.example/mcp"}, "--oauth-issuer"),
    ({"oauth_issuer": "http://login.example", "oauth_audience": "https://python.example/mcp"}, "https"),
])
def test_a_server_that_would_be_open_or_useless_does_not_start(settings: dict[str, Any], word: str) -> None:
    gate = Gate(**settings)
    gate.end()
    assert word in gate.refused
