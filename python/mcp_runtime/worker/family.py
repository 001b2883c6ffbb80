"""The zygote's children: workers, trials, and what a dead worker left behind.

A worker leads a process session of its own and adopts its orphans while it lives. When it dies its
process group is killed before it is reaped (so that the group's number is still its own), and what
is left, in other groups or sessions, becomes a child of the zygote: any child that is neither a
worker nor a trial is such a stranger. A stranger's own children turn up when it is dead. The
worker's exit is told when no strangers are left.

The copy that a worker makes of itself becomes a child of the zygote before anybody can say which
one it is. The server says beforehand that a copy is expected, so no stranger is killed until it has
told its id, or that there is none. What the server has said lies in the control socket by then, but
perhaps nobody has read it: strangers live until that is done.
"""

from __future__ import annotations

import _signal as signal  # the module signal takes 2 ms, for its enumerations
import os
import select
import time
from builtins import ChildProcessError, OSError, bool, dict, int, len, list, max, set, tuple

from mcp_runtime.worker import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Exit = tuple[int, int | None, int | None]

# A process that the kernel doesn't let die (a dead network file system) holds up no report longer.
_STRANGERS_SECONDS = 1.0
_END_SECONDS = 5.0
_MAXIMUM_UNCLAIMED = 1000


class Family:
    """Reaps children; tells `on_exit` (pid, code, signal) of every worker that ended.

    `has_orders` says whether something of the server's waits to be read.
    """

    def __init__(
        self,
        on_exit: Callable[[int, int | None, int | None], None],
        has_orders: Callable[[], bool],
    ) -> None:
        self._on_exit = on_exit
        self._has_orders = has_orders
        self._expected: set[int] = set()  # copies, by their numbers
        self._unclaimed: dict[int, int] = {}  # strangers that ended while one was expected
        self._must_sweep = False
        self._workers: set[int] = set()
        self._trials: set[int] = set()
        self._ended: list[Exit] = []
        self._deadline = 0.0

    def add_worker(self, pid: int) -> None:
        """From now on its exit is told."""
        self._trials.discard(pid)
        self._workers.add(pid)

    def has_workers(self) -> bool:
        """Whether any lives, or is not reaped yet."""
        return len(self._workers) > 0

    def signal(self, pid: int, number: int) -> None:
        """For a server that is another user, or can't see our processes."""
        if pid in self._workers:
            os.kill(pid, number)

    def expect(self, number: int) -> None:
        """A worker is about to make a copy of itself."""
        self._expected.add(number)

    def adopt(self, number: int, pid: int) -> bool:
        """The expected copy is that child, a worker from now on; or there is none (0). Whether
        there is such a child: it may be over already, and its exit is told then."""
        self._expected.discard(number)
        self._must_sweep = True
        status = self._unclaimed.pop(pid, None)
        if not self._expected:
            self._unclaimed.clear()
        if status is not None:
            self._workers.add(pid)
            self._note_end(pid, status)
            return True
        if pid in self._workers or pid in self._trials or pid not in linux.children():
            return False
        self._workers.add(pid)
        return True

    def add_trial(self, pid: int) -> None:
        """A child that is no worker (yet), and none's leftover either."""
        self._trials.add(pid)

    def end_trial(self, pid: int) -> None:
        """Kills a trial, and what it started, if it isn't over."""
        if pid in self._trials:
            _kill_group(pid)

    def patience_ms(self) -> int | None:
        """How long the loop may sleep: for ever, unless reports wait for strangers to die."""
        if self._must_sweep and not self._expected:
            return 1
        if not self._ended:
            return None
        return max(0, int((self._deadline - time.monotonic()) * 1000) + 1)

    def reap(self) -> None:
        """Takes notice of all children that have ended, and of what they left behind."""
        died = self._must_sweep
        while True:
            pid = _ended_child()
            if pid is None:
                break
            died = True
            if pid in self._workers or pid in self._trials:
                _kill_group(pid)
            self._take(pid)
        if died or self._ended:
            self._sweep()

    def end(self) -> None:
        """Kills every worker and everything below; returns when they are gone."""
        for pid in self._workers | self._trials:
            _kill_group(pid)
        end_children(time.monotonic() + _END_SECONDS)

    def _take(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        self._trials.discard(pid)
        if pid in self._workers:
            self._note_end(pid, status)
        elif self._expected and len(self._unclaimed) < _MAXIMUM_UNCLAIMED:
            self._unclaimed[pid] = status

    def _note_end(self, pid: int, status: int) -> None:
        self._workers.discard(pid)
        if not self._ended:
            self._deadline = time.monotonic() + _STRANGERS_SECONDS
        if os.WIFSIGNALED(status):
            self._ended.append((pid, None, os.WTERMSIG(status)))
        else:
            self._ended.append((pid, os.WEXITSTATUS(status), None))

    def _sweep(self) -> None:
        strangers = [
            pid for pid in linux.children() if pid not in self._workers and pid not in self._trials
        ]
        # The list was made first: whoever was in it had been announced before.
        self._must_sweep = bool(strangers) and (bool(self._expected) or self._has_orders())
        for pid in () if self._must_sweep else strangers:
            try:
                leads = os.getpgid(pid) == pid
            except OSError:
                leads = False
            if leads:
                _kill_group(pid)
            _kill(pid)
        if self._ended and (not strangers or time.monotonic() >= self._deadline):
            ended, self._ended = self._ended, []
            for pid, code, number in ended:
                self._on_exit(pid, code, number)


def end_children(deadline: float) -> None:
    """Kills and reaps this process's children, and theirs as they become its own."""
    while time.monotonic() < deadline:
        for pid in linux.children():
            _kill(pid)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                select.select([], [], [], 0.001)  # killed, but not dead yet
        except ChildProcessError:
            return


def _ended_child() -> int | None:
    """A child that can be reaped, and is not yet: its id still belongs to it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:  # it has not become a group's leader yet, or nobody is left
        _kill(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
