"""The commands that start the server, with a stand-in for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from smart_jobs import PACKAGES

# Tells the name and arguments it was started with, and whether SIGPIPE is ignored. sys.orig_argv
# is the command line as the kernel has it.
_STAND_IN = """#!/bin/sh
tr '\\0' '|' < /proc/$$/cmdline
grep SigIgn /proc/$$/status
"""


def program(folder: Path, text: str = _STAND_IN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pyember"
    path.write_text(text)
    path.chmod(0o755)
    return path


def command(*arguments: str, code: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "python_mcp_server"]
    variables = {"PYTHONPATH": str(PACKAGES), "PATH": "/usr/bin:/bin", **environment}
    return subprocess.run([sys.executable, *start, *arguments], env=variables, capture_output=True, text=True, timeout=30)


def test_the_module_becomes_the_server_and_passes_its_arguments_on(tmp_path: Path) -> None:
    done = command("serve", "--timeout", "3 s", PYEMBER_BINARY=str(program(tmp_path)))
    assert done.returncode == 0, done.stderr
    # The kernel puts the interpreter of a script in front, and the script's path for its argv[0].
    assert done.stdout.splitlines()[0].startswith(f"/bin/sh|{tmp_path}/pyember|serve|--timeout|3 s|")


@pytest.mark.parametrize("name", ["python-executor-mcp", "python-mcp-server"])
def test_the_server_is_started_under_the_name_of_the_command(name: str, tmp_path: Path) -> None:
    code = f"from python_mcp_server._launch import {name.replace('-', '_')} as main; main()"
    # A program that is no script has the name it is given; Python is one that tells it.
    (tmp_path / "pyember").symlink_to(os.path.realpath(sys.executable))
    done = command("-S", "-c", "import sys; print(sys.orig_argv)", code=code, PYEMBER_BINARY=str(tmp_path / "pyember"),
                   PYTHONHOME=sys.base_prefix)
    assert done.stdout.strip() == repr([name, "-S", "-c", "import sys; print(sys.orig_argv)"]), done.stderr


def test_the_server_does_not_inherit_ignored_signals(tmp_path: Path) -> None:
    done = command(PYEMBER_BINARY=str(program(tmp_path)))
    ignored = int(done.stdout.splitlines()[-1].split()[-1], 16)
    assert ignored & (1 << 12) == 0, "SIGPIPE is ignored"


def test_the_server_beside_the_command_comes_before_the_one_on_path(tmp_path: Path) -> None:
    program(tmp_path / "bin", "#!/bin/sh\necho beside\n")
    program(tmp_path / "path", "#!/bin/sh\necho path\n")
    start = tmp_path / "bin" / "python-executor-mcp"
    start.write_text("from python_mcp_server._launch import python_executor_mcp; python_executor_mcp()")
    variables = {"PYTHONPATH": str(PACKAGES), "PATH": f"{tmp_path}/path:/usr/bin:/bin"}
    for expected in ("beside", "path"):
        done = subprocess.run([sys.executable, str(start)], env=variables, capture_output=True, text=True, timeout=30)
        assert done.stdout == f"{expected}\n", done.stderr
        (tmp_path / "bin" / "pyember").unlink(missing_ok=True)


def test_without_a_server_the_error_says_where_it_looked_and_what_to_do() -> None:
    done = command()
    assert done.returncode == 127
    assert done.stdout == ""
    for part in ("python-mcp-server: the server can't be started", os.path.dirname(sys.executable), "nor on PATH",
                 "pip install pyember", "PYEMBER_BINARY="):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variable_that_names_no_program_is_an_error_of_its_own(tmp_path: Path) -> None:
    done = command(PYEMBER_BINARY=str(tmp_path / "missing"))
    assert done.returncode == 127
    assert f"PYEMBER_BINARY names {tmp_path}/missing" in done.stderr


def test_a_program_that_can_not_be_executed_is_an_error_too(tmp_path: Path) -> None:
    done = command(PYEMBER_BINARY=str(program(tmp_path, "\x7fELF no program at all")))
    assert done.returncode == 127
    assert "can't be started: Exec format error" in done.stderr
