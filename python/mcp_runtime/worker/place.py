"""What a session finds around it: directory, sys.path, environment, random numbers.

Applied once in a new worker, before the session is made; as at an interactive prompt that was
started there.
"""

from __future__ import annotations

import os
import random
import site
import sys
from builtins import BaseException, dict, getattr, list, str

from mcp_runtime.inprocess.paths import Bundled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RUNTIME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_modules = sys.modules
# Generators of packages that may have been preloaded: the module, and its attribute if it isn't one
# itself. Those that are made when they are asked for (numpy's default_rng) begin with the system's
# random numbers.
_GENERATORS = (("numpy.random", None), ("sympy.core.random", "rng"))


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
    seed()


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


def seed() -> None:
    """Every worker draws random numbers of its own; what was forked would repeat itself."""
    random.seed()
    for name, generator in _GENERATORS:
        module = _modules.get(name)
        if module is not None:
            try:
                (module if generator is None else getattr(module, generator)).seed()
            except BaseException:  # a version without it
                pass
