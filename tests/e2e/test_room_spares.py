"""--room-spares: how many sandboxes wait for sessions."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.raw_client import RawClient, children, name_of  # noqa: E402

PATIENCE = 60


def sandboxes(client: RawClient) -> list[int]:
    return [pid for pid in children(client.pid) if name_of(pid) == "bwrap"]


def wait_for(client: RawClient, count: int) -> list[int]:
    deadline = time.monotonic() + PATIENCE
    while len(sandboxes(client)) != count and time.monotonic() < deadline:
        time.sleep(0.02)
    return sandboxes(client)


@pytest.mark.parametrize("spares", [0, 2])
def test_so_many_are_kept_beside_those_in_use(spares: int) -> None:
    with RawClient(["serve", "--room-spares", str(spares)]) as client:
        answer = client.tool("run_python", timeout=60, code="1+1", isolation="sandbox")
        assert answer.result == "2"
        before = wait_for(client, 1 + spares)
        assert len(before) == 1 + spares
        time.sleep(0.5)
        assert sandboxes(client) == before


def test_a_session_takes_one_that_is_ready_and_another_is_made() -> None:
    with RawClient(["serve", "--room-spares", "1", "--isolation", "sandbox"]) as client:
        client.tool("run_python", timeout=60, code="1+1")
        before = wait_for(client, 2)
        assert client.tool("run_python", timeout=60, code="1+1", session="other").result == "2"
        after = wait_for(client, 3)
        assert len(after) == 3 and set(before) < set(after)
