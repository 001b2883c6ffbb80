"""How a worker makes a live copy of itself, between two cells: a worker like any other.

The zygote is to be the parent of all workers, the copy's too. The kernel can fork such a sibling
(linux.fork_sibling), but libc can't, which would have to take its locks when other threads run. So
with threads fork() is called twice, for a process gets another parent only when its own has ended:
the worker forks a *midwife*, which forks the copy and ends. The worker, which adopts its orphans at
other times, doesn't do so meanwhile; what else becomes an orphan in these few milliseconds is ended
by the zygote as it ends what dead workers leave behind. The server has told the zygote to expect a
copy, and tells it afterwards which child that is.

What Python does around a fork (hooks, locks) is done around a sibling's as well. Of the two forks
the first one is Python's own, and the second one libc's, so that it is done once. Nobody runs a cell
meanwhile; the copy goes on where the worker is, reading its wire, under the same number.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import time
import warnings
from builtins import (
    BaseException,
    ChildProcessError,
    OSError,
    RuntimeError,
    bool,
    dict,
    getattr,
    int,
    len,
    list,
    str,
    tuple,
    type,
)

from mcp_runtime.worker import belongings, limits, linux
from mcp_runtime.worker.folders import take_folder
from mcp_runtime.worker.quick_json import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.session import Session
    from mcp_runtime.worker.outputs import Outputs
    from mcp_runtime.worker.stops import WorkerNative
    from mcp_runtime.worker.usage import Usage
    from mcp_runtime.worker.wire import Wire

_DESCRIPTORS = 7
_PAGE_BYTES = 4096
# The midwife ends at once; it takes longer where the machine is busy.
_PARENT_SECONDS = 20.0
_MAXIMUM_LEFT = 60
# Pages of before. Never closed: their descriptors were, behind their backs, and are others' by now.
_pages: list[mmap.mmap] = []


class Copier:
    """The parts of a worker that its copy gets anew. One a worker, also in the copy."""

    def __init__(
        self,
        session: Session,
        native: WorkerNative,
        wire: Wire,
        outputs: Outputs,
        usage: Usage,
        ours: tuple[int, ...],
        zygote: int,
    ) -> None:
        self._session = session
        self._native = native
        self._wire = wire
        self._outputs = outputs
        self._usage = usage
        # Wire, crash file, copies of the pipes for 1 and 2, the two pipes of the calls channel.
        self._ours = ours
        self._zygote = zygote
        self.forking = False  # the fork that happens now is ours, not user code's

    def fork(self, order: dict[str, Any], child: int) -> None:
        """Follows a fork order. Returns in the worker, and in the copy, which has said ready.
        `child`: one of the worker's that is none of the session's; 0: none."""
        self._wire.write('{"op":"forking"}')
        given = self._wire.receive_descriptors(_DESCRIPTORS)
        try:
            birth = _Birth(self._ours + tuple(given), self._session, child)
            self.forking = True
            pid = birth.fork(order)
        except BaseException as error:  # hooks of the user's may raise anything
            _close(given)
            self._refuse(error)
            return
        finally:
            self.forking = False
        if pid == 0:
            self._begin(order, given, birth)
            return
        _close(given)
        self._wire.write(f'{{"op":"forked","pid":{pid}}}')

    def _refuse(self, error: BaseException) -> None:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        self._wire.write(encode({"op": "fork_failed", "error": str(why)[:1000]}))

    # --- in the copy ---

    def _begin(self, order: dict[str, Any], given: list[int], birth: _Birth) -> None:
        try:
            left = self._become(order, given, birth)
        except BaseException as error:
            text = (
                f"The copy for session {order.get('name')!r} could not begin: "
                f"{type(error).__name__}: {error}.\n"
            )
            os.write(2, text.encode("utf-8", "replace"))
            os._exit(1)
        if len(left) > _MAXIMUM_LEFT:
            left[_MAXIMUM_LEFT:] = [f"{len(left) - _MAXIMUM_LEFT} more things"]
        self._wire.write(encode({"op": "ready", "left": left}))
        _wait_for_parent(birth.midwife, self._zygote)

    def _become(self, order: dict[str, Any], given: list[int], birth: _Birth) -> list[str]:
        wire, out, err, page, crash, calls, answers = given
        pipes = {belongings.identity(old): new for old, new in zip(self._ours[2:4], (out, err))}  # noqa: B905
        birth.look_at_sockets()
        left = birth.left + belongings.replace(birth.descriptors, pipes, birth.unnamed)
        for new, old in zip((wire, crash, out, err, calls, answers), self._ours):  # noqa: B905
            os.dup2(new, old, False)
        self._native.renew_calls()
        self._outputs.renew()
        _pages.append(self._native.move_to(_map(page)))
        _close(given)
        self._usage.renew()
        left += birth.mend()
        if os.getsid(0) != os.getpid():
            os.setsid()
        linux.adopt_orphans()
        if order.get("name"):
            self._session.name = order["name"]
        if order.get("folder"):
            left += take_folder(order["folder"])
        return left


class _Birth:
    """One fork: what the worker saw right before it, and what the copy mends right after it."""

    def __init__(self, ours: tuple[int, ...], session: Session, child: int) -> None:
        self._loop = None if session.loop is None else session.loop.current()
        self._random = _random_state()
        self._sockets: dict[int, bool] = {}
        self.midwife = 0
        self.left = belongings.running(child)
        self.unnamed = set() if self._loop is None else belongings.own_descriptors(self._loop)
        self.descriptors = belongings.descriptors(ours)

    def fork(self, order: dict[str, Any]) -> int:
        """The copy's id; 0 in the copy. Raises OSError when there is none."""
        if linux.threads() == 1 and linux.before_fork():
            pid = self._fork_sibling(order)
            if pid != -errno.ENOSYS:
                return _checked(pid)
        return self._fork_twice(order)

    def _fork_sibling(self, order: dict[str, Any]) -> int:
        """As linux.fork_sibling(), between before_fork() and after_fork()."""
        reader, writer = os.pipe()
        pid = linux.fork_sibling()
        if pid == 0:
            try:
                _stand_apart(order)
            finally:
                _close([reader, writer])
            linux.after_fork(True)
            return 0
        os.close(writer)
        if pid > 0:
            os.read(reader, 1)  # the end of it: the copy stands apart, whatever happens here
        os.close(reader)
        linux.after_fork(False)
        return pid

    def _fork_twice(self, order: dict[str, Any]) -> int:
        reader, writer = os.pipe()
        if not linux.adopt_orphans(False):
            _close([reader, writer])
            raise RuntimeError("this Python was built without ctypes, which forks of sessions need")
        try:
            pid = quiet_fork()
        except BaseException:
            linux.adopt_orphans()
            _close([reader, writer])
            raise
        if pid == 0:
            self.midwife = os.getpid()
            _deliver(order, writer)
            _close([reader, writer])
            return 0
        os.close(writer)
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:  # a handler or a thread of the user's did it
            pass
        linux.adopt_orphans()
        answer = os.read(reader, 32)  # not earlier: the midwife must not be held up
        os.close(reader)
        if not answer:
            raise OSError(errno.ECHILD, "the process that forks it has ended")
        return _checked(int(answer))

    def look_at_sockets(self) -> None:
        """In the copy, before they are replaced: which of them the event loop waits for."""
        if self._loop is not None:
            self._sockets = belongings.listening(self.descriptors)

    def mend(self) -> list[str]:
        """In the copy: what the standard library has of the worker. Returns what was lost."""
        belongings.forget_children()
        main = getattr(sys.modules.get("threading"), "main_thread", None)
        try:
            if main is not None:
                main()._set_native_id()
        except BaseException:
            pass
        _set_random_state(self._random)
        if self._loop is not None and not belongings.renew_loop(self._loop, self._sockets):
            return ["the event loop's connections: it is not asyncio's own"]
        return []


