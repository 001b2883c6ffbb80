"""Containers by the server's own commands, with real podman: root's, and an ordinary user's."""

from __future__ import annotations

import atexit
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "python" / "worker")]

from tests.support import containers  # noqa: E402
from tests.support.containers import ContainerUser  # noqa: E402
from tests.support.raw_client import server_binary  # noqa: E402
from zygotes import PATIENCE, Worker, Zygote  # noqa: E402

DRIVER = Path(server_binary()).parent / "tests" / "containers" / "container_driver"
NOT_OURS = "a-secret-of-the-machine"  # in the environment of whoever starts a container


class Room(Zygote):
    """A container with its zygote, and this process in the place of its server."""

    def __init__(self, user: ContainerUser, **settings: str) -> None:
        self.user = user
        self.settings = {"MCP_BRIDGE_IMAGE": user.image, **settings}
        self.name = f"pyember-test-{uuid.uuid4().hex[:8]}"
        self.folder = Path(tempfile.mkdtemp(prefix="pyember-room-", dir="/var/tmp"))  # 0700, as the server makes it
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)  # of rooms that don't come to end()
        self.exchange, self.packages = self.folder / "exchange", self.folder / "packages"
        for each in (self.exchange, self.packages):
            each.mkdir()
            each.chmod(0o755)
            user.own(each)
        user.own(self.folder)
        self.words = self.driver("run", self.name, str(self.exchange), str(self.packages), str(ROOT / "python"),
                                 str(ROOT / "python")).split("\0")[:-1]
        self._start()

    def driver(self, *words: str, given: str = "") -> str:
        """What container_driver prints."""
        return driver(self.user, *words, given=given, **self.settings)

    def podman(self, *words: str) -> str:
        return podman(self.user, *words)

    def value(self, code: str) -> str | None:
        return self.worker.value(code)

    def _start(self) -> None:
        path = self.exchange / "control.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(1)
        with (self.folder / "log").open("wb") as log:
            command = self.user.command(*self.words, PYEMBER_SECRET=NOT_OURS, HTTPS_PROXY=NOT_OURS)
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not select.select([listener], [], [], 0.1)[0]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no zygote connected; this was printed: {self.log()}")
        self.control, _ = listener.accept()
        listener.close()
        path.unlink()
        self._greet()
        (self.descriptor,) = self.given
        self.worker: Worker = self.fork(cwd="/workspace")

    def peer(self) -> int:
        """The zygote, as the machine numbers it."""
        return int.from_bytes(self.control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def end(self) -> None:
        super().end()
        os.close(self.descriptor)
        shutil.rmtree(self.folder)


def driver(user: ContainerUser, *words: str, given: str = "", **settings: str) -> str:
    done = subprocess.run(user.command(str(DRIVER), *words, **settings), input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def podman(user: ContainerUser, *words: str) -> str:
    done = subprocess.run(user.command("podman", *words), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session", params=["rootful", "rootless"])
def user(request: pytest.FixtureRequest) -> ContainerUser:
    reason = containers.missing(request.param)
    if reason:
        pytest.skip(f"there are no {request.param} containers here: {reason}")
    return containers.rootful() if request.param == "rootful" else containers.rootless()


@pytest.fixture(scope="module")
def room(user: ContainerUser) -> Iterator[Room]:
    room = Room(user)
    yield room
    room.end()
