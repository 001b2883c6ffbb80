# What every probe has at hand inside of its session. Run there as the session's first cell, with W,
# what is known of the outside, in front of it. Standard library only: it is the room's own Python.

import ctypes
import errno
import glob
import mmap
import os
import platform
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

got = []
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
MAX_SHOWN = 20

# How a call is refused. What else comes back (an error about arguments, say) means that the kernel would have done it.
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}

# Of x86_64 and of the generic table (aarch64); None: there is none.
NUMBERS = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "chroot": (161, 51),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435),
    "delete_module": (176, 106), "fanotify_init": (300, 262), "finit_module": (313, 273), "fsmount": (432, 432),
    "fsopen": (430, 430), "fspick": (433, 433), "init_module": (175, 105), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "io_uring_setup": (425, 425), "ioperm": (173, None), "iopl": (172, None),
    "ioprio_set": (251, 30), "kcmp": (312, 272), "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "migrate_pages": (256, 238), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429), "move_pages": (279, 239),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "open_tree": (428, 428), "perf_event_open": (298, 241),
    "personality": (135, 92), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41), "prlimit64": (302, 261), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "reboot": (169, 142), "request_key": (249, 218), "rt_sigqueueinfo": (129, 138),
    "sched_setaffinity": (203, 122), "setdomainname": (171, 162), "sethostname": (170, 161), "setns": (308, 268), "setpriority": (141, 140),
    "settimeofday": (164, 170), "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "tgkill": (234, 131),
    "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282), "vhangup": (153, 58),
}


class NoWalls(Exception):
    """This code would do harm to the machine here."""


def reached(what, value=""):
    """Something that must not be possible was."""
    if len(got) < MAX_SHOWN:
        got.append(f"{what}: {value!r}"[:400])


def attempt(what, function, *arguments):
    """Calls it; that it does not fail is what must not be. Returns what it returned."""
    try:
        value = function(*arguments)
    except Exception:
        return None
    reached(what, value)
    return value


def quietly(function, *arguments):
    """Calls it, and it may fail."""
    try:
        return function(*arguments)
    except Exception:
        return None


def system_call(name, *arguments):
    """(result, errno) of a system call; errno ENOSYS where there is none of that name."""
    number = NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    if number is None:
        return -1, errno.ENOSYS
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return result, ctypes.get_errno() if result == -1 else 0


def refused(name, *arguments, also=()):
    """The kernel must refuse this call with one of REFUSED or `also`."""
    result, number = system_call(name, *arguments)
    if result != -1 or number not in REFUSED.union(also):
        shown = ", ".join(str(a) if isinstance(a, int) else "…" for a in arguments)
        reached(f"{name}({shown})", result if result != -1 else errno.errorcode.get(number, number))
    return result


def walled():
    """Whether this process sees other processes than those outside do."""
    try:
        return os.readlink("/proc/self/ns/pid") != W["pid_namespace"]
    except OSError:
        return True


def need_walls():
    """Ends the code where it could do harm: in namespaces of the machine's."""
    shared = [name for name in ("pid", "mnt", "net", "ipc", "uts") if quietly(os.readlink, "/proc/self/ns/" + name) in W["namespaces"]]
    if shared:
        reached("no walls", f"the machine's own namespaces: {shared}; nothing else was tried")
        raise NoWalls("the code would do harm here")


def text_of(path, size=4096):
    with open(path, "rb") as file:
        return file.read(size)


def put(path, text):
    """Writes to a file that is there, at once, so that a refusal is heard."""
    handle = os.open(path, os.O_WRONLY)
    try:
        return os.write(handle, text if isinstance(text, bytes) else text.encode())
    finally:
        os.close(handle)


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def identity(path):
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def marks_in(data):
    """Whether any canary's mark is in these bytes. The mark is put together here, for the code is text, too."""
    return (W["mark"][0] + W["mark"][1]).encode() in data


def descriptors():
    """(number, where it leads) of our own."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        target = quietly(os.readlink, f"/proc/self/fd/{name}")
        if target is not None:
            found.append((int(name), target))
    return found


def wires():
    """Our ends of what the server holds the other end of: stream sockets that no probe has made."""
    return [number for number, target in descriptors() if target.startswith("socket:")]


def forge(header, body=b"", lengths=None):
    """Writes a frame to the server, as if it came from the runtime. `header` is text or bytes."""
    data = header if isinstance(header, bytes) else header.encode()
    frame = struct.pack("<II", *(lengths or (len(data), len(body)))) + data + body
    for number in wires():
        view = memoryview(frame)
        try:
            while view:
                view = view[os.write(number, view):]
        except OSError:
            pass


def say_hello(family, address, kind=socket.SOCK_STREAM, what=None):
    """Connects and tells who it was: the other end must never hear of it."""
    with socket.socket(family, kind) as each:
        each.settimeout(2)
        each.connect(address)
        reached(what or f"connected to {address!r}")
        each.send(f"case {W['case']}".encode())


def child(function, *arguments):
    """Runs it in a child, so that what it does to its process stays there; its `got` comes back."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        before = len(got)
        try:
            function(*arguments)
        except BaseException as error:
            if not isinstance(error, Exception):
                os._exit(1)
        os.write(writer, repr(got[before:]).encode())
        os._exit(0)
    os.close(writer)
    told = b""
    while piece := os.read(reader, 65536):
        told += piece
    os.close(reader)
    os.waitpid(pid, 0)
    if told:
        got.extend(eval(told, {}))
    return pid


def machine_code(code, *arguments):
    """Calls machine code (x86-64), and returns what it leaves in eax."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    at = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_long] * len(arguments))(at)(*arguments)
