"""The seccomp filter that a container's first process loads (mcp_runtime.worker.seccomp)."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = Path(__file__).resolve().parents[3] / "python"
# kcmp, which nothing needs: its number, by machine.
KCMP = {"x86_64": 312, "aarch64": 272}
# Loads its number, refuses kcmp with EXDEV, which is not what the kernel would say, and allows the rest.
STEPS = [
    (0x20, 0, 0, 0),
    (0x15, 0, 1, KCMP.get(os.uname().machine, 0)),
    (0x06, 0, 0, 0x00050000 | 18),
    (0x06, 0, 0, 0x7FFF0000),
]
FILTER = b"".join(struct.pack("<HBBI", *step) for step in STEPS)
LOAD = """
import ctypes, os, sys
from mcp_runtime.worker import seccomp
seccomp.load(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(int(sys.argv[2]), os.getpid(), os.getpid(), 0, 0, 0)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(result, ctypes.get_errno(), status["Seccomp"].strip(), status["NoNewPrivs"].strip())
print(os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)[1])
"""


def run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LOAD, str(path), str(KCMP.get(os.uname().machine, 0))]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={"PYTHONPATH": str(PYTHON)})


@pytest.mark.skipif(os.uname().machine not in KCMP, reason="the test knows system calls by number")
def test_what_the_filter_refuses_is_refused_and_the_rest_works(tmp_path: Path) -> None:
    (tmp_path / "filter").write_bytes(FILTER)
    assert run(tmp_path / "filter").stdout.splitlines() == ["-1 18 2 1", "0"]


@pytest.mark.parametrize("content", [b"", FILTER[:-1], b"\xff" * 64, FILTER * 2000], ids=["empty", "odd", "no filter", "too long"])
def test_nothing_starts_without_a_filter_that_can_be_loaded(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "filter").write_bytes(content)
    done = run(tmp_path / "filter")
    assert done.returncode == 1
    assert "could not be loaded" in done.stderr
    assert done.stdout == ""


def test_a_filter_that_is_missing_is_told(tmp_path: Path) -> None:
    done = run(tmp_path / "none")
    assert done.returncode == 1
    assert "can't be read (No such file or directory)" in done.stderr


def test_a_zygote_loads_the_filter_that_its_surroundings_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_runtime.worker", "--control", "0"],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
        env={"PYTHONPATH": str(PYTHON), "PYEMBER_FILTER": str(tmp_path / "none")},
    )
    assert done.returncode == 1
    assert "nothing was started" in done.stderr
