"""Sessions beside each other and calls behind each other, in every room."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sessions.conftest import ROOMS
from tests.sessions.prompt import Prompt, until
from tests.support.raw_client import CellAnswer, RawClient


# A server has either root's containers or an ordinary user's.
PAIRS = [(one, other) for one in ROOMS for other in ROOMS if one <= other and not (other == "container rootless" and one != other)]


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(client_of: Callable[[str], RawClient], request: pytest.FixtureRequest) -> Iterator[tuple[Prompt, ...]]:
    with_both = client_of(max(request.param, key=ROOMS.index))
    prompts = tuple(Prompt(with_both, room.split()[0]) for room in request.param)
    yield prompts
    for prompt in prompts:
        prompt.close()


def test_two_sessions_have_their_own_names_modules_directory_and_environment(pair: tuple[Prompt, Prompt]) -> None:
    one, other = pair
    place = ast.literal_eval(str(one.value(
        "import os, sys, json\nname = 'one'\njson.marker = 1\nos.environ['WHOSE'] = 'one'\n"
        "os.chdir(os.environ['PYEMBER_SESSION_FOLDER'])\nos.mkdir('below')\nos.chdir('below')\nos.getcwd()")))
    assert other.value("import os, json\n'name' in globals(), hasattr(json, 'marker'), os.environ.get('WHOSE'), os.getcwd() == "
                       f"{place!r}") == "(False, False, None, False)"
    assert one.value("os.getcwd(), os.environ['WHOSE']") == repr((place, "one"))
    assert one.printed("import subprocess; subprocess.run('echo $WHOSE; pwd', shell=True); None") == f"one\n{place}\n"
    other.value("os.chdir('/')\nos.umask(0o077)")
    assert one.value("os.getcwd()") == repr(place)


def test_two_sessions_run_at_the_same_time(pair: tuple[Prompt, Prompt]) -> None:
    one, other = pair
    one.value("1")
    other.value("1")
    slow = one.send("import time\ntime.sleep(600)", timeout=900)
    assert other.value("1 + 1") == "2"
    one.tool("interrupt_session")
    assert slow.wait(30)["result"]["structuredContent"]["status"] == "interrupted"


def test_a_crash_of_one_session_is_not_the_others(pair: tuple[Prompt, Prompt]) -> None:
    one, other = pair
    other.value("kept = 7")
    assert one.run("import ctypes\nctypes.string_at(0)").status == "lost"
    assert other.value("kept") == "7"


# --- calls behind each other ------------------------------------------------------------------------


def test_fifty_pipelined_calls_run_in_their_order(prompt: Prompt) -> None:
    pendings = [prompt.send("order = []")] + [prompt.send(f"order.append({n}); print({n}); len(order)") for n in range(50)]
    answers = [CellAnswer(pending, 60) for pending in pendings]
    assert [answer.result for answer in answers[1:]] == [str(n + 1) for n in range(50)]
    assert [answer.stdout for answer in answers[1:]] == [f"{n}\n" for n in range(50)]
    assert [answer.structured["cell"] for answer in answers] == list(range(1, 52))
    assert prompt.value("order == list(range(50))") == "True"


def test_a_waiting_call_that_is_cancelled_is_not_run(prompt: Prompt) -> None:
    prompt.value("ran = []")
    running = prompt.send("import time\ntime.sleep(0.6)\nran.append('first')")
    cancelled = prompt.send("ran.append('cancelled')")
    last = prompt.send("ran.append('last')")
    prompt.client.notify("notifications/cancelled", {"requestId": cancelled.id})
    for each in (running, last):
        assert each.wait(30)["result"]["structuredContent"]["status"] == "completed"
    assert prompt.value("ran") == "['first', 'last']"
    assert not cancelled.done


def test_a_running_call_that_is_cancelled_is_stopped(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    running = prompt.send("while True: pass", timeout=900)
    time.sleep(0.2)
    prompt.client.notify("notifications/cancelled", {"requestId": running.id})
    assert prompt.value("kept") == "1"
    assert not running.done


def test_a_cell_runs_in_the_background_and_is_looked_at(prompt: Prompt) -> None:
    prompt.value("import time")
    started = prompt.run("print('working')\ntime.sleep(0.5)\n'finished'", background=True)
    assert started.status == "running", started
    cell = started.structured["cell"]

    def shown() -> dict:
        return prompt.tool("inspect_session", cell=cell).structured["cell"]

    until(lambda: shown().get("stdout") == "working\n", "the cell's output")
    until(lambda: shown()["status"] == "completed", "the end of the cell")
    assert shown()["result"] == "'finished'"
    assert prompt.value("1 + 1") == "2"


def test_inspecting_a_busy_session_does_not_wait(prompt: Prompt) -> None:
    prompt.value("1")
    running = prompt.send("print('busy')\nwhile True: pass", timeout=900)
    until(lambda: "busy" in prompt.tool("inspect_session").structured.get("running", {}).get("stdout", ""), "the cell's output")
    prompt.tool("interrupt_session")
    assert running.wait(30)["result"]["structuredContent"]["status"] == "interrupted"


# --- where a session runs -----------------------------------------------------------------------------


def test_asking_an_existing_session_for_another_room_is_refused(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    other = next(room for room in ROOMS if room != prompt.room)
    answer = prompt.run("kept = 2", isolation=other)
    assert answer.is_error and "was not run" in answer.text and prompt.room in answer.text, answer
    assert prompt.value("kept", isolation=prompt.room) == "1"


def test_a_worker_is_a_process_of_its_own_and_an_in_process_session_is_not(prompt: Prompt) -> None:
    pid = int(str(prompt.value("import os\nos.getpid()")))
    assert (pid == prompt.client.pid) == (prompt.room == "inprocess")


@pytest.mark.parametrize(("arguments", "environment"), [
    (["--isolation", "process"], {}), ([], {"PYEMBER_ISOLATION": "process"})], ids=["option", "variable"])
def test_the_server_is_told_where_sessions_run(arguments: list[str], environment: dict[str, str]) -> None:
    with RawClient(["serve", *arguments], environment=environment) as client:
        assert client.run("1 + 1").structured["isolation"] == "process"
        assert client.tool("run_python", code="1 + 1", session="b", isolation="inprocess").structured["isolation"] == "inprocess"


def test_a_session_begins_in_process_when_nothing_is_said(client: RawClient) -> None:
    answer = client.run("1 + 1", session="unsaid")
    assert answer.structured["isolation"] == "inprocess"
