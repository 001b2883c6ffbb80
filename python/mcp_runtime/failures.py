"""What a session does with the exception that left a cell. Imported at the first one."""

from __future__ import annotations

import sys
from builtins import (
    BaseException,
    KeyboardInterrupt,
    OSError,
    PermissionError,
    SyntaxError,
    any,
    issubclass,
    len,
    type,
)

from mcp_runtime import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.errors import Description
    from mcp_runtime.session import Session

RAISED = 1
STOPPED = 2
ECANCELED = 125  # Linux; a wait that was stopped fails with it


def report(session: Session, failure: BaseException) -> tuple[int, Description]:
    """The cell's status and the description of its exception; sets sys.last_exc."""
    stopped = session.native.stop_requested() and _comes_from_stop(failure)
    if stopped and _is_cancelled_wait(failure):
        failure = _as_interrupt(failure)
    if stopped:
        _drop_cancelled_waits(failure)
    _forget_running_loop()
    errors.set_traceback(failure, errors.without_our_frames(errors.get_traceback(failure)))
    _set_last(failure)
    session.sources.restore()
    description = _described(session, failure)
    if not stopped:
        _add_hint(session, failure, description)
    return (STOPPED if stopped else RAISED), description


def repr_failed(value: Any) -> str:
    """The notice for a cell whose code ran, but whose result can't be shown."""
    return (
        "the cell ran to its end; what failed is the repr of its result, an object of type "
        f"{errors.type_name(type(value))}. The object is kept in _."
    )


def _described(session: Session, failure: BaseException) -> Description:
    """Describes inside a stoppable region; without running user code when that was stopped."""
    if type(failure) is KeyboardInterrupt and len(errors.chain_of(failure)) == 1:
        # The usual stop. Nothing about it runs user code, and no second stop may spoil it.
        return errors.describe(failure)
    stoppable = session.native.stoppable
    try:
        try:
            stoppable(True)
            return errors.describe(failure)
        finally:
            stoppable(False)
    except BaseException:
        return errors.plain_description(failure)


def _comes_from_stop(failure: BaseException) -> bool:
    """Whether the stop is what ended the cell, also when user code wrapped it in another error."""
    for link in errors.chain_of(failure):
        if type(link) is KeyboardInterrupt or _is_cancelled_wait(link):
            return True
    return False


def _is_cancelled_wait(error: BaseException) -> bool:
    return type(error) is OSError and error.errno == ECANCELED


def _as_interrupt(failure: BaseException) -> KeyboardInterrupt:
    """The KeyboardInterrupt that would have come a moment after the cancelled wait."""
    interrupt = KeyboardInterrupt()
    interrupt.__traceback__ = errors.get_traceback(failure)
    return interrupt


def _drop_cancelled_waits(failure: BaseException) -> None:
    """Takes the waits that the stop cancelled out of the chain: only the server knows of them."""
    for link in errors.chain_of(failure):
        context = errors.get_context(link)
        if context is not None and _is_cancelled_wait(context):
            errors.set_context(link, errors.get_context(context))


def _forget_running_loop() -> None:
    """A loop of the user's (asyncio.run) that was left in its last lines still counts as running,
    and would keep every other from running."""
    asyncio = sys.modules.get("_asyncio")
    if asyncio is not None:
        asyncio._set_running_loop(None)


def _set_last(failure: BaseException) -> None:
    """sys.last_exc and its older forms, for traceback.print_last() and pdb.pm()."""
    sys.last_exc = failure  # type: ignore[attr-defined, unused-ignore]
    sys.last_type = type(failure)
    sys.last_value = failure
    sys.last_traceback = errors.get_traceback(failure)


def _is_refusal(failure: BaseException, message: str) -> bool:
    """Whether a confined session may be why: something was refused, or tempfile found no place."""
    if "No usable temporary directory" in message:
        return True
    return any(issubclass(type(link), PermissionError) for link in errors.chain_of(failure))


def _add_hint(session: Session, failure: BaseException, description: Description) -> None:
    """A notice for mistakes that come from what people know of notebooks."""
    kind, message, _ = description
    if session.confined is not None and _is_refusal(failure, message):
        session.notices.append(session.confined)
    if (
        kind in ("NameError", "ModuleNotFoundError", "bdb.BdbQuit")
        or "event loop" in message
        or issubclass(type(failure), SyntaxError)
    ):
        from mcp_runtime import hints

        hint = hints.hint_for(session, failure, message)
        if hint is not None:
            session.notices.append(hint)
