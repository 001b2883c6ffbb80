"""Scripts and jobs in sandboxes: every tool, what they see, what holds them, and that nothing gets around it.

As root everything runs twice: root's server has another kind of sandbox than an ordinary user's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import job_over
from tests.support.other_user import ORDINARY_USER, server_as
from tests.support.raw_client import CellAnswer, RawClient, server_binary
from tests.support.waiting import processes_with, until
from tests.support.world import PACKAGE, VERSION, World, make_world

DEADLINE = 120.0
USERS = ["root", "ordinary"] if os.geteuid() == 0 else ["self"]


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(user: str) -> Iterator[World]:
    """Not in pytest's own folder, which an ordinary user can't enter."""
    root = Path(tempfile.mkdtemp(prefix="pyember-enclosed-", dir="/var/tmp"))
    world = make_world(root, SECRET_OF_THE_SERVER="secret")
    yield give(world, user)
    shutil.rmtree(root, ignore_errors=True)


def give(world: World, user: str) -> World:
    """Everything in it belongs to whom the server runs as."""
    if user == "ordinary":
        subprocess.run(["chown", "-R", f"{ORDINARY_USER}:{ORDINARY_USER}", str(world.root)], check=True)
    return world


def server(world: World, user: str, *options: str, **environment: str) -> RawClient:
    arguments = ["serve", *options]
    variables = {**world.variables(), "UV_CACHE_DIR": str(world.root / "uv-cache"), **environment}
    if user != "ordinary":
        return RawClient(arguments, variables=variables, cwd=str(world.work))
    hold = world.root / "hold"
    hold.mkdir(exist_ok=True)
    wheels = Path(variables["UV_FIND_LINKS"])
    for each in (wheels, wheels.parent):
        each.chmod(0o755)
    tool = shutil.copy(shutil.which("uv", path=variables["PATH"]) or "", world.root / "uv")  # ours lies where he can't go
    command, become = server_as(ORDINARY_USER, ORDINARY_USER, arguments, hold)
    return RawClient(command=command, variables={**variables, **become, "PYEMBER_UV": str(tool)}, cwd=str(world.work))


@pytest.fixture
def client(world: World, user: str) -> Iterator[RawClient]:
    with server(world, user) as client:
        yield client


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(client: RawClient, world: World) -> Run:
    """run(code, …): what run_script_in_dir answers for it in a sandbox, in the world's folder."""
    return lambda code, **more: in_dir(client, world, code, **more)


def in_dir(client: RawClient, world: World, code: str, **more: Any) -> dict[str, Any]:
    arguments = {"directory": str(world.work), "script_content": code, "use_uv": False, "isolation": "sandbox", **more}
    return call(client, "run_script_in_dir", **{name: value for name, value in arguments.items() if value is not None})


