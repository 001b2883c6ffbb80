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
from tests.support.world import NEEDS_OLD, PACKAGE, VERSIONED, WITH_EXTRA, World, find_uv, make_world

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


@pytest.mark.parametrize("line", ["%pip install {0}", "!pip install -q {0}", "!uv pip install {0}  # for the proof", "pip install {0}",
                                  "uv add {0}", "!{{sys.executable}} -m pip install {0} > /dev/null", "%pip install \\\n  {0}"])
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


def test_what_was_installed_is_said_once(auto: Prompt) -> None:
    answer = auto.run(f"%pip install '{WITH_EXTRA}[more]'\nimport {VERSIONED}\n{VERSIONED}.version", wait=120)
    assert answer.result == "'2.0'", answer
    assert any(f"Installed: {WITH_EXTRA} 1.0, and 1 more" in notice for notice in answer.notices), answer
    again = auto.run("1", dependencies=[f"{WITH_EXTRA}[more]"])
    assert (again.result, again.notices) == ("1", []), again


def test_what_was_installed_is_said_by_the_call_that_asked(offline: RawClient) -> None:
    prompt = Prompt(offline, "process")
    prompt.value("1")
    pendings = [prompt.send("import time\ntime.sleep(1.5)"), prompt.send(USE, dependencies=[PACKAGE])]
    first, second = (CellAnswer(pending, 120) for pending in pendings)
    assert first.notices == [], first
    assert any("Installed" in notice for notice in second.notices), second
    prompt.close()


def test_install_lines_in_blocks_and_strings(auto: Prompt) -> None:
    code = f"try:\n    import {PACKAGE}\nexcept ImportError:\n    %pip install {PACKAGE}\n{USE.splitlines()[0]}\n{PACKAGE}.answer"
    assert auto.value(code, wait=120) == "42"
    assert auto.value(f"text = \'\'\'\n%pip install no-such-thing-{PACKAGE}\n\'\'\'\ntext") == repr(f"\n%pip install no-such-thing-{PACKAGE}\n")


def test_a_first_call_that_fails_leaves_nothing_behind(auto: Prompt) -> None:
    for wanted in (["no-such-package-at-all"], [""], ["./here"]):
        assert auto.run("1", dependencies=wanted, wait=120).is_error
    assert auto.value(USE, dependencies=[PACKAGE], wait=120) == "42"


def test_calls_queued_behind_one_whose_packages_fail_do_without_them(auto: Prompt) -> None:
    auto.value("1")
    pendings = [auto.send("1", dependencies=["no-such-package-at-all"]), auto.send(USE, dependencies=[PACKAGE])]
    assert CellAnswer(pendings[0], 120).is_error
    assert CellAnswer(pendings[1], 120).result == "42"


# --- versions of packages -----------------------------------------------------------------------------

VERSION = f"import {VERSIONED}\n{VERSIONED}.version"


def test_a_package_can_be_changed_for_another_version_before_it_is_imported(auto: Prompt) -> None:
    auto.value("1", dependencies=[f"{VERSIONED}==1.0"], wait=120)
    answer = auto.run(VERSION, dependencies=[f"{VERSIONED}>=2"], wait=120)
    assert answer.result == "'2.0'", answer
    assert not any("imported" in notice for notice in answer.notices), answer


def test_an_older_version_that_is_imported_already_stays_and_is_named(auto: Prompt) -> None:
    assert auto.value(VERSION, dependencies=[f"{VERSIONED}<2"], wait=120) == "'1.0'"
    answer = auto.run(f"import {VERSIONED}.part\n{VERSIONED}.version, {VERSIONED}.part.version", dependencies=[f"{VERSIONED}>=2"], wait=120)
    assert answer.result == "('1.0', '1.0')", answer
    (notice,) = (notice for notice in answer.notices if "imported" in notice.lower())
    assert f"{VERSIONED} 1.0" in notice and f"{VERSIONED} 2.0" in notice and "reset_session" in notice
    auto.tool("reset_session")
    assert auto.value(VERSION) == "'2.0'"


def test_a_bare_name_is_content_with_what_is_there_and_an_upgrade_is_not(auto: Prompt) -> None:
    auto.value("1", dependencies=[f"{VERSIONED}==1.0"], wait=120)
    assert auto.value("1", dependencies=[VERSIONED]) == "1"
    assert auto.value(f"%pip install -U {VERSIONED}\n{VERSION}", wait=120) == "'2.0'"


def test_what_a_new_package_needs_comes_in_place_of_what_is_not_imported(offline: RawClient) -> None:
    prompt = Prompt(offline, "process")
    prompt.value("1", dependencies=[VERSIONED], wait=120)
    assert prompt.value(f"import {NEEDS_OLD}\n{NEEDS_OLD}.version", dependencies=[NEEDS_OLD], wait=120) == "'1.0'"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import {NEEDS_OLD}; print({NEEDS_OLD}.version)'], capture_output=True, text=True).stdout"
    assert prompt.value(code) == "'1.0\\n'"
    prompt.close()


