"""Which names of a session some code has changed: new, rebound, deleted, changed in place.

Asked of the copies of a session that race (questions.py): a Mark before the candidate runs, then
changes(). What was rebound is told by identity. What was changed in place is told by a digest of
what is small and plain: containers of the language's own with nothing but such in them, and bytes
that lie in one piece. Of everything else that can change only its name is told: nobody looked.
No code of the user's runs.
"""

from __future__ import annotations

import marshal
import sys
import zlib
from builtins import (
    Exception,
    ValueError,
    all,
    bool,
    bytearray,
    bytes,
    complex,
    dict,
    float,
    frozenset,
    int,
    isinstance,
    len,
    list,
    memoryview,
    object,
    range,
    set,
    sorted,
    str,
    sum,
    tuple,
    type,
    zip,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.session import Session

# Elements of one container, and of all that are looked into; a thousand take some 20 µs.
MAXIMUM_ELEMENTS = 10_000
ALL_ELEMENTS = 200_000
# Bytes of one buffer, of an array say, and of all of them; a megabyte takes some 0.3 ms.
MAXIMUM_BUFFER = 1 << 20
ALL_BUFFERS = 8 << 20
# Names in one list of the answer.
MAXIMUM_NAMES = 100
MAXIMUM_CHARACTERS = 200

_CONTAINERS = frozenset({list, dict, set, bytearray})
_IMMUTABLE = frozenset(
    {
        int,
        float,
        complex,
        bool,
        str,
        bytes,
        type(None),
        range,
        type,
        type(sys),
        type(lambda: None),
        type(len),
        type(...),
        type(NotImplemented),
    }
)
# Modules whose values stay as they were made.
_CONSTANT_MODULES = frozenset({"datetime", "decimal", "fractions", "pathlib", "re", "uuid"})
_BUFFERS = frozenset({"array.array", "numpy.ndarray"})
_MISSING = object()


class Mark:
    """What the names were."""

    def __init__(self, session: Session) -> None:
        self.names = _names(session)
        self.digests = digests(self.names)


def changes(session: Session, mark: Mark) -> dict[str, Any]:
    """Five lists of names, MAXIMUM_NAMES each at most, and `more`, how many there are else."""
    before, now = mark.names, _names(session)
    digests_now = digests({name: now[name] for name in mark.digests if name in now})
    same = [name for name in before if now.get(name, _MISSING) is before[name]]
    found = {
        "new": [name for name in now if name not in before],
        "rebound": [name for name in now if name in before and now[name] is not before[name]],
        "deleted": [name for name in before if name not in now],
        "mutated": [
            name
            for name in same
            if name in mark.digests and digests_now.get(name) != mark.digests[name]
        ],
        "unknown": [
            name for name in same if name not in mark.digests and not _is_constant(before[name])
        ],
    }
    told: dict[str, Any] = {
        kind: [name[:MAXIMUM_CHARACTERS] for name in sorted(names)[:MAXIMUM_NAMES]]
        for kind, names in found.items()
    }
    told["more"] = sum([len(names) - len(told[name]) for name, names in found.items()])
    return told


def digests(names: dict[str, Any]) -> dict[str, int]:
    """A number for each value that can be looked into, within the bounds."""
    elements, buffers = ALL_ELEMENTS, ALL_BUFFERS
    found: dict[str, int] = {}
    for name, value in names.items():
        kind = type(value)
        try:
            if kind in _CONTAINERS:
                size = _elements(
                    value, MAXIMUM_ELEMENTS if elements > MAXIMUM_ELEMENTS else elements
                )
                if size is None:
                    continue
                elements -= size
                # Version 2: later ones write down which objects are shared, by their counts.
                found[name] = zlib.crc32(marshal.dumps(value, 2))
            elif f"{kind.__module__}.{kind.__qualname__}" in _BUFFERS:
                view = memoryview(value).cast("B")
                if view.nbytes <= MAXIMUM_BUFFER and view.nbytes <= buffers:
                    buffers -= view.nbytes
                    found[name] = zlib.crc32(view)
        except Exception:
            continue  # of another kind inside, not in one piece, too deep
    return found


def _elements(value: Any, budget: int) -> int | None:
    """How many values a container holds, at any depth; None: too many, or it holds itself."""
    left = budget
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind is str or kind is bytes or kind is bytearray:
            left -= 1 + len(item) // 64
        elif kind is dict:
            left -= 1 + len(item)
            if left >= 0:
                pending.extend(item)
                pending.extend(item.values())
        elif kind is list or kind is tuple or kind is set or kind is frozenset:
            left -= 1 + len(item)
            if left >= 0:
                pending.extend(item)
        elif kind not in _IMMUTABLE:
            raise ValueError
        if left < 0:
            return None
    return budget - left


def _is_constant(value: Any) -> bool:
    """Whether a value can't change in place, as far as that is told by its type."""
    kind = type(value)
    if kind in _IMMUTABLE or isinstance(value, type):
        return True
    if kind is tuple or kind is frozenset:
        return all([_is_constant(each) for each in list(value)[:100]])
    module = type.__dict__["__module__"].__get__(kind)
    return module in _CONSTANT_MODULES if type(module) is str else False


def _names(session: Session) -> dict[str, Any]:
    """The names that are the user's."""
    shown = zip(("_", "__", "___"), session.results_shown())  # noqa: B905
    hidden = [name for name, is_result in shown if is_result]
    return {
        name: value
        for name, value in list(session.namespace.items())
        if type(name) is str and name not in hidden and not (name[:2] == "__" and name[-2:] == "__")
    }
