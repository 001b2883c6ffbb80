"""What sessions do first with packages that are often preloaded.

Libraries load and look up much when they are first used. Done once in the zygote, behind the
import, all workers have it; done in a spare, its pages are its own before its session begins.
Nothing here may start a thread or leave anything behind; the zygote checks the first.
"""

from __future__ import annotations

import sys
from builtins import BaseException, dict, repr, str

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_modules = sys.modules


def use(name: str) -> None:
    """Uses a module that has been imported, where it is known how. Never raises."""
    module = _modules.get(name)
    first_use = _USES.get(name)
    if module is None or first_use is None:
        return
    try:
        first_use(module)
    except BaseException:  # another version, or none of the package's own
        pass


def use_all() -> None:
    """Uses every module that is loaded and known."""
    for name in _USES:
        use(name)


def _numpy(numpy: Any) -> None:
    values = numpy.arange(4) * 1.5
    repr((values, values.sum(), numpy.zeros((2, 2)), numpy.random.random))


def _pandas(pandas: Any) -> None:
    frame = pandas.DataFrame({"n": [1, 2, 2], "x": [0.5, 1.5, 2.5], "s": ["a", "b", "b"]})
    repr((frame, frame["n"].sum(), frame[frame.n > 1], frame.groupby("s").n.mean()))


_USES: dict[str, Callable[[Any], None]] = {"numpy": _numpy, "pandas": _pandas}
