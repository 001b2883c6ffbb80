"""The rooms of the battery, why one may not be had on this machine, and a server that keeps its sessions in one."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import containers
from tests.support.other_user import ORDINARY_USER, server_as
from tests.support.raw_client import RawClient



@dataclass(frozen=True)
class Room:
    name: str
    isolation: str
    podman: str = ""  # whose: "rootful", "rootless"
    unprivileged: bool = False  # a server of an ordinary user, where the tests run as root
    lanes: int = 6  # sessions that are attacked from at the same time

    def missing(self) -> str:
        """Why it can't be had here; empty when it can."""
        if self.podman:
            return containers.missing(self.podman)
        return "only root can start a server as another user" if self.unprivileged and os.getuid() != 0 else ""

    @functools.cached_property
    def uid(self) -> int | None:
        """The server's user, where that is another than ours."""
        if os.getuid() != 0 or not self.unprivileged:
            return None
        return pwd.getpwnam(containers.rootless().user).pw_uid if self.podman else ORDINARY_USER

    @property
    def gid(self) -> int | None:
        """That user's own group: the one that a container of theirs knows."""
        return pwd.getpwnam(containers.rootless().user).pw_gid if self.podman and self.uid is not None else self.uid

    @property
    def home(self) -> Path | None:
        """Where the server's home has to be for the room to work; None: anywhere."""
        return containers.HOME if self.podman and self.uid is not None else None

    def start(self, environment: dict[str, str], hold: Path, groups: list[Path]) -> RawClient:
        arguments = ["serve", "--max-sessions", "400", "--checkpoints", "off"]
        surroundings = {**environment, "PYEMBER_ISOLATION": "inprocess", **self._surroundings()}
        if self.uid is None:
            return RawClient(arguments, environment=surroundings)
        command, become = server_as(self.uid, self.gid or 0, arguments, hold, groups)
        return RawClient(command=command, environment={**surroundings, **become})

    def _surroundings(self) -> dict[str, str]:
        if not self.podman:
            return {}
        user = containers.rootful() if self.podman == "rootful" else containers.rootless()
        return {**user.environment, "MCP_BRIDGE_RUNTIME": "podman", "MCP_BRIDGE_IMAGE": user.image}


PROCESS = Room("process", "process", lanes=1)  # no boundary: where the probes themselves are proven
ROOMS = (
    Room("sandbox", "sandbox"),
    Room("sandbox of an ordinary user", "sandbox", unprivileged=True),
    Room("container rootful", "container", "rootful"),
    Room("container rootless", "container", "rootless", unprivileged=True),
)


class Delegation:
    """Control groups handed down to an ordinary user, as systemd does it for a service of one; none where the machine has none to hand.

    Whoever gets them may make groups below, which is what bounds a room as a whole.
    """

    def __init__(self, uid: int, name: str) -> None:
        self.groups: list[Path] = []  # to be entered
        self._made: list[Path] = []
        try:
            self._hand_down(uid, name)
        except OSError:
            self.groups = []

    def close(self) -> None:
        """What is still in them has been killed, and takes a moment."""
        deadline = time.monotonic() + 10
        while any(map(Path.exists, self._made)) and time.monotonic() < deadline:
            for group in reversed(self._made):
                for below in sorted((Path(folder) for folder, _, _ in os.walk(group)), reverse=True):
                    with contextlib.suppress(OSError):
                        below.rmdir()
            time.sleep(0.05)

    def _hand_down(self, uid: int, name: str) -> None:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("memory", "pids"):
                self.groups.append(self._make(Path(f"/sys/fs/cgroup/{controllers}{path}") / name, uid))
        if self.groups:
            return
        above = self._make(Path("/sys/fs/cgroup") / name, uid)
        (above / "cgroup.subtree_control").write_text("+memory +pids")
        self.groups.append(self._make(above / "server", uid))

    def _make(self, group: Path, uid: int) -> Path:
        group.mkdir()
        self._made.append(group)
        for each in (group, *(group / file for file in ("cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads"))):
            if each.exists():
                os.chown(each, uid, uid)
        return group
