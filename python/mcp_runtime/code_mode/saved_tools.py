"""Functions that outlive their session: save_tool(), and what later sessions load of them.

A function is kept as its source. Sessions that load them run all of it in one module,
`mcp.user_tools`, and find its public names among the built-in ones, where the session's own names
come first.
"""

from __future__ import annotations

import builtins
import keyword
import linecache
import sys
from builtins import (
    BaseException,
    Exception,
    KeyboardInterrupt,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    __import__,
    compile,
    dir,
    exec,
    frozenset,
    hasattr,
    isinstance,
    len,
    list,
    set,
    sorted,
    str,
    type,
)

from mcp_runtime.code_mode import hook, names
from mcp_runtime.code_mode.calls import ask
from mcp_runtime.code_mode.errors import MCPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType, ModuleType
    from typing import Any

MODULE = "mcp.user_tools"
_FILE = "<saved tools>"
_Function = type(lambda: None)
_Module = type(sys)

_exported: set[str] = set()


def save(function: FunctionType) -> str:
    """Sends a function's source to be kept; what was done, in words."""
    source = source_of(function)
    name = function.__name__
    message = str(ask("save_tool", name=name, source=source)["message"])
    missing = _names_it_lacks(name, source)
    if missing:
        message += (
            f" It uses {', '.join(missing)}, which later sessions may not have: import or make "
            "such things inside the function, and save it again."
        )
    return message


def delete(name: Any) -> str:
    """Has one removed, here as well; what was done, in words."""
    if not isinstance(name, str) and hasattr(name, "__name__"):
        name = name.__name__
    if not isinstance(name, str):
        raise ValueError(
            f"delete_tool() takes the name of a saved function, not {type(name).__name__}"
        )
    message = str(ask("delete_tool", name=name)["message"])
    if name in _exported:
        _exported.discard(name)
        builtins.__dict__.pop(name, None)
        sys.modules[MODULE].__dict__.pop(name, None)
    return message


def source_of(function: Any) -> str:
    """A plain function's source, that makes it again anywhere. Raises ValueError."""
    if type(function) is not _Function:
        raise ValueError(
            f"save_tool() keeps plain functions, not {type(function).__name__}. Write `def "
            "name(…):` in a cell, and give the function itself."
        )
    name = function.__name__
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(
            f"save_tool() keeps functions that have a name, not {name}. Write `def name(…):` in a "
            "cell."
        )
    if name[:1] == "_" or (hasattr(builtins, name) and name not in _exported):
        raise ValueError(
            f"The function was not kept: {name!r} is "
            f"{'a private name' if name[:1] == '_' else 'a name of the language itself'}, and "
            "later sessions would not find it by that. Give it another name."
        )
    if function.__code__.co_freevars:
        raise ValueError(
            f"{name} was not kept: it uses {', '.join(function.__code__.co_freevars)} of the "
            "function that it was made in, which is gone later. Define it at the top of a cell."
        )
    return _checked(name, _source_text(function))


def _source_text(function: Any) -> str:
    import inspect
    import textwrap

    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise ValueError(
            f"{function.__name__} was not kept: its source is not known any more. Run the cell "
            "that defines it again, and save it then."
        ) from None


def _checked(name: str, source: str) -> str:
    """The source, when it is the definition of that function and of nothing else."""
    import ast

    try:
        body = ast.parse(source).body
    except SyntaxError:
        body = []
    only = body[0] if len(body) == 1 else None
    if not isinstance(only, (ast.FunctionDef, ast.AsyncFunctionDef)) or only.name != name:
        raise ValueError(
            f"{name} was not kept: its source is no definition of its own. Write `def {name}(…):` "
            "at the beginning of a line."
        )
    around = sorted({*_compiled(source).co_names} - {name, *dir(builtins)})
    if around:
        raise ValueError(
            f"{name} was not kept: its decorators or defaults use {', '.join(around)}, which a "
            "later session lacks when it loads the function. Use built-in names there."
        )
    return source


def _compiled(source: str) -> Any:
    """Annotations are never executed: they may name what a session has imported."""
    import __future__

    flag = __future__.annotations.compiler_flag
    return compile(source, _FILE, "exec", flag, True)


def _names_it_lacks(name: str, source: str) -> list[str]:
    """Global names of the function that are neither built in nor saved."""
    import symtable

    known = {name, *_exported, *dir(builtins)}
    found: set[str] = set()
    waiting = list(symtable.symtable(source, _FILE, "exec").get_children())
    for table in waiting:
        waiting += table.get_children()
        found |= {each.get_name() for each in table.get_symbols() if each.is_global()}
    return sorted(each for each in found - known if each[:4] != "mcp_")


# --- loading
# ---------------------------------------------------------------------------------------


def load() -> None:
    """Makes the saved functions of this session, once. What goes wrong is one line on stderr."""
    __import__(MODULE)


def fill(module: ModuleType) -> None:
    """Makes `mcp.user_tools` of what is kept; for the package's loader."""
    module.__doc__ = "Functions kept by save_tool()."
    module.__file__ = _FILE
    path = "the file of saved tools"
    try:
        told = ask("saved_tools")
        path = told.get("path") or path
        run(module, str(told.get("source") or ""))
    except KeyboardInterrupt:
        raise
    except MCPError as error:
        _tell(f"The saved tools were not loaded: {error}")
    except BaseException as error:
        _tell(
            f"The saved tools were not all loaded: {type(error).__name__}: {error}. Mend {path}, "
            "or remove the tool with runtime.delete_tool(name)."
        )


def run(module: ModuleType, source: str) -> None:
    """Executes the source, and hands out the public names; also those before an error."""
    lines = [line + "\n" for line in source.split("\n")]
    linecache.cache[_FILE] = (len(source), None, lines, _FILE)
    code = _compiled(source)
    names.bind(module.__dict__, frozenset(hook.names_of((code, None))))
    try:
        exec(code, module.__dict__)
    finally:
        _export(module)


def _export(module: ModuleType) -> None:
    language = builtins.__dict__
    for name, value in list(module.__dict__.items()):
        if name[:1] == "_" or type(value) is _Module:
            continue
        if name not in language or name in _exported:
            language[name] = value
            _exported.add(name)


def mend() -> None:
    """Puts the names back that were taken out of the built-in ones with everything else."""
    for name in _exported:
        if name not in builtins.__dict__:
            _export(sys.modules[MODULE])
            return


def _tell(text: str) -> None:
    try:
        sys.stderr.write(text.replace("\n", " ") + "\n")
    except Exception:
        pass
