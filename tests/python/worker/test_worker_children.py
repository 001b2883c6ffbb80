"""Processes: what user code forks, what dies, and what nobody may leave behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from zygotes import Worker, Zygote, alive, gone

DAEMON = """
import os, sys
def daemon():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(writer, str(os.getpid()).encode())
            import time
            time.sleep(60)
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20))
"""


def test_a_forked_child_ends_where_the_cell_ends(worker: Worker) -> None:
    code = "import os\npid = os.fork()\nif pid == 0:\n    print('from the child')\nelse:\n    status = os.waitpid(pid, 0)[1]\n'parent' if pid else 'child'"
    done = worker.run(code)
    assert done.result == "'parent'" and done.out == "from the child\n"
    assert worker.value("status") == "0"
    done = worker.run("pid = os.fork()\nif pid == 0: raise ValueError('in the child')\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])")
    assert done.result == "1" and "ValueError: in the child" in done.err
    assert worker.value("import sys\npid = os.fork()\nif pid == 0: sys.exit(7)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])") == "7"
    assert worker.value("1 + 1") == "2"


def test_a_forked_child_has_nothing_of_the_workers(worker: Worker) -> None:
    done = worker.run(
        "import os, signal, faulthandler\npid = os.fork()\nif pid == 0:\n    try:\n"
        "        print(sorted(os.listdir('/proc/self/fd')), signal.getsignal(2) is signal.default_int_handler, faulthandler.is_enabled())\n"
        "    finally:\n        os._exit(0)\nos.waitpid(pid, 0)[1]"
    )
    assert done.result == "0" and done.out == "['0', '1', '2', '3'] True False\n"


def test_multiprocessing_forks_functions_of_cells(worker: Worker) -> None:
    worker.value("import multiprocessing as m\ncontext = m.get_context('fork')\ndef double(n): return 2 * n")
    assert worker.value("with context.Pool(2) as pool: r = pool.map(double, range(5))\nr") == "[0, 2, 4, 6, 8]"
    assert worker.value("p = context.Process(target=print, args=('printed',)); p.start(); p.join(); p.exitcode") == "0"
    assert worker.value("from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(2, mp_context=context) as e: s = sum(e.map(double, [1, 2]))\ns") == "6"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_starts_functions_of_modules(worker: Worker, tmp_path: Path, method: str) -> None:
    (tmp_path / "work.py").write_text("def double(n): return 2 * n\n")
    worker.value(f"import sys; sys.path.append({str(tmp_path)!r})\nimport work, multiprocessing as m")
    assert worker.value(f"with m.get_context({method!r}).Pool(1) as pool: r = pool.map(work.double, [4])\nr") == "[8]"


def test_a_stopped_pool_leaves_the_session_intact(worker: Worker) -> None:
    worker.value("import multiprocessing as m, time\ncontext = m.get_context('fork'); x = 5")
    worker.stopped("with context.Pool(2) as pool:\n    print('here')\n    pool.map(time.sleep, [60, 60])")
    assert worker.value("x") == "5"
    assert worker.value("m.active_children()") == "[]"


def test_daemons_end_with_their_worker(zygote: Zygote) -> None:
    worker, other = zygote.fork("a"), zygote.fork("b")
    mine = int(worker.value(DAEMON + "daemon()") or 0)
    theirs = int(other.value(DAEMON + "daemon()") or 0)
    assert alive(mine) and alive(theirs)
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.ended() and zygote.exit_of(worker) == (None, 9)
    assert not alive(mine), "the exit is told when nothing is left"
    assert alive(theirs) and other.value("1 + 1") == "2"
    other.wire.close()
    assert zygote.exit_of(other) == (0, None) and not alive(theirs)


def test_a_fork_bomb_ends_with_its_worker(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.begin("import os, time\nprint('here')\nfor _ in range(6):\n    os.fork()\n    os.setsid() if os.getpid() % 2 and os.getpid() != os.getpgid(0) else None\ntime.sleep(60)")
    worker.wait_for_output("here")
    time.sleep(0.3)
    session = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _descends_from(int(p.name), worker.pid)]
    assert len(session) > 20
    os.kill(worker.pid, signal.SIGKILL)
    assert zygote.exit_of(worker) == (None, 9)
    assert gone(*session)


def test_signals_and_exits_are_told(zygote: Zygote) -> None:
    for code, end in (
        ("import os; os._exit(0)", (0, None)),
        ("import os; os._exit(255)", (255, None)),
        ("import os; os.kill(os.getpid(), 15)", (None, 15)),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", (None, 9)),
        ("import sys; sys.setrecursionlimit(10**9)\nimport functools\nclass A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\n"
         "import ctypes; ctypes.memset(0, 1, 1)", (None, 11)),
    ):
        worker = zygote.fork()
        worker.begin(code)
        assert worker.ended() and zygote.exit_of(worker) == end
    assert zygote.fork().value("1 + 1") == "2"


def test_many_die_at_once(zygote: Zygote) -> None:
    workers = [zygote.fork(str(number)) for number in range(12)]
    for worker in workers:
        worker.begin("import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\nimport time\nprint('here')\ntime.sleep(60)")
    for worker in workers:
        worker.wait_for_output("here")
        os.kill(worker.pid, signal.SIGKILL)
    assert {zygote.exit_of(worker) for worker in workers} == {(None, 9)}
    assert len(_children_of(zygote.hello["pid"]) - {w.pid for w in zygote.workers}) <= 1  # a spare


def test_the_end_of_the_control_socket_ends_everything() -> None:
    zygote = Zygote()
    workers = [zygote.fork("a"), zygote.fork("b")]
    daemons = [int(worker.value(DAEMON + "daemon()") or 0) for worker in workers]
    workers[0].begin("while True:\n    try:\n        while True: pass\n    except BaseException: pass")
    zygote.control.close()
    assert zygote.process.wait(30) == 0
    assert gone(*daemons, *[worker.pid for worker in workers])
    for worker in workers:
        worker.close()


@pytest.mark.parametrize("killed", ["zygote", "keeper"])
def test_nothing_outlives_a_killed_zygote_or_its_keeper(killed: str) -> None:
    zygote = Zygote()
    workers = [zygote.fork("a"), zygote.fork("b")]
    daemons = [int(worker.value(DAEMON + "daemon()") or 0) for worker in workers]
    workers[0].begin("while True:\n    try:\n        while True: pass\n    except BaseException: pass")
    os.kill(zygote.hello["pid"] if killed == "zygote" else zygote.process.pid, signal.SIGKILL)
    assert zygote.process.wait(30) == -signal.SIGKILL
    assert gone(zygote.hello["pid"], *daemons, *[worker.pid for worker in workers])
    for worker in workers:
        worker.close()
    zygote.control.close()


def test_the_keeper_ends_as_the_zygote_did() -> None:
    zygote = Zygote()
    assert _parent_of(zygote.hello["pid"]) == zygote.process.pid
    os.kill(zygote.hello["pid"], signal.SIGSEGV)
    assert zygote.process.wait(30) == -signal.SIGSEGV
    zygote.control.close()


def test_a_terminals_interrupt_does_not_end_the_zygote(zygote: Zygote) -> None:
    os.kill(zygote.hello["pid"], signal.SIGINT)
    assert zygote.fork().value("1 + 1") == "2"


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def _descends_from(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = _parent_of(pid)
    return False


def _children_of(pid: int) -> set[int]:
    return {int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _parent_of(int(p.name)) == pid}
