"""The script executor's contract through the official SDK: what its users rely on, field by field.

The defects that are known of it each have a test here that is named after what a user saw.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.e2e.executor import call, connect, eventually, job_over, refused, text_of
from tests.support.world import PACKAGE, VERSION, World, make_world, runs

pytestmark = pytest.mark.anyio

TOOLS = [
    "run_script_in_dir",
    "run_script_with_dependencies",
    "benchmark_script",
    "run_script_in_dir_async",
    "run_script_with_dependencies_async",
    "list_running_jobs",
    "get_job_output",
    "kill_job",
    "py_job_status",
    "py_list_jobs",
    "py_cancel_job",
    "py_prune_jobs",
    "py_list_scripts",
    "py_view_script",
    "py_save_script",
    "py_run_saved_script",
    "cleanup_jobs",
]

RUN_RESULT = {"stdout": str, "stderr": str, "exit_code": int, "execution_strategy": str, "elapsed_seconds": (int, float)}
DEPS_RESULT = {**RUN_RESULT, "resolved_dependencies": list, "python_version_used": str}
BENCHMARK_RESULT = {**DEPS_RESULT, **dict.fromkeys(("wall_time_seconds", "cpu_time_seconds", "peak_rss_mb"), (int, float))}

WAITS = "import time\nprint('begun', flush=True)\ntime.sleep(300)\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def check_shape(result: dict[str, Any], shape: dict[str, Any]) -> None:
    for name, kind in shape.items():
        assert name in result, (name, result)
        assert isinstance(result[name], kind), (name, result[name])
        assert kind is bool or not isinstance(result[name], bool), (name, result[name])


# --- what is listed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_the_seventeen_tools_are_listed_and_nothing_else(world: World, mode: str) -> None:
    async with connect(world, mode) as client:
        tools = (await client.list_tools()).tools
        assert sorted(tool.name for tool in tools) == sorted(TOOLS)
        for tool in tools:
            assert tool.description and tool.output_schema is not None and tool.annotations is not None, tool.name
        templates = (await client.list_resource_templates()).resource_templates
        assert any(template.uri_template.startswith("job-stream://{job_id}") for template in templates)


@pytest.mark.parametrize(("profile", "budget"), [("scripts", 2000), ("full", 6000)])
async def test_the_list_of_tools_keeps_to_its_budget(world: World, profile: str, budget: int) -> None:
    async with connect(world, profile=profile) as client:
        tools = (await client.list_tools()).tools
    listed = [{"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema} for tool in tools]
    size = len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False).encode()) / 4
    assert size <= budget
    assert set(TOOLS) <= {tool.name for tool in tools}


ALIASES = {
    "py_run_script_in_dir": {"directory": ".", "script_content": "print(1)", "use_uv": False},
    "py_run_script_with_dependencies": {"script_content": "print(1)", "python_version": VERSION},
    "py_benchmark_script": {"script_content": "print(1)", "python_version": VERSION},
    "py_run_script_in_dir_async": {"directory": ".", "script_content": "print(1)", "use_uv": False},
    "py_run_script_with_dependencies_async": {"script_content": "print(1)", "python_version": VERSION},
    "py_list_running_jobs": {},
    "list_jobs": {},
    "list_scripts": {},
    "save_script": {"script_name": "kept", "source": "print(2)"},
    "view_script": {"script_name": "kept"},
    "run_saved_script": {"script_name": "kept"},
    "py_cleanup_jobs": {},
    "job_cleanup": {},
}


async def test_every_other_spelling_of_a_tool_is_accepted_and_not_listed(world: World) -> None:
    async with connect(world) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        for alias, arguments in ALIASES.items():
            assert alias not in names
            result = await client.call_tool(alias, arguments)
            assert not result.is_error, (alias, text_of(result))
        started = await call(client, "run_script_in_dir_async", directory=".", script_content=WAITS, use_uv=False)
        assert (await call(client, "py_get_job_output", job_id=started["job_id"]))["status"] == "running"
        assert (await call(client, "py_kill_job", job_id=started["job_id"]))["status"] == "killed"


# --- environment variables ----------------------------------------------------------------------------

SHOW = "import os, json\nprint(json.dumps({name: os.environ.get(name) for name in %r}))\n"


async def shown(client: Any, world: World, names: list[str], **arguments: Any) -> dict[str, Any]:
    script = world.script("show.py", SHOW % names)
    arguments.setdefault("use_uv", False)
    answer = await call(client, "run_script_in_dir", directory=str(world.work), script_path=script.name, **arguments)
    assert (answer["exit_code"], answer["stderr"]) == (0, "")
    values: dict[str, Any] = json.loads(answer["stdout"])
    return values


async def test_a_script_sees_the_variables_of_the_call(world: World) -> None:
    async with connect(world) as client:
        for use_uv in (False, True):
            seen = await shown(client, world, ["MINE", "PATH"], env_vars={"MINE": "from_dict"}, use_uv=use_uv)
            assert seen["MINE"] == "from_dict"
            assert world.variables()["PATH"] in str(seen["PATH"])


async def test_a_script_sees_the_variables_of_an_env_file(world: World) -> None:
    world.script(".env", "\n".join([
        "# a comment", "", "PLAIN=plain", 'DOUBLE="with space"', "SINGLE='no ${PLAIN}'", "export EXPORTED=yes",
        "EXPANDED=${PLAIN}-and-more", "DEFAULT=${NOT_THERE:-fallback}", "BARE", 'LINES="one\ntwo"', "",
    ]))  # fmt: skip
    names = ["PLAIN", "DOUBLE", "SINGLE", "EXPORTED", "EXPANDED", "DEFAULT", "BARE", "LINES"]
    async with connect(world) as client:
        seen = await shown(client, world, names, env_file=str(world.work / ".env"))
    assert seen == {
        "PLAIN": "plain", "DOUBLE": "with space", "SINGLE": "no ${PLAIN}", "EXPORTED": "yes",
        "EXPANDED": "plain-and-more", "DEFAULT": "fallback", "BARE": None, "LINES": "one\ntwo",
    }  # fmt: skip


async def test_the_variables_of_the_call_win_over_the_file_and_both_over_the_server(world: World) -> None:
    world.environment.update(EVERYWHERE="server", FILE_WINS="server")
    env_file = world.script("both.env", "BOTH=file\nFILE_ONLY=file\nFILE_WINS=file\n")
    async with connect(world) as client:
        seen = await shown(client, world, ["BOTH", "FILE_ONLY", "DICT_ONLY", "FILE_WINS", "EVERYWHERE"],
                           env_file=str(env_file), env_vars={"BOTH": "dict", "DICT_ONLY": "dict"})
    assert seen == {"BOTH": "dict", "FILE_ONLY": "file", "DICT_ONLY": "dict", "FILE_WINS": "file", "EVERYWHERE": "server"}


async def test_no_value_of_a_variable_is_written_anywhere(world: World) -> None:
    secret = "s3cr3t-that-nobody-writes-down"
    env_file = world.script("elsewhere/secret.env", f"FROM_FILE={secret}\n")
    async with connect(world) as client:
        arguments = {"directory": str(world.work), "script_content": "print('ok')", "env_vars": {"TOKEN": secret},
                     "env_file": str(env_file), "use_uv": False}
        await call(client, "run_script_in_dir", **arguments)
        started = await call(client, "run_script_in_dir_async", **arguments)
        await job_over(client, started["job_id"])
    env_file.unlink()
    holders = [path for path in world.root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert holders == []


# --- shapes of results --------------------------------------------------------------------------------


async def test_a_run_in_a_folder_answers_with_these_fields(world: World) -> None:
    world.script("main.py", "import os, sys\nprint(os.getcwd(), sys.argv[1:])\nprint('oops', file=sys.stderr)\nsys.exit(4)\n")
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir", directory=str(world.work), script_path="main.py",
                            args=["a b", "$HOME"], use_uv=False)
        check_shape(answer, RUN_RESULT)
        assert (answer["exit_code"], answer["execution_strategy"]) == (4, "system-python")
        assert answer["stdout"] == f"{world.work} ['a b', '$HOME']\n"
        assert answer["stderr"] == "oops\n"
        answer = await call(client, "run_script_in_dir", directory=str(world.work), script_content="print('inline')")
        assert (answer["stdout"], answer["execution_strategy"]) == ("inline\n", "uv-run")


async def test_a_run_with_dependencies_answers_with_these_fields(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "run_script_with_dependencies", script_content=f"import {PACKAGE}\nprint({PACKAGE}.answer)",
                            dependencies=[PACKAGE], python_version=VERSION)
        check_shape(answer, DEPS_RESULT)
        assert (answer["stdout"], answer["exit_code"], answer["execution_strategy"]) == ("42\n", 0, "uv-run")
        assert answer["resolved_dependencies"] == [PACKAGE]
        assert answer["python_version_used"].startswith(VERSION)
        assert answer["locked_dependencies"] == [f"{PACKAGE}==1.2.3"]
        answer = await call(client, "run_script_with_dependencies", script_content=f"import {PACKAGE}, json, csv", python_version=VERSION)
        assert (answer["exit_code"], answer["resolved_dependencies"]) == (0, [PACKAGE])
        assert answer["auto_added_dependencies"] == [PACKAGE]


async def test_a_benchmark_answers_with_these_fields(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content="print(sum(range(10)))", python_version=VERSION)
        check_shape(answer, BENCHMARK_RESULT)
        assert answer["stdout"] == "45\n"


async def test_the_async_tools_answer_with_these_fields(world: World) -> None:
    async with connect(world) as client:
        started = await call(client, "run_script_in_dir_async", directory=str(world.work), script_content="print(1)", use_uv=False)
        check_shape(started, {"job_id": str})
        assert (started["status"], started["execution_strategy"]) == ("started", "system-python")
        deps = await call(client, "run_script_with_dependencies_async", script_content="print(2)", python_version=VERSION,
                          dependencies=[PACKAGE])
        check_shape(deps, {"job_id": str, "python_version_used": str})
        assert (deps["status"], deps["resolved_dependencies"]) == ("started", [PACKAGE])
        for entry, output in ((started, "1\n"), (deps, "2\n")):
            job = await job_over(client, entry["job_id"])
            assert (job["status"], job["result"]["stdout"]) == ("completed", output)


async def test_the_old_job_tools_answer_with_text_in_every_field(world: World) -> None:
    async with connect(world) as client:
        started = await call(client, "run_script_in_dir_async", directory=str(world.work), script_content=WAITS,
                             use_uv=False, stream=True)
        job_id = started["job_id"]

        async def begun() -> Any:
            return "begun" in (await call(client, "get_job_output", job_id=job_id))["stdout"]

        await eventually(begun, "the first line of the job")
        entry = next(each for each in await call(client, "list_running_jobs") if each["job_id"] == job_id)
        assert set(entry) >= {"job_id", "running", "exit_code", "pid", "elapsed_seconds", "stream", "stdout_chunks", "stderr_chunks"}
        assert all(isinstance(value, str) for value in entry.values()), entry
        assert (entry["running"], entry["exit_code"], entry["stream"]) == ("True", "None", "True")
        assert entry["pid"].isdigit() and entry["stdout_chunks"].isdigit() and entry["stderr_chunks"] == "0"
        assert re.fullmatch(r"\d+\.\d\d", entry["elapsed_seconds"])
        output = await call(client, "get_job_output", job_id=job_id)
        assert (output["status"], output["stdout"], output["stderr"], output["exit_code"]) == ("running", "begun\n", "", "None")
        assert re.fullmatch(r"\d+\.\d\d", output["elapsed_seconds"])
        killed = await call(client, "kill_job", job_id=job_id)
        assert (killed["job_id"], killed["status"]) == (job_id, "killed")
        assert killed["exit_code"] in (str(-signal.SIGTERM), str(-signal.SIGKILL))
        again = await call(client, "kill_job", job_id=job_id)
        assert (again["status"], again["exit_code"]) == ("already-finished", killed["exit_code"])
        output = await call(client, "get_job_output", job_id=job_id)
        assert (output["status"], output["stdout"], output["exit_code"]) == ("finished", "begun\n", killed["exit_code"])


JOB_FIELDS = {"id", "label", "status", "created_at", "started_at", "completed_at", "error", "result", "progress"}


async def test_jobs_are_listed_filtered_counted_and_pruned(world: World) -> None:
    async with connect(world) as client:
        ids = []
        for number in range(3):
            answer = await call(client, "run_script_in_dir", directory=str(world.work), script_content=f"print({number})",
                                use_uv=False, async_mode=True, job_label=f"label {number}")
            assert (set(answer) >= {"job_id", "status"}, answer["status"]) == (True, "pending")
            ids.append(answer["job_id"])
        failing = await call(client, "run_script_in_dir_async", directory=str(world.work), script_content="raise SystemExit(9)", use_uv=False)
        for job_id in [*ids, failing["job_id"]]:
            await job_over(client, job_id)
        listed = await call(client, "py_list_jobs")
        assert listed["total"] >= 4
        assert [job["id"] for job in listed["jobs"]][0] == failing["job_id"]  # newest first
        assert JOB_FIELDS <= set(listed["jobs"][0])
        completed = await call(client, "py_list_jobs", status_filter="completed")
        assert {job["label"] for job in completed["jobs"]} >= {f"label {number}" for number in range(3)}
        assert {job["status"] for job in completed["jobs"]} == {"completed"}
        two = await call(client, "py_list_jobs", limit=2)
        assert (len(two["jobs"]), two["returned"], two["total"]) == (2, 2, listed["total"])
        kept = await call(client, "py_prune_jobs", max_age_hours=0)
        assert kept["removed"] == 0
        pruned = await call(client, "py_prune_jobs", keep_completed=False, keep_failed=False, max_age_hours=0)
        assert (pruned["removed"], pruned["remaining"]) == (listed["total"], 0)
        assert (await call(client, "py_list_jobs"))["total"] == 0


async def test_saved_scripts_are_written_listed_shown_and_run(world: World) -> None:
    async with connect(world) as client:
        source = '"""Says hello."""\nimport sys\nprint("hello", *sys.argv[1:])\n'
        written = await call(client, "py_save_script", script_name="../up/hello", source=source, dependencies=[PACKAGE],
                             requires_python=">=3.9")
        assert written["written"] == "true"
        assert Path(written["path"]) == world.project / "scripts" / "hello.py"
        again = await call(client, "py_save_script", script_name="hello.py", source="print(1)")
        assert again["written"] == "false" and again["message"]
        assert Path(written["path"]).read_text().endswith(source)
        entries = await call(client, "py_list_scripts")
        assert [entry["name"] for entry in entries] == ["hello.py"]
        assert entries[0]["docstring"] == "Says hello." and PACKAGE in entries[0]["header"]
        view = await call(client, "py_view_script", script_name="hello")
        assert (view["name"], view["autosaved"]) == ("hello.py", False)
        assert view["source"] == Path(written["path"]).read_text()
        run = await call(client, "py_run_saved_script", script_name="hello", args=["you"])
        assert (run["stdout"], run["exit_code"], run["execution_strategy"]) == ("hello you\n", 0, "uv-run")


async def test_inline_code_is_kept_with_its_parameters(world: World) -> None:
    async with connect(world) as client:
        await call(client, "run_script_in_dir", directory=str(world.work), script_content="print('kept')", use_uv=False,
                   args=["x"], env_vars={"TOKEN": "hidden"})
        folder = world.project / "autosaved_scripts"
        [script] = folder.glob("*.py")
        assert re.fullmatch(r"\d{8}T\d{6}Z_run_script_in_dir_[0-9a-f]{8}\.py", script.name)
        assert script.read_text() == "print('kept')"
        sidecar = json.loads(script.with_suffix(".json").read_text())
        assert {"tool", "created_at", "params", "sha256"} <= set(sidecar)
        assert sidecar["params"]["args"] == ["x"] and "script_content" not in sidecar["params"]
        assert list(sidecar["params"]["env_vars"]) == ["TOKEN"] and "hidden" not in json.dumps(sidecar)
        assert await call(client, "py_list_scripts") == []
        [entry] = await call(client, "py_list_scripts", include_autosaved=True)
        assert (entry["name"], entry["autosaved"], entry["tool"]) == (script.name, True, "run_script_in_dir")
        view = await call(client, "py_view_script", script_name=script.name, autosaved=True)
        assert view["source"] == "print('kept')" and view["metadata"]["tool"] == "run_script_in_dir"


async def test_an_answer_is_markdown_unless_structure_is_asked_for(world: World) -> None:
    async with connect(world) as client:
        arguments = {"directory": str(world.work), "script_content": "print('```')", "use_uv": False}
        markdown = await client.call_tool("run_script_in_dir", arguments)
        text = text_of(markdown)
        assert text.startswith("## ") and "exit 0" in text.splitlines()[0]
        assert "### stdout\n````" in text
        plain = await client.call_tool("run_script_in_dir", {**arguments, "markdown_output": False})
        assert json.loads(text_of(plain)) == plain.structured_content
        assert markdown.structured_content is not None and set(markdown.structured_content) == set(plain.structured_content or {})


# --- errors -------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_named_with_its_resolved_path(world: World) -> None:
    base: dict[str, Any] = {"directory": str(world.work), "use_uv": False}
    async with connect(world) as client:
        text = await refused(client, "run_script_in_dir", directory=str(world.work / "nowhere"), script_content="1", use_uv=False)
        assert "FileNotFoundError" in text and str(world.work / "nowhere") in text
        text = await refused(client, "run_script_in_dir", script_path="gone.py", **base)
        assert "FileNotFoundError" in text and str(world.work / "gone.py") in text
        text = await refused(client, "run_script_in_dir", script_content="1", env_file=str(world.work / "gone.env"), **base)
        assert "FileNotFoundError" in text and str(world.work / "gone.env") in text
        text = await refused(client, "run_script_with_dependencies", script_path="gone.py", python_version=VERSION)
        assert "FileNotFoundError" in text and str(world.work / "gone.py") in text


async def test_exactly_one_of_path_and_content_must_be_given(world: World) -> None:
    world.script("there.py", "print(1)")
    async with connect(world) as client:
        for tool in ("run_script_in_dir", "run_script_in_dir_async", "run_script_with_dependencies", "benchmark_script"):
            place = {"directory": str(world.work)} if "in_dir" in tool else {}
            for both in ({}, {"script_path": str(world.work / "there.py"), "script_content": "print(2)"}):
                text = await refused(client, tool, **place, **both)
                assert "ValueError" in text and "exactly one" in text, (tool, text)


async def test_without_uv_the_error_says_how_to_get_it_and_how_to_do_without(world: World) -> None:
    world.environment["PATH"] = "/nowhere"
    async with connect(world) as client:
        text = await refused(client, "run_script_in_dir", directory=str(world.work), script_content="print(1)")
        assert "OSError" in text and "uv" in text and "use_uv=false" in text and "install" in text.lower()


async def test_a_python_that_is_not_there_is_an_error_that_names_it(world: World) -> None:
    async with connect(world) as client:
        text = await refused(client, "run_script_with_dependencies", script_content="print(1)", python_version="3.99")
        assert "OSError" in text and "3.99" in text


async def test_a_dependency_that_is_not_there_is_a_result_with_what_uv_said(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "run_script_with_dependencies", script_content="print(1)", python_version=VERSION,
                            dependencies=["no-such-package-anywhere"])
        assert answer["exit_code"] != 0
        assert "no-such-package-anywhere" in answer["stderr"]


async def test_an_unknown_job_is_an_error_that_says_where_jobs_are_listed(world: World) -> None:
    async with connect(world) as client:
        for tool in ("kill_job", "get_job_output"):
            text = await refused(client, tool, job_id="no-such-job")
            assert "ValueError" in text and "no-such-job" in text and "py_list_jobs" in text
        for tool in ("py_job_status", "py_cancel_job"):
            answer = await call(client, tool, job_id="no-such-job")
            assert answer["error"] == "Job no-such-job not found"
        content = (await client.read_resource("job-stream://no-such-job")).contents[0]
        assert content.text == "[error] job not found: no-such-job"


# --- smart async ----------------------------------------------------------------------------------------


async def test_a_call_over_its_budget_goes_on_as_a_job(world: World) -> None:
    world.environment["SMART_ASYNC_TIMEOUT_SECONDS"] = "0.5"
    async with connect(world) as client:
        fast = await call(client, "run_script_in_dir", directory=str(world.work), script_content="print('fast')", use_uv=False)
        assert fast["stdout"] == "fast\n"
        begin = time.monotonic()
        slow = await call(client, "run_script_in_dir", directory=str(world.work), use_uv=False,
                          script_content="import time\nprint('slow', flush=True)\ntime.sleep(3)\nprint('done')")
        assert time.monotonic() - begin < 2.9
        assert slow["status"] == "running" and "0.5s time budget; running in background" in slow["message"]
        job = await job_over(client, slow["job_id"])
        assert (job["status"], job["result"]["stdout"], job["result"]["exit_code"]) == ("completed", "slow\ndone\n", 0)


async def test_no_budget_means_no_switch(world: World) -> None:
    world.environment["SMART_ASYNC_TIMEOUT_SECONDS"] = "0"
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir", directory=str(world.work), use_uv=False,
                            script_content="import time\ntime.sleep(1.5)\nprint('done')")
        assert answer["stdout"] == "done\n"


# --- the stream of a job ----------------------------------------------------------------------------------


async def test_the_stream_of_a_job_is_read_again_and_again(world: World) -> None:
    async with connect(world) as client:
        code = "import sys\nprint('out')\nprint('err', file=sys.stderr)"
        started = await call(client, "run_script_in_dir_async", directory=str(world.work), script_content=code, use_uv=False)
        job_id = started["job_id"]
        await job_over(client, job_id)
        for _ in range(2):
            content = (await client.read_resource(f"job-stream://{job_id}")).contents[0]
            assert content.mime_type == "text/plain"
            assert content.text == "---STDOUT---\nout\n\n---STDERR---\nerr\n"
        assert (await call(client, "py_job_status", job_id=job_id))["job"]["status"] == "completed"


STEPS = """
import pathlib, time
for step in range(3):
    print('step', step, flush=True)
    while not pathlib.Path(f'go{step}').exists(): time.sleep(0.02)
