"""Runs mcp_runtime under the Python that runs pytest, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from prompt import PlainNative, Prompt


@pytest.fixture
def native() -> Any:
    """Overridden by tests that stop cells."""
    return PlainNative()


@pytest.fixture
def prompt(native: Any) -> Iterator[Prompt]:
    prompt = Prompt(native)
    yield prompt
    prompt.end()
