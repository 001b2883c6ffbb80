"""Turns the source of a cell into code objects, the way an interactive prompt understands it.

The caller (Session.run) tries the quick way for a single expression itself; what comes here has
statements. The built-in `_ast` is used, never the module `ast`: it costs every session 2 MB.
"""

from __future__ import annotations

import _ast
from builtins import any, compile, len, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

PyCF_ONLY_AST = 0x400
PyCF_ALLOW_TOP_LEVEL_AWAIT = 0x2000
CO_COROUTINE = 0x80
# Every `from __future__ import …` flag of CPython 3.10 to 3.14 (CO_FUTURE_DIVISION … ANNOTATIONS).
FUTURE_FLAGS = 0x20000 | 0x40000 | 0x80000 | 0x100000 | 0x200000 | 0x400000 | 0x800000 | 0x1000000

_Module = _ast.Module
_Expr = _ast.Expr
_Expression = _ast.Expression


def compile_statements(
    code: str, filename: str, flags: int
) -> tuple[CodeType | None, CodeType | None]:
    """Compiles a cell to (what is executed, the last expression); either may be None.

    Raises what compile() raises, SyntaxError above all.
    """
    tree = compile(code, filename, "exec", flags | PyCF_ONLY_AST, True)
    statements = tree.body
    last = None
    if statements and type(statements[-1]) is _Expr:
        final = statements[-1]
        if not _silenced(code, final):
            statements.pop()
            last = final
    body_code = None
    if statements:
        body_code = compile(tree, filename, "exec", flags, True)
        flags |= body_code.co_flags & FUTURE_FLAGS
    last_code = None
    if last is not None:
        last_code = compile(_Expression(last.value), filename, "eval", flags, True)
    return body_code, last_code


def dedented(code: str) -> str | None:
    """A cell whose every line is indented alike, without that indentation; None for any other.

    Code is often pasted from inside a function; IPython accepts it as well.
    """
    lines = code.split("\n")
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    if not indent:
        return None
    for line in lines:
        if line.strip() and not line.startswith(indent):
            return None
    return "\n".join([line[len(indent) :] if line.startswith(indent) else "" for line in lines])


def _silenced(code: str, final: _ast.Expr) -> bool:
    """Whether a semicolon follows the last expression, which hides its value as in IPython.

    Behind the expression there can only be closing parentheses, comments, and the semicolon.
    """
    if ";" not in code or final.end_lineno is None or final.end_col_offset is None:
        return False
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines[final.end_lineno - 1 :]
    lines[0] = lines[0].encode("utf-8", "surrogatepass")[final.end_col_offset :].decode(
        "utf-8", "replace"
    )
    return any([";" in line.split("#", 1)[0] for line in lines])
