"""Stops of a worker's cells: SIGINT and the page. What never looks is the server's to kill."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from zygotes import Worker, Zygote, gone

LOOPS = {
    "a function": "def f():\n    while True: pass\nf()",
    "a lock": "import threading\nl = threading.Lock(); l.acquire(); l.acquire()",
    "a queue": "import queue\nqueue.Queue().get()",
    "a socket": "import socket\npair = socket.socketpair(); pair[0].recv(1)",
    "a child": "import subprocess\nsubprocess.run(['sleep', '60'])",
    "a repr": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "a cell with await": "import asyncio\nawait asyncio.sleep(60)",
    "asyncio.run": "import asyncio\nasyncio.run(asyncio.sleep(60))",
    "a loop that yields": "import asyncio\nwhile True: await asyncio.sleep(0)",
    "a number": "10 ** 10 ** 8",
    "a child that is waited for": "import os, time\nif not (pid := os.fork()): time.sleep(60)\nos.waitpid(pid, 0)",
}


@pytest.mark.parametrize("code", LOOPS.values(), ids=LOOPS.keys())
def test_it_is_stopped_and_the_session_goes_on(worker: Worker, code: str) -> None:
    worker.value("x = 5")
    done = worker.stopped(f"print('here')\n{code}")
    assert done.type == "KeyboardInterrupt" and '"<cell 2>"' in done.error[2]
    assert "mcp_runtime" not in done.error[2]
    assert worker.value("x") == "5"
    assert worker.value("import asyncio\nawait asyncio.sleep(0.001, 'ok')") == "'ok'"
    assert worker.value("asyncio.run(asyncio.sleep(0.001, 'ok'))") == "'ok'"


SWALLOWERS = {
    "a handler": "while True:\n    try:\n        time.sleep(0.001)\n    except BaseException:\n        pass",
    "a long wait in a handler": "try:\n    time.sleep(60)\nexcept BaseException:\n    time.sleep(60)",
    "a long wait in a finally": "try:\n    time.sleep(60)\nfinally:\n    time.sleep(60)",
    "nested functions": "def f(n):\n    while True:\n        try:\n            f(n - 1) if n else time.sleep(0.01)\n"
    "        except BaseException:\n            continue\nf(5)",
    "a context manager": "import contextlib\nwhile True:\n    with contextlib.suppress(BaseException): time.sleep(0.01)",
    "coroutines": "import asyncio\nwhile True:\n    try:\n        await asyncio.sleep(0.001)\n    except BaseException:\n        pass",
}


@pytest.mark.parametrize("code", SWALLOWERS.values(), ids=SWALLOWERS.keys())
def test_a_second_signal_insists(worker: Worker, code: str) -> None:
    """The server sends one every quarter of a second; here they come faster."""
    worker.value("x = 5; import time")
    cell = worker.begin(f"import time\nprint('here')\n{code}")
    worker.wait_for_output("here")
    done = None
    for _ in range(40):
        time.sleep(0.12)
        worker.stop(cell)
        worker.wire.settimeout(0.12)
        try:
            done = worker.done()
            break
        except TimeoutError:
            pass
    worker.wire.settimeout(30)
    assert done is not None and done.status == 2, done
    assert worker.value("import sys\nx, sys.gettrace()") == "(5, None)"
    assert worker.value("import asyncio\nawait asyncio.sleep(0.001, 'ok')") == "'ok'"


def test_a_late_stop_does_not_hit_the_next_cell(worker: Worker) -> None:
    first = worker.begin("1 + 1")
    worker.done()
    worker.begin("import time\nprint('here')\ntime.sleep(0.4)\n'undisturbed'")
    worker.wait_for_output("here")
    for _ in range(3):
        worker.stop(first)
        time.sleep(0.05)
    assert worker.done().result == "'undisturbed'"


def test_a_stop_between_two_cells_hits_none(worker: Worker) -> None:
    worker.value("x = 5")
    for _ in range(5):
        worker.stop()
        time.sleep(0.01)
    assert worker.value("x") == "5"


def test_a_stop_that_comes_before_the_code_begins_is_kept(worker: Worker) -> None:
    """The server may ask when the cell is still in the socket."""
    os.kill(worker.pid, signal.SIGSTOP)
    cell = worker.begin("while True: pass")
    worker.stop(cell)
    os.kill(worker.pid, signal.SIGCONT)
    assert worker.done().status == 2
    assert worker.value("1 + 1") == "2"


def test_stops_at_any_moment_are_contained(worker: Worker) -> None:
    """Whatever a stop hits, each cell is answered once, and the session stays usable."""
    worker.value("import asyncio, json, traceback\nasyncio.run(asyncio.sleep(0))")
    cells = [
        "x = [i for i in range(2000)]\nlen(x)",
        "1 / 0",
        "await asyncio.sleep(0)",
        "for _ in range(20): await asyncio.sleep(0)",
        "class A:\n    def __repr__(self): return str(sum(range(500)))\nA()",
        "import json; json.dumps({'a': [1] * 200})",
        "1 + 1",
        "try:\n    while True: pass\nfinally:\n    x = 5",
        "x = (",
    ]
    counts = [0, 0, 0]
    deadline = time.monotonic() + 3
    number = 0
    while time.monotonic() < deadline:
        number += 1
        cell = worker.begin(cells[number % len(cells)])
        time.sleep((number * 37 % 199) * 0.00001)
        worker.stop(cell)
        while True:
            worker.wire.settimeout(0.12)
            try:
                counts[worker.done().status] += 1
                break
            except TimeoutError:
                worker.stop(cell)
    worker.wire.settimeout(30)
    assert min(counts) > 0, counts
    assert worker.value("await asyncio.sleep(0.001, 'ok')") == "'ok'"
    assert worker.value("asyncio.run(asyncio.sleep(0.001, 'ok'))") == "'ok'"


def test_code_that_handles_the_signal_itself_keeps_its_handler_for_the_cell(worker: Worker) -> None:
    code = "import signal, time\nseen = []\nsignal.signal(signal.SIGINT, lambda *_: seen.append(1))\nprint('here')\nwhile not seen: time.sleep(0.01)\nseen"
    cell = worker.begin(code)
    worker.wait_for_output("here")
    worker.stop(cell)
    assert worker.done().result == "[1]"
    assert worker.stopped("print('here')\nwhile True: pass").type == "KeyboardInterrupt"
    worker.value("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nNone")
    assert worker.stopped("print('here')\nwhile True: pass").type == "KeyboardInterrupt"
    worker.value("signal.signal(signal.SIGINT, signal.SIG_IGN)\nNone")
    assert worker.stopped("print('here')\nwhile True: pass").type == "KeyboardInterrupt"


def test_code_may_interrupt_itself(worker: Worker) -> None:
    for code in ("import _thread; _thread.interrupt_main()\nwhile True: pass", "import os; os.kill(os.getpid(), 2)\nwhile True: pass"):
        assert worker.failure(code).type == "KeyboardInterrupt"
    assert worker.value("1 + 1") == "2"


def test_clean_up_has_a_moment_after_a_stop(worker: Worker) -> None:
    worker.value("seen = []")
    done = worker.stopped(
        "import asyncio\nprint('here')\ntry:\n    await asyncio.sleep(60)\nfinally:\n    await asyncio.sleep(0.01)\n    seen.append('cleaned')",
        0.05,
        0.005,
    )
    assert done.status == 2
    assert worker.value("seen") == "['cleaned']"


def test_an_error_whose_text_never_ends_can_be_stopped(worker: Worker) -> None:
    cell = worker.begin("class E(Exception):\n    def __str__(self):\n        while True: pass\nprint('here')\nraise E")
    worker.wait_for_output("here")
    time.sleep(0.05)
    worker.stop(cell)
    done = worker.done()
    assert done.type == "E" and worker.value("1 + 1") == "2"


def test_a_child_of_a_stopped_cell_is_ended_by_subprocess_run(worker: Worker) -> None:
    worker.stopped("import subprocess\nprocess = []\nclass P(subprocess.Popen):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n"
                   "        process.append(self)\nsubprocess.Popen = P\nprint('here')\nsubprocess.run(['sleep', '60'])")
    assert gone(int(worker.value("process[0].pid") or 0))


def test_tracing_by_the_user_is_left_alone_by_a_single_stop(worker: Worker) -> None:
    worker.value("import sys\ndef trace(frame, event, arg): return None\nsys.settrace(trace)")
    worker.stopped("print('here')\nwhile True: pass")
    assert worker.value("sys.gettrace() is trace, sys.settrace(None)") == "(True, None)"


QUERY = "'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c where x < 0'"


@pytest.fixture
def database(worker: Worker) -> Worker:
    worker.value("import sqlite3, threading\nx = 5\ndatabase = sqlite3.connect(':memory:', check_same_thread=False)")
    return worker


@pytest.mark.parametrize("code", [
    "for row in database.execute({0}): pass",
    "database.set_progress_handler(lambda: 0, 1000)\ndatabase.execute({0})",
    "class Mine(sqlite3.Connection): pass\nsqlite3.connect(':memory:', factory=Mine).execute({0})",
    "database.create_function('f', 1, lambda x: x)\ndatabase.execute({0}.replace('x < 0', 'f(x) < 0'))",
    "while True:\n    try: database.execute({0})\n    except BaseException: pass",
])
def test_a_long_query_is_stopped(database: Worker, code: str) -> None:
    """A second signal is needed where the first one's exception is swallowed."""
    cell = database.begin("print('here')\n" + code.format(QUERY))
    database.wait_for_output("here")
    time.sleep(0.05)
    database.stop(cell)
    time.sleep(0.12)
    database.stop(cell)
    done = database.done()
    assert done.status in (1, 2) and done.error is not None, done
    assert done.type in ("KeyboardInterrupt", "sqlite3.OperationalError") and "mcp_runtime" not in done.error[2]
    assert database.value("import sys\nx, sys.gettrace()") == "(5, None)"


