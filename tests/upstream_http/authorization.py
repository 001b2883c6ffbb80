"""A server that wants a token, and the authorization server that gives them: both at one address, as strict as the
standards, and with switches for what goes wrong."""

from __future__ import annotations

import base64
import hashlib
import secrets
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from tests.upstream_http.scripted import Answering, Asked, Scripted, result


@dataclass
class Grant:
    client: str
    scope: str
    resource: str


@dataclass
class Authorization:
    """What to do, and what was done. Change the switches before the server is asked."""

    metadata_header: bool = True  # the challenge says where the metadata is
    open_handshake: bool = False  # connections begin without a token, in the handshake era
    resource_metadata: bool = True
    issuer_metadata: bool = True
    challenge_scope: str = ""
    scopes_supported: list[str] = field(default_factory=list)
    issuer_scopes: list[str] = field(default_factory=list)
    pkce: list[str] = field(default_factory=lambda: ["S256"])
    auth_methods: list[str] = field(default_factory=list)
    registration: bool = True
    client_urls: bool = False
    resource: str = ""  # another one
    issuer: str = ""
    answer_issuer: str | None = None  # the iss of the answer; None: the right one
    expires_in: int | None = 3600
    refuses: str = ""  # the error of the authorization endpoint
    gives_refresh_tokens: bool = True
    needs_scope: str = ""  # of tools/call

    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    refreshed: int = 0

    def add_client(self, name: str, method: str = "none", secret: str = "", uris: list[str] | None = None) -> None:
        self.clients[name] = {"method": method, "secret": secret, "uris": uris}

    def __call__(self, asked: Asked, to: Answering) -> None:
        origin = to.server.origin
        path, _, query = asked.path.partition("?")
        fields = {k: v[0] for k, v in urllib.parse.parse_qs(query or asked.body.decode()).items()} if path != "/mcp" else {}
        if path == "/mcp":
            return self.serve(asked, to)
        if path == "/.well-known/oauth-protected-resource/mcp" and self.resource_metadata:
            return to.answer(200, {"resource": self.resource or to.server.url, "authorization_servers": [origin],
                                   **({"scopes_supported": self.scopes_supported} if self.scopes_supported else {})})
        if path == "/.well-known/oauth-authorization-server" and self.issuer_metadata:
            return to.answer(200, self.metadata(origin))
        if path == "/register" and self.registration:
            return self.register(asked, to)
        if path == "/authorize":
            return self.authorize(fields, to)
        if path == "/token":
            return self.grant(asked, fields, to)
        to.answer(404, {"error": "not here"})

    def metadata(self, origin: str) -> dict[str, Any]:
        return {"issuer": self.issuer or origin, "authorization_endpoint": origin + "/authorize",
                "token_endpoint": origin + "/token", "response_types_supported": ["code"],
                **({"registration_endpoint": origin + "/register"} if self.registration else {}),
                **({"code_challenge_methods_supported": self.pkce} if self.pkce else {}),
                **({"token_endpoint_auth_methods_supported": self.auth_methods} if self.auth_methods else {}),
                **({"scopes_supported": self.issuer_scopes} if self.issuer_scopes else {}),
                "client_id_metadata_document_supported": self.client_urls,
                "authorization_response_iss_parameter_supported": True}

    def serve(self, asked: Asked, to: Answering) -> None:
        if self.open_handshake and asked.json["method"] in ("initialize", "notifications/initialized"):
            return to.answer(200, result(asked, {}))
        header = asked.headers.get("authorization", "")
        grant = self.tokens.get(header.removeprefix("Bearer "))
        if grant is None:
            parts = [f'resource_metadata="{to.server.origin}/.well-known/oauth-protected-resource/mcp"'
                     ] if self.metadata_header else []
            parts += [f'scope="{self.challenge_scope}"'] if self.challenge_scope else []
            return to.answer(401, b"", {"WWW-Authenticate": "Bearer " + ", ".join(parts)})
        if self.needs_scope and asked.json["method"] == "tools/call" and self.needs_scope not in grant.scope.split():
            return to.answer(403, b"", {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.needs_scope}"'})
        to.answer(200, result(asked, {"scope": grant.scope, "resource": grant.resource}))

    def register(self, asked: Asked, to: Answering) -> None:
        wish = asked.json
        assert wish["application_type"] == "native"
        name, secret = f"client-{len(self.clients)}", secrets.token_hex(8)
        method = wish["token_endpoint_auth_method"]
        self.add_client(name, method, "" if method == "none" else secret, wish["redirect_uris"])
        to.answer(201, {**wish, "client_id": name, **({} if method == "none" else {"client_secret": secret})})

    def authorize(self, fields: dict[str, str], to: Answering) -> None:
        client = self.clients.get(fields["client_id"])
        if client is None and self.client_urls and fields["client_id"].startswith("https://"):
            self.add_client(fields["client_id"])
            client = self.clients[fields["client_id"]]
        assert client is not None
        assert client["uris"] is None or fields["redirect_uri"] in client["uris"]
        assert fields["redirect_uri"].startswith("http://127.0.0.1:")
        assert fields["response_type"] == "code"
        assert fields["code_challenge_method"] == "S256"
        answer = {"state": fields["state"], "iss": to.server.origin if self.answer_issuer is None else self.answer_issuer}
        if self.refuses:
            answer |= {"error": self.refuses, "error_description": "because"}
        else:
            code = secrets.token_hex(8)
            self.codes[code] = fields
            answer["code"] = code
        answer = {name: value for name, value in answer.items() if value}
        to.answer(302, headers={"Location": fields["redirect_uri"] + "?" + urllib.parse.urlencode(answer)})

    def known_client(self, asked: Asked, fields: dict[str, str]) -> str | None:
        name, secret, how = fields.get("client_id", ""), fields.get("client_secret", ""), "client_secret_post"
        header = asked.headers.get("authorization", "")
        if header.startswith("Basic "):
            pair = base64.b64decode(header[6:]).decode().split(":")
            name, secret = (urllib.parse.unquote(part) for part in pair)
            how = "client_secret_basic"
        client = self.clients.get(name)
        if client is None or client["secret"] != secret or (client["method"] != "none" and client["method"] != how):
            return None
        return name

    def grant(self, asked: Asked, fields: dict[str, str], to: Answering) -> None:
        name = self.known_client(asked, fields)
        if name is None:
            return to.answer(401, {"error": "invalid_client"})
        if fields["grant_type"] == "authorization_code":
            wish = self.codes.pop(fields["code"], None)
            digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
            if (wish is None or wish["client_id"] != name or wish["redirect_uri"] != fields["redirect_uri"]
                    or base64.urlsafe_b64encode(digest).decode().rstrip("=") != wish["code_challenge"]
                    or wish.get("resource") != fields.get("resource")):
                return to.answer(400, {"error": "invalid_grant"})
            grant = Grant(name, wish.get("scope", ""), wish.get("resource", ""))
        else:
            found = self.refresh.pop(fields["refresh_token"], None)  # each is good for once
            if found is None or found.client != name:
                return to.answer(400, {"error": "invalid_grant", "error_description": "used or unknown"})
            self.refreshed += 1
            grant = found
        self.give(grant, to)

    def give(self, grant: Grant, to: Answering) -> None:
        token = "access-" + secrets.token_hex(8)
        self.tokens[token] = grant
        answer: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "scope": grant.scope}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if self.gives_refresh_tokens:
            answer["refresh_token"] = "refresh-" + secrets.token_hex(8)
            self.refresh[answer["refresh_token"]] = grant
        to.answer(200, answer)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def answer_of(address: str) -> str:
    """What a user who agrees is sent back with."""
    try:
        urllib.request.build_opener(_Stay).open(address, timeout=60)
    except urllib.error.HTTPError as redirect:
        return str(redirect.headers["Location"])
    raise AssertionError("there was no redirect")


def visit(address: str) -> str:
    """What a browser shows there."""
    with urllib.request.urlopen(address, timeout=60) as page:
        return str(page.read().decode())


def requests_of(server: Scripted, path: str) -> list[Asked]:
    return [asked for asked in server.asked if asked.path.partition("?")[0] == path]
