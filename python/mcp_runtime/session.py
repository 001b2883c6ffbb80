"""A session: a namespace in which cells run one after the other, as at an interactive prompt.

The same class serves every isolation. Its owner (an interpreter's bootstrap, a worker's main loop)
creates it on the thread that runs the cells and makes every call there. Code that belongs to the
user runs only between native.stoppable(True) and native.stoppable(False); `run` never raises.

What makes run() quick: a cell that is one expression is compiled and evaluated with nothing else
imported; statements, awaits and errors pay for their own machinery when they first come up.
"""

from __future__ import annotations

import builtins
import sys
from builtins import (
    BaseException,
    KeyboardInterrupt,
    OSError,
    SyntaxError,
    compile,
    eval,
    isinstance,
    tuple,
    type,
)

from mcp_runtime.result_text import result_text
from mcp_runtime.sources import Sources, defines_something
from mcp_runtime.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any

    from mcp_runtime.errors import Description
    from mcp_runtime.event_loop import EventLoop
    from mcp_runtime.inspect_names import NameEntry
    from mcp_runtime.native_api import Native

    Outcome = tuple[int, str | None, Description | None, tuple[str, ...] | None]

COMPLETED = 0
RAISED = 1
STOPPED = 2

PyCF_ALLOW_TOP_LEVEL_AWAIT = 0x2000
CO_COROUTINE = 0x80
ECANCELED = 125  # Linux; only there do waits fail with it (see the interposed libc calls)

_Module = type(sys)
_modules = sys.modules
_MISSING = builtins.object()