def call(client: RawClient, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = client.tool(tool, DEADLINE, **arguments)
    assert not answer.is_error, answer
    return answer.structured


def refused(client: RawClient, tool: str, **arguments: Any) -> str:
    answer: CellAnswer = client.tool(tool, DEADLINE, **arguments)
    assert answer.is_error, answer
    text: str = answer.content[0]["text"]
    return text


def printed(answer: dict[str, Any]) -> str:
    assert answer["exit_code"] == 0, answer
    assert answer["isolation"] == "sandbox"
    text: str = answer["stdout"]
    return text


# --- every tool --------------------------------------------------------------------------------------

WHO = "import os; print(os.getuid(), open('/proc/self/status').read().count('Seccomp:\\t2'), os.path.exists('/home'))"
INSIDE = "65534 1 False\n"


def test_run_script_in_dir_runs_in_a_sandbox_and_says_so(client: RawClient, world: World) -> None:
    answer = client.tool("run_script_in_dir", DEADLINE, directory=str(world.work), script_content=WHO, use_uv=False, isolation="sandbox")
    assert printed(answer.structured) == INSIDE
    assert "in a sandbox" in answer.content[0]["text"]
    outside = in_dir(client, world, WHO, isolation=None)
    assert outside["stdout"] != INSIDE and "isolation" not in outside
    assert "isolation" not in in_dir(client, world, WHO, isolation="none")


def test_run_script_with_dependencies_has_its_packages_there(client: RawClient) -> None:
    answer = call(client, "run_script_with_dependencies", script_content=f"import {PACKAGE}\nprint({PACKAGE}.answer)\n{WHO}",
                  python_version=VERSION, dependencies=[PACKAGE], isolation="sandbox")
    assert printed(answer) == "42\n" + INSIDE
    assert answer["locked_dependencies"] == [f"{PACKAGE}==1.2.3"]


def test_what_a_script_imports_or_its_header_names_is_there(client: RawClient) -> None:
    header = f"# /// script\n# dependencies = ['{PACKAGE}']\n# ///\n"
    for code in (f"import {PACKAGE}\nprint({PACKAGE}.answer)", f"{header}import {PACKAGE}\nprint({PACKAGE}.answer)"):
        assert printed(call(client, "run_script_with_dependencies", script_content=code, python_version=VERSION, isolation="sandbox")) == "42\n"


def test_the_packages_of_a_project_are_there(run: Run, world: World) -> None:
    world.script("pyproject.toml", f'[project]\nname = "mine"\nversion = "1"\nrequires-python = ">={VERSION}"\ndependencies = ["{PACKAGE}"]\n')
    answer = run(f"import {PACKAGE}\nprint({PACKAGE}.answer)", use_uv=True, auto_install_deps=False)
    assert printed(answer) == "42\n" and answer["execution_strategy"] == "uv-run"


def test_the_async_tools_start_jobs_in_sandboxes(client: RawClient, world: World) -> None:
    for tool, more in (("run_script_in_dir_async", {"directory": str(world.work), "use_uv": False}),
                       ("run_script_with_dependencies_async", {"python_version": VERSION})):
        started = call(client, tool, script_content=WHO, isolation="sandbox", **more)
        assert started["isolation"] == "sandbox"
        job = job_over(client, started["job_id"])
        assert printed(job["result"]) == INSIDE, job


def test_a_saved_script_runs_there_and_can_not_be_changed(client: RawClient) -> None:
    code = WHO + "\ntry:\n    open(__file__, 'w')\nexcept OSError as error:\n    print(type(error).__name__)"
    call(client, "py_save_script", script_name="saved", source=code)
    answer = call(client, "py_run_saved_script", script_name="saved", isolation="sandbox")
    assert printed(answer) in (INSIDE + "OSError\n", INSIDE + "PermissionError\n")
    assert "saved scripts are not to change" in answer["note"]


def test_benchmark_script_measures_and_profiles_what_runs_there(client: RawClient) -> None:
    code = "def busy():\n    return sum(range(300_000))\nfor _ in range(5): busy()\n" + WHO
    answer = call(client, "benchmark_script", script_content=code, python_version=VERSION, isolation="sandbox", repeat=2, profile=True)
    assert printed(answer) == INSIDE
    assert answer["measurements"]["runs"] == 2 and answer["cpu_time_seconds"] > 0 and answer["peak_rss_mb"] > 0
    assert any(each["function"] == "busy" and each["calls"] == 5 for each in answer["profile"]["functions"]), answer["profile"]
    profile = call(client, "run_script_profile", script_content=code, python_version=VERSION, isolation="sandbox")
    assert printed(profile) == INSIDE and profile["profile"]["functions"]


def test_two_scripts_are_compared_there(client: RawClient) -> None:
    answer = call(client, "benchmark_script", script_content="print(1)", python_version=VERSION, isolation="sandbox", repeat=2,
                  compare={"script_content": "print(2)"})
    assert answer["isolation"] == "sandbox" and answer["comparison"]["pairs"] == 2


def test_pyember_run_takes_an_isolation(world: World, user: str) -> None:
    if user == "ordinary":
        pytest.skip("the command line does what the server does")
    told = subprocess.run([server_binary(), "run", "--isolation", "sandbox", "--no-uv", "-c", WHO + "; open('made', 'w')"],
                          env=world.variables(), cwd=world.work, capture_output=True, text=True, timeout=DEADLINE)
    assert (told.returncode, told.stdout) == (0, INSIDE), told
    assert (world.work / "made").stat().st_uid == os.geteuid()


# --- what is seen ------------------------------------------------------------------------------------


def test_the_named_folder_is_read_and_written_and_the_rest_is_not_there(run: Run, world: World, user: str) -> None:
    closed = world.work / "closed"
    closed.mkdir(mode=0o700)
    (closed / "data.txt").write_text("of the folder's owner")
    (closed / "data.txt").chmod(0o600)
    (world.home / "key").write_text("key")
    give(world, user)
    answer = run("import os\nprint(os.getcwd(), open('closed/data.txt').read())\nopen('closed/result.txt', 'w').write('done')\n"
                 f"print(os.path.exists({str(world.home / 'key')!r}), os.listdir({str(world.root)!r}), os.path.exists({str(world.store)!r}))")
    assert printed(answer) == f"{world.work} of the folder's owner\nFalse ['work'] False\n"
    made = closed / "result.txt"
    assert made.read_text() == "done"
    assert made.stat().st_uid == world.work.stat().st_uid, "it belongs to the folder's owner"
    assert "note" not in answer


def test_a_file_in_the_folder_runs_with_what_lies_beside_it(client: RawClient, world: World, user: str) -> None:
    world.script("part/helper.py", "answer = 42\n")
    world.script("part/main.py", "import helper, os, sys\nprint(helper.answer, os.getcwd(), __file__, sys.argv[1:])")
    give(world, user)
    answer = call(client, "run_script_in_dir", directory=str(world.work), script_path="part/main.py", args=["a b", "--c"],
                  use_uv=False, isolation="sandbox")
    assert printed(answer) == f"42 {world.work} {world.work}/part/main.py ['a b', '--c']\n"


def test_a_file_elsewhere_is_shown_with_its_folder_and_not_written(client: RawClient, world: World, user: str) -> None:
    script = world.script("helper.py", "answer = 42\n").parent / "main.py"
    script.write_text("import helper, os\nprint(helper.answer, os.getcwd())\ntry:\n    open(__file__, 'a')\nexcept OSError:\n    print('refused')")
    give(world, user)
    answer = call(client, "run_script_with_dependencies", script_path=str(script), python_version=VERSION, isolation="sandbox")
    assert printed(answer) == "42 /workspace\nrefused\n"


def test_inline_code_imports_the_modules_of_its_directory(run: Run, world: World, user: str) -> None:
    world.script("helper.py", "answer = 42\n")
    give(world, user)
    assert printed(run("import helper; print(helper.answer, __file__.startswith('/workspace/'))")) == "42 True\n"


def test_the_environment_is_what_the_caller_passed_and_nothing_of_the_servers(run: Run, world: World, user: str) -> None:
    world.script("more.env", "FROM_FILE=file\nBOTH=file\n")
    give(world, user)
    answer = run("import json, os; print(json.dumps(dict(os.environ)))", env_file=str(world.work / "more.env"),
                 env_vars={"BOTH": "call", "PATH_LIKE": "a=b\nc"})
    seen = json.loads(printed(answer))
    assert {name: seen[name] for name in ("FROM_FILE", "BOTH", "PATH_LIKE", "HOME", "TMPDIR")} == {
        "FROM_FILE": "file", "BOTH": "call", "PATH_LIKE": "a=b\nc", "HOME": "/workspace", "TMPDIR": "/tmp"}
    assert "secret" not in json.dumps(seen) and not any(name.startswith(("PYEMBER", "UV_", "XDG_STATE")) for name in seen), seen


def test_variables_of_the_call_do_nothing_outside(run: Run, world: World, user: str) -> None:
    """What makes the sandbox runs outside of it: a library that it loaded would, too."""
    source = world.script("evil.c", f"""#include <fcntl.h>
        __attribute__((constructor)) static void loaded(void) {{ open("{world.home}/outside", O_CREAT | O_WRONLY, 0600); }}""")
    library = world.work / "evil.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    give(world, user)
    answer = run("print('ran')", env_vars={"LD_PRELOAD": str(library), "LD_AUDIT": str(library), "GCONV_PATH": str(world.work)})
    assert printed(answer) == "ran\n"
    assert not (world.home / "outside").exists()
    run("print('ran')", env_vars={"LD_PRELOAD": str(library)}, isolation=None)
    assert (world.home / "outside").exists(), "the library does what it is for"


def test_there_is_no_network(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), 5)\nexcept OSError as error:\n    print(type(error).__name__)"
        assert printed(run(code)) == "ConnectionRefusedError\n"


