"""What the end-to-end tests share: the path of the project, asyncio under anyio's plugin, callers over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.http_client import HttpClient, HttpServer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# --- two callers of a server over HTTP, which the module's fixture `server` is, with these tokens


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Their tokens by their names, and the file they are in."""
    from tests.support.http_client import make_token

    file = tmp_path_factory.mktemp("tokens") / "tokens.json"
    return {"file": str(file), **{name: make_token(file, name) for name in ("alice", "bob")}}


@pytest.fixture
def alice(server: HttpServer, tokens: dict[str, str]) -> HttpClient:
    return server.client(tokens["alice"])


@pytest.fixture
def bob(server: HttpServer, tokens: dict[str, str]) -> HttpClient:
    return server.client(tokens["bob"])


@pytest.fixture(scope="session", autouse=True)
def server_is_built() -> None:
    from tests.support.raw_client import server_binary

    if not Path(server_binary()).exists():
        pytest.exit(f"there is no server at {server_binary()}; run ./dev build, or set PYEMBER_BINARY", 2)
