"""Sessions outlive the server: checkpoints are written when they are idle, and the next server has them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_supervisor import kill_server
from tests.support.raw_client import CellAnswer, RawClient

ROOMS = ["inprocess", "process"]


@pytest.fixture
def states(tmp_path: Path) -> Path:
    return tmp_path / "states"


@pytest.fixture
def environment(states: Path) -> dict[str, str]:
    return {"PYEMBER_STATE_DIR": str(states)}


@pytest.fixture(params=["modern", "handshake"])
def client(request: pytest.FixtureRequest, environment: dict[str, str]) -> Any:
    with RawClient(supervised=True, environment=environment) as client:
        if request.param == "handshake":
            client.handshake()
        yield client
        assert client.stray == []


def checkpoints(states: Path) -> dict[str, Path]:
    return {path.stem: path for path in states.glob("checkpoints/*/*.state")}


def written(states: Path, name: str = "main", after: float = 0.0, seconds: float = 60.0) -> Path:
    """The checkpoint of a session, newer than a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        path = checkpoints(states).get(name)
        if path is not None and path.stat().st_mtime > after:
            return path
        time.sleep(0.02)
    raise AssertionError(f"no checkpoint of {name} was written within {seconds} s")


def first_run(client: RawClient, code: str, session: str = "main", **arguments: Any) -> CellAnswer:
    return client.tool("run_python", code=code, session=session, **arguments)


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_back_under_their_session_without_being_asked(
    client: RawClient, states: Path, room: str
) -> None:
    first_run(client, "import math\nx = [1, 2]\ndef f(): return x\ny = f()", isolation=room)
    path = written(states)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    kill_server(client)
    after = client.run("x, f() is x, y is x, math.floor(1.5)")
    assert after.result == "([1, 2], True, True, 1)"
    assert after.structured["isolation"] == room
    assert after.structured["cell"] == 2
    assert "names are as they were after cell 1" in after.notices[0], after.notices
    assert "is gone" not in after.notices[0].replace("connections are gone", "")
    assert client.run("x").notices == []


@pytest.mark.parametrize("room", ROOMS)
def test_what_was_done_since_is_told_as_gone(client: RawClient, states: Path, room: str) -> None:
    first_run(client, "x = 'before'; import socket; s = socket.socket()", isolation=room)
    written(states)
    client.run("x = 'after'")
    client.run("z = 1")
    kill_server(client)
    after = client.run("x, 'z' in globals()")
    assert after.result == "('before', False)"
    assert "What cells 2 to 3 did to them is gone" in after.notices[0]
    assert "Missing: s (" in after.notices[0]


def test_two_servers_later_they_are_still_there(client: RawClient, states: Path) -> None:
    client.run("x = 1")
    written(states)
    kill_server(client)
    kill_server(client)
    assert client.run("x").result == "1"
    kill_server(client)
    assert client.run("x").result == "1"


def test_they_come_back_by_themselves_too(client: RawClient, states: Path) -> None:
    client.run("x = 1")
    written(states)
    kill_server(client)
    listed = client.tool("list_sessions").structured
    assert [each["session"] for each in listed["sessions"]] == ["main"] and listed["gone"] == []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        names = client.tool("inspect_session").structured.get("names")
        if names:
            break
        time.sleep(0.05)
    assert [each["name"] for each in names] == ["x"]


def test_closed_and_reset_sessions_do_not_come_back(client: RawClient, states: Path) -> None:
    for name in ("closed", "reset"):
        client.run("x = 1", name)
        written(states, name)
    client.tool("close_session", session="closed")
    client.tool("reset_session", session="reset")
    assert checkpoints(states) == {}
    kill_server(client)
    assert client.run("'x' in globals()", "reset").result == "False"
    assert client.run("'x' in globals()", "closed").result == "False"


@pytest.mark.parametrize("room", ROOMS)
def test_a_server_that_ends_in_order_writes_what_it_has_not_written(
    states: Path, environment: dict[str, str], room: str
) -> None:
    with RawClient(environment=environment) as client:
        first_run(client, "x = {'a': 1}", isolation=room)
    assert "main" in checkpoints(states)
    with RawClient(environment=environment) as client:
        # A new conversation finds nothing it has not asked for.
        listed = client.tool("list_sessions").structured
        assert [(each["session"], each["kind"]) for each in listed["restorable"]] == [("main", "checkpoint")]
        assert client.run("'x' in globals()", "other").result == "False"
        assert client.run("'x' in globals()").result == "False"
        client.tool("close_session")
        back = client.tool("restore_session")
        assert not back.is_error, back
        assert client.run("x").result == "{'a': 1}"


