"""What a copy of a worker must not share with the worker it was forked from.

After a fork both have every open descriptor, and what lies behind it: a byte that one reads from a
socket is lost to the other, a pipe has no end as long as the other keeps it, a file has one
position for both. The worker looks at its descriptors before the fork, while positions are those of
the moment; the copy replaces them after it, under the same numbers, so that objects that hold them
go on working or fail with an error of their own:

- files are opened again, at the same position;
- sockets become sockets without a connection;
- pipes become other pipes: one whose two ends the session has works, with nothing in it; any other
  has lost its other end;
- epoll and eventfd objects become new ones.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import stat
import sys
from builtins import (
    AttributeError,
    BaseException,
    OSError,
    bool,
    dict,
    getattr,
    int,
    len,
    list,
    set,
    str,
    tuple,
    type,
)

from mcp_runtime.worker import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Identity = tuple[int, int]
    # Number, what fstat() says, position.
    Found = list[tuple[int, os.stat_result, int]]

# Of each kind, and characters of each: the answer is for people.
_NAMED = 20
_CHARACTERS = 120
_REOPEN_WITHOUT = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_NOFOLLOW


def descriptors(ours: tuple[int, ...]) -> Found:
    """The open descriptors but those; in the worker, right before the fork."""
    found: Found = []
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number in ours:
            continue
        try:
            status = os.fstat(number)
            position = os.lseek(number, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else 0
        except OSError:  # the listing's own
            continue
        found.append((number, status, position))
    return found


def identity(number: int) -> Identity:
    """Tells two descriptors of one pipe or file. Raises OSError when it isn't open."""
    status = os.fstat(number)
    return status.st_dev, status.st_ino


def running(ours: int) -> list[str]:
    """Threads and children, which no copy has, but for the child of that id; in the worker, right
    before the fork."""
    left = _threads()
    children = [pid for pid in linux.children() if pid != ours]
    for pid in children[:_NAMED]:
        left.append(f"child process {pid}{_command(pid)}")
    if len(children) > _NAMED:
        left.append(f"{len(children) - _NAMED} more child processes")
    return left


def _threads() -> list[str]:
    threading = sys.modules.get("threading")
    if threading is None:
        return []
    try:
        main = threading.main_thread()
        others = [str(each.name) for each in threading.enumerate() if each is not main]
    except BaseException:  # user code replaces what it likes
        return []
    left = [f"thread '{name[:_CHARACTERS]}'" for name in others[:_NAMED]]
    if len(others) > _NAMED:
        left.append(f"{len(others) - _NAMED} more threads")
    if others:
        left.append("what those threads had locked stays locked")
    return left


def _command(pid: int) -> str:
    try:
        descriptor = os.open(f"/proc/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return " (" + os.read(descriptor, 64).decode("utf-8", "replace").strip() + ")"
    finally:
        os.close(descriptor)


def replace(found: Found, outputs: dict[Identity, int], unnamed: set[int]) -> list[str]:
    """In the copy. `outputs` tells which pipes were the worker's own, and what is in their place.
    Returns what was not carried, for people, those with `unnamed` numbers left out."""
    left: list[str] = []
    pipes: dict[Identity, tuple[int, int]] = {}
    for number, status, position in found:
        try:
            told = _replace_one(number, status, position, outputs, pipes)
        except OSError as error:
            told = f"descriptor {number} ({error.strerror})"
        if told is not None and number not in unnamed:
            left.append(told)
    for ends in pipes.values():
        os.close(ends[0])
        os.close(ends[1])
    if len(left) > _NAMED:
        left[_NAMED:] = [f"{len(left) - _NAMED} more descriptors"]
    return left


def _replace_one(
    number: int,
    status: os.stat_result,
    position: int,
    outputs: dict[Identity, int],
    pipes: dict[Identity, tuple[int, int]],
) -> str | None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return _reopen(number, position)
    if stat.S_ISSOCK(mode):
        return _disconnect(number)
    if stat.S_ISFIFO(mode):
        key = (status.st_dev, status.st_ino)
        if key in outputs:
            _put(outputs[key], number)
            return None
        if key not in pipes:
            pipes[key] = os.pipe()
        writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        _put(pipes[key][1 if writes else 0], number)
        return None if number in (0, 1, 2) else f"pipe at descriptor {number}"
    if stat.S_IFMT(mode) == 0:
        return _renew_anonymous(number)
    return None


def _reopen(number: int, position: int) -> str | None:
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    path = os.readlink(f"/proc/self/fd/{number}")[-_CHARACTERS:]
    try:
        own = os.open(f"/proc/self/fd/{number}", (flags & ~_REOPEN_WITHOUT) | os.O_CLOEXEC)
    except OSError:  # it may not be opened any more
        return f"the position in file {path}, which both have in common"
    os.lseek(own, position, os.SEEK_SET)
    _put(own, number)
    os.close(own)
    if flags & os.O_ACCMODE == os.O_RDONLY:
        return None
    return f"file {path} on its own: both write to it"


def listening(found: Found) -> dict[int, bool]:
    """The sockets among the descriptors, and whether they wait for connections."""
    sockets: dict[int, bool] = {}
    for number, status, _ in found:
        if stat.S_ISSOCK(status.st_mode):
            each = _socket.socket(fileno=os.dup(number))
            sockets[number] = each.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN) != 0
            each.close()
    return sockets


