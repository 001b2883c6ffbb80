"""The probes themselves: without walls, in a plain worker process, each of those that can do so without harm reaches what it is after.

A battery whose probes reach nothing anywhere would show nothing.
"""

from __future__ import annotations

import functools
import os

import pytest

from tests.hostile.escapes.battery import Battery, Report
from tests.hostile.escapes.case import Case
from tests.hostile.escapes.rooms import PROCESS
from tests.hostile.escapes.table import CASES, KINDS

PROVEN = tuple(case for case in CASES if case.works_outside and (os.getuid() == 0 or not case.needs_root))


@functools.cache
def without_walls() -> Report:
    return Battery(PROCESS, PROVEN).run()


@pytest.mark.parametrize("case", PROVEN, ids=lambda case: case.name)
def test_without_walls_the_probe_reaches_something(case: Case) -> None:
    found = without_walls().cases.get(case.name)
    assert found is not None, without_walls().problems
    assert found.reached, f"{found.status}: it reached nothing, so it would show nothing either; {found.problems}"


def test_the_table_has_the_cases_it_must_have_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(kind.cases for kind in KINDS)
    assert len(PROVEN) >= 20
