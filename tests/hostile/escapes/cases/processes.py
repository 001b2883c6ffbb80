"""Other processes: signals, priorities, limits, and the processes that hold the session itself."""

from __future__ import annotations

from tests.hostile.escapes.case import ANY, ENDS_ITSELF, Case, Kind

SIGNALS = """
canary, server = W["canary_pid"], W["server_pid"]
for pid in (canary, server, W["test_pid"]):
    attempt(f"signal 0 to {pid}", os.kill, pid, 0)
    if system_call("tgkill", pid, pid, 0)[0] == 0:
        reached(f"tgkill of {pid}")
    handle = system_call("pidfd_open", pid, 0)[0]
    if handle >= 0:
        reached(f"pidfd_open of {pid}")
        if system_call("pidfd_send_signal", handle, 0, None, 0)[0] == 0:
            reached(f"pidfd_send_signal to {pid}")
attempt("signal 0 to a group", os.killpg, W["canary_pid"], 0)
"""
KILL = """
attempt("kill", os.kill, W["canary_pid"], signal.SIGKILL)
"""
KILL_QUEUED = """
info = (ctypes.c_int * 32)(signal.SIGKILL, 0, -1)
if system_call("rt_sigqueueinfo", W["canary_pid"], signal.SIGKILL, info)[0] == 0:
    reached("rt_sigqueueinfo")
"""
PROPERTIES = """
import resource
pid = W["canary_pid"]
attempt("limits", resource.prlimit, pid, resource.RLIMIT_NOFILE)
attempt("priority", os.setpriority, os.PRIO_PROCESS, pid, 5)
attempt("CPUs", os.sched_setaffinity, pid, os.sched_getaffinity(0))
attempt("scheduling", os.sched_getscheduler, pid)
if system_call("ioprio_set", 1, pid, (2 << 13) | 4)[0] == 0:
    reached("ioprio_set")
if system_call("migrate_pages", pid, 8, (ctypes.c_ulong * 1)(1), (ctypes.c_ulong * 1)(1))[0] >= 0:
    reached("migrate_pages")
if system_call("move_pages", pid, 0, None, None, None, 0)[0] >= 0:
    reached("move_pages")
if system_call("kcmp", pid, os.getpid(), 1, 0, 0)[0] >= 0:
    reached("kcmp")
"""
# Every number there may be, with a signal that does nothing.
EVERY_NUMBER = """
need_walls()
for pid in range(2, 1 << 16, 1):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    except PermissionError:
        pass
    if pid not in pids() and not os.path.exists(f"/proc/{pid}"):
        reached(f"process {pid}, which /proc does not show")
"""
PRIORITIES = """
for what, call in (("nice -20", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20)), ("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
                   ("round robin", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))):
    attempt(what, call)
if system_call("ioprio_set", 1, 0, 1 << 13)[0] == 0:
    reached("real time for disks")
"""
HIGHER_LIMITS = """
import resource
for name in ("NPROC", "NOFILE", "AS", "CORE", "MEMLOCK", "FSIZE", "NICE", "RTPRIO", "MSGQUEUE", "SIGPENDING"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    if hard != resource.RLIM_INFINITY:
        attempt(f"RLIMIT_{name} above {hard}", resource.setrlimit, number, (soft, hard + 1))
"""
ZYGOTE = """
need_walls()
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(30)
"""
FIRST = """
need_walls()
for pid in (1, 2, 3):
    for number in (signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL):
        quietly(os.kill, pid, number)
time.sleep(1)
"""
EVERYBODY = """
need_walls()
os.kill(-1, signal.SIGKILL)
time.sleep(30)
"""
HALT_EVERYBODY = """
need_walls()
os.kill(-1, signal.SIGSTOP)
for pid in pids():
    quietly(os.kill, pid, signal.SIGSTOP)
"""
HALT_THE_ZYGOTE = """
need_walls()
os.kill(os.getppid(), signal.SIGSTOP)
"""
LEFT_BEHIND = """
need_walls()
for form in ("sleep 900", "setsid sleep 900", "(setsid nohup sleep 900 &)", "trap '' TERM HUP INT; while :; do sleep 900; done"):
    subprocess.Popen(["sh", "-c", form], start_new_session=True)
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in range(1, 65):
            quietly(signal.signal, number, signal.SIG_IGN)
        os.closerange(0, 65536)
        while True:
            time.sleep(900)
"""
# Anyone who dies is followed by two.
HYDRA = """
need_walls()
def hydra(depth=0):
    while True:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            continue
        os.waitpid(pid, 0)
        time.sleep(0.001)
for _ in range(4):
    if os.fork() == 0:
        quietly(hydra)
        os._exit(0)
"""

PROCESSES = Kind("processes", (
    Case("signals to the server and to others", SIGNALS, works_outside=True),
    Case("SIGKILL to a process outside", KILL, works_outside=True),
    Case("a queued SIGKILL to a process outside", KILL_QUEUED, works_outside=True, needs=("KILL",)),
    Case("limits, priority, CPUs and pages of a process outside", PROPERTIES, works_outside=True),
    Case("every process number there may be", EVERY_NUMBER, dangerous=True, timeout=40),
    Case("priorities above everybody's", PRIORITIES, works_outside=True, needs=("SYS_NICE",)),
    Case("limits higher than those given", HIGHER_LIMITS),
    Case("SIGKILL to the zygote", ZYGOTE, accept=ENDS_ITSELF, dangerous=True),
    Case("signals to the room's first processes", FIRST, accept=ENDS_ITSELF, dangerous=True),
    Case("SIGKILL to everybody in sight", EVERYBODY, accept=ENDS_ITSELF, dangerous=True),
    Case("SIGSTOP to everybody in sight", HALT_EVERYBODY, accept=ANY, dangerous=True, timeout=2),
    Case("SIGSTOP to the zygote", HALT_THE_ZYGOTE, accept=ANY, dangerous=True, timeout=2),
    Case("daemons that mean to stay", LEFT_BEHIND, dangerous=True),
    Case("processes that make others when they end", HYDRA, accept=ANY, dangerous=True),
))
