"""Bombs: processes, threads, memory, disk, inodes, descriptors, CPU. Each ends itself far above the limit, so that a missing wall
shows as something reached and costs the machine nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile.escapes.case import ANY, STOPPED, Case, Kind
from tests.hostile.escapes.cases.others import neighbours_work_and_sessions_begin

if TYPE_CHECKING:
    from tests.hostile.escapes.battery import Attempt

FORKS = """
need_walls()
MOST = 400
children = []
try:
    while len(children) < MOST:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
            os._exit(0)
        children.append(pid)
    reached("processes", len(children))
except OSError:
    pass
for pid in children[-20:]:  # room for the session's own next cells
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""
EXPONENTIAL = """
need_walls()
marks = "/tmp/escape-forks"
os.makedirs(marks, exist_ok=True)
end = time.monotonic() + 3
def bomb():
    while time.monotonic() < end:
        try:
            pid = os.fork()
        except OSError:
            time.sleep(0.05)
            continue
        if pid == 0:
            open(f"{marks}/{os.getpid()}", "w").close()
bomb() if os.fork() == 0 else time.sleep(1)
alive = len(pids())
if alive > 400:
    reached("processes", alive)
"""
THREADS = """
need_walls()
gate = threading.Event()
made = []
try:
    for _ in range(1000):
        each = threading.Thread(target=gate.wait, daemon=True)
        each.start()
        made.append(each)
    reached("threads", len(made))
except RuntimeError:
    pass
gate.set()
"""
MEMORY = """
need_walls()
held = []
try:
    for n in range(300):
        held.append(bytearray(4 << 20))
        for at in range(0, 4 << 20, 4096):
            held[-1][at] = 1
    reached("MB of memory", len(held) * 4)
except MemoryError:
    pass
held.clear()
"""
# Each child stays below what a single process may have.
MEMORY_OF_CHILDREN = """
need_walls()
reader, writer = os.pipe()
children = []
for _ in range(10):
    pid = quietly(os.fork)
    if pid is None:
        break
    if pid == 0:
        try:
            held = bytearray(120 << 20)
            held[::4096] = b"x" * len(held[::4096])
            os.write(writer, b"x")
        except MemoryError:
            os._exit(1)
        time.sleep(600)
    children.append(pid)
os.close(writer)
time.sleep(2.5)
os.set_blocking(reader, False)
alive = 0
for pid in children:
    done, _ = os.waitpid(pid, os.WNOHANG)
    alive += done == 0 and b"State:\\tZ" not in text_of(f"/proc/{pid}/status")
told = len(quietly(os.read, reader, 100) or b"")
if min(told, alive) * 120 > 720:
    reached("MB of memory in children", told * 120)
for pid in children:
    quietly(os.kill, pid, signal.SIGKILL)
"""
MEMORY_WITHOUT_ADDRESSES = """
need_walls()
held = 0
files = []
piece = b"x" * (1 << 20)
try:
    while held < 1200:
        each = os.memfd_create("bomb")
        files.append(each)
        for _ in range(50):
            os.write(each, piece)
            held += 1
    reached("MB in memfd", held)
except (OSError, MemoryError):
    pass
"""
SYSTEM_V_MEMORY = """
need_walls()
held = 0
libc.shmat.restype = ctypes.c_void_p
for n in range(30):
    each = libc.shmget(0, ctypes.c_size_t(40 << 20), 0o1600)
    at = libc.shmat(each, None, 0) if each != -1 else None
    if at in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(at, 1, 40 << 20)
    libc.shmdt(ctypes.c_void_p(at))
    held += 40
if held > 720:
    reached("MB in System V segments", held)
"""
SOCKET_MEMORY = """
need_walls()
held = 0
pairs = []
piece = b"x" * 65536
try:
    while held < 1200 << 20 and len(pairs) < 20000:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        pairs.append((a, b))
        a.setblocking(False)
        b.setblocking(False)
        for each in (a, b):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
            try:
                while True:
                    held += each.send(piece)
            except BlockingIOError:
                pass
    if held > 720 << 20:
        reached("MB in sockets", held >> 20)
except (OSError, MemoryError):
    pass
"""
PIPE_MEMORY = """
need_walls()
import fcntl
held = 0
pipes = []
try:
    while held < 1200 << 20:
        reader, writer = os.pipe()
        pipes.append((reader, writer))
        for size in (1 << 20, 1 << 19, 1 << 18):
            if quietly(fcntl.fcntl, writer, 1031, size):
                break
        os.set_blocking(writer, False)
        try:
            while True:
                held += os.write(writer, b"x" * 65536)
        except BlockingIOError:
            pass
    if held > 720 << 20:
        reached("MB in pipes", held >> 20)
except (OSError, MemoryError):
    pass
"""
LOCKED_MEMORY = """
need_walls()
if libc.mlockall(7) == 0:
    try:
        held = bytearray(64 << 20)
        reached("locked memory")
    except MemoryError:
        pass
"""


def disk(folder: str, megabytes: int) -> str:
    return f"""
need_walls()
folder = {folder!r}
held = 0
if os.path.isdir(folder):
    piece = os.urandom(1 << 20)
    try:
        for n in range(40):
            with open(os.path.join(folder, f"bomb-{{n}}"), "wb", 0) as file:
                for _ in range(16):
                    held += file.write(piece)
    except (OSError, MemoryError):
        pass
    if held > {megabytes} << 20:
        reached("MB in " + folder, held >> 20)
"""


