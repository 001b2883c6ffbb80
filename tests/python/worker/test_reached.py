"""How a zygote reaches its server where it inherits nothing from it, and what it sends along."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from test_core import pythons
from zygotes import PATIENCE, ConnectedZygote, Zygote, gone, start


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_a_zygote_connects_where_the_server_listens(python: str, tmp_path: Path) -> None:
    zygote = ConnectedZygote(tmp_path / "control.sock", python=python)
    assert zygote.given == []
    assert zygote.peer() == zygote.hello["pid"]
    worker = zygote.fork()
    assert worker.value("6 * 7") == "42"
    zygote.end()
    assert gone(zygote.hello["pid"], worker.pid)


def test_nobody_at_the_path_is_said_and_ends_it(tmp_path: Path) -> None:
    process = start(sys.executable, "--connect", str(tmp_path / "nobody.sock"), stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert b"the server can't be reached at" in said and b"No such file" in said


@pytest.mark.parametrize("connected", [False, True], ids=["inherited", "connected"])
def test_the_hello_brings_the_sessions_folder(connected: bool, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    arguments = ("--workspace", str(folder))
    zygote = ConnectedZygote(tmp_path / "s", *arguments) if connected else Zygote(arguments=arguments)
    (descriptor,) = zygote.given
    assert os.fstat(descriptor).st_ino == folder.stat().st_ino
    assert stat.S_ISDIR(os.fstat(descriptor).st_mode)
    worker = zygote.fork(cwd=str(folder))
    worker.value("open('made', 'w').write('inside')")
    with open(os.open("made", os.O_RDONLY, dir_fd=descriptor)) as made:
        assert made.read() == "inside"
    held = "import os\n[n for n in range(100) if os.path.exists(f'/proc/self/fd/{n}') and os.path.isdir(f'/proc/self/fd/{n}')]"
    assert worker.value(held) == "[]"
    os.close(descriptor)
    zygote.end()


def test_a_folder_that_is_not_there_is_said_and_ends_it(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "s"))
    listener.listen(1)
    process = start(sys.executable, "--connect", str(tmp_path / "s"), "--workspace", str(tmp_path / "none"), stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=PATIENCE)
    listener.close()
    assert process.returncode == 1 and b"can't be opened (No such file" in said


def test_what_each_process_may_map_is_limited_before_anything_else() -> None:
    zygote = Zygote(arguments=("--address-space", str(1 << 30)))
    worker = zygote.fork()
    assert worker.value("import resource\nresource.getrlimit(resource.RLIMIT_AS)") == str((1 << 30, 1 << 30))
    assert worker.failure("bytearray(1 << 30)").type == "MemoryError"
    zygote.end()


@pytest.mark.parametrize(
    "arguments",
    [("--control", "3", "--address-space", "much"), (), ("--control",), ("--control", "x"), ("--control", "3", "--connect", "/s"), ("--connect", ""), ("--other", "3")],
)
def test_other_arguments_are_refused(arguments: tuple[str, ...]) -> None:
    process = start(sys.executable, *arguments, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and b"run `pyember` instead" in said
