"""sys.stdin, sys.stdout and sys.stderr of a session.

Text goes to descriptors 1 and 2 at once, so that what print(), os.write(), C code and children
write arrives in the order in which it was written. Nothing is ever held back here.

Called by Session when it opens, and at the start of every cell.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
from builtins import (
    AttributeError,
    BlockingIOError,
    EOFError,
    ValueError,
    bool,
    bytes,
    float,
    frozenset,
    getattr,
    int,
    len,
    memoryview,
    property,
    setattr,
    str,
    super,
    type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# A longer line isn't copied to get its end attached.
WORTH_JOINING = 1 << 16

_write = os.write
_c_print = builtins.print
# Their str() runs no user code, so a line of them can be put together before it is written.
_PLAIN = frozenset({str, int, float, bool, type(None)})


class _Descriptor(io.FileIO):
    """A descriptor that takes everything given to it: a pipe may accept only a part at a time."""

    def write(self, data: Any, /) -> int:
        descriptor = self.fileno()
        view = memoryview(data).cast("B") if type(data) is not bytes else data
        size = len(view)
        written = 0
        while written < size:
            try:
                written += _write(descriptor, view[written:] if written else view)
            except BlockingIOError:
                _wait_until_writable(descriptor)
        return size

    @property
    def raw(self) -> _Descriptor:
        """For code that expects a buffered writer and looks below it."""
        return self


class SessionStream(io.TextIOWrapper):
    """sys.stdout or sys.stderr: every write reaches the descriptor before it returns."""

    def __init__(self, descriptor: int, name: str) -> None:
        raw = _Descriptor(descriptor, "wb", closefd=False)
        raw.name = name
        super().__init__(
            raw,
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            write_through=True,
        )

    @property
    def mode(self) -> str:
        """As open() would have set it."""
        return "w"

    def isatty(self) -> bool:
        """No terminal, whatever the descriptor is: nobody wants escape sequences in an answer."""
        return False

    def reconfigure(self, **options: Any) -> None:
        """As usual, except that nothing is ever held back."""
        options["write_through"] = True
        super().reconfigure(**options)


def _wait_until_writable(descriptor: int) -> None:
    """For a descriptor that somebody made non-blocking; the pipe is full just now."""
    import select

    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    waiting.poll()


_NO_INPUT = (
    "a session has no standard input: nobody is there to type while a cell runs. "
    "Pass the text as a value in the code instead."
)


class _NoInputBytes(io.RawIOBase):
    """sys.stdin.buffer."""

    name = "<stdin>"
    mode = "rb"

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def readinto(self, buffer: Any, /) -> NoReturn:
        raise EOFError(f"cannot read from sys.stdin.buffer: {_NO_INPUT}")

    def read(self, size: int = -1, /) -> NoReturn:
        raise EOFError(f"cannot read from sys.stdin.buffer: {_NO_INPUT}")

    readall = read
    read1 = read

    def readline(self, size: int | None = -1, /) -> NoReturn:
        raise EOFError(f"cannot read from sys.stdin.buffer: {_NO_INPUT}")


class NoInput(io.TextIOBase):
    """sys.stdin: whoever reads from it is told at once that there is nothing to wait for."""

    name = "<stdin>"
    mode = "r"
    encoding = "utf-8"
    errors = "strict"
    line_buffering = False

    def __init__(self) -> None:
        self.buffer = _NoInputBytes()

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 0

    def reconfigure(self, **options: object) -> None:
        """Accepted and ignored: there is no input to decode."""

    def read(self, size: int | None = -1, /) -> NoReturn:
        raise EOFError(f"cannot read from sys.stdin: {_NO_INPUT}")

    def readline(self, size: int = -1, /) -> NoReturn:  # type: ignore[override]
        caller = sys._getframe(1)
        asked = "read from sys.stdin" if "stdin" in caller.f_code.co_names else "wait for input()"
        raise EOFError(f"cannot {asked}: {_NO_INPUT}")

    def __next__(self) -> NoReturn:
        raise EOFError(f"cannot read from sys.stdin: {_NO_INPUT}")


def session_print(
    *values: object,
    sep: str | None = " ",
    end: str | None = "\n",
    file: Any = None,
    flush: bool = False,
) -> None:
    """print(), with the whole line in one write where that can't be told from the original.

    One system call in place of four, and lines of two threads don't mix.
    """
    if file is None:
        stream = sys.stdout
        if (
            type(stream) is SessionStream
            and (sep is None or type(sep) is str)
            and (end is None or type(end) is str)
        ):
            for value in values:
                if type(value) not in _PLAIN:
                    break
            else:
                line = (" " if sep is None else sep).join([str(value) for value in values])
                if end is None:
                    end = "\n"
                if len(line) < WORTH_JOINING:
                    stream.write(line + end)
                else:
                    stream.write(line)
                    stream.write(end)
                if flush:
                    stream.flush()
                return
    _c_print(*values, sep=sep, end=end, file=file, flush=flush)


session_print.__name__ = session_print.__qualname__ = "print"
session_print.__module__ = "builtins"
session_print.__doc__ = _c_print.__doc__


class Streams:
    """The three streams of one session."""

    def __init__(self) -> None:
        self.output = SessionStream(1, "<stdout>")
        self.error = SessionStream(2, "<stderr>")
        self.input = NoInput()
        self._told: object = None

    def install(self) -> None:
        """Makes them the interpreter's, also as sys.__stdout__ and so on."""
        sys.stdin = sys.__stdin__ = self.input  # type: ignore[misc, assignment]
        sys.stdout = sys.__stdout__ = self.output  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = self.error  # type: ignore[misc]
        builtins.print = session_print

    def intact(self) -> bool:
        """Whether user code has left sys.stdout and sys.stderr as they were; quick."""
        output = self.output
        error = self.error
        try:
            return (
                sys.stdout is output
                and sys.stderr is error
                and not output.closed
                and not error.closed
            )
        except (AttributeError, ValueError):
            return False  # deleted, or detached from its buffer

    def flush_foreign(self) -> None:
        """Flushes what user code put into the place of ours; it may hold output back."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name, None)
            if type(stream) is not SessionStream and not _is_unusable(stream):
                stream.flush()  # type: ignore[union-attr]

    def mend(self) -> list[str]:
        """Replaces streams that can't be written to, and says so.

        A stream that user code put there and that works stays, as at any prompt; the caller is
        told once where the output goes.
        """
        notices: list[str] = []
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            current = getattr(sys, name, None)
            mine = self.output if descriptor == 1 else self.error
            unusable = _is_unusable(current)
            if current is mine and not unusable:
                continue
            if unusable:
                mine = SessionStream(descriptor, f"<{name}>")
                if descriptor == 1:
                    self.output = mine
                else:
                    self.error = mine
                setattr(sys, name, mine)
                setattr(sys, f"__{name}__", mine)
                notices.append(f"sys.{name} was closed or missing; it has been opened again.")
            elif current is not self._told:
                self._told = current
                notices.append(
                    f"sys.{name} is an object that an earlier cell put there: what is printed "
                    f"goes to it, not into the answer. sys.{name} = sys.__{name}__ undoes it."
                )
        return notices


def _is_unusable(stream: Any) -> bool:
    """Whether nothing can be written to it; asked only of the standard library's own classes."""
    if stream is None:
        return True
    if type(stream) in (io.StringIO, io.TextIOWrapper, SessionStream):
        try:
            return bool(stream.closed)
        except ValueError:
            return True  # detached
    return False
