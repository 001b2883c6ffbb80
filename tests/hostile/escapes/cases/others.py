"""Reaching another session in the same kind of room: its files, memory, processes, messages, keys.

The neighbour has prepared all of it (NEIGHBOUR, run there first), and what it told is in W.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile.escapes.case import UNFILTERED, Case, Kind

if TYPE_CHECKING:
    from tests.hostile.escapes.battery import Attempt

# Run in the neighbour's session behind inside.py; the last line is what others are told of it.
NEIGHBOUR = """
import _posixshmem
mark = W["mark"][0] + W["mark"][1]
secret = W["secret"]
folder = os.environ["PYEMBER_SESSION_FOLDER"]
open(os.path.join(folder, "neighbour.txt"), "w").write(secret)
open("/tmp/neighbour-" + W["tag"], "w").write(secret)
sleeper = subprocess.Popen(["sleep", "1000"], env={"NEIGHBOUR": secret})
key = W["key"]
segment = libc.shmget(key, 4096, 0o1666)
semaphores = libc.semget(key, 1, 0o1666)
queue = libc.msgget(key, 0o1666)
shared_name = "/neighbour-" + W["tag"]
shared = quietly(_posixshmem.shm_open, shared_name, os.O_CREAT | os.O_RDWR, 0o666)
mq = ctypes.CDLL("librt.so.1").mq_open(shared_name.encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\\0neighbour-" + W["tag"])
abstract.listen()
tcp = socket.create_server(("127.0.0.1", 0))
tcp6 = quietly(lambda: socket.create_server(("::1", 0), family=socket.AF_INET6))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
named = socket.socket(socket.AF_UNIX)
named_path = os.path.join(folder, "neighbour.sock")
quietly(lambda: (named.bind(named_path), named.listen()))
ring = system_call("add_key", b"user", shared_name.encode(), secret.encode(), len(secret), -4)[0]
heard = []
def listen(each):
    while True:
        heard.append(str(each.accept()))
for each in (abstract, tcp, named, *([tcp6] if tcp6 else [])):
    threading.Thread(target=listen, args=(each,), daemon=True).start()
def receive():
    while True:
        heard.append(str(udp.recvfrom(100)))
threading.Thread(target=receive, daemon=True).start()
dict(pid=os.getpid(), folder=folder, key=key, shared_name=shared_name, tcp=tcp.getsockname()[1], udp=udp.getsockname()[1],
     tcp6=tcp6.getsockname()[1] if tcp6 else 0, abstract="\\0neighbour-" + W["tag"], named=named_path, at=id(secret), size=sys.getsizeof(secret), sleeper=sleeper.pid)
"""

# Where there are no walls, all of that is the machine's.
NEIGHBOUR_LEAVES = """
libc.shmctl(segment, 0, None), libc.semctl(semaphores, 0, 0), libc.msgctl(queue, 0, None)
ctypes.CDLL("librt.so.1").mq_unlink(shared_name.encode())
quietly(_posixshmem.shm_unlink, shared_name)
quietly(os.unlink, "/tmp/neighbour-" + W["tag"])
ring > 0 and system_call("keyctl", 3, ring)  # revoke
sleeper.kill()
"""

FILES = """
n = W["neighbour"]
for path in (os.path.join(n["folder"], "neighbour.txt"), "/tmp/neighbour-" + W["tag"], "/dev/shm" + n["shared_name"]):
    attempt(path, text_of, path)
own = os.environ["PYEMBER_SESSION_FOLDER"]
for above in (os.path.dirname(own), "/workspace/..", "/packages", "/packages/.."):
    for name in quietly(os.listdir, above) or []:
        path = os.path.join(above, name, "neighbour.txt")
        if os.path.exists(path):
            reached(path)
"""
MEMORY = """
n = W["neighbour"]
for pid in {W["neighbour_pid"], n["pid"], *(pids() if walled() else [])} - {os.getpid()}:
    def read(pid=pid):
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            memory.seek(n["at"])
            data = memory.read(n["size"])
        if not marks_in(data):
            raise ValueError("other memory")
        return data
    attempt(f"/proc/{pid}/mem", read)
    room = ctypes.create_string_buffer(n["size"])
    vector = (ctypes.c_ulong * 2)(ctypes.addressof(room), n["size"])
    other = (ctypes.c_ulong * 2)(n["at"], n["size"])
    if system_call("process_vm_readv", pid, vector, 1, other, 1, 0)[0] > 0 and marks_in(room.raw):
        reached(f"process_vm_readv of {pid}")
"""
PROCESSES = """
for pid in pids():
    command = quietly(text_of, f"/proc/{pid}/cmdline") or b""
    if marks_in(command) or b"pyember\\0" in command or b"sleep\\0" + b"1000" in command:
        reached(f"process {pid}", command)
    if marks_in(quietly(text_of, f"/proc/{pid}/environ", 1 << 20) or b""):
        reached(f"environment of {pid}")
"""
SYSTEM_V = """
key = W["neighbour"]["key"]
for name, call in (("shared memory", lambda: libc.shmget(key, 0, 0)), ("semaphores", lambda: libc.semget(key, 0, 0)), ("messages", lambda: libc.msgget(key, 0))):
    if call() != -1:
        reached(name)
"""
POSIX = """
import _posixshmem
name = W["neighbour"]["shared_name"]
attempt("shared memory", _posixshmem.shm_open, name, os.O_RDWR, 0o600)
if ctypes.CDLL("librt.so.1").mq_open(name.encode(), os.O_RDWR) != -1:
    reached("message queue")
"""
LOOPBACK = """
n = W["neighbour"]
quietly(say_hello, socket.AF_INET, ("127.0.0.1", n["tcp"]))
if n["tcp6"]:
    quietly(say_hello, socket.AF_INET6, ("::1", n["tcp6"]))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
    each.connect(("127.0.0.1", n["udp"]))
    for _ in range(2):  # the second one hears of the first one's end
        quietly(each.send, b"case " + W["case"].encode())
        time.sleep(0.05)
    if each.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and not walled():
        reached("sent by UDP")
"""
UNIX = """
n = W["neighbour"]
quietly(say_hello, socket.AF_UNIX, n["abstract"])
quietly(say_hello, socket.AF_UNIX, n["named"])
for line in (quietly(text_of, "/proc/net/unix", 1 << 20) or b"").splitlines():
    if b"neighbour-" in line:
        reached("/proc/net/unix", line)
"""
KEYS_OF_THE_USER = """
name = W["neighbour"]["shared_name"].encode()
for ring in (-4, -5, -3):  # of the user, of the user's session, of the session
    found = system_call("keyctl", 10, ring, b"user", name, 0)[0]
    if found > 0:
        reached(f"the key of another session in keyring {ring}")
if system_call("request_key", b"user", name, None, 0)[0] > 0:
    reached("request_key")
if name in (quietly(text_of, "/proc/keys", 1 << 20) or b""):
    reached("/proc/keys")
"""
SIGNALS = """
for pid in (W["neighbour_pid"], W["neighbour_sleeper"]):
    attempt(f"signal to {pid}", os.kill, pid, 0)
    attempt(f"priority of {pid}", os.setpriority, os.PRIO_PROCESS, pid, 1)
    attempt(f"CPUs of {pid}", os.sched_getaffinity, pid)
"""
# What the kernel counts by user: sessions may have the same one.
PER_USER = """
import resource
inotify = [each for each in (libc.inotify_init1(0) for _ in range(2000)) if each >= 0]
if len(inotify) >= 64:  # of 128 that a user may have, with an editor that wants some
    reached("a user's inotify instances", len(inotify))
held = []
for _ in range(3000):
    pair = quietly(os.pipe)
    if pair is None:
        break
    quietly(lambda: __import__("fcntl").fcntl(pair[1], 1031, 1 << 20))
    held.append(pair)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
class Value(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p)]
for _ in range(200000):
    if libc.sigqueue(os.getpid(), signal.SIGRTMIN, Value(1)) != 0:
        break
