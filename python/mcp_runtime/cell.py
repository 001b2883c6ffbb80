"""Turns the source of a cell into code objects, the way an interactive prompt understands it.

The caller (Session) compiles single lines itself; what comes here has several statements. The
built-in `_ast` is used, never the module `ast`: it would cost every session 2 MB.
"""

from __future__ import annotations

import _ast
from builtins import any, compile, len, next, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

PyCF_ONLY_AST = 0x400

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
    if statements and type(statements[-1]) is _Expr and not _silenced(code, statements[-1]):
        last = statements.pop()
    body_code = None
    if statements:
        body_code = compile(tree, filename, "exec", flags, True)
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
    if any([line.strip() and not line.startswith(indent) for line in lines]):
        return None
    return "\n".join([line[len(indent) :] for line in lines])


def _silenced(code: str, final: _ast.Expr) -> bool:
    """Whether a semicolon follows the last expression, which hides its value as in IPython.

    Behind the expression there can only be closing parentheses, comments, and the semicolon.
    """
    if ";" not in code or final.end_lineno is None or final.end_col_offset is None:
        return False
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")[final.end_lineno - 1 :]
    # The column counts bytes of UTF-8.
    lines[0] = lines[0].encode("utf-8")[final.end_col_offset :].decode("utf-8", "replace")
    return any([";" in line.split("#", 1)[0] for line in lines])
