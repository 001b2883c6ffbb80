"""Servers that run as another user than the tests, which are root's then."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.support.raw_client import server_binary

ORDINARY_USER = 54321  # nobody has to have made it

# Enters a mount namespace in which the interpreter can be reached by everybody (it may lie in root's home), and becomes another user.
BECOME = """
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


def server_as(uid: int, gid: int, arguments: Iterable[str], hold: Path, groups: Iterable[Path] = ()) -> tuple[list[str], dict[str, str]]:
    """The command of a server and the variables it takes; `hold` is an empty folder, `groups` are control groups to be entered."""
    prefix = interpreter_prefix()
    command = ["unshare", "--mount", "sh", "-c", BECOME, "sh", server_binary(), *arguments]
    return command, {"CLOSED": closed_parent(prefix), "PREFIX": prefix, "HOLD": str(hold), "USER_ID": str(uid), "GROUP_ID": str(gid),
                     "GROUPS_TO_ENTER": " ".join(map(str, groups))}


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
