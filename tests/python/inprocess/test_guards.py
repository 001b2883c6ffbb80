"""What a session may not do to the process it shares."""

from __future__ import annotations

import pytest
from laboratory import run

REFUSED = {
    "import os; os._exit(3)": "PermissionError",
    "import os; os.abort()": "PermissionError",
    "import os; os.kill(os.getpid(), 15)": "PermissionError",
    "import os; os.kill(0, 15)": "PermissionError",
    "import os; os.kill(-1, 15)": "PermissionError",
    "import os; os.kill(os.getppid(), 15)": "PermissionError",
    "import os, threading; os.kill(threading.get_native_id(), 15)": "PermissionError",
    "import os; os.killpg(0, 15)": "PermissionError",
    "import os; os.killpg(os.getpgrp(), 15)": "PermissionError",
    "import os; os.pidfd_open(os.getpid())": "PermissionError",
    "import os; os.fork()": "RuntimeError",
    "import os; os.forkpty()": "RuntimeError",
    "import os; os.execv('/bin/true', ['true'])": "RuntimeError",
    "import os; os.execvp('true', ['true'])": "RuntimeError",
    "import os; os.nice(1)": "PermissionError",
    "import os; os.setpriority(os.PRIO_PROCESS, 0, 5)": "PermissionError",
    "import os; os.sched_setaffinity(0, {0})": "PermissionError",
    "import os; os.setuid(0)": "PermissionError",
    "import os; os.setpgid(0, 0)": "PermissionError",
    "import os; os.setsid()": "PermissionError",
    "import os; os.chroot('/')": "PermissionError",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)": "ValueError",
    "import signal; signal.alarm(1)": "PermissionError",
    "import signal; signal.setitimer(signal.ITIMER_REAL, 1)": "PermissionError",
    "import signal; signal.raise_signal(signal.SIGTERM)": "PermissionError",
    "import signal, threading; signal.pthread_kill(threading.get_ident(), 15)": "PermissionError",
    "import _thread; _thread.interrupt_main()": "RuntimeError",
    "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))": "PermissionError",
    "import resource; resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))": "PermissionError",
    "import os, time; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()": "PermissionError",
    "import time; time.clock_settime(time.CLOCK_REALTIME, 0)": "PermissionError",
    "import threading; threading.stack_size(1 << 20)": "ValueError",
    "import _imp; _imp._override_multi_interp_extensions_check(-1)": "PermissionError",
    "import _interpreters; _interpreters.create('legacy')": "RuntimeError",
    "import faulthandler": "ImportError",
    "import readline": "ImportError",
    "import tracemalloc": "ImportError",
    "import _testcapi": "ImportError",
}


def test_what_would_harm_the_process_is_refused_in_three_parts() -> None:
    outcomes = run(list(REFUSED)).cells
    for (code, error), cell in zip(REFUSED.items(), outcomes):
        assert cell.status == 1 and cell.error, (code, cell)
        assert cell.error[0] == error, (code, cell)
        what, _, rest = cell.error[1].partition(": ")
        why, _, instead = rest.partition(". ")
        assert what and len(why) > 15 and len(instead) > 15, cell.error[1]


HARMLESS = [
    "import os; os.kill(os.getpid(), 0)",
    "import subprocess, os; c = subprocess.Popen(['sleep', '60']); os.kill(c.pid, 9); c.wait()",
    "import subprocess, os, signal\n"
    "c = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    "os.killpg(c.pid, signal.SIGKILL); c.wait()",
    "import subprocess, os, signal\n"
    "c = subprocess.Popen(['sleep', '60']); f = os.pidfd_open(c.pid)\n"
    "signal.pidfd_send_signal(f, 9); os.close(f); c.wait()",
    "import os, subprocess\n"
    "c = subprocess.Popen(['sleep', '60']); os.setpriority(os.PRIO_PROCESS, c.pid, 5); c.kill()\n"
    "c.wait()",
    "import signal; signal.getsignal(signal.SIGTERM); signal.strsignal(2); signal.valid_signals()",
    "import resource; resource.getrlimit(resource.RLIMIT_NOFILE); "
    "resource.prlimit(0, resource.RLIMIT_CORE)",
    "import locale; locale.setlocale(locale.LC_ALL); locale.setlocale(locale.LC_ALL, '')",
    "import time; time.tzset()",
    "import threading; threading.stack_size()",
    "import sys; sys.setrecursionlimit(5000); sys.setswitchinterval(0.01)",
    "import asyncio\nasync def f(): return 1\nassert asyncio.run(f()) == 1",
    "import os; os.register_at_fork(before=print)",
]


def test_what_harms_nobody_works() -> None:
    for code, cell in zip(HARMLESS, run(HARMLESS).cells):
        assert cell.status == 0, (code, cell)


@pytest.mark.parametrize("name", ["os._exit", "os.kill", "signal.alarm"])
def test_a_refusal_carries_the_name_of_what_it_replaces(name: str) -> None:
    module, _, function = name.partition(".")
    cell = run([f"import {module}; {name}.__name__"]).cells[0]
    assert cell.result == repr(function)
