"""The zygote's end of the control socket: one JSON object a packet, descriptors beside it."""

from __future__ import annotations

import array
import json
import os
import select
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAXIMUM_PACKET = 1 << 16
_MAXIMUM_DESCRIPTORS = 16


class ControlError(Exception):
    """What came is no message; the packet is dropped."""


class Control:
    """Packets of the SOCK_SEQPACKET socket at a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._socket.set_inheritable(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def has_packet(self) -> bool:
        """Whether something waits to be received, the end included."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """The next packet and its descriptors, which the caller owns; None at the end."""
        room = socket.CMSG_SPACE(_MAXIMUM_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(
                MAXIMUM_PACKET, room, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return None
        descriptors = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) // 4 * 4])
        if not data and not descriptors:
            return None
        try:
            message = json.loads(data)
            if not isinstance(message, dict) or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise ValueError("it is cut off, or no object")
        except ValueError as error:
            close_all(list(descriptors))
            raise ControlError(f"a control packet of {len(data)} bytes was dropped: {error}")
        return message, list(descriptors)

    def forget(self) -> None:
        """In a forked worker: the socket is the zygote's alone."""
        self._socket.close()

    def send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> str:
        """Sends one packet; returns why it could not be sent, empty when it was. A server that is
        gone is noticed when the next one is read."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        data = json.dumps(message, separators=(",", ":")).encode()
        try:
            self._socket.sendmsg([data], [rights] if descriptors else [])
        except OSError as error:
            return error.strerror or "error"
        return ""


def connect(path: str) -> int:
    """The descriptor of a control socket: a connection to the server that listens at `path`.

    Where there is none the process ends: nobody would hear more of it.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError as error:
        sys.exit(
            f"the server can't be reached at {path} ({error.strerror}). It has ended, or this "
            "process may not use its socket; the server's log has the command that was run."
        )
    return connection.detach()


def close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass

