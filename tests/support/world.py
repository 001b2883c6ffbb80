"""Folders and an environment for a server that runs scripts, for tests and benchmarks.

Nothing of the person who runs the tests is touched, and nothing is asked of the network: uv's index
is switched off, and the one package there is lies in a folder as a wheel made here.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

# The Python that both the tests and uv can find: the one that runs the tests.
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON_FOLDER = str(Path(sysconfig.get_config_var("BINDIR")).resolve())

PACKAGE = "proofpkg"
VERSIONED = "proofverse"  # 1.0 and 2.0
NEEDS_OLD = "proofold"  # needs the first
WITH_EXTRA = "proofextra"  # its extra "more" needs any of the two


@dataclass
class World:
    """Where one server keeps its things."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def store(self) -> Path:
        return self.home / ".python_mcp" / "meta"

    def script(self, name: str, text: str) -> Path:
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def variables(self) -> dict[str, str]:
        """The whole environment of a server that lives here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "UV_", "PYTHON"))}
        for name in ("VIRTUAL_ENV", "PYEMBER_UV"):
            kept.pop(name, None)
        uv_folder = str(Path(find_uv()).parent)
        return {
            **kept,
            "HOME": str(self.home),
            "PYTHON_MCP_HOME": str(self.project),
            "PYTHON_MCP_META": str(self.store),
            "PYEMBER_STATE_DIR": f"{self.store}-states",
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_STATE_HOME": str(self.home / ".state"),
            "XDG_DATA_HOME": str(self.home / ".data"),
            "PATH": os.pathsep.join([PYTHON_FOLDER, uv_folder, kept.get("PATH", "")]),
            "UV_CACHE_DIR": str(shared_cache()),
            "UV_FIND_LINKS": str(wheel_folder()),
            "UV_NO_INDEX": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON": PYTHON_FOLDER + f"/python{VERSION}",
            "SMART_ASYNC_TIMEOUT_SECONDS": "60",
            **self.environment,
        }


def make_world(root: Path, **environment: str) -> World:
    world = World(root, environment)
    for folder in (world.home, world.project, world.work):
        folder.mkdir(parents=True)
    return world


def find_uv() -> str:
    """PYEMBER_UV, which ./dev sets, or uv on PATH. The tests can't do without it."""
    found = shutil.which(os.environ.get("PYEMBER_UV", "uv"))
    if not found:
        raise RuntimeError("uv is needed by these tests and was not found; run ./dev test, or install it: pip install uv")
    return found


_folder: Path | None = None


def _session_folder() -> Path:
    """One folder a test session, so that uv makes each environment once."""
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix="pyember-executor-"))
        atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    return _folder


def shared_cache() -> Path:
    return _session_folder() / "uv-cache"


def wheel_folder() -> Path:
    """A folder with wheels: a package that has one module and nothing else, and some (see below)
    that come in versions, need each other and have extras."""
    folder = _session_folder() / "wheels"
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    write_wheel(folder, PACKAGE, "1.2.3", {f"{PACKAGE}.py": "answer = 42\n"})
    for version in ("1.0", "2.0"):
        write_wheel(folder, VERSIONED, version, {f"{VERSIONED}/__init__.py": f"version = {version!r}\n",
                                                  f"{VERSIONED}/part.py": f"version = {version!r}\n"})
    write_wheel(folder, NEEDS_OLD, "1.0", {f"{NEEDS_OLD}.py": f"from {VERSIONED} import version\n"}, f"{VERSIONED}<2")
    write_wheel(folder, WITH_EXTRA, "1.0", {f"{WITH_EXTRA}.py": ""}, f'{VERSIONED}; extra == "more"')
    return folder


def write_wheel(folder: Path, name: str, version: str, modules: dict[str, str], *requires: str) -> None:
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        **modules,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: more\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def runs(pid: int) -> bool:
    """The process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
