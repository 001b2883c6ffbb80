"""Keeps the source text of cells where tracebacks, inspect, doctest and pdb look for it: linecache.

Owned by a Session. Bounded: a cell that defines nothing is needed only while its traceback can be
shown, so few of those are kept; cells that define functions or classes are kept much longer.
"""

from __future__ import annotations

import linecache
from builtins import len, tuple, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    Entry = tuple[int, None, list[str], str]

# Cells without definitions whose source is remembered: enough for any traceback still on screen.
KEPT_PASSING = 64
# Characters of source remembered for cells that define something; beyond it the oldest go.
KEPT_DEFINING_CHARACTERS = 16 << 20

_Code = type(linecache.getline.__code__)


class Sources:
    """The sources of one session's cells."""

    def __init__(self) -> None:
        self._passing: list[str | None] = [None] * KEPT_PASSING
        self._next = 0
        self._entries: dict[str, Entry] = {}
        self._defining: dict[str, int] = {}
        self._defining_characters = 0

    def add(self, filename: str, code: str) -> None:
        """Registers a cell's source. The modification time None keeps checkcache away from it."""
        lines = code.splitlines(True) if "\n" in code else [code]
        if lines and lines[-1][-1:] != "\n":
            lines[-1] += "\n"
        entry = (len(code), None, lines, filename)
        self._entries[filename] = entry
        linecache.cache[filename] = entry
        position = self._next
        oldest = self._passing[position]
        if oldest is not None:
            self._forget(oldest)
        self._passing[position] = filename
        self._next = (position + 1) % KEPT_PASSING

    def keep(self, filename: str) -> None:
        """Moves a cell that was just added to those kept long: it defines something."""
        position = (self._next - 1) % KEPT_PASSING
        if self._passing[position] != filename:
            return
        self._passing[position] = None
        self._next = position
        size = self._entries[filename][0]
        self._defining[filename] = size
        self._defining_characters += size
        while self._defining_characters > KEPT_DEFINING_CHARACTERS and len(self._defining) > 1:
            oldest = next(iter(self._defining))
            self._defining_characters -= self._defining.pop(oldest)
            self._forget(oldest)

    def restore(self) -> None:
        """Puts back what user code threw out of linecache (linecache.clearcache())."""
        for filename, entry in self._entries.items():
            linecache.cache.setdefault(filename, entry)

    def clear(self) -> None:
        """Forgets every cell."""
        for filename in list(self._entries):
            self._forget(filename)
        self.__init__()  # type: ignore[misc]

    def _forget(self, filename: str) -> None:
        self._entries.pop(filename, None)
        linecache.cache.pop(filename, None)


def defines_something(code: CodeType) -> bool:
    """Whether a code object holds others: functions, classes, lambdas, generator expressions."""
    for constant in code.co_consts:
        if type(constant) is _Code:
            return True
    return False
