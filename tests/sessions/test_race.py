"""run_python(branch=true): candidates race in copies of a session, one is adopted, or none."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sessions.prompt import Prompt, until
from tests.support.raw_client import CellAnswer, RawClient, children, descendants


@pytest.fixture(params=["process", "auto"])
def racer(request: pytest.FixtureRequest, client: RawClient) -> Iterator[Prompt]:
    """Sessions that can be copied; one that is in-process yet moves first."""
    prompt = Prompt(client, request.param)
    yield prompt
    prompt.close()


def race(prompt: Prompt, *codes: str, wait: float = 60.0, **arguments: Any) -> CellAnswer:
    return CellAnswer(prompt.send(list(codes), branch=True, **arguments), wait)  # type: ignore[arg-type]


def statuses(answer: CellAnswer) -> list[str]:
    return [each["status"] for each in answer.structured["candidates"]]


def test_the_first_that_runs_to_its_end_becomes_the_session(racer: Prompt) -> None:
    racer.run("x = [1]; y = 2")
    answer = race(racer, "1 / 0", "x.append(5); z = 3; print('hi'); z", "import time; time.sleep(60)")
    assert answer.structured["adopted"] == 1 and answer.status == "completed" and not answer.is_error
    assert answer.stdout == "hi\n" and answer.result == "3" and answer.structured["isolation"] == "process"
    failed, won, stopped = answer.structured["candidates"]
    assert failed["status"] == "raised" and failed["error"]["type"] == "ZeroDivisionError"
    assert won["stdout"] == "hi\n" and won["changes"] == {
        "new": ["z"], "rebound": [], "deleted": [], "mutated": ["x"], "unknown": [], "more": 0}
    assert stopped["status"] == "interrupted" and stopped["changes"] is None and stopped["elapsed_seconds"] < 60
    assert racer.client.run("x, y, z", session=racer.name).result == "([1, 5], 2, 3)"


def test_a_winner_that_is_through_at_once_outlives_the_session_it_came_from(client: RawClient) -> None:
    """It was adopted, and gone with its original, while that was forking the next candidate."""
    prompt = Prompt(client, "process")
    prompt.run("x = 0")
    for done in range(1, 31):
        assert race(prompt, "x += 1", *["import time; time.sleep(60)"] * 3).structured["adopted"] == 0
        assert prompt.value("x") == str(done)
    prompt.close()


def test_the_greatest_value_wins_and_what_has_none_is_disqualified(racer: Prompt) -> None:
    answer = race(racer, "a = 1", "a = 7", "a = 'text'", "b = 1", "a = nobody", "a = float('nan')", pick="best: a * 2")
    assert answer.structured["adopted"] == 1
    candidates = answer.structured["candidates"]
    assert [each.get("value") for each in candidates] == [2, 14, None, None, None, None]
    assert "ValueError" in candidates[2]["disqualified"] and "NameError" in candidates[3]["disqualified"]
    assert "disqualified" not in candidates[4] and "no number" in candidates[5]["disqualified"]
    assert racer.client.run("a", session=racer.name).result == "7"


def test_of_equal_values_the_first_one_wins(racer: Prompt) -> None:
    assert race(racer, "a = 1", "a = 1", pick="best:a").structured["adopted"] == 0


def test_all_run_and_none_is_adopted(racer: Prompt) -> None:
    racer.run("a = 1; b = {}")
    answer = race(racer, "a = 2", "del a", "b['x'] = 1; c = 2", "raise KeyError(1)", pick="all")
    assert answer.structured["adopted"] is None and answer.status == "completed"
    assert statuses(answer) == ["completed", "completed", "completed", "raised"]
    changes = [each["changes"] for each in answer.structured["candidates"]]
    assert [changes[0]["rebound"], changes[1]["deleted"], changes[2]["mutated"], changes[2]["new"]] == [["a"], ["a"], ["b"], ["c"]]
    assert "None was adopted" in answer.content[0]["text"]
    assert racer.client.run("a, b", session=racer.name).result == "(1, {})"


@pytest.mark.parametrize("pick", ["first_ok", "best:x"])
def test_when_none_can_be_adopted_the_session_stays_as_it_was(racer: Prompt, pick: str) -> None:
    racer.run("x = 1")
    answer = race(racer, "x = 2; 1 / 0", "x = 3; int('x')", pick=pick)
    assert answer.is_error and answer.structured["adopted"] is None and answer.error["type"] == "NoCandidate"
    assert [each["error"]["type"] for each in answer.structured["candidates"]] == ["ZeroDivisionError", "ValueError"]
    assert racer.client.run("x", session=racer.name).result == "1"


def test_each_candidate_has_the_timeout(racer: Prompt) -> None:
    racer.run("x = 1")
    answer = race(racer, "while True: pass", "x = 2; import time; time.sleep(60)", timeout=0.3)
    assert statuses(answer) == ["timed_out", "timed_out"] and answer.structured["adopted"] is None
    assert racer.client.run("x", session=racer.name).result == "1"


def test_a_candidate_that_dies_is_lost_alone(racer: Prompt) -> None:
    racer.run("x = 1")
    answer = race(racer, "import os; os.kill(os.getpid(), 9)", "import os; os._exit(3)", "x = 2", pick="best:x")
    assert statuses(answer) == ["lost", "lost", "completed"] and answer.structured["adopted"] == 2
    assert "SIGKILL" in answer.structured["candidates"][0]["error"]["message"]
    assert racer.client.run("x", session=racer.name).result == "2"


def test_a_race_has_one_number_and_stands_in_its_turn(racer: Prompt) -> None:
    first = racer.send("import time; time.sleep(0.3); x = 1")
    raced = racer.client.send_tool("run_python", {"code": ["x += 1; import time; time.sleep(0.2)", "x += 1"], "branch": True,
                                                  "pick": "best:-x", "session": racer.name})
    behind = racer.send("x")
    answers = [CellAnswer(each, 60) for each in (first, raced, behind)]
    assert [each.structured["cell"] for each in answers] == [1, 2, 3]
    assert [each.status for each in answers] == ["completed"] * 3 and answers[2].result == "2"


def test_candidates_run_in_parallel(racer: Prompt) -> None:
    racer.run("1")
    answer = race(racer, *["import time; time.sleep(1)"] * 8, pick="all")
    assert statuses(answer) == ["completed"] * 8 and answer.seconds < 7


def test_what_the_adopted_one_printed_and_showed_is_the_cells(racer: Prompt) -> None:
    answer = race(racer, "print('x' * 100_000); display({'text/markdown': '# shown'}, raw=True)", "1 / 0")
    links = [block for block in answer.content if block["type"] == "resource_link"]
    assert "stdout" in links[0]["uri"] and links[0]["size"] == 100_001
    page = racer.client.request("resources/read", {"uri": links[0]["uri"]})["result"]["contents"][0]
    assert page["text"].startswith("x" * 1000)
    assert {"type": "text", "text": "# shown"} in answer.content


def test_an_interrupted_race_leaves_the_session_as_it_was(racer: Prompt) -> None:
    racer.run("x = 1")
    pending = racer.send(["x = 2; import time; time.sleep(60)"] * 3, branch=True)  # type: ignore[arg-type]
    until(lambda: racer.tool("interrupt_session").structured["interrupted"], "a race to interrupt")
    answer = CellAnswer(pending, 30)
    assert answer.status == "interrupted" and answer.structured["adopted"] is None
    assert racer.client.run("x", session=racer.name).result == "1"


def test_a_cancelled_race_ends_its_copies(client: RawClient) -> None:
    with RawClient(["serve"]) as own:
        prompt = Prompt(own, "process")
        prompt.run("x = 1")
        time.sleep(0.5)  # the worker that is kept ready is there by then
        before = len(descendants(own.pid))
        pending = prompt.send(["import time; time.sleep(60)"] * 4, branch=True)  # type: ignore[arg-type]
        until(lambda: len(descendants(own.pid)) >= before + 4, "four copies")
        own.notify("notifications/cancelled", {"requestId": pending.id})
        until(lambda: len(descendants(own.pid)) <= before, "the copies' end")
        assert prompt.run("x").result == "1"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"code": ["1", "2"]}, "branch=true"),
        ({"code": "1", "pick": "all"}, "branch=true"),
        ({"code": [], "branch": True}, "empty list"),
        ({"code": ["1"] * 17, "branch": True}, "16"),
        ({"code": ["1"], "branch": True, "pick": "best"}, "not known"),
        ({"code": ["1"], "branch": True, "pick": "best:  "}, "not known"),
        ({"code": ["1"], "branch": True, "background": True}, "background"),
        ({"code": ["x = 1", "%pip install y"], "branch": True}, "dependencies"),
        ({"code": ["mark = 1", "mark = 2"], "branch": True, "pick": "best: ("}, "SyntaxError"),
        ({"code": [1], "branch": True}, "type"),
    ],
)
def test_what_makes_no_race_is_an_error_and_runs_nothing(racer: Prompt, arguments: dict[str, Any], why: str) -> None:
    racer.run("mark = 0")
    answer = CellAnswer(racer.client.send_tool("run_python", {"session": racer.name, **arguments}), 30)
    assert answer.is_error and why in answer.text
    assert racer.client.run("mark", session=racer.name).result == "0"


def test_one_candidate_may_be_a_string(racer: Prompt) -> None:
    answer = CellAnswer(racer.send("x = 1\nx", branch=True, pick="all"), 30)
    assert answer.structured["candidates"][0]["result"] == "1" and answer.structured["adopted"] is None


def test_a_session_that_stays_in_process_has_no_races(client: RawClient) -> None:
    prompt = Prompt(client, "inprocess")
    prompt.run("x = 1")
    answer = race(prompt, "x = 2", "x = 3")
    assert answer.is_error and "only a worker can be copied" in answer.text
    assert prompt.value("x") == "1"
    prompt.close()


def test_a_lost_session_ends_its_race(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    pid = int(str(prompt.value("import os; os.getpid()")))
    pending = prompt.send(["import time; time.sleep(60)"] * 2, branch=True)  # type: ignore[arg-type]
    time.sleep(0.3)
    os.kill(pid, 9)
    answer = CellAnswer(pending, 30)
    assert answer.status == "lost" and "race was ended" in answer.error["message"]
    assert prompt.run("1 + 1").result == "2"
    prompt.close()


def test_nothing_is_left_of_races_when_their_server_is_killed() -> None:
    with RawClient(["serve", "--no-supervisor"]) as own:
        prompt = Prompt(own, "process")
        prompt.run("1")
        prompt.send(["import time; time.sleep(60)"] * 4, branch=True)  # type: ignore[arg-type]
        time.sleep(0.5)
        family = descendants(own.pid)
        assert len(family) >= 5 and children(own.pid)
        own.kill()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family), "the end of all processes")


@pytest.mark.parametrize("tool", ["reset_session", "close_session"])
def test_a_session_that_is_emptied_or_closed_ends_its_race(client: RawClient, tool: str) -> None:
    prompt = Prompt(client, "process")
    prompt.run("x = 1")
    pending = prompt.send(["import time; time.sleep(60)"] * 2, branch=True)  # type: ignore[arg-type]
    time.sleep(0.3)
    assert not prompt.tool(tool).is_error
    answer = CellAnswer(pending, 30)
    assert answer.status in ("interrupted", "lost") and answer.structured["adopted"] is None
    assert client.run("'x' in globals()", session=prompt.name).result == "False"
    prompt.close()


def test_a_race_whose_server_dies_is_answered_as_lost_and_leaves_nothing() -> None:
    with RawClient(["serve"], supervised=True) as own:
        prompt = Prompt(own, "process")
        prompt.run("1")
        pending = prompt.send(["import time; time.sleep(60)"] * 4, branch=True)  # type: ignore[arg-type]
        time.sleep(0.5)
        family = descendants(own.pid)
        os.kill(own.pid, 9)
        answer = CellAnswer(pending, 30)
        assert answer.status == "lost" and "server died" in answer.error["message"]
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family), "the end of all processes")


def test_what_changes_in_arrays_is_seen(racer: Prompt) -> None:
    racer.run("import array; a = array.array('d', range(100)); b = array.array('d', [1])")
    answer = race(racer, "a[7] = 0", pick="all")
    changes = answer.structured["candidates"][0]["changes"]
    assert changes["mutated"] == ["a"] and changes["unknown"] == []


def test_exports_have_the_adopted_candidates_code(racer: Prompt) -> None:
    race(racer, "1 / 0", "kept = 1")
    race(racer, "never = 1", "never = 2", pick="all")
    text = racer.tool("export_session").structured["text"]
    assert "kept = 1" in text and "never" not in text and "1 / 0" not in text
