"""The way out of a sandbox: what comes through the proxy, what does not, and what it bears."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mcp_services.proxy_connection import Limits
from mcp_services.proxy_hosts import Address
from proxies import Connection, ProxyProcess, all_of, answer_to, connected, proxy_with, tunnel, until

from tests.support.http_host import Host, certificate, serving

QUICK = Limits(
    connections=4, head_seconds=0.3, connect_seconds=20, idle_seconds=0.5, half_open_seconds=0.3, closing_seconds=0.3
)


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host()) as host:
        yield host


@pytest.fixture
def proxy() -> Iterator[ProxyProcess]:
    proxy = ProxyProcess()
    yield proxy
    if proxy.process.poll() is None:
        proxy.end()


@pytest.fixture
def path(proxy: ProxyProcess, host: Host, tmp_path: Path) -> Path:
    """The socket of a sandbox that may reach `host`."""
    proxy.open(1, tmp_path / "1", [("127.0.0.1", [host.port]), ("localhost", [host.port])])
    return tmp_path / "1"


class Answer(NamedTuple):
    status: int
    reason: str
    body: bytes


def get(path: Path, url: str) -> Answer:
    return ask(path, "GET", url)


def ask(path: Path, method: str, url: str, body: bytes | None = None, **headers: str) -> Answer:
    connection = Connection(path)
    try:
        connection.request(method, url, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.read())
    finally:
        connection.close()


def refused(path: Path, place: str) -> str:
    """The text with which a tunnel is refused."""
    top, _, body = answer_to(path, f"CONNECT {place} HTTP/1.1\r\n\r\n".encode()).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 403 "), top
    return body.decode()


# --- what comes through ----------------------------------------------------------------------------


def test_an_allowed_host_is_reached_by_its_url(path: Path, host: Host) -> None:
    url = f"http://127.0.0.1:{host.port}/a?b"
    said = ask(path, "POST", url, b"body", Proxy_Authorization="x", Host="y").body.decode()
    assert said.startswith("POST /a?b HTTP/1.1\n") and said.endswith("BODY")
    assert f"Host: 127.0.0.1:{host.port}\n" in said and "Proxy" not in said


def test_an_allowed_host_is_reached_by_a_tunnel(path: Path, host: Host) -> None:
    with tunnel(path, f"127.0.0.1:{host.port}") as client:
        for _ in range(3):
            client.sendall(b"GET /t HTTP/1.1\r\n\r\n")
            answer = client.recv(65536)
            while b"GET /t HTTP/1.1" not in answer:
                answer += client.recv(65536)


def test_tls_goes_through_a_tunnel(proxy: ProxyProcess, tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    with serving(Host(lambda plain: server.wrap_socket(plain, server_side=True))) as host:
        proxy.open(1, tmp_path / "1", [("127.0.0.1", [host.port])])
        with client.wrap_socket(tunnel(tmp_path / "1", f"127.0.0.1:{host.port}"), server_hostname="127.0.0.1") as tls:
            tls.sendall(b"GET /secret HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert b"GET /secret HTTP/1.1" in all_of(tls)


def test_much_goes_through_both_ways(path: Path, host: Host) -> None:
    body = os.urandom(6 << 20).replace(b"a", b"b").hex().encode()
    assert ask(path, "POST", f"http://127.0.0.1:{host.port}/", body).body.endswith(body.upper())


def test_one_end_of_a_tunnel_may_end_before_the_other(proxy: ProxyProcess, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        proxy.open(1, tmp_path / "1", [("127.0.0.1", [port])])
        with tunnel(tmp_path / "1", f"127.0.0.1:{port}") as client:
            accepted, _ = listener.accept()
            with accepted:
                client.sendall(b"question")
                client.shutdown(socket.SHUT_WR)
                assert all_of(accepted) == b"question"
                accepted.sendall(b"answer")
            assert all_of(client) == b"answer"


# --- what does not ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["example.org:443", "127.0.0.2:80", "[::1]:80", "169.254.169.254:80"])
def test_a_host_that_is_not_listed_is_refused(path: Path, place: str) -> None:
    text = refused(path, place)
    assert text.startswith(f"{place} was not reached: it is not among the hosts that this sandbox may reach.")
    assert f"--sandbox-host {place}." in text


def test_another_port_of_a_listed_host_is_refused(path: Path, host: Host) -> None:
    assert "is not among the hosts" in refused(path, f"127.0.0.1:{host.port + 1}")


def test_a_refused_url_is_answered_in_three_parts(path: Path, host: Host) -> None:
    response = get(path, "http://example.org/")
    assert (response.status, response.reason) == (403, "example.org:80 is not among the hosts this sandbox may reach")
    assert b"or ask whoever runs the server to allow it" in response.body
    assert host.seen == []


def test_a_refusal_reaches_a_client_that_is_still_sending(path: Path) -> None:
    assert ask(path, "POST", "http://example.org/", b"x" * (4 << 20)).status == 403


def test_a_name_that_stands_for_this_machine_is_refused(proxy: ProxyProcess, host: Host, tmp_path: Path) -> None:
    proxy.open(1, tmp_path / "1", [("localhost", [host.port])])
    text = refused(tmp_path / "1", f"localhost:{host.port}")
    assert "its name leads to this machine or into a network of its own" in text
    assert "--sandbox-host ADDRESS" in text and "127.0.0.1" not in text
    assert host.seen == []
    assert " is not public and was not allowed itself (127.0.0.1" in proxy.end().replace("::1, ", "")


def test_a_name_that_stands_for_a_listed_address_is_reached(path: Path, host: Host) -> None:
    assert get(path, f"http://localhost:{host.port}/").status == 200


def test_of_a_names_addresses_only_public_ones_are_tried(tmp_path: Path, host: Host) -> None:
    asked = []

    async def look_up(name: str, port: int) -> list[Address]:
        asked.append((name, port))
        return [ipaddress.ip_address(each) for each in ("127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254")]

    with proxy_with(tmp_path / "1", [("*.example.org", [host.port])], QUICK, look_up):
        assert "its name leads to this machine" in refused(tmp_path / "1", f"a.example.org:{host.port}")
        assert "is not among the hosts" in refused(tmp_path / "1", f"other.org:{host.port}")
    assert asked == [("a.example.org", host.port)]
    assert host.seen == []


def test_a_public_address_of_this_machine_is_refused(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(name: str, port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr("mcp_services.proxy_hosts.is_public", lambda address: True)
    with proxy_with(tmp_path / "1", [("a.org", [host.port])], QUICK, look_up):
        assert "its name leads to this machine" in refused(tmp_path / "1", f"a.org:{host.port}")
    assert host.seen == []


def test_a_host_that_can_not_be_reached_is_told_so(proxy: ProxyProcess, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    proxy.open(1, tmp_path / "1", [("127.0.0.1", [port]), ("nothing.invalid", [80])])
    closed = get(tmp_path / "1", f"http://127.0.0.1:{port}/")
    assert closed.status == 502 and b"Connect call failed" in closed.body
    unknown = get(tmp_path / "1", "http://nothing.invalid/")
    assert unknown.status == 502 and b"its name was not found" in unknown.body


def test_a_second_request_on_a_connection_goes_nowhere(path: Path, host: Host) -> None:
    first = f"GET http://127.0.0.1:{host.port}/1 HTTP/1.1\r\n\r\n"
    with connected(path) as client:
        client.sendall(first.encode() + b"GET /2 HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
        all_of(client)
    assert not any("/2" in seen for seen in host.seen)


def test_each_sandbox_has_a_list_of_its_own(path: Path, proxy: ProxyProcess, host: Host, tmp_path: Path) -> None:
    proxy.open(2, tmp_path / "2", [("example.org", [443])])
    assert get(path, f"http://127.0.0.1:{host.port}/").status == 200
    assert get(tmp_path / "2", f"http://127.0.0.1:{host.port}/").status == 403
    proxy.close(2)
    until(lambda: not answers(tmp_path / "2"))
    assert get(path, f"http://127.0.0.1:{host.port}/").status == 200


def answers(path: Path) -> bool:
    try:
        connected(path).close()
    except ConnectionRefusedError:
        return False
    return True


def test_the_log_names_hosts_and_no_credentials(path: Path, proxy: ProxyProcess, host: Host) -> None:
    get(path, f"http://user:hidden@127.0.0.1:{host.port}/hidden")
    get(path, "http://user:hidden@example.org/hidden?hidden")
    assert proxy.end() == "refused sandbox=1: example.org:80 is not among the hosts this sandbox may reach\n"


# --- what it bears ---------------------------------------------------------------------------------


def test_a_head_that_trickles_has_an_end(tmp_path: Path) -> None:
    with proxy_with(tmp_path / "1", [], QUICK), connected(tmp_path / "1") as client:
        began = time.monotonic()
        sender = threading.Thread(target=trickle, args=(client,))
        sender.start()
        assert all_of(client).startswith(b"HTTP/1.1 408 ")
        sender.join()
        assert time.monotonic() - began >= QUICK.head_seconds


def trickle(client: socket.socket) -> None:
    try:
        for byte in b"GET http://example.org/ HTTP/1.1\r\n" + b"H: x\r\n" * 1000:
            client.send(bytes([byte]))
            time.sleep(0.01)
    except OSError:
        pass


def test_a_head_without_end_is_refused(path: Path) -> None:
    line = b"GET http://example.org/ HTTP/1.1\r\n"
    for endless in (b"x" * (1 << 20), line + b"H: x\r\n" * 50_000, line + b"H: " + b"x" * (1 << 20)):
        assert answer_to(path, endless).startswith(b"HTTP/1.1 400 ")


def test_garbage_is_answered_and_forgotten(path: Path, host: Host) -> None:
    for _ in range(50):
        assert answer_to(path, os.urandom(200).replace(b"\r\n", b"") + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert get(path, f"http://127.0.0.1:{host.port}/").status == 200


def test_a_tunnel_on_which_nothing_moves_is_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with proxy_with(tmp_path / "1", [("127.0.0.1", [port])], QUICK):
            with tunnel(tmp_path / "1", f"127.0.0.1:{port}") as client:
                accepted, _ = listener.accept()
                assert all_of(client) == b"" == all_of(accepted)
                accepted.close()


def test_a_tunnel_whose_host_does_not_read_is_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with proxy_with(tmp_path / "1", [("127.0.0.1", [port])], QUICK):
            with tunnel(tmp_path / "1", f"127.0.0.1:{port}") as client:
                accepted, _ = listener.accept()
                with accepted, pytest.raises(OSError):
                    while True:
                        client.sendall(b"x" * 65536)


def test_connections_beyond_the_bound_wait_for_their_turn(tmp_path: Path, host: Host) -> None:
    with proxy_with(tmp_path / "1", [("127.0.0.1", [host.port])], QUICK):
        idle = [connected(tmp_path / "1") for _ in range(3 * QUICK.connections)]
        assert get(tmp_path / "1", f"http://127.0.0.1:{host.port}/").status == 200
        for each in idle:
            each.close()


def test_a_flood_from_one_sandbox_does_not_stop_another(
    path: Path, proxy: ProxyProcess, host: Host, tmp_path: Path
) -> None:
    proxy.open(2, tmp_path / "2", [])
    flood = [connected(tmp_path / "2") for _ in range(100)]
    for each in flood:
        each.send(b"CONNECT")
    assert get(path, f"http://127.0.0.1:{host.port}/").status == 200
    assert open_descriptors(proxy) < 100
    for each in flood:
        each.close()
    assert "is not among the hosts" in refused(tmp_path / "2", "example.org:443")
    until(lambda: open_descriptors(proxy) < 20)


def open_descriptors(proxy: ProxyProcess) -> int:
    return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))


def test_a_thousand_requests_leave_nothing_behind(path: Path, proxy: ProxyProcess, host: Host) -> None:
    def ask_often() -> None:
        for number in range(125):
            assert answer_to(path, b"CONNECT example.org:443 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 403 ")
            if number % 25 == 0:
                assert get(path, f"http://127.0.0.1:{host.port}/").status == 200

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: open_descriptors(proxy) < 20)
    assert proxy.end().count("\n") == 20  # of what one sandbox asks for no more is written down


def test_look_ups_that_hang_hold_up_one_sandbox(tmp_path: Path, host: Host) -> None:
    async def never(name: str, port: int) -> list[Address]:
        await asyncio.Event().wait()
        return []

    limits = Limits(connect_seconds=0.3)
    with proxy_with(tmp_path / "1", [("a.org", [80]), ("127.0.0.1", [host.port])], limits, never):
        waiting = [connected(tmp_path / "1") for _ in range(20)]
        for each in waiting:
            each.sendall(b"CONNECT a.org:80 HTTP/1.1\r\n\r\n")
        assert get(tmp_path / "1", f"http://127.0.0.1:{host.port}/").status == 200
        assert all(all_of(each).startswith(b"HTTP/1.1 504 ") for each in waiting)
        for each in waiting:
            each.close()


def test_it_lives_through_a_want_of_descriptors(path: Path, proxy: ProxyProcess, host: Host) -> None:
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (20, 20))
    waiting = [connected(path) for _ in range(40)]
    for each in waiting:
        each.close()
    assert get(path, f"http://127.0.0.1:{host.port}/").status == 200


def test_it_ends_with_its_server(path: Path, proxy: ProxyProcess) -> None:
    client = connected(path)
    client.send(b"CONNECT")
    assert proxy.end() == ""
    client.close()
