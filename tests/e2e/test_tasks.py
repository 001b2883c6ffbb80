"""Calls of the real server that become tasks, over both transports: results, questions, cancelling, listening."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.http_client import HttpServer
from tests.support.raw_client import RawClient

DEADLINE = 60.0
CLIENT = {
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {"form": {}},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    }
}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(params=["stdio", "http"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Sends a request of a client with tasks, and returns the whole answer."""
    if request.param == "stdio":
        with RawClient() as client:
            yield lambda method, **params: client.request(method, {**params, "_meta": CLIENT}, DEADLINE)
    else:
        with HttpServer() as server:
            yield lambda method, **params: server.client().request(method, params, meta=CLIENT).answer


def run(ask: Ask, code: str, **arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = ask("tools/call", name="run_python", arguments={"code": code, **arguments})["result"]
    return result


def until(ask: Ask, task: str, *states: str) -> dict[str, Any]:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found: dict[str, Any] = ask("tasks/get", taskId=task)["result"]
        if found["status"] in states:
            return found
        time.sleep(0.05)
    raise AssertionError(f"task {task} is never {' or '.join(states)}: {found}")


def test_a_slow_cell_becomes_a_task_and_a_fast_one_does_not(ask: Ask) -> None:
    assert run(ask, "1 + 1")["structuredContent"]["result"] == "2"
    created = run(ask, "import time; time.sleep(2.5); 41 + 1")
    assert (created["resultType"], created["status"]) == ("task", "working")
    over = until(ask, created["taskId"], "completed", "failed")
    assert over["result"]["structuredContent"]["result"] == "42"
    assert over["result"]["isError"] is False
    assert over["createdAt"] < over["lastUpdatedAt"]


def test_an_exception_in_a_task_is_its_result(ask: Ask) -> None:
    created = run(ask, "import time; time.sleep(2.5); 1 / 0")
    over = until(ask, created["taskId"], "completed", "failed")
    assert over["status"] == "completed" and over["result"]["isError"] is True
    assert "ZeroDivisionError" in str(over["result"]["structuredContent"])


def test_a_cancelled_task_stops_its_cell(ask: Ask) -> None:
    created = run(ask, "import time; print('begun', flush=True); time.sleep(600)", session="stopped")
    assert ask("tasks/cancel", taskId=created["taskId"])["result"]["resultType"] == "complete"
    assert until(ask, created["taskId"], "cancelled")
    assert run(ask, "'free again'", session="stopped")["structuredContent"]["result"] == "'free again'"


def test_a_task_asks_and_is_answered_while_it_runs(ask: Ask) -> None:
    created = run(ask, "import time; time.sleep(2.5); import mcp_runtime; 'for ' + mcp_runtime.ask('Whom for?')")
    waiting = until(ask, created["taskId"], "input_required")
    ((key, request),) = waiting["inputRequests"].items()
    assert request["method"] == "elicitation/create" and "Whom for?" in request["params"]["message"]
    (name,) = request["params"]["requestedSchema"]["properties"]
    responses = {key: {"action": "accept", "content": {name: "Ada"}}}
    assert ask("tasks/update", taskId=created["taskId"], inputResponses=responses)["result"] is not None
    assert until(ask, created["taskId"], "completed")["result"]["structuredContent"]["result"] == "'for Ada'"


def test_a_script_becomes_a_task_too(ask: Ask) -> None:
    created = ask("tools/call", name="run_script_in_dir",
                  arguments={"directory": "/tmp", "script_content": "import time; time.sleep(3); print('done')", "use_uv": False})["result"]
    assert created["resultType"] == "task"
    assert "done" in str(until(ask, created["taskId"], "completed")["result"])


def test_without_the_extension_the_result_is_waited_for_and_no_task_is_known() -> None:
    with RawClient() as client:
        answer = client.run("import time; time.sleep(1.6); 'waited'")
        assert answer.result == "'waited'"
        assert client.request("tasks/get", {"taskId": "0" * 32})["error"]["code"] == -32021
        refused = client.request("tasks/get", {"taskId": "0" * 32, "_meta": CLIENT})["error"]
        assert refused["code"] == -32602


def test_listeners_hear_of_each_change() -> None:
    with RawClient() as client:
        call = {"name": "run_python", "arguments": {"code": "import time; time.sleep(2.5); 7"}, "_meta": CLIENT}
        task = client.request("tools/call", call, DEADLINE)["result"]["taskId"]
        client.send("subscriptions/listen", {"notifications": {"taskIds": [task]}, "_meta": CLIENT})
        end = time.monotonic() + DEADLINE
        told: list[dict[str, Any]] = []
        while not told and time.monotonic() < end:
            told = [each["params"] for each in client.notifications if each["method"] == "notifications/tasks"]
            time.sleep(0.05)
        assert told and told[-1]["taskId"] == task and told[-1]["status"] == "completed"
        assert told[-1]["result"]["structuredContent"]["result"] == "7"
