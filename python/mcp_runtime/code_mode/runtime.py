"""The helpers that cells know as `mcp.runtime`: finding servers and tools, and calling by name.

Those whose names end with _sync wait for their value; the others are awaited, and have been sent
before. Where the value is known at once (discovered_servers, describe_server, …) await is optional.
"""

from __future__ import annotations

from builtins import bool, dict, float, int, isinstance, list, max, min, str, tuple, type

from mcp_runtime.code_mode import catalog, proxies
from mcp_runtime.code_mode.calls import Call, ask, start
from mcp_runtime.code_mode.errors import MCPError
from mcp_runtime.code_mode.listings import Doc, Docs, Manual, Map, Names, Said
from mcp_runtime.code_mode.values import plain_result, resource_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType
    from typing import Any

    Progress = Callable[[float, float | None, str | None], object]

__all__ = [
    "MCPError",
    "accept_tools",
    "call_tool",
    "call_tool_sync",
    "capability_summary",
    "delete_tool",
    "describe_server",
    "discovered_servers",
    "get_prompt",
    "get_prompt_sync",
    "list_loaded_server_metadata",
    "list_prompts",
    "list_prompts_sync",
    "list_resource_templates",
    "list_resource_templates_sync",
    "list_resources",
    "list_resources_sync",
    "list_saved_tools",
    "list_servers",
    "list_servers_sync",
    "list_tools",
    "list_tools_sync",
    "query_tool_docs",
    "query_tool_docs_sync",
    "read_resource",
    "read_resource_sync",
    "save_tool",
    "search_tool_docs",
    "search_tool_docs_sync",
]

_MOST_FOUND = 20


# --- servers ---


def discovered_servers(detailed: bool = False) -> Names:
    """The names of all configured servers; none of them is started. With `detailed`, maps of name,
    alias and description. `await` is optional, and gives a list."""
    found = ask("discovered")
    return Names(found) if detailed else _names(found)


def list_servers() -> Call:
    """The names of the servers that this run may use, sorted."""
    return start("runtime.list_servers", "servers", _names)


def list_servers_sync() -> tuple[str, ...]:
    """The names of the servers that this run may use, sorted."""
    return _names(ask("servers"))


def describe_server(name: str) -> Map:
    """{name, alias, tools, cwd, description} of one server; starts it when its tools are not known.
    Raises MCPError for a name that is not configured. `await` is optional."""
    return Map(ask("describe", server=_text(name, "name")))


def list_loaded_server_metadata() -> Names:
    """What describe_server() says, of the servers that run or that this run was given."""
    return Names(ask("loaded"))


# --- tools ---


def list_tools(server: str) -> Call:
    """{name, alias, description, input_schema, …} of a server's tools, asked of the server now."""
    return start("runtime.list_tools", "tools", None, server=_text(server, "server"), live=True)


def list_tools_sync(server: str | None = None) -> tuple[dict[str, Any], ...]:
    """The same as far as it is known already; the server is only started when nothing is."""
    if server is None:
        known = ", ".join(discovered_servers()) or "none is configured"
        raise MCPError(
            f"list_tools_sync() needs the name of a server, because tools belong to one: {known}. "
            "Call list_tools_sync('NAME'), or runtime.search_tool_docs('words') for all of them.",
            "arguments",
        )
    return tuple(ask("tools", server=_text(server, "server")))


def query_tool_docs(server: str, tool: str | None = None, detail: str = "summary") -> Call:
    """The docs of a server's tools, or of one of them; with detail="full" their Python signatures,
    docstrings and schemas."""
    fields = _docs_wanted(server, tool, detail)
    convert = Docs if tool is None else _only_doc(server, str(tool))
    return start("runtime.query_tool_docs", "docs", convert, **fields)


def query_tool_docs_sync(server: str, tool: str | None = None, detail: str = "summary") -> Docs:
    """The same, as a list also for one tool."""
    docs = Docs(ask("docs", **_docs_wanted(server, tool, detail)))
    if tool is not None:
        _only_doc(server, tool)(docs)
    return docs


