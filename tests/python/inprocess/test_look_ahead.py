"""Cells that need a worker process, told before anything of them runs."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from laboratory import RUNTIME, Cell, run

sys.path.insert(0, str(RUNTIME))

from mcp_runtime.inprocess.requirements import applies  # noqa: E402

STANDARD = Path(sysconfig.get_path("stdlib"), "lib-dynload")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
NEEDS_WORKER = 3


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """site-packages with a package that can't load here, and packages around it."""
    refusing = STANDARD / f"_testsinglephase{SUFFIX}"
    if not refusing.exists():
        pytest.skip("this CPython was built without its test modules")
    site = tmp_path / "lib/python3/site-packages"

    def package(name: str, text: str = "", project: str = "", requires: tuple[str, ...] = (),
                files: tuple[str, ...] = ()) -> Path:
        folder = site / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text)
        told = site / f"{project or name}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(
            "Metadata-Version: 2.1\n" + "".join(f"Requires-Dist: {entry}\n" for entry in requires)
            + "\nRequires-Dist: refuser is only text here\n")
        (told / "RECORD").write_text("".join(f"{file},,\n" for file in (f"{name}/__init__.py", *files)))
        return folder

    module = f"refuser/inner/_testsinglephase{SUFFIX}"
    inner = package("refuser", "print('ran')\n", files=(module,)) / "inner"
    inner.mkdir()
    (site / module).symlink_to(refusing)
    package("pure", requires=("other; extra == 'all'",))
    package("other")
    package("drawer", project="Drawer_Project", requires=("Middle (>=1.0)", "missing"))
    package("middle", requires=("refuser>=1; python_version >= '3.8'",))
    package("unconcerned", requires=("refuser; extra == 'fast'", "refuser; sys_platform == 'win32'"))
    package("stubborn", "import importlib\nname = 'ref' + 'user.inner._testsinglephase'\n"
            "def go(): return importlib.import_module(name)\n")
    (site / "spaced" / "deep").mkdir(parents=True)
    (site / "spaced/deep/__init__.py").write_text("")
    (site / f"spaced/deep/_testsinglephase{SUFFIX}").symlink_to(refusing)
    (site / "spaced" / "fine.py").write_text("")
    return site


def look(site: Path, *cells: str, **config: str) -> list[Cell]:
    return run(list(cells), site_directories=[str(site)], look_ahead=True, **config).cells


@pytest.mark.parametrize("code", [
    "import refuser",
    "x = 1\nimport refuser as r, os",
    "from refuser import something",
    "from refuser.inner import something",
    "import refuser.inner",
    "def f():\n    class C:\n        def g(self):\n            import refuser\n",
    "lambda: __import__('refuser')",
    "import importlib\nimportlib.import_module('refuser.inner')",
    "try:\n    import refuser\nexcept ImportError:\n    pass",
    "async def f():\n    import refuser\nawait f()",
])
def test_an_import_anywhere_in_the_cell_is_seen_before_it_runs(site: Path, code: str) -> None:
    cells = look(site, "ran = []", "ran.append(1)\n" + code, "ran")
    assert cells[1].status == NEEDS_WORKER
    assert (cells[1].result or "").startswith("it imports refuser")
    assert "which does not load in a sub-interpreter" in (cells[1].result or "")
    assert cells[1].error is None and cells[1].notices == ()
    assert cells[2].result == "[]"


@pytest.mark.parametrize("code", [
    "import pure, other", "import unconcerned", "import json, sqlite3, asyncio, concurrent.futures",
    "'import refuser'", "# import refuser\n1", "import spaced.fine", "from spaced import fine",
    "import concurrent.futures\nconcurrent.futures.ThreadPoolExecutor",
])
def test_what_loads_is_run(site: Path, code: str) -> None:
    assert look(site, code)[0].status == 0


def test_what_a_package_requires_counts_too(site: Path) -> None:
    cell = look(site, "import drawer")[0]
    assert cell.status == NEEDS_WORKER
    assert cell.result == (
        "it imports drawer, which needs refuser, and that does not load in a sub-interpreter")


def test_a_part_of_a_namespace_package_counts_by_itself(site: Path) -> None:
    assert look(site, "import spaced.deep")[0].status == NEEDS_WORKER
    assert look(site, "from spaced import deep")[0].status == NEEDS_WORKER
    assert look(site, "import spaced")[0].status == 0


