"""The zygote: imports once what every session needs, and forks workers from itself.

Single-threaded and asleep in poll() unless a packet comes or a child ends. It runs no session
code; what it imports on request was first tried in a child (preload.py). Everything below it ends
with it: workers are its children, and what they leave behind becomes its children too.
"""

from __future__ import annotations

import _signal as signal  # the module signal takes 2 ms, for its enumerations
import gc
import importlib
import math
import os
import select
import sys
import time
from builtins import BlockingIOError, ImportError, OSError, bool, int, isinstance, len, max, min, print, str

from mcp_runtime import bundled
from mcp_runtime.worker import limits, linux, long_calls, rehearsal, usage
from mcp_runtime.worker.control import Control, ControlError, close_all
from mcp_runtime.worker.family import Family
from mcp_runtime.worker.spare import Spare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What sessions import sooner or later: shared by all workers when it is loaded before the fork.
# The first cell needs these, which do without re, enum, collections and what is made of them: that
# would be 15 ms more (tests/python/worker/test_first_imports.py),
_FIRST = (
    "mcp_runtime.session",
    "mcp_runtime.cell",
    "mcp_runtime.sources",
    "mcp_runtime.streams",
    "mcp_runtime.result_text",
    "mcp_runtime.worker.worker",
)
# and those take three times as long.
_LATER = (
    "mcp_runtime.failures",
    "mcp_runtime.errors",
    "mcp_runtime.hints",
    "mcp_runtime.inspect_names",
    "mcp_runtime.event_loop",
    "mcp_runtime.displays",
    "mcp_runtime.figures",
    "mcp_runtime.snapshot",
    "mcp_runtime.questions",
    "mcp_runtime.changes",
    "mcp_runtime.code_mode.names",
    "mcp_runtime.code_mode.runtime",
    "mcp_runtime.worker.preload",
    "asyncio",
    "json",
    "random",
)
_FORK_DESCRIPTORS = 7
# A spare is made when nothing was asked for in so long a time: the session that was opened last has
# its first cell behind it by then.
_SPARE_AFTER_SECONDS = 0.03


def serve(descriptor: int, parent: int, workspace: str = "") -> dict[str, Any]:
    """Serves the control socket, as long as the parent lives. Returns in forked workers only, with
    the order they follow. The server gets a descriptor of the directory `workspace`, if one is
    named: the folder of the one session that such a zygote is for, which the server can't reach by
    a path. If it is waited for already it shall not take long."""
    for name in _FIRST:
        importlib.import_module(name)
    linux.adopt_orphans()
    long_calls.install()
    if workspace:
        gc.freeze()
    else:
        load_the_rest()
    return Zygote(Control(descriptor), parent, is_for_one=bool(workspace)).serve(workspace)


def load_the_rest() -> None:
    for name in _LATER:
        importlib.import_module(name)
    try:
        bundled.cloudpickle()
    except ImportError as error:  # sessions that need it say the same
        print(f"zygote: {error}", file=sys.stderr)
    freeze()


def freeze() -> None:
    """Keeps the collector away from what exists: touching it would copy it in every worker."""
    usage.look_at_extensions()
    gc.collect()
    gc.freeze()


