"""Reading a cProfile dump."""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ServiceError

Call = Callable[..., Any]


def leaf() -> int:
    return sum(range(2_000))


def branch() -> None:
    for _ in range(50):
        leaf()


@pytest.fixture
def dump(tmp_path: Path) -> str:
    profile = cProfile.Profile()
    profile.enable()
    branch()
    profile.disable()
    path = tmp_path / "profile"
    profile.dump_stats(path)
    return str(path)


def test_functions_come_with_their_place_calls_and_times(call: Call, dump: str) -> None:
    functions = call("top_functions", stats_path=dump, limit=10)
    assert functions[0]["function"] == "branch"
    by_name = {each["function"]: each for each in functions}
    assert by_name["leaf"]["calls"] == 50
    assert by_name["leaf"]["file"] == __file__
    assert by_name["leaf"]["line"] == leaf.__code__.co_firstlineno
    assert by_name["leaf"]["cumulative_seconds"] >= by_name["leaf"]["total_seconds"] > 0
    times = [each["cumulative_seconds"] for each in functions]
    assert times == sorted(times, reverse=True)


def test_the_order_and_the_number_are_the_callers(call: Call, dump: str) -> None:
    calls = call("top_functions", stats_path=dump, limit=2, sort="calls")
    assert len(calls) == 2
    assert {each["calls"] for each in calls} == {50}
    assert call("top_functions", stats_path=dump, limit=0) == []


def test_a_damaged_or_missing_profile_is_an_error(call: Call, tmp_path: Path) -> None:
    for content in (b"", b"garbage", b"i\x01"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ServiceError, match="can't be read"):
            call("top_functions", stats_path=str(tmp_path / "bad"), limit=5)
    with pytest.raises(ServiceError, match="FileNotFoundError"):
        call("top_functions", stats_path=str(tmp_path / "none"), limit=5)
    with pytest.raises(ServiceError, match="no order"):
        call("top_functions", stats_path=str(tmp_path / "none"), limit=5, sort="name")
