"""Servers and their tools as objects: `mcp_github.create_issue(title="…")`.

A proxy holds names only, so it can be made before anything runs, kept in a variable, pickled by its
name and used in a later cell. Any attribute is taken for a tool, by its alias or its own name; what
is wrong with it is told when it is called. Documentation is asked for when somebody looks at it.
"""

from __future__ import annotations

from builtins import (
    AttributeError,
    KeyError,
    NotImplemented,
    TypeError,
    bool,
    dict,
    frozenset,
    getattr,
    hash,
    int,
    isinstance,
    iter,
    len,
    list,
    object,
    property,
    sorted,
    str,
    tuple,
    type,
)

from mcp_runtime.code_mode import arguments as _arguments
from mcp_runtime.code_mode import catalog
from mcp_runtime.code_mode.calls import Call, ask, failed, start
from mcp_runtime.code_mode.errors import MCPError
from mcp_runtime.code_mode.values import tool_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# What a proxy can do besides its tools, and the helper of mcp.runtime that does it.
_HELPERS = (
    "list_resources",
    "list_resource_templates",
    "read_resource",
    "list_prompts",
    "get_prompt",
)
OWN_NAMES = frozenset({"TOOLS", "TOOL_MAP", *_HELPERS})
_TOOLS_SHOWN = 100
_LINE = 100


def call_of(
    called: str, server: str, tool: str, given: dict[str, Any], options: dict[str, Any]
) -> Call:
    """Sends a call. What is wrong with the arguments is told where the call is awaited."""
    try:
        prepared = _prepared(server, tool, given)
    except MCPError as error:
        return failed(called, _about(error, server, tool))
    return start(
        called, "call", tool_result, server=server, tool=tool, arguments=prepared, **options
    )


def call_now(server: str, tool: str, given: dict[str, Any], options: dict[str, Any]) -> Any:
    """The same, waiting for the value. Raises MCPError."""
    try:
        prepared = _prepared(server, tool, given)
    except MCPError as error:
        raise _about(error, server, tool) from None
    return tool_result(ask("call", server=server, tool=tool, arguments=prepared, **options))


def _prepared(server: str, tool: str, given: dict[str, Any]) -> dict[str, Any]:
    if _arguments.are_simple(given):
        return given
    return _arguments.as_json(given, lambda: _schema_of(server, tool))


def _schema_of(server: str, tool: str) -> dict[str, Any]:
    found = catalog.tool(server, tool)
    schema = None if found is None else found.get("input_schema")
    return schema if isinstance(schema, dict) else {}


def _about(error: MCPError, server: str, tool: str) -> MCPError:
    if error.server is None:
        error.server = server
    if error.tool is None:
        error.tool = tool
    return error


