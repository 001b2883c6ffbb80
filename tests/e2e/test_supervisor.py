"""A server that dies is followed by another one: the client's pipe stays open, nothing is unanswered."""

from __future__ import annotations

import ctypes
import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_client import Pending, RawClient, children, descendants, name_of, server_binary

ERAS = ["modern", "handshake"]


@pytest.fixture(params=ERAS)
def client(request: pytest.FixtureRequest) -> Any:
    with RawClient(supervised=True) as client:
        if request.param == "handshake":
            client.handshake()
        yield client
        assert client.stray == []


def kill_server(client: RawClient) -> int:
    """The pid of the next one."""
    dead = client.pid
    os.kill(dead, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pid = client.pid
        if pid != dead:
            return pid
        time.sleep(0.001)
    raise AssertionError("no server followed")


def gone_soon(*pids: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.01)
    return False


def structured(pending: Pending, seconds: float = 30) -> dict[str, Any]:
    return pending.wait(seconds)["result"]["structuredContent"]  # type: ignore[no-any-return]


def test_a_call_in_flight_is_answered_as_lost_and_the_next_one_works(client: RawClient) -> None:
    client.run("x = 1")
    running = client.send_cell("import time; time.sleep(600)", timeout=600)
    time.sleep(0.3)
    kill_server(client)
    answer = running.wait(30)["result"]
    assert answer["isError"]
    assert answer["structuredContent"]["status"] == "lost"
    assert answer["structuredContent"]["error"]["type"] == "ServerDied"
    after = client.run("'x' in globals()")
    assert after.result == "False"
    assert "its server ended and another one was started" in after.notices[0]
    assert client.run("6 * 7").notices == []


def test_calls_that_had_not_begun_are_made_by_the_next_server(client: RawClient, tmp_path: Path) -> None:
    made = tmp_path / "made"
    client.run("1")
    client.send_cell("import time; time.sleep(600)", timeout=600)
    waiting = [client.send_cell(f"open({str(made)!r}, 'a').write('{n}'); {n}") for n in range(5)]
    time.sleep(0.3)
    kill_server(client)
    assert [structured(each)["result"] for each in waiting] == ["0", "1", "2", "3", "4"]
    assert made.read_text() == "01234"


def test_a_server_that_is_idle_when_it_dies_is_not_missed(client: RawClient) -> None:
    for n in range(5):
        assert client.run(f"{n} + 1").result == str(n + 1)
        kill_server(client)
    assert "tools" in client.request("tools/list")["result"]


def test_cells_count_on(client: RawClient) -> None:
    first = client.run("1").structured["cell"]
    client.run("2", session="other")
    kill_server(client)
    assert client.run("3").structured["cell"] == first + 1


def test_an_answer_is_cut_by_a_death_for_nobody(client: RawClient) -> None:
    """The client reads while a megabyte is on its way, and the server dies in the middle."""
    page = 1_000_000
    client.run(f"print('x' * {page})")
    listed = client.request("resources/list")["result"]["resources"]
    uri = next(each["uri"] for each in listed if each["uri"].startswith("session-output:"))
    whole = client.request("resources/read", {"uri": uri})["result"]["contents"][0]["text"]
    for _ in range(5):
        reads = [client.send("resources/read", {"uri": uri}) for _ in range(10)]
        time.sleep(random.random() * 0.01)
        kill_server(client)
        for read in reads:
            answer = read.wait(30)
            # What the dead server had not answered is gone with its output.
            assert "error" in answer or answer["result"]["contents"][0]["text"] == whole
        client.run(f"print('x' * {page})")
        listed = client.request("resources/list")["result"]["resources"]
        uri = next(each["uri"] for each in listed if each["uri"].startswith("session-output:"))


@pytest.mark.parametrize("era", ERAS)
def test_servers_killed_at_random_moments_leave_every_request_answered_once(era: str) -> None:
    kills = 25
    seen: dict[object, int] = {}
    with RawClient(supervised=True) as client:
        if era == "handshake":
            client.handshake()
        sent: list[Pending] = []
        for _ in range(kills):
            end = time.monotonic() + 0.05 + random.random() * 0.2
            while time.monotonic() < end:
                sent += [client.send_cell("print('p' * 50); 1 + 1", session=f"s{n % 3}") for n in range(6)]
                sent.append(client.send("tools/list"))
                if len(sent) > 60:
                    sent[-50].wait(60)
            os.kill(client.pid, signal.SIGKILL)
        for pending in sent:
            answer = pending.wait(60)
            seen[pending.id] = seen.get(pending.id, 0) + 1
            assert "result" in answer, answer
        # A second answer to the same request would be one that nobody waits for.
        assert client.stray == []
        assert len(seen) == len(sent)
        assert client.run("6 * 7", session="s0").result == "42"


def test_subscriptions_stay_open() -> None:
    with RawClient(supervised=True) as client:
        client.run("print('x')")
        client.send("subscriptions/listen", {"notifications": {"resourcesListChanged": True}})
        deadline = time.monotonic() + 20
        while not client.notifications and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.notifications[0]["method"] == "notifications/subscriptions/acknowledged"
        kill_server(client)
        client.run("print('y' * 100_000)")
        while len(client.notifications) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        told = [each["method"] for each in client.notifications]
        assert told.count("notifications/subscriptions/acknowledged") == 1
        assert "notifications/resources/list_changed" in told


def test_jobs_go_on() -> None:
    with RawClient(supervised=True) as client:
        code = "import time\nprint('begun', flush=True)\ntime.sleep(2)\nprint('done')"
        started = client.tool("run_script_in_dir_async", directory=".", script_content=code, use_uv=False)
        job = started.structured["job_id"]
        kill_server(client)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            status = client.tool("py_job_status", job_id=job).structured["job"]
            if status["status"] != "running":
                break
            time.sleep(0.1)
        assert status["status"] == "completed", status


def test_what_a_dead_servers_sessions_started_is_gone() -> None:
    with RawClient(supervised=True) as client:
        start = "import subprocess\np = subprocess.Popen(['sleep', '600'], start_new_session=True)\np.pid"
        pids = [int(client.run(start, session=room).result) for room in ("a",)]
        worker = client.tool("run_python", code=start, session="w", isolation="process")
        pids.append(int(worker.result))
        kill_server(client)
        assert gone_soon(*pids)


def test_the_end_of_input_and_signals_end_both() -> None:
    client = RawClient(supervised=True)
    client.run("1")
    server = client.pid
    assert client.close() == 0
    assert gone_soon(server)
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 0)):
        client = RawClient(supervised=True)
        client.run("1")
        server = client.pid
        client.process.send_signal(number)
        assert client.process.wait(20) == code
        assert gone_soon(server)