def search_tool_docs(query: str, limit: int = 5, detail: str = "summary") -> Call:
    """Docs of the tools of all servers that fit the query best, the best first; none is started."""
    return start("runtime.search_tool_docs", "search", Docs, **_search_wanted(query, limit, detail))


def search_tool_docs_sync(query: str, limit: int = 5, detail: str = "summary") -> Docs:
    """The same, waiting for it."""
    return Docs(ask("search", **_search_wanted(query, limit, detail)))


def call_tool(
    server: str,
    tool: str,
    arguments: dict[str, Any] | None = None,
    *,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Call:
    """Calls a tool by its name. `timeout` in seconds; `progress(done, total, message)` is called as
    the server tells how far it is."""
    server, tool, given = _call_wanted(server, tool, arguments)
    options = _options(timeout, progress)
    return proxies.call_of(f"{server}.{tool}", server, tool, given, options)


def call_tool_sync(
    server: str,
    tool: str,
    arguments: dict[str, Any] | None = None,
    *,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Any:
    """The same, waiting for the value. Raises MCPError."""
    server, tool, given = _call_wanted(server, tool, arguments)
    return proxies.call_now(server, tool, given, _options(timeout, progress))


def accept_tools(server: str, change: str) -> Said:
    """Accepts that a server's tools have changed, as the error of a refused call told: `change` is
    the word that it gave. Raises MCPError when it may not be accepted. `await` is optional."""
    server = _text(server, "server")
    said = ask("accept_tools", server=server, change=str(change))["message"]
    catalog.forget(server)
    return Said(said)


# --- resources and prompts ---


def list_resources(server: str) -> Call:
    """The resources that a server lists: {uri, name, mimeType, …} of each."""
    return start("runtime.list_resources", "resources", None, server=_text(server, "server"))


def list_resources_sync(server: str) -> list[dict[str, Any]]:
    """The same, waiting for it."""
    return list(ask("resources", server=_text(server, "server")))


def list_resource_templates(server: str) -> Call:
    """The patterns of resources' addresses that a server lists."""
    name = "runtime.list_resource_templates"
    return start(name, "resource_templates", None, server=_text(server, "server"))


def list_resource_templates_sync(server: str) -> list[dict[str, Any]]:
    """The same, waiting for it."""
    return list(ask("resource_templates", server=_text(server, "server")))


def read_resource(server: str, uri: str) -> Call:
    """A resource: its text, or for other data an object with .data and .mime."""
    fields = {"server": _text(server, "server"), "uri": str(uri)}
    return start("runtime.read_resource", "read_resource", resource_result, **fields)


def read_resource_sync(server: str, uri: str) -> Any:
    """The same, waiting for it."""
    return resource_result(ask("read_resource", server=_text(server, "server"), uri=str(uri)))


def list_prompts(server: str) -> Call:
    """The prompts that a server offers: {name, description, arguments} of each."""
    return start("runtime.list_prompts", "prompts", None, server=_text(server, "server"))


def list_prompts_sync(server: str) -> list[dict[str, Any]]:
    """The same, waiting for it."""
    return list(ask("prompts", server=_text(server, "server")))


def get_prompt(
    server: str, name: str, arguments: dict[str, Any] | None = None, /, **more: Any
) -> Call:
    """A prompt with its arguments filled in: {description, messages}."""
    fields = _prompt_wanted(server, name, arguments, more)
    return start("runtime.get_prompt", "get_prompt", plain_result, **fields)


def get_prompt_sync(
    server: str, name: str, arguments: dict[str, Any] | None = None, /, **more: Any
) -> Any:
    """The same, waiting for it."""
    return plain_result(ask("get_prompt", **_prompt_wanted(server, name, arguments, more)))


# --- tools of one's own, and the manual ---


def save_tool(function: FunctionType) -> Said:
    """Keeps a function for all later sessions, where it is there under its name. Returns what was
    done. Raises ValueError for what is no plain function, or can't stand by itself."""
    from mcp_runtime.code_mode import saved_tools

    return Said(saved_tools.save(function))


def list_saved_tools() -> Names:
    """The names of the functions kept by save_tool()."""
    return Names(ask("saved_tools")["names"])


def delete_tool(name: str) -> Said:
    """Removes a function kept by save_tool(). Returns what was done."""
    from mcp_runtime.code_mode import saved_tools

    return Said(saved_tools.delete(name))


def capability_summary() -> Manual:
    """How to use what is here, in one page."""
    from mcp_runtime.code_mode.manual import MANUAL

    return Manual(MANUAL)


# --- what helpers were given ---


def _names(found: Any) -> Names:
    return Names([str(each["name"]) if isinstance(each, dict) else str(each) for each in found])


def _text(value: Any, what: str) -> str:
    if isinstance(value, str) and value:
        return value
    if type(value) is proxies.Server:
        return value._server
    raise MCPError(
        f"{what!r} must be a name, not {type(value).__name__}: servers and tools are called by "
        "theirs. runtime.discovered_servers() lists the servers.",
        "arguments",
    )


def _call_wanted(server: Any, tool: Any, arguments: Any) -> tuple[str, str, dict[str, Any]]:
    if not isinstance(tool, str) or not tool:
        raise MCPError(
            "Missing tool name: call_tool(server, tool, arguments) needs one, a text. "
            "runtime.query_tool_docs(server) lists them.",
            "arguments",
        )
    if arguments is not None and not isinstance(arguments, dict):
        raise MCPError(
            f"Arguments must be an object: call_tool() was given {type(arguments).__name__}. Give "
            "a dict of names and values.",
            "arguments",
        )
    return _text(server, "server"), tool, arguments or {}


def _options(timeout: float | None, progress: Progress | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if timeout is not None:
        options["timeout"] = timeout
    if progress is not None:
        options["progress"] = progress
    return options


def _docs_wanted(server: Any, tool: Any, detail: Any) -> dict[str, Any]:
    if tool is not None and not isinstance(tool, str):
        raise MCPError(
            f"'tool' must be a string when provided, not {type(tool).__name__}. Leave it out for "
            "all tools of the server.",
            "arguments",
        )
    fields = {"server": _text(server, "server"), "detail": _detail(detail)}
    return fields if tool is None else {**fields, "tool": tool}


def _only_doc(server: str, tool: str) -> Any:
    def first(docs: Any) -> Doc:
        if not docs:
            raise MCPError(
                f"Tool '{tool}' not found for server {server}: its list has no such name. "
                f"runtime.query_tool_docs({server!r}) lists what there is.",
                "unknown_tool",
                None,
                server,
                tool,
            )
        return Doc(docs[0])

    return first


def _search_wanted(query: Any, limit: Any, detail: Any) -> dict[str, Any]:
    if not isinstance(query, str) or not query.strip():
        raise MCPError(
            "Missing 'query' value: a search needs words, of what the tool should do. For example "
            "runtime.search_tool_docs('list files').",
            "arguments",
        )
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise MCPError(
            f"'limit' must be an integer, not {type(limit).__name__}: it is how many tools to "
            f"name, 1 to {_MOST_FOUND}.",
            "arguments",
        )
    return {"query": query, "limit": max(1, min(limit, _MOST_FOUND)), "detail": _detail(detail)}


def _detail(detail: Any) -> str:
    return "full" if detail == "full" else "summary"


def _prompt_wanted(server: Any, name: Any, arguments: Any, more: dict[str, Any]) -> dict[str, Any]:
    # The protocol has texts for the arguments of prompts.
    given = {key: str(value) for key, value in {**(arguments or {}), **more}.items()}
    return {"server": _text(server, "server"), "name": _text(name, "name"), "arguments": given}