def test_code_that_goes_on_after_a_query_was_interrupted_gets_the_interrupt(database: Worker) -> None:
    done = database.stopped(f"seen = []\nprint('here')\ntry:\n    try: database.execute({QUERY})\n    except sqlite3.Error: seen.append('swallowed')\n"
                            "    while True: pass\nfinally:\n    seen.append('first line')\n    seen.append('second line')")
    assert done.type == "KeyboardInterrupt"
    assert database.value("seen") == "['first line', 'second line']"


def test_a_threads_query_outlives_the_stop_of_a_cell(database: Worker) -> None:
    database.value("found = []\ndef count():\n    query = 'with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000000) select count(*) from c'\n"
                   "    found.append(database.execute(query).fetchone())\nthread = threading.Thread(target=count)\nthread.start()")
    database.stopped("print('here')\nwhile True: pass")
    assert database.value("thread.join(); found") == "[(3000000,)]"


def test_a_forked_childs_query_is_its_own(database: Worker) -> None:
    code = (f"import os\npid = os.fork()\nif not pid:\n    database.execute('with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000000) select count(*) from c')\n"
            "    os._exit(7)\nprint('here')\nwhile True: pass")
    database.stopped(code)
    assert database.value("os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])") == "7"


def test_cpu_time_ends_a_query_and_says_so(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"cpu_seconds": 1})
    done = worker.failure(f"import sqlite3\nsqlite3.connect(':memory:').execute({QUERY})")
    assert done.type == "sqlite3.OperationalError" and "1 s of CPU time" in done.notices[0], done


