"""What code behind a boundary reaches when the server was told to let it: those hosts, those paths, no more."""

from __future__ import annotations

import os
import signal
import socket
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.hostile.escapes.rooms import ROOMS, Room  # noqa: E402
from tests.support.http_host import Host, certificate, serving  # noqa: E402
from tests.support.raw_client import CellAnswer, RawClient, children, server_binary  # noqa: E402
from tests.support.waiting import until  # noqa: E402

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


class Servers:
    """Starts servers whose sessions are behind one boundary, as one user."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.folder = Path(tempfile.mkdtemp(prefix="pyember-allowed-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.home = room.home or self._own("home")
        self._count = 0

    def start(self, hosts: list[str] | None = None, paths: list[str] | None = None) -> RawClient:
        self._count += 1
        environment = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self._own(f"cache-{self._count}")),
            "PYEMBER_STATE_DIR": str(self._own(f"state-{self._count}")),
            "PYTHON_MCP_META": str(self._own(f"jobs-{self._count}")),
            "PYEMBER_SANDBOX_HOSTS": ",".join(hosts or []),
            "PYEMBER_SANDBOX_PATHS": ",".join(paths or []),
        }
        return self.room.start(environment, self._own(f"hold-{self._count}"), [])

    def kept(self) -> list[Path]:
        """What the server that was started last has for its rooms."""
        return list(self.folder.glob(f"cache-{self._count}/pyember/boundaries/*"))

    def runner(self, client: RawClient, session: str) -> Callable[[str], object]:
        """run(code): the value of a cell that must complete."""

        def run(code: str) -> object:
            arguments = {"code": code, "session": session, "isolation": self.room.isolation}
            answer = CellAnswer(client.send_tool("run_python", arguments), PATIENCE)
            assert answer.status == "completed", answer.text
            assert answer.structured["isolation"] == self.room.isolation
            return answer.result

        return run

    def _own(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        if self.room.uid is not None:
            os.chown(folder, self.room.uid, self.room.uid)
        return folder


@pytest.fixture(scope="module", params=ROOMS, ids=lambda room: room.name)
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    if reason := request.param.missing():
        pytest.skip(f"there is no {request.param.name} here: {reason}")
    servers = Servers(request.param)
    yield servers
    shutil.rmtree(servers.folder)


@pytest.fixture(scope="module")
def client(servers: Servers, host: Host, tls: tuple[Host, str]) -> Iterator[RawClient]:
    allowed = [f"127.0.0.1:{host.port}", f"127.0.0.1:{tls[0].port}", f"localhost:{host.port}", "*.invalid.example"]
    with servers.start(allowed) as client:
        yield client
        assert client.alive()


@pytest.fixture
def run(servers: Servers, client: RawClient, request: pytest.FixtureRequest) -> Callable[[str], object]:
    return servers.runner(client, request.node.originalname)


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


def test_a_copy_of_a_session_reaches_it_too(
    servers: Servers, client: RawClient, run: Callable[[str], object], host: Host
) -> None:
    run(FETCH)
    run(f"fetch('http://127.0.0.1:{host.port}/')[0]")
    arguments = {"session": "test_a_copy_of_a_session_reaches_it_too", "name": "the-copy"}
    answer = CellAnswer(client.send_tool("fork_session", arguments), PATIENCE)
    assert not answer.is_error, answer.text
    assert servers.runner(client, "the-copy")(f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"


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
    servers: Servers, client: RawClient, run: Callable[[str], object], host: Host
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
    assert str(servers.runner(client, "another")(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]")) == "200"


def test_a_session_may_have_servers_of_its_own(servers: Servers) -> None:
    with servers.start(["example.org"]) as client:
        run = servers.runner(client, "own")
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
    servers: Servers, client: RawClient, run: Callable[[str], object], host: Host
) -> None:
    run("import socket\nheld = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(200)]\nlen(held)")
    other = servers.runner(client, "beside-the-flood")
    assert other(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"


def test_a_script_in_a_sandbox_reaches_it_too(host: Host, secret: Host) -> None:
    code = FETCH + (
        f"print(fetch('http://127.0.0.1:{host.port}/script')[0], fetch('http://127.0.0.1:{secret.port}/')[0])\n"
        "import os\ntry: os.wait()\nexcept ChildProcessError: print('no child')"
    )
    with RawClient(["serve", "--sandbox-scripts", "--sandbox-host", f"127.0.0.1:{host.port}"]) as client:
        arguments = {"script_content": code, "python_version": ".".join(map(str, sys.version_info[:2]))}
        answer = client.send_tool("run_script_with_dependencies", arguments).wait(PATIENCE)
    found = answer["result"]["structuredContent"]
    assert (found["stdout"], found["isolation"]) == ("200 403\nno child\n", "sandbox"), found
    assert secret.seen == []


def test_without_a_list_there_is_nothing(servers: Servers) -> None:
    with servers.start() as client:
        run = servers.runner(client, "none")
        assert run("import os; [name for name in os.environ if 'proxy' in name.lower()]") == "[]"
        assert run("os.path.exists('/run/pyember')") == "False"
        assert proxies_of(client) == []


def test_nothing_is_left_behind(servers: Servers, host: Host) -> None:
    client = servers.start([f"127.0.0.1:{host.port}"])
    with client:
        run = servers.runner(client, "gone")
        assert run(FETCH + f"fetch('http://127.0.0.1:{host.port}/')[0]") == "200"
        proxies = proxies_of(client)
        assert len(proxies) == 1 and servers.kept() != []
    assert b"mcp_services.proxy" not in command_of(proxies[0])
    assert servers.kept() == []


# --- paths -----------------------------------------------------------------------------------------


@pytest.fixture
def shown(servers: Servers) -> Iterator[Path]:
    """A folder with data, which everybody may write to, beside something else."""
    folder = servers.folder / "shown"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "input").write_text("text")
    (folder / "hidden").write_text("hidden")
    for each in (folder / "data", folder / "data" / "input"):
        each.chmod(0o777)
    yield folder / "data"
    shutil.rmtree(folder)


def test_a_shown_folder_is_read_and_not_written(servers: Servers, shown: Path) -> None:
    with servers.start(paths=[str(shown)]) as client:
        run = servers.runner(client, "reader")
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


def test_a_writable_folder_is_written(servers: Servers, shown: Path) -> None:
    with servers.start(paths=[f"{shown}:rw"]) as client:
        run = servers.runner(client, "writer")
        assert run(f"open({str(shown / 'new')!r}, 'w').write('made')") == "4"
        run(f"import os; os.symlink('/etc/hostname', {str(shown / 'link')!r})")
    assert (shown / "new").read_text() == "made"


def test_options_say_the_same_as_variables(tmp_path: Path, host: Host) -> None:
    options = ["--sandbox-host", "a.example", "--sandbox-host", f"127.0.0.1:{host.port}", "--sandbox-path", "/srv"]
    with RawClient(["serve", "--isolation", "sandbox", *options]) as client:
        code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{host.port}/').status, __import__('os').path.isdir('/srv')"
        assert CellAnswer(client.send_tool("run_python", {"code": code}), PATIENCE).result == "(200, True)"


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
