"""A session as a notebook (nbformat 4.5), with the outputs it had.

Pictures are not in what the server sends here: a display has a token in the place of its data,
which the server replaces by the data in base64 when it writes the file.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_services.exports import Cell

# Running these again would wait, or end the kernel, as it did then.
_NOT_AGAIN = frozenset({"interrupted", "timed_out", "lost"})


def render(about: dict[str, Any], cells: list[Cell]) -> str:
    """The text of the file."""
    notebook = {
        "cells": [_about(about), *(_cell(at, each) for at, each in enumerate(cells, 1))],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": _language(about["python"]),
            "pyember": {
                "session": about["session"],
                "packages": [
                    {"name": each["name"], "version": each["version"]} for each in about["packages"]
                ],
                "notices": about["notices"],
            },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _language(python: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": "python",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    }
    if python:
        info["version"] = python
    return info


def _about(about: dict[str, Any]) -> dict[str, Any]:
    lines = [f"Session `{about['session']}` of pyember."]
    if about["python"]:
        lines[0] = f"Session `{about['session']}` of pyember, Python {about['python']}."
    if about["packages"]:
        wanted = " ".join(json.dumps(each["requirement"]) for each in about["packages"])
        lines.append(f"Packages: `%pip install {wanted}`")
    lines += about["notices"]
    return {
        "cell_type": "markdown",
        "id": "about",
        "metadata": {},
        "source": _lines("\n\n".join(lines)),
    }


def _cell(at: int, cell: Cell) -> dict[str, Any]:
    metadata: dict[str, Any] = {"pyember": {"cell": cell["cell"], "status": cell["status"]}}
    if cell["status"] in _NOT_AGAIN:
        metadata["tags"] = ["skip-execution"]
    elif cell["status"] == "raised":
        metadata["tags"] = ["raises-exception"]
    return {
        "cell_type": "code",
        "id": f"cell-{at}",
        "metadata": metadata,
        "execution_count": cell["cell"],
        "source": _lines(cell["code"].rstrip("\n")),
        "outputs": list(_outputs(cell)),
    }


def _outputs(cell: Cell) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    for name in ("stdout", "stderr"):
        stream = cell.get(name) or {}
        if stream.get("text"):
            outputs.append({"output_type": "stream", "name": name, "text": _lines(_whole(stream))})
    for display in cell["displays"]:
        data = display["token"] if "token" in display else _lines(display["text"])
        outputs.append(
            {"output_type": "display_data", "metadata": {}, "data": {display["mime"]: data}}
        )
    if cell["result"] is not None:
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": cell["cell"],
                "metadata": {},
                "data": {"text/plain": _lines(cell["result"])},
            }
        )
    error = cell["error"]
    if error is not None:
        outputs.append(
            {
                "output_type": "error",
                "ename": error["type"],
                "evalue": error["message"],
                "traceback": (error["traceback"] or error["message"]).rstrip("\n").split("\n"),
            }
        )
    return outputs


def _whole(stream: dict[str, Any]) -> str:
    text: str = stream["text"]
    if stream["left_out"]:
        text += f"\n… [{stream['left_out']} more bytes]\n"
    return text


def _lines(text: str) -> list[str]:
    """As nbformat writes text: one string a line, each but the last with its end."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
