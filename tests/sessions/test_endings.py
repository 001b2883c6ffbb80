"""Sessions that crash, are reset or closed, in every room: an end is an outcome of one call."""

from __future__ import annotations

import os
import signal

import pytest

from tests.sessions.prompt import Prompt, running, until
from tests.support.raw_client import RawClient
from tests.support.world import runs

CRASH = "import ctypes\ndef deep():\n    ctypes.string_at(0)  # it happens here\ndeep()"


def starts_afresh(prompt: Prompt) -> None:
    after = prompt.run("'kept' in globals()")
    assert (after.status, after.result) == ("completed", "False"), after
    assert "lost" in " ".join(after.notices), after
    again = prompt.run("1 + 1")
    assert (again.result, again.notices) == ("2", []), again


def test_a_crash_loses_the_session_and_the_next_call_says_so(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    answer = prompt.run("print('before')\n" + CRASH)
    assert (answer.status, answer.stdout) == ("lost", "before\n"), answer
    assert "SIGSEGV" in answer.text or "segmentation" in answer.text.lower(), answer
    assert "deep" in answer.error["traceback"], answer
    starts_afresh(prompt)


def test_abort_loses_the_session(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    answer = prompt.run("import os\nos.abort()")
    assert answer.status in ("lost", "raised"), answer
    if answer.status == "lost":
        starts_afresh(prompt)
    else:
        assert prompt.value("kept") == "1"


def test_exiting_the_process_is_contained(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    answer = prompt.run("import os\nprint('out')\nos._exit(3)")
    assert answer.stdout == "out\n"
    if prompt.room == "inprocess":
        assert (answer.status, answer.error["type"]) == ("raised", "PermissionError"), answer
        assert prompt.value("kept") == "1"
        return
    assert answer.status == "lost" and "3" in answer.error["message"], answer
    starts_afresh(prompt)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_worker_that_is_killed_is_an_outcome_of_the_call(client: RawClient, number: signal.Signals) -> None:
    prompt = Prompt(client, "process")
    pid = int(str(prompt.value("import os\nkept = 1\nos.getpid()")))
    assert pid != client.pid
    running = prompt.send("print('begun')\nimport time\ntime.sleep(600)", timeout=900)

    def begun() -> bool:
        return "begun" in prompt.tool("inspect_session").structured.get("running", {}).get("stdout", "")

    until(begun, "the beginning of the cell")
    os.kill(pid, number)
    answer = running.wait(30)["result"]["structuredContent"]
    assert (answer["status"], answer["stdout"]) == ("lost", "begun\n"), answer
    assert number.name in answer["error"]["message"], answer
    starts_afresh(prompt)
    until(lambda: not runs(pid), "the end of the worker")
    prompt.close()


def test_a_worker_killed_while_idle_is_told_by_the_next_call(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    pid = int(str(prompt.value("import os\nkept = 1\nos.getpid()")))
    os.kill(pid, signal.SIGKILL)
    until(lambda: not runs(pid), "the end of the worker")
    answer = prompt.run("'kept' in globals()")
    if answer.status == "lost":  # the call was sent before the server had heard of it
        answer = prompt.run("'kept' in globals()")
    assert (answer.status, answer.result) == ("completed", "False"), answer
    assert "SIGKILL" in " ".join(answer.notices), answer
    prompt.close()


def test_cells_waiting_behind_a_crash_are_answered_not_run(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    crash = prompt.send("import time\ntime.sleep(0.3)\n" + CRASH)
    waiting = [prompt.send("kept") for _ in range(3)]
    assert crash.wait(30)["result"]["structuredContent"]["status"] == "lost"
    for each in waiting:
        answer = each.wait(30)["result"]["structuredContent"]
        assert answer["status"] == "lost" and "not run" in answer["error"]["message"], answer
    starts_afresh(prompt)


def test_reset_empties_the_session(prompt: Prompt) -> None:
    prompt.value("import json as kept_module\nkept = 1\nimport sys\nsys.modules['made_up'] = kept_module")
    assert prompt.tool("reset_session").structured["reset"] is True
    assert prompt.value("import sys\n'kept' in globals(), 'kept_module' in globals(), 'made_up' in sys.modules") == "(False, False, False)"
    assert prompt.value("__name__") == "'__main__'"


def test_reset_stops_what_runs(prompt: Prompt) -> None:
    prompt.value("kept = 1")
    running = prompt.send("while True: pass", timeout=600)
    waiting = prompt.send("kept")
    assert prompt.tool("reset_session").structured["reset"] is True
    for each in (running, waiting):
        assert each.wait(30)["result"]["structuredContent"]["status"] in ("interrupted", "lost")
    assert prompt.value("'kept' in globals()") == "False"


def test_closing_ends_the_sessions_children_and_names(prompt: Prompt) -> None:
    seconds = f"600.{os.getpid()}"
    prompt.value(f"import subprocess\nkept = 1\nchild = subprocess.Popen(['sleep', '{seconds}'])")
    until(lambda: running("sleep", seconds), "the start of the child")
    assert prompt.tool("close_session").structured["closed"] is True
    until(lambda: not running("sleep", seconds), "the end of the child of a closed session")
    answer = prompt.run("'kept' in globals()", isolation=prompt.room)
    assert answer.result == "False", answer


def test_a_closed_worker_is_gone_with_everything_it_started(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    code = ("import os, subprocess\nsubprocess.Popen(['setsid', 'sleep', '601'])\n"
            "subprocess.run('nohup sleep 602 >/dev/null 2>&1 &', shell=True)\nos.getpid()")
    pid = int(str(prompt.value(code)))

    def left() -> list[int]:
        return running("sleep", "601") + running("sleep", "602")

    until(lambda: len(left()) == 2, "the start of the children")
    prompt.close()
    until(lambda: not runs(pid), "the end of the worker")
    until(lambda: not left(), "the end of what the worker started")


def test_the_server_names_why_a_session_is_gone(prompt: Prompt) -> None:
    prompt.value("1")
    listed = {each["session"]: each for each in prompt.client.tool("list_sessions").structured["sessions"]}
    assert listed[prompt.name]["isolation"] == prompt.room
    prompt.tool("close_session")
    after = prompt.client.tool("list_sessions").structured
    assert prompt.name not in {each["session"] for each in after["sessions"]}
