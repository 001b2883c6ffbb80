"""A worker forked before anybody asked for one: a new session then needn't wait for the fork.

The zygote keeps one at most. It has a socket to it, hands it a fork order with the descriptors, and
forgets it: from then on it is a worker like those forked for their order. One that isn't needed any
more (the zygote has imported something since) sees the socket's end.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SHUT_RDWR, SOCK_SEQPACKET, socketpair
from builtins import OSError, dict, int, list, str

from mcp_runtime.worker import descriptors, quick_json, rehearsal
from mcp_runtime.worker.control import Control
from mcp_runtime.worker.worker import stand_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Spare:
    """Made by a fork: `pid` is 0 in the spare itself, which then calls wait_for_order()."""

    def __init__(self) -> None:
        """Raises OSError when there are no descriptors or processes left."""
        self._zygote = os.getpid()
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        try:
            self.pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        self._link, other = (theirs, ours) if self.pid == 0 else (ours, theirs)
        other.close()

    # --- in the zygote ---

    def hand_over(self, order: dict[str, Any], given: list[int]) -> bool:
        """Makes it the worker of this order; False when it is gone."""
        try:
            descriptors.send(self._link, quick_json.encode(order).encode("ascii"), given)
        except OSError:
            return False
        finally:
            self._link.close()
        return True

    def end(self) -> None:
        """Sends it away, whoever else has a copy of the socket."""
        try:
            self._link.shutdown(SHUT_RDWR)
        except OSError:
            pass
        self._link.close()

    # --- in the spare ---

    def wait_for_order(self) -> dict[str, Any]:
        """Returns when it has become a worker; otherwise not at all."""
        stand_alone(self._zygote)
        rehearsal.begin_session()
        rehearsal.receive_and_send()
        control = Control(self._link.detach())
        packet = control.receive()
        if packet is None:
            os._exit(0)
        order, order["descriptors"] = packet
        control.forget()
        return order
