"""The event loop of a session, for cells with top-level await.

Owned by a Session, imported at the first await (asyncio costs a session about 7 MB). One loop
lives between cells and runs only while a cell awaits: tasks started in one cell go on during the
next awaiting one, and synchronous cells are free to call asyncio.run().

A stop lands as KeyboardInterrupt anywhere, also in the middle of the loop's own code. Three things
are mended after one: the loop may still be marked as running; a callback may have been taken off
the queue without having run, so that its task would never wake again; and the cell's task still
waits, so it is cancelled and the loop runs a moment longer for its `finally` blocks. What can't be
mended: a stop inside the code of a background task ends that task, and one that falls between a
future's end and the call that tells of it may be noticed by nobody.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import weakref
from builtins import (
    BaseException,
    KeyboardInterrupt,
    OSError,
    any,
    eval,
    getattr,
    hasattr,
    isinstance,
    len,
    object,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType
    from typing import Any

    from mcp_runtime.native_api import Native

    Codes = tuple[CodeType | None, CodeType | None]

CO_COROUTINE = 0x80
# How long the task of a stopped cell may take over its clean-up.
DRAIN_SECONDS = 0.05
# How long all tasks together may take over theirs when the session closes.
CLOSE_SECONDS = 0.1

_run_once_code = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
# Tasks whose coroutine goes on in another task, see _revive().
_successors: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
_wake_sleeper = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]


class EventLoop:
    """One asyncio loop and the way cells run in it."""

    def __init__(self, native: Native, notices: list[str]) -> None:
        self._native = native
        self._notices = notices
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, codes: Codes, namespace: dict[str, Any]) -> Any:
        """Runs a cell's code as a task; returns the value of its last expression.

        Called inside a stoppable region, and returns or raises inside one.
        """
        loop = self._ready_loop()
        stoppable = self._native.stoppable
        context = contextvars.copy_context()
        task = _task(loop, _drive(codes, namespace), context)
        task.add_done_callback(_stop_loop)
        failure: BaseException | None = None
        try:
            try:
                stoppable(True)
                while not task.done():  # loop.stop() in user code does not end the cell
                    loop.run_forever()
            finally:
                stoppable(False)
        except BaseException as error:
            failure = error
        _adopt(context)
        try:
            if failure is not None or not task.done():
                _mend(loop, failure)
                failure = self._after_failure(loop, task, failure)
            stoppable(True)
            if failure is not None:
                raise failure
            return task.result()
        finally:
            del failure

    def running_tasks(self) -> int:
        """How many tasks wait to go on in the next cell that awaits."""
        return 0 if self._loop is None else len(asyncio.all_tasks(self._loop))

    def current(self) -> asyncio.AbstractEventLoop | None:
        """The loop that lives between cells; None when there is none, or it was closed."""
        loop = self._loop
        return None if loop is None or loop.is_closed() else loop

    def close(self) -> None:
        """Cancels what still runs, gives it a moment, closes the loop.

        Called inside a stoppable region and returns inside one.
        """
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        _mend(loop, None)
        try:
            asyncio.set_event_loop(loop)
            self._end_tasks(loop)
            ending = loop.create_task(loop.shutdown_asyncgens())
            self._run_for(loop, ending, CLOSE_SECONDS)
            self._native.stoppable(True)
            _drop(asyncio.all_tasks(loop))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def _end_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            ending = asyncio.gather(*tasks, return_exceptions=True)
            self._run_for(loop, ending, CLOSE_SECONDS)

    def _ready_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None and loop.is_closed():
            self._notices.append(
                "the session's event loop had been closed; tasks and connections that belonged "
                "to it are gone, and a new loop was made."
            )
            loop = None
        if loop is None:
            loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop

    def _after_failure(
        self,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[Any],
        failure: BaseException | None,
    ) -> BaseException | None:
        """Brings the cell's task to an end; returns what left the cell, seen from its code.

        When the stop landed in the loop itself, the place where the task was waiting is what the
        user wants to see: the CancelledError that ends the task went through exactly there.
        """
        ended = task.done() and not task.cancelled()
        if failure is not None and ended and task.exception() is failure:
            return _seen_from_cell(failure)
        if not task.done():
            _successors.get(task, task).cancel()
            try:
                self._run_for(loop, task, DRAIN_SECONDS)
            except BaseException as error:
                _mend(loop, error)
        if not task.done():
            self._notices.append(
                "the cell's task did not end when it was cancelled; it goes on whenever a later "
                "cell awaits."
            )
            return failure
        try:
            task.result()
        except asyncio.CancelledError as cancelled:
            if isinstance(failure, (KeyboardInterrupt, OSError)):
                place = KeyboardInterrupt()
                # Up to 3.10 the exception that went through the code is the context of another.
                origin = cancelled.__context__
                if not isinstance(origin, asyncio.CancelledError) or sys.version_info >= (3, 11):
                    origin = cancelled
                place.__traceback__ = origin.__traceback__
                return place
        except BaseException as other:
            if failure is not None and failure is not other:
                failure.__context__ = other
        return failure

    def _run_for(
        self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], seconds: float
    ) -> None:
        """Runs the loop until `future` is done, or the time is over; closes the region."""
        timer = loop.call_later(seconds, loop.stop)
        future.add_done_callback(_stop_loop)
        stoppable = self._native.stoppable
        try:
            stoppable(True)
            loop.run_forever()
        finally:
            stoppable(False)
            timer.cancel()


def _task(
    loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context
) -> asyncio.Task[Any]:
    if sys.version_info >= (3, 11):
        return loop.create_task(coroutine, context=context)
    return context.run(loop.create_task, coroutine)


async def _drive(codes: Codes, namespace: dict[str, Any]) -> Any:
    """The cell's task: the statements, then the last expression."""
    value = None
    for code in codes:
        if code is not None:
            value = eval(code, namespace)
            if code.co_flags & CO_COROUTINE:
                value = await value
    return value


