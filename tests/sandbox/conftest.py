"""Runs programs in real sandboxes by sandbox_driver, with the server's own plan for a Python.

As root every test runs twice, in root's kind of sandbox and in an ordinary user's (bubblewrap.h).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0
USERS = ["root", "ordinary"] if os.geteuid() == 0 else ["self"]
ORDINARY = 61234  # a user and a group that nobody has


def build_folder() -> Path:
    return Path(os.environ.get("PYEMBER_BINARY", str(ROOT / "build" / "release" / "pyember"))).resolve().parent


class Sandboxes:
    """Starts sandboxes as one user."""

    def __init__(self, user: str, programs: Path, base: Path) -> None:
        self.user = user
        self.base = base  # a folder of that user's
        self.driver = programs / "sandbox_driver"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(base), "SECRET": "of the server",
                            "PYEMBER_ENTER": str(programs / "pyember-enter")}
        self.python = self._usable_python()

    @property
    def owner(self) -> int:
        """Whose the files must be that code in a sandbox may change."""
        return {"root": 65534, "ordinary": ORDINARY}.get(self.user, os.geteuid())

    def as_user(self) -> list[str]:
        if self.user != "ordinary":
            return []
        return ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--"]

    def _usable_python(self) -> str:
        for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")):
            if python and subprocess.run([*self.as_user(), python, "-c", ""], capture_output=True).returncode == 0:
                return python
        raise AssertionError(f"there is no Python that {self.user} may execute")

    def folder(self, name: str) -> Path:
        """A folder that code in a sandbox may change once it is there."""
        made = self.base / name
        made.mkdir()
        os.chown(made, self.owner, self.owner)
        return made

    def command(self, *program: str, options: list[str] | None = None) -> list[str]:
        return [*self.as_user(), str(self.driver), "--python", self.python, *(options or []), "--", *program]

    def start(self, *program: str, options: list[str] | None = None, **settings: Any) -> subprocess.Popen[str]:
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                    "env": self.environment, "cwd": "/", **settings}
        return subprocess.Popen(self.command(*program, options=options), **settings)

    def run(self, *program: str, options: list[str] | None = None, **settings: Any) -> subprocess.CompletedProcess[str]:
        with self.start(*program, options=options, **settings) as process:
            try:
                out, errors = process.communicate(timeout=DEADLINE)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def run_python(self, code: str, *arguments: str, options: list[str] | None = None, **settings: Any) -> str:
        """What the code prints; it has to come to its end."""
        done = self.run(self.python, "-c", code, *arguments, options=options, **settings)
        assert done.returncode == 0, f"it ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def outcome_of(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Of the driver itself."""
        return subprocess.run([*self.as_user(), str(self.driver), *options], capture_output=True, text=True,
                              env={**self.environment, **environment}, timeout=DEADLINE)


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """The programs where every user may execute them."""
    build = build_folder()
    needed = [build / "pyember-enter", build / "tests" / "sandbox" / "sandbox_driver"]
    missing = [str(each) for each in needed if not each.exists()]
    if missing:
        pytest.exit(f"not built: {', '.join(missing)}; run ./dev build, or set PYEMBER_BINARY", 2)
    base = Path(tempfile.mkdtemp(prefix="pyember-sandbox-tests-"))
    base.chmod(0o755)
    for each in needed:
        shutil.copy2(each, base / each.name)
        (base / each.name).chmod(0o755)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(params=USERS)
def sandboxes(request: pytest.FixtureRequest, programs: Path) -> Iterator[Sandboxes]:
    base = Path(tempfile.mkdtemp(prefix="home-", dir=programs))
    base.chmod(0o755)
    if request.param == "ordinary":
        os.chown(base, ORDINARY, ORDINARY)
    yield Sandboxes(request.param, programs, base)
    shutil.rmtree(base, ignore_errors=True)
