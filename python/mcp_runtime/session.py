"""A session: a namespace in which cells run one after the other, as at an interactive prompt.

The same class serves every isolation. Its owner (an interpreter's bootstrap, a worker's main loop)
creates it on the thread that runs the cells and makes every call there. Code that belongs to the
user runs only between native.stoppable(True) and native.stoppable(False); `run` never raises.

What makes run() quick: a cell that is one expression is compiled and evaluated with nothing else
imported; statements, awaits and errors pay for their own machinery when they first come up.

User code may overwrite any name in `builtins`, so every module here binds those it uses.
"""

from __future__ import annotations

import builtins
import sys
from _thread import get_ident
from builtins import (
    AttributeError,
    BaseException,
    Exception,
    IndentationError,
    SyntaxError,
    compile,
    delattr,
    dict,
    eval,
    frozenset,
    hasattr,
    list,
    object,
    reversed,
    str,
    tuple,
    type,
    zip,
)
from posix import environ as _environment  # the dictionary behind os.environ

from mcp_runtime.code_mode import hook as code_mode
from mcp_runtime.prompt_builtins import Display, Exit, Help, Input
from mcp_runtime.result_text import PLAIN_TYPES, has_rich_form, result_text
from mcp_runtime.sources import Sources, defines_something
from mcp_runtime.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any

    from mcp_runtime.displays import Shelf
    from mcp_runtime.errors import Description
    from mcp_runtime.event_loop import EventLoop
    from mcp_runtime.inspect_names import NameEntry
    from mcp_runtime.native_api import Native
    from mcp_runtime.snapshot_file import Writer

    # (status, result, error, notices) and, when the cell showed something, (mime, data) pairs.
    Shown = tuple[tuple[str, bytes | str], ...] | None
    Outcome = (
        tuple[int, str | None, Description | None, tuple[str, ...] | None]
        | tuple[int, str | None, Description | None, tuple[str, ...] | None, Shown]
    )
    Codes = tuple[CodeType | None, CodeType | None]

COMPLETED = 0
RAISED = 1
STOPPED = 2
NEEDS_WORKER = 3

PyCF_ALLOW_TOP_LEVEL_AWAIT = 0x2000
CO_COROUTINE = 0x80
# Every `from __future__ import …` flag of CPython 3.10 to 3.14 (CO_FUTURE_DIVISION … ANNOTATIONS).
FUTURE_FLAGS = 0x1FE0000

_Module = type(sys)
_modules = sys.modules
_RESULTS = ("_", "__", "___")
_MISSING = object()
_KEPT_FOR_FINALISERS = frozenset({type(result_text), type, _Module})


class NeedsWorker(Exception):
    """Raised by Session.look_ahead before anything of a cell has run; says why, for people."""