def _stop_loop(future: asyncio.Future[Any]) -> None:
    future.get_loop().stop()


def _adopt(context: contextvars.Context) -> None:
    """Context variables that the cell set are visible in the next one, as after plain code."""
    current = contextvars.copy_context()
    missing = object()
    for variable, value in context.items():
        if current.get(variable, missing) is not value:
            variable.set(value)


def _seen_from_cell(failure: BaseException) -> BaseException:
    """The exception without the loop's own frames before the cell's code."""
    trace = failure.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is _drive.__code__:
            failure.__traceback__ = trace.tb_next
            break
        trace = trace.tb_next
    return failure


def _mend(loop: Any, failure: BaseException | None) -> None:
    """Makes a loop whose run_forever() was left by an exception fit to run again.

    The attributes are private to asyncio and the same from 3.10 to 3.14; other loops lack them.
    """
    asyncio._set_running_loop(None)
    if getattr(loop, "_thread_id", None) is not None:
        loop._thread_id = None
    if getattr(loop, "_stopping", False):
        loop._stopping = False
    sys.set_asyncgen_hooks(None, None)
    if failure is not None and hasattr(loop, "_ready"):
        _requeue(loop, failure.__traceback__)
        for task in asyncio.all_tasks(loop):
            if _is_stranded(task, loop):
                _revive(task, loop)


def _requeue(loop: Any, trace: TracebackType | None) -> None:
    """Puts back the end of a sleep that was off the queue, but perhaps not run, at the stop.

    Tasks are looked at by _is_stranded; other callbacks can't be told to have run, and are left.
    """
    handle = None
    while trace is not None:
        if trace.tb_frame.f_code is _run_once_code:
            handle = trace.tb_frame.f_locals.get("handle")
        trace = trace.tb_next
    if handle is None or getattr(handle, "_callback", None) is not _wake_sleeper:
        return
    if handle not in loop._ready and not handle._args[0].done():
        loop._ready.appendleft(handle)


def _is_stranded(task: Any, loop: Any) -> bool:
    """Whether the task waits for nothing, and yet nothing will ever run its next step."""
    waiter = task._fut_waiter
    if task.done() or (waiter is not None and not waiter.done()):
        return False
    return not any([getattr(h._callback, "__self__", None) is task for h in loop._ready])


def _revive(task: Any, loop: Any) -> None:
    """Goes on with a stranded task's coroutine in another task, whose end becomes the task's."""
    coroutine = task.get_coro()
    if coroutine is None or coroutine.cr_running:
        return
    successor = loop.create_task(coroutine)
    _successors[task] = successor

    def pass_on(done: asyncio.Task[Any]) -> None:
        if task.done():
            return
        # Task forbids set_result() and set_exception(); what it inherits from Future does it.
        try:
            asyncio.Future.set_result(task, done.result())
        except BaseException as error:
            asyncio.Future.set_exception(task, error)

    successor.add_done_callback(pass_on)


def _drop(tasks: set[asyncio.Task[Any]]) -> None:
    """Ends what ignored its cancellation, while the names it uses are still there."""
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        coroutine = task.get_coro()
        if coroutine is not None:
            try:
                coroutine.close()
            except BaseException:
                pass
