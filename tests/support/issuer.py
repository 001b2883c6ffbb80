"""An authorization server, as far as a resource server asks it: metadata, keys, and tokens signed with them."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "https://python.example/mcp"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token in compact form, with whatever signature."""
    parts = [json.dumps(each, separators=(",", ":")).encode() for each in (header, claims)]
    return ".".join(base64url(each) for each in [*parts, signature])


class Issuer:
    """Serves on 127.0.0.1 while it is entered. Change the switches before it is asked."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}  # private ones, by their ids
        self.algorithms: dict[str, str] = {}
        self.published: list[str] | None = None  # ids; None: all
        self.more_keys: list[dict[str, Any]] = []  # as they are
        self.fields: dict[str, Any] = {}  # of the metadata, instead of the right ones
        self.status = 200  # of the keys' answer
        self.text: str | None = None  # … and what it says instead
        self.metadata_status = 200
        self.hold = threading.Event()  # cleared: the keys' answer waits
        self.hold.set()
        self.asked: list[str] = []  # paths
        self.add_key("one", "RS256")

    def __enter__(self) -> Issuer:
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                status, text = issuer.answer(self.path)
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, path: str) -> tuple[int, str]:
        if path == "/keys":
            self.hold.wait(60)
            return self.status, self.text if self.text is not None else json.dumps(self.key_set())
        if path == "/.well-known/oauth-authorization-server" and self.metadata_status == 200:
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.fields})
        return (404 if self.metadata_status == 200 else self.metadata_status), "{}"

    def add_key(self, key_id: str, algorithm: str) -> None:
        if algorithm.startswith("ES"):
            curve = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
            self.keys[key_id] = ec.generate_private_key(curve)
        else:
            self.keys[key_id] = rsa.generate_private_key(65537, 2048)
        self.algorithms[key_id] = algorithm

    def public(self, key_id: str) -> dict[str, Any]:
        algorithm = "ES256" if self.algorithms[key_id].startswith("ES") else "RS256"
        made = jwt.get_algorithm_by_name(algorithm).to_jwk(self.keys[key_id].public_key(), as_dict=True)
        fields: dict[str, Any] = {name: value for name, value in made.items() if name != "key_ops"}
        return {**fields, "kid": key_id, "use": "sig", "alg": self.algorithms[key_id]}

    def key_set(self) -> dict[str, Any]:
        wanted = self.published if self.published is not None else list(self.keys)
        return {"keys": [*self.more_keys, *(self.public(each) for each in wanted)]}

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "nbf": now, "exp": now + 600,
                  "scope": "tools:*", **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key_id: str = "one", *, header: dict[str, Any] | None = None, algorithm: str = "",
              **changes: Any) -> str:
        """Signed; a change of None takes a claim away."""
        fields = {"kid": key_id, "typ": "at+jwt", **(header or {})}
        return jwt.encode(self.claims(**changes), self.keys[key_id], algorithm or self.algorithms[key_id],
                          headers={name: value for name, value in fields.items() if value is not None})
