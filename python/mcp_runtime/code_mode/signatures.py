"""A tool's signature as inspect has them, from the line of Python that the server wrote of it.

Nothing in the line is executed: it comes from an upstream, in the end. Imported when somebody asks
for a signature.
"""

from __future__ import annotations

import ast
import inspect
from builtins import (
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    enumerate,
    isinstance,
    len,
    str,
    zip,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAXIMUM = 100_000  # characters


class Verbatim:
    """A piece of source that shows as it is, in the place of the value it stands for."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def parsed(line: Any) -> inspect.Signature:
    """The signature of `name(a: int, b: str = ...) -> dict`; (**arguments) for what can't be
    read."""
    try:
        if isinstance(line, str) and len(line) <= _MAXIMUM:
            tree = ast.parse(f"def {line}: pass")
            function = tree.body[0]
            if len(tree.body) == 1 and isinstance(function, ast.FunctionDef):
                return _signature(function)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return inspect.Signature([inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)])


def _signature(function: ast.FunctionDef) -> inspect.Signature:
    taken = function.args
    plain = taken.posonlyargs + taken.args
    defaults = [None] * (len(plain) - len(taken.defaults)) + taken.defaults
    kinds = inspect.Parameter
    made = [
        _parameter(each, kinds.POSITIONAL_OR_KEYWORD, defaults[at]) for at, each in enumerate(plain)
    ]
    made += [
        _parameter(each, kinds.KEYWORD_ONLY, default)
        for each, default in zip(taken.kwonlyargs, taken.kw_defaults)  # noqa: B905
    ]
    if taken.kwarg is not None:
        made.append(_parameter(taken.kwarg, kinds.VAR_KEYWORD, None))
    returned = function.returns
    annotation = inspect.Signature.empty if returned is None else Verbatim(ast.unparse(returned))
    return inspect.Signature(made, return_annotation=annotation)


def _parameter(argument: ast.arg, kind: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    annotation = argument.annotation
    return inspect.Parameter(
        argument.arg,
        kind,
        default=empty if default is None else _value(default),
        annotation=empty if annotation is None else Verbatim(ast.unparse(annotation)),
    )


def _value(default: ast.expr) -> Any:
    try:
        value = ast.literal_eval(default)
    except (ValueError, TypeError):
        value = ...
    return Verbatim(ast.unparse(default)) if value is ... else value
