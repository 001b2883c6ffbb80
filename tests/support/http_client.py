"""A pyember that serves HTTP, for tests, and a small client: standard library only, no SDK in between.

The client says what it is told to; by default it speaks the modern era: each request carries its
own `_meta` and headers. `Legacy` is a session of the handshake era.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import re
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.raw_client import META, children, jobs_folder, name_of, server_binary

VERSION = META["io.modelcontextprotocol/protocolVersion"]
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
            "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}


class Response:
    """One answer over HTTP, read whole."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The JSON-RPC messages in it, in their order."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return [json.loads(data) for data in events_in(self.body.decode())]
        return [json.loads(self.body)] if self.body else []

    @property
    def answer(self) -> dict[str, Any]:
        return self.messages[-1]

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.answer, self
        return self.answer["result"]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


def read_whole(response: http.client.HTTPResponse) -> Response:
    return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def events_in(text: str) -> Iterator[str]:
    for block in text.split("\n\n"):
        data = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
        if data and any(data):
            yield "\n".join(data)


class HttpClient:
    """A connection that is kept, and made again when it has broken. One thread."""

    def __init__(self, server: HttpServer, token: str | None = None, headers: dict[str, str] | None = None) -> None:
        self.server = server
        self.headers = dict(headers or {})
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"
        self.connection = server.connect()
        self.next_id = 1

    def close(self) -> None:
        self.connection.close()

    def send(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Response:
        """One request, and its whole response; what breaks raises OSError or HTTPException."""
        try:
            self.connection.request(method, path, body, {**self.headers, **(headers or {})})
            response = self.connection.getresponse()
            return read_whole(response)
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def message(self, method: str, params: dict[str, Any] | None = None, *, meta: dict[str, Any] | None = None,
                request_id: Any = None) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a modern request."""
        if request_id is None:
            request_id, self.next_id = self.next_id, self.next_id + 1
        params = {**(params or {}), "_meta": {**META, **(meta or {})}}
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                   "MCP-Protocol-Version": VERSION, "Mcp-Method": method}
        if method in NAMED_BY:
            headers["Mcp-Name"] = str(params.get(NAMED_BY[method], ""))
        session = (params.get("arguments") or {}).get("session")
        if method == "tools/call" and isinstance(session, str):
            headers["Mcp-Param-Session"] = session
        body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        return json.dumps(body).encode(), headers

    def request(self, method: str, params: dict[str, Any] | None = None, *, meta: dict[str, Any] | None = None,
                headers: dict[str, str] | None = None) -> Response:
        body, own = self.message(method, params, meta=meta)
        return self.send("POST", self.server.path, body, {**own, **(headers or {})})

    def call(self, tool: str, arguments: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The result of a tool; an error of the protocol fails the test."""
        response = self.request("tools/call", {"name": tool, "arguments": arguments or {}}, **options)
        assert response.status == 200 and "result" in response.answer, response
        return response.answer["result"]  # type: ignore[no-any-return]

    def run(self, code: str, **arguments: Any) -> dict[str, Any]:
        """What run_python says of a cell."""
        return self.call("run_python", {"code": code, **arguments})["structuredContent"]  # type: ignore[no-any-return]


class Stream:
    """A response that goes on: its events arrive on a thread of their own."""

    def __init__(self, client: HttpClient, method: str, params: dict[str, Any] | None = None, **options: Any) -> None:
        body, headers = client.message(method, params, **options)
        self._begin(client, "POST", body, headers)

    @classmethod
    def of_get(cls, client: HttpClient, headers: dict[str, str]) -> Stream:
        stream = cls.__new__(cls)
        stream._begin(client, "GET", None, {"Accept": "text/event-stream", **headers})
        return stream

    def _begin(self, client: HttpClient, method: str, body: bytes | None, headers: dict[str, str]) -> None:
        self.connection = client.server.connect()
        self.connection.request(method, client.server.path, body, {**client.headers, **headers})
        self.sock = self.connection.sock
        response = self.connection.getresponse()
        self.status = response.status
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()  # None: it is over
        threading.Thread(target=self._read, args=(response,), daemon=True).start()

    def _read(self, response: http.client.HTTPResponse) -> None:
        data: list[str] = []
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while line := response.readline():
                text = line.decode().rstrip("\r\n")
                if text.startswith("data:"):
                    data.append(text[5:].strip())
                elif not text and any(data):
                    self.events.put(json.loads("\n".join(data)))
                    data = []
        self.events.put(None)

    def next(self, seconds: float = 30) -> dict[str, Any] | None:
        return self.events.get(timeout=seconds)

    def rest(self, seconds: float = 30) -> list[dict[str, Any]]:
        """Everything until its end."""
        found: list[dict[str, Any]] = []
        while (event := self.next(seconds)) is not None:
            found.append(event)
        return found

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(2)
        self.connection.close()


class Legacy:
    """A session of the handshake era."""

    def __init__(self, client: HttpClient, version: str = "2025-11-25") -> None:
        self.client, self.version, self.next_id = client, version, 1
        self.id: str | None = None
        response = self.post("initialize", {"protocolVersion": version, "capabilities": {},
                                            "clientInfo": {"name": "raw-client", "version": "1"}})
        assert response.status == 200, response
        self.id = response.headers["mcp-session-id"]
        self.initialized = response.answer["result"]
        assert self.notify("notifications/initialized").status == 202

    @classmethod
    def of_id(cls, client: HttpClient, session_id: str, version: str = "2025-11-25") -> Legacy:
        """One that is open already, or another caller's."""
        session = cls.__new__(cls)
        session.client, session.version, session.next_id, session.id = client, version, 1, session_id
        return session

    @property
    def headers(self) -> dict[str, str]:
        return {"Mcp-Session-Id": self.id, "MCP-Protocol-Version": self.version} if self.id else {}

    def _send(self, message: dict[str, Any]) -> Response:
        return self.client.send("POST", self.client.server.path, json.dumps(message).encode(),
                                {"Content-Type": "application/json",
                                 "Accept": "application/json, text/event-stream", **self.headers})

    def post(self, method: str, params: dict[str, Any] | None = None) -> Response:
        request_id, self.next_id = self.next_id, self.next_id + 1
        return self._send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}})

    def notify(self, method: str, params: dict[str, Any] | None = None) -> Response:
        return self._send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def call(self, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self.post("tools/call", {"name": tool, "arguments": arguments or {}})
        assert response.status == 200 and "result" in response.answer, response
        return response.answer["result"]  # type: ignore[no-any-return]

    def run(self, code: str, **arguments: Any) -> dict[str, Any]:
        return self.call("run_python", {"code": code, **arguments})["structuredContent"]  # type: ignore[no-any-return]


class HttpServer:
    """A running server. Use as a context manager: leaving it ends the server with SIGTERM."""

    def __init__(self, arguments: list[str] | None = None, *, environment: dict[str, str] | None = None,
                 supervised: bool = False, state: str | None = None, cwd: str | None = None) -> None:
        self.supervised = supervised
        self._own = tempfile.TemporaryDirectory(prefix="pyember-http-")
        self.state = state or os.path.join(self._own.name, "state")
        command = [server_binary(), "serve", "--transport", "http", "--port", "0", *(arguments or [])]
        self.log: list[str] = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            cwd=cwd or self._own.name,
            env={"PYTHON_MCP_META": jobs_folder(), "XDG_CONFIG_HOME": self._own.name,
                 "PYEMBER_NO_SUPERVISOR": "0" if supervised else "1", **os.environ,
                 "PYEMBER_STATE_DIR": self.state, **(environment or {})},
            start_new_session=True)
        self.scheme, self.host, self.port, self.path = "http", "", 0, ""
        listening = threading.Event()
        threading.Thread(target=self._read_log, args=(listening,), daemon=True).start()
        if not listening.wait(60) or not self.port:
            self.process.kill()
            raise AssertionError("the server does not listen: " + "".join(self.log))

    def _read_log(self, listening: threading.Event) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"listening on (https?)://(\[[^]]*\]|[^:/]*):(\d+)(/\S*)", line)
            if found and not self.port:
                self.scheme, self.host, self.path = found[1], found[2].strip("[]"), found[4]
                self.port = int(found[3])
                listening.set()
        listening.set()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def pid(self) -> int:
        """Of the server itself, not of its supervisor."""
        if not self.supervised:
            return self.process.pid
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in children(self.process.pid):
                if name_of(child) == "pyember":  # and no runner of a server that died
                    return child
            time.sleep(0.005)
        raise AssertionError("the supervisor has no server")

    def kill(self) -> int:
        """Kills the server as a crash would; the pid of the next one."""
        dead = self.pid
        os.kill(dead, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if (pid := self.pid) != dead:
                return pid
            time.sleep(0.002)
        raise AssertionError("no server followed")

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                               context=ssl._create_unverified_context())
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method: str, path: str, *, headers: Iterable[tuple[str, str]] = (), body: bytes = b"",
                host: str | None = "") -> Response:
        """As it is said, with nothing added but Host (None: none; empty: the right one) and Content-Length."""
        with contextlib.closing(self.connect()) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if host is not None:
                connection.putheader("Host", host or urlsplit(self.url).netloc)
            for name, value in headers:
                connection.putheader(name, value.encode("latin-1", "replace"))
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return read_whole(connection.getresponse())

    def client(self, token: str | None = None, **options: Any) -> HttpClient:
        return HttpClient(self, token, **options)

    def end(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Asks it to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            try:
                self.end(seconds=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._own.cleanup()


def make_token(file: Path, name: str, *scopes: str, expires: str = "90d") -> str:
    """A new token of that caller, in the file, which is made when there is none."""
    command = [server_binary(), "tokens", "add", name, "--file", str(file), "--json", "--expires", expires]
    for scope in scopes:
        command += ["--scope", scope]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    return json.loads(done.stdout)["token"]  # type: ignore[no-any-return]
