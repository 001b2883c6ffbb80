"""The runtime of a sandbox is compiled once, outside: within one it could not be kept."""

from __future__ import annotations

import os
import py_compile
import shutil
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.raw_client import RawClient  # noqa: E402

PATIENCE = 60


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """As an installer that compiles nothing leaves it."""
    shutil.copytree(ROOT / "python", tmp_path / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    os.chmod(tmp_path, 0o755)
    return tmp_path / "runtime"


def open_sandbox(runtime: Path) -> str:
    """Opens one; the version of its Python as file names have it."""
    with RawClient(["serve", "--isolation", "sandbox"], environment={"PYEMBER_RUNTIME_DIR": str(runtime)}) as client:
        tag = client.tool("run_python", timeout=60, code="import sys\nsys.implementation.cache_tag")
        assert tag.status == "completed", tag
        return str(tag.result).strip("'")


def compiled(runtime: Path, tag: str, module: str) -> Path:
    return runtime / "mcp_runtime" / Path(module).parent / "__pycache__" / f"{Path(module).name}.{tag}.pyc"


def wait_for(path: Path) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


def test_the_first_sandbox_has_it_compiled(runtime: Path) -> None:
    tag = open_sandbox(runtime)
    for module in ("session", "worker/zygote", "worker/worker"):
        assert wait_for(compiled(runtime, tag, module))


def test_what_is_compiled_is_left_alone(runtime: Path) -> None:
    tag = open_sandbox(runtime)
    zygote, other = (compiled(runtime, tag, name) for name in ("worker/zygote", "worker/copies"))
    assert wait_for(zygote) and wait_for(other)
    other.unlink()
    open_sandbox(runtime)
    time.sleep(0.5)
    assert not other.exists()


def test_it_is_compiled_again_when_the_source_is_another(runtime: Path) -> None:
    tag = open_sandbox(runtime)
    zygote = compiled(runtime, tag, "worker/zygote")
    assert wait_for(zygote)
    source = runtime / "mcp_runtime" / "worker" / "zygote.py"
    os.utime(source, (1e9, 1e9))
    open_sandbox(runtime)
    deadline = time.monotonic() + PATIENCE
    while int.from_bytes(zygote.read_bytes()[8:12], "little") != 10**9 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert int.from_bytes(zygote.read_bytes()[8:12], "little") == 10**9


def test_what_goes_by_its_hash_is_left_alone(runtime: Path) -> None:
    tag = open_sandbox(runtime)
    zygote, other = (compiled(runtime, tag, name) for name in ("worker/zygote", "worker/copies"))
    assert wait_for(zygote) and wait_for(other)
    if f"cpython-{sys.version_info.major}{sys.version_info.minor}" != tag:
        pytest.skip("the tests run on another Python than the server")
    py_compile.compile(str(runtime / "mcp_runtime" / "worker" / "zygote.py"), str(zygote), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    other.unlink()
    open_sandbox(runtime)
    time.sleep(0.5)
    assert not other.exists()
