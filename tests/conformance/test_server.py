"""The server's side of the conformance suites: they are clients of pyember-fixture, which is made of what serves HTTP."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import suites

# Scenarios that are run and not passed, and why. None of them is required.
NOT_PASSED: dict[tuple[str, str], str] = {}
RUNS = [suites.Run("server", revision) for revision in (*suites.REVISIONS, suites.OLD)]
Results = Callable[[str], suites.Results]


@contextmanager
def fixture_server() -> Iterator[str]:
    """Its address; by name, for the suite refuses any other."""
    program = suites.build_folder() / "pyember-fixture"
    server = subprocess.Popen([program, "--transport", "http", "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert server.stderr
    said = []
    try:
        for line in server.stderr:
            said.append(line)
            if line.startswith("listening on "):
                break
        else:
            raise AssertionError(f"it ended with {server.wait()}, and said {said}")
        threading.Thread(target=lambda: said.extend(server.stderr or []), daemon=True).start()
        yield f"http://localhost:{line.split()[-1].rpartition(':')[2]}"
        assert server.poll() is None, f"it ended with {server.returncode}, and said {said}"
        server.terminate()
        assert server.wait(60) == 0, said
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    @cache
    def of(revision: str) -> suites.Results:
        folder: Path = tmp_path_factory.mktemp(revision)
        with fixture_server() as url:
            return suites.run(suites.Run("server", revision), ["--url", url], folder)

    return of


def all_scenarios() -> list[object]:
    return [pytest.param(run, scenario, id=f"{run.revision}-{scenario}")
            for run in RUNS for scenario in sum(suites.scenarios(run.side, run.revision), [])]


@pytest.mark.parametrize(("run", "scenario"), all_scenarios())
def test_scenario(run: suites.Run, scenario: str, results: Results) -> None:
    problems = results(run.revision).problems(scenario)
    reason = NOT_PASSED.get((run.revision, scenario))
    if reason:
        assert problems, "it passes now: take it out of NOT_PASSED, and out of docs/conformance.md"
        pytest.skip(reason)
    assert not problems, "\n".join(problems)
