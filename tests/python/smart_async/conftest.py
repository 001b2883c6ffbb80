"""Jobs of python_mcp_server in pytest's own process, kept in a folder of the test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "python"))

from python_mcp_server.smart_async import STATE, initialize_state  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the jobs of this test are kept; nothing is left of other tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("SMART_ASYNC_TIMEOUT_SECONDS", "TEST_TIMEOUT", "PYTHON_MCP_META"):
        monkeypatch.delenv(variable, raising=False)
    STATE.jobs.clear()
    initialize_state(tmp_path / "meta")
    yield tmp_path / "meta"
    STATE.jobs.clear()
