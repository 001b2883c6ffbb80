"""Makes an image for containers without a registry: Debian with Python and jq, by mmdebstrap.

    python3 tools/containers/debian_image.py            prints the image's name

Where no registry can be reached, and for the tests. Debian's packages come from the machine's usual
mirror. The file system is made once (25 s, 160 MB) and kept in build/containers; every user who is
to have the image imports it from there (4 s). What is needed: mmdebstrap, podman.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "containers"
SUITE = "trixie"
PACKAGES = "python3,jq,procps"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def image(podman: Sequence[str] = ("podman",)) -> str:
    """The image's name, for the user whose podman it is; made when there is none yet."""
    name = f"localhost/pyember-test:{_key()}"
    if subprocess.run([*podman, "image", "exists", name], stdin=subprocess.DEVNULL).returncode == 0:
        return name
    archive = file_system()
    with archive.open("rb") as file:  # handed over open: the user may not be able to get there
        subprocess.run([*podman, "import", "--quiet", "-", name], stdin=file, stdout=subprocess.DEVNULL, check=True)
    return name


def file_system() -> Path:
    """An archive of the image's files; made when there is none yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    archive = FOLDER / f"{SUITE}-{_key()}.tar"
    with _alone(FOLDER / "lock"):
        if not archive.exists():
            _make(archive)
    return archive


def _key() -> str:
    """Another one for another content."""
    return hashlib.sha256(f"{SUITE} {PACKAGES} {LEFT_OUT}".encode()).hexdigest()[:12]


def _make(archive: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        sys.exit("No image can be made: mmdebstrap is not installed. Install it (apt-get install mmdebstrap).")
    unfinished = archive.with_suffix(f".{os.getpid()}.tar")
    left_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *left_out, SUITE, str(unfinished)]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=True)
        unfinished.rename(archive)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(image())
