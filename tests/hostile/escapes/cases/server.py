"""The server itself: its memory, its descriptors, and what it shares with a worker."""

from __future__ import annotations

from tests.hostile.escapes.case import ANY, UNFILTERED, Case, Kind

MEMORY = """
server = W["server_pid"]
attempt("maps of the server", text_of, f"/proc/{server}/maps")
def read():
    start = int(text_of(f"/proc/{server}/maps").split(b"-")[0], 16)
    with open(f"/proc/{server}/mem", "rb", 0) as memory:
        memory.seek(start)
        return memory.read(16)
attempt("memory of the server", read)
room = ctypes.create_string_buffer(64)
vector = (ctypes.c_ulong * 2)(ctypes.addressof(room), 64)
for call in ("process_vm_readv", "process_vm_writev"):
    result, number = system_call(call, server, vector, 1, (ctypes.c_ulong * 2)(0x1000, 64), 1, 0)
    if result >= 0 or number == errno.EFAULT:  # it was allowed, and there was nothing at that address
        reached(call, number)
"""
ATTACH = """
SEIZE, ATTACH, DETACH = 0x4206, 16, 17
for pid in (W["server_pid"], W["canary_pid"]):
    if system_call("ptrace", SEIZE, pid, 0, 0)[0] == 0:
        reached(f"ptrace of {pid}")
        system_call("ptrace", DETACH, pid, 0, 0)
"""
FROM_OTHER_TABLES = """
for pid in (W["server_pid"], W["canary_pid"]):
    handle = system_call("pidfd_open", pid, 0)[0]
    if handle >= 0:
        reached(f"pidfd_open of {pid}")
        for number in range(32):
            if system_call("pidfd_getfd", handle, number, 0)[0] >= 0:
                reached(f"descriptor {number} of {pid}")
                break
    for name in quietly(os.listdir, f"/proc/{pid}/fd") or []:
        reached(f"descriptor {name} of {pid}", quietly(os.readlink, f"/proc/{pid}/fd/{name}"))
"""
# Of every process there is, whatever can be opened once more: no file or folder of the machine.
ANY_TABLE = """
need_walls()
own = {os.stat(path).st_dev for path in ("/", "/tmp", "/workspace", "/dev", "/dev/shm", "/proc", "/dev/null", "/dev/pts") if os.path.exists(path)}
for pid in pids():
    for name in quietly(os.listdir, f"/proc/{pid}/fd") or []:
        path = f"/proc/{pid}/fd/{name}"
        target = quietly(os.readlink, path) or ""
        status = quietly(os.stat, path)
        if status is None or target.startswith(("/memfd:", "/dev/null")):
            continue
        if stat.S_ISDIR(status.st_mode) and status.st_dev not in own:
            reached(f"a folder in the table of {pid}", target)
        if stat.S_ISREG(status.st_mode) and status.st_dev not in own and quietly(os.open, path, os.O_RDWR) is not None:
            reached(f"a file in the table of {pid}", target)
        if stat.S_ISBLK(status.st_mode) or (stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) not in (1, 5, 136)):
            reached(f"a device in the table of {pid}", target)
"""
# Folders that were open before the walls were there lead above them.
OPEN_FOLDERS = """
need_walls()
for number, target in descriptors():
    if not os.path.isdir(f"/proc/self/fd/{number}"):
        continue
    at = quietly(os.open, ".", os.O_RDONLY | os.O_DIRECTORY, 0o777) if number is None else quietly(lambda: os.open(".", os.O_RDONLY, dir_fd=number))
    for _ in range(30):
        if at is None:
            break
        status = os.fstat(at)
        if [status.st_dev, status.st_ino] in list(W["identities"].values()):
            reached(f"descriptor {number}, {target}, leads outside")
        at = quietly(lambda: os.open("..", os.O_RDONLY, dir_fd=at))
"""
# The server sends descriptors along when a worker asks for them as the runtime does.
DESCRIPTORS_FOR_THE_ASKING = """
import array
forge('{"op":"forking"}')
time.sleep(0.2)
for number in wires():
    each = socket.socket(fileno=os.dup(number))
    each.setblocking(False)
    room = socket.CMSG_SPACE(64)
    data, ancillary, flags, _ = quietly(each.recvmsg, 65536, room) or (b"", [], 0, None)
    for level, kind, content in ancillary:
        numbers = array.array("i", content)
        reached("descriptors came over the wire", [quietly(os.readlink, f"/proc/self/fd/{n}") for n in numbers])
"""
STOP_PAGE = """
import random
for line in open("/proc/self/maps"):
    if "pyember-stop" in line:
        start, end = (int(each, 16) for each in line.split()[0].split("-"))
        libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 3)
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 9)  # MADV_REMOVE: a hole in the file
        page = (ctypes.c_ubyte * (end - start)).from_address(start)
        while True:
            page[:] = random.randbytes(end - start)
"""
CRASH_FILE = """
import faulthandler
for number, target in descriptors():
    if target.startswith("/memfd:"):
        for size in (0, 1 << 40, 4096):
            quietly(os.ftruncate, number, size)
        for _ in range(64):
            quietly(os.pwrite, number, os.urandom(65536) + b"\\xff\\x1b[31m", 0)
            quietly(os.write, number, b"x" * 65536)
        libc.fallocate(number, 3, ctypes.c_long(0), ctypes.c_long(1 << 30))
os.abort()
"""
# What a debugger could do to the server is done by its parent's or its own group's signals otherwise.
PARENTS = """
for pid in {os.getppid(), os.getsid(0), os.getpgid(0)}:
    if pid in (W["server_pid"], W["test_pid"]):
        reached("the server is our parent, our session or our group", pid)
for pid in pids():
    command = quietly(text_of, f"/proc/{pid}/cmdline") or b""
    if b"serve" in command.split(b"\\0") and walled():
        reached(f"the server is process {pid} here", command)
"""

SERVER = Kind("the server", (
    Case("the server's memory", MEMORY, works_outside=True, needs=("SYS_PTRACE",)),
    Case("ptrace of the server", ATTACH, works_outside=True, needs=("SYS_PTRACE", UNFILTERED)),
    Case("descriptors of the server and of others", FROM_OTHER_TABLES, works_outside=True, needs=("SYS_PTRACE",)),
    Case("descriptors of every process in sight, opened again", ANY_TABLE, dangerous=True),
    Case("folders left open lead above the root", OPEN_FOLDERS, dangerous=True),
    Case("asking the server for descriptors", DESCRIPTORS_FOR_THE_ASKING, accept=ANY),
    Case("noise in the page that both map", STOP_PAGE, accept=ANY, timeout=1.0),
    Case("the file for crashes cut off, stretched and filled", CRASH_FILE, accept=ANY),
    Case("the server as a relative", PARENTS),
))
