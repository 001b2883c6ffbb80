"""The event loop of a session, for cells with top-level await.

Owned by a Session, imported at the first await (asyncio costs a session about 10 MB). One loop
lives between cells and runs only while a cell awaits: tasks started in one cell go on during the
next awaiting one, and synchronous cells are free to call asyncio.run().

A stop lands as KeyboardInterrupt anywhere, also in the middle of the loop's own code. So after one
the loop's idea of "running" is repaired, the cell's task is cancelled, and the loop runs a moment
longer, so that `finally` blocks and cancellation handlers of the task get their turn.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from builtins import BaseException, KeyboardInterrupt, OSError, eval, getattr, isinstance, object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from mcp_runtime.native_api import Native

CO_COROUTINE = 0x80
# How long the task of a stopped cell may take over its clean-up.
DRAIN_SECONDS = 0.05
# How long all tasks together may take over theirs when the session closes.
CLOSE_SECONDS = 0.2


class EventLoop:
    """One asyncio loop and the way cells run in it."""

    def __init__(self, native: Native, notices: list[str]) -> None:
        self._native = native
        self._notices = notices
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, codes: tuple[CodeType | None, CodeType | None], namespace: dict[str, Any]) -> Any:
        """Runs a cell's code as a task; returns the value of its last expression.

        Called inside a stoppable region and returns (or raises) inside one.
        """
        loop = self._ready_loop()
        stoppable = self._native.stoppable
        context = contextvars.copy_context()
        task = self._start(loop, _drive(codes, namespace), context)
        task.add_done_callback(_stop_loop)
        failure: BaseException | None = None
        try:
            try:
                stoppable(True)
                while not task.done():
                    loop.run_forever()
            finally:
                stoppable(False)
        except BaseException as error:
            failure = error
        _adopt(context)
        if failure is not None or not task.done():
            self._recover(loop)
            failure = self._after_stop(loop, task, failure)
        stoppable(True)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure
        return task.result()

    def close(self) -> None:
        """Cancels what still runs, gives it a moment, closes the loop."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        self._recover(loop)
        asyncio.set_event_loop(loop)
        tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            ending = asyncio.gather(*tasks, return_exceptions=True)
            self._run_for(loop, ending, CLOSE_SECONDS)
        self._run_for(loop, loop.create_task(loop.shutdown_asyncgens()), CLOSE_SECONDS)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        asyncio.set_event_loop(None)
        loop.close()

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

    def _start(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context
    ) -> asyncio.Task[Any]:
        if sys.version_info >= (3, 11):
            return loop.create_task(coroutine, context=context)
        return context.run(loop.create_task, coroutine)

    def _after_stop(
        self,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[Any],
        failure: BaseException | None,
    ) -> BaseException | None:
        """Brings the cell's task to an end; returns what left the cell, seen from the user's code.

        When the stop landed in the loop itself, the place where the task was waiting is what the
        user wants to see: the CancelledError that ends the task went through exactly there.
        """
        if task.done() and not task.cancelled() and task.exception() is failure:
            return _seen_from_cell(failure)
        if not task.done():
            task.cancel()
            try:
                self._run_for(loop, task, DRAIN_SECONDS)
            except BaseException:
                self._recover(loop)
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
                place.__traceback__ = cancelled.__traceback__
                return place
        except BaseException as other:
            if failure is not None and failure is not other:
                failure.__context__ = other
        return failure

    def _run_for(
        self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], seconds: float
    ) -> None:
        """Runs the loop until `future` is done, or the time is over."""
        timer = loop.call_later(seconds, loop.stop)
        future.add_done_callback(_stop_loop)
        stoppable = self._native.stoppable
        try:
            stoppable(True)
            loop.run_forever()
        finally:
            stoppable(False)
            timer.cancel()

    def _recover(self, loop: Any) -> None:
        """A KeyboardInterrupt inside run_forever() can leave the loop marked as running."""
        asyncio._set_running_loop(None)
        if getattr(loop, "_thread_id", None) is not None:
            loop._thread_id = None
        if getattr(loop, "_stopping", False):
            loop._stopping = False
        sys.set_asyncgen_hooks(None, None)


async def _drive(
    codes: tuple[CodeType | None, CodeType | None], namespace: dict[str, Any]
) -> Any:
    """The cell's task: the statements, then the last expression."""
    value = None
    for code in codes:
        if code is not None:
            value = eval(code, namespace)
            if code.co_flags & CO_COROUTINE:
                value = await value
    return value


def _seen_from_cell(failure: BaseException | None) -> BaseException | None:
    """The exception without the loop's own frames before the cell's code."""
    if failure is None:
        return None
    trace = failure.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is _drive.__code__:
            failure.__traceback__ = trace.tb_next
            break
        trace = trace.tb_next
    return failure


def _stop_loop(future: asyncio.Future[Any]) -> None:
    future.get_loop().stop()


def _adopt(context: contextvars.Context) -> None:
    """Context variables that the cell set are visible in the next one, as after plain code."""
    current = contextvars.copy_context()
    missing = object()
    for variable, value in context.items():
        if current.get(variable, missing) is not value:
            variable.set(value)
