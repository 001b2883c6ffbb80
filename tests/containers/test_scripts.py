"""Scripts and jobs in containers of real podman: root's, and an ordinary user's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import podman
from tests.support import containers
from tests.support.containers import ContainerUser
from tests.support.jobs import job_over
from tests.support.other_user import server_as
from tests.support.raw_client import CellAnswer, RawClient, children
from tests.support.waiting import processes_with, until
from tests.support.world import PACKAGE, VERSION, World, make_world

DEADLINE = 120.0
WHO = "import os; print(os.getuid(), open('/proc/self/status').read().count('Seccomp:\\t2'), os.path.exists('/ipc'))"
INSIDE = "65534 1 True\n"


@pytest.fixture(scope="module", params=["rootful", "rootless"])
def user(request: pytest.FixtureRequest) -> ContainerUser:
    if problem := containers.missing(request.param):
        pytest.skip(problem)
    return containers.rootful() if request.param == "rootful" else containers.rootless()


@pytest.fixture
def world(user: ContainerUser) -> Iterator[World]:
    root = Path(tempfile.mkdtemp(prefix="pyember-contained-", dir="/var/tmp"))
    world = make_world(root, SECRET_OF_THE_SERVER="secret")
    shutil.copytree(world.variables()["UV_FIND_LINKS"], root / "wheels")
    world.environment["UV_FIND_LINKS"] = str(root / "wheels")
    world.environment["UV_CACHE_DIR"] = str(root / "uv-cache")
    yield give(world, user)
    shutil.rmtree(root, ignore_errors=True)


def give(world: World, user: ContainerUser) -> World:
    if user.user:
        subprocess.run(["chown", "-R", f"{user.user}:{user.user}", str(world.root)], check=True)
    return world


def server(world: World, user: ContainerUser, *options: str, **environment: str) -> RawClient:
    variables = {**world.variables(), "MCP_BRIDGE_RUNTIME": "podman", "MCP_BRIDGE_IMAGE": user.image, **user.environment, **environment}
    variables.pop("XDG_DATA_HOME")  # where podman would look for images
    arguments = ["serve", *options]
    if not user.user:
        return RawClient(arguments, variables={**variables, "HOME": os.environ["HOME"]}, cwd=str(world.work))
    owner = pwd.getpwnam(user.user)
    hold = world.root / "hold"
    hold.mkdir(exist_ok=True)
    tool = shutil.copy(shutil.which("uv", path=variables["PATH"]) or "", world.root / "uv")
    command, become = server_as(owner.pw_uid, owner.pw_gid, arguments, hold)
    return RawClient(command=command, variables={**variables, **become, "PYEMBER_UV": str(tool)}, cwd=str(world.work))


@pytest.fixture
def client(world: World, user: ContainerUser) -> Iterator[RawClient]:
    with server(world, user) as client:
        yield client


def call(client: RawClient, tool: str, **arguments: Any) -> dict[str, Any]:
    answer: CellAnswer = client.tool(tool, DEADLINE, **arguments)
    assert not answer.is_error, answer
    return answer.structured


def here(world: World, code: str, **more: Any) -> dict[str, Any]:
    return {"directory": str(world.work), "script_content": code, "use_uv": False, "isolation": "container", **more}


def in_dir(client: RawClient, world: World, code: str, **more: Any) -> dict[str, Any]:
    return call(client, "run_script_in_dir", **here(world, code, **more))


def printed(answer: dict[str, Any]) -> str:
    assert answer["exit_code"] == 0 and answer["isolation"] == "container", answer
    text: str = answer["stdout"]
    return text


def run_containers(user: ContainerUser) -> list[str]:
    return [name for name in podman(user, "ps", "--all", "--format", "{{.Names}}").split() if name.startswith("pyember-run-")]


def test_every_tool_runs_scripts_in_containers_and_leaves_none(client: RawClient, world: World, user: ContainerUser) -> None:
    assert printed(in_dir(client, world, WHO)) == INSIDE
    packages = {"script_content": f"import {PACKAGE}\nprint({PACKAGE}.answer)", "python_version": VERSION, "isolation": "container"}
    assert printed(call(client, "run_script_with_dependencies", **packages)) == "42\n"
    call(client, "py_save_script", script_name="saved", source=WHO)
    assert printed(call(client, "py_run_saved_script", script_name="saved", isolation="container")) == INSIDE
    started = call(client, "run_script_in_dir_async", **here(world, WHO))
    assert started["isolation"] == "container"
    assert printed(job_over(client, started["job_id"])["result"]) == INSIDE
    answer = call(client, "benchmark_script", script_content="sum(range(3_000_000))", python_version=VERSION, isolation="container", repeat=2)
    assert answer["measurements"]["runs"] == 2 and 0 < answer["cpu_time_seconds"] <= 2 * answer["wall_time_seconds"] + 1
    refused = client.tool("run_script_profile", DEADLINE, script_content="1", python_version=VERSION, isolation="container")
    assert refused.is_error and "sandbox" in refused.text
    assert run_containers(user) == []


def test_the_folder_is_shown_and_written_where_everybody_may(client: RawClient, world: World, user: ContainerUser) -> None:
    world.work.chmod(0o755)
    world.script("helper.py", "answer = 42\n")
    (world.work / "open").mkdir()
    (world.work / "open").chmod(0o777)
    give(world, user)
    code = ("import helper, os\nprint(helper.answer, os.getcwd(), sorted(os.listdir()))\nopen('open/made', 'w')\n"
            f"try:\n    open('made', 'w')\nexcept OSError:\n    print('refused', os.path.exists({str(world.home)!r}))")
    answer = in_dir(client, world, code)
    assert printed(answer) == f"42 {world.work} ['helper.py', 'open']\nrefused False\n"
    assert "everybody" in answer["note"] and (world.work / "open" / "made").exists()


def test_variables_network_and_signals_are_the_containers(client: RawClient, world: World) -> None:
    seen = printed(in_dir(client, world, "import os; print(dict(os.environ))", env_vars={"GIVEN": "a b=c\nd", "LD_PRELOAD": ""}))
    assert "'GIVEN': 'a b=c\\nd'" in seen and "secret" not in seen and "PYEMBER" not in seen, seen
    code = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 5)\nexcept OSError as error:\n    print(error.errno)"
    assert printed(in_dir(client, world, code)) == "101\n"
    assert in_dir(client, world, "import sys; sys.exit(3)")["exit_code"] == 3
    assert in_dir(client, world, "import os; os.abort()")["exit_code"] == -6


def test_limits_hold_and_a_call_may_lower_them(client: RawClient, world: World) -> None:
    big = "try:\n    x = bytearray(1500 << 20)\n    print('got it')\nexcept MemoryError:\n    print('refused')"
    answer = in_dir(client, world, big)
    assert answer.get("limit") == "memory" or answer["stdout"] == "refused\n", answer
    assert not (world.work / "oom").exists()  # which conmon leaves where it is started
    bomb = "import os, time\nn = 0\ntry:\n    for n in range(100):\n        if os.fork() == 0: time.sleep(100)\nexcept OSError:\n    print('refused', n < 40)"
    assert in_dir(client, world, bomb, process_limit=30)["stdout"] == "refused True\n"
    answer = in_dir(client, world, "while True: pass", cpu_limit_seconds=1)
    assert answer["limit"] == "cpu", answer


def test_a_timeout_asks_first_and_leaves_no_container(client: RawClient, world: World, user: ContainerUser) -> None:
    code = "import signal, sys, time\ndef end(*_):\n    print('asked', flush=True)\n    sys.exit(7)\nsignal.signal(signal.SIGTERM, end)\ntime.sleep(600)"
    answer = in_dir(client, world, code, timeout_seconds=5)
    assert answer["timed_out"] and answer["stdout"] == "asked\n" and answer["exit_code"] == 7, answer
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"
    answer = in_dir(client, world, deaf, timeout_seconds=5)
    assert answer["timed_out"] and answer["exit_code"] == -9, answer
    assert run_containers(user) == []


def test_a_cancelled_job_takes_its_container_along(client: RawClient, world: World, user: ContainerUser) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
    job_id = call(client, "run_script_in_dir_async", **here(world, deaf))["job_id"]
    until(lambda: call(client, "get_job_output", job_id=job_id)["stdout"], "the script does not begin")
    call(client, "py_cancel_job", job_id=job_id)
    assert job_over(client, job_id)["status"] == "cancelled"
    until(lambda: run_containers(user) == [], "a cancelled job's container stays")


def test_a_job_outlives_a_killed_server_in_its_container(world: World, user: ContainerUser) -> None:
    first = server(world, user)
    job_id = call(first, "run_script_in_dir_async", **here(world, "import time\nprint('ready', flush=True)\ntime.sleep(6)\n" + WHO))["job_id"]
    until(lambda: call(first, "get_job_output", job_id=job_id)["stdout"], "the script does not begin")
    first.kill()
    with server(world, user) as second:
        # Whose sessions are in containers too, and who looks for orphans.
        answer = CellAnswer(second.send_tool("run_python", {"code": "1", "isolation": "container"}), DEADLINE)
        assert answer.status == "completed", answer
        job = job_over(second, job_id)
        assert job["status"] == "completed" and printed(job["result"]) == "ready\n" + INSIDE, job


def test_a_container_whose_runner_was_killed_is_removed_by_the_next_server(world: World, user: ContainerUser) -> None:
    first = server(world, user)
    job_id = call(first, "run_script_in_dir_async", **here(world, "import time\nprint('ready', flush=True)\ntime.sleep(600)"))["job_id"]
    until(lambda: call(first, "get_job_output", job_id=job_id)["stdout"], "the script does not begin")
    runner = [pid for pid in processes_with(f"jobs/{job_id}") if b"pyember-runner" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    runtime = [pid for each in runner for pid in processes_with(f"pyember-run-{each}-")]
    runtime = [pid for pid in runtime if Path(f"/proc/{pid}/comm").read_text() == "podman\n"]
    assert runner and runtime
    # None may see the other's end, so they are stopped; children go first, for the kernel wakes those that lose their parent.
    for pid in (first.pid, *children(first.pid), *runner):
        os.kill(pid, signal.SIGSTOP)
    for pid in (*sorted(runtime, reverse=True), *sorted(runner, reverse=True)):
        os.kill(pid, signal.SIGKILL)
    first.kill()
    assert run_containers(user) != []
    with server(world, user) as second:
        assert CellAnswer(second.send_tool("run_python", {"code": "1", "isolation": "container"}), DEADLINE).status == "completed"
        until(lambda: run_containers(user) == [], "an orphan stays")


def test_all_scripts_of_a_server_may_be_put_into_containers(world: World, user: ContainerUser) -> None:
    with server(world, user, "--sandbox-scripts=container") as client:
        answer = call(client, "run_script_in_dir", directory=str(world.work), script_content=WHO, use_uv=False)
        assert printed(answer) == INSIDE
        refused = client.tool("run_script_in_dir", DEADLINE, directory=str(world.work), script_content=WHO, isolation="none")
        assert refused.is_error and "--sandbox-scripts" in refused.text


def test_an_image_that_is_missing_is_told_with_the_way_out(world: World, user: ContainerUser) -> None:
    with server(world, user, MCP_BRIDGE_IMAGE="localhost/no-such-image:1") as client:
        answer = in_dir(client, world, "1")
        assert answer["exit_code"] == 125 and "MCP_BRIDGE_IMAGE" in answer["note"], answer
