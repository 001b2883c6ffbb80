"""What people type: pyember run, jobs and doctor, in a pipe and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import DEADLINE, Finished, pyember
from tests.support.raw_client import server_binary
from tests.support.world import PACKAGE, VERSION, World, make_world, runs


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def start(world: World, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([server_binary(), *arguments], cwd=world.work, env=world.variables(), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def on_a_terminal(world: World, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code, and everything the terminal was sent."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(world.work)
        os.execve(server_binary(), [server_binary(), *arguments], {**world.variables(), "TERM": "xterm", **variables})
    shown, end = b"", time.monotonic() + DEADLINE
    try:
        while time.monotonic() < end:
            if select.select([screen], [], [], 0.2)[0]:
                try:
                    chunk = os.read(screen, 65536)
                except OSError:  # the other side is closed
                    break
                if not chunk:
                    break
                shown += chunk
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(screen)
    return os.waitstatus_to_exitcode(status), shown.decode()


def listed(world: World, *arguments: str) -> list[dict[str, Any]]:
    done = pyember(world, "jobs", "list", "--json", *arguments)
    assert done.code == 0, done
    jobs: list[dict[str, Any]] = json.loads(done.out)["jobs"]
    return jobs


def wait_for(what: str, holds: Any) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: did not come about within {DEADLINE:g} s")


# --- run -----------------------------------------------------------------------------------------


def test_run_shows_both_streams_and_ends_with_the_scripts_exit_code(world: World) -> None:
    script = world.script("talk.py", "import sys\nprint('out', sys.argv[1:])\nprint('err', file=sys.stderr)\nsys.exit(7)\n")
    done = pyember(world, "run", "--no-uv", str(script), "--verbose", "-x", "a b")
    assert (done.code, done.out, done.err) == (7, "out ['--verbose', '-x', 'a b']\n", "err\n")


def test_run_takes_code_with_arguments(world: World) -> None:
    done = pyember(world, "run", "--no-uv", "-c", "import sys; print(sys.argv[1:])", "one", "--two")
    assert (done.code, done.out) == (0, "['one', '--two']\n"), done


def test_run_gives_the_script_its_dependency(world: World) -> None:
    done = pyember(world, "run", "--python", VERSION, "--isolated", "--with", PACKAGE, "-c", f"import {PACKAGE}; print({PACKAGE}.answer)")
    assert (done.code, done.out) == (0, "42\n"), done


def test_run_reads_an_env_file_and_named_variables_win(world: World) -> None:
    (world.work / "a.env").write_text("A=file\nB='file too'\n")
    done = pyember(world, "run", "--no-uv", "--env-file", "a.env", "--env", "A=named",
                   "-c", "import os; print(os.environ['A'], os.environ['B'])")
    assert (done.code, done.out) == (0, "named file too\n"), done


def test_run_uses_the_directory_it_is_given(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world.script("where.py", "import os; print(os.getcwd())\n")
    done = pyember(world, "run", "--no-uv", "--directory", str(elsewhere), "where.py")
    assert (done.code, done.out) == (0, f"{elsewhere}\n"), done


def test_run_ends_a_script_at_its_timeout_and_keeps_what_it_printed(world: World) -> None:
    done = pyember(world, "run", "--no-uv", "--timeout", "1", "-c", "import time; print('begun', flush=True); time.sleep(600)")
    assert (done.code, done.out) == (124, "begun\n"), done
    assert "[TIMEOUT]" in done.err


@pytest.mark.parametrize(("arguments", "said"), [
    (["run"], "Nothing to run"),
    (["run", "missing.py"], "missing.py"),
    (["run", "--wth", "x", "a.py"], "--wth"),
    (["run", "--env", "nonsense", "-c", "1"], "NAME=value"),
    (["run", "--directory", "nowhere", "-c", "1"], "nowhere"),
])
def test_run_says_what_is_wrong_with_the_command(world: World, arguments: list[str], said: str) -> None:
    done = pyember(world, *arguments)
    assert done.code == 2, done
    assert done.err.startswith("pyember: ")
    assert said in done.err
    assert done.out == ""


def test_an_interrupt_ends_the_scripts_whole_tree(world: World) -> None:
    code = ("import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "print(child.pid, flush=True)\ntime.sleep(600)\n")
    process = start(world, "run", "--no-uv", "-c", code)
    assert process.stdout is not None
    child = int(process.stdout.readline())  # shown while it runs
    assert runs(child)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE) == 128 + signal.SIGINT
    wait_for("the end of the script's child", lambda: not runs(child))
    process.stdout.close()
    assert listed(world, "--status", "running") == []


def test_run_leaves_no_job_and_no_file_where_it_was_called(world: World) -> None:
    assert pyember(world, "run", "--no-uv", "-c", "print(1)", PYTHON_MCP_HOME="").code == 0
    assert listed(world) == []
    assert list(world.work.iterdir()) == []


# --- jobs ----------------------------------------------------------------------------------------


@pytest.fixture
def background(world: World) -> Iterator[str]:
    done = pyember(world, "run", "--no-uv", "--background", "-c",
                   "import time\nfor i in range(6000): print('line', i, flush=True); time.sleep(0.1)")
    assert done.code == 0, done
    job = done.out.strip()
    yield job
    pyember(world, "jobs", "cancel", job)


def test_a_background_job_is_listed_shown_followed_and_cancelled(world: World, background: str) -> None:
    (job,) = listed(world, "--status", "running")
    assert job["id"] == background
    assert background in pyember(world, "jobs").out
    shown = json.loads(pyember(world, "jobs", "show", background[:8]).out)
    assert shown["status"] == "running"
    wait_for("its output", lambda: "line 2\n" in pyember(world, "jobs", "tail", background).out)

    follower = start(world, "jobs", "tail", "-f", background)
    assert follower.stdout is not None
    assert [follower.stdout.readline() for _ in range(3)] == ["line 0\n", "line 1\n", "line 2\n"]
    cancelled = pyember(world, "jobs", "cancel", background)
    assert cancelled.code == 0, cancelled
    assert follower.wait(DEADLINE) == 0  # it ends with the job
    follower.stdout.close()
    assert [job["status"] for job in listed(world)] == ["cancelled"]


def test_prune_removes_what_is_over_and_nothing_else(world: World, background: str) -> None:
    ended = pyember(world, "run", "--no-uv", "--background", "-c", "print('done')").out.strip()
    wait_for("the end of the short job", lambda: [job for job in listed(world) if job["id"] == ended and job["status"] == "completed"])
    assert pyember(world, "jobs", "prune").out == "0 removed\n"  # younger than a day
    assert pyember(world, "jobs", "prune", "--older-than", "0").out == "1 removed\n"
    assert [job["id"] for job in listed(world)] == [background]


def test_tail_prints_the_last_lines(world: World) -> None:
    job = pyember(world, "run", "--no-uv", "--background", "-c", "for i in range(50000): print('line', i)").out.strip()
    wait_for("its end", lambda: listed(world, "--status", "completed"))
    assert pyember(world, "jobs", "tail", "-n", "2", job).out == "line 49998\nline 49999\n"
    assert len(pyember(world, "jobs", "tail", job).out.splitlines()) == 50000


def test_jobs_says_what_is_not_there_and_makes_no_store_by_being_asked(world: World) -> None:
    assert pyember(world, "jobs").out == "no jobs\n"
    assert not world.store.exists()
    done = pyember(world, "jobs", "show", "nonsense")
    assert (done.code, done.out) == (1, "")
    assert "There is no job 'nonsense'" in done.err


# --- doctor --------------------------------------------------------------------------------------


def checks_of(done: Finished) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(done.out)["checks"]}


def test_doctor_finds_what_is_there(world: World) -> None:
    done = pyember(world, "doctor", "--json")
    checks = checks_of(done)
    for name in ("runtime package", "embedded Python", "runner", "uv", "system Python", "jobs", "environments", "unshare",
                 "HTTP module"):
        assert checks[name]["state"] == "ok", checks[name]
    assert (done.code, json.loads(done.out)["ok"]) == (0, True)
    assert not world.store.exists()  # looking changes nothing


@pytest.mark.parametrize(("variables", "name"), [
    ({"PYEMBER_UV": "/nowhere/uv"}, "uv"),
    ({"PYEMBER_RUNTIME_DIR": "/nowhere"}, "runtime package"),
    ({"PYEMBER_RUNNER": "/nowhere/runner"}, "runner"),
])
def test_doctor_says_what_to_do_about_what_is_missing(world: World, variables: dict[str, str], name: str) -> None:
    done = pyember(world, "doctor", "--json", **variables)
    check = checks_of(done)[name]
    assert (done.code, check["state"]) == (1, "problem")
    assert check["advice"]
    plain = pyember(world, "doctor", **variables)
    assert plain.code == 1
    assert check["advice"] in plain.out


def test_doctor_says_why_http_can_t_be_served(world: World) -> None:
    check = checks_of(pyember(world, "doctor", "--json", PYEMBER_HTTP_MODULE="/nowhere/pyember-http.so"))["HTTP module"]
    assert check["state"] == "note" and "/nowhere/pyember-http.so" in check["detail"], check


def test_doctor_reads_clients_configurations_as_editors_write_them(world: World) -> None:
    folder = world.home / ".cursor"
    folder.mkdir()
    (folder / "mcp.json").write_text('{\n  // mine\n  "mcpServers": {"py": {"command": "/nowhere/pyember",},},\n}\n')
    (world.home / ".claude.json").write_text('{"mcpServers": {"other": {"command": "x // no comment"}}}')
    vscode = world.work / ".vscode"
    vscode.mkdir()
    (vscode / "mcp.json").write_text("{ broken")
    found = {client["client"]: client for client in json.loads(pyember(world, "doctor", "--json").out)["clients"]}
    assert found["Cursor"]["state"] == "with pyember"
    assert found["Cursor"]["detail"] == "/nowhere/pyember"
    assert found["Claude Code"]["state"] == "without pyember"
    assert found["Claude Code"]["block"]["mcpServers"]["pyember"]["args"] == ["serve"]
    assert Path(found["Claude Code"]["block"]["mcpServers"]["pyember"]["command"]).is_file()
    assert found["VS Code, this folder"]["state"] == "unreadable"
    assert found["Windsurf"]["state"] == "not there"
    plain = pyember(world, "doctor").out
    assert "That program is not there" in plain
    assert "Claude Code: " in plain


# --- terminals -----------------------------------------------------------------------------------

ESCAPE = re.compile(r"\x1b\[")


def test_in_a_pipe_there_are_no_colours_and_no_progress(world: World) -> None:
    for arguments in (["doctor"], ["jobs"], ["run", "--no-uv", "-c", "import time; time.sleep(1.2); print(1)"]):
        done = pyember(world, *arguments, TERM="xterm")
        assert not ESCAPE.search(done.out + done.err), done


def test_on_a_terminal_there_are_colours(world: World) -> None:
    code, shown = on_a_terminal(world, "doctor")
    assert code == 0, shown
    assert "\x1b[32m" in shown


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_when_they_are_not_wanted(world: World, variables: dict[str, str]) -> None:
    _, shown = on_a_terminal(world, "doctor", **variables)
    assert not re.search(r"\x1b\[\d+m", shown), shown


def test_a_progress_line_is_shown_while_nothing_is_printed_and_is_gone_afterwards(world: World) -> None:
    code, shown = on_a_terminal(world, "run", "--no-uv", "-c", "import time; time.sleep(1.5); print('the end')")
    assert code == 0, shown
    assert "-c runs …" in shown
    assert shown.rsplit("\x1b[K", 1)[1].strip() == "the end"
