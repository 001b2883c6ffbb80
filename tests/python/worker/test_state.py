"""A session's state moves into a worker and out of it; what a worker shows besides text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from zygotes import Worker, Zygote

BUILDS = sorted(Path(__file__).resolve().parents[3].glob("build/*/bundled"))


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote(**({"PYEMBER_BUNDLED": str(BUILDS[-1])} if BUILDS else {}))
    yield zygote
    zygote.end()


needs_cloudpickle = pytest.mark.skipif(
    not BUILDS, reason="nothing is built: run ./dev build, which fetches cloudpickle")


def carry(worker: Worker, operation: str, path: Path) -> None:
    worker.cell += 1
    worker.send({"op": operation, "cell": worker.cell}, str(path).encode())
    done = worker.done()
    assert done.status == 0, done.error


def test_state_moves_between_workers(zygote: Zygote, tmp_path: Path) -> None:
    first, second = zygote.fork("a"), zygote.fork("b")
    first.value("x = {'plain': [1, 2]}\nimport math\ny = x['plain']")
    carry(first, "snapshot", tmp_path / "state")
    carry(second, "restore", tmp_path / "state")
    assert second.value("x, y is x['plain'], math.floor(2.5)") == "({'plain': [1, 2]}, True, 2)"
    assert first.value("x['plain']") == "[1, 2]"


def test_a_state_that_is_not_there_is_an_error(worker: Worker, tmp_path: Path) -> None:
    worker.cell += 1
    worker.send({"op": "restore", "cell": worker.cell}, str(tmp_path / "missing").encode())
    assert worker.done().status == 1
    assert worker.value("1 + 1") == "2"


PICTURE = b"GIF89a\1\0\1\0\0\0\0;"  # 1 by 1


def test_what_is_displayed_comes_behind_the_answer(worker: Worker) -> None:
    shown = worker.run(
        f"class Shown:\n    def _repr_png_(self): return {PICTURE!r}\n"
        "class Text:\n    def _repr_html_(self): return '<b>ü</b>'\n"
        "display(Shown(), Text())"
    ).displays
    assert [mime for mime, _ in shown] == ["image/gif", "text/plain", "text/html"]
    assert [data for mime, data in shown if mime != "text/plain"] == [PICTURE, "<b>ü</b>".encode()]


def checkpoint(worker: Worker, path: Path) -> None:
    worker.send({"op": "checkpoint", "limit": 1 << 26, "seconds": 30.0}, f"{path}\0{{}}\0".encode())


def appears(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.005)


@needs_cloudpickle
def test_a_checkpoint_is_written_while_the_worker_serves(zygote: Zygote, tmp_path: Path) -> None:
    first, second = zygote.fork("a"), zygote.fork("b")
    first.value("import time\nclass Slow:\n    def __reduce__(self):\n        time.sleep(0.5); print('heard'); return int, ()\n"
                "slow = Slow(); x = 'as it was'")
    checkpoint(first, tmp_path / "state")
    assert first.value("x = 'later'; x") == "'later'"
    appears(tmp_path / "state")
    carry(second, "restore", tmp_path / "state")
    assert second.value("x, slow") == "('as it was', 0)"
    assert "heard" not in first.run("1").out


@needs_cloudpickle
def test_a_checkpoint_that_hangs_ends_and_leaves_no_process(worker: Worker, tmp_path: Path) -> None:
    worker.value("import os, time\nclass Hangs:\n    def __reduce__(self): time.sleep(600)\n"
                 "hangs = Hangs(); x = 1; pid = os.getpid()")
    worker.send({"op": "checkpoint", "limit": 1 << 26, "seconds": 0.5}, f"{tmp_path}/state\0{{}}\0".encode())
    appears(tmp_path / "state")  # with what there was time for
    deadline = time.monotonic() + 30
    while worker.value("open(f'/proc/{pid}/task/{pid}/children').read()") != "''":
        assert time.monotonic() < deadline
        time.sleep(0.02)
