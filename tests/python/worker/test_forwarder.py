"""The way from a sandbox's 127.0.0.1 to the socket of its proxy, and who ends with whom."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from zygotes import PATIENCE, RUNTIME, Zygote

FORWARDER = RUNTIME / "mcp_runtime" / "worker" / "forwarder.py"


class Upstream:
    """Stands where the proxy does: says everything back, and then that it has ended."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(128)
        self.open = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(accepted,), daemon=True).start()

    def _echo(self, accepted: socket.socket) -> None:
        self.open += 1
        with accepted:
            try:
                while chunk := accepted.recv(65536):
                    accepted.sendall(chunk)
            except OSError:
                pass
        self.open -= 1

    def close(self) -> None:
        with suppress(OSError):  # it is closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    upstream = Upstream(tmp_path / "proxy.sock")
    yield upstream
    upstream.close()


@pytest.fixture
def place(upstream: Upstream, tmp_path: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"{port}:{tmp_path / 'proxy.sock'}"


@pytest.fixture
def program(place: str) -> Iterator[subprocess.Popen[str]]:
    """A program that reads its stdin to the end, started through the forwarder's file."""
    command = [sys.executable, "-I", "-S", str(FORWARDER), place, "sh", "-c", "echo begun; cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None and program.stdout.readline() == "begun\n"
        yield program
        program.kill()


def connected(place: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(place.partition(":")[0])), timeout=PATIENCE)


def forwarders(place: str) -> list[int]:
    """Processes that listen at this place's port, the program that was started apart."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if place.encode() in command:
            found.append(int(pid))
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def read_all(client: socket.socket) -> bytes:
    found = b""
    while chunk := client.recv(65536):
        found += chunk
    return found


def test_bytes_go_both_ways_and_ends_too(program: subprocess.Popen[str], place: str) -> None:
    with connected(place) as client:
        client.sendall(b"one")
        assert client.recv(3) == b"one"
        client.sendall(b"two")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"two"


def test_much_goes_through_at_once_for_many(program: subprocess.Popen[str], place: str) -> None:
    sent = os.urandom(1 << 20) * 4
    wrong: list[int] = []

    def send_and_read(number: int) -> None:
        with connected(place) as client:
            sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
            sender.start()
            if read_all(client) != sent:
                wrong.append(number)
            sender.join()

    threads = [threading.Thread(target=send_and_read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_connections_beyond_the_bound_wait_for_their_turn(
    program: subprocess.Popen[str], place: str, upstream: Upstream
) -> None:
    idle = [connected(place) for _ in range(200)]
    until(lambda: upstream.open == 128)
    for each in idle[:100]:
        each.close()
    with connected(place) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    for each in idle:
        each.close()
    until(lambda: upstream.open == 0)


def test_a_client_that_goes_away_takes_its_connection_along(
    program: subprocess.Popen[str], place: str, upstream: Upstream
) -> None:
    for _ in range(50):
        client = connected(place)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # with a reset
        client.sendall(b"x" * 100_000)
        client.close()
    until(lambda: upstream.open == 0)
    with connected(place) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"


def test_without_a_proxy_connections_end(program: subprocess.Popen[str], place: str, upstream: Upstream) -> None:
    upstream.close()
    with connected(place) as client:
        assert read_all(client) == b""


def test_a_program_is_no_parent_of_its_forwarder(place: str) -> None:
    code = "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')"
    command = [sys.executable, "-I", "-S", str(FORWARDER), place, sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout == "none\n"


def test_the_forwarder_ends_with_its_program(program: subprocess.Popen[str], place: str) -> None:
    assert forwarders(place) != []
    program.kill()
    program.wait()
    until(lambda: forwarders(place) == [])


def test_a_port_that_is_taken_is_told_and_the_program_runs(place: str) -> None:
    with socket.create_server(("127.0.0.1", int(place.partition(":")[0]))):
        command = [sys.executable, "-I", "-S", str(FORWARDER), place, "echo", "here"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "here\n" and "This sandbox has no way to its proxy: " in done.stderr


def test_sessions_of_a_zygote_reach_the_proxy(place: str, upstream: Upstream) -> None:
    zygote = Zygote(PYEMBER_PROXY=place)
    port = int(place.partition(":")[0])
    worker = zygote.fork()
    worker.value(f"import os, socket\nc = socket.create_connection(('127.0.0.1', {port})); c.sendall(b'hello')")
    assert worker.value("c.recv(5)") == "b'hello'"
    assert worker.value("'PYEMBER_PROXY' in os.environ") == "False"
    copy, _ = worker.copy()
    assert copy.value(f"socket.create_connection(('127.0.0.1', {port})).send(b'x')") == "1"
    zygote.end()
    until(lambda: not listens(port))


def test_a_zygote_that_is_killed_takes_its_forwarder_along(place: str, upstream: Upstream) -> None:
    zygote = Zygote(PYEMBER_PROXY=place)
    assert listens(int(place.partition(":")[0]))
    os.kill(zygote.hello["pid"], signal.SIGKILL)
    until(lambda: not listens(int(place.partition(":")[0])))
    assert zygote.process.wait(PATIENCE) == -signal.SIGKILL
    zygote.control.close()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
