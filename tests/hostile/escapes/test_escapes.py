"""Every case of the table against every room that is a boundary: contained, answered in time, nothing left behind."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.hostile.escapes.battery import Battery, Report  # noqa: E402
from tests.hostile.escapes.case import Case  # noqa: E402
from tests.hostile.escapes.rooms import ROOMS, Room  # noqa: E402
from tests.hostile.escapes.table import CASES, KINDS  # noqa: E402

KIND_OF = {case.name: kind.name for kind in KINDS for case in kind.cases}


@functools.cache
def report_of(room: Room) -> Report:
    if reason := room.missing():
        pytest.skip(f"the room '{room.name}' can't be had here: {reason}")
    return Battery(room, CASES).run()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{KIND_OF[case.name]}: {case.name}")
@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_contained(room: Room, case: Case) -> None:
    report = report_of(room)
    found = report.cases.get(case.name)
    assert found is not None, report.problems
    assert found.problems == [], found
    if found.reached and case.needs_groups and not report.has_groups:
        pytest.skip(f"bounded for each process alone: no control group could be made for the server's user here; {found.reached}")
    assert found.reached == [], found


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: f"{room.name}: {len(CASES)} cases")
def test_nobody_was_disturbed_and_nothing_is_left_behind(room: Room) -> None:
    report = report_of(room)
    assert report.problems == []
    assert len(report.cases) == len(CASES)
    assert report.bystander_calls > 0
