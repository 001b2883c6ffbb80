"""Extension modules that can't live under a GIL of their own."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from laboratory import RUNTIME, run

sys.path.insert(0, str(RUNTIME))

from mcp_runtime.inprocess import extension_files  # noqa: E402

STANDARD = Path(sysconfig.get_path("stdlib"), "lib-dynload")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def extension(name: str) -> Path:
    path = STANDARD / (name + SUFFIX)
    if not path.exists():
        pytest.skip(f"this CPython was built without {name} as a file of its own")
    return path


@pytest.mark.parametrize("name", ["_json", "_datetime", "_asyncio", "_statistics", "zlib"])
def test_the_file_of_a_module_that_supports_it_says_so(name: str) -> None:
    assert extension_files.supports_own_gil(str(extension(name)))


@pytest.mark.parametrize("name", ["_curses", "readline", "_testsinglephase", "_tkinter"])
def test_the_file_of_one_that_does_not_says_nothing(name: str) -> None:
    assert not extension_files.supports_own_gil(str(extension(name)))


def test_a_file_that_is_no_elf_file_is_left_to_the_loader(tmp_path: Path) -> None:
    for name, content in (("empty.so", b""), ("text.so", b"#!/bin/sh\n")):
        (tmp_path / name).write_bytes(content)
        assert extension_files.supports_own_gil(str(tmp_path / name))
    assert extension_files.supports_own_gil(str(tmp_path / "missing.so"))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """site-packages with a package whose extension module refuses, and one that swallows it."""
    site = tmp_path / "lib/python3/site-packages"
    package = site / "refuser"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import half\nfrom ._testsinglephase import *\n")
    (package / "half.py").write_text("")
    (package / f"_testsinglephase{SUFFIX}").symlink_to(extension("_testsinglephase"))
    (site / "Refuser_Project-1.2.dist-info").mkdir()
    (site / "Refuser_Project-1.2.dist-info/RECORD").write_text(
        f"refuser/__init__.py,,\nrefuser/_testsinglephase{SUFFIX},,\n")
    swallower = site / "swallower"
    swallower.mkdir()
    (swallower / "__init__.py").write_text(
        "try:\n    import refuser\nexcept ImportError:\n    refuser = None\n")
    return site


def test_it_is_refused_before_it_is_mapped_and_named(site: Path) -> None:
    cells = run(["import refuser",
                 "import sys; [name for name in sys.modules if name.startswith('refuser')]",
                 "'_testsinglephase' in open('/proc/self/maps').read()"],
                site_directories=[str(site)]).cells
    error = cells[0].error
    assert error and error[0] == "ImportError"
    assert "the package Refuser_Project 1.2" in error[1]
    assert "subprocess.run([sys.executable, path])" in error[1]
    assert cells[1].result == "[]"
    assert cells[2].result == "False"


def test_a_refusal_that_a_package_swallows_is_told_in_the_notices(site: Path) -> None:
    cells = run(["import swallower; swallower.refuser", "1"], site_directories=[str(site)]).cells
    assert cells[0].status == 0
    assert len(cells[0].notices) == 1 and "Refuser_Project 1.2" in cells[0].notices[0]
    assert cells[1].notices == ()


def test_without_the_hook_it_is_mapped_before_it_is_refused(site: Path) -> None:
    cells = run(["import refuser", "'_testsinglephase' in open('/proc/self/maps').read()"],
                site_directories=[str(site)], test_switches={"no_loader_hook": True}).cells
    assert cells[0].error and cells[0].error[0] == "ImportError"
    assert cells[1].result == "True"


def test_named_modules_are_left_to_cpythons_own_check(site: Path) -> None:
    cells = run(["import refuser", "'_testsinglephase' in open('/proc/self/maps').read()"],
                site_directories=[str(site)],
                environment={"PYEMBER_TRY_EXTENSIONS": "other, refuser"}).cells
    assert cells[0].error and "does not support loading in subinterpreters" in cells[0].error[1]
    assert cells[1].result == "True"


def test_tracebacks_of_failing_imports_show_neither_importlib_nor_us(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import json\n1 / 0\n")
    cell = run(["import broken"], working_directory=str(tmp_path)).cells[0]
    assert cell.error and "ZeroDivisionError" in cell.error[2]
    assert "importlib" not in cell.error[2] and "mcp_runtime" not in cell.error[2]


STANDARD_REFUSED = {
    "_curses", "_curses_panel", "_suggestions", "_tkinter", "_tracemalloc", "curses",
    "faulthandler", "readline", "tkinter", "tracemalloc", "turtle",
}
# _ios_support looks for Apple's libraries wherever it is imported, and raises ImportError without.
LEFT_OUT = {"antigravity", "this", "idlelib", "turtledemo", "_ios_support"}


def test_the_rest_of_the_standard_library_loads_again_in_every_session() -> None:
    names = sorted(name for name in sys.stdlib_module_names if name not in LEFT_OUT)
    code = ("import importlib, warnings\nwarnings.simplefilter('ignore')\nfailed = []\n"
            f"for name in {names!r}:\n"
            "    try: importlib.import_module(name)\n"
            "    except ModuleNotFoundError: pass\n"
            "    except ImportError as error: failed.append(name)\n"
            "failed")
    laboratory = run([code], [code])
    for cells in laboratory.sessions:
        assert cells[0].status == 0, cells
        assert set(eval(cells[0].result or "")) <= STANDARD_REFUSED
    assert laboratory.clean == [True, True]
