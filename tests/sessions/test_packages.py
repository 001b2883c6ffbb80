"""Packages and Python versions for a session that lives: `dependencies`, install lines, `python_version`.

Nothing is asked of the network, but for the tests marked with `needs_index`: they install numpy from
the package index, and are skipped, visibly, where that can't be reached.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.prompt import Prompt
from tests.support.raw_client import CellAnswer, RawClient
from tests.support.world import PACKAGE, World, find_uv, make_world

USE = f"import {PACKAGE}\n{PACKAGE}.answer"


def pythons() -> dict[str, str]:
    """Folders with the other Pythons of this machine, by version; the tests' own is not among them."""
    found = {}
    for minor in range(10, 15):
        name = f"python3.{minor}"
        places = [shutil.which(name), *map(str, sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}")))]
        for place in filter(None, places):
            if minor != sys.version_info.minor and "/shims/" not in place:
                found[f"3.{minor}"] = str(Path(place).parent)
    return found


OTHERS = pythons()
needs_another_python = pytest.mark.skipif(not OTHERS, reason="no other Python from 3.10 on was found on this machine")
OTHER = max(OTHERS, default="3.12")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("packages") / "world")


@pytest.fixture(scope="module")
def offline(world: World) -> Iterator[RawClient]:
    variables = {**world.variables(), "PYEMBER_UV": find_uv()}
    variables["PATH"] = os.pathsep.join([*OTHERS.values(), variables["PATH"]])
    variables.pop("UV_PYTHON")
    with RawClient(["serve", "--max-sessions", "100"], variables=variables) as client:
        yield client


@pytest.fixture
def auto(offline: RawClient) -> Iterator[Prompt]:
    prompt = Prompt(offline, "auto")
    yield prompt
    prompt.close()


def room_of(answer: CellAnswer) -> str:
    return str(answer.structured["isolation"])


# --- packages -----------------------------------------------------------------------------------------


def test_dependencies_are_there_in_a_new_session(auto: Prompt) -> None:
    answer = auto.run(USE, dependencies=[PACKAGE], wait=120)
    assert (answer.status, answer.result, room_of(answer)) == ("completed", "42", "process"), answer
    assert auto.value(USE) == "42"


def test_dependencies_move_a_session_with_its_names(auto: Prompt) -> None:
    auto.value("numbers = [1, 2]\nalias = numbers\ndef total(): return sum(numbers)\nclass Thing: size = 3\nthing = Thing()")
    answer = auto.run(USE, dependencies=[PACKAGE], wait=120)
    assert (answer.result, room_of(answer)) == ("42", "process"), answer
    assert any("worker" in notice for notice in answer.notices), answer
    assert auto.value("alias.append(4)\ntotal(), alias is numbers, thing.size, type(thing) is Thing") == "(7, True, 3, True)"


def test_dependencies_are_added_to_a_running_worker_which_keeps_its_names(offline: RawClient) -> None:
    prompt = Prompt(offline, "process")
    pid = prompt.value("import os\nkept = object()\nmark = id(kept)\nos.getpid()")
    assert prompt.run(USE).error["type"] == "ModuleNotFoundError"
    assert prompt.value(USE, dependencies=[PACKAGE], wait=120) == "42"
    assert prompt.value("os.getpid(), id(kept) == mark") == f"({pid}, True)"
    prompt.close()


@pytest.mark.parametrize("line", ["%pip install {0}", "!pip install -q {0}", "!uv pip install {0}  # for the proof"])
def test_an_install_line_installs(auto: Prompt, line: str) -> None:
    auto.value("kept = 41")
    answer = auto.run(f"{line.format(PACKAGE)}\n{USE} + kept", wait=120)
    assert (answer.status, answer.result, room_of(answer)) == ("completed", "83", "process"), answer
    broken = auto.run(f"%pip install {PACKAGE}\nfirst = 1\n1 / 0", wait=120)
    assert "line 3" in broken.error["traceback"], broken


def test_an_option_of_pip_that_is_not_known_is_refused_before_anything_runs(auto: Prompt) -> None:
    answer = auto.run(f"ran = True\n%pip install --user {PACKAGE}")
    assert answer.is_error and "--user" in answer.text and "was not run" in answer.text, answer
    assert auto.value("'ran' in globals()") == "False"


