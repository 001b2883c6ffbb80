"""The names that code has without importing them: runtime, save_tool, asyncio, mcp, mcp_servers,
mcp_<alias> for each server, LOADED_MCP_SERVERS.

They stand among the built-in names, so that they are in no listing and no snapshot of the
session's, and its own names come first. Called by hook.py for cells that may use them."""

from __future__ import annotations

import builtins
import sys
from builtins import __import__, bool, dict, frozenset, getattr, isinstance, str, tuple, type

from mcp_runtime.code_mode import catalog, package, proxies
from mcp_runtime.code_mode.calls import ask
from mcp_runtime.code_mode.errors import MCPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOADED = "LOADED_MCP_SERVERS"
_language = builtins.__dict__
_modules = sys.modules


_BARE = frozenset({"asyncio", "mcp", "mcp_servers", "runtime", "save_tool"})


def bind(own: dict[str, Any], wanted: frozenset[str]) -> None:
    """Makes those names there are that code uses and its own namespace does not have. That there
    are no servers, or none can be reached, is told when one of them is used."""
    package.take_over()
    for name in wanted:
        if name in _BARE and name not in own and (name not in _language or _is_stale(name)):
            _language[name] = value_of(name)
    try:
        if [name for name in wanted if _may_be_server(name, own)]:
            _bind_servers()
        if _LOADED in wanted:
            _language[_LOADED] = value_of(_LOADED)
    except MCPError:  # there is no channel here, or none now
        _language.setdefault(_LOADED, ())
    tools = _modules.get("mcp_runtime.code_mode.saved_tools")
    if tools is not None:
        tools.mend()


def value_of(name: str) -> Any:
    """What one of the names stands for, but for those of servers. Raises MCPError."""
    if name == "asyncio":
        return __import__("asyncio")
    if name == "mcp_servers":
        return proxies.all_servers()
    if name == _LOADED:
        return tuple([str(each.get("name")) for each in ask("loaded") if isinstance(each, dict)])
    ours = __import__("mcp")
    if name == "save_tool":
        return ours.runtime.save_tool
    return ours if name == "mcp" else getattr(ours, name)


def _is_stale(name: str) -> bool:
    """Whether what is bound belongs to a module that was dropped since."""
    return name == "mcp" and _modules.get("mcp") is not _language[name]


def _may_be_server(name: str, own: Any) -> bool:
    known = name in _language or name in own or name in _BARE
    return name.startswith(package.PREFIX) and not known


def _bind_servers() -> None:
    for each in catalog.servers():
        name = package.PREFIX + str(each.get("alias"))
        if name not in _language or type(_language[name]) is proxies.Server:
            _language[name] = proxies.Server(str(each.get("name")))
