"""exit, quit and help as an interactive prompt has them (`site` brings them elsewhere), display, as
notebooks have it, and input, which asks the person behind the client."""

from __future__ import annotations

import sys
from builtins import SystemExit, str
from builtins import input as c_input  # noqa: F401

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from mcp_runtime.session import Session


class Exit:
    """exit() and quit(): like sys.exit(), they end the cell. They don't close sys.stdin."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name}() ends the cell; the session and its variables stay."

    def __call__(self, code: object = None) -> NoReturn:
        raise SystemExit(code)


class Help:
    """help(): pydoc, imported when it is first asked."""

    def __repr__(self) -> str:
        return "Type help(object) for help about object."

    def __call__(self, *arguments: Any, **options: Any) -> None:
        if not arguments and not options:
            sys.stdout.write("help(object) prints help about object; nobody can be asked here.\n")
            return
        import pydoc

        pydoc.help(*arguments, **options)


class Display:
    """display(*objects): each is shown in the cell's answer, in its richest form."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return "display(*objects) shows objects in the answer: pictures, tables, Markdown."

    def __call__(self, *objects: Any, **options: Any) -> None:
        from mcp_runtime import displays

        displays.display(self._session, objects, options)


class Input:
    """input(prompt): a line of the person behind the client, who is asked for it (asking.py)."""

    __name__ = "input"

    def __repr__(self) -> str:
        return "input(prompt) asks the user for a line, where the client can show questions."

    def __call__(self, prompt: object = "", /) -> str:
        from mcp_runtime import asking

        return asking.line_of_input(str(prompt))
