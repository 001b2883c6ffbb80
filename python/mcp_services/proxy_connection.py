"""One connection of a sandbox to the proxy: its request, the way to the host, and the bytes.

Every wait has an end: the head has a deadline as a whole, however slowly it trickles; so have the
look-up and the connecting together; and a connection on which nothing moves is closed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_services.proxy_hosts import Address, AllowedHosts
from mcp_services.proxy_request import Refused, Request, malformed, read_request

LookUp = Callable[[str, int], Awaitable[list[Address]]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 64 << 10
_TRIES = 6  # addresses of one name; more only hold the caller up
_LINGER_BYTES = 8 << 20


@dataclass(frozen=True)
class Limits:
    """What one sandbox may take, with its reason. Tests wait for less."""

    connections: int = 64  # at once; browsers open 6 a host, pip 10. The others wait to be accepted
    lookups: int = 4  # at once: a name server that never answers holds a thread for half a minute
    head_bytes: int = 32 << 10  # of a request without its body; servers take 8 to 16 KB
    head_seconds: float = 10.0
    connect_seconds: float = 15.0  # the look-up and every address tried, together
    try_seconds: float = 5.0  # one address
    idle_seconds: float = 600.0  # nothing either way; an answer may take minutes to compute
    half_open_seconds: float = 30.0  # the same once one side has ended what it says
    closing_seconds: float = 5.0  # what is left for a peer that reads slowly


class Connection:
    """Answers one request; `serve` ends when the connection is over and closes what it opened."""

    def __init__(
        self, hosts: AllowedHosts, limits: Limits, look_up: LookUp, tell: Callable[[Refused], None]
    ) -> None:
        """`tell` hears of what is refused."""
        self._hosts = hosts
        self._limits = limits
        self._look_up = look_up
        self._tell = tell

    async def serve(self, accepted: socket.socket) -> None:
        client = await asyncio.open_unix_connection(sock=accepted, limit=self._limits.head_bytes)
        try:
            await self._answer(client)
        except OSError:
            pass  # either side has gone: there is nobody to tell
        except asyncio.CancelledError:
            client[1].transport.abort()
            raise
        finally:
            await self._close(client[1])

    async def _answer(self, client: Stream) -> None:
        try:
            request = await self._request(client[0])
            if request is None:
                return
            host = await self._connect(request)
        except Refused as refused:
            self._tell(refused)
            await self._refuse(client, refused)
            return
        try:
            await self._pass_on(request, client, host)
        except BaseException:
            host[1].transport.abort()
            raise
        await self._close(host[1])

    async def _request(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            async with asyncio.timeout(self._limits.head_seconds):
                return read_request(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            raise malformed(f"its head is longer than {self._limits.head_bytes} bytes") from None
        except TimeoutError:
            raise Refused(
                408,
                "Request Timeout",
                "The request was not passed on: its head did not come within "
                f"{self._limits.head_seconds:g} s. Send it at once.",
            ) from None

    # --- the way to the host ---------------------------------------------------------------------

    async def _connect(self, request: Request) -> Stream:
        if not self._hosts.allows(request.host, request.port):
            raise _not_listed(request)
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                return await self._first_that_answers(request, await self._addresses(request))
        except TimeoutError:
            raise _unreachable(request, 504, "it did not answer in time") from None

    async def _addresses(self, request: Request) -> list[Address]:
        if not isinstance(request.host, str):
            return [request.host]
        try:
            found = await self._look_up(request.host, request.port)
        except OSError as error:
            raise _unreachable(request, 502, f"its name was not found ({error.strerror})") from None
        reachable = [each for each in found if self._hosts.may_be_reached(each, request.port)]
        if not reachable:
            raise _not_public(request, found)
        return reachable[:_TRIES]

    async def _first_that_answers(self, request: Request, addresses: list[Address]) -> Stream:
        why = "it has no address"
        for address in addresses:
            try:
                async with asyncio.timeout(self._limits.try_seconds):
                    stream = await asyncio.open_connection(str(address), request.port, limit=_CHUNK)
            except TimeoutError:
                why = f"{address} does not answer"
            except OSError as error:
                why = f"{address}: {error.strerror or error}"
            else:
                if self._is_ourselves(stream[1]) and not self._hosts.allows(address, request.port):
                    stream[1].transport.abort()
                    raise _not_public(request, [address])
                return stream
        raise _unreachable(request, 502, why)

    @staticmethod
    def _is_ourselves(writer: asyncio.StreamWriter) -> bool:
        """Whether a public address is this machine's, where they trust who comes from here."""
        ends = [writer.get_extra_info(name) for name in ("sockname", "peername")]
        return None in ends or ends[0][0] == ends[1][0]

    # --- the bytes -------------------------------------------------------------------------------

    async def _pass_on(self, request: Request, client: Stream, host: Stream) -> None:
        if request.is_tunnel:
            client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay = Relay(self._limits)
            await relay.run(relay.copy(client[0], host[1]), relay.copy(host[0], client[1]), True)
        else:
            host[1].write(request.head)
            relay = Relay(self._limits)
            up = relay.copy_exactly(request.body_bytes, client[0], host[1])
            await relay.run(up, relay.copy(host[0], client[1]), False)

    async def _refuse(self, client: Stream, refused: Refused) -> None:
        """Answers, and reads on for a moment: who still sends must be able to read the answer."""
        reader, writer = client
        writer.write(refused.answer())
        writer.write_eof()
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(self._limits.closing_seconds):
                while left > 0 and (chunk := await reader.read(_CHUNK)):
                    left -= len(chunk)
        except TimeoutError:
            pass

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        try:
            writer.close()
            async with asyncio.timeout(self._limits.closing_seconds):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass
        finally:
            writer.transport.abort()