@pytest.mark.parametrize("wanted", [["no-such-package-at-all"], [f"{PACKAGE}>=9"], [f"{PACKAGE}", "neither-this"], ["not a requirement !"]])
def test_what_cannot_be_installed_is_a_clear_error_and_loses_nothing(auto: Prompt, wanted: list[str], tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    auto.value("kept = [1]\nalias = kept")
    answer = auto.run(f"open({str(counter)!r}, 'a').write('x')", dependencies=wanted, wait=120)
    assert answer.is_error and answer.status != "lost", answer
    assert "was not run" in answer.text and wanted[-1].split(">")[0].split()[0] in answer.text, answer
    assert not counter.exists()
    assert auto.value("kept is alias, kept") == "(True, [1])"
    assert auto.value(USE, dependencies=[PACKAGE], wait=120) == "42"
    assert auto.value("kept is alias, kept") == "(True, [1])"


def test_calls_behind_an_installation_wait_for_it(auto: Prompt) -> None:
    auto.value("order = []")
    first = auto.send(f"import {PACKAGE}\norder.append(1)", dependencies=[PACKAGE])
    second = auto.send("order.append(2)")
    for pending in (first, second):
        assert pending.wait(120)["result"]["structuredContent"]["status"] == "completed"
    assert auto.value("order") == "[1, 2]"


def test_an_in_process_session_is_not_given_packages(offline: RawClient) -> None:
    prompt = Prompt(offline, "inprocess")
    prompt.value("kept = 1")
    answer = prompt.run("kept = 2", dependencies=[PACKAGE])
    assert answer.is_error and "was not run" in answer.text and "in-process" in answer.text, answer
    assert prompt.value("kept") == "1"
    prompt.close()


# --- versions -----------------------------------------------------------------------------------------


@needs_another_python
def test_a_new_session_runs_another_python(auto: Prompt) -> None:
    answer = auto.run("import sys\n'%d.%d' % sys.version_info[:2]", python_version=OTHER, wait=120)
    assert (answer.result, room_of(answer)) == (repr(OTHER), "process"), answer
    auto.value("def f(): return 1 / 0\nclass C: pass\nkept = [C()]")
    assert "return 1 / 0" in auto.run("f()").error["traceback"]
    assert auto.value("type(kept[0]) is C") == "True"
    assert auto.run("while True: pass", timeout=0.5).status == "timed_out"
    assert auto.value("len(kept)") == "1"


@needs_another_python
@pytest.mark.parametrize("version", OTHERS)
def test_every_python_of_this_machine_serves_a_session(offline: RawClient, version: str) -> None:
    prompt = Prompt(offline, "process", python_version=version)
    assert prompt.value("import sys\n'%d.%d' % sys.version_info[:2]", wait=120) == repr(version)
    assert prompt.value("import asyncio\nawait asyncio.sleep(0, 5)") == "5"
    assert prompt.printed("import subprocess; subprocess.run(['echo', 'child']); print('mine')") == "child\nmine\n"
    assert prompt.run("import time\ntime.sleep(600)", timeout=0.3).status == "timed_out"
    assert prompt.value("kept = 3\nkept") == "3"
    prompt.close()


@needs_another_python
def test_another_python_gets_packages_too(auto: Prompt) -> None:
    code = f"import sys, {PACKAGE}\n('%d.%d' % sys.version_info[:2], {PACKAGE}.answer)"
    assert auto.value(code, python_version=OTHER, dependencies=[PACKAGE], wait=120) == repr((OTHER, 42))


@needs_another_python
def test_moving_to_another_python_takes_plain_data_and_names_the_rest(auto: Prompt) -> None:
    auto.value("import json, math\nnumbers = {'a': [1, 2.5, 'x', None, True], 'b': (1, {2}, b'y')}\nalias = numbers['a']\n"
               "def handmade(): return 1\nclass Mine: pass\nmine = Mine()\nkept_lambda = lambda: 0")
    answer = auto.run("import sys\n'%d.%d' % sys.version_info[:2], numbers, alias is numbers['a']", python_version=OTHER, wait=120)
    assert answer.status == "completed", answer
    assert answer.result == repr((OTHER, {"a": [1, 2.5, "x", None, True], "b": (1, {2}, b"y")}, True)), answer
    told = " ".join(answer.notices)
    for name in ("handmade", "Mine", "mine", "kept_lambda"):
        assert name in told, answer
    assert auto.value("[n in globals() for n in ('handmade', 'Mine', 'mine', 'kept_lambda')]") == "[False, False, False, False]"


def test_a_version_that_is_not_there_is_a_clear_error_and_loses_nothing(auto: Prompt) -> None:
    auto.value("kept = 1")
    answer = auto.run("kept = 2", python_version="3.99", wait=120)
    assert answer.is_error and "3.99" in answer.text, answer
    assert auto.value("kept") == "1"


@needs_another_python
def test_a_session_that_runs_keeps_its_python(offline: RawClient) -> None:
    prompt = Prompt(offline, "process")
    prompt.value("kept = 1")
    answer = prompt.run("kept = 2", python_version=OTHER)
    assert answer.is_error and "was not run" in answer.text, answer
    assert prompt.value("kept") == "1"
    prompt.close()


# --- from the index -------------------------------------------------------------------------------------

UNREACHABLE = ("dns error", "error sending request", "Could not connect", "client error (Connect)", "timed out")


@pytest.fixture(scope="module")
def online() -> Iterator[RawClient]:
    with RawClient(environment={"PYEMBER_UV": find_uv()}) as client:
        yield client


def test_needs_index_numpy_comes_to_a_session_with_its_state(online: RawClient) -> None:
    prompt = Prompt(online, "auto")
    assert room_of(prompt.run("data = [3, 1, 2]\nshared = data\ndef biggest(): return max(data)\n"
                              "class Box:\n    def __init__(self, inside): self.inside = inside\nbox = Box(data)")) == "inprocess"
    answer = prompt.run("import numpy as np\nint(np.array(data).sum())", dependencies=["numpy"], wait=240, timeout=230)
    if any(sign in answer.text for sign in UNREACHABLE):
        pytest.skip("the package index can't be reached from here")
    assert (answer.status, answer.result, room_of(answer)) == ("completed", "6", "process"), answer
    assert prompt.value("box.inside is data, shared is data, biggest(), type(box) is Box") == "(True, True, 3, True)"
    assert prompt.value("array = np.arange(6).reshape(2, 3)\n(array @ array.T).tolist()") == "[[5, 14], [14, 50]]"
    assert prompt.names()["array"]["type"].endswith("ndarray")
    assert prompt.run("np.linalg.eigvals(np.random.rand(700, 700)).sum() and [0 for _ in iter(int, 1)]", timeout=1).status == "timed_out"
    assert prompt.value("array.shape") == "(2, 3)"
