"""Cells that must be stopped: the session and its names are there afterwards, in every room.

The same runaways as tests/hostile/test_stops.py, which holds the in-process room to its margins.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.hostile.stoppable_code import LOOPS, STUBBORN_WAITS, WAITS
from tests.sessions.prompt import Prompt, running, until
from tests.support.raw_client import CellAnswer

TIMEOUT = 0.25
# Far above what any stop needs, even on a busy machine.
LATEST = 20.0

_QUERY = "'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c where x < 0'"
MORE = {
    "loop that swallows KeyboardInterrupt": "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass",
    "os.system that swallows": "import os\nwhile True:\n    try: os.system('sleep 600')\n    except BaseException: pass",
    "sqlite3 query that swallows": (
        "import sqlite3\ndatabase = sqlite3.connect(':memory:')\n"
        f"while True:\n    try: database.execute({_QUERY})\n    except BaseException: pass"
    ),
    "asyncio.to_thread": "import asyncio, threading\nrelease = threading.Event()\nawait asyncio.to_thread(release.wait)",
    "asyncio.run of a thread": "import asyncio, threading\nrelease = threading.Event()\nasyncio.run(asyncio.to_thread(release.wait))",
    "asyncio.gather": "import asyncio\nawait asyncio.gather(asyncio.sleep(600), asyncio.Event().wait())",
    "asyncio shell": "import asyncio\nchild = await asyncio.create_subprocess_shell('sleep 600')\nawait child.communicate()",
    "time.sleep in a thread": "import threading, time\nthread = threading.Thread(target=time.sleep, args=(10,))\nthread.start()\nthread.join()",
    "pool that is left": (
        "import threading\nfrom concurrent.futures import ThreadPoolExecutor\nrelease = threading.Event()\n"
        "with ThreadPoolExecutor(1) as pool: pool.submit(release.wait).result()"
    ),
    "line of a pipe": "import os\nr, w = os.pipe()\nopen(r).readline()",
    "line of a child": "import subprocess\nchild = subprocess.Popen(['sleep', '600'], stdout=subprocess.PIPE)\nchild.stdout.readline()",
    "opening a named pipe": "import os, tempfile\npath = tempfile.mkdtemp() + '/pipe'\nos.mkfifo(path)\nopen(path)",
    "os.popen": "import os\nos.popen('sleep 600').read()",
}
STOPPABLE = {**LOOPS, **WAITS, **STUBBORN_WAITS, **MORE}
# Code in C that never looks: stopping it costs the session.
UNSTOPPABLE = {
    "sum over a range": "sum(range(10**11))",
    "an endless iterator consumed in C": "import collections, itertools\ncollections.deque(itertools.count(), 0)",
}


@pytest.mark.parametrize("name", STOPPABLE)
def test_a_timeout_leaves_the_session_intact(prompt: Prompt, name: str) -> None:
    prompt.value("kept = 41")
    answer = prompt.run(STOPPABLE[name], timeout=TIMEOUT)
    assert answer.status == "timed_out", answer
    assert answer.seconds < LATEST
    assert prompt.value("kept + 1") == "42"


@pytest.mark.parametrize("name", ["plain loop", "loop that swallows BaseException", "time.sleep", "Lock", "Queue",
                                  "socket recv", "select.select", "subprocess.run", "asyncio.sleep"])
def test_an_interrupt_leaves_the_session_intact(prompt: Prompt, name: str) -> None:
    prompt.value("kept = 41" if "asyncio" not in name else "import asyncio\nawait asyncio.sleep(0)\nkept = 41")
    running = prompt.send("print('begun')\n" + STOPPABLE[name], timeout=600)
    time.sleep(0.15)
    interrupted = prompt.tool("interrupt_session")
    assert interrupted.structured["interrupted"] is True
    answer = running.wait(LATEST)["result"]["structuredContent"]
    assert (answer["status"], answer["stdout"]) == ("interrupted", "begun\n"), answer
    assert prompt.value("kept + 1") == "42"


@pytest.mark.parametrize("name", UNSTOPPABLE)
def test_code_in_c_costs_the_session_and_the_next_call_says_so(prompt: Prompt, name: str) -> None:
    prompt.value("kept = 41")
    answer = prompt.run(UNSTOPPABLE[name], timeout=TIMEOUT)
    assert answer.status == "lost" and answer.seconds < LATEST, answer
    after = prompt.run("'kept' in globals()")
    assert (after.status, after.result) == ("completed", "False"), after
    assert "lost" in " ".join(after.notices), after


def test_a_query_of_an_older_connection_is_stopped(prompt: Prompt) -> None:
    prompt.value("import sqlite3\ndatabase = sqlite3.connect(':memory:')\ndatabase.execute('create table t(a)')\nNone")
    answer = prompt.run(f"database.execute({_QUERY}).fetchall()", timeout=TIMEOUT)
    assert answer.status == "timed_out", answer
    assert prompt.value("database.execute('select count(*) from t').fetchall()") == "[(0,)]"


@pytest.mark.parametrize("start", ["subprocess.run(['sh', '-c', script])", "os.system(script)"])
def test_a_child_that_is_waited_for_ends_with_its_cell(prompt: Prompt, start: str) -> None:
    seconds = f"600.1{os.getpid()}"
    slow = prompt.send(f"import os, subprocess\nscript = 'exec sleep {seconds}'\n{start}", timeout=1.5)
    until(lambda: running("sleep", seconds), "the child's start")
    answer = CellAnswer(slow, 60)
    assert answer.status == "timed_out", answer
    until(lambda: not running("sleep", seconds), "the child's end")


def test_the_stopped_cells_traceback_shows_where_it_was(prompt: Prompt) -> None:
    answer = prompt.run("import time\ndef wait_long():\n    time.sleep(600)  # right here\nwait_long()", timeout=TIMEOUT)
    assert answer.status == "timed_out" and "# right here" in answer.error["traceback"], answer
    assert "mcp_runtime" not in answer.error["traceback"]


def test_a_cell_may_catch_the_interrupt_and_end(prompt: Prompt) -> None:
    code = "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass\n'tidied up'"
    answer = prompt.run(code, timeout=TIMEOUT)
    # On a busy machine it may be too slow, and be insisted on.
    assert (answer.status, answer.result) in (("completed", "'tidied up'"), ("timed_out", None)), answer
    assert prompt.value("1 + 1") == "2"


def test_finally_blocks_run_when_a_cell_is_stopped(prompt: Prompt) -> None:
    answer = prompt.run("done = []\ntry:\n    while True: pass\nfinally:\n    done.append('cleaned')", timeout=TIMEOUT)
    assert answer.status == "timed_out", answer
    assert prompt.value("done") == "['cleaned']"


def test_a_stop_never_hits_the_next_cell(prompt: Prompt) -> None:
    for _ in range(25):
        prompt.run("import time\ntime.sleep(0.01)", timeout=0.012)
        assert prompt.value("sum(n for n in range(2000))") == "1999000"


def test_interrupting_an_idle_session_says_so(prompt: Prompt) -> None:
    prompt.value("1")
    assert prompt.tool("interrupt_session").structured["interrupted"] is False
    assert prompt.value("1 + 1") == "2"


def test_a_child_is_ended_with_the_session_not_with_the_cell(prompt: Prompt) -> None:
    prompt.value("import subprocess\nchild = subprocess.Popen(['sleep', '600'])")
    assert prompt.run("while True: pass", timeout=TIMEOUT).status == "timed_out"
    assert prompt.value("child.poll()") is None


def test_a_signal_handler_of_the_users_own_is_no_trouble(prompt: Prompt) -> None:
    prompt.run("import signal\ntry: signal.signal(signal.SIGINT, signal.SIG_IGN)\nexcept ValueError: pass\nkept = 1")
    answer = prompt.run("while True: pass", timeout=TIMEOUT)
    assert answer.status in ("timed_out", "lost"), answer
    assert answer.seconds < LATEST
    assert prompt.value("1 + 1") == "2"
