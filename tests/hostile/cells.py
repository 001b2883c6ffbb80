"""The battery: cells that try to take the server down, wedge it, or reach another session.

Each runs in a session of its own while a bystander computes. A cell says which outcomes are
acceptable, of a session in the server's process and, where that rightly differs, of one in a worker;
what is never acceptable is checked by the runner: a server that dies, a call without an answer, a
bystander that is disturbed, a next session that does not work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

COMPLETED = "completed"
RAISED = "raised"
TIMED_OUT = "timed_out"
LOST = "lost"

CONTAINED = frozenset({COMPLETED, RAISED})  # it did nothing, or was refused
STOPPED = frozenset({TIMED_OUT, LOST})  # it would have run for ever
ANY = frozenset({COMPLETED, RAISED, TIMED_OUT, LOST})  # whatever, as long as all else stands


@dataclass(frozen=True)
class InWorker:
    """What is expected of a cell in a worker instead: the process is the session's own, so what is
    refused in the server's is allowed there, and ends it at most."""

    accept: frozenset[str]
    says: str = ""
    intact: bool = False
    timeout: float | None = None  # None: as elsewhere


@dataclass(frozen=True)
class Cell:
    name: str
    category: str
    code: str
    accept: frozenset[str] = CONTAINED
    says: str = ""  # must stand in the answer
    timeout: float = 1.0
    intact: bool = False  # the session must run 1+1 afterwards
    worker: InWorker | None = None


REFUSED = frozenset({RAISED})
CRASHED = frozenset({LOST})
GONE = frozenset({RAISED, LOST})  # refused with an exception, or the price is the session
DENIED = frozenset({COMPLETED, RAISED, LOST})  # the same, where refusing may be a return value of C
DONE = frozenset({COMPLETED})
EXITED = InWorker(CRASHED, says="exit code 0")
KILLED = InWorker(CRASHED, says="killed (SIGKILL)")
TERMINATED = InWorker(CRASHED, says="ended by SIGTERM")
UNTALKATIVE = InWorker(CRASHED, says="closed the descriptor through which it talks")
FORKED = InWorker(DONE, intact=True)  # the child ends like a script
LIBC = "import ctypes\nlibc = ctypes.CDLL(None)\n"
LIBC_SO = "import ctypes\nlibc = ctypes.CDLL('libc.so.6')\n"

EXITS = [
    Cell("sys.exit", "exits", "import sys\nsys.exit(3)", REFUSED, intact=True),
    Cell("raise SystemExit", "exits", "raise SystemExit('bye')", REFUSED, intact=True),
    Cell("exit builtin", "exits", "exit()", REFUSED, intact=True),
    Cell("os._exit", "exits", "import os\nos._exit(0)", REFUSED, intact=True, worker=EXITED),
    Cell("posix._exit", "exits", "import posix\nposix._exit(0)", REFUSED, worker=EXITED),
    Cell("os._exit fetched from a fresh posix", "exits",
         "import sys\nsys.modules.pop('posix', None)\nsys.modules.pop('os', None)\n"
         "import os, posix\nos._exit(0) if hasattr(os, '_exit') else posix._exit(0)", GONE),
    Cell("SystemExit in a thread", "exits",
         "import threading, sys\nt = threading.Thread(target=sys.exit)\nt.start()\nt.join()"),
    Cell("os._exit in a thread", "exits",
         "import threading, os\nt = threading.Thread(target=os._exit, args=(0,))\nt.start()\nt.join()", ANY),
    Cell("exit of the process's own libc", "exits", LIBC + "libc.exit(0)", GONE),
    Cell("_exit of the process's own libc", "exits", LIBC + "libc._exit(0)", GONE),
    Cell("quick_exit", "exits", LIBC + "libc.quick_exit(0)", GONE),
    Cell("exit of libc.so.6", "exits", LIBC_SO + "libc.exit(0)", GONE),
    Cell("_exit of libc.so.6", "exits", LIBC_SO + "libc._exit(0)", GONE),
    Cell("exit_group by number", "exits", LIBC + "libc.syscall(231, 0)", GONE),
    Cell("exit_group by number through libc.so.6", "exits", LIBC_SO + "libc.syscall(231, 0)", GONE),
    Cell("thread exit by number", "exits", LIBC + "libc.syscall(60, 0)", ANY),
    Cell("pthread_exit", "exits", LIBC + "libc.pthread_exit(None)", ANY),
    Cell("Py_Exit", "exits", "import ctypes\nctypes.pythonapi.Py_Exit(0)", GONE),
    Cell("Py_FatalError", "exits", "import ctypes\nctypes.pythonapi.Py_FatalError(b'hostile')", GONE),
    Cell("Py_Finalize", "exits", "import ctypes\nctypes.pythonapi.Py_FinalizeEx()", ANY),
]