class Session:
    """One namespace and everything that lives between its cells."""

    def __init__(self, native: Native, name: str) -> None:
        self.name = name
        self.native = native
        self.thread = get_ident()
        self.main: ModuleType = _Module("__main__")
        self.namespace: dict[str, Any] = self.main.__dict__
        self.namespace["__builtins__"] = builtins
        self.sources = Sources()
        self.streams = Streams()
        self.loop: EventLoop | None = None
        self.notices: list[str] = []  # for the next answer
        # May raise NeedsWorker for a cell's code objects; None in a session that never moves.
        self.look_ahead: Callable[[Codes], None] | None = None
        self.confined: str | None = None  # the notice for code that is refused something
        self.shelf: Shelf | None = None  # made when something is shown
        self.displays: Shelf | None = None  # the same, while there may be something on it
        self.abandoned: Writer | None = None  # of a checkpoint that gave way
        self.loads_all_packages = False  # as a process of its own does
        self.preloaded: frozenset[str] = frozenset()  # modules somebody else had imported for it
        self.saved_tools = False  # functions kept by save_tool() are loaded at the first cell
        self.call_type: type | None = None  # code_mode.calls.Call, when that is loaded
        # What snapshots compare with, to tell what the session has changed.
        self.started_with = (list(sys.path), dict(_environment))
        self._stoppable = native.stoppable
        self._flags = PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._results: tuple[Any, Any, Any] = (_MISSING, _MISSING, _MISSING)
        _modules["__main__"] = self.main
        self.streams.install()
        _install_builtins(self)
        code_mode.install(self)

    def run(self, code: str, number: int) -> Outcome:
        """Runs one cell. Returns (status, result, error, notices[, displays]); never raises."""
        filename = f"<cell {number}>"
        stoppable = self._stoppable
        value: Any = None
        text: str | None = None
        shown: Shown = None
        failure: BaseException | None = None
        # stoppable(True) stands inside the try, and nothing between the end of the user's code
        # and stoppable(False) lets the interpreter raise a pending KeyboardInterrupt.
        try:
            try:
                stoppable(True)
                self._prepare(code, filename)
                value = self._evaluate(code, filename)
                if type(value) is self.call_type:
                    value = value.result()  # type: ignore[attr-defined]
                if value is not None:
                    self._remember(value)
                    text = result_text(value) if type(value) in PLAIN_TYPES else self._text(value)
                if self.displays is not None:
                    shown = self.displays.take(True)
            finally:
                stoppable(False)
        except BaseException as error:
            failure = error
        if failure is None and shown is None and not self.notices and self.streams.intact():
            return COMPLETED, text, None, None
        try:
            return self._finish(value, text, failure, shown)
        except BaseException as trouble:
            return _last_resort(failure, trouble)
        finally:
            del failure

    def snapshot(self, path: str, number: int) -> Outcome:
        """Writes the session's state to a file, for another session to restore().

        The result is a JSON summary; notices name what could not be saved. Never raises.
        """
        return self._carried("save", path)

    def restore(self, path: str, number: int) -> Outcome:
        """Takes over the state that another session has written; as snapshot()."""
        return self._carried("restore", path)

    def ask(self, question: str, number: int) -> Outcome:
        """Answers what the server wants to know of the session (questions.py); never raises.

        The question and the result are JSON. The notices stay for the next cell's answer.
        """
        text: str | None = None
        failure: BaseException | None = None
        try:
            try:
                self._stoppable(True)
                from mcp_runtime import questions

                text = questions.answer(self, question)
            finally:
                self._stoppable(False)
        except BaseException as error:
            failure = error
        if failure is None:
            return COMPLETED, text, None, None
        try:
            return self._finish(None, None, failure, None)
        except BaseException as trouble:
            return _last_resort(failure, trouble)
        finally:
            del failure

    def forget_abandoned(self) -> None:
        """Removes what a checkpoint that gave way has left; while nobody waits."""
        writer, self.abandoned = self.abandoned, None
        if writer is not None:
            writer.discard()

    def future_flags(self) -> int:
        """The `from __future__ import …` of earlier cells, as the compiler's flags."""
        return self._flags & FUTURE_FLAGS

    def adopt_future_flags(self, flags: int) -> None:
        """Those of the session whose state is restored."""
        self._flags |= flags & FUTURE_FLAGS

    def wait_for(self, code: CodeType) -> Any:
        """Runs an expression that awaits, in the session's event loop; returns its value."""
        return self._await((None, code))

    def results_shown(self) -> list[bool]:
        """Whether `_`, `__` and `___` are the last results and no names of the user's."""
        get = self.namespace.get
        return [get(name, _MISSING) is value for name, value in zip(_RESULTS, self._results)]  # noqa: B905

    def adopt_results(self, shown: list[bool]) -> None:
        """Takes the names that results_shown() told of for the last results."""
        get = self.namespace.get
        first, second, third = (
            get(name, _MISSING) if is_result else _MISSING
            for name, is_result in zip(_RESULTS, shown)  # noqa: B905
        )
        self._results = (first, second, third)

    def names(self) -> list[NameEntry]:
        """Describes the names of the namespace; runs no user code."""
        from mcp_runtime.inspect_names import describe_names

        namespace = self.namespace
        hidden = [
            name
            for name, value in zip(_RESULTS, self._results)  # noqa: B905
            if namespace.get(name, _MISSING) is value
        ]
        return describe_names(namespace, tuple(hidden))

    def close(self) -> list[str]:
        """Ends the session: its tasks, its namespace, its sources; afterwards it runs nothing.

        Finalisers of user objects run inside stoppable regions. Returns what did not go well.
        """
        loop, self.loop = self.loop, None
        if loop is not None:
            self._guarded(loop.close, "closing the event loop")
        channel = _modules.get("mcp_runtime.code_mode.channel")
        if channel is not None:
            self._guarded(channel.detach, "closing the channel to the server")
        if self.call_type is not None:
            self._guarded(code_mode.detach, "leaving the MCP servers")
        self._results = (_MISSING, _MISSING, _MISSING)
        self.forget_abandoned()
        self.shelf = self.displays = None
        self._guarded(_forget_last_error, "dropping the last error")
        self._guarded(self._clear_namespace, "clearing the namespace")
        self.namespace.clear()
        self.sources.clear()
        _modules["__main__"] = _Module("__main__")
        troubles, self.notices = self.notices, []
        return troubles

    def _carried(self, what: str, path: str) -> Outcome:
        text: str | None = None
        failure: BaseException | None = None
        try:
            _modules["__main__"] = self.main
            from mcp_runtime import snapshot

            carry = snapshot.save if what == "save" else snapshot.restore
            text, notices = carry(self, path)
            self.notices += notices
        except BaseException as error:
            failure = error
        try:
            return self._finish(None, text, failure, None)
        except BaseException as trouble:
            return _last_resort(failure, trouble)
        finally:
            del failure

    def _prepare(self, code: str, filename: str) -> None:
        """Undoes what earlier cells may have done to the surroundings of this one."""
        _modules["__main__"] = self.main
        # A warning is shown once for each line of a module; line 1 of this cell is another line.
        self.namespace.pop("__warningregistry__", None)
        self.sources.add(filename, code)
        if not self.streams.intact():
            self.notices += self.streams.mend()

    def _evaluate(self, code: str, filename: str) -> Any:
        """Compiles and executes; the value of the last expression, None without one."""
        body, last = codes = self._compiled(code, filename)
        look = self.look_ahead
        if look is not None and ("import" in code or "ProcessPool" in code):
            look(codes)
        if self.saved_tools:
            self.saved_tools = False
            code_mode.load_saved_tools(self)
        if (
            "mcp" in code
            or "asyncio" in code
            or "runtime" in code
            or "save_tool" in code
            or "MCP_S" in code
        ):
            code_mode.prepare(self, codes, code)
        flags = 0
        if body is not None:
            flags = body.co_flags
            self._flags |= flags & FUTURE_FLAGS
            if defines_something(body):
                self.sources.keep(filename)
        if last is not None:
            flags |= last.co_flags
            if defines_something(last):
                self.sources.keep(filename)
        if flags & CO_COROUTINE:
            return self._await(codes)
        if body is not None:
            eval(body, self.namespace)
        return None if last is None else eval(last, self.namespace)

    def _compiled(self, code: str, filename: str) -> Codes:
        """(what is executed, the last expression); either may be None."""
        flags = self._flags
        line = code[:-1] if code[-1:] == "\n" else code
        # One line without a semicolon is an expression, or has no value to show.
        if "\n" not in line and ";" not in line and "\\" not in line and "\r" not in line:
            try:
                return None, compile(line, filename, "eval", flags, True)
            except SyntaxError:
                pass
            try:
                return compile(line, filename, "exec", flags, True), None
            except IndentationError:
                pass
        from mcp_runtime import cell

        try:
            return cell.compile_statements(code, filename, flags)
        except IndentationError:
            dedented = cell.dedented(code)
            if dedented is None:
                raise
        self.sources.add(filename, dedented)
        return cell.compile_statements(dedented, filename, flags)

    def _await(self, codes: Codes) -> Any:
        loop = self.loop
        if loop is None:
            from mcp_runtime.event_loop import EventLoop

            loop = self.loop = EventLoop(self.native, self.notices)
        return loop.run(codes, self.namespace)

    def _remember(self, value: Any) -> None:
        """Binds _, __ and ___ to the last results, unless the user has names of that kind."""
        namespace = self.namespace
        first, second, third = self._results
        if "_" in namespace and namespace["_"] is not first:
            return
        self._results = (value, first, second)
        namespace["_"] = value
        if first is not _MISSING and namespace.get("__", _MISSING) is second:
            namespace["__"] = first
        if second is not _MISSING and namespace.get("___", _MISSING) is third:
            namespace["___"] = second

    def _text(self, value: Any) -> str:
        """The text of a result whose type may have a richer form, which goes to the displays."""
        if not has_rich_form(type(value)):
            return result_text(value)
        from mcp_runtime.displays import shelf_of

        shelf = shelf_of(self)
        text = shelf.text(value)
        shelf.show_result(value)
        return text

    def _finish(
        self, value: Any, text: str | None, failure: BaseException | None, shown: Shown
    ) -> Outcome:
        """Everything a cell that simply succeeded does without."""
        if type(failure) is NeedsWorker:
            return NEEDS_WORKER, str(failure), None, None
        if not self.streams.intact():
            self._guarded(self.streams.flush_foreign, "flushing sys.stdout or sys.stderr")
        status = COMPLETED
        error: Description | None = None
        if failure is not None:
            from mcp_runtime import failures

            if value is not None:
                self.notices.append(failures.repr_failed(value))
                text = None
            status, error = failures.report(self, failure)
            if self.displays is not None:
                shown = self._shown_before(status)
        notices = tuple(self.notices) or None
        self.notices.clear()
        if shown is None:
            return status, text, error, notices
        return status, text, error, notices, shown

    def _shown_before(self, status: int) -> Shown:
        """What a cell that failed had shown. One that was stopped renders no more figures."""
        shelf = self.displays
        if shelf is None:
            return None
        if status != STOPPED and shelf.figures is not None:
            self._guarded(shelf.figures.show_open, "showing the open figures")
        return shelf.take(False)

    def _clear_namespace(self) -> None:
        """Drops the newest objects first, and functions, classes and modules last: finalisers
        find what they use."""
        namespace = self.namespace
        for name in list(reversed(namespace)):
            if type(namespace.get(name)) not in _KEPT_FOR_FINALISERS:
                namespace.pop(name, None)
        for name in list(namespace):
            if name != "__builtins__":
                namespace.pop(name, None)

    def _guarded(self, action: Callable[[], object], what: str) -> None:
        """Does something that may run user code; a failure becomes a notice."""
        stoppable = self._stoppable
        try:
            try:
                stoppable(True)
                action()
            finally:
                stoppable(False)
        except BaseException as error:
            self.notices.append(f"{what} failed with {type(error).__name__}.")


def _install_builtins(session: Session) -> None:
    """exit, quit and help, which the module `site` would have brought, a notebook's display, and
    input, which asks the client."""
    builtins.display = Display(session)  # type: ignore[attr-defined]
    builtins.input = Input()
    builtins.exit = Exit("exit")  # type: ignore[assignment]
    builtins.quit = Exit("quit")  # type: ignore[assignment]
    if not hasattr(builtins, "help"):
        builtins.help = Help()  # type: ignore[assignment]


def _forget_last_error() -> None:
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        try:
            delattr(sys, name)
        except AttributeError:
            pass


def _last_resort(failure: BaseException | None, trouble: BaseException) -> Outcome:
    """An answer when user code has broken even what describes errors."""
    name = type(failure if failure is not None else trouble).__name__
    notice = (
        f"the runtime could not describe how the cell ended ({type(trouble).__name__}): the "
        "session's own Python environment was damaged. Reset the session."
    )
    return RAISED, None, (str(name), "", f"{name}\n"), (notice,)
