"""What zygote and spare do while they wait: a session's beginning, once, for nothing.

Processes that were forked from each other share memory until one of them writes to it, and what is
to be done for a new session is mostly to take pages of one's own: hundreds, each a fault that costs
more than the work itself. Nothing of the rehearsal stays but these pages.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from builtins import BaseException, bytes, str

from mcp_runtime.session import Session
from mcp_runtime.worker import descriptors, first_uses, place, quick_json, replies
from mcp_runtime.worker.control import Control, close_all
from mcp_runtime.worker.stops import WorkerNative
from mcp_runtime.worker.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

_ORDER = b'{"op":"run","cell":1}'


def receive_and_send() -> None:
    """An order with its descriptors, as it goes from the server to the zygote and to its spare."""
    try:
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        order = {"op": "fork", "id": 1, "name": "", "cwd": "/", "sites": [], "limits": {}}
        descriptors.send(ours, quick_json.encode(order).encode("ascii"), [0, 0, 0, 0, 0, 0, 0])
        control = Control(theirs.detach())
        packet = control.receive()
        control.forget()
        ours.close()
        if packet is not None:
            close_all(packet[1])
    except BaseException:  # then the next session takes as long as it takes
        pass


def begin_session() -> None:
    """Leaves the process as it was, in all that a session sees."""
    try:
        ours, theirs = socketpair()
        _play(Wire(ours), theirs)
        ours.close()
        theirs.close()
    except BaseException:
        pass


def _play(wire: Wire, server: socket) -> None:
    os.listdir("/proc/self/fd")
    place.seed()
    first_uses.use_all()
    native = WorkerNative(bytes(8))
    session = Session(native, "rehearsal")
    wire.write('{"op":"ready"}')
    server.sendall(len(_ORDER).to_bytes(4, "little") + b"\3\0\0\0" + _ORDER + b"1+1")
    frame = wire.read()
    assert frame is not None
    native.begin(1)
    outcome = session.run(str(frame[1], "utf-8"), 1)
    native.end()
    replies.done(wire, 1, outcome, True, None)
    session.close()