def test_no_other_process_is_seen_or_reached(run: Run) -> None:
    code = (f"import os\nprint({os.getpid()} in map(int, filter(str.isdigit, os.listdir('/proc'))))\n"
            f"try:\n    os.kill({os.getpid()}, 0)\nexcept OSError as error:\n    print(type(error).__name__)")
    assert printed(run(code)) == "False\nProcessLookupError\n"


def test_places_that_no_sandbox_shows_are_refused(client: RawClient, world: World, user: str) -> None:
    keys = world.home / ".ssh"
    keys.mkdir()
    (keys / "id").write_text("PRIVATE=key\n")
    give(world, user)
    for arguments in ({"directory": str(world.home), "script_content": "1"}, {"directory": "/", "script_content": "1"},
                      {"directory": "/etc", "script_content": "1"}, {"directory": str(keys), "script_content": "1"},
                      {"directory": str(world.root), "script_content": "1"},
                      {"directory": str(world.work), "script_path": str(keys / "id")},
                      {"directory": str(world.work), "script_content": "1", "env_file": str(keys / "id")}):
        text = refused(client, "run_script_in_dir", use_uv=False, isolation="sandbox", **arguments)
        assert "can't be shown" in text and "because" in text and "Fix" in text, text
    (world.work / "link").symlink_to(keys)
    text = refused(client, "run_script_in_dir", use_uv=False, isolation="sandbox", directory=str(world.work / "link"), script_content="1")
    assert "holds keys" in text


