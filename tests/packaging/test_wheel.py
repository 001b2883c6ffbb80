"""The wheel: built from this tree, installed into an empty environment, driven by the official SDK.

The build is the one `pip install .` makes, except that the build tools are those of the test
environment, so that a second run of the tests finds what the first one compiled (build/wheel).
Needs the package index for python-dotenv alone, as the set-up of the tests does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.world import find_uv  # noqa: E402

DEADLINE = 60.0
BUILD_DEADLINE = 540.0

SCRIPT_TOOLS = {
    "run_script_in_dir", "run_script_with_dependencies", "benchmark_script",
    "run_script_in_dir_async", "run_script_with_dependencies_async",
    "list_running_jobs", "get_job_output", "kill_job",
    "py_job_status", "py_list_jobs", "py_cancel_job", "py_prune_jobs",
    "py_list_scripts", "py_view_script", "py_save_script", "py_run_saved_script", "cleanup_jobs",
}


def run(command: list[str], environment: dict[str, str], deadline: float = DEADLINE) -> str:
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=deadline)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@dataclass
class Place:
    """Where things are put: nothing of the person who runs the tests is touched."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("XDG_", "PYEMBER_", "PYTHON_MCP")) and name != "VIRTUAL_ENV"}
        return {**kept, "HOME": str(self.root / "home"), "UV_CACHE_DIR": str(self.root / "uv-cache"),
                "UV_TOOL_DIR": str(self.root / "tools"), "UV_TOOL_BIN_DIR": str(self.root / "tool-bin"),
                "PATH": os.pathsep.join([str(Path(find_uv()).parent), kept["PATH"]])}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = Place(tmp_path_factory.mktemp("wheel"))
    (found.root / "home").mkdir()
    return found


@pytest.fixture(scope="session")
def wheel(place: Place) -> Path:
    run([sys.executable, str(Path(__file__).parent / "build_wheel.py"), str(place.root / "dist")], dict(os.environ),
        BUILD_DEADLINE)
    (built,) = (place.root / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(place: Place, wheel: Path) -> Path:
    """The bin folder of an environment that holds the wheel and what it asks for, nothing else."""
    folder = place.root / "environment"
    run([find_uv(), "venv", "--python", sys.executable, str(folder)], place.environment)
    run([find_uv(), "pip", "install", "--python", str(folder / "bin" / "python"), str(wheel)], place.environment)
    return folder / "bin"


async def tools_of(command: str, arguments: list[str], environment: dict[str, str]) -> set[str]:
    server = StdioServerParameters(command=command, args=arguments, env=environment)
    async with Client(server, read_timeout_seconds=DEADLINE) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize(("name", "arguments"), [
    ("python-executor-mcp", []),
    ("python-mcp-server", []),
    ("python", ["-m", "python_mcp_server"]),
    ("pyember", ["serve", "--profile", "scripts"]),
])
def test_the_script_executors_commands_list_its_tools(installed: Path, place: Place, name: str, arguments: list[str]) -> None:
    assert anyio.run(tools_of, str(installed / name), arguments, place.environment) == SCRIPT_TOOLS


@pytest.mark.parametrize(("name", "arguments"), [
    ("mcp-server-code-execution-mode", []),
    ("mcp-server-code-execution-mode", ["run"]),
    ("python", ["-m", "mcp_code_execution_mode"]),
])
def test_code_modes_commands_list_its_one_tool(installed: Path, place: Place, name: str, arguments: list[str]) -> None:
    assert anyio.run(tools_of, str(installed / name), arguments, place.environment) == {"run_python"}


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_pyember_lists_sessions_and_scripts(installed: Path, place: Place, arguments: list[str]) -> None:
    listed = anyio.run(tools_of, str(installed / "pyember"), arguments, place.environment)
    assert listed > SCRIPT_TOOLS | {"run_python", "inspect_session"}


def test_a_profile_named_by_a_variable_is_taken_by_every_command(installed: Path, place: Place) -> None:
    environment = {**place.environment, "PYEMBER_PROFILE": "code"}
    for name in ("pyember", "python-executor-mcp"):
        assert anyio.run(tools_of, str(installed / name), [], environment) == {"run_python"}


def test_the_installed_server_runs_sessions_and_scripts(installed: Path, place: Place, tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("GREETING='hello from the file'\n")
    # Found on PATH by use_uv=false.
    environment = {**place.environment, "PATH": f"{installed}:{place.environment['PATH']}",
                   "PYTHON_MCP_HOME": str(tmp_path)}

    async def talk() -> None:
        server = StdioServerParameters(command=str(installed / "pyember"), args=["serve"], env=environment)
        async with Client(server, read_timeout_seconds=DEADLINE) as client:
            cell = await client.call_tool("run_python", {"code": "import python_mcp_server.smart_async as s; s.__name__"})
            assert (cell.structured_content or {})["result"] == "'python_mcp_server.smart_async'"
            script = await client.call_tool("run_script_in_dir", {
                "directory": str(tmp_path), "script_content": "import os; print(os.environ['GREETING'])",
                "use_uv": False, "env_file": str(tmp_path / "settings.env")})
            answer = script.structured_content or {}
            assert (answer["stdout"], answer["exit_code"]) == ("hello from the file\n", 0), script

    anyio.run(talk)


def test_doctor_finds_everything_where_the_wheel_put_it(installed: Path, place: Place) -> None:
    findings = json.loads(run([str(installed / "pyember"), "doctor", "--json"], place.environment))
    states = {check["name"]: check for check in findings["checks"]}
    root = str(installed.parent.resolve())
    for name in ("runtime package", "runner", "python-dotenv"):
        assert states[name]["state"] == "ok", states[name]
        assert states[name]["detail"].startswith(root), states[name]


def test_uv_tool_puts_every_command_on_the_path(place: Place, wheel: Path) -> None:
    run([find_uv(), "tool", "install", "--python", sys.executable, str(wheel)], place.environment)
    folder = place.root / "tool-bin"
    assert {path.name for path in folder.iterdir()} == {
        "pyember", "python-executor-mcp", "python-mcp-server", "mcp-server-code-execution-mode"}
    assert run([str(folder / "pyember"), "--version"], place.environment).startswith("pyember ")
    listed = anyio.run(tools_of, str(folder / "python-mcp-server"), [], place.environment)
    assert listed == SCRIPT_TOOLS


def test_the_programs_are_stripped_and_no_test_is_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        programs = [name for name in names if name.endswith(("/scripts/pyember", "/pyember-runner", "/pyember-enter", "/pyember-http.so"))]
        archive.extractall(tmp_path, programs)
    assert len(programs) == (4 if sys.platform == "linux" else 2), names
    assert not [name for name in names if Path(name).name.startswith("test_") or "tests" in Path(name).parts], names
    for name in programs:
        sections = run(["readelf", "--section-headers", "--wide", str(tmp_path / name)], dict(os.environ))
        assert ".symtab" not in sections
        assert ".debug_info" not in sections


def test_a_python_that_cannot_be_embedded_is_refused_with_what_to_do(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho version=3.13\necho 'problem=was built without a shared library'\n")
    python.chmod(0o755)
    done = subprocess.run(["cmake", "-S", str(ROOT), "-B", str(tmp_path / "build"), "-G", "Ninja", "-DSKBUILD=2",
                           f"-DPython_EXECUTABLE={python}", "-DPYEMBER_TESTS=OFF", "-DPYEMBER_BENCH=OFF"],
                          capture_output=True, text=True, timeout=DEADLINE)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert f"{python} was built without a shared library" in said
    assert "uv tool install --python 3.13 ." in said
