"""Raises at every line of user code, for cells that swallow the exception which should end them.

A trace function written in Python is taken away by the interpreter when it raises; one in C stays.
The C function used here is PyObject_RichCompareBool(a, b, operation): its arguments lie as a trace
function's do (object, frame, event), -1 with an exception means the same in both, and the numbers
of the operations are those of the events. So `insistence < frame` is asked when a function begins,
`insistence == frame` before a line, and what they raise is raised in that frame.
"""

from __future__ import annotations

import os
import sys
from builtins import AttributeError, ImportError, bool, object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

try:
    import ctypes

    _set_trace = ctypes.pythonapi.PyEval_SetTrace
    _set_trace.argtypes = [ctypes.c_void_p, ctypes.py_object]
    _set_trace.restype = None
    _compare = ctypes.cast(ctypes.pythonapi.PyObject_RichCompareBool, ctypes.c_void_p)
    _usable = True
except (ImportError, AttributeError):
    _usable = False

_clear_trace = sys.settrace


class Insistence:
    """A trace function that calls `raise_it` in every frame that is not the runtime's."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, raise_it: Callable[[], None]) -> None:
        self._raise = raise_it

    def begin(self) -> bool:
        """Traces the calling thread from its next line on; False where ctypes is missing."""
        if _usable:
            _set_trace(_compare, self)
        return _usable

    @staticmethod
    def end() -> None:
        """Traces no longer."""
        _clear_trace(None)

    def on_frame(self, frame: FrameType) -> bool:
        if not frame.f_code.co_filename.startswith(_OURS):
            self._raise()
        return False

    def no_matter(self, _frame: object) -> bool:
        return False

    __lt__ = __eq__ = on_frame  # type: ignore[assignment]  # PyTrace_CALL 0, PyTrace_LINE 2
    __le__ = __ne__ = no_matter  # type: ignore[assignment]  # PyTrace_EXCEPTION 1, _RETURN 3