KILLS = [
    Cell("os.kill own process", "kills", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", REFUSED, intact=True, worker=KILLED),
    Cell("SIGTERM to own process", "kills", "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", REFUSED, worker=TERMINATED),
    Cell("os.killpg", "kills", "import os, signal\nos.killpg(os.getpgrp(), signal.SIGTERM)", REFUSED, worker=TERMINATED),
    Cell("kill process group zero", "kills", "import os, signal\nos.kill(0, signal.SIGTERM)", REFUSED, worker=TERMINATED),
    Cell("signal.raise_signal", "kills", "import signal\nsignal.raise_signal(signal.SIGTERM)", GONE),
    Cell("signal.pthread_kill", "kills",
         "import signal, threading\nsignal.pthread_kill(threading.get_ident(), signal.SIGTERM)", GONE),
    Cell("kill through libc", "kills", LIBC + "import os\nlibc.kill(os.getpid(), 9)", ANY),
    Cell("kill through libc.so.6", "kills", LIBC_SO + "import os\nlibc.kill(os.getpid(), 9)", DENIED),
    Cell("raise through libc.so.6", "kills", LIBC_SO + "libc.raise_(9) if hasattr(libc, 'raise_') else getattr(libc, 'raise')(9)", DENIED),
    Cell("tgkill by number", "kills", LIBC + "import os\nlibc.syscall(234, os.getpid(), os.getpid(), 9)", DENIED),
    Cell("pidfd_send_signal", "kills",
         "import os, signal\nfd = os.pidfd_open(os.getpid())\nsignal.pidfd_send_signal(fd, signal.SIGKILL)", REFUSED, worker=KILLED),
]

CRASHES = [
    Cell("os.abort", "aborts", "import os\nos.abort()", GONE),
    Cell("abort through libc", "aborts", LIBC + "libc.abort()", GONE),
    Cell("abort through libc.so.6", "aborts", LIBC_SO + "libc.abort()", GONE),
    Cell("SIGSEGV raised", "aborts", "import signal\nsignal.raise_signal(signal.SIGSEGV)", GONE),
    Cell("null pointer read", "pointers", "import ctypes\nctypes.string_at(0)", CRASHED, says="crashed with SIG"),
    Cell("null pointer write", "pointers", "import ctypes\nctypes.memset(0, 1, 8)", CRASHED, says="crashed with SIG"),
    Cell("wild pointer read", "pointers", "import ctypes\nctypes.string_at(0xdeadbeef0000)", CRASHED, says="crashed with SIG"),
    Cell("non-canonical pointer", "pointers", "import ctypes\nctypes.string_at(0x4141414141414141)", CRASHED, says="crashed with SIG"),
    Cell("call through a wild pointer", "pointers", "import ctypes\nctypes.CFUNCTYPE(None)(0x1234)()", CRASHED, says="crashed with SIG"),
    Cell("write to read-only memory", "pointers",
         "import ctypes\nctypes.memset(ctypes.cast(ctypes.pythonapi.Py_GetVersion, ctypes.c_void_p).value, 0, 1)", CRASHED, says="crashed with SIG"),
    Cell("a wild object", "pointers",
         "import ctypes\nctypes.cast(0x10, ctypes.py_object).value", CRASHED, says="crashed with SIG"),
    Cell("null pointer in a thread", "pointers",
         "import ctypes, threading\nt = threading.Thread(target=ctypes.string_at, args=(0,))\nt.start()\nt.join()", STOPPED | {LOST}),
    Cell("SIGFPE by division in C", "pointers", LIBC + "libc.div(1, 0)", ANY),
    Cell("bus error past a mapped file", "pointers",
         "import mmap, tempfile, os\n"
         "f = tempfile.TemporaryFile()\nf.truncate(8192)\n"
         "m = mmap.mmap(f.fileno(), 8192)\nf.truncate(0)\nm[4096]", CRASHED, says="crashed with SIG"),
    Cell("crafted bytecode", "pointers",
         "def f(): pass\nf.__code__ = f.__code__.replace(co_code=bytes([116, 255] * 40), co_stacksize=1)\nf()", ANY),
    Cell("stack overflow in Python", "stack", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()", ANY, timeout=10.0, worker=InWorker(ANY, timeout=2.0)),
    Cell("stack overflow through repr", "stack",
         "import sys\nsys.setrecursionlimit(10**9)\n"
         "class A:\n    def __repr__(self): return repr(self)\nrepr(A())", frozenset({RAISED, LOST}), timeout=10.0),
    Cell("stack overflow in C", "stack",
         "import ctypes\nlibc = ctypes.CDLL(None)\n"
         "compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)\n"
         "import sys\nsys.setrecursionlimit(10**9)\n"
         "data = (ctypes.c_int * 2)(2, 1)\n"
         "def again(a, b):\n    libc.qsort(data, 2, 4, callback)\n    return 0\n"
         "callback = compare(again)\nlibc.qsort(data, 2, 4, callback)", ANY, timeout=10.0),
    Cell("deeply nested source", "stack", "eval('(' * 100000 + ')' * 100000)", frozenset({RAISED, LOST}), timeout=10.0),
    Cell("deeply nested list dropped", "stack", "x = []\nfor _ in range(10**6): x = [x]\ndel x", ANY, timeout=10.0),
    Cell("stack overflow in a thread", "stack",
         "import sys, threading\nsys.setrecursionlimit(10**9)\ndef f(): return f()\n"
         "t = threading.Thread(target=f)\nt.start()\nt.join()", ANY, timeout=10.0, worker=InWorker(ANY, timeout=2.0)),
    Cell("infinite recursion within the limit", "stack", "def f(): return f()\nf()", REFUSED, says="RecursionError", intact=True),
]

DESCRIPTORS = [
    Cell("close every descriptor", "descriptors", "import os\nos.closerange(0, 65536)", ANY, worker=UNTALKATIVE),
    Cell("close 0, 1 and 2 one by one", "descriptors",
         "import os\nfor fd in range(3):\n    try: os.close(fd)\n    except OSError: pass", ANY),
    Cell("close through libc.so.6", "descriptors", LIBC_SO + "for fd in range(3, 1024): libc.close(fd)", worker=UNTALKATIVE),
    Cell("close_range by number", "descriptors", LIBC + "libc.syscall(436, 0, 0xffffffff, 0)", ANY, worker=UNTALKATIVE),
    Cell("dup2 over all", "descriptors",
         "import os\nnull = os.open('/dev/null', os.O_RDWR)\nfor fd in range(64):\n    if fd != null: os.dup2(null, fd)", ANY),
    Cell("open descriptors until none is left", "descriptors",
         "import os\nheld = []\nwhile True: held.append(os.open('/dev/null', os.O_RDONLY))", REFUSED | {TIMED_OUT}, timeout=5.0),
    Cell("write garbage to every descriptor", "descriptors",
         "import os\nfor fd in range(256):\n    try: os.write(fd, b'{\"garbage\"')\n    except OSError: pass"),
    Cell("/proc/self/fd written to", "descriptors",
         "import os\nfor name in os.listdir('/proc/self/fd'):\n"
         "    try:\n        fd = os.open(f'/proc/self/fd/{name}', os.O_WRONLY | os.O_NONBLOCK)\n        os.write(fd, b'garbage\\n')\n"
         "    except OSError as e: pass"),
    Cell("/proc/<pid>/fd read from", "descriptors",
         "import os\nfor name in os.listdir(f'/proc/{os.getpid()}/fd'):\n"
         "    try:\n        fd = os.open(f'/proc/{os.getpid()}/fd/{name}', os.O_RDONLY | os.O_NONBLOCK)\n        os.read(fd, 65536)\n"
         "    except OSError: pass"),
    Cell("fd of every task", "descriptors",
         "import os, glob\nfor path in glob.glob('/proc/self/task/*/fd/*'):\n"
         "    try:\n        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)\n        os.write(fd, b'garbage\\n')\n"
         "    except OSError: pass"),
    Cell("/proc/self/mem written to", "descriptors",
         "import re\ntarget = next(l for l in open('/proc/self/maps') if 'r-xp' in l)\n"
         "start = int(target.split('-')[0], 16)\n"
         "with open('/proc/self/mem', 'r+b', buffering=0) as m:\n    m.seek(start)\n    m.write(b'\\xcc' * 4096)", GONE, worker=InWorker(DENIED)),
    Cell("/proc/self/mem by another name", "descriptors",
         "import os\ntarget = next(l for l in open('/proc/self/maps') if 'r-xp' in l)\n"
         "start = int(target.split('-')[0], 16)\n"
         "fd = os.open(f'/proc/{os.getpid()}/task/{os.getpid()}/../../mem', os.O_RDWR)\n"
         "os.pwrite(fd, b'\\xcc' * 4096, start)", GONE, worker=InWorker(DENIED)),
    Cell("pidfd_getfd", "descriptors",
         LIBC + "import os\npidfd = os.pidfd_open(os.getpid())\nstolen = [libc.syscall(438, pidfd, n, 0) for n in range(64)]\n"
         "for fd in stolen:\n    if fd >= 0:\n        try: os.write(fd, b'garbage\\n')\n        except OSError: pass"),
    Cell("process_vm_writev", "descriptors",
         LIBC + "import os\nbuffer = ctypes.create_string_buffer(64)\n"
         "class iovec(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]\n"
         "here = iovec(ctypes.addressof(buffer), 64)\nthere = iovec(0, 64)\n"
         "libc.process_vm_writev(os.getpid(), ctypes.byref(here), 1, ctypes.byref(there), 1, 0)"),
    Cell("sys.stdout closed", "descriptors", "import sys\nsys.stdout.close()\nsys.stderr.close()", ANY),
    Cell("sys.stdout replaced by a liar", "descriptors",
         "import sys\nclass Liar:\n    def write(self, s): raise RuntimeError('no')\n    def flush(self): raise RuntimeError('no')\n"
         "sys.stdout = sys.stderr = Liar()\nprint('x')", ANY),
]

PROCESSES = [
    Cell("os.wait for others' children", "children", "import os\nos.wait()", REFUSED | {TIMED_OUT}),
    Cell("os.waitpid(-1)", "children", "import os\nos.waitpid(-1, 0)", REFUSED | {TIMED_OUT}),
    Cell("os.waitid of everything", "children", "import os\nos.waitid(os.P_ALL, 0, os.WEXITED)", REFUSED | {TIMED_OUT}),
    Cell("waitpid(-1) through libc", "children", LIBC + "[libc.waitpid(-1, None, 1) for _ in range(100)]"),
    Cell("a hundred children left running", "children",
         "import subprocess\nchildren = [subprocess.Popen(['sleep', '600']) for _ in range(100)]", timeout=10.0),
    Cell("a child that ignores SIGTERM", "children",
         "import subprocess\nchild = subprocess.Popen(['sh', '-c', 'trap \"\" TERM; while :; do sleep 600; done'])"),
    Cell("a grandchild in its own session", "children",
         "import subprocess\nsubprocess.Popen(['setsid', 'sh', '-c', 'sleep 20 & exit'])"),
    Cell("a child that holds the output open", "children",
         "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 20; echo late'])"),
    Cell("os.fork", "fork", "import os\nos.fork()", REFUSED, intact=True, worker=FORKED),
    Cell("os.forkpty", "fork", "import os\nos.forkpty()", REFUSED, worker=FORKED),
    Cell("pty.spawn", "fork", "import pty\npty.spawn(['true'])", ANY),
    Cell("os.execv", "fork", "import os\nos.execv('/bin/true', ['true'])", REFUSED, intact=True, worker=EXITED),
    Cell("fork through libc", "fork", LIBC + "assert libc.fork() == -1", DENIED),
    Cell("fork through libc.so.6", "fork", LIBC_SO + "assert libc.fork() == -1", DENIED),
    Cell("clone by number", "fork", LIBC + "libc.syscall(56, 17, 0, 0, 0, 0)", DENIED),
    Cell("execve through libc.so.6", "fork", LIBC_SO + "libc.execve(b'/bin/true', None, None)", DENIED),
    Cell("multiprocessing by fork", "fork",
         "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()", ANY),
    Cell("preexec_fn", "fork", "import subprocess\nsubprocess.run(['true'], preexec_fn=lambda: None)", ANY),
    Cell("subprocess still works beside it all", "fork",
         "import subprocess\nsubprocess.run(['echo', 'hi'], capture_output=True).stdout", frozenset({COMPLETED}), says="hi", intact=True, timeout=10.0),
]

PROCESS_STATE = [
    Cell("signal.alarm", "timers", "import signal\nsignal.alarm(1)", ANY),
    Cell("signal.setitimer", "timers", "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.05)", ANY),
    Cell("ITIMER_PROF", "timers", "import signal\nsignal.setitimer(signal.ITIMER_PROF, 0.05, 0.05)", ANY),
    Cell("alarm through libc.so.6", "timers", LIBC_SO + "libc.alarm(1)\nimport time\ntime.sleep(1.3)", ANY, timeout=2.0),
    Cell("timer_create by number", "timers",
         LIBC + "timer = ctypes.c_int()\nlibc.syscall(222, 0, None, ctypes.byref(timer))\n"
         "spec = (ctypes.c_long * 4)(0, 0, 0, 10**7)\nlibc.syscall(223, timer, 0, spec, None)\nimport time\ntime.sleep(0.3)", ANY),
    Cell("signal.signal", "signals", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)", ANY),
    Cell("SIGSEGV handler taken away", "signals",
         LIBC + "libc.signal.restype = ctypes.c_void_p\nlibc.signal(11, None)\nctypes.string_at(0)", GONE),
    Cell("SIGSEGV handler taken away through libc.so.6", "signals",
         LIBC_SO + "libc.signal.restype = ctypes.c_void_p\nlibc.signal(11, None)\nctypes.string_at(0)", GONE),
    Cell("SIGPIPE made deadly", "signals", LIBC + "libc.signal.restype = ctypes.c_void_p\nlibc.signal(13, None)", ANY),
    Cell("all signals blocked, then a loop", "signals",
         "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True: pass", STOPPED),
    Cell("all signals blocked, then C", "signals",
         "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nsum(range(10**11))", STOPPED),
    # A worker's gets the stop's own signal, and ends with it as its result.
    Cell("signal.sigwait", "signals", "import signal\nsignal.sigwait(signal.valid_signals())", STOPPED | REFUSED, worker=InWorker(DONE)),
    Cell("faulthandler", "signals", "import faulthandler\nfaulthandler.enable()\nfaulthandler.dump_traceback_later(0.1, exit=True)", ANY),
    Cell("signal.set_wakeup_fd", "signals", "import signal\nsignal.set_wakeup_fd(1)", ANY),
    Cell("RLIMIT_NOFILE", "limits", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))", REFUSED, intact=True, worker=InWorker(DONE, intact=True)),
    Cell("RLIMIT_AS", "limits", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))", REFUSED, worker=InWorker(DONE)),
    Cell("RLIMIT_CPU", "limits", "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))", REFUSED, worker=InWorker(DONE)),
    Cell("RLIMIT_FSIZE", "limits", "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", REFUSED, worker=InWorker(DONE, intact=True)),
    Cell("prlimit on own pid", "limits", "import os, resource\nresource.prlimit(os.getpid(), resource.RLIMIT_STACK, (4096, 4096))", REFUSED, worker=InWorker(DONE, intact=True)),
    Cell("setrlimit through libc.so.6", "limits",
         LIBC_SO + "libc.setrlimit(7, (ctypes.c_ulong * 2)(4, 4))", DENIED),
    Cell("os.nice", "limits", "import os\nos.nice(19)", ANY),
    Cell("sched_setaffinity to one CPU", "limits", "import os\nos.sched_setaffinity(0, {0})", ANY),
    Cell("setuid", "limits", "import os\nos.setuid(65534)", ANY),
    Cell("prctl PDEATHSIG and not dumpable", "limits", LIBC + "libc.prctl(4, 0, 0, 0, 0)\nlibc.prctl(1, 9, 0, 0, 0)", ANY),
    Cell("seccomp strict", "limits", LIBC_SO + "libc.prctl(22, 1, 0, 0, 0)", ANY),
    Cell("locale", "locale", "import locale\nlocale.setlocale(locale.LC_ALL, 'C')\nlocale.localeconv()", ANY),
    Cell("locale that cannot be", "locale", "import locale\nlocale.setlocale(locale.LC_ALL, 'xx_XX.nonsense')", REFUSED, intact=True),
    Cell("putenv and tzset", "locale", "import os, time\nos.putenv('TZ', 'Mars/Olympus')\nos.environ['TZ'] = 'Mars/Olympus'\ntime.tzset()", ANY),
    Cell("environment emptied through libc", "locale", LIBC + "libc.clearenv()", ANY),
    Cell("chdir, chroot, umask", "locale", "import os\nos.umask(0o777)\nos.chdir('/proc')\ntry: os.chroot('/tmp')\nexcept OSError: pass", ANY),
]

