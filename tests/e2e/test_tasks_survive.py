"""Tasks outlive their server where their work is a job: it is killed or restarted, and the next one answers for them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_client import HttpServer, Stream, make_token
from tests.support.raw_client import RawClient, descendants, server_binary
from tests.support.world import PACKAGE, VERSION, make_world

DEADLINE = 60.0
EXTENSIONS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
CLIENT = {"io.modelcontextprotocol/clientCapabilities": EXTENSIONS}
OVER = ("completed", "failed", "cancelled")


class Server:
    """A supervised server on folders of its own, and one client of it with tasks."""

    def __init__(self, transport: str, home: Path, *arguments: str, **variables: str) -> None:
        self.home = home
        self.transport, self.arguments = transport, list(arguments)
        self.environment = {"HOME": str(home), "PYTHON_MCP_META": str(home / "meta"), "PYTHON_MCP_HOME": str(home),
                            "XDG_CACHE_HOME": str(home), **variables}
        self.begin()

    def begin(self) -> None:
        if self.transport == "stdio":
            self.stdio = RawClient(self.arguments, environment=self.environment, supervised=True)
        else:
            self.http = HttpServer(self.arguments, environment=self.environment, supervised=True,
                                   state=str(self.home / "state"))

    def ask(self, method: str, token: str | None = None, meta: dict[str, Any] = CLIENT, **params: Any) -> dict[str, Any]:
        """Also of a server that is just being followed by another one."""
        if self.transport == "stdio":
            return self.stdio.request(method, {**params, "_meta": meta}, DEADLINE)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                return self.http.client(token).request(method, params, meta=meta).answer
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < end, "the server does not answer any more"
                time.sleep(0.02)

    def call(self, tool: str, arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
        answer = self.ask("tools/call", name=tool, arguments=arguments, **options)
        assert "result" in answer, answer
        return answer["result"]  # type: ignore[no-any-return]

    def script(self, code: str, tool: str = "run_script_in_dir", **arguments: Any) -> dict[str, Any]:
        given = {"directory": str(self.home), "script_content": code, "use_uv": False, **arguments}
        return self.call(tool, given)

    def get(self, task: str, **options: Any) -> dict[str, Any]:
        return self.ask("tasks/get", taskId=task, **options)["result"]  # type: ignore[no-any-return]

    def until(self, task: str, *states: str) -> dict[str, Any]:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            found = self.get(task)
            if found["status"] in states:
                return found
            assert found["status"] not in OVER, found
            time.sleep(0.05)
        raise AssertionError(f"task {task} is never {' or '.join(states)}: {found}")

    @property
    def process(self) -> subprocess.Popen[Any]:
        return self.stdio.process if self.transport == "stdio" else self.http.process

    @property
    def pid(self) -> int:
        return self.stdio.pid if self.transport == "stdio" else self.http.pid

    def die(self) -> None:
        """As in a crash; the supervisor starts another one."""
        if self.transport == "http":
            self.http.kill()
        else:
            os.kill(self.pid, signal.SIGKILL)

    def restart(self, ending: Callable[[], Any] | None = None) -> None:
        """Ends the server, in order unless told otherwise, and starts one by hand."""
        if ending is not None:
            ending()
        elif self.transport == "stdio":
            self.stdio.close(DEADLINE)
        else:
            assert self.http.end() == 0
        self.begin()

    def end(self) -> None:
        if self.transport == "stdio":
            self.stdio.close(DEADLINE)
        else:
            self.http.__exit__()


def end_runs(home: Path) -> None:
    """Nothing of a test that failed lives on."""
    for runner in home.glob("**/jobs/*/runner"):
        try:
            os.kill(json.loads(runner.read_text())["pid"], signal.SIGTERM)
        except (OSError, ValueError):
            pass


@pytest.fixture(params=["stdio", "http"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    server = Server(request.param, tmp_path)
    try:
        yield server
    finally:
        try:
            server.end()
        finally:
            end_runs(tmp_path)


@pytest.fixture
def stdio(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes a server over stdio with variables of the test's."""
    made: list[Server] = []

    def make(**variables: str) -> Server:
        made.append(Server("stdio", tmp_path, **variables))
        return made[-1]

    yield make
    for server in made:
        server.end()
    end_runs(tmp_path)


def jobs_of(server: Server) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = server.call("py_list_jobs", {})["structuredContent"]["jobs"]
    return jobs


def until_there(path: Path) -> str:
    end = time.monotonic() + DEADLINE
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < end, f"there is no {path}"
        time.sleep(0.02)
    return path.read_text()


