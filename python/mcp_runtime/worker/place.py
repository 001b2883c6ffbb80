"""What a session finds around it: directory, sys.path, environment, random numbers.

Applied once in a new worker, before the session is made; as at an interactive prompt that was
started there.
"""

from __future__ import annotations

import os
import random
import site
import sys
from builtins import BaseException, dict, list, str

from mcp_runtime.inprocess.paths import Bundled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RUNTIME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_modules = sys.modules


def enter(order: dict[str, Any]) -> None:
    """Follows a fork order. Raises OSError when the working directory can't be entered."""
    os.chdir(order["cwd"])
    sys.argv = [""]
    sys.path.insert(0, "")
    sys.meta_path.append(Bundled(_RUNTIME))
    if order.get("root"):
        _enter_environment(order["root"])
    if order.get("folder"):
        os.environ["PYEMBER_SESSION_FOLDER"] = order["folder"]
    add_sites(order.get("sites") or [])
    _seed()


def add_sites(directories: list[str]) -> None:
    """More directories with packages, whose .pth files count."""
    for directory in directories:
        if directory not in sys.path:
            site.addsitedir(directory)


def _enter_environment(root: str) -> None:
    """What `source bin/activate` and the environment's own python would have set."""
    sys.prefix = sys.exec_prefix = root
    os.environ["VIRTUAL_ENV"] = root
    programs = os.path.join(root, "bin")
    path = os.environ.get("PATH", "")
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + path if path else programs
    python = os.path.join(programs, "python")
    if os.access(python, os.X_OK):
        sys.executable = python


def _seed() -> None:
    """Every worker draws random numbers of its own; what was forked would repeat itself."""
    random.seed()
    numpy_random = _modules.get("numpy.random")
    if numpy_random is not None:
        try:
            numpy_random.seed()
        except BaseException:  # a numpy without the older generator
            pass
