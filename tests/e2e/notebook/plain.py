"""Runs the cells of a notebook as plain CPython does: what pyember's answers are compared with.

    python plain.py NOTEBOOK < /dev/null

One JSON object a line for each cell: stdout, the last expression's repr, the exception's type and
message, and the figures of matplotlib, which are closed after the cell, as base64 PNG.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import sys
from types import ModuleType
from typing import Any


def cells_of(text: str) -> list[str]:
    """The cells, without what stands before the first."""
    return re.split(r"^# %%.*\n", text, flags=re.MULTILINE)[1:]


def figures() -> list[str]:
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    pictures = []
    for number in pyplot.get_fignums() if pyplot else ():
        buffer = io.BytesIO()
        pyplot.figure(number).savefig(buffer, format="png", bbox_inches="tight")
        pictures.append(base64.b64encode(buffer.getvalue()).decode())
    if pyplot:
        pyplot.close("all")
    return pictures


def run(code: str, namespace: dict[str, Any]) -> dict[str, Any]:
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    result = error = None
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(tree, "<cell>", "exec"), namespace)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
                result = None if value is None else repr(value)
        except Exception as failure:
            error = [type(failure).__name__, str(failure)]
    return {"stdout": out.getvalue(), "result": result, "error": error, "figures": figures()}


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        cells = cells_of(file.read())
    module = sys.modules["__main__"] = ModuleType("__main__")
    for code in cells:
        print(json.dumps(run(code, module.__dict__)), flush=True)


if __name__ == "__main__":
    main()
