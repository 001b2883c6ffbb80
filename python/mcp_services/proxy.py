"""The way out of sandboxes that may reach some hosts: an HTTP proxy, in a process of its own.

`python -m mcp_services.proxy` (src/host/boundaries/sandbox_proxy.h) with a control socket
(SOCK_SEQPACKET) as descriptor 3. One JSON object a packet:

    {"op":"open","id":7,"hosts":[["example.org",[80,443]]]}
    {"op":"close","id":7}

The first comes with a descriptor: a listening Unix socket.

Each sandbox has a socket of its own and with it its own list, its own bounds and its own queue: one
that floods the proxy waits for itself. Nothing is answered on the control socket; its end is ours.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401  # getaddrinfo's, loaded before a sandbox makes us look
import json
import os
import resource
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mcp_services.proxy_connection import Connection, Limits, LookUp, read_addresses
from mcp_services.proxy_hosts import Address, AllowedHosts
from mcp_services.proxy_request import Refused

_CONTROL = 3
_PACKET_BYTES = 64 << 10
_LOOK_UP_THREADS = 64
_DESCRIPTORS = 16384
_REFUSALS_LOGGED = 20  # of one sandbox; what it asks for is its own choice
_RETRY_SECONDS = 0.1


class Sandbox:
    """One listening socket and the connections that came of it."""

    def __init__(
        self,
        number: int,
        listener: socket.socket,
        hosts: AllowedHosts,
        limits: Limits,
        look_up: LookUp,
    ) -> None:
        self._number = number
        self._listener = listener
        self._connection = Connection(hosts, limits, look_up, self._note)
        self._free = asyncio.Semaphore(limits.connections)
        self._unlogged = _REFUSALS_LOGGED
        self._tasks: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._free.acquire()
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError:  # no descriptors left, say: those that wait are taken later
                self._free.release()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            task = asyncio.create_task(self._serve(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def _serve(self, accepted: socket.socket) -> None:
        await self._connection.serve(accepted)

    def _note(self, refused: Refused) -> None:
        if refused.status == 403 and self._unlogged > 0:
            self._unlogged -= 1
            self._log("refused", refused.reason + refused.detail)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()
        if not task.cancelled() and task.exception() is not None:
            self._log("failed", repr(task.exception()))

    def _log(self, what: str, why: str) -> None:
        print(f"{what} sandbox={self._number}: {why}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._accepting.cancel()
        for task in self._tasks:
            task.cancel()
        # A cancelled accept lets go of the descriptor in the loop's next turn.
        asyncio.get_running_loop().call_soon(self._listener.close)


class Proxy:
    """All sandboxes of a server. `look_up` answers for names; tests bring their own."""

    def __init__(self, limits: Limits = Limits(), look_up: LookUp | None = None) -> None:  # noqa: B008
        self._limits = limits
        self._own_look_up = look_up
        self._threads = ThreadPoolExecutor(_LOOK_UP_THREADS)
        self._sandboxes: dict[int, Sandbox] = {}

    def open(self, number: int, listener: socket.socket, hosts: AllowedHosts) -> None:
        self.close(number)
        look_up = self._own_look_up or self._bounded_look_up()
        self._sandboxes[number] = Sandbox(number, listener, hosts, self._limits, look_up)

    def close(self, number: int) -> None:
        sandbox = self._sandboxes.pop(number, None)
        if sandbox is not None:
            sandbox.close()

    def _bounded_look_up(self) -> LookUp:
        """For one sandbox. A look-up that nobody waits for any more counts until its end."""
        free = asyncio.Semaphore(self._limits.lookups)

        async def look_up(host: str, port: int) -> list[Address]:
            await free.acquire()
            asked = asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
            asked.add_done_callback(lambda _: free.release())
            return read_addresses(await asyncio.shield(asked))

        return look_up


class Control:
    """What the server says, until it says no more."""

    def __init__(self, control: socket.socket, proxy: Proxy) -> None:
        self._control = control
        self._proxy = proxy
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control, self._read)

    def _read(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, _PACKET_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        if packet:
            self._obey(json.loads(packet), [socket.socket(fileno=each) for each in descriptors])
        elif not self.over.done():
            self.over.set_result(None)

    def _obey(self, message: dict[str, Any], sockets: list[socket.socket]) -> None:
        if message["op"] == "open":
            hosts = AllowedHosts([(host, ports) for host, ports in message["hosts"]])
            self._proxy.open(message["id"], sockets[0], hosts)
        else:
            self._proxy.close(message["id"])


async def _run() -> None:
    control = socket.socket(fileno=_CONTROL)
    await Control(control, Proxy()).over


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def main() -> None:
    _raise_descriptor_limit()
    asyncio.run(_run(), loop_factory=asyncio.SelectorEventLoop)
    os._exit(0)  # a thread may sit in a look-up, and nobody waits for it


if __name__ == "__main__":
    main()
