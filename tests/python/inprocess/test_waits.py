"""Threads, locks and queues on the replaced types behave as CPython's own."""

from __future__ import annotations

from laboratory import run


def test_lock_types_are_the_native_ones_everywhere() -> None:
    cells = run([
        "import threading, _thread\n"
        "type(threading.Lock()) is _thread.LockType is type(threading.Condition(threading.Lock())._lock)",
        "isinstance(threading.RLock(), _thread.RLock)",
        "import queue, _queue; queue.SimpleQueue is _queue.SimpleQueue",
        "queue.SimpleQueue.__module__, queue.SimpleQueue[int].__origin__ is queue.SimpleQueue",
    ]).cells
    assert [cell.result for cell in cells] == ["True", "True", "True", "('_queue', True)"]


def test_threads_start_join_and_say_who_they_are() -> None:
    cells = run([
        "import threading, time\nseen = []\n"
        "t = threading.Thread(target=lambda: (time.sleep(0.05), seen.append(1)))\n"
        "t.join",
        "t.start(); t.join(0.001); t.is_alive()",
        "t.join(); t.is_alive(), seen, t.join()",
        "threading.current_thread() is threading.main_thread()",
        "threading.Thread().join()",
        "threading.current_thread().join()",
        "threading.main_thread().join(0.01)",
        "t.ident is not None, t.native_id is not None",
        "d = threading.Thread(target=time.sleep, args=(0.2,), daemon=True); d.start()\n"
        "r = []; w = threading.Thread(target=lambda: (d.join(), r.append(d.is_alive())))\n"
        "w.start(); w.join(); r",
        "def fails(): raise ValueError('in thread')\n"
        "f = threading.Thread(target=fails); f.start(); f.join(); f.is_alive()",
    ]).cells
    assert cells[1].result == "True"
    assert cells[2].result == "(False, [1], None)"
    assert cells[3].result == "True"
    assert cells[4].error and cells[4].error[0] == "RuntimeError"
    assert cells[5].error and cells[5].error[0] == "RuntimeError"
    assert cells[6].error and cells[6].error[0] == "RuntimeError"
    assert cells[7].result == "(True, True)"
    assert cells[8].result == "[False]"
    assert cells[9].result == "False"


def test_many_threads_are_joined_from_many_threads() -> None:
    cell = run([
        "import threading\n"
        "def work(n):\n"
        "    threads = [threading.Thread(target=lambda: None) for _ in range(n)]\n"
        "    for t in threads: t.start()\n"
        "    for t in threads: t.join()\n"
        "    return sum(t.is_alive() for t in threads)\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool: left = list(pool.map(work, [50] * 16))\n"
        "sum(left), len(left)"]).cells[0]
    assert cell.result == "(0, 16)", cell


def test_simple_queue_keeps_order_and_wakes_every_getter() -> None:
    cells = run([
        "import queue, threading\nq = queue.SimpleQueue()\n"
        "for i in range(3): q.put(i)\n"
        "q.qsize(), q.empty(), q.get(), q.get_nowait(), q.get(timeout=1), q.empty()",
        "q.get_nowait()",
        "q.get(timeout=0.01)",
        "q.get(timeout=-1)",
        "got = []\n"
        "def take():\n"
        "    while True:\n"
        "        item = q.get()\n"
        "        if item is None: break\n"
        "        got.append(item)\n"
        "ts = [threading.Thread(target=take) for _ in range(6)]\n"
        "for t in ts: t.start()\n"
        "ps = [threading.Thread(target=lambda: [q.put(i) for i in range(2000)]) for _ in range(4)]\n"
        "for p in ps: p.start()\n"
        "for p in ps: p.join()\n"
        "for t in ts: q.put(None)\n"
        "for t in ts: t.join(20)\n"
        "len(got), any(t.is_alive() for t in ts), q.qsize()",
    ]).cells
    assert cells[0].result == "(3, False, 0, 1, 2, True)"
    assert cells[1].error and cells[1].error[0] == "_queue.Empty"
    assert cells[2].error and cells[2].error[0] == "_queue.Empty"
    assert cells[3].error and cells[3].error[0] == "ValueError"
    assert cells[4].result == "(8000, False, 0)"


def test_sqlite_connections_keep_the_users_progress_handler() -> None:
    cells = run([
        "import sqlite3\nc = sqlite3.connect(':memory:')\ncalls = []\n"
        "c.set_progress_handler(lambda: calls.append(1), 10)\n"
        "big = 'with recursive r(x) as (select 1 union all select x+1 from r limit 50000) "
        "select count(*) from r'\n"
        "c.execute(big).fetchone(), len(calls) > 100",
        "c.set_progress_handler(None, 0); calls.clear(); c.execute(big).fetchone(), len(calls)",
        "c.set_progress_handler(lambda: 1, 10); c.execute(big)",
        "isinstance(c, sqlite3.Connection), sqlite3.Connection is sqlite3.dbapi2.Connection",
        "class Mine(sqlite3.Connection): pass\n"
        "type(sqlite3.connect(':memory:', factory=Mine)).__name__",
    ]).cells
    assert cells[0].result == "((50000,), True)"
    assert cells[1].result == "((50000,), 0)"
    assert cells[2].error and cells[2].error[0] == "sqlite3.OperationalError"
    assert cells[3].result == "(True, True)"
    assert cells[4].result == "'Mine'"


def test_everything_that_waits_on_locks_works_on_the_replaced_ones() -> None:
    cell = run([
        "import threading, queue, concurrent.futures, asyncio\n"
        "e = threading.Event(); threading.Timer(0.01, e.set).start(); assert e.wait(10)\n"
        "b = threading.Barrier(2); threading.Thread(target=b.wait).start(); b.wait(10)\n"
        "s = threading.Semaphore(0); threading.Timer(0.01, s.release).start(); assert s.acquire(timeout=10)\n"
        "c = threading.Condition()\n"
        "with c: threading.Timer(0.01, lambda: (c.acquire(), c.notify_all(), c.release())).start(); assert c.wait(10)\n"
        "q = queue.Queue(); threading.Timer(0.01, q.put, [1]).start(); assert q.get(timeout=10) == 1\n"
        "p = queue.PriorityQueue(); p.put(2); p.put(1); assert p.get() == 1\n"
        "with concurrent.futures.ThreadPoolExecutor() as pool:\n"
        "    assert list(pool.map(abs, [-1])) == [1]\n"
        "assert await asyncio.to_thread(abs, -3) == 3\n"
        "'all'"]).cells[0]
    assert cell.result == "'all'", cell