THREADS = [
    Cell("daemon thread left spinning", "threads",
         "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()", ANY),
    Cell("non-daemon thread left spinning", "threads",
         "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin).start()"),
    Cell("thread that swallows everything", "threads",
         "import threading\ndef spin():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n"
         "threading.Thread(target=spin).start()"),
    Cell("thread left in a sleep", "threads", "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"),
    Cell("thread left waiting for a lock", "threads",
         "import threading\nlock = threading.Lock()\nlock.acquire()\nthreading.Thread(target=lock.acquire).start()"),
    Cell("thread left in C", "threads", "import threading\nthreading.Thread(target=sum, args=(range(10**11),)).start()", ANY),
    Cell("raw thread left running", "threads", "import _thread, time\n_thread.start_new_thread(time.sleep, (600,))", ANY),
    Cell("pthread through ctypes", "threads",
         LIBC + "handle = ctypes.c_void_p()\nlibc.pthread_create(ctypes.byref(handle), None, ctypes.cast(libc.pause, ctypes.c_void_p), None)", ANY),
    Cell("pthread that crashes", "threads",
         LIBC + "handle = ctypes.c_void_p()\nlibc.pthread_create(ctypes.byref(handle), None, ctypes.c_void_p(0x1234), None)\nimport time\ntime.sleep(0.2)", ANY),
    Cell("Python callback on a foreign pthread", "threads",
         LIBC + "handle = ctypes.c_void_p()\nkind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)\n"
         "callback = kind(lambda _: print('from a foreign thread'))\n"
         "libc.pthread_create(ctypes.byref(handle), None, callback, None)\nimport time\ntime.sleep(0.3)", ANY),
    Cell("a thousand threads", "threads",
         "import threading, time\nfor _ in range(1000): threading.Thread(target=time.sleep, args=(600,)).start()", ANY, timeout=10.0),
    Cell("thread pool left with work", "threads",
         "import concurrent.futures, time\npool = concurrent.futures.ThreadPoolExecutor(8)\nfor _ in range(64): pool.submit(time.sleep, 60)"),
    Cell("timer thread", "threads", "import threading\nthreading.Timer(0.5, print, args=('late',)).start()"),
    Cell("thread that prints for ever", "threads",
         "import threading\ndef chatter():\n    while True: print('x')\nthreading.Thread(target=chatter).start()"),
    Cell("asyncio tasks left running", "threads",
         "import asyncio\nasync def spin():\n    while True: await asyncio.sleep(0)\ntasks = [asyncio.create_task(spin()) for _ in range(100)]\nawait asyncio.sleep(0.05)"),
    Cell("asyncio task that refuses to be cancelled", "threads",
         "import asyncio\nasync def stubborn():\n    while True:\n        try: await asyncio.sleep(600)\n        except BaseException: pass\n"
         "await stubborn()", STOPPED),
    Cell("nested interpreter", "threads",
         "import _interpreters\nid = _interpreters.create()\n_interpreters.exec(id, 'import os; os._exit(0)')", ANY),
    Cell("nested legacy interpreter that forks", "threads",
         "import _interpreters\nid = _interpreters.create('legacy')\n_interpreters.exec(id, 'import os\\nif os.fork() == 0: os._exit(0)')", ANY),
]

