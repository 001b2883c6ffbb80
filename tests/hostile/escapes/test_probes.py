"""The probes themselves: without walls, in a plain worker process, each of those that can do so without harm reaches what it is after.

A battery whose probes reach nothing anywhere would show nothing.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.hostile.escapes import namespaces_alone
from tests.hostile.escapes.battery import Battery, Report
from tests.hostile.escapes.case import UNFILTERED, Case
from tests.hostile.escapes.rooms import PROCESS
from tests.hostile.escapes.table import CASES, KINDS

CAPABILITIES = {"DAC_READ_SEARCH": 2, "KILL": 5, "SETUID": 7, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "SYS_NICE": 23, "SYS_RESOURCE": 24,
                "SYS_TIME": 25, "SYSLOG": 34}
PROVEN = tuple(case for case in CASES if case.works_outside)


def lacks(case: Case) -> list[str]:
    """What whoever runs the tests may not do, without which the probe has nothing to reach."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    has = {name for name, bit in CAPABILITIES.items() if int(status["CapEff"], 16) >> bit & 1}
    return sorted(set(case.needs) - has - ({UNFILTERED} if status["Seccomp"].strip() == "0" else set()))
# Of those that would do harm without walls, the ones that namespaces alone don't stop. The machine's own filter would.
NOT_STOPPED_BY_NAMESPACES = (
    "mounts, remounts and pivot_root",
    "the new calls for mounts",
    "namespaces of its own by unshare, clone and clone3",
    "setns into other namespaces",
    "keyrings",
    "host and domain name",
    "chroot and out of it",
    "memory of the process that made the walls",
)


@functools.cache
def without_walls() -> Report:
    return Battery(PROCESS, tuple(case for case in PROVEN if not lacks(case))).run()


@pytest.mark.parametrize("case", PROVEN, ids=lambda case: case.name)
def test_without_walls_the_probe_reaches_something(case: Case) -> None:
    if missing := lacks(case):
        pytest.skip(f"can't be shown by whoever runs this test: {missing} is missing")
    found = without_walls().cases.get(case.name)
    assert found is not None, without_walls().problems
    assert found.reached, f"{found.status}: it reached nothing, so it would show nothing either; {found.problems}"


@functools.cache
def namespaces_missing() -> str:
    if lacks(Case("", "", needs=(UNFILTERED,))):
        return UNFILTERED
    return namespaces_alone.missing()


@pytest.mark.parametrize("name", NOT_STOPPED_BY_NAMESPACES)
def test_with_namespaces_alone_the_probe_reaches_something(name: str) -> None:
    if reason := namespaces_missing():
        pytest.skip(f"no room of namespaces alone can be had here: {reason}")
    (case,) = [each for each in CASES if each.name == name]
    assert namespaces_alone.reached_by(case)


def test_the_table_has_the_cases_it_must_have_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(kind.cases for kind in KINDS)
    assert len(PROVEN) >= 20
