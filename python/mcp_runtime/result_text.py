"""The text of a result: its repr, bounded in length, time and memory.

An ordinary value gets exactly what repr() says. Only a built-in container or string too large for
the answer anyway is written out by this module, which stops as soon as the answer is full.
Runs user code (__repr__), so the caller has opened a stoppable region.
"""

from __future__ import annotations

from builtins import (
    Exception,
    bool,
    bytearray,
    bytes,
    complex,
    dict,
    float,
    frozenset,
    hasattr,
    id,
    int,
    iter,
    len,
    list,
    max,
    repr,
    set,
    str,
    tuple,
    type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAXIMUM_CHARACTERS = 20_000
# A container with more elements than this (counting nested ones) is never given to repr() whole;
# fewer can't take long or need much memory, unless their own __repr__ does.
MAXIMUM_ELEMENTS = 20_000
# Nesting at which a huge container's inner ones are only hinted at.
MAXIMUM_DEPTH = 20
# An item no longer than this isn't cut in two at the end of the room.
WHOLE_ITEM = 80

# What has no form but its repr.
PLAIN_TYPES = frozenset(
    {int, str, float, bool, bytes, list, tuple, dict, set, frozenset, bytearray, complex, type}
)
# Classes that are written like a built-in one (code_mode.values adds its own).
STANDS_FOR: dict[type, Any] = {}
RICH_METHODS = (
    "_repr_mimebundle_",
    "_repr_png_",
    "_repr_svg_",
    "_repr_jpeg_",
    "_repr_html_",
    "_repr_markdown_",
)

_STRINGS = frozenset({str, bytes, bytearray})
_BRACKETS: dict[Any, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def result_text(value: object) -> str:
    """repr(value), at most MAXIMUM_CHARACTERS long; says how much was left out."""
    kind = type(value)
    if kind in STANDS_FOR:
        kind = STANDS_FOR[kind]
        value = kind(value)
    if (kind in _STRINGS or kind is dict or kind in _BRACKETS) and not _is_small(value):
        return printable(_Writer().write(value))
    text = repr(value)
    if len(text) > MAXIMUM_CHARACTERS:
        left_out = len(text) - MAXIMUM_CHARACTERS
        text = f"{text[:MAXIMUM_CHARACTERS]}… [{left_out:,} more characters]"
    return printable(text)


def has_rich_form(kind: type) -> bool:
    """Whether instances say themselves how a notebook shows them."""
    try:
        for name in RICH_METHODS:
            if hasattr(kind, name):
                return True
    except Exception:  # of a metaclass
        pass
    return False


def printable(text: str) -> str:
    """An exact str that UTF-8 can carry: lone surrogates become backslash escapes."""
    if text.isascii():
        return text if type(text) is str else str.__str__(text)
    return str.encode(text, "utf-8", "backslashreplace").decode("utf-8")


def _is_small(value: Any) -> bool:
    """Whether repr(value) is harmless as far as its exact built-in containers are concerned."""
    budget = MAXIMUM_ELEMENTS
    characters = MAXIMUM_CHARACTERS * 4
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind in _STRINGS:
            characters -= len(item)
        elif kind is dict:
            budget -= len(item)
            if budget >= 0:
                pending.extend(item)
                pending.extend(item.values())
        elif kind in _BRACKETS:
            budget -= len(item)
            if budget >= 0:
                pending.extend(item)
        if budget < 0 or characters < 0:
            return False
    return True


class _Writer:
    """Writes the repr of a huge built-in container until the answer is full."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = MAXIMUM_CHARACTERS
        self._open: set[int] = set()

    def write(self, value: object) -> str:
        self._value(value)
        return "".join(self._pieces)

    def _emit(self, text: str) -> None:
        if len(text) <= WHOLE_ITEM:
            self._room = max(0, self._room - len(text))
        elif len(text) > self._room:
            left_out = len(text) - self._room
            text = f"{text[: self._room]}… [{left_out:,} more characters]"
            self._room = 0
        else:
            self._room -= len(text)
        self._pieces.append(text)

    def _value(self, value: Any) -> None:
        kind = type(value)
        if kind in _STRINGS:
            self._string(value)
        elif kind is dict or kind in _BRACKETS:
            self._container(value, kind)
        else:
            self._emit(repr(value))

    def _string(self, value: str | bytes | bytearray) -> None:
        left_out = len(value) - self._room
        if left_out <= 0 or len(value) < WHOLE_ITEM - 2:
            self._emit(repr(value))
            return
        self._pieces.append(f"{repr(value[: self._room])}… [{left_out:,} more characters]")
        self._room = 0

    def _container(self, value: Any, kind: Any) -> None:
        opening, closing = ("{", "}") if kind is dict else _BRACKETS[kind]
        if not value:
            self._emit(repr(value))
            return
        if id(value) in self._open or len(self._open) >= MAXIMUM_DEPTH:
            self._emit(f"{opening}...{closing}")
            return
        self._open.add(id(value))
        self._pieces.append(opening)
        items = iter(value.items() if kind is dict else value)
        left = len(value)
        first = True
        for item in items:
            if self._room <= 0:
                self._pieces.append(f", … [{left:,} more items]")
                break
            if not first:
                self._emit(", ")
            first = False
            left -= 1
            if kind is dict:
                key, item = item
                self._value(key)
                self._pieces.append(": ")
            self._value(item)
        if kind is tuple and len(value) == 1:
            self._pieces.append(",")
        self._pieces.append(closing)
        self._open.discard(id(value))