class Zygote:
    """Its control socket, its workers, and the loop."""

    def __init__(self, control: Control, parent: int, *, is_for_one: bool) -> None:
        self._is_for_one = is_for_one
        self._control = control
        self._parent = parent
        self._family = Family(self._tell_exit, control.has_packet)
        self._wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._waker = waker
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._spare: Spare | None = None
        self._spare_at = 0.0
        self._watch_children()

    def serve(self, workspace: str) -> dict[str, Any]:
        """Says hello, then follows orders until the control socket ends."""
        self._say_hello(workspace)
        self._want_spare()
        while True:
            ready = [number for number, _ in self._poll.poll(self._patience_ms())]
            self._reap()
            order = None
            if self._control.fileno() in ready:
                order = self._follow()
            elif self._spare is None and time.monotonic() >= self._spare_at:
                order = self._make_spare()
            if order is not None:
                return order

    def _say_hello(self, workspace: str) -> None:
        hello = {
            "op": "hello",
            "version": ".".join([str(part) for part in sys.version_info[:3]]),
            "pid": os.getpid(),
            "executable": sys.executable,
            "prefix": sys.prefix,
        }
        if not workspace:
            self._control.send(hello)
            return
        try:
            folder = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            sys.exit(
                f"the session's folder {workspace} can't be opened ({error.strerror}). The room it "
                "was started in has no such directory; the server's log has the command."
            )
        refused = self._control.send(hello, (folder,))
        if refused:
            sys.exit(
                f"the session's folder {workspace} could not be handed to the server ({refused}). "
                "The next call tries again; close sessions that hold many descriptors."
            )
        os.close(folder)
        limits.halve_open_files()

    def _patience_ms(self) -> int | None:
        """How long the loop may sleep."""
        patience = self._family.patience_ms()
        if self._spare is not None or self._spare_at == math.inf:
            return patience
        left = max(0, int((self._spare_at - time.monotonic()) * 1000) + 1)
        return left if patience is None else min(left, patience)

    def _follow(self) -> dict[str, Any] | None:
        """Reads one packet and does what it says; an order is returned in a new worker."""
        try:
            packet = self._control.receive()
        except ControlError as error:
            print(f"zygote: {error}", file=sys.stderr)
            return None
        if packet is None:
            self._family.end()
            os._exit(0)
        message, descriptors = packet
        operation = message.get("op")
        if operation == "fork":
            return self._fork(message, descriptors)
        close_all(descriptors)
        if operation == "preload":
            self._preload(message)
        elif operation == "expect":
            self._family.expect(message["id"])
        elif operation == "adopt":
            self._adopt(message)
        elif operation == "signal":
            self._family.signal(message["pid"], message["signal"])
        else:
            print(f"zygote: the operation {operation!r} is not known", file=sys.stderr)
        return None

    def _fork(self, order: dict[str, Any], descriptors: list[int]) -> dict[str, Any] | None:
        order["zygote"] = os.getpid()
        refusal = _refusal(order, descriptors)
        pid = 0
        if refusal is None:
            try:
                pid = self._hand_to_spare(order, descriptors) or os.fork()
            except OSError as error:
                refusal = (
                    f"no process could be made for the session ({error.strerror}). Close "
                    "sessions, or raise the limit on processes or memory."
                )
            else:
                if pid == 0:
                    self._leave_to_child()
                    order["descriptors"] = descriptors
                    return order
        close_all(descriptors)
        if refusal is not None:
            self._want_spare()
            failure = {"op": "fork_failed", "id": order.get("id"), "error": refusal}
            self._control.send(failure)
            return None
        self._family.add_worker(pid)
        self._want_spare()
        self._control.send({"op": "forked", "id": order.get("id"), "pid": pid})
        return None

    def _adopt(self, message: dict[str, Any]) -> None:
        """A worker has forked a copy of itself, or could not: then `pid` is 0."""
        number, pid = message["id"], message["pid"]
        if self._family.adopt(number, pid):
            self._control.send({"op": "forked", "id": number, "pid": pid})
        elif pid:
            error = "what its worker named as its copy is none"
            self._control.send({"op": "fork_failed", "id": number, "error": error})

    def _leave_to_child(self) -> None:
        """In a child: lets go of what is the zygote's alone."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.forget()

    # --- the spare ---

    def _want_spare(self) -> None:
        over = self._is_for_one and self._family.has_workers()
        self._spare_at = math.inf if over else time.monotonic() + _SPARE_AFTER_SECONDS

    def _make_spare(self) -> dict[str, Any] | None:
        """An order is returned in the spare, when it has got one."""
        if self._is_for_one:
            load_the_rest()
        try:
            spare = Spare()
        except OSError:  # a session that is asked for will say so
            self._spare_at = math.inf
            return None
        if spare.pid == 0:
            self._leave_to_child()
            return spare.wait_for_order()
        self._family.add_trial(spare.pid)
        self._spare = spare
        rehearsal.receive_and_send()
        return None

    def _hand_to_spare(self, order: dict[str, Any], descriptors: list[int]) -> int:
        """The id of the spare, which is a worker from now on; 0 when there was none."""
        spare, self._spare = self._spare, None
        return spare.pid if spare is not None and spare.hand_over(order, descriptors) else 0

    def _drop_spare(self) -> None:
        """It lacks what is about to be imported."""
        if self._spare is not None:
            self._spare.end()
            self._spare = None
        self._want_spare()

    # --- preloading ---

    def _preload(self, message: dict[str, Any]) -> None:
        from mcp_runtime.worker.preload import Preload

        preload = Preload(self._family, self._wait_in_trial, message.get("sites") or [])
        for name in message.get("modules") or []:
            preload.add(str(name))
        self._watch_children()  # whatever was imported
        freeze()
        self._drop_spare()
        self._control.send(
            {"op": "preloaded", "modules": preload.loaded, "refused": preload.refused}
        )

    def _wait_in_trial(self, descriptor: int, deadline: float) -> bool:
        """Until there is something to read; False when time is over. Workers' ends go on being
        reported, and the server's end is noticed."""
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.register(self._wake, select.POLLIN)
        waiting.register(self._control, select.POLLRDHUP)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            patience = self._family.patience_ms()
            left_ms = int(left * 1000) + 1
            ready = waiting.poll(left_ms if patience is None else min(left_ms, patience))
            self._reap()
            numbers = [number for number, _ in ready]
            if self._control.fileno() in numbers:
                self._family.end()
                os._exit(0)
            if descriptor in numbers:
                return True

    def _watch_children(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's; the server decides
        signal.signal(signal.SIGCHLD, _noticed)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def _reap(self) -> None:
        try:
            while len(os.read(self._wake, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        if os.getppid() != self._parent:
            self._family.end()
            os._exit(1)
        self._family.reap()

    def _tell_exit(self, pid: int, code: int | None, number: int | None) -> None:
        self._control.send({"op": "exited", "pid": pid, "code": code, "signal": number})


def _refusal(order: dict[str, Any], descriptors: list[int]) -> str | None:
    """Why no worker can be made, where that can be told before the fork."""
    if len(descriptors) != _FORK_DESCRIPTORS:
        return (
            f"{len(descriptors)} descriptors came with the order, not {_FORK_DESCRIPTORS}: the "
            "server or its limit on open files is at fault. Close sessions and try again."
        )
    directory = order.get("cwd")
    if not isinstance(directory, str) or not os.path.isdir(directory):
        return (
            f"the working directory {directory!r} does not exist or can't be reached. Name "
            "another, or make it first."
        )
    if not os.access(directory, os.X_OK):
        return f"the working directory {directory!r} may not be entered. Name another."
    return None


def _noticed(_number: int, _frame: object) -> None:
    """A child ended: the wake-up descriptor is what tells."""
