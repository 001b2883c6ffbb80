"""tools/find_python takes the first Python that can be embedded, in the documented order."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A stand-in for an interpreter: answers as cmake/python_facts.py would.
FIT = "#!/bin/sh\necho version=3.13\necho problem=\n"
UNFIT = "#!/bin/sh\necho version=3.13\necho 'problem=was built without a shared library'\n"
BROKEN = "#!/bin/sh\nexit 127\n"


class Machine:
    """A made-up machine: folders of uv, of the system and of pyenv."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def python(self, path: str, text: str = FIT) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        return str(file)

    def uv(self, text: str = FIT, version: str = "3.13.7") -> str:
        name = version.rsplit(".", 1)[0]
        return self.python(f"uv/cpython-{version}-linux-x86_64-gnu/bin/python{name}", text)

    def system(self, text: str = FIT, name: str = "python3.13") -> str:
        return self.python(f"usr/bin/{name}", text)

    def pyenv(self, text: str = FIT) -> str:
        return self.python("pyenv/versions/3.13.0/bin/python3.13", text)

    def find(self, *arguments: str, named: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "UV_PYTHON_INSTALL_DIR": str(self.folder / "uv"),
            "PYEMBER_SYSTEM_FOLDERS": str(self.folder / "usr" / "bin"),
            "PYENV_ROOT": str(self.folder / "pyenv"),
        }
        if named is not None:
            environment["PYEMBER_PYTHON"] = named
        return subprocess.run([str(ROOT / "tools" / "find_python"), *arguments], env=environment,
                              capture_output=True, text=True, timeout=60)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_named_python_comes_before_all_others(machine: Machine) -> None:
    machine.uv()
    named = machine.python("somewhere/python")
    assert machine.find(named=named).stdout.strip() == named


def test_a_named_python_that_is_unfit_is_refused_and_never_replaced(machine: Machine) -> None:
    machine.uv()
    answer = machine.find(named=machine.python("somewhere/python", UNFIT))
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "was built without a shared library" in answer.stderr
    assert "unset it" in answer.stderr


def test_uv_comes_before_the_system_and_the_system_before_pyenv(machine: Machine) -> None:
    pyenv = machine.pyenv()
    assert machine.find().stdout.strip() == pyenv
    system = machine.system()
    assert machine.find().stdout.strip() == system
    uv = machine.uv()
    assert machine.find().stdout.strip() == uv


def test_3_13_is_preferred_and_a_newer_one_is_taken_alone(machine: Machine) -> None:
    newer = machine.uv(version="3.14.2")
    assert machine.find().stdout.strip() == newer
    tested = machine.uv(version="3.13.7")
    assert machine.find().stdout.strip() == tested


def test_candidates_that_are_unfit_or_do_not_run_are_passed_over(machine: Machine) -> None:
    machine.uv(UNFIT)
    machine.system(BROKEN)
    pyenv = machine.pyenv()
    assert machine.find().stdout.strip() == pyenv


def test_without_a_candidate_it_fails_and_explains_each_one_when_asked(machine: Machine) -> None:
    unfit, broken = machine.uv(UNFIT), machine.system(BROKEN)
    answer = machine.find("--explain")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert f"{unfit} was built without a shared library" in answer.stderr
    assert f"{broken} does not run" in answer.stderr


def test_the_facts_of_the_python_that_was_built_against_are_complete() -> None:
    python = os.environ.get("PYEMBER_PYTHON") or subprocess.run(
        [str(ROOT / "tools" / "find_python")], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
    done = subprocess.run([python, "-I", "-S", str(ROOT / "cmake" / "python_facts.py")],
                          capture_output=True, text=True, check=True, timeout=60)
    facts = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert facts["problem"] == ""
    assert Path(facts["library"]).is_file()
    assert (Path(facts["include"]) / "Python.h").is_file()