def _disconnect(number: int) -> str:
    old = _socket.socket(fileno=os.dup(number))
    text = f"socket at descriptor {number}{_peer(old)}"
    new = _socket.socket(old.family, old.type, old.proto)
    old.close()
    _put(new.fileno(), number)
    new.close()
    return text


def _peer(connected: Any) -> str:
    try:
        peer = connected.getpeername()
    except OSError:
        return ""
    if type(peer) is tuple and len(peer) > 1:
        return f" (to {peer[0]}:{peer[1]})"
    return f" (to {peer})"[:_CHARACTERS] if type(peer) is str and peer else ""


def _renew_anonymous(number: int) -> str | None:
    kind = os.readlink(f"/proc/self/fd/{number}").removeprefix("anon_inode:")
    if kind == "[eventpoll]":
        new = select.epoll()
        _put(new.fileno(), number)
        new.close()
        return None
    if kind == "[eventfd]":
        own = os.eventfd(0)
        _put(own, number)
        os.close(own)
        return None
    return f"descriptor {number} {kind}, which both have in common"


def _put(descriptor: int, number: int) -> None:
    """A copy of a descriptor at another number, which keeps its flags."""
    inheritable = os.get_inheritable(number)
    blocking = os.get_blocking(number)
    os.dup2(descriptor, number, inheritable)
    if not blocking:
        os.set_blocking(number, False)


def forget_children() -> None:
    """In the copy: the standard library's own lists of children, which are the worker's."""
    process = sys.modules.get("multiprocessing.process")
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    try:
        if process is not None:
            process._children.clear()
        if tracker is not None:
            tracker._resource_tracker._fd = tracker._resource_tracker._pid = None
    except AttributeError:  # of another version
        pass


def renew_loop(loop: Any, sockets: dict[int, bool]) -> bool:
    """Makes the session's asyncio loop work in the copy, with its tasks; False when it can't.

    The descriptors of its selector and of the pair of sockets that wakes it have been replaced, and
    so have the `sockets`, of which it is told whether they listened.
    """
    selector: Any = getattr(loop, "_selector", None)
    epoll = getattr(selector, "_selector", None)
    wakes, waker = getattr(loop, "_ssock", None), getattr(loop, "_csock", None)
    if type(epoll) is not select.epoll or wakes is None or waker is None:
        return False
    pair = _socket.socketpair()
    for new, old in ((pair[0], wakes), (pair[1], waker)):
        _put(new.fileno(), old.fileno())
        os.set_blocking(old.fileno(), False)
        new.close()
    ours = (wakes.fileno(), waker.fileno())
    for key in list(selector.get_map().values()):
        if key.fd in sockets and key.fd not in ours:
            _give_up(loop, selector, key, sockets[key.fd])
            continue
        events = select.EPOLLIN if key.events & 1 else 0
        events |= select.EPOLLOUT if key.events & 2 else 0
        try:
            epoll.register(key.fd, events)
        except OSError:  # closed behind the loop's back
            pass
    loop._default_executor = None  # its threads are the worker's
    return True


def _give_up(loop: Any, selector: Any, key: Any, listens: bool) -> None:
    """Whoever waits on that socket is called once, and finds that it is not connected. One that
    listens is just not asked any more: what accepts would go on for ever."""
    selector.unregister(key.fd)
    if not listens:
        for handle in key.data:
            if handle is not None and not handle._cancelled:
                loop._ready.append(handle)


def own_descriptors(loop: Any) -> set[int]:
    """Those of the loop itself: nothing that anybody would miss."""
    found: list[int] = []
    for name in ("_ssock", "_csock", "_selector"):
        try:
            found.append(getattr(loop, name).fileno())
        except BaseException:
            pass
    return set(found)