def test_a_path_is_no_python_version_and_nothing_is_built(client: RawClient, world: World, user: str) -> None:
    program = world.script("python", f"#!/bin/sh\ntouch {world.home}/outside\n")
    program.chmod(0o755)
    world.script("pkg/setup.py", f"open({str(world.home / 'outside')!r}, 'w')\nfrom setuptools import setup\nsetup(name='pkg')\n")
    give(world, user)
    text = refused(client, "run_script_with_dependencies", script_content="1", python_version=str(program), isolation="sandbox")
    assert "is a path" in text
    for dependency in (f"pkg @ file://{world.work}/pkg", f"file://{world.work}/pkg", f"{world.work}/pkg", f"pkg @ git+file://{world.work}/pkg"):
        text = refused(client, "run_script_with_dependencies", script_content="1", python_version=VERSION, isolation="sandbox",
                       dependencies=[dependency])
        assert "come from the index" in text
    assert not (world.home / "outside").exists()


# --- what holds it -----------------------------------------------------------------------------------


def test_signals_and_codes_are_the_scripts_own(run: Run) -> None:
    assert run("import sys; sys.exit(3)")["exit_code"] == 3
    assert run("import os; os.kill(os.getpid(), 9)")["exit_code"] == -9
    assert run("import os; os.abort()")["exit_code"] == -6


