"""A state that is written unasked: it gives way, keeps to its size and runs no code of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from carried import find_bundled
from prompt import Prompt

from mcp_runtime import bundled, snapshot
from mcp_runtime.plain import PlainNative

pytestmark = pytest.mark.skipif(
    find_bundled() is None, reason="nothing is built: run ./dev build, which fetches cloudpickle")


@pytest.fixture(autouse=True)
def cloudpickle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_told", find_bundled())


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every prompt that a test makes."""
    made: list[Prompt] = []
    begin = Prompt.__init__

    def noted(self: Prompt, *arguments: Any, **names: Any) -> None:
        begin(self, *arguments, **names)
        made.append(self)

    monkeypatch.setattr(Prompt, "__init__", noted)
    yield
    for prompt in reversed(made):
        prompt.end()


def order(path: Path) -> str:
    return f"{path}\0{{}}\0"


def after(count: int) -> Callable[[], bool]:
    """Somebody waits from the `count`-th look on."""
    looks = [0]

    def waits() -> bool:
        looks[0] += 1
        return looks[0] >= count

    return waits


def checkpoint(prompt: Prompt, path: Path, limit: int = 1 << 26, waits: Callable[[], bool] | None = None) -> None:
    snapshot.checkpoint(prompt.session, order(path), limit, waits)


def restored(path: Path, prompt: Prompt) -> dict[str, str]:
    """What is missing of it."""
    status, result, error, *_ = prompt.session.restore(str(path), 1)
    assert status == 0, error
    import json

    return dict(json.loads(result or "{}")["missing"])


@pytest.mark.parametrize("look", [1, 2, 40, 60, 80])
def test_it_gives_up_wherever_a_cell_comes_and_leaves_nothing_for_long(tmp_path: Path, look: int) -> None:
    prompt = Prompt(PlainNative())
    prompt.run("x = [list(range(100)) for _ in range(20000)]; f = lambda: x; g = [f]; t = 'a' * 300000")
    with pytest.raises(snapshot.GaveUp):
        checkpoint(prompt, tmp_path / "state", waits=after(look))
    assert not (tmp_path / "state").exists()
    checkpoint(prompt, tmp_path / "state", waits=lambda: False)
    assert os.listdir(tmp_path) == ["state"]


def test_a_session_that_closes_takes_what_was_left_with_it(tmp_path: Path) -> None:
    prompt = Prompt(PlainNative())
    prompt.run("x = [list(range(100)) for _ in range(20000)]")
    with pytest.raises(snapshot.GaveUp):
        checkpoint(prompt, tmp_path / "state", waits=after(60))
    prompt.session.close()
    assert os.listdir(tmp_path) == []


def test_what_does_not_fit_is_left_behind_and_the_rest_is_not(tmp_path: Path) -> None:
    prompt = Prompt(PlainNative())
    prompt.run("a = 1; big = bytes(3 << 20); text = 'x' * (3 << 20); many = list(range(10**6)); z = lambda: a")
    checkpoint(prompt, tmp_path / "state", limit=1 << 20)
    assert (tmp_path / "state").stat().st_size < 2 << 20
    new = Prompt(PlainNative())
    missing = restored(tmp_path / "state", new)
    assert set(missing) == {"big", "text", "many"}
    assert all("larger than what a checkpoint has room for" in reason for reason in missing.values())
    assert new.value("a, z()") == "(1, 1)"


@pytest.mark.parametrize("size", [5, 100_000, 300_000])
def test_buffers_go_along_as_arrays_have_them(tmp_path: Path, size: int) -> None:
    """numpy pickles an array's memory as such a buffer; a large one reaches the file as it is."""
    prompt = Prompt(PlainNative())
    prompt.run(
        "import pickle\n"
        "class Array:\n"
        "    def __init__(self, data): self.data = bytearray(data)\n"
        "    def __reduce_ex__(self, protocol): return Array, (pickle.PickleBuffer(self.data),)\n"
        f"array = Array(b'x' * {size})")
    checkpoint(prompt, tmp_path / "state", limit=200_000)
    new = Prompt(PlainNative())
    missing = restored(tmp_path / "state", new)
    if size > 200_000:
        assert "larger than what a checkpoint has room for" in missing["array"]
    else:
        assert missing == {}
        assert new.value("len(array.data)") == str(size)


def test_while_somebody_may_wait_no_code_of_the_users_runs(tmp_path: Path) -> None:
    prompt = Prompt(PlainNative())
    prompt.run("asked = []\nclass C:\n    def __getstate__(self):\n        asked.append(1); return {}\n"
               "c = C(); inside = {'c': [c]}\nclass D(C): pass\nd = D(); x = 1")
    checkpoint(prompt, tmp_path / "state", waits=lambda: False)
    assert prompt.value("asked") == "[]"
    checkpoint(prompt, tmp_path / "whole")  # in a process of its own
    assert prompt.value("len(asked)") == "2"
    missing = restored(tmp_path / "state", Prompt(PlainNative()))
    assert set(missing) == {"c", "d", "inside"}
    assert "save_session" in missing["c"]
    assert restored(tmp_path / "whole", Prompt(PlainNative())) == {}


def test_a_large_text_is_not_copied_while_somebody_may_wait(tmp_path: Path) -> None:
    prompt = Prompt(PlainNative())
    prompt.run("text = 'x' * (3 << 20); data = b'x' * (3 << 20)")
    checkpoint(prompt, tmp_path / "state", waits=lambda: False)
    assert set(restored(tmp_path / "state", Prompt(PlainNative()))) == {"text"}


def test_too_many_objects_are_not_taken_while_somebody_may_wait(tmp_path: Path) -> None:
    prompt = Prompt(PlainNative())
    prompt.run("few = [[i] for i in range(7_000)]; many = [[i] for i in range(60_000)]; more = [[i] for i in range(7_000)]\n"
               "class C: pass\nc = C(); c.few = few; mixed = [c]; f = lambda: few; x = 1")
    checkpoint(prompt, tmp_path / "state", waits=lambda: False)
    new = Prompt(PlainNative())
    missing = restored(tmp_path / "state", new)
    assert set(missing) == {"many"} and "too many objects" in missing["many"]
    assert new.value("len(few), len(more), mixed[0] is c, f() is few, c.few == few, x") == "(7000, 7000, True, True, True, 1)"