def without_times(result: dict[str, Any]) -> str:
    """What is the same of two runs of one script."""
    return re.sub(r"\d{8}T\d{6}Z_\w+\.py|\d+\.\d+", "*", json.dumps(result))


WAITS = "import pathlib, sys, time\nprint('begun', flush=True)\nwhile not pathlib.Path({gate!r}).exists(): time.sleep(0.02)\nprint('ended'); print('warned', file=sys.stderr); sys.exit(3)"


def gated(server: Server, name: str = "gate") -> tuple[str, Path]:
    gate = server.home / name
    return WAITS.format(gate=str(gate)), gate


@pytest.mark.parametrize("markdown", [True, False])
def test_a_script_s_task_goes_on_when_its_server_dies(server: Server, markdown: bool) -> None:
    code, gate = gated(server)
    whole = server.script(code, markdown_output=markdown)
    gate.write_text("")
    expected = server.until(whole["taskId"], "completed")["result"]
    gate.unlink()

    task = server.script(code, markdown_output=markdown)
    assert task["resultType"] == "task"
    server.die()
    working = server.get(task["taskId"])
    assert working["status"] == "working", working
    assert working["createdAt"] == task["createdAt"]
    gate.write_text("")
    over = server.until(task["taskId"], "completed")
    assert over["ttlMs"] >= task["ttlMs"]
    assert without_times(over["result"]) == without_times(expected)
    assert over["result"]["structuredContent"]["stdout"] == "begun\nended\n"
    assert over["result"]["structuredContent"]["exit_code"] == 3
    server.die()
    assert server.get(task["taskId"]) == over


def test_a_script_s_task_goes_on_when_its_server_is_restarted_in_order(server: Server) -> None:
    code, gate = gated(server)
    task = server.script(code)["taskId"]
    server.restart()
    assert server.get(task)["status"] == "working"
    gate.write_text("")
    assert server.until(task, "completed")["result"]["structuredContent"]["stdout"] == "begun\nended\n"


