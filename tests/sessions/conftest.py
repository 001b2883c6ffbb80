"""What the tests of session semantics share: a server for each module, a session for each test.

A test that asks for `prompt` runs in every room a session may be in; the answers must be the same.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.hostile.escapes import rooms  # noqa: E402
from tests.sessions.prompt import Prompt  # noqa: E402
from tests.support.raw_client import RawClient, server_binary  # noqa: E402
from tests.support.world import find_uv  # noqa: E402

# What a session's first call asks for; two of them are containers, of root's and of an ordinary user's podman.
ROOMS = ["inprocess", "process", "sandbox", "container", "container rootless"]
CONTAINERS = {"container": "container rootful", "container rootless": "container rootless"}


@pytest.fixture(scope="session", autouse=True)
def server_is_built() -> None:
    if not Path(server_binary()).exists():
        pytest.exit(f"there is no server at {server_binary()}; run ./dev build, or set PYEMBER_BINARY", 2)


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with RawClient(["serve", "--max-sessions", "300"]) as client:
        yield client
        assert client.alive(), "the server died during the tests of this module"


@pytest.fixture(scope="module")
def client_of(client: RawClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RawClient]]:
    """The server that has such a room. Containers of an ordinary user need a server of that user's."""
    opened: dict[str, RawClient] = {}

    def find(room: str) -> RawClient:
        if room not in CONTAINERS:
            return client
        if room not in opened:
            of_battery = next(each for each in rooms.ROOMS if each.name == CONTAINERS[room])
            if why := of_battery.missing():
                pytest.skip(f"no {of_battery.name}: {why}")
            opened[room] = of_battery.start(places(of_battery), tmp_path_factory.mktemp("hold"), [])
        return opened[room]

    yield find
    for room, server in opened.items():
        with server:
            assert server.alive(), f"the server of {room} died during the tests of this module"


def places(room: rooms.Room) -> dict[str, str]:
    """Folders that the user of the server may write to."""
    if room.uid is None:
        return {"PYEMBER_UV": find_uv()}
    folder = Path(tempfile.mkdtemp(prefix="sessions-", dir=room.home))
    os.chown(folder, room.uid, room.uid)
    return {name: str(folder) for name in ("PYEMBER_STATE_DIR", "PYTHON_MCP_META", "PYTHON_MCP_HOME", "XDG_CACHE_HOME")}


@pytest.fixture(params=ROOMS)
def room(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def writable(room: str, tmp_path: Path) -> Path:
    """A folder that the server of the room may write to."""
    battery_room = next((each for each in rooms.ROOMS if each.name == CONTAINERS.get(room)), None)
    if battery_room is None or battery_room.uid is None:
        return tmp_path
    return Path(places(battery_room)["PYTHON_MCP_HOME"])


@pytest.fixture
def prompt(client_of: Callable[[str], RawClient], room: str) -> Iterator[Prompt]:
    prompt = Prompt(client_of(room), room.split()[0])
    yield prompt
    prompt.close()
