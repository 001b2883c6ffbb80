"""What a client of the proxy asks for: read with http.server's and urllib's parsers, and checked.

Two kinds of request: CONNECT, for a tunnel, and one with a whole http URL, which is passed on as
the proxy understood it: with the Host of its URL, without the headers that concern this connection
only, and with a body of a length that was said beforehand. So nobody behind us can read another
request out of it than the one that was checked.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import SplitResult, urlsplit, urlunsplit

from mcp_services.proxy_hosts import Address, BadHost, read_host

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_LENGTH = re.compile(r"[0-9]{1,15}\Z")
# What concerns the connection to us, or asks for another protocol on it.
_OURS = {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"}
_OURS |= {"transfer-encoding", "upgrade", "http2-settings", "content-length", "host"}


class Refused(Exception):
    """The answer to a request that goes nowhere. `reason` is all that most clients show of it;
    `text` has three parts: what happened, why, what to do next. `detail` is for the server's log
    alone."""

    def __init__(self, status: int, reason: str, text: str, detail: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.text = text
        self.detail = detail

    def answer(self) -> bytes:
        body = f"{self.text}\n".encode("utf-8", "replace")
        head = (
            f"HTTP/1.1 {self.status} {self.reason}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode("ascii", "replace") + body


@dataclass(frozen=True)
class Request:
    host: str | Address
    port: int
    is_tunnel: bool
    head: bytes = b""  # for the host, when it is no tunnel
    body_bytes: int = 0  # which follow it

    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in str(self.host) else f"{self.host}:{self.port}"


class _Head(BaseHTTPRequestHandler):
    """http.server's reading of a request's head, with neither a socket nor an answer."""

    def __init__(self, head: bytes) -> None:
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        self.problem = "it could not be read"
        self.is_read = self.parse_request()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.problem = message or explain or self.problem

    def handle_expect_100(self) -> bool:
        return True  # passed on: whoever gets the request answers it


def read_request(head: bytes) -> Request:
    """The request whose head, with its empty line, these bytes are. Raises Refused."""
    parsed = _Head(head)
    if not parsed.is_read:
        raise malformed(parsed.problem)
    if parsed.request_version not in ("HTTP/1.0", "HTTP/1.1"):
        raise malformed(f"it speaks {parsed.request_version}")
    if parsed.headers.defects or parsed.headers.get_payload():
        raise malformed("a line of its head is no header")
    if parsed.command == "CONNECT":
        target = _target(f"//{parsed.path}")
        if target.path or target.query or target.fragment or target.port is None:
            raise malformed("CONNECT takes a host and a port: example.org:443")
        return Request(_host(target), target.port, True)
    return _plain_request(parsed)


def _plain_request(parsed: _Head) -> Request:
    if not _TOKEN.match(parsed.command):
        raise malformed("its method is no word")
    target = _target(parsed.path)
    if target.scheme != "http":
        raise malformed("it names no http:// address; what is at https:// is reached by CONNECT")
    host = _host(target)
    request = Request(host, 80 if target.port is None else target.port, False)
    body_bytes = _body_bytes(parsed)
    path = urlunsplit(("", "", target.path or "/", target.query, ""))
    named = request.place().removesuffix(":80")
    lines = [f"{parsed.command} {path} HTTP/1.1", f"Host: {named}", "Connection: close"]
    if body_bytes is not None:
        lines.append(f"Content-Length: {body_bytes}")
    lines += _headers_to_pass_on(parsed)
    return Request(
        host,
        request.port,
        False,
        "\r\n".join([*lines, "", ""]).encode("iso-8859-1", "replace"),
        body_bytes or 0,
    )


def _target(text: str) -> SplitResult:
    try:
        target = urlsplit(text)
        _ = target.port  # raises as well
    except ValueError as error:
        raise malformed(f"its address can't be read ({error})") from None
    return target


def _host(target: SplitResult) -> str | Address:
    try:
        return read_host(target.hostname or "")
    except BadHost as error:
        raise malformed(f"of the host it names, {error}") from None


def _body_bytes(parsed: _Head) -> int | None:
    if parsed.headers.get_all("Transfer-Encoding"):
        raise Refused(
            411,
            "Length Required",
            "The request was not passed on: its body has no length, and this proxy passes on only "
            "what it knows the end of. Send it with a Content-Length, or use https.",
        )
    lengths = parsed.headers.get_all("Content-Length") or []
    if len(lengths) > 1 or not all(_LENGTH.match(length) for length in lengths):
        raise malformed("its Content-Length is no number")
    return int(lengths[0]) if lengths else None


def _headers_to_pass_on(parsed: _Head) -> list[str]:
    named = ",".join(parsed.headers.get_all("Connection") or []).lower().split(",")
    left_out = _OURS | {name.strip() for name in named}
    found = []
    for name, value in parsed.headers.items():
        if not _TOKEN.match(name):
            raise malformed("a header's name is no word")
        if name.lower() not in left_out:
            found.append(f"{name}: {' '.join(str(value).split())}")
    return found


def malformed(why: str) -> Refused:
    return Refused(
        400,
        "Bad Request",
        f"The proxy did not understand the request, because {why}. Use it as an HTTP proxy: with "
        "CONNECT host:port, or a request with a whole http:// address; HTTP_PROXY names it.",
    )
