"""A worker: one session in a process forked from the zygote, from its first line to its end.

The hot path is _serve → Session.run → Wire.write; everything a cell doesn't need before its answer
is done after it. What runs here shares the process with user code, which may do anything to it:
builtins are bound, and what goes wrong all the same ends in an answer or in the process's end,
never in a wrong frame.
"""

from __future__ import annotations

import _signal as signal  # the module signal takes 2 ms, for its enumerations
import atexit
import faulthandler
import fcntl
import mmap
import os
import resource
import sys
from _socket import socket
from builtins import (
    BaseException,
    MemoryError,
    OSError,
    SystemExit,
    bytes,
    dict,
    frozenset,
    getattr,
    int,
    list,
    max,
    min,
    str,
    tuple,
    type,
)

from mcp_runtime import figures
from mcp_runtime.session import Session
from mcp_runtime.worker import limits, linux, long_calls, packages, place, replies
from mcp_runtime.worker.checkpoints import Checkpoints
from mcp_runtime.worker.copies import Copier
from mcp_runtime.worker.outputs import REOPENED, Outputs
from mcp_runtime.worker.stops import WorkerNative
from mcp_runtime.worker.usage import Usage
from mcp_runtime.worker.wire import Wire, WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# Descriptors of ours lie from here on, or as high as the limit allows: out of the way of code that
# counts on low numbers.
_HIGH = 1000
# How long finalisers and exit handlers may take when the server has closed the wire.
_CLOSE_SECONDS = 0.5
_PAGE_BYTES = 4096
# The exit code of a worker that can't talk to the server any more: EX_PROTOCOL. Tells a closed
# descriptor from the code's own exits.
_WIRE_LOST = 76

_exit = os._exit
_close = os.close
_DAMAGED = (
    "The cell ran, but its outcome could not be told: it changed modules or classes that the "
    "session's runtime is made of. Reset the session, and leave mcp_runtime and the standard "
    "library's functions as they are."
)
_NO_MEMORY = (
    "The cell ran, but no memory was left to tell its outcome. The session is intact: delete what "
    "you don't need, or open a session with more memory."
)


def live(order: dict[str, Any]) -> NoReturn:
    """Becomes the session that `order` describes; called once, in a process just forked."""
    try:
        worker = _begin(order)
    except BaseException as error:
        text = (
            f"The worker of session {order.get('name')!r} could not begin: "
            f"{type(error).__name__}: {error}. Check its folder, its limits and its packages.\n"
        )
        os.write(2, text.encode("utf-8", "replace"))
        _exit(1)
    worker.run()


def _begin(order: dict[str, Any]) -> Worker:
    stand_alone(order["zygote"])
    wire, crash, outputs, page, calls = _take_descriptors(order["descriptors"])
    native = WorkerNative(page, calls)
    native.install()
    long_calls.ask(native)
    wanted = order.get("limits") or {}
    limits.apply(limits.enter_groups(order))
    kept = limits.Limits(native, wanted)
    faulthandler.enable(file=crash, all_threads=True)
    place.enter(order)
    return Worker(order, native, kept, wire, crash, outputs)


def stand_alone(zygote: int) -> None:
    """Leads a process session, has its descendants to itself, and ends with the zygote."""
    linux.end_with_parent(zygote)
    linux.adopt_orphans()
    if os.getsid(0) != os.getpid():  # a spare has done it
        os.setsid()


def _take_descriptors(
    given: list[int],
) -> tuple[socket, int, Outputs, mmap.mmap, tuple[int, int]]:
    """Puts the pipes at 1 and 2, ours out of the way, and closes all others."""
    wire, out, err, page, crash, calls, answers = given
    os.dup2(out, 1)
    os.dup2(err, 2)
    # The object has a duplicate of the descriptor, which is closed below behind its back: it must
    # never be closed itself, for it would close whatever has got the number since.
    shared = mmap.mmap(page, _PAGE_BYTES, mmap.MAP_SHARED, mmap.PROT_READ)
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest = max(3, min(_HIGH, highest - 10)) if highest != resource.RLIM_INFINITY else _HIGH
    ours = (wire, crash, out, err, calls, answers)
    kept = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, lowest) for number in ours]
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number not in kept:
            try:
                _close(number)
            except OSError:  # the listing's own, closed already
                pass
    outputs = Outputs(kept[2], kept[3])
    return socket(fileno=kept[0]), kept[1], outputs, shared, (kept[4], kept[5])


