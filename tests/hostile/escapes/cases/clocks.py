"""Games with time: the machine's clock, deadlines slept through, storms of signals and timers."""

from __future__ import annotations

from tests.hostile.escapes.case import ANY, STOPPED, Case, Kind

# The clock is set to what it shows.
SET_CLOCKS = """
now = (ctypes.c_long * 2)()
libc.clock_gettime(0, now)
refused("clock_settime", 0, now)
now[1] //= 1000
refused("settimeofday", now, None)
"""
ADJUST_CLOCKS = """
changes = (ctypes.c_ubyte * 256)()
struct.pack_into("<I", changes, 0, 0x4000)  # ADJ_TICK
struct.pack_into("<q", changes, 88, 10000)  # as it is
refused("adjtimex", changes)
refused("clock_adjtime", 0, changes)
refused("unshare", 0x80, also={errno.ENOSPC, errno.EUSERS}) if walled() else None  # a time namespace
attempt("the machine's other clock", lambda: os.open("/dev/rtc0", os.O_RDWR))
"""
ALARMS = """
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.00001, 0.00001)
while True:
    time.sleep(1)
"""
WAKING = """
need_walls()
for number in (signal.CLOCK_REALTIME_ALARM if hasattr(signal, "CLOCK_REALTIME_ALARM") else 8, 9):
    if libc.timerfd_create(number, 0) != -1:
        reached("a timer that wakes the machine", number)
"""
SLEEPS_ON = """
while True:
    try:
        time.sleep(3600)
    except BaseException:
        pass
"""
DEAF = """
signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65))
for number in range(1, 65):
    quietly(signal.signal, number, signal.SIG_IGN)
while True:
    libc.sleep(3600)
"""
HALTED = """
os.kill(os.getpid(), signal.SIGSTOP)
"""
TIMERS = """
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signo", ctypes.c_int), ("notify", ctypes.c_int), ("room", ctypes.c_int * 12)]
signal.signal(signal.SIGRTMIN, signal.SIG_IGN)
timer = ctypes.c_void_p()
interval = (ctypes.c_long * 4)(0, 1000, 0, 1000)
librt = ctypes.CDLL("librt.so.1")
for _ in range(5000):
    if librt.timer_create(1, ctypes.byref(Event(None, signal.SIGRTMIN, 0)), ctypes.byref(timer)) != 0:
        break
    librt.timer_settime(timer, 0, interval, None)
for _ in range(2000):
    handle = libc.timerfd_create(1, 0)
    if handle < 0:
        break
    libc.timerfd_settime(handle, 0, interval, None)
while True:
    time.sleep(1)
"""
OUTLIVES = """
need_walls()
def on():
    while True:
        try:
            time.sleep(0.001)
        except BaseException:
            pass
for _ in range(4):
    threading.Thread(target=on).start()
import atexit
atexit.register(on)
class Stays:
    def __del__(self):
        on()
stays = Stays()
sys.stays = stays
"""
TRACED_BY_ITSELF = """
def catches(*_):
    return catches
sys.settrace(catches)
def forever():
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
forever()
"""
LONG_ANSWERS = """
class Slow:
    def __repr__(self):
        while True:
            try:
                time.sleep(3600)
            except BaseException:
                pass
got = Slow()
"""

CLOCKS = Kind("clocks", (
    Case("the machine's clock set", SET_CLOCKS, works_outside=True, needs=("SYS_TIME",)),
    Case("the machine's clock adjusted", ADJUST_CLOCKS, works_outside=True, needs=("SYS_TIME",)),
    Case("timers that wake the machine", WAKING, dangerous=True),
    Case("a storm of SIGALRM past the deadline", ALARMS, accept=STOPPED, timeout=1),
    Case("sleep past the deadline that catches everything", SLEEPS_ON, accept=STOPPED, timeout=1),
    Case("all signals blocked past the deadline", DEAF, accept=STOPPED, timeout=1),
    Case("its own process halted", HALTED, accept=ANY, timeout=1),
    Case("thousands of timers past the deadline", TIMERS, accept=ANY, timeout=1),
    Case("threads, exit handlers and objects that go on", OUTLIVES, accept=ANY, dangerous=True, timeout=1),
    Case("a trace function of its own that goes on", TRACED_BY_ITSELF, accept=STOPPED, timeout=1),
    Case("a result that never comes", LONG_ANSWERS, accept=ANY, timeout=1),
))
