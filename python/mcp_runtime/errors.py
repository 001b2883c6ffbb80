"""Describes the exception that left a cell: its type, its message, its traceback as CPython's.

Imported when the first cell fails: `traceback` costs a session about 2 MB. Exceptions are user
objects, so nothing about them is taken for granted: what their own code refuses to tell is
replaced by a placeholder, and whatever goes wrong here ends in a plainer text, never in an error.

str() of an exception runs user code, so the caller has opened a stoppable region, except for
`plain_description`, which runs none.
"""

from __future__ import annotations

import linecache
import os
import traceback
from builtins import (
    BaseException,
    KeyboardInterrupt,
    SystemExit,
    bool,
    getattr,
    id,
    int,
    len,
    list,
    object,
    range,
    repr,
    reversed,
    set,
    str,
    tuple,
    type,
)

from mcp_runtime.result_text import printable
from mcp_runtime.type_names import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    Description = tuple[str, str, str]

MAXIMUM_MESSAGE = 4_000
# About 250 lines: nobody reads more, and an unbounded recursion makes thousands.
MAXIMUM_TRACEBACK = 20_000
# Frames at either end that are looked at when a stack is deeper than twice this.
SHOWN_FRAMES = 1_000
# Exceptions of one chain, or of one group, that are looked at.
MAXIMUM_CHAIN = 200

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TracebackException = traceback.TracebackException
_cache = linecache.cache

# The slots of the types themselves: a subclass or a metaclass can't put its own code before them.
_slots = BaseException.__dict__
get_traceback: Any = _slots["__traceback__"].__get__
set_traceback: Any = _slots["__traceback__"].__set__
_get_cause: Any = _slots["__cause__"].__get__
get_context: Any = _slots["__context__"].__get__
set_context: Any = _slots["__context__"].__set__


def without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is not the runtime's."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace


def describe(error: BaseException) -> Description:
    """(type, message, traceback) of an exception. May be stopped: KeyboardInterrupt."""
    name = type_name(type(error))
    message = _message(error)
    try:
        _shorten(error)
        text = _traceback_text(error)
    except KeyboardInterrupt:
        raise
    except BaseException:
        text = _plain_traceback(error, name, message)
    return name, message, _bounded(printable(text), MAXIMUM_TRACEBACK)


def plain_description(error: BaseException) -> Description:
    """Like describe(), but without running any code of the exception's: no message."""
    name = type_name(type(error))
    message = "" if type(error) is KeyboardInterrupt else "<its message could not be made>"
    return name, message, _plain_traceback(error, name, message)


def chain_of(error: BaseException) -> list[BaseException]:
    """The exception with its causes and contexts, and theirs, each once."""
    found = [error]
    seen = {id(error)}
    for link in found:
        for other in (_get_cause(link), get_context(link)):
            if other is not None and id(other) not in seen and len(found) < MAXIMUM_CHAIN:
                seen.add(id(other))
                found.append(other)
    return found


def _message(error: BaseException) -> str:
    if type(error) is SystemExit:
        return _exit_message(error)
    try:
        return _bounded(printable(str(error)), MAXIMUM_MESSAGE)
    except KeyboardInterrupt:
        raise
    except BaseException as failure:
        return f"<str() of this exception failed with {type_name(type(failure))}>"


def _exit_message(error: SystemExit) -> str:
    code = error.code
    if code is None:
        code = 0
    shown = repr(code) if type(code) in (int, str, bool) else f"a {type_name(type(code))} object"
    return (
        f"the code asked to exit ({_bounded(printable(shown), 1_000)}). Only the cell ended: the "
        "session goes on with all its variables. Close or reset the session to be rid of them."
    )


def _traceback_text(error: BaseException) -> str:
    report = _TracebackException(type(error), error, get_traceback(error), compact=True)
    seen: set[int] = set()
    pending: list[Any] = [report]
    while pending and len(seen) < MAXIMUM_CHAIN:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        if part.stack is not None:
            part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_OURS)]
        pending += (part.__cause__, part.__context__)
        pending += getattr(part, "exceptions", None) or ()
    return "".join(report.format())


def _shorten(error: BaseException) -> None:
    """Cuts the middle out of very deep stacks, so that printing them takes no minutes."""
    for link in chain_of(error):
        trace = get_traceback(link)
        depth = _depth(trace)
        if depth <= 2 * SHOWN_FRAMES:
            continue
        head: list[TracebackType] = []
        for position in range(depth - SHOWN_FRAMES):
            if position < SHOWN_FRAMES:
                head.append(trace)
            trace = trace.tb_next
        for entry in reversed(head):
            trace = type(entry)(trace, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
        set_traceback(link, trace)


def _depth(trace: TracebackType | None) -> int:
    depth = 0
    while trace is not None:
        depth += 1
        trace = trace.tb_next
    return depth


def _plain_traceback(error: BaseException, name: str, message: str) -> str:
    """File and line of every frame, and the source line; runs nobody's code."""
    lines = ["Traceback (most recent call last):\n"]
    trace = get_traceback(error)
    while trace is not None and len(lines) < 2 * SHOWN_FRAMES:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_OURS):
            lines.append(
                f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n'
            )
            known = _cached_lines(code.co_filename)
            if 0 < trace.tb_lineno <= len(known):
                lines.append(f"    {known[trace.tb_lineno - 1].strip()}\n")
        trace = trace.tb_next
    lines.append(f"{name}: {message}\n" if message else f"{name}\n")
    return _bounded(printable("".join(lines)), MAXIMUM_TRACEBACK)


def _cached_lines(filename: str) -> list[str]:
    entry: object = _cache.get(filename)
    if type(entry) is tuple and len(entry) == 4 and type(entry[2]) is list:
        return entry[2]
    return []


def _bounded(text: str, limit: int) -> str:
    """Head and tail of a text that is too long, with the number left out between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n… [{left_out:,} characters left out] …\n{text[-half:]}"
