"""A server of HTTP in a process of its own, and requests to it as they go over the wire."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.raw_client import server_binary
from tests.support.world import World

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
META = "io.modelcontextprotocol/"
DEADLINE = 60.0
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri", "tasks/get": "taskId", "tasks/update": "taskId",
            "tasks/cancel": "taskId"}


@dataclass
class Response:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What is in it, of a stream or of one message."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = [line[len("data:"):].strip() for line in self.text.splitlines() if line.startswith("data:")]
            return [json.loads(line) for line in lines if line]
        return [json.loads(self.body)] if self.body else []

    @property
    def answer(self) -> dict[str, Any]:
        return next(each for each in reversed(self.messages) if "result" in each or "error" in each)

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.answer, self
        result: dict[str, Any] = self.answer["result"]
        return result


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class HttpServer:
    """`pyember serve --transport http` while it is entered; its stderr is kept in a file."""

    world: World
    arguments: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def __enter__(self) -> HttpServer:
        self.port = self.port or free_port()
        self.log_path = Path(self.world.root) / f"http-{self.port}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([server_binary(), "serve", "--transport", "http", "--port", str(self.port), *self.arguments],
                                            cwd=self.world.work, env={**os.environ, **self.world.variables(), **self.variables},
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + DEADLINE
        while True:
            assert self.process.poll() is None, self.log
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            except OSError:
                assert time.monotonic() < end, self.log
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def request(self, method: str = "POST", path: str = "/mcp", *, headers: list[tuple[str, str]] | dict[str, str] | None = None,
                body: bytes = b"", host: str | None = "") -> Response:
        """As it is said, with nothing added but Host (None: none) and Content-Length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if host is not None:
                connection.putheader("Host", host or f"127.0.0.1:{self.port}")
            pairs = headers.items() if isinstance(headers, dict) else headers or []
            for name, value in pairs:
                connection.putheader(name, value.encode("latin-1", "replace"))
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()


@dataclass
class Caller:
    """One caller of a server: requests of the stateless era, and of sessions."""

    server: HttpServer
    token: str = ""
    session: str = ""
    number: int = 0

    def headers(self, **more: str) -> dict[str, str]:
        mine = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.token:
            mine["Authorization"] = f"Bearer {self.token}"
        return {**mine, **{name.replace("_", "-"): value for name, value in more.items()}}

    def modern(self, method: str, params: dict[str, Any] | None = None, *, capabilities: dict[str, Any] | None = None,
               headers: dict[str, str] | None = None) -> Response:
        self.number += 1
        params = dict(params or {})
        params["_meta"] = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities or {}, **params.get("_meta", {})}
        fields = self.headers(MCP_Protocol_Version=MODERN, Mcp_Method=method)
        if method in NAMED_BY:
            fields["Mcp-Name"] = str(params.get(NAMED_BY[method], ""))
        session = params.get("arguments", {}).get("session") if method == "tools/call" else None
        if isinstance(session, str):
            fields["Mcp-Param-Session"] = session
        body = json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}).encode()
        return self.server.request(headers={**fields, **(headers or {})}, body=body)

    def call(self, tool: str, capabilities: dict[str, Any] | None = None, **arguments: Any) -> Response:
        return self.modern("tools/call", {"name": tool, "arguments": arguments}, capabilities=capabilities)

    def open_session(self, version: str = HANDSHAKE) -> Response:
        opened = self.post("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}})
        self.session = opened.headers["mcp-session-id"]
        self.post("notifications/initialized", notification=True)
        return opened

    def post(self, method: str, params: dict[str, Any] | None = None, *, notification: bool = False,
             headers: dict[str, str] | None = None) -> Response:
        """Of the session."""
        self.number += 1
        fields = self.headers()
        if self.session:
            fields |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": HANDSHAKE}
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if not notification:
            message["id"] = self.number
        return self.server.request(headers={**fields, **(headers or {})}, body=json.dumps(message).encode())