def test_tasks_go_on_through_an_upgrade(stdio: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyember", "pyember-runner"):
        shutil.copy(Path(server_binary()).with_name(name), tmp_path / name)
    with monkeypatch.context() as patched:
        patched.setenv("PYEMBER_BINARY", str(tmp_path / "pyember"))  # as an earlier version would lie there
        server = stdio()
    code, gate = gated(server)
    task = server.script(code)["taskId"]
    cell = server.call("run_python", {"code": "import time; time.sleep(600)", "timeout": 600})["taskId"]
    older = server.pid
    command = [server_binary(), "upgrade", str(server.process.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    assert server.get(task)["status"] == "working"
    assert server.pid != older
    lost = server.until(cell, "completed")["result"]
    assert lost["isError"] and lost["structuredContent"]["status"] == "lost"
    gate.write_text("")
    assert server.until(task, "completed")["result"]["structuredContent"]["stdout"] == "begun\nended\n"


def test_a_script_that_ends_while_there_is_no_server_completes_its_task(server: Server) -> None:
    code, gate = gated(server)
    task = server.script(code)["taskId"]
    process = server.process

    def kill_all_and_let_the_run_end() -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        gate.write_text("")
        (folder,) = (server.home / "meta" / "jobs").iterdir()
        end = time.monotonic() + DEADLINE
        while not (folder / "exit").exists():
            assert time.monotonic() < end, list(folder.iterdir())
            time.sleep(0.02)

    server.restart(kill_all_and_let_the_run_end)
    assert server.until(task, "completed")["result"]["structuredContent"]["exit_code"] == 3


def test_cancelling_a_task_after_its_server_died_ends_the_whole_tree(server: Server) -> None:
    pids = server.home / "pids"
    code = f"""import os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child.pid}}\\n')
child.wait()"""
    task = server.script(code)["taskId"]
    running = [int(pid) for pid in until_there(pids).split()]
    server.die()
    assert server.ask("tasks/cancel", taskId=task)["result"]["resultType"] == "complete"
    assert server.get(task)["status"] == "cancelled"
    end = time.monotonic() + DEADLINE
    while any(Path(f"/proc/{pid}").exists() for pid in running):
        assert time.monotonic() < end, "the run goes on"
        time.sleep(0.05)
    assert [job["status"] for job in jobs_of(server)] == ["cancelled"]
    server.die()
    assert server.get(task)["status"] == "cancelled"
    assert server.ask("tasks/cancel", taskId=task)["result"]["resultType"] == "complete"


def test_a_task_is_listed_as_a_job_and_ends_as_its_job_does(server: Server) -> None:
    code, _ = gated(server)
    task = server.script(code, job_label="seen twice")["taskId"]
    (job,) = jobs_of(server)
    assert (job["label"], job["status"]) == ("seen twice", "running")
    killed = server.call("kill_job", {"job_id": job["id"]})["structuredContent"]
    assert killed["status"] == "killed"
    over = server.until(task, "cancelled")
    assert "result" not in over and "job" in over["statusMessage"]

    other, gate = gated(server, "other")
    finished = server.script(other)["taskId"]
    gate.write_text("")
    result = server.until(finished, "completed")["result"]["structuredContent"]
    job = next(each for each in jobs_of(server) if each["status"] != "cancelled")
    assert (job["status"], job["result"]["stdout"]) == ("completed", result["stdout"])


def test_killing_its_job_ends_a_task_also_after_its_server_died(server: Server) -> None:
    code, _ = gated(server)
    task = server.script(code)["taskId"]
    server.die()
    assert server.get(task)["status"] == "working"
    (job,) = jobs_of(server)
    server.call("kill_job", {"job_id": job["id"]})
    assert server.until(task, "cancelled")


def test_listeners_hear_of_a_task_s_end_after_its_server_died(tmp_path: Path) -> None:
    server = Server("http", tmp_path)
    try:
        code, gate = gated(server)
        task = server.script(code)["taskId"]
        server.die()
        assert server.get(task)["status"] == "working"
        listening = Stream(server.http.client(), "subscriptions/listen", {"notifications": {"taskIds": [task]}}, meta=CLIENT)
        acknowledged = listening.next()
        assert acknowledged is not None and acknowledged["params"]["notifications"]["taskIds"] == [task]
        gate.write_text("")
        while (told := listening.next(DEADLINE)) is not None and told["params"]["status"] == "working":
            pass
        assert told is not None and told["params"]["result"]["structuredContent"]["exit_code"] == 3
        listening.hang_up()
    finally:
        server.end()
        end_runs(tmp_path)


def test_a_cell_s_task_ends_with_its_server_and_says_so(server: Server) -> None:
    done = server.call("run_python", {"code": "import time; time.sleep(2.5); 6 * 7"})
    before = server.until(done["taskId"], "completed")
    lost = server.call("run_python", {"code": "import time; time.sleep(600)", "session": "lost", "timeout": 600})
    assert lost["resultType"] == "task"
    server.die()
    failed = server.get(lost["taskId"])
    assert failed["status"] == "failed" and "run_python" in failed["error"]["message"], failed
    assert server.get(lost["taskId"]) == failed
    assert server.get(done["taskId"]) == before


def test_no_task_is_another_principal_s_before_or_after_its_server_died(tmp_path: Path) -> None:
    tokens = {name: make_token(tmp_path / "tokens", name) for name in ("alice", "bob")}
    server = Server("http", tmp_path, "--token-file", str(tmp_path / "tokens"), "--trust-callers")
    try:
        code, gate = gated(server)
        given = {"directory": str(tmp_path), "script_content": code, "use_uv": False}
        task = server.call("run_script_in_dir", given, token=tokens["alice"])["taskId"]
        for _ in range(2):
            for method in ("tasks/get", "tasks/cancel", "tasks/update"):
                refused = server.ask(method, token=tokens["bob"], taskId=task, inputResponses={})
                assert refused["error"]["code"] == -32602, refused
            assert server.get(task, token=tokens["alice"])["status"] == "working"
            server.die()
        gate.write_text("")
        end = time.monotonic() + DEADLINE
        while (over := server.get(task, token=tokens["alice"]))["status"] == "working" and time.monotonic() < end:
            time.sleep(0.05)
        assert over["status"] == "completed", over
        assert over["result"]["structuredContent"]["stdout"] == "begun\nended\n"
        assert server.ask("tasks/get", token=tokens["bob"], taskId=task)["error"]["code"] == -32602
    finally:
        server.end()
        end_runs(tmp_path)


@pytest.mark.parametrize("budget", ["0.2", "2"])
def test_a_task_waits_beyond_the_budget_of_smart_async(stdio: Callable[..., Server], budget: str) -> None:
    server = stdio(SMART_ASYNC_TIMEOUT_SECONDS=budget)
    code, gate = gated(server)
    task = server.script(code)
    assert task["resultType"] == "task", task
    time.sleep(2.5)
    assert server.get(task["taskId"])["status"] == "working"
    gate.write_text("")
    assert server.until(task["taskId"], "completed")["result"]["structuredContent"]["stdout"] == "begun\nended\n"
    gate.unlink()
    plain = server.ask("tools/call", meta={}, name="run_script_in_dir", arguments={
        "directory": str(server.home), "script_content": code, "use_uv": False})["result"]
    assert plain["structuredContent"]["status"] == "running" and plain["structuredContent"]["job_id"]
    gate.write_text("")


def test_what_is_started_as_a_job_is_answered_with_it(stdio: Callable[..., Server]) -> None:
    server = stdio()
    code, gate = gated(server)
    started = server.call("run_script_in_dir_async", {"directory": str(server.home), "script_content": code, "use_uv": False})
    assert (started["resultType"], started["structuredContent"]["status"]) == ("complete", "started")
    pending = server.script(code, async_mode=True)
    assert (pending["resultType"], pending["structuredContent"]["status"]) == ("complete", "pending")
    cell = server.call("run_python", {"code": "import time; time.sleep(2)", "background": True})
    assert cell["resultType"] == "complete" and cell["structuredContent"]["job_id"]
    gate.write_text("")


def test_a_benchmark_s_task_goes_on_when_its_server_dies(stdio: Callable[..., Server], tmp_path: Path) -> None:
    server = stdio(**make_world(tmp_path / "world").variables())
    code, gate = gated(server)
    arguments = {"script_content": code, "python_version": VERSION, "timeout_seconds": 300}
    task = server.call("benchmark_script", arguments)
    assert task["resultType"] == "task", task
    end = time.monotonic() + DEADLINE
    while [job["status"] for job in jobs_of(server)] != ["running"]:
        assert time.monotonic() < end and server.get(task["taskId"])["status"] == "working", (jobs_of(server), server.get(task["taskId"]))
        time.sleep(0.05)
    server.die()
    assert server.get(task["taskId"])["status"] == "working"
    gate.write_text("")
    result = server.until(task["taskId"], "completed")["result"]
    assert result["structuredContent"]["exit_code"] == 3
    assert result["structuredContent"]["wall_time_seconds"] > 0
    assert [block["type"] for block in result["content"]] == ["text", "image"]


@pytest.mark.parametrize("ending", ["kill_job", "tasks/cancel", "death", "in order"])
def test_a_task_whose_environment_is_still_being_made_ends_with_its_job_or_its_server(stdio: Callable[..., Server], tmp_path: Path, ending: str) -> None:
    uv, began = tmp_path / "uv", tmp_path / "began"
    uv.write_text(f"#!/bin/sh\necho $$ > {began}\nexec sleep 600\n")
    uv.chmod(0o755)
    server = stdio(**{**make_world(tmp_path / "world").variables(), "PYEMBER_UV": str(uv)})
    arguments = {"script_content": "print('never')", "dependencies": [PACKAGE], "python_version": VERSION}
    task = server.call("run_script_with_dependencies", arguments)["taskId"]
    (job,) = jobs_of(server)
    assert job["status"] == "pending"
    making = int(until_there(began))
    if ending == "kill_job":
        server.call("kill_job", {"job_id": job["id"]})
        assert "job" in server.until(task, "cancelled")["statusMessage"]
    elif ending == "tasks/cancel":
        server.ask("tasks/cancel", taskId=task)
        assert server.get(task)["status"] == "cancelled"
    elif ending == "death":
        server.die()
        assert "run_script_with_dependencies" in server.until(task, "failed")["error"]["message"]
    else:
        server.restart()
        assert server.until(task, "failed")
    (job,) = jobs_of(server)
    assert job["status"] == ("failed" if ending in ("death", "in order") else "cancelled")
    end = time.monotonic() + DEADLINE
    while Path(f"/proc/{making}").exists():
        assert time.monotonic() < end, "uv goes on"
        time.sleep(0.05)


def test_a_run_that_was_lost_with_its_runner_fails_its_task(stdio: Callable[..., Server]) -> None:
    server = stdio()
    code, _ = gated(server)
    task = server.script(code)["taskId"]
    (runner,) = (server.home / "meta").glob("jobs/*/runner")
    process = server.stdio.process

    def kill_all() -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        root = json.loads(runner.read_text())["pid"]
        os.kill(root, signal.SIGSTOP)
        for pid in (*descendants(root), root):
            os.kill(pid, signal.SIGKILL)

    server.restart(kill_all)
    failed = server.until(task, "failed")
    assert "lost" in failed["error"]["message"], failed


def test_a_task_that_was_never_one_is_unknown(stdio: Callable[..., Server]) -> None:
    server = stdio()
    for strange in ("0" * 32, "../jobs", "a" * 33, "", "A" * 32):
        assert server.ask("tasks/get", taskId=strange)["error"]["code"] == -32602
    assert not (server.home / "meta").exists()