def test_versions_that_contradict_each_other_are_told_with_uvs_words(auto: Prompt) -> None:
    answer = auto.run("1", dependencies=[NEEDS_OLD, f"{VERSIONED}>=2"], wait=120)
    assert answer.is_error and "was not run" in answer.text and "unsatisfiable" in answer.text, answer


@pytest.mark.parametrize("how", ["import os\nos._exit(1)", "reset"])
def test_a_fresh_worker_of_the_session_has_its_packages_too(offline: RawClient, how: str) -> None:
    prompt = Prompt(offline, "process")
    prompt.value("1")
    prompt.value(USE, dependencies=[PACKAGE], wait=120)
    if how == "reset":
        prompt.tool("reset_session")
    else:
        assert prompt.run(how).status == "lost"
    assert prompt.value(USE) == "42"
    prompt.close()


# --- environments on disk -----------------------------------------------------------------------------


def test_a_sessions_environment_is_listed_and_not_removed_while_the_session_lives(offline: RawClient) -> None:
    prompt = Prompt(offline, "process")
    prompt.value("1")
    prompt.value("1", dependencies=[f"{VERSIONED}!=1.5"], wait=120)
    listed = offline.tool("environment_cache_list").structured["environments"]
    (own,) = (each for each in listed if each["dependencies"] == [f"{VERSIONED}!=1.5"])
    kept = CellAnswer(offline.send_tool("environment_remove", {"name": own["id"]}), 30)
    assert "session" in kept.text and "not removed" in kept.text, kept
    offline.tool("environment_remove", unused_days=0)
    assert prompt.value(VERSION) == "'2.0'"
    prompt.close()
    removed = offline.tool("environment_remove", unused_days=0)
    assert own["id"] in removed.structured["ids"], removed
    listed = offline.tool("environment_cache_list").structured["environments"]
    assert own["id"] not in [each["id"] for each in listed]


def test_without_uv_installing_says_how_to_get_it(world: World) -> None:
    variables = {**world.variables(), "PYEMBER_UV": "/no/such/uv", "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    with RawClient(variables=variables) as client:
        prompt = Prompt(client, "auto")
        prompt.value("kept = 1")
        answer = prompt.run("1", dependencies=["never-made-before"])
        assert answer.is_error and "was not run" in answer.text and "uv" in answer.text, answer
        assert prompt.value("kept") == "1"


def test_without_a_network_installing_says_what_uv_met(world: World) -> None:
    variables = {**world.variables(), "PYEMBER_UV": find_uv(), "UV_INDEX_URL": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    variables.pop("UV_NO_INDEX")
    with RawClient(variables=variables) as client:
        prompt = Prompt(client, "auto")
        prompt.value("kept = 1")
        answer = prompt.run("1", dependencies=["never-made-before"], wait=120)
        assert answer.is_error and "was not run" in answer.text and "127.0.0.1:9" in answer.text, answer
        assert prompt.value("kept") == "1"


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


def test_asking_for_the_python_that_runs_already_asks_for_nothing(offline: RawClient) -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for room in ("process", "auto"):
        prompt = Prompt(offline, room)
        version = prompt.value("import sys\n'%d.%d' % sys.version_info[:2]")
        assert prompt.value("1", python_version=str(version).strip("'")) == "1"
        assert prompt.run("1").structured["isolation"] == ("process" if room == "process" else "inprocess"), own
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
    assert prompt.run("bytearray(400_000_000)", limits={"memory_mb": 100}).error["type"] == "MemoryError"
    assert prompt.value(USE, dependencies=[PACKAGE], wait=120) == "42"
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
    assert prompt.run("np.linalg.eigvals(np.random.rand(100, 100)).sum() and [0 for _ in iter(int, 1)]", timeout=1).status == "timed_out"
    assert prompt.value("array.shape") == "(2, 3)"


def test_needs_index_a_saved_session_comes_back_with_its_packages(online: RawClient, tmp_path: Path) -> None:
    kept = {"path": str(tmp_path / "kept.state")}
    prompt = Prompt(online, "process", dependencies=["numpy"])
    answer = prompt.run("import numpy as np; a = np.arange(5); view = a[1:3]; f = lambda: a.sum()", wait=240, timeout=230)
    if any(sign in answer.text for sign in UNREACHABLE):
        pytest.skip("the package index can't be reached from here")
    assert answer.status == "completed", answer
    assert not prompt.tool("save_session", **kept).is_error
    prompt.close()
    second = Prompt(online, "process")
    restored = second.tool("restore_session", **kept)
    assert not restored.is_error, restored
    second._first = {}
    assert second.value("int(f()), a.tolist(), view.tolist()") == "(10, [0, 1, 2, 3, 4], [1, 2])"
    second.close()
