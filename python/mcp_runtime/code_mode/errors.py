"""What goes wrong with a call, as the code of a cell sees it: `mcp.MCPError`."""

from __future__ import annotations

from builtins import KeyError, RuntimeError, getattr, str, super, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MCPError(RuntimeError):
    """A call of an MCP server failed, or could not be made.

    `kind` says how, in one word: 'tool' (the tool itself reports an error; `result` is its answer),
    'unknown_server', 'unknown_tool', 'not_available', 'arguments', 'denied', 'limit', 'start',
    'timeout', 'cancelled', 'lost', 'upstream', 'too_large', … `server` and `tool` are the names
    that were called, as far as there are any."""

    def __init__(
        self,
        message: object = "",
        kind: str = "internal",
        result: Any = None,
        server: str | None = None,
        tool: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.result = result
        self.server = server
        self.tool = tool

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> Any:
        parts = (self.args[0] if self.args else "", self.kind, self.result, self.server, self.tool)
        return type(self), parts


class UnknownServer(MCPError, KeyError):
    """There is no server of that name: a KeyError too, for what is looked up in mcp_servers."""


MCPError.__module__ = UnknownServer.__module__ = "mcp"


def as_mcp_error(error: Any, server: str | None = None, tool: str | None = None) -> MCPError:
    """The channel's error, in words of the package."""
    kind = str(error.kind)
    made = UnknownServer if kind == "unknown_server" else MCPError
    return made(error.message, kind, getattr(error, "result", None), server, tool)
