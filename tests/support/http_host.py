"""Hosts on 127.0.0.1 that tests of the way out of a sandbox reach, or must not."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked; a body comes back in upper case."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).upper()
        said = f"{self.requestline}\n{self.headers}".encode() + body
        self.server.seen.append(said.decode())  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


class Host(http.server.ThreadingHTTPServer):
    """A server on 127.0.0.1, with what it has seen."""

    def __init__(self, wrap: Callable[[socket.socket], socket.socket] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.port = int(self.server_address[1])
        if wrap is not None:
            self.socket = wrap(self.socket)

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        thread.join()
        host.server_close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server at 127.0.0.1, and for clients that trust it."""
    key, certificate_ = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate_)],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate_, key)
    return server, ssl.create_default_context(cafile=str(certificate_))
