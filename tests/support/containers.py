"""Who runs containers in the tests: root's podman, and that of an ordinary user.

Where the tests run as root, the ordinary user is one made for them, `pyember-test`, with a home, a
range of ids and a storage of its own; it stays, so that its image need not be made again. Where they
run as somebody else, that is the ordinary user, and root's podman is not to be had.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.containers import debian_image

ORDINARY_USER = "pyember-test"
HOME = Path("/var/lib/pyember-test")
FIRST_ID, IDS = 524288, 65536

STORAGE = '[storage]\ndriver = "overlay"\n'


@dataclass(frozen=True)
class ContainerUser:
    """Somebody with a podman of his own."""

    name: str  # "rootful", "rootless"
    user: str = ""  # become this one first; empty: ours
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)

    def command(self, *words: str, **environment: str) -> list[str]:
        """Runs `words` as this user, with nothing of our environment but PATH where it is another."""
        if not self.user:
            return ["env", *[f"{name}={value}" for name, value in environment.items()], *words]
        mine = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.environment, **environment}
        become = ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups", "env", "-i", "-C", "/"]
        return [*become, *[f"{name}={value}" for name, value in mine.items()], *words]

    def own(self, path: Path) -> Path:
        """Gives a folder or file to this user."""
        if self.user:
            shutil.chown(path, self.user, self.user)
        return path

    @functools.cached_property
    def image(self) -> str:
        """An image with Python and jq, made when there is none yet."""
        return debian_image.image(self.command("podman"))


def rootful() -> ContainerUser:
    return ContainerUser("rootful")


def rootless() -> ContainerUser:
    if os.geteuid() != 0:
        return ContainerUser("rootless")
    make_ordinary_user()
    return ContainerUser("rootless", ORDINARY_USER, {"HOME": str(HOME), "XDG_RUNTIME_DIR": str(HOME / "run")})


def missing(name: str) -> str:
    """Why `rootful` or `rootless` can't be had here; empty when it can."""
    for program in ("podman", "mmdebstrap", *(("newuidmap", "setpriv") if name == "rootless" else ())):
        if shutil.which(program) is None:
            return f"{program} is not installed (tools/dev/packages.sh)"
    if name == "rootful" and os.geteuid() != 0:
        return "only root has root's podman"
    return ""


def make_ordinary_user() -> None:
    """The user of rootless podman: what the distributions' tools set up for people, by the same tools."""
    try:
        pwd.getpwnam(ORDINARY_USER)
        grp.getgrnam(ORDINARY_USER)
    except KeyError:
        options = ["--system", "--user-group", "--no-log-init", "--home-dir", str(HOME), "--shell", "/bin/sh"]
        subprocess.run(["useradd", *options, ORDINARY_USER], check=True)
    if ORDINARY_USER not in Path("/etc/subuid").read_text():
        ids = f"{FIRST_ID}-{FIRST_ID + IDS - 1}"
        subprocess.run(["usermod", "--add-subuids", ids, "--add-subgids", ids, ORDINARY_USER], check=True)
    configuration = HOME / ".config" / "containers"
    for folder in (HOME, HOME / "run", configuration.parent, configuration):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        shutil.chown(folder, ORDINARY_USER, ORDINARY_USER)
    # Without this podman 4 may choose the driver that copies the image for every container.
    (configuration / "storage.conf").write_text(STORAGE)
