"""A session as a script: cells behind `# %%`, their outputs as comments.

It runs with `uv run`: what a session allows and a file does not is rewritten, as little as can be.
A cell that did not run to its end is a comment.
"""

from __future__ import annotations

import re

from mcp_services.export_cells import (
    Source,
    comment,
    header,
    indented,
    replaced,
    without_metadata_blocks,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_services.exports import Cell

# Of one output of one cell, as comments.
MAXIMUM_LINES = 40
MAXIMUM_CHARACTERS = 4_000

_FOLDER = "PYEMBER_SESSION_FOLDER"
_MAKE_FOLDER = f"""\
# Where the session had its folder.
import os

os.environ.setdefault("{_FOLDER}", os.getcwd())
"""
_DISPLAY = """\
# What a notebook's display() does, as far as a script can.
try:
    display
except NameError:

    def display(*objects, **options):
        for each in objects:
            print(each)
"""
_RUN = """\
# Cells that await run in one event loop, as they did in the session.
import asyncio as _asyncio

_loop = _asyncio.new_event_loop()


def _run(coroutine):
    _asyncio.set_event_loop(_loop)
    return _loop.run_until_complete(coroutine)
"""
_RESULTS = ("_", "__", "___")


def render(about: dict[str, Any], cells: list[Cell]) -> str:
    """The text of the file."""
    sources = [Source(cell["code"]) for cell in cells]
    both = list(zip(cells, sources))  # noqa: B905
    live = [source for cell, source in both if cell["status"] == "completed"]
    lines = [*header(about), ""]
    python = f" (Python {about['python']})" if about["python"] else ""
    lines += comment(f"Session '{about['session']}' of pyember{python}, its cells in their order.")
    for notice in about["notices"]:
        lines += comment(notice)
    if futures := _futures(live):
        lines += ["", f"from __future__ import {', '.join(futures)}"]
    lines.append("")
    lines += _helpers(live)
    needed = _results_used(live)
    for cell, source in both:
        lines += [f"# %% cell {cell['cell']}", *_body(cell, source, needed), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _futures(sources: list[Source]) -> list[str]:
    """They stand at the beginning of a file, and hold for all of it."""
    names: dict[str, None] = {}
    for source in sources:
        for statement in source.futures():
            names.update(dict.fromkeys(alias.name for alias in statement.names))
    return list(names)


def _helpers(sources: list[Source]) -> list[str]:
    parts = []
    if any(_FOLDER in source.code for source in sources):
        parts.append(_MAKE_FOLDER)
    if any("display" in source.used() and "display" not in source.bound() for source in sources):
        parts.append(_DISPLAY)
    if any(source.awaits for source in sources):
        parts.append(_RUN)
    return ["\n\n".join(parts)] if parts else []


def _results_used(sources: list[Source]) -> frozenset[str]:
    """Of _, __ and ___ those that cells read as the last results."""
    bound = {name for source in sources for name in source.bound()}
    used = {name for source in sources for name in source.used()}
    return frozenset(() if "_" in bound else used.intersection(_RESULTS))


def _body(cell: Cell, source: Source, needed: frozenset[str]) -> list[str]:
    if cell["status"] != "completed":
        return _failed(cell, source)
    lines = [_runnable(cell, source, needed)]
    for name, prefix in (("stdout", "# | "), ("stderr", "# stderr | ")):
        lines += _shortened((cell.get(name) or {}).get("text", ""), prefix)
    for display in cell["displays"]:
        lines.append(f"# [shown: {display['mime']}, {display['bytes']} bytes]")
    if cell["result"] is not None:
        lines += _shortened(cell["result"], "# => ")
    return lines


def _failed(cell: Cell, source: Source) -> list[str]:
    how = cell["status"].replace("_", " ")
    lines = [f"# This cell did not run to its end ({how}); it is not part of the script."]
    lines += comment(source.code.rstrip("\n"), "#     ")
    for name, prefix in (("stdout", "# | "), ("stderr", "# stderr | ")):
        lines += _shortened((cell.get(name) or {}).get("text", ""), prefix)
    error = cell["error"]
    if error is not None:
        lines += _shortened(error["traceback"] or f"{error['type']}: {error['message']}", "# ! ")
    return lines


def _runnable(cell: Cell, source: Source, needed: frozenset[str]) -> str:
    """The cell's code as a file can hold it."""
    code = source.code
    last = source.last_expression()
    if needed and last is not None and cell["result"] is not None:
        # A result is None where a semicolon hides it, and then it is not remembered.
        text = "_ = " + _text_of(code, last)
        if needed - {"_"}:
            text = "___, __ = globals().get('__'), globals().get('_'); " + text
        code = replaced(code, last, text)
    for statement in reversed(source.futures()):
        code = replaced(code, statement, "pass")
    if code != source.code:
        source = Source(code)
    source.code = without_metadata_blocks(source)
    code = source.code.rstrip("\n")
    if "\x00" in code or "\x0c" in code:
        code = code.replace("\x0c", "")
    return _awaited(cell, source) if source.awaits else code


def _text_of(code: str, node: Any) -> str:
    lines = code.encode().split(b"\n")[node.lineno - 1 : node.end_lineno]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"\n".join(lines).decode()


def _awaited(cell: Cell, source: Source) -> str:
    """A cell that awaits, as a coroutine function whose names are the file's."""
    name = f"_cell_{cell['cell']}"
    names = [each for each in source.bound() if each.isidentifier()]
    body = indented(source).rstrip("\n")
    if names:
        body = f"    global {', '.join(names)}\n{body}"
    text = f"async def {name}():\n{body}\n\n\n_run({name}())"
    try:
        compile(text, "<cell>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        # Names with annotations, `import *`: only the compiler's own switch can have these.
        flags = "0x2000"  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        literal = repr(source.code)
        text = f"_run(eval(compile(\n    {literal},\n    {name!r}, 'exec', {flags}), globals()))"
    return text


def _shortened(text: str, prefix: str) -> list[str]:
    """An output as comments, as long as it can be looked over."""
    text = text.rstrip("\n")
    if not text:
        return []
    left_out = len(text) - MAXIMUM_CHARACTERS
    if left_out > 0:
        text = text[:MAXIMUM_CHARACTERS]
    lines = comment(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text), prefix)
    if len(lines) > MAXIMUM_LINES:
        left_out = max(left_out, 0) + sum(len(line) for line in lines[MAXIMUM_LINES:])
        del lines[MAXIMUM_LINES:]
    if left_out > 0:
        lines.append(f"{prefix}… [{left_out} more characters]")
    return lines