ENDINGS = [
    Cell("atexit that hangs", "endings", "import atexit\n@atexit.register\ndef hang():\n    while True: pass"),
    Cell("atexit that exits", "endings", "import atexit, os\natexit.register(os._exit, 1)"),
    Cell("__del__ that hangs", "endings",
         "class A:\n    def __del__(self):\n        while True: pass\na = A()"),
    Cell("__del__ that hangs now", "endings",
         "class A:\n    def __del__(self):\n        while True: pass\nA()\nNone", ANY),
    Cell("__del__ that raises for ever", "endings",
         "class A:\n    def __del__(self):\n        A()\n        raise RuntimeError('again')\na = A()", ANY),
    Cell("__del__ that resurrects", "endings",
         "kept = []\nclass A:\n    def __del__(self): kept.append(self)\na = A()\ndel a"),
    Cell("weakref callback that hangs", "endings",
         "import weakref, time\nclass A: pass\na = A()\nr = weakref.ref(a, lambda _: time.sleep(600))", ANY),
    Cell("__repr__ that hangs", "endings", "class A:\n    def __repr__(self):\n        while True: pass\nA()", STOPPED),
    Cell("__repr__ that floods", "endings", "class A:\n    def __repr__(self): return 'x' * 10**8\nA()", ANY, timeout=5.0),
    Cell("__repr__ that returns no string", "endings", "class A:\n    def __repr__(self): return 7\nA()", REFUSED, intact=True),
    Cell("__str__ of the exception hangs", "endings",
         "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E()", frozenset({RAISED, TIMED_OUT, LOST})),
    Cell("__str__ of the exception raises", "endings",
         "class E(Exception):\n    def __str__(self): raise E()\nraise E()", REFUSED, intact=True),
    Cell("exception with a lying class", "endings",
         "class M(type):\n    def __getattribute__(cls, name): raise RuntimeError(name)\n"
         "class E(Exception, metaclass=M): pass\nraise E('x')", frozenset({RAISED, LOST})),
    Cell("exception chain that is a circle", "endings",
         "a, b = ValueError('a'), ValueError('b')\na.__context__ = b\nb.__context__ = a\nraise a", REFUSED),
]

