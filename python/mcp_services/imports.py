"""Which packages a script needs, by its syntax tree.

What is imported anywhere counts, except
- under `if TYPE_CHECKING:` and in branches for another system or another version of Python;
- modules of the standard library (of the Python that will run it) and those beside the script;
- what the script can do without. In `try: … except ImportError:` that is so when the handler goes
  on with what is there. It is needed when the handler raises or exits. When the handler imports
  something else that is missing as well, the first choice is added (the second, when the first is
  a module that no package brings: tomllib before 3.11). Under `contextlib.suppress(ImportError)`
  nothing is needed.
"""

from __future__ import annotations

import ast
import operator
import os

from mcp_services.packages import (
    in_standard_library,
    name_of_requirement,
    normalised,
    packages_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Version = tuple[int, int]

# Entries of a folder that are looked at to see whether it is a package.
MAXIMUM_ENTRIES = 1_000
_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_EXITS = frozenset({"exit", "quit", "_exit", "abort", "SystemExit"})
_COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Surroundings:
    """What a script finds without any package: its Python, its neighbours."""

    def __init__(self, folders: Iterable[str], version: Version) -> None:
        self._folders = list(folders)
        self.version = version

    def has(self, module: str) -> bool:
        first = module.split(".", 1)[0]
        return in_standard_library(first, self.version) or any(
            _holds_module(folder, first) for folder in self._folders
        )


def packages_needed(
    tree: ast.Module, surroundings: Surroundings, dependencies: Iterable[str]
) -> list[str]:
    """The packages to add to the dependencies: sorted, each once."""
    covered = {name_of_requirement(requirement) for requirement in dependencies}
    needed: set[str] = set()
    for module in _Scan(surroundings).block(tree.body):
        packages = packages_of(module, surroundings.version)
        if packages and not covered.intersection(map(normalised, packages)):
            needed.add(packages[0])
    return sorted(needed)


class _Scan:
    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def block(self, statements: Iterable[ast.stmt]) -> set[str]:
        """The modules that these statements need and that are not there."""
        found: set[str] = set()
        for statement in statements:
            found |= self._statement(statement)
        return found

    def _statement(self, statement: ast.stmt) -> set[str]:
        if isinstance(statement, ast.Import):
            return self._missing(alias.name for alias in statement.names)
        if isinstance(statement, ast.ImportFrom):
            return set() if statement.level else self._missing(_imported_from(statement))
        if isinstance(statement, ast.If):
            return self.block(self._branches(statement))
        if isinstance(statement, (ast.Try, ast.TryStar)):
            return self._try(statement)
        if isinstance(statement, ast.With) and _suppresses_import_errors(statement):
            return set()
        return self.block(_inner_statements(statement))

    def _missing(self, modules: Iterable[str]) -> set[str]:
        return {module for module in modules if not self._surroundings.has(module)}

    def _branches(self, statement: ast.If) -> list[ast.stmt]:
        holds = _truth(statement.test, self._surroundings.version)
        if holds is None:
            return statement.body + statement.orelse
        return statement.body if holds else statement.orelse

    def _try(self, statement: ast.Try | ast.TryStar) -> set[str]:
        wanted = self.block(statement.body)
        rest = self.block(statement.orelse) | self.block(statement.finalbody)
        handlers = [each for each in statement.handlers if _catches_import_error(each)]
        for each in statement.handlers:
            if each not in handlers:
                rest |= self.block(each.body)
        if not wanted:
            return rest
        if not handlers or all(_gives_up(each.body) for each in handlers):
            return rest | wanted
        fallback: set[str] = set()
        for each in handlers:
            fallback |= self.block(each.body)
        if not fallback:
            return rest
        installable = all(packages_of(each, self._surroundings.version) for each in wanted)
        return rest | (wanted if installable else fallback)


def _imported_from(statement: ast.ImportFrom) -> list[str]:
    """`from google.cloud import storage` may name a module of its own."""
    module = statement.module or ""
    if module in ("google", "google.cloud") or module.split(".")[0] in ("azure", "zope", "jaraco"):
        return [f"{module}.{alias.name}" for alias in statement.names]
    return [module]


def _inner_statements(statement: ast.stmt) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for name in ("body", "orelse", "finalbody"):
        found += getattr(statement, name, ())
    for case in getattr(statement, "cases", ()):
        found += case.body
    return found


def _dotted(node: ast.expr) -> str:
    """`sys.version_info` of a name or an attribute; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def _truth(test: ast.expr, version: Version) -> bool | None:
    """What a condition on the type checker, the version or the system comes to; None: unknown."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand, version)
        return None if inner is None else not inner
    if _dotted(test).rsplit(".", 1)[-1] == "TYPE_CHECKING":
        return False
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        compare = _COMPARISONS.get(type(test.ops[0]))
        left, right = _known(test.left, version), _known(test.comparators[0], version)
        if compare is not None and left is not None and type(left) is type(right):
            return _compared(compare, left, right)
    return None


def _compared(compare: Any, left: Any, right: Any) -> bool | None:
    try:
        return bool(compare(left, right))
    except TypeError:  # tuples of other things than numbers
        return None


def _known(node: ast.expr, version: Version) -> Any:
    """The value of sys.version_info (and of its parts), sys.platform, os.name, or of a literal."""
    if isinstance(node, ast.Subscript) and _dotted(node.value) == "sys.version_info":
        if isinstance(node.slice, ast.Slice):
            return version
        return version[0] if _literal(node.slice) == 0 else None
    if isinstance(node, ast.Call) and _dotted(node.func) == "platform.system":
        return "Linux"
    names = {"sys.version_info": version, "sys.platform": "linux", "os.name": "posix"}
    name = _dotted(node)
    if name:
        return version[1] if name == "sys.version_info.minor" else names.get(name)
    return _literal(node)


def _literal(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, (int, str, tuple)) else None


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(_dotted(each).rsplit(".", 1)[-1] in _CAUGHT for each in types)


def _gives_up(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    return (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and _dotted(last.value.func).rsplit(".", 1)[-1] in _EXITS
    )


def _suppresses_import_errors(statement: ast.With) -> bool:
    for item in statement.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and _dotted(call.func).rsplit(".", 1)[-1] == "suppress":
            names = {_dotted(each).rsplit(".", 1)[-1] for each in call.args}
            if names & _CAUGHT:
                return True
    return False


def _holds_module(folder: str, name: str) -> bool:
    path = os.path.join(folder, name)
    if os.path.isfile(path + ".py") or os.path.isfile(os.path.join(path, "__init__.py")):
        return True
    try:
        with os.scandir(path) as entries:
            return any(
                entry.name.endswith(".py")
                for entry, _ in zip(entries, range(MAXIMUM_ENTRIES), strict=False)
            )
    except OSError:
        return False
