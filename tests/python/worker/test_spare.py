"""The worker that a zygote has ready before it is asked for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zygotes import PATIENCE, Worker, Zygote, gone


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.end()


def spare_of(zygote: Zygote) -> int:
    """Waits for a child of the zygote's that is no worker."""
    pid = zygote.hello["pid"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        children = set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
        for child in children - {worker.pid for worker in zygote.workers}:
            return child
        time.sleep(0.01)
    raise AssertionError("the zygote made no spare")


def look_around(worker: Worker) -> str | None:
    """What a session finds that could tell a spare from a worker forked for it."""
    return worker.value(
        "import builtins, gc, linecache, os, signal, sys, threading\n"
        "(sorted(globals()), sys.argv, sys.path, os.getcwd(), sorted(os.listdir('/proc/self/fd')), os.getsid(0) == os.getpid(),"
        " signal.getsignal(signal.SIGCHLD), sys.stdout, sys.stderr, type(sys.stdin), [n for n in linecache.cache if n[:5] == '<cell'],"
        " threading.active_count(), [type(f).__name__ for f in sys.meta_path], sorted(os.environ), gc.isenabled(), sorted(sys.modules),"
        " sys.excepthook, sys.displayhook, sorted(vars(builtins)))"
    )


def test_a_session_in_a_spare_finds_what_any_session_finds(zygote: Zygote, tmp_path: Path) -> None:
    order = {"cwd": str(tmp_path), "folder": str(tmp_path), "root": str(tmp_path), "sites": [str(tmp_path)]}
    spare = spare_of(zygote)
    handed = zygote.fork("handed", **order)
    forked = zygote.fork("forked", **order)
    assert handed.pid == spare != forked.pid
    assert _without_addresses(look_around(handed)) == _without_addresses(look_around(forked))
    assert handed.value("print('to its own pipe')\n_") == forked.value("print('to its own pipe')\n_")


def test_there_is_one_spare_at_a_time_and_it_is_replaced(zygote: Zygote) -> None:
    first = spare_of(zygote)
    assert zygote.fork("a").pid == first
    second = spare_of(zygote)
    assert second != first
    time.sleep(0.2)
    assert spare_of(zygote) == second
    assert zygote.fork("b").pid == second


def test_a_spare_ends_as_any_worker(zygote: Zygote) -> None:
    spare_of(zygote)
    worker = zygote.fork()
    worker.begin("import os, subprocess\nsubprocess.Popen(['sleep', '60'])\nos._exit(7)")
    assert worker.ended() and zygote.exit_of(worker) == (7, None)
    spare_of(zygote)
    worker = zygote.fork()
    assert worker.stopped("print('here')\nwhile True: pass").type == "KeyboardInterrupt"
    assert worker.value("1 + 1") == "2"


def test_a_spare_that_was_killed_costs_nobody_a_session(zygote: Zygote) -> None:
    spare = spare_of(zygote)
    os.kill(spare, signal.SIGKILL)
    assert gone(spare)
    worker = zygote.fork()
    assert worker.pid != spare and worker.value("1 + 1") == "2"
    assert spare_of(zygote) != spare


def test_a_spare_without_what_was_preloaded_since_goes_away(zygote: Zygote) -> None:
    spare = spare_of(zygote)
    assert zygote.preload("decimal") == (["decimal"], {})
    assert gone(spare)
    for _ in range(2):
        spare_of(zygote)
        assert zygote.fork().value("import sys; 'decimal' in sys.modules") == "True"


def test_an_order_that_is_refused_leaves_the_spare_to_the_next(zygote: Zygote) -> None:
    spare = spare_of(zygote)
    assert "does not exist" in str(zygote.try_fork(cwd="/no/such/folder"))
    assert zygote.fork().pid == spare


def test_limits_are_the_sessions_own(zygote: Zygote) -> None:
    spare_of(zygote)
    worker = zygote.fork(limits={"open_files": 50, "memory_bytes": 200 << 20})
    assert worker.value("import resource\nresource.getrlimit(resource.RLIMIT_NOFILE)") == "(50, 50)"
    assert worker.failure("x = bytearray(300 << 20)").type == "MemoryError"


def test_the_spare_goes_with_the_zygote(zygote: Zygote) -> None:
    other = Zygote()
    spare = spare_of(other)
    other.end()
    assert gone(spare)
    killed = Zygote()
    spare = spare_of(killed)
    killed.process.kill()
    killed.process.wait(PATIENCE)
    assert gone(spare)
    killed.control.close()


def test_no_two_sessions_draw_the_same_numbers(zygote: Zygote, tmp_path: Path) -> None:
    """Nor would numpy's older generator, or sympy's; of these packages the rest does not matter here."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").touch()
    (tmp_path / "numpy" / "random.py").write_text(
        "import os\nseeds = []\ndef seed(value=None): seeds.append((value, os.getpid()))\n"
    )
    core = tmp_path / "sympy" / "core"
    core.mkdir(parents=True)
    for folder in (core, core.parent):
        (folder / "__init__.py").touch()
    (core / "random.py").write_text("import random as _random\nrng = _random.Random()\n")
    loaded = ["numpy.random", "sympy.core.random"]
    assert zygote.preload(*loaded, sites=[str(tmp_path)])[0] == loaded
    draws = set()
    for _ in range(2):
        spare_of(zygote)
        for worker in (zygote.fork(), zygote.fork()):
            assert worker.value("import numpy.random as r\nset(r.seeds)") == f"{{(None, {worker.pid})}}"
            draws.add(worker.value("import random; random.random()"))
            draws.add(worker.value("import sympy.core.random as r; r.rng.random()"))
    assert len(draws) == 8


def _without_addresses(text: str | None) -> list[str]:
    return [part.split(" at 0x")[0] for part in (text or "").split(", ")]