FLOODS = [
    Cell("list bomb", "memory", "x = [0]\nwhile True: x += x", frozenset({RAISED, TIMED_OUT, LOST}), timeout=20.0, worker=InWorker(REFUSED, says="MemoryError", intact=True)),
    Cell("bytes bomb", "memory", "held = []\nwhile True: held.append(b'x' * 10**7 + b'y')", frozenset({RAISED, TIMED_OUT, LOST}), timeout=20.0, worker=InWorker(REFUSED, says="MemoryError", intact=True)),
    Cell("one huge allocation", "memory", "bytearray(1 << 46)", REFUSED, intact=True),
    Cell("mmap bomb", "memory",
         "import mmap\nheld = []\nwhile True:\n    m = mmap.mmap(-1, 1 << 26)\n    m.write(b'x' * (1 << 26))\n    held.append(m)", frozenset({RAISED, TIMED_OUT, LOST}), timeout=20.0, worker=InWorker(REFUSED, says="MemoryError", intact=True)),
    Cell("string times string", "memory", "x = 'x'\nwhile True: x = x * 2 + x", frozenset({RAISED, TIMED_OUT, LOST}), timeout=20.0, worker=InWorker(REFUSED, says="MemoryError", intact=True)),
    Cell("memory error swallowed", "memory",
         "held = []\nwhile True:\n    try: held.append(bytearray(10**6))\n    except MemoryError: pass", STOPPED | {RAISED}, timeout=3.0, worker=InWorker(STOPPED)),
    Cell("output flood", "output", "while True: print('x' * 10000)", STOPPED | REFUSED, intact=True),
    Cell("output flood on descriptor 2", "output", "import os\nwhile True: os.write(2, b'x' * 65536)", STOPPED | REFUSED),
    Cell("output flood from a child", "output", "import subprocess\nsubprocess.run(['yes'])", STOPPED, intact=True),
    Cell("output without a newline", "output", "import sys\nfor _ in range(1000): sys.stdout.write('x' * 1000)", frozenset({COMPLETED})),
    Cell("output that is not UTF-8", "output", "import os\nos.write(1, bytes(range(256)) * 10)", frozenset({COMPLETED}), intact=True),
    Cell("lone surrogates everywhere", "output", "print('\\ud800')\n'\\udfff'", ANY),
    Cell("a huge result", "output", "'x' * 10**8", frozenset({COMPLETED}), timeout=5.0, intact=True),
    Cell("a huge number as the result", "output", "10**100000", CONTAINED, intact=True),
    Cell("a huge exception", "output", "raise ValueError('x' * 10**8)", REFUSED, timeout=5.0),
    Cell("terminal control and NUL", "output", "print('\\x1b[2J\\x00\\r\\n\\x07')", frozenset({COMPLETED}), intact=True),
]

