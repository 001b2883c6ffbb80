"""How containers of the server's come and go: they leave nothing, and failures say what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Room, driver, podman
from tests.support.containers import ContainerUser
from zygotes import PATIENCE, gone


def names(user: ContainerUser) -> list[str]:
    return podman(user, "ps", "--all", "--format", "{{.Names}}").split()


def wait_until_absent(user: ContainerUser, name: str) -> bool:
    deadline = time.monotonic() + PATIENCE
    while name in names(user):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_it_ends_and_is_removed_when_the_control_socket_closes(user: ContainerUser) -> None:
    room = Room(user)
    zygote = room.peer()
    assert room.name in names(user)
    room.end()
    assert gone(zygote)
    assert wait_until_absent(user, room.name)


def test_it_goes_when_its_first_process_is_killed_from_outside(user: ContainerUser) -> None:
    """What a server does to a room whose code keeps the zygote from ending."""
    room = Room(user)
    room.worker.begin("import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\nprint('here')\ntime.sleep(600)")
    room.worker.wait_for_output("here")
    zygote = room.peer()
    room.control.close()
    subprocess.run(user.command("kill", "-9", str(parent_of(zygote))), check=True)
    assert gone(zygote)
    assert room.process.wait(PATIENCE) == 128 + signal.SIGKILL
    assert wait_until_absent(user, room.name)


def test_it_goes_by_the_servers_command(user: ContainerUser) -> None:
    room = Room(user)
    zygote = room.peer()
    subprocess.run(user.command(*room.driver("remove", room.name).split("\0")[:-1]), check=True, capture_output=True)
    assert gone(zygote) and room.name not in names(user)
    again = subprocess.run(user.command(*room.driver("remove", room.name).split("\0")[:-1]), capture_output=True)
    assert again.returncode in (0, 1)  # there is none any more: no harm


def test_orphans_of_a_server_that_is_gone_are_removed_and_no_others(user: ContainerUser) -> None:
    mine = f"pyember-test-mine-{os.getpid()}"
    theirs = f"pyember-test-theirs-{os.getpid()}"
    label = driver(user, "labels").split("\0")[0]  # of a driver that has ended by now
    owner = label.split("=")[1].split(".")
    ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    living = "pyember.owner=" + ".".join([owner[0], str(os.getpid()), ticks, *owner[3:]])
    try:
        for name, its_label in ((theirs, label), (mine, living)):
            options = ["--name", name, "--label", its_label, "--network", "none", "--ulimit", "nofile=1024:1024"]
            limit = ["--ulimit", "nproc=1024:1024"]
            podman(user, "run", "--rm", "--detach", *options, *limit, user.image, "sleep", "600")
        assert int(driver(user, "orphans", MCP_BRIDGE_IMAGE=user.image)) >= 1
        assert theirs not in names(user) and mine in names(user)
        assert driver(user, "orphans", MCP_BRIDGE_IMAGE=user.image) == "0\n"
    finally:
        for name in (mine, theirs):
            subprocess.run(user.command("podman", "rm", "--force", "--time", "0", name), capture_output=True)


def explained(user: ContainerUser, *words: str, **settings: str) -> str:
    """The error for people when a command of the driver's fails."""
    command = driver(user, *words, **settings).split("\0")[:-1]
    done = subprocess.run(user.command(*command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0, done.stdout
    return driver(user, "explain", given=done.stdout + done.stderr, **settings)


@pytest.fixture
def plan(user: ContainerUser) -> Iterator[tuple[str, ...]]:
    folder = Path(tempfile.mkdtemp(prefix="pyember-plan-", dir="/var/tmp"))
    user.own(folder)
    yield ("run", f"pyember-test-fails-{os.getpid()}", *[str(folder)] * 4)
    shutil.rmtree(folder)


def test_an_image_that_is_not_here_is_named_with_the_ways_to_get_one(user: ContainerUser, plan: tuple[str, ...]) -> None:
    said = explained(user, *plan, MCP_BRIDGE_IMAGE="localhost/pyember-none:1")
    assert "localhost/pyember-none:1 is not on this machine" in said and "MCP_BRIDGE_IMAGE" in said


def test_an_image_that_can_not_be_fetched_is_told(user: ContainerUser) -> None:
    said = explained(user, "pull", MCP_BRIDGE_IMAGE="localhost:9/pyember-none:1")
    assert "Image pull failed for localhost:9/pyember-none:1" in said and "Pull it by hand" in said


def test_limits_beyond_the_servers_own_are_told(user: ContainerUser, plan: tuple[str, ...]) -> None:
    settings = {"PYEMBER_CONTAINER_ARGS": "--ulimit nofile=900000000:900000000", "MCP_BRIDGE_IMAGE": user.image}
    assert "higher limits than this server has" in explained(user, *plan, **settings)


def test_a_folder_that_can_not_be_mounted_is_told(user: ContainerUser, plan: tuple[str, ...]) -> None:
    said = explained(user, *plan, "/nowhere/at/all", MCP_BRIDGE_IMAGE=user.image)
    assert "could not mount a folder" in said and "/nowhere/at/all" in said


def test_an_image_without_python_is_told(user: ContainerUser, plan: tuple[str, ...]) -> None:
    empty = subprocess.run(user.command("podman", "import", "--quiet", "-"), input=bytes(10240), capture_output=True, check=True)
    image = empty.stdout.decode().strip().removeprefix("sha256:")
    try:
        assert "has no python3" in explained(user, *plan, MCP_BRIDGE_IMAGE=image)
    finally:
        podman(user, "rmi", "--force", image)
