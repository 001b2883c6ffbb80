"""Stops, isolation and reuse through the built server; PYEMBER_BINARY names it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from server import Server

pytestmark = pytest.mark.skipif(
    "PYEMBER_BINARY" not in os.environ, reason="PYEMBER_BINARY does not name a built server")

TIMEOUT = 0.2
# Many times what a stop takes (50 ms at most): only a cell that was not stopped gets here.
STOPPED_WITHIN = 5


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


PREPARED = ("import os, time, threading, queue, socket, select, subprocess, sqlite3, asyncio\n"
            "import concurrent.futures, multiprocessing\n"
            "kept = 42\nr, w = os.pipe()\nlock = threading.Lock(); lock.acquire()\nbody = 0")

WAITS = {
    "sleep": "time.sleep(60)",
    "lock": "lock.acquire()",
    "lock with a timeout": "lock.acquire(timeout=60)",
    "with lock": "with lock: body = 1",
    "rlock": "k = threading.RLock(); e = threading.Event()\n"
             "def hold():\n    with k: e.set(); time.sleep(3)\n"
             "threading.Thread(target=hold).start(); e.wait()\nwith k: body = 1",
    "condition": "c = threading.Condition()\nwith c: c.wait()",
    "event": "threading.Event().wait()",
    "semaphore": "threading.Semaphore(0).acquire()",
    "barrier": "threading.Barrier(2).wait()",
    "queue": "queue.Queue().get()",
    "full queue": "q = queue.Queue(1); q.put(1); q.put(2)",
    "simple queue": "queue.SimpleQueue().get()",
    "join": "t = threading.Thread(target=time.sleep, args=(3,)); t.start(); t.join()",
    "future": "concurrent.futures.Future().result()",
    "pool": "p = concurrent.futures.ThreadPoolExecutor(1); p.submit(time.sleep, 3).result()",
    "multiprocessing lock": "m = multiprocessing.Lock(); m.acquire(); m.acquire()",
    "recv": "a, b = socket.socketpair(); a.recv(1)",
    "accept": "s = socket.create_server(('127.0.0.1', 0)); s.accept()",
    "select": "select.select([r], [], [])",
    "poll": "p = select.poll(); p.register(r, 1); p.poll()",
    "read": "os.read(r, 1)",
    "buffered read": "os.fdopen(os.dup(r), 'rb').read(10)",
    "waitpid": "c = subprocess.Popen(['sleep', '60']); os.waitpid(c.pid, 0)",
    "wait": "c = subprocess.Popen(['sleep', '60']); os.wait()",
    "subprocess.run": "subprocess.run(['sleep', '60'])",
    "communicate": "subprocess.Popen(['sleep', '60'], stdout=subprocess.PIPE).communicate()",
    "system": "os.system('sleep 60')",
    "popen": "os.popen('sleep 60').read()",
    "asyncio": "await asyncio.sleep(60)",
    "asyncio subprocess": "p = await asyncio.create_subprocess_exec('sleep', '60'); await p.wait()",
    "asyncio.run": "asyncio.run(asyncio.sleep(60))",
    "sqlite": "sqlite3.connect(':memory:').execute('with recursive r(x) as (select 1 union all "
              "select x+1 from r) select count(*) from r').fetchone()",
    "a locked database": "import tempfile; f = tempfile.mktemp(); d = sqlite3.connect(f)\n"
                         "d.execute('create table t(x)'); d.commit(); d.execute('begin exclusive')\n"
                         "sqlite3.connect(f, timeout=30).execute('insert into t values(1)')",
    "python loop": "while True: pass",
    "loop that swallows": "while True:\n    try:\n        while True: pass\n"
                          "    except BaseException: pass",
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_stop_ends_it_and_the_session_goes_on(server: Server, wait: str) -> None:
    session = f"wait {wait}".replace(" ", "-")
    assert server.run(PREPARED, session)["status"] == "completed"
    outcome = server.run(WAITS[wait], session, timeout=TIMEOUT)
    assert outcome["status"] == "timed_out", outcome
    assert outcome["seconds"] < TIMEOUT + STOPPED_WITHIN
    after = server.run("kept, body, subprocess.run(['echo', 'x'], capture_output=True).stdout, "
                       "threading.Lock().acquire()", session)
    assert after["result"] == "(42, 0, b'x\\n', True)", after
    server.tool("close_session", session=session)


def test_a_stopped_subprocess_run_and_system_leave_no_child(server: Server) -> None:
    session = "children"
    server.run("import subprocess, os", session)
    for code in ("subprocess.run(['sleep', '61.25'])", "os.system('sleep 61.25')"):
        assert server.run(code, session, timeout=TIMEOUT)["status"] == "timed_out"
        found = _wait_until_none_runs("61.25")
        assert not found, (code, found)
    server.tool("close_session", session=session)


def _wait_until_none_runs(argument: str) -> list[str]:
    deadline = time.monotonic() + 5
    while True:
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
            except OSError:
                continue
            if line == b"sleep\0" + argument.encode() + b"\0":
                found.append(pid)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_two_sessions_never_see_each_others_surroundings(server: Server) -> None:
    code = ("import os\nos.makedirs('/tmp/pyember-test-{0}', exist_ok=True)\n"
            "for i in range(300):\n"
            "    os.chdir('/tmp/pyember-test-{0}'); os.environ['WHO'] = '{0}'; os.umask(0o{1})\n"
            "    assert os.getcwd() == '/tmp/pyember-test-{0}'\n"
            "    assert os.environ['WHO'] == '{0}'\n"
            "    assert os.umask(0o{1}) == 0o{1}\n"
            "    print('{0}', end='')\n"
            "    if i % 50 == 0:\n"
            "        assert os.popen('echo $WHO; pwd').read() == '{0}\\n/tmp/pyember-test-{0}\\n'\n"
            "os.rmdir('/tmp/pyember-test-{0}')")
    calls = [server.start_cell(code.format(who, mask), f"two-{who}")
             for who, mask in (("a", "11"), ("b", "22"))]
    for call, who in zip(calls, "ab"):
        outcome = server.wait(call)["structuredContent"]
        assert outcome["status"] == "completed", outcome
        assert outcome["stdout"] == who * 300


LEFT_RUNNING = {
    "a sleeping thread": "threading.Thread(target=time.sleep, args=(60,)).start()",
    "a looping thread": "def f():\n    while True: pass\nthreading.Thread(target=f).start()",
    "a stubborn thread": "def f():\n    while True:\n        try:\n            while True: pass\n"
                         "        except BaseException: pass\nthreading.Thread(target=f).start()",
    "a waiting thread": "threading.Thread(target=queue.SimpleQueue().get).start()",
    "a busy pool": "p = concurrent.futures.ThreadPoolExecutor(2); p.submit(time.sleep, 60)",
    "a thread pool of multiprocessing": "from multiprocessing.pool import ThreadPool\n"
                                        "p = ThreadPool(2)",
    "a timer": "threading.Timer(60, print).start()",
    "a child": "c = subprocess.Popen(['sleep', '60'])",
    "tasks": "t = asyncio.create_task(asyncio.sleep(60)); await asyncio.sleep(0)",
    "an import that never ends": "threading.Thread(target=lambda: __import__('asyncio')).start()",
    "an exit handler": "import atexit; atexit.register(print, 'bye')",
    "a trace function": "import sys; sys.settrace(lambda *a: None)",
}


@pytest.mark.parametrize("left", LEFT_RUNNING)
def test_a_reset_ends_what_was_left_running(server: Server, left: str) -> None:
    session = f"left {left}".replace(" ", "-")
    server.run(PREPARED, session)
    assert server.run(LEFT_RUNNING[left], session)["status"] == "completed"
    told = server.tool("reset_session", session=session)["structuredContent"]
    assert "lost" not in told.get("note", ""), told
    after = server.run("import threading, os\n"
                       "('kept' in globals(), threading.active_count(), 'p' in globals())", session)
    assert after["result"] == "(False, 1, False)", after
    assert not after["notices"] and not after["stdout"] and not after["stderr"], after
    server.tool("close_session", session=session)


def test_many_resets_with_threads_keep_the_server_well(server: Server) -> None:
    session = "resets"
    for turn in range(60):
        outcome = server.run("import threading, queue\n"
                             "threading.Thread(target=queue.SimpleQueue().get).start()", session)
        assert outcome["status"] == "completed", (turn, outcome)
        told = server.tool("reset_session", session=session)["structuredContent"]
        assert "lost" not in told.get("note", ""), (turn, told)


def test_a_child_of_a_session_imports_from_its_environment(server: Server) -> None:
    outcome = server.run("import subprocess, sys\nsubprocess.run([sys.executable, '-c', "
                         "'import sys; print(sys.version_info[:2])'], capture_output=True, "
                         "text=True).stdout.strip() == str(sys.version_info[:2])", "child")
    assert outcome["result"] == "True", outcome