class Worker:
    """The session, its wire, and the loop between them."""

    def __init__(
        self,
        order: dict[str, Any],
        native: WorkerNative,
        kept: limits.Limits,
        wire: socket,
        crash: int,
        outputs: Outputs,
    ) -> None:
        self._in_room = bool(order.get("room"))
        self._native = native
        self._limits = kept
        self._socket = wire
        self._wire = Wire(wire)
        self._outputs = outputs
        self._ours = (wire.fileno(), crash, *outputs.kept, *native.call_pipes)
        self._usage = Usage()
        self._forked = False
        # Given up when there is no memory for an answer; pages that nobody touches cost nothing.
        self._spare = [bytes(1 << 20)]
        self._session = Session(native, order["name"])
        self._session.preloaded = frozenset(sys.modules)
        self._session.saved_tools = bool(order.get("saved_tools"))
        self._checkpoints = Checkpoints(self._session, self._leave_to_child)
        self._copier = Copier(
            self._session, native, self._wire, outputs, self._usage, self._ours, order["zygote"]
        )
        native.notices = self._session.notices
        figures.watch(self._session)
        os.register_at_fork(after_in_child=self._leave_to_child)

    def run(self) -> NoReturn:
        """Serves the wire until it ends."""
        self._wire.write('{"op":"ready"}')
        while True:
            try:
                self._serve()
            except (OSError, WireError):  # without the wire there is nothing left to do
                _exit(_WIRE_LOST)
            except BaseException:  # a handler of the user's raised between two cells
                if self._forked:
                    _exit(1)
                self._native.mend()

    def _serve(self) -> None:
        read = self._wire.read
        mend = self._native.mend
        mend_outputs = self._outputs.mend
        checkpoints = self._checkpoints
        while True:
            frame = read()
            if frame is None:
                self._close()
            header, body = frame
            if checkpoints.child:
                checkpoints.reap()
            operation = header["op"]
            if operation == "run" and "limits" not in header:
                self._cell(self._session.run, str(body, "utf-8"), header["cell"])
            else:
                self._seldom(operation, header, body)
            mend()
            if mend_outputs():
                self._session.notices.append(REOPENED)

    def _cell(self, run: Any, *arguments: Any) -> None:
        """Runs user code and answers; the cell's number is the last argument."""
        number = arguments[-1]
        usage = self._usage
        usage.begin()
        self._native.begin(number)
        try:
            outcome = run(*arguments)
        except BaseException:
            # Session.run never raises, unless the cell damaged what it is made of.
            outcome = (1, None, ("RuntimeError", _DAMAGED, ""), None)
        if self._forked:
            self._end_child(outcome)
        self._native.end()
        try:
            if outcome[0] == 1:
                outcome = self._limits.explained(outcome)
            replies.done(self._wire, number, outcome, usage.plain(), usage.memory())
            if not self._spare:
                self._take_spare()
        except MemoryError:
            self._spare.clear()
            outcome = (1, None, ("MemoryError", _NO_MEMORY, f"MemoryError: {_NO_MEMORY}\n"), None)
            replies.done(self._wire, number, outcome, usage.plain(), None)

    def _take_spare(self) -> None:
        """Again, when there is so much memory that the next cell has enough without it."""
        try:
            bytes(4 << 20)
            self._spare.append(bytes(1 << 20))
        except MemoryError:
            pass

    def _seldom(self, operation: str, header: dict[str, Any], body: bytes) -> None:
        text = str(body, "utf-8")
        if operation == "run":
            self._limits.begin_cell(header["limits"])
            try:
                self._cell(self._session.run, text, header["cell"])
            finally:
                self._limits.end_cell()
        elif operation in ("snapshot", "restore", "ask"):
            if self._in_room:
                from mcp_runtime import snapshot_file

                snapshot_file.share()
            self._cell(getattr(self._session, operation), text, header["cell"])
        elif operation == "checkpoint":
            self._checkpoints.begin(text, header["limit"], header["seconds"])
        elif operation == "fork":
            self._copier.fork(header, self._checkpoints.child)
        elif operation == "names":
            replies.names(self._wire, header["ticket"], self._names())
        elif operation == "packages":
            self._session.notices += packages.change(header["sites"])
            if header["root"]:
                packages.enter(header["root"])
        else:
            raise WireError(f"the operation {operation!r} is not known")

    def _names(self) -> list[tuple[str, str, str, str]]:
        try:
            return self._session.names()
        except BaseException:  # as _DAMAGED says
            return []

    def _close(self) -> NoReturn:
        """The server is done with the session: files are flushed, finalisers run, within bounds.

        What the session started ends with this process; the zygote sees to that.
        """
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
        signal.setitimer(signal.ITIMER_REAL, _CLOSE_SECONDS)
        try:
            self._session.close()
            atexit._run_exitfuncs()
        except BaseException:
            pass
        _exit(0)

    # --- children of user code, made with os.fork() ---

    def _leave_to_child(self) -> None:
        """In the child: nothing of ours is the child's, unless it is the worker's copy."""
        if self._copier.forking:
            return
        self._forked = True
        try:
            self._native.leave()
            self._native.leave_calls()
            faulthandler.disable()
        except BaseException:
            pass
        self._socket.detach()
        for descriptor in self._ours:
            try:
                _close(descriptor)
            except OSError:
                pass

    def _end_child(self, outcome: Any) -> NoReturn:
        """A child that came to its end of the cell ends as a script would."""
        status = 0
        failure = getattr(sys, "last_value", None) if outcome[0] else None
        if type(failure) is SystemExit:
            code = failure.code
            status = code if type(code) is int else 0 if code is None else 1
        elif outcome[0]:
            status = 1
            os.write(2, outcome[2][2].encode("utf-8", "replace"))
        try:
            atexit._run_exitfuncs()
        except BaseException:
            pass
        _exit(status & 0xFF)
