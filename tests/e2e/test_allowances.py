"""What code behind a boundary reaches when the server was told to let it: those hosts, those paths, no more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import containers  # noqa: E402
from tests.support.http_host import Host, certificate, serving  # noqa: E402
from tests.support.raw_client import CellAnswer, RawClient, children, server_binary  # noqa: E402

# What takes longer than this hangs.
PATIENCE = 60.0
FETCH = """
import urllib.error, urllib.request
def fetch(url, **more):
    try:
        with urllib.request.urlopen(url, timeout=30, **more) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.reason, error.read().decode()
    except OSError as error:
        return str(getattr(error, 'reason', error))
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with serving(Host()) as host:
        yield host


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, str]]:
    """A host that speaks TLS, and the certificate to trust."""
    folder = tmp_path_factory.mktemp("tls")
    server, _ = certificate(folder)
    with serving(Host(lambda plain: server.wrap_socket(plain, server_side=True))) as host:
        yield host, (folder / "certificate.pem").read_text()


@pytest.fixture(scope="module")
def secret() -> Iterator[Host]:
    """A host of the same machine that nobody has allowed."""
    with serving(Host()) as host:
        yield host


class Room:
    """A boundary, and servers whose sessions are behind it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.environment: dict[str, str] = {}
        if name == "container":
            user = "rootful" if os.geteuid() == 0 else "rootless"
            if reason := containers.missing(user):
                pytest.skip(f"there are no containers here: {reason}")
            image = (containers.rootful() if user == "rootful" else containers.rootless()).image
            self.environment["MCP_BRIDGE_IMAGE"] = image

    def server(self, *options: str, **environment: str) -> RawClient:
        command = ["serve", "--isolation", self.name, *options]
        return RawClient(command, environment={**self.environment, **environment})


@pytest.fixture(scope="module", params=["sandbox", "container"])
def room(request: pytest.FixtureRequest) -> Room:
    return Room(request.param)


@pytest.fixture(scope="module")
def client(room: Room, host: Host, tls: tuple[Host, str]) -> Iterator[RawClient]:
    allowed = [f"127.0.0.1:{host.port}", f"127.0.0.1:{tls[0].port}", f"localhost:{host.port}", "*.invalid.example"]
    with room.server(*[word for each in allowed for word in ("--sandbox-host", each)]) as client:
        yield client
        assert client.alive()


@pytest.fixture
def run(client: RawClient, request: pytest.FixtureRequest) -> Callable[[str], object]:
    return runner(client, request.node.originalname)


def runner(client: RawClient, session: str) -> Callable[[str], object]:
    """run(code): the value of a cell that must complete."""

    def run(code: str) -> object:
        arguments = {"code": code, "session": session}
        answer = CellAnswer(client.send_tool("run_python", arguments), PATIENCE)
        assert answer.status == "completed", answer
        assert answer.structured["isolation"] in ("sandbox", "container")
        return answer.result

    return run


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def proxies_of(client: RawClient) -> list[int]:
    return [pid for pid in children(client.pid) if b"mcp_services.proxy" in command_of(pid)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# --- hosts -----------------------------------------------------------------------------------------


def test_an_allowed_host_is_reached_by_http(run: Callable[[str], object], host: Host) -> None:
    run(FETCH)
    found = str(run(f"fetch('http://127.0.0.1:{host.port}/path?q', data=b'body')"))
    assert found.startswith("(200, ") and "POST /path?q HTTP/1.1" in found and "BODY" in found


def test_an_allowed_host_is_reached_by_https(run: Callable[[str], object], tls: tuple[Host, str]) -> None:
    run(FETCH + f"import ssl\ntrust = ssl.create_default_context(cadata={tls[1]!r})")
    found = str(run(f"fetch('https://127.0.0.1:{tls[0].port}/path', context=trust)"))
    assert found.startswith("(200, ") and "GET /path HTTP/1.1" in found


def test_programs_that_a_session_starts_reach_it_too(run: Callable[[str], object], host: Host) -> None:
    code = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{host.port}/child').status)"
    assert run(f"import subprocess, sys\nsubprocess.check_output([sys.executable, '-c', {code!r}])") == r"b'200\n'"


def test_a_copy_of_a_session_reaches_it_too(client: RawClient, run: Callable[[str], object], host: Host) -> None:
    run(FETCH)
    run(f"fetch('http://127.0.0.1:{host.port}/')[0]")
    arguments = {"session": "test_a_copy_of_a_session_reaches_it_too", "name": "the-copy"}
    answer = CellAnswer(client.send_tool("fork_session", arguments), PATIENCE)
    assert not answer.is_error, answer
    assert runner(client, "the-copy")(f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"


def test_everything_else_is_refused_with_a_reason(run: Callable[[str], object], secret: Host) -> None:
    run(FETCH)
    refused = str(run(f"fetch('http://127.0.0.1:{secret.port}/')"))
    assert refused.startswith(f"(403, '127.0.0.1:{secret.port} is not among the hosts this sandbox may reach', ")
    assert f"or ask whoever runs the server to allow it: --sandbox-host 127.0.0.1:{secret.port}." in refused
    tunnel = str(run("fetch('https://example.org/')"))
    assert "Tunnel connection failed: 403 example.org:443 is not among the hosts this sandbox may reach" in tunnel
    assert secret.seen == []


def test_there_is_no_way_around_the_proxy(run: Callable[[str], object], secret: Host, host: Host) -> None:
    run(
        "import socket\n"
        "def reach(*place):\n"
        "    try: socket.create_connection(place, timeout=5).close()\n"
        "    except OSError as error: return type(error).__name__\n"
        "    return 'reached'"
    )
    outside = sorted({each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None)})
    for address in ["127.0.0.1", "localhost", *outside, "169.254.169.254", "8.8.8.8"]:
        assert run(f"reach({address!r}, {secret.port})") != "'reached'"
        assert run(f"reach({address!r}, {host.port})") != "'reached'"
    assert run("reach('example.org', 443)") == "'gaierror'"
    assert run("[line.split(':')[0].strip() for line in open('/proc/net/dev')][2:]") == "['lo']"
    assert secret.seen == []


def test_the_socket_itself_allows_no_more(run: Callable[[str], object], secret: Host) -> None:
    run(
        "import socket\nway = socket.socket(socket.AF_UNIX); way.connect('/run/pyember/proxy.sock')\n"
        f"way.sendall(b'CONNECT 127.0.0.1:{secret.port} HTTP/1.1\\r\\n\\r\\n')"
    )
    assert str(run("way.recv(1000)")).startswith("b'HTTP/1.1 403 ")
    assert str(run("import os; os.listdir('/run/pyember')")) == "['proxy.sock']"
    assert secret.seen == []


def test_code_that_ends_the_forwarder_ends_its_own_way_out(
    client: RawClient, run: Callable[[str], object], host: Host
) -> None:
    run(FETCH)
    # Whoever listens at the proxy's port: the one socket that is bound to it.
    found = run(
        "import os, signal\n"
        "def listeners():\n"
        "    inodes = {line.split()[9] for line in open('/proc/net/tcp') if ':0C38 ' in line.split()[1] + ' '}\n"
        "    for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "        try: links = [os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')]\n"
        "        except OSError: continue\n"
        "        if any(f'socket:[{inode}]' in links for inode in inodes): yield int(pid)\n"
        "found = list(listeners())\n"
        "for pid in found: os.kill(pid, signal.SIGKILL)\n"
        "len(found)"
    )
    assert found == "1"
    assert "Connection" in str(run(f"fetch('http://127.0.0.1:{host.port}/')"))
    assert str(runner(client, "another")(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]")) == "200"


def test_a_session_may_have_servers_of_its_own(room: Room) -> None:
    with room.server("--sandbox-host", "example.org") as client:
        run = runner(client, "own")
        run(
            FETCH + "import http.server, threading\n"
            "server = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)\n"
            "threading.Thread(target=server.serve_forever, daemon=True).start()"
        )
        assert "501" in str(run("fetch(f'http://127.0.0.1:{server.server_port}/')"))
        assert "501" in str(run("fetch(f'http://localhost:{server.server_port}/')"))


def test_a_proxy_that_dies_is_started_again(client: RawClient, run: Callable[[str], object], host: Host) -> None:
    run(FETCH)
    [proxy] = proxies_of(client)
    os.kill(proxy, signal.SIGKILL)
    assert run(f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"
    assert proxies_of(client) != [proxy]


def test_a_flood_of_one_session_leaves_another_its_way(
    client: RawClient, run: Callable[[str], object], host: Host
) -> None:
    run("import socket\nheld = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(200)]\nlen(held)")
    other = runner(client, "beside-the-flood")
    assert other(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"


def test_without_a_list_there_is_nothing(room: Room) -> None:
    with room.server() as client:
        run = runner(client, "none")
        assert run("import os; [name for name in os.environ if 'proxy' in name.lower()]") == "[]"
        assert run("os.path.exists('/run/pyember')") == "False"
        assert proxies_of(client) == []


def test_nothing_is_left_behind(room: Room, host: Host) -> None:
    client = room.server("--sandbox-host", f"127.0.0.1:{host.port}")
    with client:
        run = runner(client, "gone")
        assert run(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"
        proxies = proxies_of(client)
        assert len(proxies) == 1
    until(lambda: b"mcp_services.proxy" not in command_of(proxies[0]))


# --- paths -----------------------------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A folder with data, which everybody may write to."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input").write_text("text")
    (tmp_path / "hidden").write_text("hidden")
    for each in (tmp_path / "data", tmp_path / "data" / "input"):
        each.chmod(0o777)
    return tmp_path / "data"


def test_a_shown_folder_is_read_and_not_written(room: Room, shown: Path) -> None:
    with room.server("--sandbox-path", str(shown)) as client:
        run = runner(client, "reader")
        assert run(f"import os; os.listdir({str(shown.parent)!r}), open({str(shown / 'input')!r}).read()") == (
            "(['data'], 'text')"
        )
        run(
            "def refused(*arguments):\n"
            "    try: open(*arguments)\n"
            "    except OSError as error: return error.strerror\n"
        )
        assert run(f"refused({str(shown / 'new')!r}, 'w')") == "'Read-only file system'"
        assert run(f"refused({str(shown / 'input')!r}, 'a')") == "'Read-only file system'"
    assert sorted(os.listdir(shown)) == ["input"]


def test_a_writable_folder_is_written(room: Room, shown: Path) -> None:
    with room.server("--sandbox-path", f"{shown}:rw") as client:
        run = runner(client, "writer")
        assert run(f"open({str(shown / 'new')!r}, 'w').write('made')") == "4"
        run(f"import os; os.symlink('/etc/hostname', {str(shown / 'link')!r})")
    assert (shown / "new").read_text() == "made"


def test_variables_of_the_environment_say_the_same(room: Room, shown: Path, host: Host) -> None:
    environment = {"PYEMBER_SANDBOX_PATHS": f"{shown},/srv", "PYEMBER_SANDBOX_HOSTS": f"a.example,127.0.0.1:{host.port}"}
    with room.server(**environment) as client:
        run = runner(client, "variables")
        assert run(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"
        assert run(f"open({str(shown / 'input')!r}).read()") == "'text'"


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--sandbox-host", "https://example.org", "it is more than a host"),
        ("--sandbox-host", "*", "a * stands in front"),
        ("--sandbox-path", "/", "every sandbox has one of its own"),
        ("--sandbox-path", "/nowhere", "No such file or directory"),
        ("--sandbox-path", "/run", "/run is the machine's"),
        ("--sandbox-path", "/proc/1", "/proc is the machine's"),
        ("--sandbox-path", "relative", "it does not begin with /"),
    ],
)
def test_what_can_not_be_allowed_ends_the_start(option: str, value: str, why: str) -> None:
    done = subprocess.run([server_binary(), "serve", option, value], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0 and why in done.stderr and " because " in done.stderr, done