"""


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_who_subscribed_to_a_stream_is_told_of_new_output(world: World, mode: str) -> None:
    updates: list[str] = []

    async def on_message(message: Any) -> None:
        root = getattr(message, "root", message)
        if getattr(root, "method", "") == "notifications/resources/updated":
            updates.append(str(root.params.uri))

    async with connect(world, mode, message_handler=on_message) as client:
        started = await call(client, "run_script_in_dir_async", directory=str(world.work), script_content=STEPS, use_uv=False)
        uri = f"job-stream://{started['job_id']}"

        async def drive() -> None:
            for step in range(3):
                seen = len(updates)
                (world.work / f"go{step}").touch()

                async def told(seen: int = seen) -> bool:
                    return len(updates) > seen

                await eventually(told, f"an update after step {step}")

        if mode == "legacy":
            await client.subscribe_resource(uri)
            await drive()
        else:
            async with client.listen(resource_subscriptions=[uri]) as subscription:

                async def collect() -> None:
                    async for event in subscription:
                        updates.append(str(event.uri))

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(collect)
                    await drive()
                    tasks.cancel_scope.cancel()
        assert set(updates) == {uri}
        await job_over(client, started["job_id"])
        text = (await client.read_resource(uri)).contents[0].text
        assert text == "---STDOUT---\nstep 0\nstep 1\nstep 2\n\n---STDERR---\n"


GATED = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\nprint('done')"


# --- the defects of the original ----------------------------------------------------------------------------


async def test_defect_1_a_background_job_leaves_running_when_it_is_done(world: World) -> None:
    async with connect(world) as client:
        started = await call(client, "run_script_in_dir", directory=str(world.work), use_uv=False, async_mode=True,
                             job_label="mine", script_content=GATED)
        assert started["status"] == "pending"

        async def in_state(state: str) -> Any:
            job = (await call(client, "py_job_status", job_id=started["job_id"]))["job"]
            return job if job["status"] == state else None

        await eventually(lambda: in_state("running"), "the start of the job")
        (world.work / "go").touch()
        job = await eventually(lambda: in_state("completed"), "the completion of the job")
        assert (job["label"], job["result"]["stdout"], job["error"]) == ("mine", "done\n", None)
        assert job["created_at"] and job["started_at"] and job["completed_at"]


async def test_defect_2_an_incremental_read_gives_each_line_once(world: World) -> None:
    async with connect(world) as client:
        started = await call(client, "run_script_in_dir", directory=str(world.work), use_uv=False, async_mode=True,
                             script_content=STEPS)
        job_id = started["job_id"]
        for step in range(3):

            async def new_text() -> Any:
                answer = await call(client, "py_job_status", job_id=job_id, incremental=True)
                return answer if answer["job"].get("new_stdout") else None

            answer = await eventually(new_text, f"the output of step {step}")
            assert answer["incremental"] is True
            assert answer["job"]["new_stdout"] == f"step {step}\n"
            assert answer["job"]["partial_stdout"] == "".join(f"step {each}\n" for each in range(step + 1))
            again = await call(client, "py_job_status", job_id=job_id, incremental=True)
            assert again["job"]["new_stdout"] == ""
            (world.work / f"go{step}").touch()
        await job_over(client, job_id)


async def test_defect_3_cancelling_a_job_ends_its_processes(world: World) -> None:
    code = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '300'])\nprint(os.getpid(), child.pid, flush=True)\ntime.sleep(300)"
    async with connect(world) as client:
        for use_uv in (False, True):
            started = await call(client, "run_script_in_dir", directory=str(world.work), script_content=code, use_uv=use_uv, async_mode=True)
            job_id = started["job_id"]

            async def pids() -> Any:
                job = (await call(client, "py_job_status", job_id=job_id, incremental=False))["job"]
                return [int(word) for word in job.get("partial_stdout", "").split()]

            found = await eventually(pids, "the numbers of the processes")
            assert all(runs(pid) for pid in found)
            cancelled = await call(client, "py_cancel_job", job_id=job_id)
            assert (cancelled["job_id"], cancelled["status"]) == (job_id, "cancelled") and cancelled["message"]
            assert (await call(client, "py_job_status", job_id=job_id))["job"]["status"] == "cancelled"

            async def gone() -> bool:
                return not any(runs(pid) for pid in found)

            await eventually(gone, "the end of the processes", 20)
            again = await call(client, "py_cancel_job", job_id=job_id)
            assert "is not running (status: cancelled)" in again["error"] and again["job_id"] == job_id


async def test_defect_4_a_benchmark_measures_the_script_keeps_its_timeout_and_lets_others_in(world: World) -> None:
    code = "data = b'x' * 80_000_000\nimport time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\nprint(len(data))"
    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content=code, python_version=VERSION)
        assert (answer["stdout"], answer["exit_code"]) == ("80000000\n", 0)
        assert answer["peak_rss_mb"] >= 76  # of the script, not of what started it
        assert 0.4 <= answer["cpu_time_seconds"] <= answer["wall_time_seconds"] * os.cpu_count()
        async with anyio.create_task_group() as tasks:
            answers: list[Any] = []

            async def long_one() -> None:
                answers.append(await call(client, "benchmark_script", script_content=WAITS, python_version=VERSION, timeout_seconds=2))

            tasks.start_soon(long_one)
            await anyio.sleep(0.3)
            begin = time.monotonic()
            await client.list_tools()
            assert time.monotonic() - begin < 1.0 and not answers
        assert "[TIMEOUT]" in answers[0]["stderr"].splitlines() and answers[0]["exit_code"] < 0


async def test_defect_5_async_jobs_are_listed_and_their_streams_are_found(world: World) -> None:
    async with connect(world) as client:
        ids = [
            (await call(client, "run_script_in_dir_async", directory=str(world.work), script_content=WAITS, use_uv=False))["job_id"],
            (await call(client, "run_script_with_dependencies_async", script_content=WAITS, python_version=VERSION))["job_id"],
            (await call(client, "run_script_in_dir", directory=str(world.work), script_content=WAITS, use_uv=False, async_mode=True))["job_id"],
        ]
        for job_id in ids:

            async def streamed() -> bool:
                text = (await client.read_resource(f"job-stream://{job_id}")).contents[0].text
                return text == "---STDOUT---\nbegun\n\n---STDERR---\n"

            await eventually(streamed, "the stream of the job")
        assert {entry["job_id"] for entry in await call(client, "list_running_jobs")} >= set(ids)
        for job_id in ids:
            assert (await call(client, "kill_job", job_id=job_id))["status"] == "killed"


async def test_defect_6_content_and_path_together_are_refused(world: World) -> None:
    world.script("there.py", "open('ran', 'w')")
    async with connect(world) as client:
        text = await refused(client, "run_script_in_dir", directory=str(world.work), script_path="there.py",
                             script_content="open('ran', 'w')", use_uv=False)
        assert "exactly one" in text
    assert not (world.work / "ran").exists()


async def test_defect_7_a_timeout_keeps_what_was_printed_and_ends_the_whole_tree(world: World) -> None:
    code = ("import os, subprocess, sys, time\nchild = subprocess.Popen(['sleep', '300'])\n"
            "print(os.getpid(), child.pid, flush=True)\nprint('half a line', end='', file=sys.stderr, flush=True)\ntime.sleep(300)")  # fmt: skip
    async with connect(world) as client:
        for use_uv in (False, True):
            answer = await call(client, "run_script_in_dir", directory=str(world.work), script_content=code, timeout_seconds=2, use_uv=use_uv)
            assert answer["exit_code"] in (-signal.SIGTERM, -signal.SIGKILL)
            assert answer["stderr"] == "half a line\n[TIMEOUT]\n" or answer["stderr"] == "half a line\n[TIMEOUT]"
            found = [int(word) for word in answer["stdout"].split()]
            assert len(found) == 2 and not any(runs(pid) for pid in found)


async def test_defect_8_an_exit_code_is_the_one_of_the_process(world: World) -> None:
    async with connect(world) as client:
        for use_uv in (False, True):
            for code, expected in (("raise SystemExit(3)", 3), ("raise ValueError('no')", 1), ("print()", 0)):
                answer = await call(client, "run_script_in_dir", directory=str(world.work), script_content=code, use_uv=use_uv)
                assert answer["exit_code"] == expected
        answer = await call(client, "run_script_in_dir", directory=str(world.work), use_uv=False,
                            script_content="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert answer["exit_code"] == -signal.SIGKILL


async def test_defect_9_output_that_is_not_utf8_is_replaced_not_refused(world: World) -> None:
    code = "import sys\nsys.stdout.buffer.write(b'a\\xff\\xfeb\\n')\nsys.stderr.buffer.write(b'\\xe2\\x82')"
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir", directory=str(world.work), script_content=code, use_uv=False)
        assert (answer["stdout"], answer["exit_code"]) == ("a\ufffd\ufffdb\n", 0)
        assert answer["stderr"] and set(answer["stderr"]) == {"\ufffd"}


STANDARD = "csv random hashlib tempfile sqlite3 unittest string decimal traceback"


async def test_defect_10_the_standard_library_is_not_asked_of_the_package_index(world: World) -> None:
    world.script("beside.py", "value = 7\n")
    code = "".join(f"import {name}\n" for name in STANDARD.split()) + "import os, beside\nprint(beside.value)"
    world.script("main.py", code)
    async with connect(world) as client:
        answer = await call(client, "run_script_in_dir", directory=str(world.work), script_path="main.py")
        assert (answer["stdout"], answer["exit_code"]) == ("7\n", 0), answer["stderr"]
        assert not answer.get("auto_added_dependencies")
        inline = await call(client, "run_script_with_dependencies", script_content=f"import csv, {PACKAGE}\nprint(csv.__name__)",
                            python_version=VERSION)
        assert (inline["stdout"], inline["exit_code"]) == ("csv\n", 0), inline["stderr"]
        assert inline["auto_added_dependencies"] == [PACKAGE]

