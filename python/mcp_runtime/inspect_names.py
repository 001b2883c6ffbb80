"""Describes what a namespace holds, without running any of its owner's code.

Called by Session.names() for a listing. Only exact built-in types are looked into, through the
types' own slots; of every other object its type's name is told, taken from the type itself and not
through `__class__`, `__getattribute__` or a metaclass.
"""

from __future__ import annotations

import sys
from builtins import (
    AttributeError,
    Ellipsis,
    OverflowError,
    bool,
    bytearray,
    bytes,
    complex,
    dict,
    float,
    frozenset,
    int,
    issubclass,
    len,
    list,
    object,
    range,
    repr,
    set,
    str,
    tuple,
    type,
)

from mcp_runtime.result_text import STANDS_FOR, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    NameEntry = tuple[str, str, str, str]

MAXIMUM_NAMES = 5_000
SHORT_REPR = 120
# Elements of a container shown, and levels of nesting.
SHOWN_ELEMENTS = 6
SHOWN_DEPTH = 2

_Module = type(sys)
_Function = type(printable)
_Builtin = type(len)
_get_name = type.__dict__["__qualname__"].__get__
_get_module = type.__dict__["__module__"].__get__
_CONTAINERS: dict[Any, str] = {list: "[]", tuple: "()", set: "{}", frozenset: "{}", dict: "{}"}
_BYTES = (bytes, bytearray)


def describe_names(namespace: dict[str, object], hidden: tuple[str, ...] = ()) -> list[NameEntry]:
    """(name, type, size, short repr) of the user's names, in the order they were bound."""
    entries: list[NameEntry] = []
    for name, value in dict.items(namespace.copy()):
        if type(name) is not str or name in hidden or (name[:2] == "__" == name[-2:]):
            continue
        if len(entries) >= MAXIMUM_NAMES:
            break
        plain = STANDS_FOR.get(type(value))
        if plain is not None:
            value = plain(value)
        entries.append((printable(name), type_name(type(value)), size_of(value), short(value)))
    return entries


def type_name(kind: type) -> str:
    """A type's qualified name; without the module for built-in and session types."""
    name = _get_name(kind)
    try:
        module = _get_module(kind)
    except AttributeError:
        module = None
    if type(module) is not str or module in ("builtins", "__main__"):
        return printable(name)
    return printable(f"{module}.{name}")


def size_of(value: Any) -> str:
    """ "3 items", "12 characters"; empty for what has no size we may ask for."""
    kind = type(value)
    if kind is str:
        return _counted(len(value), "character")
    if kind in _BYTES:
        return _counted(len(value), "byte")
    if kind in _CONTAINERS:
        return _counted(len(value), "item")
    if kind is range:
        try:
            return _counted(len(value), "item")
        except OverflowError:
            return ""
    return ""


def short(value: Any, depth: int = SHOWN_DEPTH) -> str:
    """A bounded repr; for what isn't built in, only what it is."""
    text = _short(value, depth)
    if len(text) > SHORT_REPR:
        text = text[: SHORT_REPR - 1] + "…"
    return printable(text)


def _short(value: Any, depth: int) -> str:
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, float, complex):
        return repr(value)
    if kind is int:
        return _short_int(value)
    if kind is str or kind in _BYTES:
        return _short_string(value)
    if kind is range:
        return repr(value) if value.stop.bit_length() < 256 else "range(…)"
    if kind in _CONTAINERS:
        return _short_container(value, kind, depth)
    return _described(value, kind)


def _counted(count: int, unit: str) -> str:
    return f"1 {unit}" if count == 1 else f"{count:,} {unit}s"


def _short_int(value: int) -> str:
    bits = value.bit_length()
    return repr(value) if bits < 1_000 else f"<int of {bits:,} bits>"


def _short_string(value: str | bytes | bytearray) -> str:
    if len(value) <= SHORT_REPR:
        return repr(value)
    return repr(value[:SHORT_REPR])


def _short_container(value: Any, kind: Any, depth: int) -> str:
    opening, closing = _CONTAINERS[kind]  # type: ignore[str-unpack]
    count = len(value)
    if count == 0:
        return repr(value)
    if depth == 0:
        return f"{opening}…{closing}"
    shown: list[str] = []
    for element in list(_first(value, SHOWN_ELEMENTS)):
        if kind is dict:
            key, item = element
            shown.append(f"{_short(key, depth - 1)}: {_short(item, depth - 1)}")
        else:
            shown.append(_short(element, depth - 1))
    if count > SHOWN_ELEMENTS:
        shown.append("…")
    elif kind is tuple and count == 1:
        shown.append("")
    text = opening + ", ".join(shown).rstrip(" ") + closing
    return f"frozenset({text})" if kind is frozenset else text


def _first(value: Any, count: int) -> list[Any]:
    found: list[Any] = []
    for element in value.items() if type(value) is dict else value:
        if len(found) == count:
            break
        found.append(element)
    return found


def _described(value: Any, kind: type) -> str:
    if kind is _Function:
        code = value.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return f"<function {value.__name__}({', '.join(names)})>"
    if kind is _Builtin:
        return f"<built-in function {value.__name__}>"
    if kind is _Module:
        return _described_module(value)
    if issubclass(kind, type):
        return f"<class {type_name(value)}>"
    return f"<{type_name(kind)} object>"


def _described_module(value: Any) -> str:
    # A module's __getattr__ is user code; its dictionary is not.
    attributes = object.__getattribute__(value, "__dict__")
    name = attributes.get("__name__") if type(attributes) is dict else None
    return f"<module {name}>" if type(name) is str else "<module>"
