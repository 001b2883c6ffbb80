"""The rooms of the battery, why one may not be had on this machine, and a server that keeps its sessions in one."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.raw_client import ROOT, RawClient, server_binary

# Enters a mount namespace in which the interpreter can be reached by everybody (it may lie in root's home), and becomes another user.
AS_USER = """
set -e
if [ -n "$CLOSED" ]; then
  mount --bind "$PREFIX" "$HOLD"
  mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
  mkdir -p "$PREFIX"
  mount --bind "$HOLD" "$PREFIX"
fi
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --inh-caps=-all --bounding-set=+all "$@"
"""
ORDINARY_USER = 54321


@dataclass(frozen=True)
class Room:
    name: str
    isolation: str
    uid: int | None = None  # of the server, where it is another than ours
    lanes: int = 6  # sessions that are attacked from at the same time

    def missing(self) -> str:
        """Why it can't be had here; empty when it can."""
        if self.uid is not None and os.getuid() != 0:
            return "only root can start a server as another user"
        return ""

    def start(self, environment: dict[str, str], hold: Path) -> RawClient:
        arguments = ["serve", "--max-sessions", "400", "--checkpoints", "off"]
        surroundings = {**environment, "PYEMBER_ISOLATION": "inprocess"}
        if self.uid is None:
            return RawClient(arguments, environment=surroundings)
        prefix = interpreter_prefix()
        # The namespace is made by unshare(1), which puts itself in no other process's place: the server is our child.
        command = ["unshare", "--mount", "sh", "-c", AS_USER, "sh", server_binary(), *arguments]
        mounts = {"CLOSED": closed_parent(prefix), "PREFIX": prefix, "HOLD": str(hold), "USER_ID": str(self.uid)}
        return RawClient(command=command, environment={**surroundings, **mounts})


PROCESS = Room("process", "process", lanes=1)  # no boundary: where the probes themselves are proven
ROOMS = (Room("sandbox", "sandbox"), Room("sandbox of an ordinary user", "sandbox", uid=ORDINARY_USER))


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


def repository() -> Path:
    return ROOT


def podman() -> str | None:
    return shutil.which("podman")
