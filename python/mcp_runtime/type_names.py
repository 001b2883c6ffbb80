"""What a type is called in texts for people."""

from __future__ import annotations

from builtins import BaseException, str, type

from mcp_runtime.result_text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The slots of the types themselves: a metaclass can't put its own code before them.
_get_name: Any = type.__dict__["__qualname__"].__get__
_get_module: Any = type.__dict__["__module__"].__get__


def type_name(kind: type) -> str:
    """The type's name, qualified by its module unless that says nothing."""
    try:
        name = _get_name(kind)
        module = _get_module(kind)
    except BaseException:
        return "<unnamed type>"
    if type(module) is not str or module in ("builtins", "__main__"):
        return printable(name)
    return printable(f"{module}.{name}")
