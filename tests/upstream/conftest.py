"""What the tests of code mode through the whole server share: servers that stand in for well-known ones, and a
session for each test in every room."""

from __future__ import annotations

import contextlib
import json
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

STAND_INS = Path(__file__).with_name("stand_ins.py")
NAMES = ("github", "slack", "calendar", "filesystem")
ROOMS_OF_CODE = ["inprocess", "process", "sandbox", "container"]


class World:
    """The stand-ins' configuration, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        self.configuration = folder / "servers.json"
        servers = {
            name: {"command": sys.executable, "args": [str(STAND_INS), name, str(folder)], "description": f"Stands in for {name}"}
            for name in NAMES
        }
        self.configuration.write_text(json.dumps({"mcpServers": servers}))

    def asked(self, name: str) -> list[dict[str, object]]:
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        for path in [*self.folder.glob("*.jsonl"), self.folder / "tries"]:
            path.unlink(missing_ok=True)

    @property
    def options(self) -> list[str]:
        return ["serve", "--max-sessions", "100", "--upstreams", str(self.configuration)]

    @property
    def environment(self) -> dict[str, str]:
        return {"MCP_BRIDGE_STATE_DIR": str(self.folder / "bridge")}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="code-mode-") as name:
        yield World(Path(name))


@pytest.fixture(scope="module")
def code_client(world: World) -> Iterator[RawClient]:
    if not Path(server_binary()).exists():
        pytest.exit(f"there is no server at {server_binary()}; run ./dev build, or set PYEMBER_BINARY", 2)
    with RawClient(world.options, environment=world.environment) as client:
        yield client
        assert client.alive(), "the server died during the tests of this module"


@contextlib.contextmanager
def servers_of_rooms(server: RawClient, places: dict[str, str], folders: pytest.TempPathFactory) -> Iterator[Callable[[str], RawClient]]:
    """Tells which server has a room: this one, or one for containers, which is started when it is wanted."""
    opened: list[RawClient] = []

    def find(room: str) -> RawClient:
        if room != "container":
            return server
        if not opened:
            of_battery = next(each for each in rooms.ROOMS if each.name == "container rootful")
            if why := of_battery.missing():
                pytest.skip(f"no {of_battery.name}: {why}")
            opened.append(of_battery.start({"PYEMBER_UV": find_uv(), **places}, folders.mktemp("hold"), []))
        return opened[0]

    yield find
    for each in opened:
        with each:
            assert each.alive()


@pytest.fixture(scope="module")
def code_client_of(code_client: RawClient, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RawClient]]:
    places = {"PYEMBER_UPSTREAMS": str(world.configuration), **world.environment}
    with servers_of_rooms(code_client, places, tmp_path_factory) as find:
        yield find


@pytest.fixture(params=ROOMS_OF_CODE)
def code_room(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def code(code_client_of: Callable[[str], RawClient], code_room: str, world: World) -> Iterator[Prompt]:
    """A session of code mode in a room."""
    world.forget()
    prompt = Prompt(code_client_of(code_room), code_room)
    yield prompt
    prompt.close()
