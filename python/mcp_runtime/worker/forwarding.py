"""What the forwarder's process does: carries bytes between two kinds of sockets (forwarder.py)."""

from __future__ import annotations

import selectors
import socket
from builtins import BlockingIOError, OSError, all, any, bool, enumerate, int, object, str

_CONNECTIONS = 128  # at once; the others wait to be accepted. Two descriptors each
_CHUNK = 64 << 10  # held for each direction of a connection


class Forwarder:
    """Accepts on `listener` and passes on to `path` until the process `parent` (a pidfd) ends."""

    def __init__(self, listener: int, parent: int, path: str) -> None:
        self._listener = socket.socket(fileno=listener)
        self._listener.setblocking(False)
        self._parent = parent
        self._path = path
        self._open = 0
        self._accepts = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(parent, selectors.EVENT_READ)

    def run(self) -> None:
        while True:
            self._accept_or_not()
            for key, events in self._selector.select():
                if key.fileobj == self._parent:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.data.is_open and not key.data.move(key.fileobj, events):
                    self._open -= 1

    def _accept_or_not(self) -> None:
        accepts = self._open < _CONNECTIONS
        if accepts and not self._accepts:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif self._accepts and not accepts:
            self._selector.unregister(self._listener)
        self._accepts = accepts

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # it has gone again
            return
        proxy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.setblocking(False)
        proxy.setblocking(False)
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            proxy.connect(self._path)
        except OSError:  # the server is gone, or code of ours has filled its queue
            client.close()
            proxy.close()
            return
        self._open += 1
        Link(client, proxy, self._selector)


class Link:
    """One connection. What was read of one end is held until the other has taken it."""

    def __init__(
        self, client: socket.socket, proxy: socket.socket, selector: selectors.BaseSelector
    ) -> None:
        self.is_open = True
        self._ends = [client, proxy]
        self._held = [b"", b""]  # read from this end
        self._ended = [False, False]  # this end says no more
        self._watched = [0, 0]
        self._selector = selector
        self._watch()

    def move(self, end: object, events: int) -> bool:
        """Moves what can be moved; false: the connection is over."""
        number = 0 if end is self._ends[0] else 1
        try:
            if events & selectors.EVENT_WRITE:
                self._write(1 - number)
            if events & selectors.EVENT_READ:
                self._read(number)
        except OSError:  # one of the two is gone
            self._close()
            return False
        if all(self._ended) and not any(self._held):
            self._close()
            return False
        self._watch()
        return True

    def _read(self, number: int) -> None:
        if self._held[number] or self._ended[number]:
            return
        try:
            self._held[number] = self._ends[number].recv(_CHUNK)
        except BlockingIOError:
            return
        if self._held[number]:
            self._write(number)
        else:
            self._ended[number] = True
            self._ends[1 - number].shutdown(socket.SHUT_WR)

    def _write(self, number: int) -> None:
        """What was read of this end, to the other."""
        if self._held[number]:
            try:
                sent = self._ends[1 - number].send(self._held[number])
            except BlockingIOError:
                return
            self._held[number] = self._held[number][sent:]

    def _watch(self) -> None:
        for number, end in enumerate(self._ends):
            wanted = 0 if self._held[number] or self._ended[number] else selectors.EVENT_READ
            wanted |= selectors.EVENT_WRITE if self._held[1 - number] else 0
            if wanted == self._watched[number]:
                continue
            if not self._watched[number]:
                self._selector.register(end, wanted, self)
            elif wanted:
                self._selector.modify(end, wanted, self)
            else:
                self._selector.unregister(end)
            self._watched[number] = wanted

    def _close(self) -> None:
        self.is_open = False
        for number, end in enumerate(self._ends):
            if self._watched[number]:
                self._selector.unregister(end)
            end.close()
