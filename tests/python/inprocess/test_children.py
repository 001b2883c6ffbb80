"""Child processes of a session."""

from __future__ import annotations

from laboratory import run


def test_every_child_is_noted_and_forgotten_when_it_was_waited_for() -> None:
    laboratory = run([
        "import subprocess, os",
        "subprocess.run(['true']).returncode",
        "os.system('true')",
        "os.waitpid(os.posix_spawn('/bin/true', ['true'], os.environ), 0)[1]",
        "os.waitpid(os.spawnvp(os.P_NOWAIT, 'true', ['true']), 0)[1]",
    ])
    assert [cell.result for cell in laboratory.cells] == [None, "0", "0", "0", "0"]
    assert len(laboratory.native["noted"]) == 4
    assert laboratory.native["noted"] == laboratory.native["forgotten"]


def test_os_system_returns_a_wait_status() -> None:
    cells = run(["import os", "os.waitstatus_to_exitcode(os.system('exit 3'))",
                 "os.waitstatus_to_exitcode(os.system('kill -9 $$'))",
                 "os.system(b'exit 0')"]).cells
    assert [cell.result for cell in cells] == [None, "3", "-9", "0"]


def test_a_child_starts_in_the_sessions_working_directory() -> None:
    cell = run(["import os, subprocess\nos.mkdir('here'); os.chdir('here')\n"
                "subprocess.run(['pwd'], capture_output=True, text=True).stdout.endswith('/here\\n')"
                ]).cells[0]
    assert cell.result == "True"


def test_multiprocessing_is_refused_with_the_way_out_and_its_thread_pool_works() -> None:
    cells = run([
        "import multiprocessing; multiprocessing.Process(target=print).start()",
        "multiprocessing.Pool(2)",
        "from concurrent.futures import ProcessPoolExecutor\n"
        "ProcessPoolExecutor(1).submit(print).result()",
        "from multiprocessing.pool import ThreadPool\n"
        "with ThreadPool(2) as pool: r = pool.map(abs, [-1, -2])\nr",
        "lock = multiprocessing.RLock()\nwith lock:\n    with lock: pass\nlock.acquire(False)",
        "s = multiprocessing.Semaphore(2); s.acquire(); s.acquire(); s.acquire(True, 0.01)",
    ]).cells
    for cell in cells[:3]:
        assert cell.error and "ThreadPoolExecutor" in cell.error[1], cell
    assert [cell.result for cell in cells[3:]] == ["[1, 2]", "True", "False"]


def test_a_child_of_the_sessions_python_runs_scripts() -> None:
    cell = run(["import subprocess, sys\n"
                "subprocess.run([sys.executable, '-c', 'print(6*7)'], capture_output=True, "
                "text=True).stdout"]).cells[0]
    assert cell.result == "'42\\n'"
