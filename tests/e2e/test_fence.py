"""Sessions where sandboxes can't be had: refused with the ways out, or behind a fence, when the server was told so."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.hostile.escapes.rooms import ROOMS, Room  # noqa: E402
from tests.support.raw_client import CellAnswer, RawClient  # noqa: E402
from tests.support.waiting import until  # noqa: E402
from tests.support.world import PACKAGE, find_uv, runs, wheel_folder  # noqa: E402

# What takes longer than this hangs.
PATIENCE = 60.0
NAMED_AS_WEAKER = "This session is not in a sandbox but behind a fence of Landlock's, which is weaker."


class Servers:
    """Starts servers of one user on a machine that seems to have no bubblewrap."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.folder = Path(tempfile.mkdtemp(prefix="pyember-fence-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.home = self._own("home")
        (self.home / "key").write_text("of the user")
        self.cache = self._own("cache")
        shutil.copytree(wheel_folder(), self.folder / "wheels")

    def start(self, fallback: str, **more: str) -> RawClient:
        environment = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.cache),
            "PYEMBER_STATE_DIR": str(self._own("state")),
            "PYTHON_MCP_META": str(self._own("jobs")),
            "PYEMBER_BWRAP": "/nonexistent",
            "PYEMBER_SANDBOX_FALLBACK": fallback,
            "PYEMBER_UV": find_uv(),
            "UV_CACHE_DIR": str(self._own("uv")),
            "UV_FIND_LINKS": str(self.folder / "wheels"),
            "UV_NO_INDEX": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            **more,
        }
        return self.room.start(environment, self._own("hold"), [])

    def kept(self) -> list[Path]:
        """What servers have for their rooms."""
        return list(self.cache.glob("pyember/boundaries/*"))

    def _own(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if self.room.uid is not None:
            os.chown(folder, self.room.uid, self.room.uid)
        return folder


@pytest.fixture(scope="module", params=[each for each in ROOMS if each.isolation == "sandbox"], ids=lambda room: room.name)
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    if reason := request.param.missing():
        pytest.skip(reason)
    servers = Servers(request.param)
    yield servers
    shutil.rmtree(servers.folder)


@pytest.fixture(scope="module")
def client(servers: Servers) -> Iterator[RawClient]:
    with servers.start("landlock") as client:
        answer = call(client, "0", "probe")
        if "Nor is there a fence" in answer.text:
            pytest.skip(answer.text)
        yield client
        assert client.alive()


def call(client: RawClient, code: str, session: str, **more: object) -> CellAnswer:
    arguments = {"code": code, "session": session, "isolation": "sandbox", **more}
    return CellAnswer(client.send_tool("run_python", arguments), PATIENCE)


@pytest.fixture
def run(client: RawClient, request: pytest.FixtureRequest) -> Callable[..., object]:
    """run(code): the value of a cell that must complete."""

    def run(code: str, **more: object) -> object:
        answer = call(client, code, request.node.originalname, **more)
        assert answer.status == "completed", answer.text
        return answer.result

    return run


@pytest.fixture
def tried(run: Callable[..., object]) -> Callable[..., object]:
    """tried(statement): the type of what it raises, or "done"."""
    run("def tried(statement):\n    try:\n        exec(statement)\n        return 'done'\n    except Exception as error:\n        return type(error).__name__")
    return lambda statement: run(f"tried({statement!r})")


def tool(client: RawClient, name: str, /, **arguments: object) -> CellAnswer:
    answer = CellAnswer(client.send_tool(name, arguments), PATIENCE)
    assert not answer.is_error, answer.text
    return answer


# --- asked for or not ------------------------------------------------------------------------------


def test_without_the_option_there_is_no_session_and_the_error_names_it_last(servers: Servers) -> None:
    with servers.start("none") as client:
        answer = call(client, "1", "refused")
        assert answer.is_error
        what, why, out = "The sandbox can't be used: ", "PYEMBER_BWRAP names /nonexistent", "--sandbox-fallback landlock"
        places = [answer.text.find(each) for each in (what, why, "Correct or unset it", out)]
        assert -1 not in places and places == sorted(places), answer.text
        assert servers.kept() == []


def test_where_there_are_sandboxes_the_option_changes_nothing(servers: Servers) -> None:
    with servers.start("landlock", PYEMBER_BWRAP="") as client:
        answer = call(client, "import os; os.getcwd()", "real")
        if answer.is_error:
            pytest.skip(answer.text)
        assert (answer.result, answer.notices) == ("'/workspace'", [])


def test_the_first_answer_names_it_as_weaker_and_only_that_one(client: RawClient) -> None:
    first, second = call(client, "1", "named"), call(client, "2", "named")
    [notice] = first.notices
    assert notice.startswith(NAMED_AS_WEAKER) and "PYEMBER_BWRAP names /nonexistent, which is no program, and the server was started with" in notice
    assert "nothing bounds its disk space" in notice and "isolation='container'" in notice
    assert (first.result, second.result, second.notices) == ("1", "2", [])


def test_hosts_are_not_reached_and_the_notice_says_so(servers: Servers, client: RawClient) -> None:
    with servers.start("landlock", PYEMBER_SANDBOX_HOSTS="example.org") as other:
        answer = call(other, "import os; [name for name in os.environ if 'proxy' in name.lower()]", "hosts")
        assert answer.result == "[]"
        assert "Hosts that the server allows are not reached from here." in answer.notices[0]


def test_allowed_paths_are_shown(servers: Servers, client: RawClient) -> None:
    for name in ("read", "write"):
        folder = servers._own(name)
        (folder / "file").write_text("of the machine")
        if servers.room.uid is not None:
            os.chown(folder / "file", servers.room.uid, servers.room.uid)
    (servers.folder / "link").symlink_to("read")
    allowed = f"{servers.folder}/read,{servers.folder}/link,{servers.folder}/write:rw"
    with servers.start("landlock", PYEMBER_SANDBOX_PATHS=allowed) as other:
        code = "\n".join(
            (
                f"base = {str(servers.folder)!r}",
                "print(open(base + '/read/file').read(), open(base + '/link/file').read(), file=open(base + '/write/file', 'w'))",
                "try: open(base + '/read/file', 'a')",
                "except PermissionError: print('refused')",
            )
        )
        answer = call(other, code, "paths")
        assert (answer.status, answer.stdout) == ("completed", "refused\n"), answer.text
    assert (servers.folder / "write" / "file").read_text() == "of the machine of the machine\n"


# --- what is kept ----------------------------------------------------------------------------------


def test_files_of_the_user_are_neither_read_nor_written(servers: Servers, tried: Callable[..., object]) -> None:
    for statement in (
        f"open('{servers.home}/key')",
        f"open('{servers.home}/new', 'w')",
        f"__import__('os').listdir('{servers.home}')",
        f"__import__('os').listdir('{servers.cache}')",
        "open('/tmp/new', 'w')",
        "open('/var/tmp/new', 'w')",
        "open('/etc/passwd')",
        "open(__import__('mcp_runtime').__file__, 'a')",
        "__import__('os').link('/usr/bin/env', 'mine')",
    ):
        assert tried(statement) in ("'PermissionError'", "'OSError'"), statement
    assert (servers.home / "key").read_text() == "of the user"


def test_other_sessions_are_out_of_reach(client: RawClient, run: Callable[..., object], tried: Callable[..., object]) -> None:
    other = call(client, "import os; open('secret', 'w').write('1'); os.getpid(), os.getcwd()", "neighbour")
    pid, place = eval(str(other.result))  # noqa: S307
    assert place != eval(str(run("import os; os.getcwd()")))  # noqa: S307
    for statement in (f"os.kill({pid}, 0)", f"open('{place}/secret')", f"open('{place}/new', 'w')", f"open('/proc/{pid}/environ').read()", f"os.kill({client.pid}, 0)"):
        assert tried("import os; " + statement) == "'PermissionError'", statement


def test_there_is_no_network(run: Callable[..., object], tried: Callable[..., object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert tried(f"__import__('socket').create_connection(('127.0.0.1', {listening.getsockname()[1]}), 5)") == "'PermissionError'"
    assert tried("__import__('socket').socket(1)") == "'PermissionError'"


# --- what works ------------------------------------------------------------------------------------


def test_files_come_and_go(servers: Servers, client: RawClient, run: Callable[..., object]) -> None:
    session = "test_files_come_and_go"
    run("1")
    tool(client, "put_file", session=session, path="below/given", content="from outside")
    assert run("open('below/given').read()") == "'from outside'"
    answer = call(client, "import os, tempfile; open('made', 'w').write('x' * 10); os.environ['HOME'], os.environ['PYEMBER_SESSION_FOLDER'], tempfile.mkstemp()[1]", session)
    home, folder, temporary = eval(str(answer.result))  # noqa: S307
    assert home == folder and folder.startswith(str(servers.cache)) and not temporary.startswith(folder)
    assert [each["path"] for each in answer.structured["files"]] == ["made"], answer.text


def test_packages_are_brought_in_while_it_lives(client: RawClient, run: Callable[..., object]) -> None:
    run("kept = 1")
    assert run(f"import {PACKAGE}; (kept, {PACKAGE}.answer)", dependencies=[PACKAGE]) == "(1, 42)"
    assert str(call(client, f"open({PACKAGE}.__file__, 'a')", "test_packages_are_brought_in_while_it_lives").error["type"]) == "PermissionError"


def test_states_are_saved_and_restored_and_forked(servers: Servers, client: RawClient, run: Callable[..., object]) -> None:
    session = "test_states_are_saved_and_restored_and_forked"
    run("x = 41")
    saved = servers._own("states") / "one.pyember"
    tool(client, "save_session", session=session, path=str(saved))
    tool(client, "restore_session", path=str(saved), session="restored")
    assert call(client, "x + 1", "restored").result == "42"
    tool(client, "fork_session", session=session, name="forked")
    assert call(client, "x + 2", "forked").result == "43"


def test_undo_goes_back(client: RawClient) -> None:
    assert call(client, "x = 1", "undone", undo=2).status == "completed"
    call(client, "x = 2", "undone")
    tool(client, "undo_session", session="undone", steps=1)
    assert call(client, "x", "undone").result == "1"


def test_it_is_stopped_and_reset(client: RawClient, run: Callable[..., object]) -> None:
    stopped = call(client, "while True: pass", "test_it_is_stopped_and_reset", timeout=0.5)
    assert stopped.status == "timed_out", stopped.text
    run("gone = 1")
    tool(client, "reset_session", session="test_it_is_stopped_and_reset")
    assert call(client, "gone", "test_it_is_stopped_and_reset").error["type"] == "NameError"


# --- its end ---------------------------------------------------------------------------------------


def test_what_it_started_and_its_folder_end_with_it(servers: Servers, client: RawClient) -> None:
    code = "import os, subprocess; child = subprocess.Popen(['setsid', 'sleep', '300']); os.makedirs('shut/in'); os.mkdir('shut/dark', 0o300); os.mkdir('shut/dark/in'); child.pid, os.getcwd()"
    pid, folder = eval(str(call(client, code, "ends").result))  # noqa: S307
    assert os.path.exists(folder)
    tool(client, "close_session", session="ends")
    until(lambda: not os.path.exists(f"/proc/{pid}") and not os.path.exists(folder))


def test_code_that_kills_its_keepers_leaves_nothing_where_there_are_control_groups(servers: Servers, client: RawClient) -> None:
    code = """
import os, subprocess
child = subprocess.Popen(['sleep', '300'], start_new_session=True)
groups = [line.split(':', 2)[2] for line in open('/proc/self/cgroup').read().split()]
child.pid, os.getppid(), any('pyember-worker-' in each for each in groups)"""
    child, zygote, grouped = eval(str(call(client, code, "keepers").result))  # noqa: S307
    [keeper] = [int(line.split()[1]) for line in Path(f"/proc/{zygote}/status").read_text().splitlines() if line.startswith("PPid:")]
    answer = call(client, f"import os; os.kill({keeper}, 9); os.kill({zygote}, 9); __import__('time').sleep(60)", "keepers")
    assert answer.status == "lost", answer.text
    if not grouped:
        os.kill(child, 9)
        pytest.skip("there are no control groups for this user")
    until(lambda: not runs(child))


def test_a_bomb_of_memory_hurts_its_own_session_alone(client: RawClient) -> None:
    answer = call(client, "kept = [bytearray(b'1') * (1 << 26) for _ in range(64)]", "bomb")
    assert answer.status in ("raised", "lost"), answer.text
    assert call(client, "1", "after-the-bomb").result == "1"


def test_nothing_is_left_when_the_server_ends(servers: Servers) -> None:
    with servers.start("landlock") as client:
        answer = call(client, "import os, subprocess; subprocess.Popen(['sleep', '300']).pid", "last")
        assert answer.status == "completed" and servers.kept() != []
        own = [each for each in servers.kept() if each.name.startswith(f"{client.pid}-")]
        assert own != []
    until(lambda: not os.path.exists(f"/proc/{answer.result}"))
    assert not any(each.exists() for each in own)
