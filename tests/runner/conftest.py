"""Drives the real pyember-runner: one job folder a test, and nothing of a run outlives its test.

As root every test that depends on rights runs twice, as root and as an ordinary user.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30.0
USERS = ["root", "nobody"] if os.geteuid() == 0 else ["self"]


def runner_binary() -> Path:
    server = os.environ.get("PYEMBER_BINARY", str(ROOT / "build" / "release" / "pyember"))
    return Path(server).resolve().parent / "pyember-runner"


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"it never came about that {what}")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Run:
    """One started runner and its job folder."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process

    def wait(self, deadline: float = DEADLINE) -> dict[str, Any]:
        self.process.wait(deadline)
        return self.record()

    def record(self) -> dict[str, Any]:
        text = (self.folder / "exit").read_text(encoding="utf-8")
        assert text.endswith("}\n") and text.count("\n") == 1
        return json.loads(text)

    def runner(self) -> dict[str, Any]:
        until((self.folder / "runner").exists, "the runner says who it is")
        return json.loads((self.folder / "runner").read_text())

    @property
    def stdout(self) -> bytes:
        return (self.folder / "stdout").read_bytes()

    @property
    def stderr(self) -> bytes:
        return (self.folder / "stderr").read_bytes()

    def said(self, deadline: float = DEADLINE) -> list[str]:
        """The words of the first whole line of stdout, when there is one."""
        return until(lambda: (self.folder / "stdout").exists() and b"\n" in self.stdout,
                     "the child says something", deadline) and self.stdout.decode().splitlines()[0].split()


class Runners:
    """Starts runners as one user; `python` can be executed by him."""

    def __init__(self, user: str, base: Path, binary: Path) -> None:
        self.user = user
        self.base = base
        self.binary = binary
        self.python = self._usable_python()
        self.runs: list[Run] = []
        self.pids: list[int] = []

    def _usable_python(self) -> str:
        for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")):
            if python and self.user != "nobody":
                return python
            if python and subprocess.run([*self.as_user(), python, "-c", ""], capture_output=True).returncode == 0:
                return python
        raise AssertionError(f"there is no Python that {self.user} may execute")

    def as_user(self) -> list[str]:
        if self.user != "nobody":
            return []
        nobody = pwd.getpwnam("nobody")
        return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]

    def folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.base))
        if self.user == "nobody":
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        return folder

    def start(self, *command: str | bytes, options: list[str] | None = None, folder: Path | None = None,
              before: list[str] | None = None, **settings: Any) -> Run:
        folder = folder or self.folder()
        line = [*self.as_user(), *(before or []), str(self.binary), "--dir", str(folder), *(options or []), "--", *command]
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
                    "cwd": "/", **settings}
        run = Run(folder, subprocess.Popen(line, **settings))
        self.runs.append(run)
        return run

    def start_python(self, code: str, *arguments: str, options: list[str] | None = None, **settings: Any) -> Run:
        return self.start(self.python, "-c", code, *arguments, options=options, **settings)

    def run(self, *command: str | bytes, options: list[str] | None = None, **settings: Any) -> Run:
        run = self.start(*command, options=options, **settings)
        run.wait()
        return run

    def run_python(self, code: str, *arguments: str, options: list[str] | None = None, **settings: Any) -> Run:
        return self.run(self.python, "-c", code, *arguments, options=options, **settings)

    def end(self) -> None:
        for run in self.runs:
            if run.process.poll() is None:
                run.process.terminate()
                try:
                    run.process.wait(5)
                except subprocess.TimeoutExpired:
                    run.process.kill()
                    run.process.wait()
            if run.process.stdout:
                run.process.stdout.close()
        for pid in self.pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def installed() -> Iterator[Path]:
    """The runner where every user may execute it."""
    binary = runner_binary()
    if not binary.exists():
        pytest.exit(f"there is no runner at {binary}; run ./dev build, or set PYEMBER_BINARY", 2)
    base = Path(tempfile.mkdtemp(prefix="pyember-runner-tests-"))
    base.chmod(0o755)
    copy = base / "pyember-runner"
    shutil.copy2(binary, copy)
    copy.chmod(0o755)
    yield copy
    shutil.rmtree(base, ignore_errors=True)


def _runners(user: str, installed: Path) -> Iterator[Runners]:
    base = Path(tempfile.mkdtemp(prefix="run-", dir=installed.parent))
    base.chmod(0o755)
    runners = Runners(user, base, installed)
    try:
        yield runners
    finally:
        runners.end()


@pytest.fixture
def runners(installed: Path) -> Iterator[Runners]:
    """For what is the same for every user."""
    yield from _runners(USERS[0], installed)


@pytest.fixture
def ordinary(installed: Path) -> Iterator[Runners]:
    """For what root is exempt from."""
    yield from _runners(USERS[-1], installed)


@pytest.fixture(params=USERS)
def anyone(request: pytest.FixtureRequest, installed: Path) -> Iterator[Runners]:
    """For what may depend on rights."""
    yield from _runners(request.param, installed)


@pytest.fixture
def small_disk(installed: Path) -> Iterator[Path]:
    """A file system of one megabyte, in a mount namespace of root's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = Path(tempfile.mkdtemp(prefix="disk-", dir=installed.parent))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
