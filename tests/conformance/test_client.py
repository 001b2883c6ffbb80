"""The client's side of the conformance suites: they bring servers, and watch what pyember's client does with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import suites

_CREDENTIALS = ("an extension that is not offered: pyember logs in as its user, by the authorization code flow, and "
                "holds no credentials of its own")
_DPOP = "an extension that is not offered: tokens are bearer tokens"
# Scenarios that are run and not passed, and why. None of them is required.
NOT_PASSED = {
    "auth/client-credentials-jwt": _CREDENTIALS,
    "auth/client-credentials-basic": _CREDENTIALS,
    "auth/cross-app-access-complete-flow": _CREDENTIALS,
    "auth/enterprise-managed-authorization": _CREDENTIALS,
    "auth/wif-jwt-bearer": _CREDENTIALS,
    "auth/dpop": _DPOP,
    "auth/dpop-nonce": _DPOP,
}
Results = Callable[[str], suites.Results]
RUNS = [suites.Run("client", revision) for revision in (*suites.REVISIONS, suites.OLD)]


def all_scenarios() -> list[object]:
    return [pytest.param(run, scenario, id=f"{run.revision}-{scenario}")
            for run in RUNS for scenario in sum(suites.scenarios(run.side, run.revision), [])]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    @cache
    def of(revision: str) -> suites.Results:
        folder: Path = tmp_path_factory.mktemp(revision)
        client = suites.build_folder() / "tests" / "conformance" / "conformance_client"
        return suites.run(suites.Run("client", revision), ["--command", str(client)], folder)

    return of


@pytest.mark.parametrize(("run", "scenario"), all_scenarios())
def test_scenario(run: suites.Run, scenario: str, results: Results) -> None:
    problems = results(run.revision).problems(scenario)
    if scenario in NOT_PASSED:
        assert problems, "it passes now: take it out of NOT_PASSED, and out of docs/conformance.md"
        pytest.skip(NOT_PASSED[scenario])
    assert not problems, "\n".join(problems)