queues = [ctypes.CDLL("librt.so.1").mq_open(f"/many{n}".encode(), os.O_CREAT | os.O_RDWR, 0o600, None) for n in range(300)]
"""
NEIGHBOURS_WORK = """
import asyncio
_r, _w = os.pipe()
os.write(_w, b"x" * 4000)
_read = len(os.read(_r, 60000))
os.close(_r), os.close(_w)
async def _sleep():
    await asyncio.sleep(0)
    return subprocess.run(["true"]).returncode
_timer = time.CLOCK_MONOTONIC, libc.timerfd_create(1, 0)
_timer[1] >= 0 and os.close(_timer[1])
(_timer[1] >= 0, _read == 4000, asyncio.run(_sleep()) if not asyncio._get_running_loop() else 0)
"""


def neighbour_still_works(attempt: Attempt) -> list[str]:
    answer = attempt.battery.ask_neighbour(NEIGHBOURS_WORK)
    return [] if answer.result == "(True, True, 0)" else [f"the neighbour can't work beside it: {answer}"]


def sessions_still_begin(attempt: Attempt) -> list[str]:
    """With what this session holds at that moment; more of them than there are rooms kept ready."""
    wrong = []
    for number in range(3):
        name = f"{attempt.session}-after-{number}"
        answer = attempt.battery.call(name, "1 + 1", 30.0)
        if answer.result != "2":
            wrong.append(f"another session can't begin beside it: {answer}")
        attempt.client.tool("close_session", session=name)
    return wrong


def neighbours_work_and_sessions_begin(attempt: Attempt) -> list[str]:
    return neighbour_still_works(attempt) + sessions_still_begin(attempt)


OTHERS = Kind("other sessions", (
    Case("files of another session", FILES, works_outside=True),
    Case("memory of another session", MEMORY, works_outside=True, needs=("SYS_PTRACE",)),
    Case("processes and environments of another session", PROCESSES, works_outside=True),
    Case("System V memory, semaphores and queues of another session", SYSTEM_V, works_outside=True),
    Case("POSIX memory and queues of another session", POSIX, works_outside=True),
    Case("another session's ports on the loopback", LOOPBACK, works_outside=True),
    Case("another session's abstract and named sockets", UNIX, works_outside=True),
    Case("another session's keys in the user's keyring", KEYS_OF_THE_USER, works_outside=True, needs=(UNFILTERED,)),
    Case("signals and priorities for another session", SIGNALS, works_outside=True),
    Case("what the kernel counts by user", PER_USER, dangerous=True, timeout=30, then=neighbours_work_and_sessions_begin),
))