class Session:
    """One namespace and everything that lives between its cells."""

    def __init__(self, native: Native, name: str) -> None:
        self.name = name
        self.main: ModuleType = _Module("__main__")
        self.namespace: dict[str, Any] = self.main.__dict__
        self.namespace["__builtins__"] = builtins
        self.sources = Sources()
        self.streams = Streams()
        self.loop: EventLoop | None = None
        self.native = native
        self._stoppable = native.stoppable
        self._flags = PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._results: tuple[Any, Any, Any] = (_MISSING, _MISSING, _MISSING)
        self._notices: list[str] = []
        _modules["__main__"] = self.main
        self.streams.install()
        install_builtins()

    def run(self, code: str, number: int) -> Outcome:
        """Runs one cell. Returns (status, result, error, notices); never raises."""
        filename = f"<cell {number}>"
        namespace = self.namespace
        stoppable = self._stoppable
        text: str | None = None
        failure: BaseException | None = None
        _modules["__main__"] = self.main
        if not self.streams.intact():
            self._notices += self.streams.mend()
        # stoppable(True) stands inside the try, and nothing between the end of the user's code
        # and stoppable(False) lets the interpreter raise a pending KeyboardInterrupt.
        try:
            try:
                stoppable(True)
                self.sources.add(filename, code)
                value = self._evaluate(code, filename, namespace)
                if value is not None:
                    self._remember(value, namespace)
                    text = result_text(value)
            finally:
                stoppable(False)
        except BaseException as error:
            failure = error
        if failure is None and not self._notices and self.streams.intact():
            return COMPLETED, text, None, None
        try:
            return self._finish(text, failure, filename)
        finally:
            del failure

    def names(self) -> list[NameEntry]:
        """Describes the names of the namespace; runs no user code."""
        from mcp_runtime.inspect_names import describe_names

        return describe_names(self.namespace, hidden=self._shown_results())

    def close(self) -> list[str]:
        """Ends the session: its tasks, its namespace, its sources. Finalisers of user objects run
        inside stoppable regions; returns what did not go well, in words."""
        troubles: list[str] = []
        if self.loop is not None:
            loop, self.loop = self.loop, None
            self._guarded(loop.close, "closing the event loop", troubles)
        self._results = (_MISSING, _MISSING, _MISSING)
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            self._guarded(lambda name=name: sys.__dict__.pop(name, None), name, troubles)
        self._guarded(self.namespace.clear, "clearing the namespace", troubles)
        self.sources.clear()
        if _modules.get("__main__") is self.main:
            _modules["__main__"] = _Module("__main__")
        return troubles

    def _evaluate(self, code: str, filename: str, namespace: dict[str, Any]) -> Any:
        """Compiles and executes; the value of the last expression, None without one."""
        if "\n" not in code and "\\" not in code:
            last = self._compile_expression(code, filename)
            if last is not None:
                if defines_something(last):
                    self.sources.keep(filename)
                if last.co_flags & CO_COROUTINE:
                    return self._await((None, last), namespace)
                return eval(last, namespace)
        codes = self._compile_statements(code, filename)
        body, last = codes
        if body is not None:
            if defines_something(body):
                self.sources.keep(filename)
            if body.co_flags & CO_COROUTINE:
                return self._await(codes, namespace)
        if last is not None:
            if defines_something(last):
                self.sources.keep(filename)
            if last.co_flags & CO_COROUTINE:
                return self._await(codes, namespace)
        if body is not None:
            eval(body, namespace)
        return None if last is None else eval(last, namespace)

    def _compile_expression(self, code: str, filename: str) -> CodeType | None:
        try:
            return compile(code, filename, "eval", self._flags, True)
        except SyntaxError:
            return None

    def _compile_statements(
        self, code: str, filename: str
    ) -> tuple[CodeType | None, CodeType | None]:
        from mcp_runtime import cell

        try:
            codes = cell.compile_statements(code, filename, self._flags)
        except IndentationError:
            dedented = cell.dedented(code)
            if dedented is None:
                raise
            self.sources.add(filename, dedented)
            codes = cell.compile_statements(dedented, filename, self._flags)
        if codes[0] is not None:
            self._flags |= codes[0].co_flags & cell.FUTURE_FLAGS
        return codes

    def _await(
        self, codes: tuple[CodeType | None, CodeType | None], namespace: dict[str, Any]
    ) -> Any:
        loop = self.loop
        if loop is None:
            from mcp_runtime.event_loop import EventLoop

            loop = self.loop = EventLoop(self.native)
        return loop.run(codes, namespace)

    def _remember(self, value: Any, namespace: dict[str, Any]) -> None:
        """Binds _, __ and ___ to the last results, unless the user has names of that kind."""
        first, second, third = self._results
        if namespace.get("_", _MISSING) is not first and "_" in namespace:
            return
        self._results = (value, first, second)
        namespace["_"] = value
        if first is not _MISSING:
            if namespace.get("__", _MISSING) is second:
                namespace["__"] = first
            if second is not _MISSING and namespace.get("___", _MISSING) is third:
                namespace["___"] = second

    def _shown_results(self) -> tuple[str, ...]:
        namespace = self.namespace
        return tuple(
            [
                name
                for name, value in zip(("_", "__", "___"), self._results)
                if namespace.get(name, _MISSING) is value
            ]
        )

    def _finish(
        self, text: str | None, failure: BaseException | None, filename: str
    ) -> Outcome:
        """Everything a cell that simply succeeded does without."""
        troubles: list[str] = []
        if not self.streams.intact():
            self._guarded(_flush, "flushing sys.stdout", troubles)
        notices = self._notices
        self._notices = []
        if self.loop is not None:
            notices += self.loop.notices
            self.loop.notices = []
        status = COMPLETED
        error: Description | None = None
        if failure is not None:
            from mcp_runtime import failures

            status, error = failures.report(self, failure, filename)
        notices += troubles
        return status, text, error, tuple(notices) or None

    def _guarded(self, action: Any, what: str, troubles: list[str]) -> None:
        """Runs something that may run user code; a failure becomes words."""
        stoppable = self._stoppable
        try:
            try:
                stoppable(True)
                action()
            finally:
                stoppable(False)
        except BaseException as error:
            troubles.append(f"{what} failed with {type(error).__name__}.")


def install_builtins() -> None:
    """exit, quit and help, which the module `site` would have brought."""
    from mcp_runtime.prompt_builtins import Exit, Help

    builtins.exit = Exit("exit")  # type: ignore[assignment]
    builtins.quit = Exit("quit")  # type: ignore[assignment]
    if not hasattr(builtins, "help"):
        builtins.help = Help()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