def _checked(pid: int) -> int:
    """A copy's id, 0 in the copy; raises OSError for an error's number, negative."""
    if pid < 0:
        raise OSError(-pid, os.strerror(-pid))
    return pid


def _stand_apart(order: dict[str, Any]) -> None:
    """Out of the worker's process group, which is killed when the worker dies, and of the control
    groups that count for it."""
    os.setsid()
    limits.enter_groups(order)


def _deliver(order: dict[str, Any], writer: int) -> None:
    """In the midwife: forks the copy, tells its id and ends. Returns in the copy."""
    pid = -1
    try:
        # Here already: the copy may come so far only when the worker has died, and the worker's own
        # groups count one process less.
        _stand_apart(order)
        pid = linux.plain_fork()  # of an error its number, negative
    finally:
        if pid != 0:
            try:
                os.write(writer, b"%d" % pid)
            finally:
                os._exit(0)


def quiet_fork() -> int:
    """os.fork() without its warning of threads: they end in the child, which is meant."""
    if not linux.threads() > 1:
        return os.fork()
    with warnings.catch_warnings():  # that threads run: that is told, and nothing to be done
        warnings.simplefilter("ignore")
        return os.fork()


def _random_state() -> Any:
    try:
        return sys.modules["random"]._inst.getstate()
    except BaseException:
        return None


def _set_random_state(state: Any) -> None:
    """The module seeds itself anew after a fork; a copy draws what the worker would have drawn."""
    try:
        if state is not None:
            sys.modules["random"]._inst.setstate(state)
    except BaseException:
        pass


def _map(page: int) -> mmap.mmap:
    number = os.dup(page)
    os.close(number)
    mapping = mmap.mmap(page, _PAGE_BYTES, mmap.MAP_SHARED, mmap.PROT_READ)
    # Its own duplicate got the number that was free; user code must not find it.
    _close([number])
    return mapping


def _wait_for_parent(midwife: int, zygote: int) -> None:
    """Until the copy is the zygote's child; then it ends with it."""
    deadline = time.monotonic() + _PARENT_SECONDS
    while os.getppid() == midwife and time.monotonic() < deadline:
        time.sleep(0.00005)
    linux.end_with_parent(zygote)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass
