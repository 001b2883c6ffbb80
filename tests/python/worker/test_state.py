"""A session's state moves into a worker and out of it; what a worker shows besides text."""

from __future__ import annotations

from pathlib import Path

from zygotes import Worker, Zygote


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
