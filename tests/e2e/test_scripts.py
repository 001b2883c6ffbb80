"""What the script executor's tools do beyond their contract, through the official SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.e2e.executor import call, connect, eventually, job_over, refused, text_of
from tests.support.raw_client import server_binary
from tests.support.world import PACKAGE, VERSION, World, find_uv, make_world

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def in_dir(world: World, **arguments: Any) -> dict[str, Any]:
    return {"directory": str(world.work), "use_uv": False, **arguments}


# --- where a script runs, and as what -------------------------------------------------------------


async def test_inline_code_imports_the_modules_of_its_directory(world: World) -> None:
    world.script("helper.py", "answer = 42\n")
    async with connect(world) as client:
        code = "import helper, os\nprint(helper.answer, os.getcwd())"
        for use_uv in (False, True):
            answer = await call(client, "run_script_in_dir", **in_dir(world, script_content=code, use_uv=use_uv))
            assert answer["stdout"] == f"42 {world.work}\n", answer
            assert "auto_added_dependencies" not in answer


async def test_a_missing_package_is_found_in_the_imports_and_reported(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir",
                            **in_dir(world, script_content=f"import {PACKAGE}, csv\nprint({PACKAGE}.answer)", use_uv=True))
        assert (answer["stdout"], answer["auto_added_dependencies"]) == ("42\n", [PACKAGE])
        answer = await call(client, "run_script_in_dir", auto_install_deps=False,
                            **in_dir(world, script_content=f"import {PACKAGE}", use_uv=True))
        assert answer["exit_code"] == 1 and "ModuleNotFoundError" in answer["stderr"]


async def test_the_embedded_version_of_python_is_there_where_uv_finds_none(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    world = make_world(tmp_path, PATH=str(empty), PYEMBER_UV=find_uv())
    async with connect(world, profile="full") as client:
        inside = await call(client, "run_python", code="import sys; '%d.%d' % sys.version_info[:2]")
        version = str(inside["result"]).strip("'")
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        for dependencies in ([], [PACKAGE]):
            answer = await call(client, "run_script_with_dependencies", script_content=code,
                                python_version=version, dependencies=dependencies)
            assert answer["stdout"] == version + "\n", answer


async def test_inline_metadata_says_what_a_script_needs(world: World) -> None:
    code = f"# /// script\n# dependencies = ['{PACKAGE}']\n# ///\nimport {PACKAGE}\nprint({PACKAGE}.answer)"
    async with connect(world) as client:
        for tool, arguments in (("run_script_in_dir", in_dir(world, use_uv=True)),
                                ("run_script_with_dependencies", {"python_version": VERSION})):
            answer = await call(client, tool, script_content=code, **arguments)
            assert (answer["stdout"], answer["exit_code"]) == ("42\n", 0), answer
            assert answer["stderr"] == ""


async def test_a_project_in_the_directory_is_used(world: World) -> None:
    world.script("pyproject.toml", f'[project]\nname = "mine"\nversion = "1"\nrequires-python = ">={VERSION}"\n'
                                   f'dependencies = ["{PACKAGE}"]\n')
    async with connect(world) as client:
        code = f"import {PACKAGE}\nprint({PACKAGE}.answer)"
        answer = await call(client, "run_script_in_dir", auto_install_deps=False,
                            **in_dir(world, script_content=code, use_uv=True))
        assert (answer["stdout"], answer["exit_code"]) == ("42\n", 0), answer
        assert answer["python_version_used"] == VERSION


# --- the end of a run -------------------------------------------------------------------------------


async def test_a_timeout_keeps_what_was_printed_without_any_flush(world: World) -> None:
    async with connect(world) as client:
        result = await client.call_tool("run_script_in_dir", in_dir(
            world, script_content="import time\nprint('so far')\ntime.sleep(60)", timeout_seconds=1))
        answer = result.structured_content
        assert answer is not None and not result.is_error
        assert answer["stdout"] == "so far\n"
        assert answer["stderr"].endswith("[TIMEOUT]\n") and answer["exit_code"] < 0
        assert text_of(result).splitlines()[0].endswith("⏱ timeout")


async def test_a_run_that_was_answered_leaves_no_job_and_one_that_was_cut_does(world: World) -> None:
    async with connect(world, profile="full") as client:
        await call(client, "run_script_in_dir", **in_dir(world, script_content="print(1)"))
        assert (await call(client, "py_list_jobs"))["total"] == 0
        code = "print('begin')\nprint('x' * 100000)\nprint('end')"
        answer = await call(client, "run_script_in_dir", max_output_chars=1000, **in_dir(world, script_content=code))
        assert answer["output_cut"] is True and len(answer["stdout"]) < 1500
        assert answer["stdout"].startswith("begin\n") and answer["stdout"].endswith("end\n")
        whole = await call(client, "get_job_output", job_id=answer["job_id"])
        assert whole["stdout"] == "begin\n" + "x" * 100000 + "\nend\n"
        cleaned = await call(client, "cleanup_jobs")
        assert (cleaned["removed"], cleaned["remaining"], cleaned["inline_deleted"]) == (1, 0, 1)


async def test_cancelling_the_call_ends_the_run(world: World) -> None:
    code = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    async with connect(world) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "run_script_in_dir", in_dir(world, script_content=code))

            async def started() -> Any:
                pid = world.work / "pid"
                return pid.exists() and pid.read_text()

            pid = await eventually(started, "the script's start")
            tasks.cancel_scope.cancel()

        async def gone() -> bool:
            return not Path(f"/proc/{pid}").exists()

        await eventually(gone, "the end of the script's process", 20)
        [job] = (await call(client, "py_list_jobs"))["jobs"]
        assert job["status"] == "cancelled"


async def test_progress_brings_the_output_while_the_caller_waits(world: World) -> None:
    messages: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message or "")

    code = "import time\nfor n in range(3):\n    print('line', n)\n    time.sleep(0.4)"
    async with connect(world) as client:
        result = await client.call_tool("run_script_in_dir", in_dir(world, script_content=code), progress_callback=on_progress)
        assert not result.is_error
        assert "".join(messages) == "line 0\nline 1\nline 2\n"


# --- jobs ---------------------------------------------------------------------------------------------


async def test_a_cursor_gives_each_piece_of_output_once(world: World) -> None:
    code = "import pathlib, time\nprint('one')\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\nprint('two')"
    async with connect(world, profile="full") as client:
        job_id = (await call(client, "run_script_in_dir_async", **in_dir(world, script_content=code)))["job_id"]
        seen = ""
        cursor = "0"

        async def read() -> bool:
            nonlocal seen, cursor
            piece = await call(client, "get_job_output", job_id=job_id, cursor=cursor)
            seen, cursor = seen + piece["stdout"], piece["next_cursor"]
            return "one" in seen

        await eventually(read, "the first line")
        assert seen == "one\n"
        (world.work / "go").touch()
        await job_over(client, job_id)
        rest = await call(client, "get_job_output", job_id=job_id, cursor=cursor)
        assert (rest["stdout"], rest["status"], rest["more"]) == ("two\n", "finished", False)
        assert "no cursor" in await refused(client, "get_job_output", job_id=job_id, cursor="x")


async def test_a_background_answer_names_the_next_call(world: World) -> None:
    async with connect(world) as client:
        result = await client.call_tool("run_script_in_dir", in_dir(world, script_content="print(1)", async_mode=True,
                                                                   job_label="mine"))
        assert result.structured_content is not None
        job_id = result.structured_content["job_id"]
        assert result.structured_content == {"job_id": job_id, "status": "pending"}
        assert f'py_job_status(job_id="{job_id}")' in text_of(result)
        job = await job_over(client, job_id)
        assert (job["label"], job["status"], job["result"]["stdout"]) == ("mine", "completed", "1\n")
        shown = text_of(await client.call_tool("py_job_status", {"job_id": job_id}))
        assert shown.startswith("## Job status — completed") and "### Result — ✅ exit 0" in shown


async def test_what_can_not_be_prepared_fails_the_job_and_says_why(world: World) -> None:
    async with connect(world) as client:
        started = await call(client, "run_script_with_dependencies", script_content="print(1)", python_version=VERSION,
                             dependencies=["no-such-package-anywhere"], async_mode=True)
        job = await job_over(client, started["job_id"])
        assert job["status"] == "failed" and "no-such-package-anywhere" in job["error"]
        assert job["result"]["exit_code"] != 0


# --- arguments ------------------------------------------------------------------------------------------


async def test_null_counts_as_left_out(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir",
                            **in_dir(world, script_content="print(1)", script_path=None, args=None, python_version=None,
                                     env_vars=None, env_file=None, job_label=None))
        assert answer["stdout"] == "1\n"


async def test_limits_end_a_run_and_are_named(world: World) -> None:
    async with connect(world, profile="full") as client:
        answer = await call(client, "run_script_in_dir", cpu_limit_seconds=1,
                            **in_dir(world, script_content="print('busy')\nwhile True: pass"))
        assert answer["stdout"] == "busy\n" and answer["exit_code"] != 0
        assert answer["limit"] == "cpu"
        assert "ValueError" in await refused(client, "run_script_in_dir", cpu_limit_seconds=0,
                                             **in_dir(world, script_content="print(1)"))


async def test_an_env_file_is_read_as_dotenv_does(world: World) -> None:
    world.script("my.env", "# comment\nexport A=1\nB=\"two\nlines\"\nC='${A}'\nD=${A}${HOME_OF_D:-x}\n\nE\n")
    code = "import os\nprint([os.environ.get(name) for name in 'ABCDE'])"
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir",
                            **in_dir(world, script_content=code, env_file=str(world.work / "my.env"), env_vars={"A": "9"}))
        assert answer["stdout"] == str(["9", "two\nlines", "${A}", "1x", None]) + "\n"


async def test_system_python_is_the_one_on_path(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir", **in_dir(world, script_content="import sys\nprint(sys.version)"))
        assert answer["stdout"].startswith(f"{sys.version_info.major}.")
        assert answer["execution_strategy"] == "system-python"


# --- time -------------------------------------------------------------------------------------------


async def test_the_timeout_counts_while_the_environment_is_made(world: World) -> None:
    slow = world.script("slow-uv", "#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    world.environment["PYEMBER_UV"] = str(slow)
    async with connect(world) as client:
        answer = await call(client, "run_script_with_dependencies", script_content="print(1)", python_version=VERSION,
                            dependencies=[PACKAGE], timeout_seconds=1)
        assert answer["timed_out"] is True and answer["exit_code"] < 0 and answer["stdout"] == ""
        assert answer["stderr"].endswith("[TIMEOUT]\n") and "environment" in answer["stderr"]
        assert (await call(client, "py_list_jobs"))["total"] == 0


async def test_a_run_nobody_waits_for_any_more_ends_with_the_server(world: World) -> None:
    code = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    client_info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client_info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
         "params": {"name": "run_script_in_dir", "arguments": in_dir(world, script_content=code)}},
    ]
    server = subprocess.Popen([server_binary(), "serve", "--profile", "scripts"], env=world.variables(), cwd=world.work,
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert server.stdin is not None
        server.stdin.write("".join(json.dumps(each) + "\n" for each in messages).encode())
        server.stdin.flush()

        async def started() -> Any:
            pid = world.work / "pid"
            return pid.exists() and pid.read_text()

        pid = await eventually(started, "the script's start")
        server.stdin.close()
        server.wait(20)
    finally:
        server.kill()
        server.wait()

    async def gone() -> bool:
        return not Path(f"/proc/{pid}").exists()

    await eventually(gone, "the end of the script's process", 20)


async def test_a_background_job_goes_on_when_its_server_ends(world: World) -> None:
    async with connect(world) as client:
        background = await call(client, "run_script_in_dir_async",
                                **in_dir(world, script_content="import time\ntime.sleep(4)\nprint('done')"))
    async with connect(world) as client:
        job = await job_over(client, background["job_id"])
        assert (job["status"], job["result"]["stdout"]) == ("completed", "done\n")
