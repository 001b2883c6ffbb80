"""Builds the wheel from this tree: python build_wheel.py FOLDER-FOR-THE-WHEEL

A program of its own because two want the same build: the tests of the wheel, and the run of all tests, which compiles
it in the background of what comes before them. What one has compiled the other finds (build/wheel).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.world import find_uv  # noqa: E402


def main() -> None:
    uv = find_uv()
    variables = {name: value for name, value in os.environ.items()
                 if not name.startswith("PYEMBER_") and name != "VIRTUAL_ENV"}  # fmt: skip
    if shutil.which("ccache"):
        variables |= {"PYEMBER_CCACHE": "ccache", "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}
    command = [uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable,
               "--out-dir", sys.argv[1], str(ROOT)]  # fmt: skip
    sys.exit(subprocess.run(command, env=variables, stdin=subprocess.DEVNULL).returncode)


if __name__ == "__main__":
    main()
