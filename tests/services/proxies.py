"""Proxies as the server starts them, what stands behind them, and clients that speak to them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mcp_services.proxy import Proxy  # noqa: E402
from mcp_services.proxy_connection import Limits, LookUp  # noqa: E402
from mcp_services.proxy_hosts import AllowedHosts  # noqa: E402

RUNTIME = ROOT / "python"
# What takes longer than this hangs.
PATIENCE = 30.0
Hosts = list[tuple[str, list[int]]]


class ProxyProcess:
    """`python -m mcp_services.proxy` and its control socket."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"PYTHONPATH": str(RUNTIME), "PATH": os.defpath}
        command = [sys.executable, "-S", "-P", "-m", "mcp_services.proxy"]

        def place_control() -> None:
            os.dup2(theirs.fileno(), 3)

        self.process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, preexec_fn=place_control, close_fds=False, text=True
        )
        theirs.close()

    def open(self, number: int, path: Path, hosts: Hosts) -> None:
        with listening(path) as listener:
            message = {"op": "open", "id": number, "hosts": hosts}
            socket.send_fds(self.control, [json.dumps(message).encode()], [listener.fileno()])

    def close(self, number: int) -> None:
        self.control.send(json.dumps({"op": "close", "id": number}).encode())

    def end(self) -> str:
        """What it has written to the server's log."""
        self.control.close()
        _, log = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, log
        return log


@contextmanager
def proxy_with(path: Path, hosts: Hosts, limits: Limits, look_up: LookUp | None = None) -> Iterator[None]:
    """A proxy in a thread of this process, which waits for less, or has answers of its own for names."""
    loop = asyncio.SelectorEventLoop()
    proxy: list[Proxy] = []
    listener = listening(path)

    async def begin() -> None:
        proxy.append(Proxy(limits, look_up))
        proxy[0].open(1, listener, AllowedHosts(hosts))

    async def end() -> None:
        proxy[0].close(1)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(128)
    return listener


class Connection(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("proxy", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path)
        self.sock.settimeout(PATIENCE)


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


def answer_to(path: Path, data: bytes) -> bytes:
    """Everything that comes back."""
    with connected(path) as client:
        client.sendall(data)
        return all_of(client)


def all_of(client: socket.socket) -> bytes:
    found = b""
    while chunk := client.recv(65536):
        found += chunk
    return found


def tunnel(path: Path, place: str) -> socket.socket:
    """A connection through CONNECT, which must be allowed."""
    client = connected(path)
    client.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 200 "), head
    return client


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)
