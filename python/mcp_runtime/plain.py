"""Stands in for the server's `_pyember` under a plain CPython, in tests; a worker has its own.

A stop arrives as SIGINT, which Python itself turns into KeyboardInterrupt.
"""

from __future__ import annotations


class PlainNative:
    """A `Native` without a server behind it."""

    def __init__(self) -> None:
        self.requested = False

    def stoppable(self, on: bool, /) -> None:
        """Does nothing: there is no region to open."""

    def stop_requested(self) -> bool:
        """True after a test has set `requested`."""
        return self.requested
