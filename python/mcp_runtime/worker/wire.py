"""Frames between the server and one worker, over a blocking stream socket.

A frame is two little-endian 32-bit lengths, a JSON header and a body of those lengths. The reader
asks the kernel once for a small frame, and the writer hands it over in one call: a call of a
session takes a few tens of microseconds, so every system call shows.
"""

from __future__ import annotations

import struct
from builtins import (
    Exception,
    StopIteration,
    SystemError,
    ValueError,
    bytearray,
    bytes,
    dict,
    int,
    len,
    list,
    memoryview,
    min,
    str,
    tuple,
    type,
)
from os import close

from mcp_runtime.worker.descriptors import receive
from mcp_runtime.worker.quick_json import scan as _parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

    Frame = tuple[dict[str, Any], bytes]

MAXIMUM_HEADER = 1 << 20
MAXIMUM_BODY = 64 << 20
_AT_ONCE = 1 << 16
_LENGTHS = struct.Struct("<II")

_unpack = _LENGTHS.unpack_from
_pack = _LENGTHS.pack


class WireError(Exception):
    """The other side broke the rules of the wire, which can't be used any further."""


class Wire:
    """A worker's end. Not for two threads at a time."""

    def __init__(self, link: socket) -> None:
        self._socket = link
        self._receive = link.recv
        self._send = link.sendall
        self._held = b""  # of the frame after the one that was read last

    def read(self) -> Frame | None:
        """Waits for the next frame; None when the server has closed the wire.

        Raises WireError, and OSError when the descriptor is of no use any more.
        """
        data = self._held or self._receive(_AT_ONCE)
        while len(data) < 8:
            more = self._receive(_AT_ONCE)
            if not more:
                return None
            data += more
        header_size, body_size = _unpack(data)
        if header_size > MAXIMUM_HEADER or body_size > MAXIMUM_BODY:
            raise WireError(f"a frame of {header_size} and {body_size} bytes is beyond the bounds")
        body_at = 8 + header_size
        end = body_at + body_size
        if len(data) < end:
            whole = self._rest(data, end)
            if whole is None:
                return None
            data = whole
        self._held = data[end:]
        try:
            header = _parse(str(data[8:body_at], "utf-8"), 0)[0]
        except (ValueError, StopIteration, SystemError) as error:
            raise WireError(f"a header is not JSON: {error}") from None
        if type(header) is not dict:
            raise WireError("a header is not an object")
        return header, data[body_at:end]

    def receive_descriptors(self, count: int) -> list[int]:
        """Waits for the one byte that brings descriptors, when the server has been told to send it.

        Raises WireError when it is anything else.
        """
        if self._held:
            raise WireError("a frame came before the descriptors")
        data, found, _ = receive(self._socket, 1, count)
        if len(data) != 1 or len(found) != count:
            for descriptor in found:
                close(descriptor)
            raise WireError(f"{len(found)} descriptors came, not {count}")
        return found

    def write(self, header: str, bodies: tuple[bytes, ...] = ()) -> None:
        """Sends one frame; the header is JSON in ASCII."""
        size = 0
        for body in bodies:
            size += len(body)
        frame = _pack(len(header), size) + header.encode("ascii")
        if size <= _AT_ONCE:
            self._send(frame + b"".join(bodies) if bodies else frame)
            return
        self._send(frame)
        for body in bodies:
            self._send(body)

    def _rest(self, beginning: bytes, end: int) -> bytes | None:
        """A long frame, whose beginning has come; None when the wire ends in the middle of it."""
        whole = bytearray(beginning)
        while len(whole) < end:
            piece = self._receive(min(end - len(whole), _AT_ONCE * 16))
            if not piece:
                return None
            whole += piece
        return bytes(memoryview(whole))
