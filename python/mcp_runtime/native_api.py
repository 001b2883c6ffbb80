"""What a session needs from its surroundings; the types only, never imported at run time.

Inside the server it is the C++ module `_pyember`; elsewhere the stand-in in `plain`.
"""

from __future__ import annotations

from typing import Protocol


class Native(Protocol):
    """The calls by which a session is stopped."""

    def stoppable(self, on: bool, /) -> None:
        """Opens (True) or closes (False) a region in which a KeyboardInterrupt may be raised.

        Closing withdraws whatever is still pending: nothing is raised afterwards.
        """

    def stop_requested(self) -> bool:
        """A stop was asked for during the current cell."""

    def calls(self) -> tuple[int, int]:
        """The descriptors by which code asks the server, for calls and for answers, both
        non-blocking. RuntimeError says why there are none, and what to do.
        """

    def calls_lost(self, calls: int, answers: int) -> None:
        """They are of no use any more; the next calls() may give others."""
