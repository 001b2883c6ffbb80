"""Zygotes under the Python that runs pytest, and under the others that are at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from zygotes import Worker, Zygote  # noqa: E402


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.end()


@pytest.fixture
def worker(zygote: Zygote) -> Worker:
    return zygote.fork()
