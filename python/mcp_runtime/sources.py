"""Keeps the source text of cells where tracebacks, inspect, doctest and pdb look for it: linecache.

Owned by a Session. Bounded: a cell that defines nothing is needed only while its traceback can be
shown, so few of those are kept; cells that define functions or classes are kept much longer.
"""

from __future__ import annotations

import linecache
from builtins import iter, len, list, next, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    Entry = tuple[int, None, list[str], str]

# Cells without definitions whose source is remembered: enough for any traceback still looked at.
KEPT_PASSING = 64
# Characters of source remembered for cells that define something; beyond it the oldest go.
KEPT_DEFINING_CHARACTERS = 16 << 20

_Code = type(linecache.getline.__code__)
# Bound once: user code may replace the attribute, but inspect and traceback use this dictionary.
_cache = linecache.cache


class Sources:
    """The sources of one session's cells."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        # A ring: the oldest cell without definitions is overwritten by the newest.
        self._passing: list[str | None] = [None] * KEPT_PASSING
        self._position = 0
        self._defining: dict[str, int] = {}
        self._defining_characters = 0

    def add(self, filename: str, code: str) -> None:
        """Registers a cell's source. The modification time None keeps checkcache away from it."""
        entry = (len(code), None, _lines(code), filename)
        if filename not in self._entries:
            position = self._position
            oldest = self._passing[position]
            if oldest is not None:
                self._forget(oldest)
            self._passing[position] = filename
            self._position = (position + 1) % KEPT_PASSING
        self._entries[filename] = entry
        _cache[filename] = entry

    def keep(self, filename: str) -> None:
        """Moves the cell added last to those kept long: it defines something."""
        position = (self._position - 1) % KEPT_PASSING
        if self._passing[position] != filename:
            return
        self._passing[position] = None
        self._position = position
        size = self._entries[filename][0]
        self._defining[filename] = size
        self._defining_characters += size
        while self._defining_characters > KEPT_DEFINING_CHARACTERS and len(self._defining) > 1:
            oldest = next(iter(self._defining))
            self._defining_characters -= self._defining.pop(oldest)
            self._forget(oldest)

    def kept(self) -> dict[str, str]:
        """The sources of the cells that defined something, for another session to adopt."""
        return {filename: "".join(self._entries[filename][2]) for filename in self._defining}

    def adopt(self, kept: dict[str, str]) -> None:
        """Takes the sources of another session whose definitions live here from now on."""
        for filename, code in kept.items():
            if filename not in self._entries:
                self.add(filename, code)
                self.keep(filename)

    def restore(self) -> None:
        """Puts back what user code threw out of linecache (linecache.clearcache())."""
        for filename in self._entries:
            if filename in _cache:
                return  # the oldest is still there, so nothing was thrown out
            break
        _cache.update(self._entries)

    def lines(self, filename: str) -> list[str]:
        """A cell's lines; empty when it isn't known."""
        entry = self._entries.get(filename)
        return [] if entry is None else entry[2]

    def clear(self) -> None:
        """Forgets every cell."""
        for filename in list(self._entries):
            self._forget(filename)
        self._passing = [None] * KEPT_PASSING
        self._defining.clear()
        self._defining_characters = 0

    def _forget(self, filename: str) -> None:
        self._entries.pop(filename, None)
        _cache.pop(filename, None)


def defines_something(code: CodeType) -> bool:
    """Whether a code object holds others: functions, classes, lambdas, generator expressions."""
    for constant in code.co_consts:  # noqa: SIM110  any() would cost every cell a generator
        if type(constant) is _Code:
            return True
    return False


def _lines(code: str) -> list[str]:
    """Lines as the compiler counts them; str.splitlines() knows more line ends than it."""
    if "\r" in code:
        code = code.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" not in code:
        return [code + "\n"]
    lines = [line + "\n" for line in code.split("\n")]
    if lines[-1] == "\n":
        lines.pop()
    return lines
