"""Stops cells of a session in this process, by a timer signal."""

from __future__ import annotations

import signal


class Stopper:
    """A Native that stops cells. `stoppable` is a C method, as it is in the server: no Python
    code runs between its caller and the change of the region."""

    def __init__(self) -> None:
        self.regions: list[bool] = [False]
        self.stoppable = self.regions.append
        self.requested = False

    def stop_requested(self) -> bool:
        return self.requested

    def stop_after(self, seconds: float, again: float = 0.0) -> None:
        self.requested = False
        signal.setitimer(signal.ITIMER_REAL, seconds, again)

    def on_signal(self, number: int, frame: object) -> None:
        self.requested = True
        if not self.regions[-1]:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            return
        raise KeyboardInterrupt
