"""What the tests of session semantics share: a server for each module, a session for each test.

A test that asks for `prompt` runs in every room a session may be in; the answers must be the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.sessions.prompt import Prompt  # noqa: E402
from tests.support.raw_client import RawClient, server_binary  # noqa: E402

ROOMS = ["inprocess", "process", "sandbox"]


@pytest.fixture(scope="session", autouse=True)
def server_is_built() -> None:
    if not Path(server_binary()).exists():
        pytest.exit(f"there is no server at {server_binary()}; run ./dev build, or set PYEMBER_BINARY", 2)


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with RawClient(["serve", "--max-sessions", "300"]) as client:
        yield client
        assert client.alive(), "the server died during the tests of this module"


@pytest.fixture(params=ROOMS)
def room(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def prompt(client: RawClient, room: str) -> Iterator[Prompt]:
    prompt = Prompt(client, room)
    yield prompt
    prompt.close()
