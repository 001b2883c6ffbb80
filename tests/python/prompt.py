"""A session of mcp_runtime in pytest's own process.

A session takes over sys.stdout, sys.modules["__main__"] and a few builtins; a Prompt gives them
back, and points descriptors 1 and 2 at files meanwhile.
"""

from __future__ import annotations

import builtins
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from mcp_runtime.plain import PlainNative  # noqa: E402, F401
from mcp_runtime.session import COMPLETED, RAISED, STOPPED, Session  # noqa: E402


class Cell(NamedTuple):
    """What came of one cell."""

    status: int
    result: str | None
    error: tuple[str, str, str] | None
    notices: tuple[str, ...]
    out: str
    err: str
    displays: tuple[tuple[str, bytes | str], ...] = ()

    @property
    def type(self) -> str:
        assert self.error is not None, f"the cell did not fail: {self}"
        return self.error[0]

    @property
    def message(self) -> str:
        assert self.error is not None, f"the cell did not fail: {self}"
        return self.error[1]

    @property
    def traceback(self) -> str:
        assert self.error is not None, f"the cell did not fail: {self}"
        return self.error[2]


class Prompt:
    """A session, and the files behind its descriptors 1 and 2.

    It begins with the first cell, not in the fixture: pytest changes sys.stdout and descriptor 1
    between the two.
    """

    def __init__(self, native: Any, **names: Any) -> None:
        self.native = native
        self._names = names
        self.number = 0
        self._undo = ExitStack()
        self._session: Session | None = None
        self._files: tuple[Any, ...] = ()

    @property
    def session(self) -> Session:
        if self._session is None:
            self._files = tuple(self._redirected(descriptor) for descriptor in (1, 2))
            for holder, names in ((sys, _KEPT_SYS), (builtins, _KEPT_BUILTINS)):
                for name in names:
                    if hasattr(holder, name):
                        self._undo.callback(setattr, holder, name, getattr(holder, name))
            self._undo.callback(sys.modules.__setitem__, "__main__", sys.modules["__main__"])
            self._session = Session(self.native, "main")
            self._session.namespace.update(self._names)
            self._undo.callback(self._session.close)
        return self._session

    def end(self) -> None:
        """Closes the session and gives everything back."""
        self._undo.close()

    def _redirected(self, descriptor: int) -> Any:
        file = self._undo.enter_context(tempfile.TemporaryFile(buffering=0))
        kept = os.dup(descriptor)
        self._undo.callback(os.close, kept)
        self._undo.callback(os.dup2, kept, descriptor)
        os.dup2(file.fileno(), descriptor)
        return file

    def run(self, code: str) -> Cell:
        """Runs a cell, however it ends."""
        self.number += 1
        status, result, error, notices, *shown = self.session.run(code, self.number)
        assert result is None or type(result) is str
        assert error is None or (type(error) is tuple and all(type(e) is str for e in error))
        out, err = (self._taken(file) for file in self._files)
        return Cell(status, result, error, notices or (), out, err, *shown)

    def value(self, code: str) -> str | None:
        """The result of a cell that must complete."""
        cell = self.run(code)
        assert cell.status == COMPLETED, cell.error
        return cell.result

    def failure(self, code: str) -> Cell:
        """A cell that must raise."""
        cell = self.run(code)
        assert cell.status == RAISED, cell
        return cell

    def stopped(self, code: str) -> Cell:
        """A cell that must be stopped."""
        cell = self.run(code)
        assert cell.status == STOPPED, cell
        return cell

    @staticmethod
    def _taken(file: Any) -> str:
        file.seek(0)
        text = file.read().decode("utf-8")
        file.seek(0)
        file.truncate()
        return str(text)


_KEPT_SYS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_KEPT_BUILTINS = ("print", "exit", "quit", "help", "input")


