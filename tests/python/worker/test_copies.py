"""Copies that a worker makes of itself: what they have, what they don't, and what dies alone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from zygotes import PATIENCE, Worker, Zygote, alive, gone


def test_a_copy_has_the_state_and_goes_its_own_way(worker: Worker) -> None:
    worker.value("import random\nx = [1, 2]\ndef f(): return x\nrandom.seed(3)")
    copy, left = worker.copy()
    assert left == []
    assert copy.value("x.append(3); f()") == "[1, 2, 3]"
    assert worker.value("f()") == "[1, 2]"
    assert copy.value("random.random()") == worker.value("random.random()")
    assert copy.value("import os; os.getpid()") == str(copy.pid) != str(worker.pid)
    done = copy.run("print('copy', flush=True)")
    assert (done.out, worker.run("print('worker')").out) == ("copy\n", "worker\n")


def test_a_copy_leads_a_session_below_the_zygote(worker: Worker, zygote: Zygote) -> None:
    copy, _ = worker.copy()
    assert copy.value("import os; os.getppid()") == str(zygote.hello["pid"])
    assert copy.value("os.getsid(0) == os.getpid() == os.getpgid(0)") == "True"
    assert worker.value("import os; os.getppid()") == str(zygote.hello["pid"])
    with_no_children = worker.failure("os.wait()")
    assert with_no_children.type == "ChildProcessError"


def test_copies_and_their_workers_die_alone(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.value("x = 1")
    first, _ = worker.copy()
    second, _ = first.copy()
    os.kill(worker.pid, signal.SIGKILL)
    assert zygote.exit_of(worker) == (None, 9)
    os.kill(second.pid, signal.SIGKILL)
    assert zygote.exit_of(second) == (None, 9)
    assert first.value("x") == "1"
    third, _ = first.copy()
    first.wire.close()
    assert zygote.exit_of(first) == (0, None)
    assert third.value("x") == "1"
    third.begin("import os; os._exit(5)")
    assert zygote.exit_of(third) == (5, None)


def test_a_worker_that_dies_right_after_the_fork_leaves_its_copy(zygote: Zygote) -> None:
    for _ in range(20):
        worker = zygote.fork()
        worker.value("x = 1")
        copy = worker.copy_unready()
        os.kill(worker.pid, signal.SIGKILL)
        zygote.adopt(copy)
        assert copy.receive()[0]["op"] == "ready"
        assert copy.value("x") == "1"
        os.kill(copy.pid, signal.SIGKILL)
        assert zygote.exit_of(copy) == (None, 9)


def test_what_a_copy_left_behind_is_ended(worker: Worker, zygote: Zygote) -> None:
    copy, _ = worker.copy()
    child = int(copy.value("import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True); p.pid"))
    os.kill(copy.pid, signal.SIGKILL)
    assert zygote.exit_of(copy) == (None, 9)
    assert not alive(child)
    worker.value("import subprocess; q = subprocess.Popen(['sh', '-c', 'sleep 60 >/dev/null & echo $!'], stdout=-1)")
    orphan = int(worker.value("int(q.communicate()[0])") or "")
    again, left = worker.copy()
    assert left == [f"child process {orphan} (sleep)"]
    os.kill(worker.pid, signal.SIGKILL)
    assert zygote.exit_of(worker) == (None, 9) and not alive(orphan)
    assert again.value("1") == "1"


def test_a_copy_is_stopped_by_its_own_page(worker: Worker) -> None:
    copy, _ = worker.copy()
    copy.cell = worker.cell
    copy.stopped("print('here', flush=True)\nwhile True: pass")
    worker.stopped("print('here', flush=True)\nwhile True: pass")
    assert copy.value("1") == "1"


def test_a_cell_that_runs_in_both_is_stopped_in_one(worker: Worker) -> None:
    copy, _ = worker.copy()
    worker.begin("import time; time.sleep(0.3); 'slept'")
    copy.stopped("print('here', flush=True)\nimport time; time.sleep(60)")
    assert worker.done().result == "'slept'"


def test_what_is_not_carried_is_named(worker: Worker) -> None:
    worker.value(
        "import socket, threading, subprocess, os, time, tempfile\n"
        "a, b = socket.socketpair()\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname()); peer, _ = server.accept()\n"
        "t = threading.Thread(target=time.sleep, args=(60,), name='sleeper', daemon=True); t.start()\n"
        "p = subprocess.Popen(['cat'], stdin=-1, stdout=-1)\nf = tempfile.TemporaryFile('w+')\n"
    )
    copy, left = worker.copy()
    text = "; ".join(left)
    for what in ("thread 'sleeper'", "locked", "(cat)", "(to 127.0.0.1:", "file /tmp", "pipe at"):
        assert what in text, left
    assert copy.value("t.is_alive(), threading.active_count()") == "(False, 1)"
    assert copy.failure("client.send(b'x')").type in ("BrokenPipeError", "OSError")
    assert worker.value("client.send(b'x'), peer.recv(1)") == "(1, b'x')"
    # Nobody but the worker holds the ends, so that they have one.
    assert worker.value("a.close(); b.recv(1)") == "b''"
    assert worker.value("p.communicate(b'text')[0]") == "b'text'"


def test_files_have_a_position_of_their_own(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("one\ntwo\nthree\n")
    worker.value(f"import os; f = open({str(tmp_path / 'lines')!r}, 'rb', buffering=0); f.readline()")
    copy, left = worker.copy()
    assert left == []
    assert worker.value("f.readline()") == copy.value("f.readline()") == r"b'two\n'"
    assert copy.value("f.readline()") == r"b'three\n'"
    assert worker.value("f.tell(), os.get_inheritable(f.fileno())") == "(8, False)"
    assert copy.value("os.get_inheritable(f.fileno())") == "False"


def test_pipes_of_the_session_work_in_both(worker: Worker) -> None:
    worker.value("import os; r, w = os.pipe(); os.write(w, b'before')")
    copy, _ = worker.copy()
    assert copy.value("os.write(w, b'mine'), os.read(r, 10)") == "(4, b'mine')"
    assert worker.value("os.read(r, 10)") == "b'before'"


def test_awaiting_goes_on_in_the_copy(worker: Worker) -> None:
    worker.value(
        "import asyncio, time\nlog = []\n"
        "async def tick():\n    while True:\n        await asyncio.sleep(0.01)\n        log.append(1)\n"
        "task = asyncio.create_task(tick()); await asyncio.sleep(0.05); await asyncio.to_thread(time.sleep, 0)\n"
        "s = await asyncio.start_server(lambda r, w: None, '127.0.0.1', 0)"
    )
    copy, _ = worker.copy()
    for each in (copy, worker):
        assert each.value("n = len(log); await asyncio.sleep(0.2); len(log) > n, task.done()") == "(True, False)"
        assert each.value("await asyncio.to_thread(lambda: 7)") == "7"
        assert each.value("p = await asyncio.create_subprocess_exec('echo', 'a', stdout=-1); (await p.communicate())[0]") == r"b'a\n'"


def test_hooks_of_the_sessions_run_once(worker: Worker) -> None:
    worker.value(
        "import os; ran = []\n"
        "os.register_at_fork(before=lambda: ran.append('b'), after_in_parent=lambda: ran.append('p'), after_in_child=lambda: ran.append('c'))"
    )
    copy, _ = worker.copy()
    assert copy.value("ran") == "['b', 'c']" and worker.value("ran") == "['b', 'p']"
    # What a cell of the copy forks is a child, and no copy.
    done = copy.run("pid = os.fork()\nif pid: os.waitpid(pid, 0)\nelse: print('child')\npid > 0")
    assert done.result == "True" and done.out == "child\n"


def test_multiprocessing_works_in_the_copy(worker: Worker) -> None:
    worker.value(
        "import multiprocessing as m, time\nfrom multiprocessing import shared_memory\nc = m.get_context('fork')\n"
        "p = c.Process(target=time.sleep, args=(60,)); p.start()\nmemory = shared_memory.SharedMemory(create=True, size=10)"
    )
    copy, left = worker.copy()
    assert any("child process" in each for each in left)
    assert copy.value("m.active_children()") == "[]"
    assert copy.value("with c.Pool(1) as pool: r = pool.map(abs, [-1])\nr") == "[1]"
    assert copy.value("other = shared_memory.SharedMemory(create=True, size=10); other.close(); other.unlink()") is None
    assert len(eval(worker.value("[each.pid for each in m.active_children()]") or "")) == 1
    worker.value("p.kill(); memory.close(); memory.unlink()")


def test_a_copy_gets_a_folder_with_the_files(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "a" / "sub").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    worker = zygote.fork(folder=str(tmp_path / "a"))
    worker.value("import os; folder = os.environ['PYEMBER_SESSION_FOLDER']; os.chdir(folder + '/sub'); open('f', 'w').write('text')")
    copy, _ = worker.copy(folder=str(tmp_path / "b"), name="other")
    assert copy.value("os.environ['PYEMBER_SESSION_FOLDER'], os.getcwd()") == repr((str(tmp_path / "b"), str(tmp_path / "b" / "sub")))
    assert copy.value("open('f').read()") == "'text'"
    copy.value("open('f', 'w').write('other')")
    assert worker.value("open('f').read()") == "'text'"
    stays, _ = worker.copy()
    assert stays.value("os.environ['PYEMBER_SESSION_FOLDER'] == folder") == "True"


def test_a_fork_that_fails_is_told_and_harms_nobody(worker: Worker) -> None:
    worker.value(
        "import sys; blocked = True\ndef no(event, _):\n"
        "    if blocked and event == 'os.fork': raise RuntimeError('no forks')\nsys.addaudithook(no)"
    )
    assert "no forks" in worker.try_copy()
    worker.value("blocked = False")
    copy, _ = worker.copy()
    assert copy.value("1") == "1"


def test_an_expected_copy_that_never_comes_keeps_no_stranger(zygote: Zygote) -> None:
    worker = zygote.fork()
    pid = int(worker.value("import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True); p.pid") or "")
    zygote.send({"op": "expect", "id": 900})
    os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.05)
    zygote.send({"op": "adopt", "id": 900, "pid": 0})
    assert zygote.exit_of(worker) == (None, 9)
    assert gone(pid)


def test_only_children_of_the_zygote_are_adopted(zygote: Zygote) -> None:
    worker = zygote.fork()
    for pid in (os.getpid(), worker.pid):
        zygote.send({"op": "expect", "id": 901})
        zygote.send({"op": "adopt", "id": 901, "pid": pid})
        assert zygote.answer("fork_failed", "forked")["op"] == "fork_failed"
    assert worker.value("1") == "1"


def test_a_copy_that_ended_before_it_was_adopted_is_reported(zygote: Zygote) -> None:
    worker = zygote.fork()
    copy, _ = worker.copy(adopt=False)
    os.kill(copy.pid, signal.SIGKILL)
    assert gone(copy.pid)
    zygote.adopt(copy)
    assert zygote.exit_of(copy) == (None, 9)


@pytest.mark.parametrize("victim", ["worker", "copy", "zygote"])
def test_nothing_is_left_when_one_dies_before_the_adoption(victim: str) -> None:
    zygote = Zygote()
    worker = zygote.fork()
    copy, _ = worker.copy(adopt=False)
    pids = {"worker": worker.pid, "copy": copy.pid, "zygote": zygote.hello["pid"]}
    os.kill(pids[victim], signal.SIGKILL)
    if victim == "zygote":
        assert gone(*pids.values())
        zygote.process.wait(PATIENCE)
        for each in zygote.workers:
            each.close()
        zygote.control.close()
        return
    time.sleep(0.05)
    zygote.send({"op": "adopt", "id": copy.number, "pid": 0})
    assert gone(copy.pid)
    zygote.end()
    assert gone(*pids.values())


def test_copies_of_many_objects(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.value("data = [bytes(100_000) for _ in range(500)]; numbers = [list(range(50000)) for _ in range(25)]")
    for _ in range(5):
        copy, _ = worker.copy()
        assert copy.value("len(data), sum(map(len, numbers))") == "(500, 1250000)"
