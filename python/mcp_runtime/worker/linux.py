"""What Linux offers and the standard library has no name for. Used by zygote and workers.

prctl() is reached through ctypes; a Python built without it does without: then what a worker
leaves behind outside its process group is not found, and the zygote's death is noticed late.
"""

from __future__ import annotations

import _signal as signal  # the module signal takes 2 ms, for its enumerations
import errno
import os
import sys
from builtins import OSError, bool, bytes, int, list, open

try:
    import ctypes

    _libc = ctypes.PyDLL(None, use_errno=True)  # keeps the GIL
    _fork = _libc.fork
    # What os.fork() does around the system call.
    _around_fork = (
        _libc.PyOS_BeforeFork,
        _libc.PyOS_AfterFork_Parent,
        _libc.PyOS_AfterFork_Child,
    )
    for _each in _around_fork:
        _each.restype = None
    _syscall = _libc.syscall
    _syscall.restype = ctypes.c_long
    _syscall.argtypes = [ctypes.c_long] + [ctypes.c_ulong] * 5
    _prctl = ctypes.CDLL(None, use_errno=True).prctl
    _prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
except (ImportError, OSError, AttributeError):
    _prctl = _fork = _around_fork = _syscall = None

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_TID_ADDRESS = 40
_CLONE_PARENT = 0x8000
_CLONE_CHILD_CLEARTID = 0x200000
_CLONE_CHILD_SETTID = 0x1000000
# The number of clone() and the place of its argument ctid, by machine: clone(2).
_CLONE = {"x86_64": (56, 3), "aarch64": (220, 4)}


def adopt_orphans(on: bool = True) -> bool:
    """From now on descendants whose parent ended become this process's children, or don't."""
    return _prctl is not None and _prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) == 0


def plain_fork() -> int:
    """fork() without what Python does around it: for a process that Python has just forked. An
    error's number, negative, when it fails."""
    if _fork is None:
        return -errno.ENOSYS
    pid: int = _fork()
    return pid if pid >= 0 else -ctypes.get_errno()


def fork_sibling() -> int:
    """fork() of a child whose parent is this process's own. Only where no other thread runs: nobody
    takes libc's locks for it. An error's number, negative, when it fails; ENOSYS where this is not
    known to work.

    What libc notes of its thread, the id, is written by the kernel as at libc's own fork.
    """
    number, place = _CLONE.get(os.uname().machine, (0, 0))
    if _syscall is None or not number:
        return -errno.ENOSYS
    noted = ctypes.c_ulong()
    if _prctl(_PR_GET_TID_ADDRESS, ctypes.addressof(noted), 0, 0, 0) != 0 or not noted.value:
        return -errno.ENOSYS
    flags = _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID | signal.SIGCHLD
    arguments = [int(flags), 0, 0, 0, 0]
    arguments[place] = noted.value
    pid: int = _syscall(number, *arguments)
    return pid if pid >= 0 else -ctypes.get_errno()


def end_with_parent(parent: int) -> None:
    """SIGKILL for this process when its parent ends; at once, when it has ended already."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def notice_parents_end() -> None:
    """SIGCHLD for this process when its parent ends, as for the end of a child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGCHLD, 0, 0, 0)


def children() -> list[int]:
    """The ids of this process's children, zombies included; of all of its threads."""
    found: list[int] = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children", "rb", buffering=0) as file:
                found += [int(pid) for pid in file.read().split()]
        except OSError:  # the thread has ended, or the kernel was built without this file
            pass
    return found


def load_filter(steps: bytes, count: int) -> bool:
    """Loads a seccomp program of so many steps, for good and for all children."""
    if _prctl is None:
        return False

    class Program(ctypes.Structure):
        _fields_ = (("count", ctypes.c_ushort), ("steps", ctypes.c_char_p))

    program = Program(count, steps)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    loaded: int = _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0)
    return loaded == 0


def before_fork() -> bool:
    """Begins what Python does around a fork; after_fork() must follow in both processes, and little
    between. False: this Python does not offer it."""
    if _around_fork is None:
        return False
    sys.audit("os.fork")
    _around_fork[0]()
    return True


def after_fork(in_child: bool) -> None:
    if _around_fork is not None:
        _around_fork[2 if in_child else 1]()


def threads() -> int:
    """How many threads this process has, those of C code included."""
    return os.stat("/proc/self/task").st_nlink - 2


def private_bytes() -> int | None:
    """Resident memory that this process shares with no other; None where it can't be told.

    Takes the kernel a walk over every page: up to a millisecond.
    """
    total = 0
    try:
        with open("/proc/self/smaps_rollup", "rb", buffering=0) as file:
            for line in file.read(8192).split(b"\n"):
                if line.startswith((b"Private_Clean:", b"Private_Dirty:")):
                    total += int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    return total


def mapped_bytes() -> int:
    """The size of this process's address space."""
    with open("/proc/self/statm", "rb", buffering=0) as file:
        pages: bytes = file.read(256).split()[0]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
