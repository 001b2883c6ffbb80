"""Stands in for the server's `_pyember` under a plain CPython, in tests; a worker has its own.

A stop arrives as SIGINT, which Python itself turns into KeyboardInterrupt.
"""

from __future__ import annotations

from builtins import RuntimeError, bool, int, tuple


class PlainNative:
    """A `Native` without a server behind it."""

    def __init__(self) -> None:
        self.requested = False

    def stoppable(self, on: bool, /) -> None:
        """Does nothing: there is no region to open."""

    def stop_requested(self) -> bool:
        """True after a test has set `requested`."""
        return self.requested

    def calls(self) -> tuple[int, int]:
        """Raises RuntimeError: there is no server."""
        raise RuntimeError("No MCP server can be called from here: there is no server. Use pyember.")

    def calls_lost(self, calls: int, answers: int) -> None:
        """There never were any."""
