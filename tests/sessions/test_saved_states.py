"""save_session and restore_session: what comes back, what is named as missing, and that a bad file loses nothing."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sessions.prompt import Prompt
from tests.sessions.test_packages import OTHER, OTHERS, needs_another_python
from tests.support.raw_client import CellAnswer, RawClient

EVERYTHING = """
import socket, threading, math, dataclasses
data = {"a": [1, 2]}
shared = data["a"]
def twice(x): return x * factor
factor = 2
square = lambda x: x * x
@dataclasses.dataclass
class Point:
    x: int
    def moved(self): return Point(self.x + 1)
point = Point(1)
gate = threading.Lock()
plug = socket.socket()
numbers = (n for n in range(3))
"""


@pytest.fixture
def path(writable: Path) -> str:
    return str(writable / "kept.state")


@pytest.fixture
def second(client_of: Callable[[str], RawClient], room: str) -> Iterator[Prompt]:
    """Another session, not opened yet."""
    prompt = Prompt(client_of(room), room.split()[0])
    yield prompt
    prompt.tool("close_session")


def saved(prompt: Prompt, path: str) -> dict[str, Any]:
    answer = prompt.tool("save_session", path=path)
    assert not answer.is_error, answer
    return answer.structured


def restored(prompt: Prompt, path: str, **more: Any) -> dict[str, Any]:
    answer = prompt.tool("restore_session", path=path, **more)
    assert not answer.is_error, answer
    prompt._first = {}
    return answer.structured


def reasons(entries: list[dict[str, str]]) -> dict[str, str]:
    return {each["name"]: each["reason"] for each in entries}


def test_names_come_back_and_each_that_does_not_is_named(prompt: Prompt, second: Prompt, path: str) -> None:
    prompt.run(EVERYTHING)
    told = saved(prompt, path)
    left = reasons(told["left_behind"])
    assert {"gate", "plug", "numbers"} <= set(left), left
    assert "lock" in left["gate"] and "socket" in left["plug"] and "generator" in left["numbers"]
    assert {"data", "shared", "twice", "square", "Point", "point", "math"} <= set(told["saved"])
    assert told["bytes"] == os.path.getsize(path) and os.stat(path).st_mode & 0o777 == 0o600
    assert told["cell"] == 1
    back = restored(second, path)
    assert set(reasons(back["missing"])) == set(left)
    assert back["isolation"] == prompt.room and back["cell"] == 1
    assert second.value("twice(4), square(3), point.moved(), shared is data['a'], math.floor(2.5)") == (
        "(8, 9, Point(x=2), True, 2)")
    assert second.value("type(point) is Point") == "True"
    assert second.run("plug").error["type"] == "NameError"


def test_a_save_waits_for_the_cells_before_it_and_the_session_goes_on(
    prompt: Prompt, second: Prompt, path: str
) -> None:
    prompt.run("pass")
    prompt.send("import time; time.sleep(0.5); x = 'written'")
    save = prompt.client.send_tool("save_session", {"session": prompt.name, "path": path})
    later = prompt.send("x = 'later'; x")
    told = CellAnswer(save, 30).structured
    assert told["saved"] == ["time", "x"]
    assert CellAnswer(later, 30).result == "'later'"
    restored(second, path)
    assert second.value("x") == "'written'"


def test_cell_numbers_go_on_where_the_saved_session_was(prompt: Prompt, second: Prompt, path: str) -> None:
    for _ in range(4):
        prompt.run("1")
    saved(prompt, path)
    told = restored(second, path)
    assert told["cell"] == 4
    assert second.run("1").structured["cell"] == told["next_cell"] > 5


def test_without_a_path_it_is_kept_under_the_name(prompt: Prompt) -> None:
    prompt.run("x = 41")
    told = prompt.tool("save_session").structured
    assert Path(told["path"]).name == f"{prompt.name}.state" and Path(told["path"]).parent.name == "saved"
    assert os.stat(Path(told["path"]).parent).st_mode & 0o777 == 0o700
    prompt.close()
    listed = prompt.client.tool("list_sessions").structured["restorable"]
    assert (prompt.name, "saved") in {(each["session"], each["kind"]) for each in listed}
    back = prompt.tool("restore_session")
    assert not back.is_error, back
    assert prompt.run("x + 1").result == "42"


def test_names_are_never_overwritten_unasked(prompt: Prompt, second: Prompt, path: str) -> None:
    prompt.run("x = 'saved'")
    saved(prompt, path)
    second.run("mine = 1")
    answer = second.tool("restore_session", path=path)
    assert answer.is_error and "replace=true" in answer.text and "has 1 names" in answer.text
    assert second.value("mine") == "1"
    restored(second, path, replace=True)
    assert second.value("x, 'mine' in globals()") == "('saved', False)"


def test_a_session_without_names_stays_what_it_is(prompt: Prompt, second: Prompt, path: str) -> None:
    prompt.run("x = 'saved'")
    saved(prompt, path)
    second.run("pass")
    told = restored(second, path)
    assert told["isolation"] == second.room
    assert second.value("x") == "'saved'"


@pytest.mark.parametrize(("damage", "said"), [
    (lambda data: b"hello", "does not begin as a saved state does"),
    (lambda data: data[:8] + b"\x63" + data[9:], "its format is 99"),
    (lambda data: data[:-20], "its length is not the one"),
    (lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:], "its checksum does not fit"),
    (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "its checksum does not fit"),
])
def test_a_damaged_file_is_an_error_and_loses_nothing(
    prompt: Prompt, second: Prompt, path: str, damage: Any, said: str
) -> None:
    prompt.run("x = list(range(1000))")
    saved(prompt, path)
    Path(path).write_bytes(damage(Path(path).read_bytes()))
    second.run("mine = 'kept'")
    for more in ({}, {"replace": True}):
        answer = second.tool("restore_session", path=path, **more)
        assert answer.is_error, answer
    assert said in answer.text
    assert second.value("mine") == "'kept'"


def test_a_damaged_file_opens_no_session(prompt: Prompt, second: Prompt, path: str) -> None:
    prompt.run("x = 1")
    saved(prompt, path)
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert second.tool("restore_session", path=path).is_error
    names = [each["session"] for each in second.client.tool("list_sessions").structured["sessions"]]
    assert second.name not in names


def test_a_missing_file_and_a_place_that_cannot_be_written_are_errors(
    prompt: Prompt, second: Prompt, path: str
) -> None:
    prompt.run("x = 1")
    answer = prompt.tool("save_session", path=f"{path}/below/it")
    assert answer.is_error and "can't be written" in answer.text
    assert prompt.value("x") == "1"
    answer = second.tool("restore_session", path=path)
    assert answer.is_error and "There is no saved state at" in answer.text
    assert "There is no session" in second.tool("save_session").text


@pytest.mark.parametrize("room", ["inprocess", "process", "sandbox"])
def test_a_disk_without_room_leaves_the_old_file(room: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    with RawClient(["serve"]) as client:
        prompt = Prompt(client, room)
        prompt.run("x = 'old'")
        saved(prompt, str(path))
        before = path.read_bytes()
    with RawClient(["serve"], command=[sys.executable, "-c", (
            "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20)); "
            "os.execv(sys.argv[1], sys.argv[1:])"), os.environ.get("PYEMBER_BINARY") or "build/release/pyember",
            "serve"]) as client:
        prompt = Prompt(client, room)
        prompt.run("x = b'x' * (8 << 20)")
        answer = prompt.tool("save_session", path=str(path))
        assert answer.is_error and "can't be written" in answer.text, answer
        assert prompt.value("len(x)") == str(8 << 20)
        assert client.alive()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["kept.state"]


@pytest.mark.parametrize("room", ["inprocess", "process"])
def test_a_server_killed_while_it_saves_leaves_the_old_file(room: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    with RawClient(["serve"]) as client:
        prompt = Prompt(client, room)
        prompt.run("x = 'old'")
        saved(prompt, str(path))
        prompt.run("x = [bytes(1 << 20) for _ in range(64)]; y = list(range(3_000_000))")
        client.send_tool("save_session", {"session": prompt.name, "path": str(path)})
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(client.pid, signal.SIGKILL)
        client.process.wait()
    with RawClient(["serve"]) as client:
        back = client.tool("restore_session", path=str(path))
        assert not back.is_error, back
        assert client.run("x").result in ("'old'", None)  # it may have been quicker
        assert client.run("x == 'old' or len(x)").result in ("True", "64")


@needs_another_python
def test_another_version_of_python_brings_plain_data_and_names_the_rest(prompt: Prompt, path: str) -> None:
    prompt.run("import math\ndata = {'a': (1, 2.5, 'x')}\ndef f(): pass\nclass C: pass\nc = C()")
    saved(prompt, path)
    folders = os.pathsep.join([*OTHERS.values(), os.environ["PATH"]])
    with RawClient(["serve"], environment={"PATH": folders}) as client:
        other = Prompt(client, "process" if prompt.room in ("inprocess", "process") else "sandbox", python_version=OTHER)
        other.value("pass", wait=120)
        told = restored(other, path)
        missing = reasons(told["missing"])
        assert {"f", "C", "c"} <= set(missing)
        assert OTHER in missing["f"]
        assert {"math", "data"} <= set(told["restored"])
        assert other.value("data, math.floor(2.5)") == "({'a': (1, 2.5, 'x')}, 2)"


def test_limits_come_back_with_the_names(client: RawClient, path: str) -> None:
    prompt = Prompt(client, "process", limits={"open_files": 64})
    prompt.run("x = 1")
    saved(prompt, path)
    prompt.close()
    second = Prompt(client, "process")
    restored(second, path)
    assert second.value("import resource; resource.getrlimit(resource.RLIMIT_NOFILE)[0], x") == "(64, 1)"
    second.close()


def test_a_save_that_hangs_in_the_users_code_is_stopped_like_a_cell(prompt: Prompt, path: str) -> None:
    prompt.run("import time\nclass Slow:\n    def __reduce__(self): time.sleep(600)\nslow = Slow(); x = 5")
    save = prompt.client.send_tool("save_session", {"session": prompt.name, "path": path})
    time.sleep(0.5)
    prompt.tool("interrupt_session")
    told = CellAnswer(save, 30)
    assert "slow" in reasons(told.structured["left_behind"]), told
    assert prompt.value("x") == "5"