def test_a_server_started_to_resume_has_them(states: Path, environment: dict[str, str]) -> None:
    with RawClient(environment=environment) as client:
        client.run("x = 1")
        client.run("y = 2", "second")
    with RawClient(["serve", "--resume"], environment=environment) as client:
        answer = client.run("x")
        assert answer.result == "1" and "--resume" in answer.notices[0]
        assert client.run("y", "second").result == "2"


def test_other_working_directories_have_their_own(
    states: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    with RawClient(environment=environment) as client:
        client.run("x = 1")
    with RawClient(environment=environment, cwd=str(tmp_path)) as client:
        assert client.tool("restore_session").is_error
        assert client.tool("list_sessions").structured["restorable"] == []


def test_none_are_written_when_they_are_off(states: Path, environment: dict[str, str]) -> None:
    with RawClient(["serve", "--checkpoints", "off"], environment=environment) as client:
        client.run("x = 1")
    assert not states.exists()


@pytest.mark.parametrize("room", ROOMS)
def test_a_cell_does_not_wait_for_a_checkpoint(
    client: RawClient, states: Path, room: str
) -> None:
    first_run(client, "x = [list(range(1000)) for _ in range(1500)]", isolation=room)
    deadline = time.monotonic() + 60
    while not list(states.glob("checkpoints/*/*.part")) and not checkpoints(states):
        assert time.monotonic() < deadline, "no checkpoint was begun"
        time.sleep(0.0005)
    assert client.run("1 + 1").seconds < 2
    assert client.run("len(x)").result == "1500"


def test_users_reducers_are_not_run_behind_their_back_in_process(client: RawClient, states: Path) -> None:
    first_run(client, "asked = []\nclass C:\n    def __reduce__(self):\n        asked.append(1)\n        return C, ()\n"
              "c = C(); inside = [c]; x = 1", isolation="inprocess")
    written(states)
    assert client.run("asked").result == "[]"
    kill_server(client)
    after = client.run("x, 'c' in globals(), 'inside' in globals()")
    assert after.result == "(1, False, False)"
    assert "save_session" in after.notices[0]


def test_what_is_too_large_is_named(client: RawClient, states: Path) -> None:
    first_run(client, "x = bytes(80 << 20); y = 2", isolation="process")
    written(states)
    kill_server(client)
    after = client.run("y, 'x' in globals()")
    assert after.result == "(2, False)"
    assert "Missing: x (it is larger than what a checkpoint has room for" in after.notices[0]


def test_a_child_that_writes_a_checkpoint_is_not_left_behind(client: RawClient, states: Path) -> None:
    first_run(client, "import os; pid = os.getpid()", isolation="process")
    written(states)
    deadline = time.monotonic() + 30
    while client.run("open(f'/proc/{pid}/task/{pid}/children').read()").result != "''":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sigterm_writes_them_too(states: Path, environment: dict[str, str]) -> None:
    with RawClient(environment=environment, supervised=True) as client:
        client.run("x = 1")
        os.kill(client.process.pid, signal.SIGTERM)
        client.process.wait(20)
        assert "main" in checkpoints(states)


@pytest.mark.parametrize("room", ROOMS)
def test_a_server_that_is_replaced_in_order_writes_them_first(client: RawClient, states: Path, room: str) -> None:
    """At once after a cell, and while another one runs."""
    first_run(client, "x = [1, 2]", isolation=room)
    first_run(client, "y = 3", session="busy", isolation=room)
    running = client.send_cell("import time; time.sleep(0.5); y = 4; y", session="busy")
    time.sleep(0.2)
    before = client.pid
    os.kill(client.process.pid, signal.SIGUSR2)
    assert running.wait(30)["result"]["structuredContent"]["result"] == "4"
    assert client.run("x").result == "[1, 2]"
    assert client.run("y", session="busy").result == "4"
    assert client.pid != before