class Relay:
    """Two directions of one connection, which ends with them or when nothing has moved for long."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._moved = asyncio.get_running_loop().time()

    async def run(self, up: Awaitable[None], down: Awaitable[None], is_tunnel: bool) -> None:
        """Until both are over; the answer's end alone ends what is no tunnel."""
        ways = [asyncio.ensure_future(up), asyncio.ensure_future(down)]
        try:
            while any(not way.done() for way in ways) and not self._is_idle(ways):
                await asyncio.wait(
                    [way for way in ways if not way.done()],
                    timeout=self._until_idle(ways),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if any(way.done() and way.exception() for way in ways):
                    return
                if not is_tunnel and ways[1].done():
                    return
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._write(writer, chunk)
        writer.write_eof()

    async def copy_exactly(
        self, count: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A body. What follows it is a request that nobody has checked: it ends the connection,
        unless it is the line break that old clients send."""
        while count > 0 and (chunk := await reader.read(min(count, _CHUNK))):
            count -= len(chunk)
            await self._write(writer, chunk)
        if count > 0:
            raise ConnectionAbortedError("the body is not whole")
        while chunk := await reader.read(_CHUNK):
            if chunk.strip(b"\r\n"):
                raise ConnectionAbortedError("a second request")

    async def _write(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        self._moved = asyncio.get_running_loop().time()
        writer.write(chunk)
        await writer.drain()
        self._moved = asyncio.get_running_loop().time()

    def _until_idle(self, ways: Sequence[asyncio.Future[None]]) -> float:
        is_half = any(way.done() for way in ways)
        longest = self._limits.half_open_seconds if is_half else self._limits.idle_seconds
        return max(0.0, self._moved + longest - asyncio.get_running_loop().time())

    def _is_idle(self, ways: Sequence[asyncio.Future[None]]) -> bool:
        return self._until_idle(ways) <= 0


def _not_listed(request: Request) -> Refused:
    place = request.place()
    return Refused(
        403,
        f"{place} is not among the hosts this sandbox may reach",
        f"{place} was not reached: it is not among the hosts that this sandbox may reach. Use one "
        f"of those, or ask whoever runs the server to allow it: --sandbox-host {place}.",
    )


def _not_public(request: Request, found: list[Address]) -> Refused:
    place = request.place()
    listed = ", ".join(map(str, found[:_TRIES])) or "nothing"
    # Which address that is would tell code in there about networks it shall know nothing of.
    return Refused(
        403,
        f"{place} leads to an address that is not public and was not allowed itself",
        f"{place} was not reached: its name leads to this machine or into a network of its own, "
        "where only addresses are allowed that the list names themselves. Use another host, or ask "
        "whoever runs the server to allow the address too (--sandbox-host ADDRESS); it is in the "
        "server's log.",
        f" ({listed})",
    )


def _unreachable(request: Request, status: int, why: str) -> Refused:
    place = request.place()
    return Refused(
        status,
        f"{place} could not be reached",
        f"{place} may be reached, but could not be: {why}. Look at the name and the port, and "
        "whether the server's machine has a way there; then try again.",
    )


def read_addresses(answers: Iterable[tuple[Any, ...]]) -> list[Address]:
    """The addresses of what getaddrinfo() returned, each once, in its order."""
    found: list[Address] = []
    for *_, place in answers:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        if address not in found:
            found.append(address)
    return found