TAMPERING = [
    Cell("import hook that lies", "imports",
         "import sys, types\nclass Liar:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n        raise RuntimeError('lied about ' + name)\n"
         "sys.meta_path.insert(0, Liar)\nsys.path_hooks.clear()\nsys.path_importer_cache.clear()"),
    Cell("import hook that hangs", "imports",
         "import sys\nclass Hang:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n        while True: pass\n"
         "sys.meta_path.insert(0, Hang)\nimport something", STOPPED),
    Cell("sys.modules emptied", "imports", "import sys\nsys.modules.clear()", ANY),
    Cell("sys.modules full of lies", "imports", "import sys\nfor name in list(sys.modules): sys.modules[name] = None", ANY),
    Cell("__import__ replaced", "imports", "import builtins\nbuiltins.__import__ = None", ANY),
    Cell("extension check switched off", "imports", "import _imp\n_imp._override_multi_interp_extensions_check(-1)", REFUSED),
    Cell("builtins emptied", "tampering", "import builtins\nbuiltins.__dict__.clear()", ANY),
    Cell("builtins that lie", "tampering",
         "import builtins\nfor name in ('print', 'repr', 'str', 'len', 'compile', 'exec', 'eval', 'isinstance', 'type', 'getattr'):\n    setattr(builtins, name, None)", ANY),
    Cell("builtins deleted", "tampering", "import builtins\nfor name in list(vars(builtins)):\n    delattr(builtins, name)", ANY),
    Cell("__builtins__ replaced", "tampering", "__builtins__ = {}\nglobals()['__builtins__'] = 7", ANY),
    Cell("globals emptied", "tampering", "globals().clear()", ANY),
    Cell("sys emptied", "tampering", "import sys\nfor name in list(vars(sys)):\n    try: delattr(sys, name)\n    except Exception: pass", ANY),
    Cell("sys.excepthook and displayhook", "tampering",
         "import sys\ndef hang(*_):\n    while True: pass\nsys.excepthook = sys.displayhook = sys.unraisablehook = hang\n1/0", REFUSED, intact=True),
    Cell("sys.settrace that raises", "tampering",
         "import sys\ndef tracer(*_): raise RuntimeError('traced')\nsys.settrace(tracer)\ndef f(): pass\nf()", ANY),
    Cell("sys.settrace against the stop", "tampering", "import sys\nsys.settrace(lambda *_: None)\nwhile True: pass", STOPPED),
    Cell("trace cleared for ever", "tampering",
         "import sys\nwhile True:\n    try:\n        while True: sys.settrace(None)\n    except BaseException: pass", STOPPED),
    Cell("sys.setprofile and monitoring", "tampering",
         "import sys\nfor tool in range(6):\n    try:\n        sys.monitoring.use_tool_id(tool, 'x')\n        sys.monitoring.set_events(tool, sys.monitoring.events.LINE)\n    except ValueError: pass", ANY),
    Cell("audit hook that refuses everything", "tampering",
         "import sys\ndef no(event, args): raise RuntimeError('refused ' + event)\nsys.addaudithook(no)", ANY),
    Cell("audit hook that hangs", "tampering",
         "import sys\ndef hang(event, args):\n    if event != 'sys.addaudithook':\n        while True: pass\nsys.addaudithook(hang)\nopen('/dev/null')", ANY),
    Cell("switch interval and recursion limit", "tampering", "import sys\nsys.setswitchinterval(1e-9)\nsys.setswitchinterval(1e9)\nsys.setrecursionlimit(50)", ANY),
    Cell("gc callback that raises", "tampering",
         "import gc\ndef bad(*_): raise RuntimeError('gc')\ngc.callbacks.append(bad)\ngc.collect()", ANY),
    Cell("gc walks and breaks our objects", "tampering",
         "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and '__name__' in o and str(o.get('__name__', '')).startswith('mcp_runtime'):\n        o.clear()", ANY),
    Cell("gc clears every dict and list", "tampering",
         "import gc\nfor o in gc.get_objects():\n    try:\n        if type(o) in (dict, list): o.clear()\n    except Exception: pass", ANY),
    Cell("runtime module emptied", "tampering",
         "import sys\nfor name, module in list(sys.modules.items()):\n    if name.startswith(('mcp_runtime', '_pyember')):\n        for key in list(vars(module)):\n            try: delattr(module, key)\n            except Exception: pass", ANY),
    Cell("runtime module replaced", "tampering",
         "import sys\nfor name in list(sys.modules):\n    if name.startswith(('mcp_runtime', '_pyember')): sys.modules[name] = 'gone'", ANY),
    Cell("runtime functions turned into hangs", "tampering",
         "import sys, types\ndef hang(*a, **k):\n    while True: pass\n"
         "for name, module in list(sys.modules.items()):\n    if name.startswith('mcp_runtime'):\n        for key, value in list(vars(module).items()):\n            if isinstance(value, types.FunctionType): setattr(module, key, hang)", ANY),
    Cell("native module called with nonsense", "tampering",
         "import sys\nnative = sys.modules.get('_pyember')\nif native is None:\n    import _pyember as native\n"
         "for key in dir(native):\n    for args in ((), (None,), (-1,), ('x', 'y'), (2**70,)):\n        try: getattr(native, key)(*args)\n        except Exception: pass", ANY),
    Cell("frames above the cell", "tampering",
         "import sys\nframe = sys._getframe()\nwhile frame.f_back: \n    frame = frame.f_back\n    frame.f_globals.clear()\n    frame.f_builtins.clear()", ANY),
    Cell("KeyboardInterrupt redefined", "tampering",
         "import builtins\nbuiltins.KeyboardInterrupt = builtins.BaseException = builtins.Exception = int\nwhile True: pass", STOPPED),
    Cell("compile that lies", "tampering", "import builtins\nbuiltins.compile = lambda *a, **k: (_ for _ in ()).throw(RuntimeError('no'))", ANY),
    Cell("input", "tampering", "input('? ')", REFUSED, intact=True),
    Cell("breakpoint", "tampering", "breakpoint()", ANY),
    Cell("syntax that warns and null bytes", "tampering", "exec('x = 1\\0')", REFUSED, intact=True),
    Cell("code that is not UTF-8 inside", "tampering", "compile(b'\\xff\\xfe', 'x', 'exec')", REFUSED, intact=True),
]

CELLS: list[Cell] = [
    *EXITS, *KILLS, *CRASHES, *DESCRIPTORS, *PROCESSES, *PROCESS_STATE, *THREADS, *ENDINGS, *FLOODS, *TAMPERING,
]  # fmt: skip


def cells_in(room: str, category: str = "") -> list[Cell]:
    """The battery, or one category of it, with what is expected in a room: inprocess or process."""
    found = [cell for cell in CELLS if category in ("", cell.category)]
    return [_in_worker(cell) for cell in found] if room == "process" else found


def _in_worker(cell: Cell) -> Cell:
    if cell.worker is None:
        return cell
    differs = cell.worker
    return replace(cell, accept=differs.accept, says=differs.says, intact=differs.intact,
                   timeout=cell.timeout if differs.timeout is None else differs.timeout)
