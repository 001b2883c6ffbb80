"""Descriptors on their way through Unix sockets, by `_socket`: the module socket takes a zygote 4 ms."""

from __future__ import annotations

import struct
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOL_SOCKET
from builtins import bytes, int, len, list, memoryview, tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence

_BYTES = struct.calcsize("i")


def send(link: socket, data: bytes, numbers: Sequence[int] = ()) -> None:
    """One packet, with descriptors or without. Raises OSError."""
    rights = (SOL_SOCKET, SCM_RIGHTS, struct.pack(f"{len(numbers)}i", *numbers))
    link.sendmsg([data], [rights] if numbers else [])


def receive(link: socket, size: int, count: int) -> tuple[bytes, list[int], int]:
    """At most `size` bytes and `count` descriptors, which the caller owns, and the message's flags:
    MSG_TRUNC or MSG_CTRUNC among them when there was more. Raises OSError."""
    data, beside, flags, _ = link.recvmsg(size, CMSG_SPACE(count * _BYTES), MSG_CMSG_CLOEXEC)
    numbers: list[int] = []
    for level, kind, content in beside:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            whole = memoryview(content)[: len(content) // _BYTES * _BYTES]
            numbers += whole.cast("i").tolist()
    return data, numbers, flags
