"""What only sessions behind a boundary have, or have in another way: packages, copies, folders, limits of a whole room."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sessions.prompt import Prompt, running, until
from tests.sessions.test_packages import OTHER, OTHERS, needs_another_python
from tests.support.raw_client import CellAnswer, RawClient
from tests.support.world import PACKAGE, World, make_world

USE = f"import {PACKAGE}\n{PACKAGE}.answer"
BOUNDED = ["sandbox", "container", "container rootless"]


@pytest.fixture(params=BOUNDED)
def room(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("packages") / "world")


@pytest.fixture(scope="module")
def offline(world: World) -> Iterator[RawClient]:
    with RawClient(environment=world.variables()) as client:
        yield client


# --- packages ---------------------------------------------------------------------------------------


def test_packages_are_there_from_the_beginning_and_come_to_a_live_session(offline: RawClient) -> None:
    first = Prompt(offline, "sandbox", dependencies=[PACKAGE])
    assert first.value(USE) == "42"
    later = Prompt(offline, "sandbox")
    later.value("kept = [1]")
    answer = later.run(USE, dependencies=[PACKAGE])
    assert (answer.status, answer.result) == ("completed", "42"), answer
    assert later.value(f"kept, {PACKAGE}.__file__.startswith('/packages/')") == "([1], True)"
    refused = later.run("open('/packages/1/mine', 'w')")
    assert refused.status == "raised" and refused.error["type"] == "OSError", refused
    for prompt in (first, later):
        prompt.close()


def test_packages_that_can_not_be_had_lose_nothing(offline: RawClient) -> None:
    prompt = Prompt(offline, "sandbox")
    prompt.value("kept = 1")
    assert prompt.run("1", dependencies=["there-is-no-such-package"]).is_error
    assert prompt.value("kept") == "1"
    prompt.close()


@needs_another_python
def test_a_sandbox_runs_another_python() -> None:
    folders = os.pathsep.join([*OTHERS.values(), os.environ["PATH"]])
    with RawClient(environment={"PATH": folders, "UV_PYTHON_DOWNLOADS": "never"}) as client:
        prompt = Prompt(client, "sandbox", python_version=OTHER)
        assert prompt.value("import sys\n'%d.%d' % sys.version_info[:2]") == repr(OTHER)
        prompt.close()


# --- copies -----------------------------------------------------------------------------------------


def test_candidates_race_in_copies_behind_the_same_boundary(prompt: Prompt) -> None:
    prompt.value("x = [1]")
    codes = ["raise ValueError(1)", "x.append(2); len(x)", "import time; time.sleep(60)"]
    answer = CellAnswer(prompt.send(codes, branch=True), 60)  # type: ignore[arg-type]
    assert answer.structured["adopted"] == 1 and answer.result == "2", answer
    assert prompt.value("x, __import__('os').getuid()") == "([1, 2], 65534)"


def test_a_cell_is_undone_in_a_copy_behind_the_same_boundary(client_of: Callable[[str], RawClient], room: str) -> None:
    prompt = Prompt(client_of(room), room.split()[0], undo=2)
    prompt.value("x = 1")
    prompt.value("x = 2")
    undone = prompt.tool("undo_session", steps=1)
    assert not undone.is_error, undone
    assert prompt.value("x") == "1"
    prompt.close()


# --- the room ---------------------------------------------------------------------------------------


def test_files_put_before_the_first_cell_are_there_and_those_it_writes_can_be_read(prompt: Prompt) -> None:
    put = prompt.tool("put_file", path="data/in.txt", content="given")
    assert not put.is_error, put
    answer = prompt.run("import os\ntext = open('data/in.txt').read()\nopen('data/out.txt', 'w').write(text.upper())\nos.getcwd()")
    assert answer.result == "'/workspace'" and [each["path"] for each in answer.structured["files"]] == ["data/out.txt"], answer
    page = prompt.client.request("resources/read", {"uri": answer.structured["files"][0]["uri"]})["result"]["contents"][0]
    assert page["text"] == "GIVEN"


def test_files_outlive_the_session_that_is_lost(prompt: Prompt) -> None:
    prompt.value("open('kept.txt', 'w').write('still here')")
    assert prompt.run("import os; os.kill(os.getpid(), 9)").status == "lost"
    prompt._first = {"isolation": prompt.room}
    assert prompt.value("open('kept.txt').read()") == "'still here'"


def test_a_room_is_gone_with_its_session(prompt: Prompt) -> None:
    seconds = f"700.{time.monotonic_ns() % 100000}"
    prompt.value(f"import subprocess\nchild = subprocess.Popen(['setsid', 'sleep', '{seconds}'])")
    until(lambda: running("sleep", seconds), "the start of the child")
    prompt.tool("close_session")
    until(lambda: not running("sleep", seconds), "the end of the room")


def test_limits_count_everything_behind_the_boundary() -> None:
    """Memory of a session and what it starts; needs control groups, as root of a machine has them."""
    with RawClient() as client:
        prompt = Prompt(client, "sandbox", limits={"memory_mb": 150, "processes": 8})
        over = prompt.run("b = bytearray(400_000_000)")
        assert over.status == "raised" and over.error["type"] == "MemoryError", over
        code = ("import os\nmade = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            import time; time.sleep(5); os._exit(0)\n"
                "        made += 1\nexcept OSError:\n    pass\nmade")
        assert int(str(prompt.value(code))) <= 8
        prompt.close()


def test_nothing_of_the_server_is_in_the_environment(prompt: Prompt) -> None:
    names = prompt.value("import os\nsorted(name for name in os.environ if name.startswith(('PYEMBER_', 'MCP_', 'UV_', 'SSH', 'XDG_R')))")
    assert names == "['PYEMBER_SESSION_FOLDER']"
    assert prompt.value("os.environ['HOME'], os.environ['PYEMBER_SESSION_FOLDER']") == "('/workspace', '/workspace')"


def test_a_state_is_restored_only_where_as_much_is_promised(prompt: Prompt, writable: Path) -> None:
    prompt.value("x = 1")
    path = str(writable / "kept.state")
    assert not prompt.tool("save_session", path=path).is_error
    weaker = Prompt(prompt.client, "process")
    weaker.run("pass")
    answer = weaker.tool("restore_session", path=path)
    assert answer.is_error and prompt.room in answer.text, answer
    assert weaker.value("'x' in globals()") == "False"
    weaker.close()


def test_a_container_has_its_images_python(client_of: Callable[[str], RawClient]) -> None:
    answer = Prompt(client_of("container"), "container", python_version="3.11").run("1")
    assert answer.is_error and "image" in answer.text, answer


def test_a_python_of_the_callers_is_not_run_for_a_sandbox(client: RawClient, tmp_path: Path) -> None:
    program = tmp_path / "python3"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'was-run'}\n")
    program.chmod(0o755)
    answer = Prompt(client, "sandbox", python_version=str(program)).run("1")
    assert answer.is_error and "names a program" in answer.text, answer
    assert not (tmp_path / "was-run").exists()