def test_what_os_system_started_ends_with_its_stop(worker: Worker) -> None:
    worker.stopped("import os\nprint('here')\nos.system('echo $$ > /tmp/system.$PPID; sleep 60 & echo $! >> /tmp/system.$PPID; wait')", 0.3)
    shell, child = map(int, (worker.value("open(f'/tmp/system.{os.getpid()}').read().split()") or "").strip("[]").replace("'", "").split(","))
    worker.value("os.unlink(f'/tmp/system.{os.getpid()}')")
    assert gone(shell, child)


def test_os_system_answers_as_ever(worker: Worker) -> None:
    worker.value("import os; os.environ['GREETING'] = 'hallo'")
    done = worker.run("os.system('echo $GREETING; exit 3') >> 8, os.system(b'kill -9 $$'), os.WTERMSIG(9)")
    assert (done.result, done.out) == ("(3, 9, 9)", "hallo\n")
    assert worker.run("from os import system\nsystem('sleep 60 & echo at once')\nNone").out == "at once\n"


def test_a_child_whose_output_is_read_ends_with_the_stop(worker: Worker, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    worker.stopped(f"import subprocess\nprint('here')\nsubprocess.check_output('echo $$ > {told}; exec sleep 60', shell=True)", 0.3)
    assert gone(int(told.read_text()))


def test_a_child_that_is_waited_for_does_not_hold_up_the_handler(worker: Worker) -> None:
    """Popen gives a child a quarter of a second to see a Ctrl-C that only a terminal sends."""
    code = "import subprocess, time\nprint('here')\ntry:\n    subprocess.run(['sleep', '60'])\nexcept KeyboardInterrupt:\n    began = time.monotonic()\n'caught'"
    cell = worker.begin(code)
    worker.wait_for_output("here")
    time.sleep(0.1)
    worker.stop(cell)
    done = worker.done()
    assert (done.status, done.result) == (0, "'caught'"), done
