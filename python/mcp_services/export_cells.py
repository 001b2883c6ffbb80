"""What the code of a cell says about itself, for exports: names, awaits, lines inside strings.

A session is more lenient than a file: awaits at the top, `from __future__` anywhere, code that is
indented as a whole, `_` for the last result. What a file needs instead is worked out here.
"""

from __future__ import annotations

import ast
import dis
import re
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_CO_COROUTINE = 0x80
_BOUND_BY_PYTHON = frozenset({"__annotations__", "__conditional_annotations__", "__annotate__"})
# A block of inline metadata, of which a file may have one only.
_BLOCK_BEGINS = re.compile(r"# /// [a-zA-Z0-9-]+[ \t]*$")


class Source:
    """A cell's code, as far as this Python can read it."""

    def __init__(self, code: str) -> None:
        self.code = _dedented(code.replace("\r\n", "\n").replace("\r", "\n"))
        self.tree: ast.Module | None = None
        self._compiled: CodeType | None = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                self.tree = compile(
                    self.code, "<cell>", "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True
                )
                self._compiled = compile(self.code, "<cell>", "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # of another version of Python, or never to run

    @property
    def awaits(self) -> bool:
        """Whether the cell is a coroutine: it awaits outside functions."""
        return self._compiled is not None and bool(self._compiled.co_flags & _CO_COROUTINE)

    def bound(self) -> list[str]:
        """The names the cell binds or deletes in the session."""
        names: dict[str, None] = {}
        if self._compiled is not None:
            for each in dis.get_instructions(self._compiled):
                if each.opname in ("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"):
                    names[each.argval] = None
        return [name for name in names if name not in _BOUND_BY_PYTHON]

    def used(self) -> set[str]:
        """All names that occur in the cell, in functions too."""
        if self.tree is None:
            return set()
        return {each.id for each in ast.walk(self.tree) if isinstance(each, ast.Name)}

    def futures(self) -> list[ast.ImportFrom]:
        """Its `from __future__ import …` statements."""
        if self.tree is None:
            return []
        return [
            each
            for each in self.tree.body
            if isinstance(each, ast.ImportFrom) and each.module == "__future__"
        ]

    def last_expression(self) -> ast.Expr | None:
        """The last statement, when it is an expression."""
        body = self.tree.body if self.tree is not None else []
        return body[-1] if body and isinstance(body[-1], ast.Expr) else None

    def lines_in_strings(self) -> set[int]:
        """Lines (from 1) that begin inside a string: nothing may be put in front of them."""
        inside: set[int] = set()
        for node in ast.walk(self.tree) if self.tree is not None else ():
            if isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
            ):
                inside.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
        return inside


def imported_names(code: str) -> set[str]:
    """The first names of the modules that a cell's import statements name."""
    if "import" not in code:
        return set()
    tree = Source(code).tree
    return set(_imported(tree)) if tree is not None else set()


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def indented(source: Source) -> str:
    """The code one level deeper, as the body of a function; strings keep their contents."""
    inside = source.lines_in_strings()
    return "\n".join(
        f"    {line}" if line.strip() and number not in inside else line
        for number, line in enumerate(source.code.split("\n"), 1)
    )


def replaced(code: str, node: ast.stmt, text: str) -> str:
    """The code with other text in the place of one statement."""
    lines = code.split("\n")
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    # Columns count bytes of UTF-8.
    before = lines[first].encode()[: node.col_offset].decode()
    after = lines[last].encode()[node.end_col_offset or 0 :].decode()
    lines[first : last + 1] = [before + text + after]
    return "\n".join(lines)


def without_metadata_blocks(source: Source) -> str:
    """The code with no second block of inline metadata in it."""
    if "# /// " not in source.code:
        return source.code
    inside = source.lines_in_strings()
    return "\n".join(
        line.replace("# ///", "# ////", 1)
        if _BLOCK_BEGINS.match(line) and number not in inside
        else line
        for number, line in enumerate(source.code.split("\n"), 1)
    )


def printable(text: str) -> str:
    """Text that may stand in a comment: control characters would end it, or the file."""
    return "".join(
        char if char == "\n" or char == "\t" or char.isprintable() else repr(char)[1:-1]
        for char in text
    )


def comment(text: str, prefix: str = "# ") -> list[str]:
    """Lines of comment."""
    return [f"{prefix}{line}".rstrip() for line in printable(text).split("\n")]


def _dedented(code: str) -> str:
    """As a session reads code whose every line is indented alike."""
    lines = code.split("\n")
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    if not indent or any(line.strip() and not line.startswith(indent) for line in lines):
        return code
    try:
        ast.parse(code)
    except SyntaxError:
        return "\n".join(line[len(indent) :] for line in lines)
    return code


def header(about: dict[str, object], more: tuple[str, ...] = ()) -> list[str]:
    """The block of inline metadata (PEP 723): the Python and the packages with their versions."""
    import json

    lines = ["# /// script"]
    python = str(about["python"])
    if python:
        minor = ".".join(python.split(".")[:2])
        lines.append(f'# requires-python = ">={minor}"')
    packages: list[dict[str, str]] = about["packages"]  # type: ignore[assignment]
    wanted = [*more, *(each["requirement"] for each in packages)]
    if wanted:
        lines.append("# dependencies = [")
        lines += [f"#     {json.dumps(each)}," for each in wanted]
        lines.append("# ]")
    else:
        lines.append("# dependencies = []")
    return [*lines, "# ///"]
