"""Packages that workers have ready: those that sessions import again and again, and --preload's.

Nothing is asked of the network, but for the test marked with `needs_index` in its name.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.prompt import Prompt, until
from tests.support.raw_client import RawClient, server_binary
from tests.support.world import VERSIONED, find_uv, make_world

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PRELOADED = "import sys\n'yaml' in sys.modules"
USE = "import yaml\nyaml.loaded_by"
UNREACHABLE = ("tunnel error", "dns error", "error sending request", "Failed to fetch", "Could not connect")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """One with a package that says who imported it; its name is of those that are looked for."""
    packages = tmp_path / "environment" / "lib" / f"python{VERSION}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "yaml.py").write_text("import os\nloaded_by = os.getpid()\n")
    (packages / "talkative.py").write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n")
    return tmp_path / "environment"


@pytest.fixture
def client(environment: Path) -> Iterator[RawClient]:
    with RawClient(["serve", "--env", str(environment)]) as client:
        yield client


def _once_preloaded(client: RawClient, **first: object) -> Prompt:
    """A new session that has the package before it imports it."""

    def look() -> Prompt | None:
        prompt = Prompt(client, "process", **first)
        if prompt.value(PRELOADED) == "True":
            return prompt
        prompt.close()
        return None

    return until(look, "the package was not preloaded")


def test_what_two_sessions_have_imported_is_ready_for_the_next(client: RawClient) -> None:
    sessions = [Prompt(client, "process") for _ in range(2)]
    own = [session.value("import os\nos.getpid()") for session in sessions]
    assert [session.value(USE) for session in sessions] == own
    third = _once_preloaded(client)
    assert third.value(USE) not in (*own, third.value("import os\nos.getpid()"))
    assert [session.value(USE) for session in sessions] == own


def test_what_one_session_imports_over_and_over_is_its_own(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    for _ in range(5):
        prompt.value(USE)
    assert Prompt(client, "process").value(PRELOADED) == "False"


def test_a_session_that_is_reset_has_ready_what_it_imports_each_time(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    for _ in range(2):
        assert prompt.value(PRELOADED) == "False"
        prompt.value(USE)
        prompt.tool("reset_session")

    def preloaded() -> bool:
        prompt.tool("reset_session")
        return prompt.value(PRELOADED) == "True"

    until(preloaded, "the package was not preloaded")


def test_the_option_names_what_is_ready(environment: Path) -> None:
    """Also what has to be left out: what isn't there, and what starts a thread."""
    options = ["serve", "--env", str(environment), "--preload", "yaml,no_such_module", "--preload", "talkative"]
    with RawClient(options) as client:
        prompt = _once_preloaded(client)
        assert prompt.value("'talkative' in sys.modules, 'no_such_module' in sys.modules") == "(False, False)"
        assert prompt.value("import talkative, threading\nthreading.active_count()") == "2"


def test_the_variable_names_what_is_ready(environment: Path) -> None:
    variables = {"PYEMBER_PRELOAD": "decimal,yaml", "VIRTUAL_ENV": str(environment)}
    with RawClient(["serve"], environment=variables) as client:
        prompt = _once_preloaded(client)
        assert prompt.value("'decimal' in sys.modules") == "True"


def test_packages_that_change_are_ready_in_their_new_version_after_a_reset(tmp_path: Path) -> None:
    """The environment of each call is a place of its own, with a zygote that has its own version."""
    world = make_world(tmp_path / "world")
    variables = {**world.variables(), "PYEMBER_UV": find_uv(), "PYEMBER_PRELOAD": VERSIONED}
    loaded = f"import sys\nsys.modules[{VERSIONED!r}].version if {VERSIONED!r} in sys.modules else None"
    with RawClient(["serve"], variables=variables) as client:

        def look() -> Prompt | None:
            prompt = Prompt(client, "process")
            return prompt if prompt.value(loaded, dependencies=[f"{VERSIONED}<2"], wait=120) == "'1.0'" else None

        prompt = until(look, "the package was not preloaded")
        answer = prompt.run(f"import {VERSIONED}\n{VERSIONED}.version", dependencies=[f"{VERSIONED}>=2"], wait=120)
        assert answer.result == "'1.0'" and any("reset_session" in notice for notice in answer.notices), answer

        def reset() -> bool:
            prompt.tool("reset_session")
            return prompt.value(loaded) == "'2.0'"

        until(reset, "the package was not preloaded in its new version")


def test_a_name_that_is_none_is_an_error_at_the_start() -> None:
    done = subprocess.run([server_binary(), "serve", "--preload", "numpy;pandas"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "no module's name" in done.stderr and "separated by commas" in done.stderr, done.stderr


def test_needs_index_workers_with_numpy_ready_draw_numbers_of_their_own() -> None:
    """The environment made for `dependencies` has its own zygote, and its own packages ready."""
    variables = {"PYEMBER_UV": find_uv(), "PYEMBER_PRELOAD": "numpy"}
    with RawClient(["serve"], environment=variables) as client:
        first = Prompt(client, "process", dependencies=["numpy"])
        answer = first.run("import numpy", wait=240, timeout=230)
        if any(sign in answer.text for sign in UNREACHABLE):
            pytest.skip("the package index can't be reached from here")
        assert answer.status == "completed", answer

        def loaded() -> list[Prompt]:
            prompts = [Prompt(client, "process", dependencies=["numpy"]) for _ in range(3)]
            if all(prompt.value("import sys\n'numpy' in sys.modules") == "True" for prompt in prompts):
                return prompts
            for prompt in prompts:
                prompt.close()
            return []

        prompts = until(loaded, "numpy was not preloaded", 120)
        draws = {prompt.value("import numpy, random\n(float(numpy.random.random()), random.random())") for prompt in prompts}
        assert len(draws) == 3
        assert all(prompt.value("(numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum() == 300 ** 3") == "np.True_" for prompt in prompts)
