"""Waiting for what comes about elsewhere, and looking for processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.support.world import runs


def until(condition: Callable[[], object], what: str = "it does not happen", seconds: float = 120.0) -> None:
    """Returns once `condition` holds; a deadline that is past is a failure that says `what`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def processes_with(text: str) -> list[int]:
    """Living processes whose command line holds `text`."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in each.read_bytes() and runs(int(each.parent.name)):
                found.append(int(each.parent.name))
        except OSError:
            pass
    return found
