"""What a session does with the exception that left a cell. Imported at the first one."""

from __future__ import annotations

import sys
from builtins import BaseException, KeyboardInterrupt, OSError, len, type

from mcp_runtime import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcp_runtime.errors import Description
    from mcp_runtime.session import Session

RAISED = 1
STOPPED = 2
ECANCELED = 125  # Linux; a wait that was stopped fails with it


def report(session: Session, failure: BaseException, filename: str) -> tuple[int, Description]:
    """The cell's status and the description of its exception; sets sys.last_exc. Never raises."""
    stopped = session.native.stop_requested() and _comes_from_stop(failure)
    if stopped and _is_cancelled_wait(failure):
        failure = _as_interrupt(failure)
    _set_traceback(failure, errors.without_our_frames(errors._get_traceback(failure)))
    _set_last(failure)
    session.sources.restore()
    return (STOPPED if stopped else RAISED), _described(session, failure)


def _described(session: Session, failure: BaseException) -> Description:
    """Describes inside a stoppable region; without running user code when that was stopped."""
    stoppable = session.native.stoppable
    if type(failure) is KeyboardInterrupt and len(errors.chain_of(failure)) == 1:
        if not failure.args:
            return errors.describe(failure)
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
    interrupt.__traceback__ = errors._get_traceback(failure)
    return interrupt


def _set_traceback(error: BaseException, trace: object) -> None:
    BaseException.__dict__["__traceback__"].__set__(error, trace)


def _set_last(failure: BaseException) -> None:
    """sys.last_exc and its older forms, for traceback.print_last() and pdb.pm()."""
    sys.last_exc = failure
    sys.last_type = type(failure)
    sys.last_value = failure
    sys.last_traceback = errors._get_traceback(failure)


