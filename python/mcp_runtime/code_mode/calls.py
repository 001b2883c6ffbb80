"""A call that was sent: what code awaits, or waits for.

Everything of the package that asks the server goes through here: `ask` waits, `start` gives a Call.
A Call is on its way from the moment it is made, so that several of them run at a time without a
task for each. It counts as a coroutine: asyncio.gather(), create_task(), wait_for() and TaskGroup
take it. Awaiting it again gives the same outcome again.
"""

from __future__ import annotations

import sys
from _collections_abc import Coroutine
from builtins import (
    AttributeError,
    BaseException,
    RuntimeWarning,
    TypeError,
    bool,
    float,
    getattr,
    int,
    isinstance,
    property,
    str,
    type,
)

from mcp_runtime.code_mode import channel as _channel
from mcp_runtime.code_mode.errors import MCPError, as_mcp_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, NoReturn

    Convert = Callable[[Any], Any]

CallError = _channel.CallError

_NOT_YET = (
    "This is the call of {0}, not its value: calls are sent at once and answered later. Write "
    "`await {0}(…)`, or take .result() where nothing can be awaited."
)


def attach(native: Any, thread: int) -> None:
    """What asks is the channel of the session that this native and this thread belong to."""
    _channel.attach(native, thread)


def ask(op: str, /, **fields: Any) -> Any:
    """Asks the server and waits for the value. Raises MCPError."""
    try:
        return _channel.channel().request(op, **fields)
    except CallError as error:
        raise as_mcp_error(error, fields.get("server"), fields.get("tool")) from None


def start(name: str, op: str, convert: Convert | None = None, /, **fields: Any) -> Call:
    """Sends a request; `name` is what code calls it, and `convert` makes of its value what the
    call's is. What can't be sent is raised where the call is awaited."""
    call = Call(name, convert, fields.get("server"), fields.get("tool"))
    try:
        call._pending = _channel.channel().submit(op, **fields)
    except CallError as error:
        call._error = as_mcp_error(error, call._server, call._tool)
    return call


def failed(name: str, error: MCPError) -> Call:
    """A call that was not sent, for the reason that awaiting it tells."""
    call = Call(name, None, error.server, error.tool)
    call._error = error
    return call


class Call(Coroutine):  # type: ignore[type-arg]
    """A call that was sent. `await` it, or take .result() of it where nothing can be awaited."""

    __slots__ = (
        "__weakref__",
        "_convert",
        "_driver",
        "_error",
        "_finished",
        "_looked_at",
        "_name",
        "_pending",
        "_server",
        "_tool",
        "_value",
    )

    def __init__(
        self, name: str, convert: Convert | None, server: str | None, tool: str | None
    ) -> None:
        self._name = name
        self._convert = convert
        self._server = server
        self._tool = tool
        self._pending: Any = None
        self._error: MCPError | None = None
        self._value: Any = None
        self._finished = False
        self._looked_at = False
        self._driver: Any = None

    # --- for whoever made it ---

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the answer and returns its value; for code that can't await.

        Raises MCPError, and TimeoutError when it has not come after `timeout` seconds: the call
        goes on then. In a coroutine it would hold up all others: await the call there."""
        self._looked_at = True
        if not self._finished and self._error is None:
            try:
                value = self._pending.result(timeout)
            except CallError as error:
                self._fail(error)
            else:
                self._finish(value)
        return self._outcome()

    def done(self) -> bool:
        """Whether the answer has come."""
        return self._finished or self._error is not None or bool(self._pending.done())

    def cancel(self) -> bool:
        """Tells the server that the answer is not wanted. False: it is there already."""
        self._looked_at = True
        return self._pending is not None and bool(self._pending.cancel())

    # --- for await and asyncio ---

    def __await__(self) -> Generator[Any, None, Any]:
        self._looked_at = True
        if not self._finished and self._error is None:
            try:
                value = yield from self._pending.__await__()
            except CallError as error:
                self._fail(error)
            else:
                self._finish(value)
        return self._outcome()

    def send(self, value: Any) -> Any:
        """One step, as of a coroutine."""
        driver = self._driver
        if driver is None:
            driver = self._driver = self.__await__()
        try:
            return driver.send(value)
        except BaseException:
            self._driver = None
            raise

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """Raises an exception where the call waits, as of a coroutine."""
        self._looked_at = True
        driver = self._driver
        if (
            driver is None
        ):  # nobody has awaited it yet: a task that was cancelled before its first step
            self.cancel()
            driver = self.__await__()
        error = value if value is not None else kind() if isinstance(kind, type) else kind
        if trace is not None:
            error = error.with_traceback(trace)
        try:
            return driver.throw(error)
        except BaseException:
            self._driver = None
            raise

    def close(self) -> None:
        """Ends the waiting, and the call with it, as of a coroutine."""
        self._looked_at = True
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()
        self.cancel()

    @property
    def cr_running(self) -> bool:
        """Whether it is in the middle of a step (asyncio's tools ask for it)."""
        return bool(getattr(self._driver, "gi_running", False))

    # --- what happens when await was forgotten ---

    def __repr__(self) -> str:
        if self.done():
            return f"<the call of {self._name}, answered: await it for its value>"
        return f"<the call of {self._name}, on its way: await it for its value>"

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":
            raise AttributeError(name)
        self._looked_at = True
        raise AttributeError(f"{_NOT_YET.format(self._name)} (It has no attribute {name!r}.)")

    def _not_yet(self, *_: Any) -> NoReturn:
        self._looked_at = True
        raise TypeError(_NOT_YET.format(self._name))

    __getitem__ = __iter__ = __len__ = __contains__ = _not_yet

    def __bool__(self) -> bool:
        """asyncio asks tasks for it; so it can't be among the mistakes that are told."""
        return True

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"the call of {self._name} belongs to its process; await it, and keep its value"
        )

    def __del__(self) -> None:
        try:
            if self._looked_at or sys.is_finalizing():
                return
            import warnings

            warnings.warn(
                f"the call of {self._name} was sent, but nobody awaited it: write "
                f"`await {self._name}(…)`",
                RuntimeWarning,
                stacklevel=2,
            )
        except BaseException:  # of a session that ends, or whose modules were changed
            pass

    # --- its outcome ---

    def _finish(self, value: Any) -> None:
        if not self._finished:
            self._value = value if self._convert is None else self._convert(value)
            self._finished = True

    def _fail(self, error: Any) -> None:
        self._error = as_mcp_error(error, self._server, self._tool)

    def _outcome(self) -> Any:
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._value