def test_a_server_does_not_outlive_its_supervisor() -> None:
    client = RawClient(supervised=True)
    client.run("import subprocess\np = subprocess.Popen(['sleep', '600'])")
    family = descendants(client.process.pid)
    client.process.kill()
    client.process.wait()
    assert gone_soon(*family)


def test_a_server_that_dies_again_and_again_ends_with_a_clear_error() -> None:
    client = RawClient(supervised=True, stderr=subprocess.PIPE)
    killed = 0
    deadline = time.monotonic() + 30
    while client.process.poll() is None and time.monotonic() < deadline:
        for child in children(client.process.pid):
            if name_of(child) in ("pyember", "pyember-super"):
                try:
                    os.kill(child, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
    assert client.process.returncode == 88
    said = client.process.stderr.read().decode()  # type: ignore[union-attr]
    assert "times, one after the other" in said
    assert killed >= 6


def test_requests_of_a_client_are_answered_when_no_server_can_be_had() -> None:
    client = RawClient(supervised=True, environment={"PYEMBER_TEST_SWITCHES": "die_at_start"})
    pending = client.send("tools/list")
    answer = pending.wait(30)
    assert "died" in answer["error"]["message"]
    assert client.process.wait(30) == 88


def test_bad_options_are_told_once() -> None:
    done = subprocess.run([server_binary(), "--env", "/nonexistent"], input=b"", capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count(b"pyember:") == 1


def test_the_pipe_is_the_clients_own() -> None:
    """No relay: the server holds the very pipe the client reads."""
    with RawClient(supervised=True) as client:
        client.run("1")
        pipe = os.stat(client.process.stdout.fileno()).st_ino  # type: ignore[union-attr]
        links = []
        for descriptor in Path(f"/proc/{client.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                links.append(os.readlink(descriptor))
        assert f"pipe:[{pipe}]" in links


# --- a server that is replaced in order ---------------------------------------------------------------

@pytest.fixture
def other_program(tmp_path: Path) -> Path:
    """A copy of the server under another name, as an earlier version of it would lie there."""
    for name in ("pyember", "pyember-runner"):
        shutil.copy(Path(server_binary()).with_name(name), tmp_path / name)
    return tmp_path / "pyember"


def run_upgrade(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [server_binary(), "upgrade", *[str(each) for each in arguments]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("era", ERAS)
def test_an_upgrade_keeps_the_client(era: str, other_program: Path) -> None:
    with RawClient(command=[str(other_program)], supervised=True) as client:
        if era == "handshake":
            client.handshake()
        running = client.send_cell("import time; time.sleep(1); 'ended'")
        behind = [client.send_cell(f"{n}") for n in range(3)]
        elsewhere = client.send_cell("'at once'", session="b")
        started = client.tool("run_script_in_dir_async", directory=".", script_content="import time; time.sleep(3)", use_uv=False)
        time.sleep(0.2)
        done = run_upgrade(client.process.pid)
        assert done.returncode == 0, done.stderr
        assert f"{client.process.pid} in {os.getcwd()}: goes on as {os.path.realpath(server_binary())}" in done.stdout
        assert os.path.samefile(f"/proc/{client.process.pid}/exe", server_binary())
        # What ran was let come to its end; what had not begun is the new server's.
        assert structured(running)["result"] == "'ended'"
        assert [structured(each)["result"] for each in behind] == ["0", "1", "2"]
        assert structured(elsewhere)["result"] == "'at once'"
        job = started.structured["job_id"]
        ended = wait_for_job(client, job)
        assert ended == "completed"
        assert client.stray == []


def wait_for_job(client: RawClient, job: str) -> str:
    deadline = time.monotonic() + 30
    status = "running"
    while status == "running" and time.monotonic() < deadline:
        status = client.tool("py_job_status", job_id=job).structured["job"]["status"]
        time.sleep(0.1)
    return status


def test_a_cell_that_goes_on_is_lost_with_the_upgrade(other_program: Path) -> None:
    with RawClient(command=[str(other_program)], supervised=True) as client:
        running = client.send_cell("import time; time.sleep(600)", timeout=600)
        time.sleep(0.2)
        assert run_upgrade(client.process.pid).returncode == 0
        answer = structured(running)
        assert answer["status"] == "lost" and "started again" in answer["error"]["message"], answer
        assert client.run("1 + 1").result == "2"


def test_upgrade_says_what_it_can_not_do(tmp_path: Path) -> None:
    with RawClient(supervised=True) as client:
        client.run("1")
        done = run_upgrade(client.process.pid)
        assert done.returncode == 0 and "runs this program already" in done.stdout
        done = run_upgrade(os.getpid())
        assert done.returncode == 1 and "no supervisor of yours has this id" in done.stderr
        assert client.run("2").result == "2"


def test_a_server_without_interpreters_left_is_replaced_between_two_cells() -> None:
    with RawClient(supervised=True, environment={"PYEMBER_ISOLATION": "inprocess"}) as client:
        first = client.pid
        client.run("kept = 1", session="a")
        deadline = time.monotonic() + 60
        while client.pid == first and time.monotonic() < deadline:
            crashed = client.run("import ctypes; ctypes.string_at(1)", session="b")
            assert crashed.status == "lost", crashed
        assert client.pid != first
        answer = client.run("'kept' in globals()", session="a")
        assert answer.status == "completed"
        assert answer.result == "True" or "another one was started" in answer.notices[0]


def test_a_signal_to_the_process_group_counts_once() -> None:
    """The supervisor passes on what the server got as well; that must not cut its grace short."""
    with RawClient(supervised=True) as client:
        # Each round takes some hundredths of a second, in which nothing can stop it.
        running = client.send_cell("while True: sum(range(2_000_000))", timeout=600)
        time.sleep(0.3)
        os.killpg(client.process.pid, signal.SIGTERM)
        assert structured(running)["status"] == "interrupted"
        assert client.process.wait(20) == 0


def test_a_lost_session_is_remembered_over_several_deaths(client: RawClient) -> None:
    client.tool("run_python", code="import threading\nx = threading.Lock()", session="s", isolation="inprocess")
    for _ in range(3):
        kill_server(client)
        client.request("tools/list")
    answer = client.run("1", session="s")
    assert answer.structured["cell"] == 2
    assert "is new and empty" in answer.notices[0] or "restored" in answer.notices[0]


# --- deaths of other kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS], ids=lambda number: number.name)
def test_a_crash_of_the_server_itself(client: RawClient, number: signal.Signals) -> None:
    """On its first thread, which runs no session."""
    client.run("1")
    running = client.send_cell("import time; time.sleep(600)", timeout=600)
    time.sleep(0.2)
    os.kill(client.pid, number)
    assert structured(running)["status"] == "lost"
    assert client.run("6 * 7").result == "42"


class Frozen:
    """A thread of another process, stopped as by a debugger until that process ends."""

    SEIZE, INTERRUPT, ANY = 0x4206, 0x4207, 0x40000000

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self.error = 0
        self._ready = threading.Event()
        threading.Thread(target=self._hold, daemon=True).start()
        self._ready.wait(10)

    def _hold(self) -> None:
        """All by one thread: the kernel obeys no other."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(self.SEIZE, self._thread, None, None) or libc.ptrace(self.INTERRUPT, self._thread, None, None):
            self.error = ctypes.get_errno()
        self._ready.set()
        while not self.error:
            try:
                _, status = os.waitpid(self._thread, self.ANY)
            except ChildProcessError:
                return
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                return


def test_a_runtime_that_does_not_answer_any_more() -> None:
    with RawClient(supervised=True) as client:
        client.run("1")
        wedged = client.pid
        tasks = Path(f"/proc/{wedged}/task")
        thread = next(int(each.name) for each in tasks.iterdir() if (each / "comm").read_text().strip() == "pyember-runtime")
        frozen = Frozen(thread)
        if frozen.error:
            pytest.skip(f"this system lets nobody trace a process ({os.strerror(frozen.error)})")
        running = client.send_cell("import time; time.sleep(600)", timeout=600)
        assert structured(running, 60)["status"] == "lost"
        assert client.run("6 * 7").result == "42"
        assert client.pid != wedged
