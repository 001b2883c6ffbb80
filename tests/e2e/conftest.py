"""What the end-to-end tests share: the path of the project, and asyncio under anyio's plugin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def server_is_built() -> None:
    from tests.support.raw_client import server_binary

    if not Path(server_binary()).exists():
        pytest.exit(f"there is no server at {server_binary()}; run ./dev build, or set PYEMBER_BINARY", 2)
