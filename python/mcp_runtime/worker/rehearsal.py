"""What a spare does while it waits: the first answer of a session, once, for nothing.

A process that was forked shares its memory until it writes to it, and what a new worker does before
its first answer is mostly to take pages of its own: hundreds, each a fault that costs more than the
work itself. Nothing of the rehearsed session stays but its pages.
"""

from __future__ import annotations

import os
import random
import socket
from builtins import BaseException, bytes, str

from mcp_runtime.session import Session
from mcp_runtime.worker import replies
from mcp_runtime.worker.stops import WorkerNative
from mcp_runtime.worker.wire import Wire

_ORDER = b'{"op":"run","cell":1}'


def rehearse() -> None:
    """Leaves the process as it was, in all that a session sees."""
    try:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            _play(Wire(ours), theirs)
    except BaseException:  # then the session's first answer takes as long as it takes
        pass


def _play(wire: Wire, server: socket.socket) -> None:
    os.listdir("/proc/self/fd")
    random.seed()
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
