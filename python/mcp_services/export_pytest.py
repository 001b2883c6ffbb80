"""A session as a pytest file: every cell a test, in one namespace, compared with what it did.

What runs the cells is replay.py, whose text stands in every file.
"""

from __future__ import annotations

import os
import re

from mcp_services.export_cells import Source, comment, header, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_services.exports import Cell

_MARK = "# --- copied from here ---\n"
_IMPORT = "pytest = None  # a file that is exported imports it here\n"
_LEFT_OUT = re.compile(r"… \[[\d,]+ more (?:characters|items)\]")
_AGAIN = {
    "interrupted": "the cell was interrupted when it was recorded",
    "timed_out": "the cell had passed its timeout when it was recorded",
    "lost": "the session was lost by this cell when it was recorded",
}
_FOLDER_MARK = "<session folder>"


def render(about: dict[str, Any], cells: list[Cell]) -> str:
    """The text of the file."""
    lines = [f'"""Session {about["session"]!r} of pyember as tests: each cell does what it did.']
    packages = [f"{each['name']} {each['version']}".rstrip() for each in about["packages"]]
    if packages:
        lines += ["", f"Packages: {', '.join(packages)}."]
    for notice in about["notices"]:
        lines += ["", printable(notice).replace("\\", "/").replace('"""', "'''")]
    lines += ['"""', "", *header(about, ("pytest",)), ""]
    lines += [_helper(), "", "# What the cells did.", "CELLS = {"]
    for at, cell in enumerate(cells):
        lines += _cell(_name(at, cells), cell, about["folder"])
    lines += [
        "}",
        "",
        'if __name__ == "__main__":',
        "    raise SystemExit(pytest.main([__file__]))",
    ]
    return "\n".join(lines) + "\n"


def _helper() -> str:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "replay.py")
    with open(path, encoding="utf-8") as file:
        text = file.read().partition(_MARK)[2].rstrip("\n") + "\n"
    # Not in replay.py itself: what the server brings imports the standard library only.
    return text.replace(_IMPORT, "import pytest\n", 1)


def _name(at: int, cells: list[Cell]) -> str:
    """The cell's number; one that came from another session may have the same."""
    number = str(cells[at]["cell"])
    earlier = sum(1 for each in cells[:at] if str(each["cell"]) == number)
    return f"{number}-{earlier + 1}" if earlier else number


def _cell(name: str, cell: Cell, folder: str) -> list[str]:
    source = Source(cell["code"])
    lines = [f"    {name!r}: Cell("]
    for notice in comment("\n".join(_shown(cell)), "        # ") if cell["displays"] else ():
        lines.append(notice)
    lines.append(f"        code={_code_literal(source.code)},")
    if cell["status"] in _AGAIN:
        lines.append(f"        left_out={_AGAIN[cell['status']]!r},")
        return [*lines, "    ),"]
    lines += _stdout(cell, folder)
    if cell["status"] == "raised":
        lines.append(f"        raises={cell['error']['type']!r},")
    else:
        lines += _result(cell, folder)
    return [*lines, "    ),"]


def _shown(cell: Cell) -> list[str]:
    return [f"shown: {each['mime']}, {each['bytes']} bytes" for each in cell["displays"]]


def _stdout(cell: Cell, folder: str) -> list[str]:
    stream = cell["stdout"]
    if stream is None or stream["late"]:
        return ["        stdout=None,"]
    text = stream["text"]
    if not text:
        return []
    lines = [f"        stdout={_text_literal(_without(text, folder))},"]
    if stream["left_out"]:
        lines.append("        stdout_begins=True,")
    return lines


def _result(cell: Cell, folder: str) -> list[str]:
    # What was shown may be the result's richer form, beside a text of its own.
    if cell["displays"]:
        return ["        result_counts=False,"]
    text = cell["result"]
    if text is None:
        return []
    cut = _LEFT_OUT.search(text)
    if cut is not None:
        # Within a string of a container the text before the mark ends with a quote of its own.
        text = text[: cut.start()].rstrip("'\", ")
    lines = [f"        result={_text_literal(_without(text, folder))},"]
    if cut is not None:
        lines.append("        result_begins=True,")
    return lines


def _without(text: str, folder: str) -> str:
    text = text.replace(folder, _FOLDER_MARK) if folder else text
    return re.sub(r"\b0x[0-9a-f]{6,16}\b", "0x…", text)


def _code_literal(code: str) -> str:
    """The code as one reads it where that is possible; what runs it drops the first line end."""
    code = "\n" + code.rstrip("\n") + "\n"
    plain = all(char == "\n" or char == "\t" or char.isprintable() for char in code)
    if not plain or "'''" in code:
        return repr(code)
    prefix = "r" if "\\" in code else ""
    literal = f"{prefix}'''{code}'''"
    return literal


def _text_literal(text: str) -> str:
    """One line of the text a line."""
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        return repr(text)
    return "(\n" + "".join(f"            {line!r}\n" for line in lines) + "        )"
