"""The zygote's end of the control socket: one JSON object a packet, descriptors beside it."""

from __future__ import annotations

import os
import select
import sys
from _socket import AF_UNIX, MSG_CTRUNC, MSG_TRUNC, SOCK_SEQPACKET, socket

from mcp_runtime.worker import descriptors, quick_json

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
        self._socket = socket(fileno=descriptor)
        self._socket.setblocking(True)
        os.set_inheritable(descriptor, False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def has_packet(self) -> bool:
        """Whether something waits to be received, the end included."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """The next packet and its descriptors, which the caller owns; None at the end."""
        try:
            data, given, flags = descriptors.receive(
                self._socket, MAXIMUM_PACKET, _MAXIMUM_DESCRIPTORS
            )
        except ConnectionResetError:
            return None
        if not data and not given:
            return None
        try:
            message = quick_json.decode(data)
            if not isinstance(message, dict) or flags & (MSG_TRUNC | MSG_CTRUNC):
                raise ValueError("it is cut off, or no object")
        except ValueError as error:
            close_all(given)
            raise ControlError(f"a control packet of {len(data)} bytes was dropped: {error}")
        return message, given

    def forget(self) -> None:
        """In a forked worker: the socket is the zygote's alone."""
        self._socket.close()

    def send(self, message: dict[str, Any], given: tuple[int, ...] = ()) -> str:
        """Sends one packet; returns why it could not be sent, empty when it was. A server that is
        gone is noticed when the next one is read."""
        data = quick_json.encode(message).encode("ascii")
        try:
            descriptors.send(self._socket, data, given)
        except OSError as error:
            return error.strerror or "error"
        return ""


def connect(path: str) -> int:
    """The descriptor of a control socket: a connection to the server that listens at `path`.

    Where there is none the process ends: nobody would hear more of it.
    """
    connection = socket(AF_UNIX, SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError as error:
        sys.exit(
            f"the server can't be reached at {path} ({error.strerror}). It has ended, or this "
            "process may not use its socket; the server's log has the command that was run."
        )
    return connection.detach()


def close_all(numbers: list[int]) -> None:
    for descriptor in numbers:
        try:
            os.close(descriptor)
        except OSError:
            pass