def test_memory_processes_and_files_are_bounded_and_a_call_may_lower_it(run: Run) -> None:
    big = "try:\n    x = bytearray({} << 20)\n    print('got it')\nexcept MemoryError:\n    print('refused')"
    # Without control groups it is a MemoryError, and the bound is on what is mapped.
    answer = run(big.format(1500))
    assert answer.get("limit") == "memory" or answer["stdout"] == "refused\n", answer
    answer = run(big.format(200), memory_limit_mb=100)
    assert answer.get("limit") == "memory" or answer["stdout"] == "refused\n", answer
    assert printed(run(big.format(200))) == "got it\n"
    bomb = "import os, time\nn = 0\ntry:\n    for n in range({}):\n        if os.fork() == 0: time.sleep(100)\nexcept OSError:\n    print('refused', n > 5)"
    assert run(bomb.format(400))["stdout"] == "refused True\n"
    assert run(bomb.format(30), process_limit=10)["stdout"] == "refused True\n"
    answer = run("try:\n    with open('big', 'wb') as file:\n        for _ in range(64): file.write(bytes(8 << 20))\nexcept OSError:\n    print('refused')")
    assert answer["stdout"] == "refused\n"


def test_a_bound_that_is_asked_for_is_no_higher_than_the_servers(world: World, user: str) -> None:
    with server(world, user, MCP_BRIDGE_PIDS_LIMIT="20") as client:
        bomb = "import os, time\nn = 0\ntry:\n    for n in range(100):\n        if os.fork() == 0: time.sleep(100)\nexcept OSError:\n    print('refused', n < 25)"
        assert in_dir(client, world, bomb, process_limit=90)["stdout"] == "refused True\n"


def test_a_timeout_asks_the_script_first_and_ends_what_it_started(run: Run, world: World) -> None:
    code = ("import signal, subprocess, sys, time\nsubprocess.Popen(['sleep', '4321'], start_new_session=True)\n"
            "def end(*_):\n    print('asked', flush=True)\n    sys.exit(7)\nsignal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(600)")
    answer = run(code, timeout_seconds=3)
    assert answer["timed_out"] and answer["stdout"] == "ready\nasked\n", answer
    assert answer["exit_code"] == 7
    until(lambda: not processes_with("4321"), "what the script started lives on")


def test_a_job_is_cancelled_with_everything_in_its_sandbox(client: RawClient, world: World) -> None:
    marker = f"98765{os.getpid()}"
    code = f"import signal, subprocess, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsubprocess.Popen(['sleep', '{marker}'])\nprint('ready', flush=True)\ntime.sleep(600)"
    job_id = call(client, "run_script_in_dir_async", directory=str(world.work), script_content=code, use_uv=False, isolation="sandbox")["job_id"]
    until(lambda: processes_with(marker), "the script does not begin")
    call(client, "py_cancel_job", job_id=job_id)
    assert job_over(client, job_id)["status"] == "cancelled"
    until(lambda: not processes_with(marker), "a cancelled job's processes live on")


def test_a_cancelled_call_ends_its_script(client: RawClient, world: World) -> None:
    marker = f"87654{os.getpid()}"
    pending = client.send_tool("run_script_in_dir", {
        "directory": str(world.work), "use_uv": False, "isolation": "sandbox", "script_content": f"import subprocess\nsubprocess.run(['sleep', '{marker}'])"})
    until(lambda: processes_with(marker), "the script does not begin")
    client.notify("notifications/cancelled", {"requestId": pending.id})
    until(lambda: not processes_with(marker), "a cancelled call's processes live on")


def test_a_job_outlives_a_killed_server_in_its_sandbox(world: World, user: str) -> None:
    code = "import time\nfor i in range(10):\n    print(i, flush=True)\n    time.sleep(0.2)\n" + WHO
    first = server(world, user)
    started = call(first, "run_script_in_dir_async", directory=str(world.work), script_content=code, use_uv=False, isolation="sandbox")
    first.kill()
    with server(world, user) as second:
        job = job_over(second, started["job_id"])
        assert job["status"] == "completed", job
        assert printed(job["result"]) == "".join(f"{i}\n" for i in range(10)) + INSIDE