class Tool:
    __slots__ = ("__weakref__", "_server", "_tool")

    def __init__(self, server: str, tool: str) -> None:
        self._server = server
        self._tool = tool

    def __call__(self, /, *given: Any, **keywords: Any) -> Call:
        called = f"{self._server}.{self._tool}"
        if given:
            try:
                keywords = self._named(given, keywords)
            except MCPError as error:
                return failed(called, _about(error, self._server, self._tool))
        return call_of(called, self._server, self._tool, keywords, {})

    def sync(self, /, *given: Any, **keywords: Any) -> Any:
        """Calls the tool and waits for its value; for code that can't await. Raises MCPError."""
        if given:
            keywords = self._named(given, keywords)
        return call_now(self._server, self._tool, keywords, {})

    def _named(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
        found = catalog.tool(self._server, self._tool)
        if found is None:
            message = catalog.nearest(self._server, self._tool)
            raise MCPError(message, "unknown_tool", None, self._server, self._tool)
        order = [str(name) for name in found.get("parameters") or ()]
        return _arguments.named(f"{self._server}.{self._tool}", given, keywords, order)

    # What help(), inspect and tab completion ask for.

    @property
    def __name__(self) -> str:
        try:
            found = catalog.tool(self._server, self._tool)
        except MCPError:
            found = None
        return self._tool if found is None else str(found.get("alias") or self._tool)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        try:
            full = catalog.documentation(self._server, self._tool)
        except MCPError as error:
            return str(error)
        text = full.get("docstring") or full.get("description")
        return text if isinstance(text, str) else None

    @property
    def __signature__(self) -> Any:
        from mcp_runtime.code_mode import signatures

        try:
            full = catalog.documentation(self._server, self._tool)
        except MCPError as error:
            raise AttributeError(str(error)) from None
        return signatures.parsed(full.get("signature"))

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":
            return self.__name__
        raise AttributeError(f"the tool {self._tool} has no attribute {name!r}: call it")

    def __get__(self, instance: Any, owner: Any = None) -> Tool:
        """In a class it stays what it is. By having this it counts as a routine for pydoc."""
        return self

    def __repr__(self) -> str:
        return f"<tool {self._tool} of the MCP server {self._server}>"

    def __eq__(self, other: object) -> Any:
        if type(other) is not Tool:
            return NotImplemented
        return (self._server, self._tool) == (other._server, other._tool)

    def __hash__(self) -> int:
        return hash((self._server, self._tool))

    def __reduce__(self) -> Any:
        return tool_named, (self._server, self._tool)


class Server:
    __slots__ = ("__weakref__", "_server")

    def __init__(self, name: str) -> None:
        self._server = name

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return description_of(self._server)

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":
            if name == "__all__":
                return aliases_of(self._server)
            raise AttributeError(f"the MCP server {self._server} has no {name!r}")
        if name in OWN_NAMES and catalog.tool(self._server, name) is None:
            return own_name(self._server, name)
        return Tool(self._server, name)

    def __getitem__(self, name: str) -> Tool:
        """For tools whose names are no names of Python's."""
        if not isinstance(name, str):
            raise TypeError(f"the tools of {self._server} have names, not {type(name).__name__}")
        return Tool(self._server, name)

    def __iter__(self) -> Iterator[str]:
        return iter(aliases_of(self._server))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and catalog.tool(self._server, name) is not None

    def __dir__(self) -> list[str]:
        return sorted({"list_tools", *OWN_NAMES, *aliases_of(self._server)})

    def list_tools(self) -> Call:
        """Its tools, asked of the server now: {name, alias, description, input_schema, …} of
        each."""
        catalog.forget(self._server)
        name = f"{self._server}.list_tools"
        return start(name, "tools", None, server=self._server, live=True)

    def __repr__(self) -> str:
        return f"<MCP server {self._server}: await .TOOL(…) calls a tool, dir() lists them>"

    def __eq__(self, other: object) -> Any:
        return self._server == other._server if type(other) is Server else NotImplemented

    def __hash__(self) -> int:
        return hash(self._server)

    def __reduce__(self) -> Any:
        return server_named, (self._server,)


class Servers(dict):  # type: ignore[type-arg]
    """`mcp_servers`: name → server. What it lists is what the running cell may use; a name or an
    alias of any other is found too, and a call of it says why not."""

    def _refresh(self) -> None:
        named = [str(each.get("name")) for each in ask("servers")]
        for name in list(dict.keys(self)):
            if name not in named:
                dict.pop(self, name)
        for name in named:
            if not dict.__contains__(self, name):
                dict.__setitem__(self, name, Server(name))

    def __missing__(self, name: Any) -> Server:
        if not isinstance(name, str):
            raise KeyError(name)
        return Server(str(catalog.server(name)["name"]))

    def get(self, name: Any, default: Any = None) -> Any:
        """The server, or `default` when none of that name is configured."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or (
            isinstance(name, str) and catalog.find(name) is not None
        )

    def __iter__(self) -> Iterator[str]:
        self._refresh()
        return dict.__iter__(self)

    def __len__(self) -> int:
        self._refresh()
        return dict.__len__(self)

    def keys(self) -> Any:
        self._refresh()
        return dict.keys(self)

    def values(self) -> Any:
        self._refresh()
        return dict.values(self)

    def items(self) -> Any:
        self._refresh()
        return dict.items(self)

    def __repr__(self) -> str:
        self._refresh()
        return dict.__repr__(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return all_servers, ()


# In tracebacks and help they are the package's.
Tool.__module__ = Server.__module__ = Servers.__module__ = "mcp"

_all = Servers()


def all_servers() -> Servers:
    """The one `mcp_servers` of the session."""
    return _all


def server_named(name: str) -> Server:
    """What a proxy is pickled as."""
    return Server(name)


def tool_named(server: str, name: str) -> Tool:
    """What a tool is pickled as."""
    return Tool(server, name)


def aliases_of(server: str) -> list[str]:
    """The names of its tools, as attributes."""
    return [str(each.get("alias")) for each in catalog.tools(server)]


def own_name(server: str, name: str) -> Any:
    """What stands beside the tools of a server, in its proxy and its module."""
    if name == "TOOLS":
        return list(catalog.tools(server))
    if name == "TOOL_MAP":
        return {str(each.get("alias")): each for each in catalog.tools(server)}
    return _helper(server, name)


def _helper(server: str, name: str) -> Any:
    from mcp_runtime.code_mode import runtime

    helper = getattr(runtime, name)

    def of_server(*given: Any, **keywords: Any) -> Any:
        return helper(server, *given, **keywords)

    of_server.__name__ = of_server.__qualname__ = name
    of_server.__doc__ = helper.__doc__
    return of_server


def description_of(server: str) -> str:
    """What help() says of a server: what it is, and its tools with a line for each."""
    try:
        found = catalog.server(server)
        tools = catalog.tools(server)
    except MCPError as error:
        return f"The MCP server {server}.\n\n{error}"
    lines = [f"The MCP server {found.get('name')}. {found.get('description') or ''}".rstrip(), ""]
    for each in tools[:_TOOLS_SHOWN]:
        said = str(each.get("description") or "").strip().partition("\n")[0]
        lines.append(f"  {each.get('alias')}: {said[:_LINE]}" if said else f"  {each.get('alias')}")
    if len(tools) > _TOOLS_SHOWN:
        lines.append(f"  … and {len(tools) - _TOOLS_SHOWN} more: dir() lists them")
    lines += ["", "help(server.tool) shows what a tool takes."]
    return "\n".join(lines)
