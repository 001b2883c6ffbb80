"""undo: a session keeps copies of itself, and goes back to one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.prompt import Prompt, until
from tests.sessions.test_forks import fork_of
from tests.support.raw_client import CellAnswer, RawClient


@pytest.fixture
def undoing(client: RawClient) -> Iterator[Prompt]:
    prompt = Prompt(client, "process", undo=3)
    prompt._first.pop("isolation")
    yield prompt
    prompt.close()


def undo(prompt: Prompt, **arguments: object) -> CellAnswer:
    return prompt.tool("undo_session", **arguments)


def test_cells_are_undone_and_numbers_go_on(undoing: Prompt) -> None:
    for code in ("x = [1]", "x.append(2)", "x.append(3)", "import math; x.append(4)"):
        undoing.run(code)
    answer = undo(undoing, steps=2)
    assert not answer.is_error and answer.structured["before_cell"] == 3, answer
    assert answer.structured["next_cell"] == 5 and answer.structured["copies_left"] == 1
    cell = undoing.run("x, 'math' in globals()")
    assert cell.result == "([1, 2], False)" and cell.structured["cell"] == 5
    assert not undo(undoing, steps=2).is_error
    assert undoing.value("x") == "[1]"


def test_too_few_copies_change_nothing(undoing: Prompt) -> None:
    undoing.run("x = 1")
    answer = undo(undoing, steps=3)
    assert answer.is_error and "1 cells only" in answer.text
    assert undoing.value("x") == "1"
    assert not undo(undoing, steps=2).is_error
    assert undoing.value("'x' in globals()") == "False"


def test_a_cell_that_failed_or_was_stopped_is_undone_too(undoing: Prompt) -> None:
    undoing.run("x = 1")
    assert undoing.run("x = 2; 1/0").status == "raised"
    undo(undoing)
    assert undoing.value("x") == "1"
    assert undoing.run("x = 3\nwhile True: pass", timeout=0.3).status == "timed_out"
    undo(undoing)
    assert undoing.value("x") == "1"


def test_a_lost_session_comes_back(undoing: Prompt) -> None:
    undoing.run("x = 1")
    lost = undoing.run("x = 2\nimport os; os.kill(os.getpid(), 11)")
    assert lost.status == "lost"
    assert any("undo_session" in each for each in lost.structured["notices"]), lost
    answer = undo(undoing)
    assert not answer.is_error, answer
    cell = undoing.run("x")
    assert cell.result == "1" and not cell.structured["notices"], cell


def test_a_lost_session_that_goes_on_begins_anew(undoing: Prompt) -> None:
    undoing.run("x = 1")
    undoing.run("import os; os._exit(1)")
    cell = undoing.run("'x' in globals()")
    assert cell.result == "False" and any("was lost" in each for each in cell.structured["notices"])
    assert not undo(undoing).is_error
    assert undo(undoing).is_error


def test_nothing_is_undone_while_a_cell_runs(undoing: Prompt) -> None:
    undoing.run("x = 1")
    pending = undoing.send("print('here', flush=True); import time; time.sleep(0.5); x = 2")
    until(lambda: undoing.tool("inspect_session").structured["running_cell"], "the cell's begin")
    answer = undo(undoing)
    assert answer.is_error and "runs or waits" in answer.text
    assert CellAnswer(pending, 60).status == "completed" and undoing.value("x") == "2"


def test_sessions_without_undo_say_how_to_have_it(prompt: Prompt) -> None:
    prompt.value("1")
    answer = undo(prompt)
    assert answer.is_error and "undo=3" in answer.text


def test_undo_can_be_asked_for_later(client: RawClient) -> None:
    for room in ("auto", "process"):
        prompt = Prompt(client, "auto")
        prompt._first = {"isolation": room}
        prompt.value("x = 1")
        prompt.value("x = 2", undo=2)
        assert not undo(prompt).is_error
        assert prompt.value("x") == "1"
        prompt.close()


def test_in_process_sessions_are_told_why_not(client: RawClient) -> None:
    prompt = Prompt(client, "inprocess", undo=2)
    answer = prompt.run("1")
    assert answer.is_error and "undo needs a worker process" in answer.text


def test_copies_are_told_counted_and_ended(undoing: Prompt) -> None:
    for number in range(5):
        undoing.run(f"x = {number}")
    listed = {each["session"]: each for each in undoing.client.tool("list_sessions").structured["sessions"]}
    assert listed[undoing.name]["copies_kept"] == 3
    zygote = int(str(undoing.value("import os; os.getppid()")))
    children = Path(f"/proc/{zygote}/task/{zygote}/children")
    mine = set(children.read_text().split())
    undoing.tool("reset_session")
    assert undoing.tool("inspect_session").structured["copies_kept"] == 0
    assert undo(undoing).is_error
    until(lambda: len(mine & set(children.read_text().split())) <= 1 or None, "the copies' ends")


def test_printed_output_is_of_the_right_cell(undoing: Prompt) -> None:
    for number in range(6):
        assert undoing.printed(f"print({number})") == f"{number}\n"
        if number % 2:
            undo(undoing)


def test_undo_and_fork_go_together(undoing: Prompt) -> None:
    undoing.run("x = 1")
    undoing.run("x = 2")
    copy = Prompt(undoing.client, "process")
    copy._first = {}
    assert not fork_of(undoing, copy.name).is_error
    undo(undoing)
    assert undoing.value("x") == "1" and copy.value("x") == "2"
    copy.run("x = 3")
    assert not undo(copy).is_error
    assert copy.value("x") == "2"
    copy.close()


def test_threads_of_the_state_are_told_to_be_gone(undoing: Prompt) -> None:
    undoing.run("import threading, time; threading.Thread(target=time.sleep, args=(60,), name='sleeper', daemon=True).start()")
    undoing.run("x = 1")
    answer = undo(undoing)
    assert "thread 'sleeper'" in answer.structured["not_carried"]


def test_back_and_forth_many_times(undoing: Prompt) -> None:
    undoing.run("x = 0")
    for number in itertools.islice(itertools.count(1), 30):
        undoing.run(f"x = {number}")
        if number % 3 == 0:
            assert not undo(undoing, steps=2).is_error
            assert undoing.value("x") == str(number - 2)


def test_undo_with_limits(client: RawClient) -> None:
    prompt = Prompt(client, "process", undo=2, limits={"processes": 2, "memory_mb": 400})
    prompt.value("x = 1")
    prompt.value("x = 2")
    assert prompt.run("held = bytes(900_000_000)").structured["error"]["type"] == "MemoryError"
    assert not undo(prompt, steps=2).is_error
    assert prompt.value("x") == "1"
    prompt.close()


def test_memory_of_copies_is_counted_once_where_it_is_shared(client: RawClient) -> None:
    prompt = Prompt(client, "process", undo=3)
    prompt.value("held = bytearray(range(256)) * 400_000")

    def measured() -> float:
        """Looked at once a second at most, when a cell has ended."""
        prompt.value("1")
        listed = client.tool("list_sessions").structured["sessions"]
        return next(float(each["memory_bytes"] or 0) for each in listed if each["session"] == prompt.name)

    memory = until(lambda: found if (found := measured()) > 90e6 else 0, "the memory")
    assert memory < 190e6
    prompt.close()