def test_a_killed_runner_takes_its_sandbox_along(client: RawClient, world: World) -> None:
    marker = f"76543{os.getpid()}"
    code = f"import subprocess\nsubprocess.run(['sleep', '{marker}'])"
    job_id = call(client, "run_script_in_dir_async", directory=str(world.work), script_content=code, use_uv=False, isolation="sandbox")["job_id"]
    until(lambda: processes_with(marker), "the script does not begin")
    # The keeper last: one that is killed has the run cancelled.
    for pid in sorted(processes_with(f"jobs/{job_id}"), reverse=True):
        with contextlib.suppress(ProcessLookupError):  # it went with the one before
            os.kill(pid, 9)
    until(lambda: not processes_with(marker), "the sandbox of a killed runner lives on")
    assert job_over(client, job_id)["status"] == "failed"


# --- --sandbox-scripts -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["option", "variable"])
def test_all_scripts_of_such_a_server_are_sandboxed_and_a_call_can_not_get_around_it(world: World, user: str, how: str) -> None:
    call_save = {"script_name": "saved", "source": WHO}
    options, environment = (("--sandbox-scripts",), {}) if how == "option" else ((), {"PYEMBER_SANDBOX_SCRIPTS": "1"})
    with server(world, user, *options, **environment) as client:
        call(client, "py_save_script", **call_save)
        here = {"directory": str(world.work), "script_content": WHO, "use_uv": False}
        packages = {"script_content": WHO, "python_version": VERSION}
        for tool, arguments in (("run_script_in_dir", here), ("run_script_with_dependencies", packages),
                                ("benchmark_script", packages), ("run_script_profile", packages), ("py_run_saved_script", {"script_name": "saved"})):
            assert printed(call(client, tool, **arguments)) == INSIDE, tool
            text = refused(client, tool, isolation="none", **arguments)
            assert "--sandbox-scripts" in text and "Fix" in text, text
        for tool, arguments in (("run_script_in_dir_async", here), ("run_script_with_dependencies_async", packages)):
            assert printed(job_over(client, call(client, tool, **arguments)["job_id"])["result"]) == INSIDE
            assert "--sandbox-scripts" in refused(client, tool, isolation="none", **arguments)


def test_such_a_server_lets_calls_write_only_where_its_start_said(world: World, user: str) -> None:
    other, allowed = world.root / "other", world.root / "allowed"
    for each in (other, allowed):
        each.mkdir()
    give(world, user)
    write = "try:\n    open('made', 'w')\n    print('made')\nexcept OSError:\n    print('refused')"
    with server(world, user, "--sandbox-scripts", "--sandbox-path", f"{allowed}:rw") as client:
        for folder, found in ((world.work, "made"), (allowed, "made"), (other, "refused")):
            answer = in_dir(client, world, write, directory=str(folder), isolation=None)
            assert printed(answer) == found + "\n", (folder, answer)
            assert ("note" in answer) == (found == "refused")
            assert (folder / "made").exists() == (found == "made")


def test_a_word_that_is_no_boundary_is_told_at_the_start(world: World) -> None:
    told = subprocess.run([server_binary(), "serve", "--sandbox-scripts=none"], env=world.variables(), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE)
    assert told.returncode != 0 and "--sandbox-scripts=container" in told.stderr, told


# --- what is allowed ---------------------------------------------------------------------------------


def test_allowed_hosts_are_reached_by_scripts_too(world: World, user: str) -> None:
    from tests.support.http_host import Host, serving

    with serving(Host()) as host, server(world, user, "--sandbox-host", f"127.0.0.1:{host.port}") as client:
        code = f"import urllib.request as r\nprint(r.urlopen('http://127.0.0.1:{host.port}/path', timeout=30).status)"
        assert printed(in_dir(client, world, code)) == "200\n"
        refusal = "import urllib.request as r\ntry:\n    r.urlopen('http://192.0.2.1/', timeout=30)\nexcept Exception as error:\n    print(error.code)"
        assert printed(in_dir(client, world, refusal)) == "403\n"
