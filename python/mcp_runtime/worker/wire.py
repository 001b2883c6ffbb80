"""Frames between the server and one worker, over a blocking stream socket.

A frame is two little-endian 32-bit lengths, a JSON header and a body of those lengths. The reader
asks the kernel once for a small frame, and the writer hands it over in one call: a call of a
session takes a few tens of microseconds, so every system call shows.
"""

from __future__ import annotations

import json
import struct
from _socket import MSG_CMSG_CLOEXEC
from builtins import (
    Exception,
    StopIteration,
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
from socket import recv_fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    Frame = tuple[dict[str, Any], bytes]

MAXIMUM_HEADER = 1 << 20
MAXIMUM_BODY = 64 << 20
_AT_ONCE = 1 << 16
_LENGTHS = struct.Struct("<II")

# Bound here: user code may replace what the module json holds.
_unpack = _LENGTHS.unpack_from
_pack = _LENGTHS.pack
quote = json.encoder.encode_basestring_ascii
# The parts written in C: Python code of the standard library fails when builtins are missing.
_parse = json.JSONDecoder().scan_once
_encode = json.encoder.c_make_encoder(None, None, quote, None, ":", ",", False, False, True)


def encode_json(value: Any) -> str:
    """JSON in ASCII, without blanks."""
    return "".join(_encode(value, 0))


class WireError(Exception):
    """The other side broke the rules of the wire, which can't be used any further."""


class Wire:
    """A worker's end. Not for two threads at a time."""

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._receive = socket.recv
        self._send = socket.sendall
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
        except (ValueError, StopIteration) as error:
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
        data, found, *_ = recv_fds(self._socket, 1, count, MSG_CMSG_CLOEXEC)
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
