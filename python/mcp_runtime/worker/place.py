"""What a session finds around it: directory, sys.path, environment, random numbers.

Applied once in a new worker, before the session is made; as at an interactive prompt that was
started there.
"""

from __future__ import annotations

import os
import sys
from builtins import BaseException, dict, getattr

from mcp_runtime.inprocess.paths import Bundled
from mcp_runtime.worker import packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RUNTIME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_modules = sys.modules
# Generators of packages that may have been preloaded: the module, and its attribute if it isn't one
# itself. Those that are made when they are asked for (numpy's default_rng) begin with the system's
# random numbers.
_GENERATORS = (("random", None), ("numpy.random", None), ("sympy.core.random", "rng"))


def enter(order: dict[str, Any]) -> None:
    """Follows a fork order. Raises OSError when the working directory can't be entered."""
    os.chdir(order["cwd"])
    sys.argv = [""]
    sys.path.insert(0, "")
    sys.meta_path.append(Bundled(_RUNTIME))
    if order.get("root"):
        packages.enter(order["root"])
    if order.get("folder"):
        os.environ["PYEMBER_SESSION_FOLDER"] = order["folder"]
    packages.add(order.get("sites") or [])
    seed()


def seed() -> None:
    """Every worker draws random numbers of its own; what was forked would repeat itself."""
    for name, generator in _GENERATORS:
        module = _modules.get(name)
        if module is not None:
            try:
                (module if generator is None else getattr(module, generator)).seed()
            except BaseException:  # a version without it
                pass