@pytest.mark.parametrize("code", [
    "import ctypes", "from ctypes import c_int", "import multiprocessing", "import multiprocessing.pool",
    "import curses", "import tkinter", "import readline", "import tracemalloc", "import faulthandler",
])
def test_modules_that_reach_into_the_process_need_their_own(site: Path, code: str) -> None:
    cell = look(site, code)[0]
    assert cell.status == NEEDS_WORKER
    assert (cell.result or "").endswith("needs a process of its own")


def test_a_process_pool_is_seen_where_it_is_used(site: Path) -> None:
    cells = look(site, "import concurrent.futures as futures", "futures.ProcessPoolExecutor()")
    assert [cell.status for cell in cells] == [0, NEEDS_WORKER]
    assert look(site, "from concurrent.futures import ProcessPoolExecutor")[0].status == NEEDS_WORKER


def test_modules_of_the_users_own_are_read(site: Path, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import second\n")
    (tmp_path / "second.py").write_text("import helper\ndef f():\n    import refuser\n")
    cell = look(site, "import helper", working_directory=str(tmp_path))[0]
    assert cell.status == NEEDS_WORKER
    assert (cell.result or "").startswith("it imports helper, which imports second, and that imports refuser")


def test_what_is_not_installed_or_no_python_fails_as_usual(site: Path) -> None:
    cells = look(site, "import nowhere_to_be_found", "import import")
    assert [cell.error[0] if cell.error else "" for cell in cells] == ["ModuleNotFoundError", "SyntaxError"]


@pytest.mark.parametrize("code", [
    "import mcp", "from mcp import runtime, mcp_servers, mcp_github", "import mcp.runtime as runtime",
    "def f():\n    from mcp.servers.github import create_issue\n    import mcp.servers.github", "import mcp.user_tools",
    "from mcp import MCPError, LOADED_MCP_SERVERS",
])
def test_the_servers_own_package_moves_no_session_where_the_official_one_would(site: Path, code: str) -> None:
    official = site / "mcp"
    official.mkdir()
    (official / "__init__.py").write_text("raise SystemError('the official one was executed')\n")
    (official / "types.py").write_text("")
    (site / "mcp-1.0.dist-info").mkdir()
    (site / "mcp-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nRequires-Dist: refuser\n")
    (site / "mcp-1.0.dist-info/RECORD").write_text("mcp/__init__.py,,\nmcp/types.py,,\n")
    cell = "def never():\n    " + code.replace("\n", "\n    ")
    assert [each.status for each in look(site, cell, f"{cell}\n1")] == [0, 0]
    for wanted in ("from mcp import ClientSession", "import mcp.types", "from mcp.types import Tool"):
        moved = look(site, f"def never():\n    {wanted}")[0]
        assert moved.status == NEEDS_WORKER and "needs refuser" in (moved.result or ""), moved


def test_without_the_option_nothing_is_looked_at(site: Path) -> None:
    cell = run(["import ctypes; 1"], site_directories=[str(site)]).cells[0]
    assert (cell.status, cell.result) == (0, "1")


def test_an_import_that_could_not_be_seen_moves_the_session_with_the_next_cell(site: Path) -> None:
    cells = look(site, "import stubborn", "stubborn.go()", "1 + 1")
    assert cells[1].error and cells[1].error[0] == "ImportError"
    assert "moves to a worker process with the next call" in cells[1].notices[-1]
    assert cells[2].status == NEEDS_WORKER and "refuser 1.0" in (cells[2].result or "")


def test_the_next_session_of_the_interpreter_begins_anew(site: Path) -> None:
    sessions = run(["import stubborn", "stubborn.go()", "1"], ["1 + 1", "import refuser"],
                   site_directories=[str(site)], look_ahead=True).sessions
    assert sessions[0][2].status == NEEDS_WORKER
    assert sessions[1][0].result == "2" and sessions[1][1].status == NEEDS_WORKER


@pytest.mark.parametrize(("marker", "holds"), [
    ("", True), ("python_version >= '3.8'", True), ("python_version<'3'", False),
    ("sys_platform == 'win32' or os_name == \"posix\"", True),
    ("(sys_platform == 'win32' or os_name == 'posix') and implementation_name != 'cpython'", False),
    ("extra == 'x'", False), ("python_version >= '3.8' and extra == 'x'", False),
    ("platform_system in 'Linux Darwin'", True), ("platform_system not in 'Linux Darwin'", False),
    ("python_full_version == '3.*'", True), ("nonsense >= '1'", True), ("python_version >=", True),
])
def test_markers_are_read_as_installers_do(marker: str, holds: bool) -> None:
    assert applies(marker) is holds
