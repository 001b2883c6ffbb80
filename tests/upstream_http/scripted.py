"""A server over HTTP that does what a test says, and remembers what it was asked."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
        with self.server.changed:
            self.server.asked.append(asked)
            self.server.changed.notify_all()
        self.server.script(asked, self)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def answer(self, status: int, body: Any = b"", headers: dict[str, str] | None = None) -> None:
        """Bytes as they are, everything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        fields = {"Content-Length": str(len(data)), **(headers or {})}
        if not isinstance(body, bytes):
            fields.setdefault("Content-Type", "application/json")
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, headers: dict[str, str] | None = None) -> None:
        """Begins a stream of events, which ends with the connection."""
        self.send_response(200)
        for name, value in {"Content-Type": "text/event-stream", "Connection": "close", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def event(self, message: Any = None, *, id: str = "", retry: int | None = None,  # noqa: A002
              type: str = "message") -> None:  # noqa: A002
        data = message if isinstance(message, str) else "" if message is None else json.dumps(message)
        lines = [f"event: {type}"] + ([f"id: {id}"] if id else []) + ([f"retry: {retry}"] if retry is not None else [])
        self.wfile.write("\n".join([*lines, f"data: {data}", "", ""]).encode())
        self.wfile.flush()

    def until_gone(self, deadline: float = 60.0) -> bool:
        """Waits until the other side has closed the connection."""
        self.connection.settimeout(deadline)
        try:
            return self.connection.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def log_message(self, *_: object) -> None:
        pass


Script = Callable[[Asked, Answering], None]


class Scripted(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.script = script
        self.asked: list[Asked] = []
        self.changed = threading.Condition()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return self.origin + "/mcp"

    def wait_for(self, wanted: Callable[[Asked], bool], deadline: float = 60.0) -> Asked:
        def found() -> Asked | None:
            return next((asked for asked in self.asked if wanted(asked)), None)

        with self.changed:
            assert self.changed.wait_for(lambda: found() is not None, deadline), self.asked
        result = found()
        assert result is not None
        return result

    def handle_error(self, *_: object) -> None:
        pass  # the other side has gone


def result(asked: Asked, value: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked.json["id"], "result": {"value": value}}


@contextmanager
def serving(script: Script) -> Iterator[Scripted]:
    server = Scripted(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
