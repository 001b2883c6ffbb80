"""What a session knows of the servers behind it: which there are, and, as far as asked, their
tools.

The configuration is asked for once, and again for a name that is not in it. Tools are kept until a
call shows that they are out of date; the server checks every call itself, so what is kept here only
serves positional arguments, bytes, help and tab completion.
"""

from __future__ import annotations

from builtins import dict, isinstance, list, str, tuple

from mcp_runtime.code_mode.calls import ask
from mcp_runtime.code_mode.errors import MCPError, UnknownServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Map = dict[str, Any]

_configured: list[Map] | None = None
_tools: dict[str, list[Map]] = {}  # by the server's name
_documented: dict[tuple[str, str], Map] = {}  # by server and tool, as called


def servers(again: bool = False) -> list[Map]:
    """{name, alias, description} of all that are configured; none of them is started."""
    global _configured
    if _configured is None or again:
        _configured = [each for each in ask("discovered") if isinstance(each, dict)]
    return _configured


def configured() -> list[Map] | None:
    """The same, as far as it was asked for; asks nobody."""
    return _configured


def find(name: str) -> Map | None:
    """The server of that name or alias, exactly; None: there is none."""
    for again in (False, True):
        for key in ("name", "alias"):
            for each in servers(again):
                if each.get(key) == name:
                    return each
    return None


def server(name: str) -> Map:
    """The server of that name or alias. Raises UnknownServer, which names the nearest."""
    found = find(name)
    if found is None:
        raise UnknownServer(nearest(name), "unknown_server", server=name)
    return found


def tools(name: str) -> list[Map]:
    """{name, alias, description, input_schema, …} of a server's tools; starts it when nothing is
    known."""
    known = _tools.get(name)
    if known is None:
        known = _tools[name] = [
            each for each in ask("tools", server=name) if isinstance(each, dict)
        ]
    return known


def tool(server_name: str, name: str) -> Map | None:
    """The tool of that alias or name; None when the server has none."""
    for again in (False, True):
        if again:
            forget(server_name)
        for key in ("alias", "name"):
            for each in tools(server_name):
                if each.get(key) == name:
                    return each
    return None


def documentation(server_name: str, name: str) -> Map:
    """The full doc of one tool: signature, docstring, schemas. Raises MCPError."""
    known = _documented.get((server_name, name))
    if known is None:
        docs = ask("docs", server=server_name, tool=name, detail="full")
        if not docs:
            raise MCPError(
                nearest(server_name, name), "unknown_tool", server=server_name, tool=name
            )
        known = _documented[server_name, name] = docs[0]
    return known


def forget(server_name: str) -> None:
    """What is known of its tools may be out of date."""
    _tools.pop(server_name, None)
    for key in list(_documented):
        if key[0] == server_name:
            _documented.pop(key, None)


def nearest(server_name: str, name: str | None = None) -> str:
    """The server's sentence about a name that is not there."""
    fields = {"server": server_name} if name is None else {"server": server_name, "tool": name}
    told = ask("nearest", **fields)
    if isinstance(told, dict):
        told = told.get("message")
    return told if isinstance(told, str) else f"There is no {name or server_name}."
