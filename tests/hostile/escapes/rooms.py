"""The rooms of the battery, why one may not be had on this machine, and a server that keeps its sessions in one."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import containers
from tests.support.raw_client import RawClient, server_binary

# Enters a mount namespace in which the interpreter can be reached by everybody (it may lie in root's home), and becomes another user.
AS_USER = """
set -e
for group in $GROUPS_TO_ENTER; do
  echo $$ > "$group/cgroup.procs"
done
if [ -n "$CLOSED" ]; then
  mount --bind "$PREFIX" "$HOLD"
  mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
  mkdir -p "$PREFIX"
  mount --bind "$HOLD" "$PREFIX"
fi
exec setpriv --reuid "$USER_ID" --regid "$GROUP_ID" --clear-groups --inh-caps=-all --bounding-set=+all "$@"
"""
ORDINARY_USER = 54321


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
        prefix = interpreter_prefix()
        command = ["unshare", "--mount", "sh", "-c", AS_USER, "sh", server_binary(), *arguments]
        mounts = {"CLOSED": closed_parent(prefix), "PREFIX": prefix, "HOLD": str(hold), "USER_ID": str(self.uid), "GROUP_ID": str(self.gid), "GROUPS_TO_ENTER": " ".join(map(str, groups))}
        return RawClient(command=command, environment={**surroundings, **mounts})

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


def interpreter_prefix() -> str:
    """Of the Python that the server embeds."""
    listed = subprocess.run(["ldd", server_binary()], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        if "libpython" in line and "=>" in line:
            return str(Path(line.split("=>")[1].split()[0]).resolve().parents[1])
    return "/usr"


def closed_parent(path: str) -> str:
    """The first folder on the way there that only its owner may enter; empty when there is none."""
    for folder in reversed(Path(path).parents):
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return ""