# They stay until the session is closed, so that it can be seen who pays for them.
INODES = """
need_walls()
for folder, most in (("/tmp", 70000), ("/workspace", 70000), ("/dev/shm", 70000)):
    count = 0
    where = os.path.join(folder, "escape-inodes")
    try:
        os.mkdir(where)
        handle = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
        while count < most:
            os.close(os.open(str(count), os.O_CREAT | os.O_WRONLY, dir_fd=handle))
            count += 1
        reached("files in " + folder, count)
    except OSError:
        pass
"""


def inodes_are_paid_for(attempt: Attempt) -> list[str]:
    """A file system without a bound on files is no way out where its files count for the room's memory, as podman's do."""
    files = 70000 * sum(each.startswith("files in") for each in attempt.found.reached)
    counted = attempt.place.memory_counted()
    if files and counted > files * 700:
        attempt.found.reached.clear()
    return []


SPARSE = """
need_walls()
for folder in ("/tmp", "/workspace", "/dev/shm"):
    path = os.path.join(folder, "sparse")
    quietly(lambda: os.truncate(path, 1 << 42) if os.close(os.open(path, os.O_CREAT | os.O_RDWR)) is None else None)
    handle = quietly(os.open, path, os.O_RDWR)
    if handle is not None and quietly(os.posix_fallocate, handle, 0, 600 << 20) is None and os.fstat(handle).st_blocks * 512 > 300 << 20:
        reached("allocated in " + folder, os.fstat(handle).st_blocks * 512)
"""
DESCRIPTORS = """
need_walls()
held = []
try:
    while len(held) < 200000:
        held.append(os.open("/dev/null", os.O_RDONLY))
    reached("descriptors", len(held))
except OSError:
    pass
for each in held:
    os.close(each)
"""
# Descriptors that are on their way belong to no table.
DESCRIPTORS_IN_FLIGHT = """
need_walls()
import array
null = os.open("/dev/null", os.O_RDONLY)
sent = 0
pairs = []
try:
    while sent < 500000:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        pairs.append(pair)
        pair[0].setblocking(False)
        for _ in range(100):
            pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 250))])
            sent += 250
except OSError:
    pass
if sent >= 500000:
    reached("descriptors in flight", sent)
"""
CPU = """
need_walls()
for _ in range(16):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass
while True:
    pass
"""
PROGRAMS = """
need_walls()
end = time.monotonic() + 2
while time.monotonic() < end:
    quietly(lambda: [subprocess.Popen(["true"]) for _ in range(8)])
"""
STACK = """
need_walls()
sys.setrecursionlimit(1 << 30)
def deeper(n):
    return deeper(n + 1)
def build():
    nested = []
    for _ in range(5000000):
        nested = [nested]
    repr(nested)
threading.stack_size(1 << 28)
for each in (build, lambda: deeper(0)):
    thread = threading.Thread(target=lambda: quietly(each), daemon=True)
    thread.start()
    thread.join(5)
"""

BOMBS = Kind("bombs", (
    Case("processes one after the other", FORKS, accept=ANY, dangerous=True, then=neighbours_work_and_sessions_begin),
    Case("processes by powers of two", EXPONENTIAL, accept=ANY, dangerous=True),
    Case("threads", THREADS, accept=ANY, dangerous=True),
    Case("memory of one process", MEMORY, accept=ANY, dangerous=True),
    Case("memory of many processes", MEMORY_OF_CHILDREN, accept=ANY, dangerous=True, needs_groups=True),
    Case("memory in files without names", MEMORY_WITHOUT_ADDRESSES, accept=ANY, dangerous=True, needs_groups=True),
    Case("memory in System V segments", SYSTEM_V_MEMORY, accept=ANY, dangerous=True, needs_groups=True),
    Case("memory in sockets", SOCKET_MEMORY, accept=ANY, dangerous=True, needs_groups=True, timeout=30),
    Case("memory in pipes", PIPE_MEMORY, accept=ANY, dangerous=True, needs_groups=True, timeout=30),
    Case("memory that is locked", LOCKED_MEMORY, accept=ANY, dangerous=True),
    Case("disk: /tmp filled", disk("/tmp", 80), accept=ANY, dangerous=True),
    Case("disk: /workspace filled", disk("/workspace", 160), accept=ANY, dangerous=True),
    Case("disk: /dev/shm filled", disk("/dev/shm", 80), accept=ANY, dangerous=True),
    Case("disk: sparse files and fallocate", SPARSE, accept=ANY, dangerous=True),
    Case("inodes", INODES, accept=ANY, dangerous=True, needs_groups=True, timeout=60, then=inodes_are_paid_for),
    Case("descriptors", DESCRIPTORS, accept=ANY, dangerous=True),
    Case("descriptors in flight", DESCRIPTORS_IN_FLIGHT, accept=ANY, dangerous=True, then=neighbours_work_and_sessions_begin),
    Case("CPU by many processes past the deadline", CPU, accept=STOPPED, dangerous=True, timeout=1.5),
    Case("programs started without end", PROGRAMS, accept=ANY, dangerous=True),
    Case("the stack", STACK, accept=ANY, dangerous=True),
))
