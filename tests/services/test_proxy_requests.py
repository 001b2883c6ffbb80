"""What the proxy makes of a request's head: what it passes on, and what it refuses to."""

from __future__ import annotations

import ipaddress
import random

import pytest

from mcp_services.proxy_request import Refused, read_request


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("iso-8859-1")


def passed_on(*lines: str) -> list[str]:
    return read_request(head(*lines)).head.decode("iso-8859-1").split("\r\n")[:-2]


def refusal(*lines: str) -> Refused:
    with pytest.raises(Refused) as refused:
        read_request(head(*lines))
    return refused.value


def test_a_tunnel_names_host_and_port() -> None:
    request = read_request(head("CONNECT Example.ORG:8443 HTTP/1.1", "Host: other"))
    assert (request.host, request.port, request.is_tunnel) == ("example.org", 8443, True)
    request = read_request(head("CONNECT [::1]:443 HTTP/1.0"))
    assert (request.host, request.place()) == (ipaddress.ip_address("::1"), "[::1]:443")


def test_a_request_is_passed_on_as_it_was_understood() -> None:
    lines = passed_on(
        "GET http://user:pass@Example.org/a/b?c=d#e HTTP/1.0",
        "Host: elsewhere",
        "Accept: */*",
        "X-Latin: \xe9",
        "Folded: one",
        "  two",
    )
    assert lines == [
        "GET /a/b?c=d HTTP/1.1",
        "Host: example.org",
        "Connection: close",
        "Accept: */*",
        "X-Latin: \xe9",
        "Folded: one two",
    ]


def test_another_port_stands_in_the_host() -> None:
    assert passed_on("GET http://example.org:8080 HTTP/1.1")[:2] == ["GET / HTTP/1.1", "Host: example.org:8080"]


def test_what_concerns_this_connection_stays_here() -> None:
    lines = passed_on(
        "POST http://example.org/ HTTP/1.1",
        "Connection: keep-alive, X-Own",
        "X-Own: 1",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic c2VjcmV0",
        "Upgrade: websocket",
        "TE: trailers",
        "Content-Length: 3",
    )
    assert lines == ["POST / HTTP/1.1", "Host: example.org", "Connection: close", "Content-Length: 3"]


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1", "Host: example.org"],
        ["GET https://example.org/ HTTP/1.1"],
        ["GET ftp://example.org/ HTTP/1.1"],
        ["GET http:///path HTTP/1.1"],
        ["GET http://example.org:x/ HTTP/1.1"],
        ["GET http://example.org:99999/ HTTP/1.1"],
        ["GET http://[::1/ HTTP/1.1"],
        ["GET http://127.1/ HTTP/1.1"],
        ["GET http://example.org/"],
        ["GET http://example.org/ HTTP/2.0"],
        ["GET http://example.org/ HTTP/1.2"],
        ["GET"],
        [""],
        ["CONNECT example.org HTTP/1.1"],
        ["CONNECT example.org:443/path HTTP/1.1"],
        ["CONNECT user@:443 HTTP/1.1"],
        ["G(T http://example.org/ HTTP/1.1"],
        ["GET http://example.org/ HTTP/1.1", "no header at all"],
        ["GET http://example.org/ HTTP/1.1", "Na me: x"],
        ["GET http://example.org/ HTTP/1.1", *(f"H{n}: x" for n in range(200))],
        ["POST http://example.org/ HTTP/1.1", "Content-Length: 3", "Content-Length: 4"],
        ["POST http://example.org/ HTTP/1.1", "Content-Length: +3"],
        ["POST http://example.org/ HTTP/1.1", "Content-Length: 3, 3"],
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(lines: list[str]) -> None:
    refused = refusal(*lines)
    assert refused.status == 400
    assert "because" in refused.text and "Use it as an HTTP proxy" in refused.text


def test_a_body_without_a_length_is_refused() -> None:
    refused = refusal("POST http://example.org/ HTTP/1.1", "Transfer-Encoding: chunked")
    assert refused.status == 411 and "Content-Length" in refused.text
    both = refusal("POST http://example.org/ HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 3")
    assert both.status == 411


def test_a_refusal_is_a_whole_answer() -> None:
    answer = Refused(403, "no", "What. Why é. Next.").answer()
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 403 no\r\n") and f"Content-Length: {len(body)}".encode() in top
    assert body.decode() == "What. Why é. Next.\n"


def test_whatever_is_sent_one_request_at_most_is_passed_on() -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)  # shown when it fails
    source = random.Random(seed)
    for _ in range(5_000):
        sent = mutated(source)
        try:
            request = read_request(sent)
        except Refused as refused:
            assert refused.answer().partition(b"\r\n\r\n")[0].count(b"\r\n") == 3, sent
            continue
        if not request.is_tunnel:
            assert_is_one_request(request.head)


SEEDS = [
    b"CONNECT a.org:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://u:p@a.org:80/x?y#z HTTP/1.1\r\nHost: b\r\nConnection: x\r\nContent-Length: 3\r\nF: a\r\n b\r\n\r\n",
    b"POST http://[::1]:1/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
]
PIECES = [b"\0", b"\r", b"\n", b"\r\n", b":", b"[", b"%", b"//", b"\xff", b" ", b"\t", b"=?utf-8?q?x?=", b"@", b"\x85"]


def mutated(source: random.Random) -> bytes:
    data = bytearray(source.choice(SEEDS))
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(data) + 1)
        kind = source.random()
        if kind < 0.5:
            data[at:at] = source.choice(PIECES)
        elif kind < 0.7:
            del data[at : at + source.randint(1, 5)]
        else:
            data[at : at + 1] = bytes([source.randrange(256)])
    return bytes(data)


def assert_is_one_request(head: bytes) -> None:
    assert head.endswith(b"\r\n\r\n")
    first, *headers = head[:-4].split(b"\r\n")
    assert first.count(b" ") == 2, head
    assert not any(b"\r" in line or b"\n" in line for line in (first, *headers)), head
    names = [line.partition(b":")[0].lower() for line in headers]
    assert names.count(b"host") == 1 and names.count(b"content-length") <= 1, head
    assert not {b"transfer-encoding", b"upgrade", b"proxy-authorization", b""} & set(names), head
