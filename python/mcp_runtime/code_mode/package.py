"""The modules that code imports: `mcp`, `mcp.runtime`, `mcp.servers`, `mcp.servers.<alias>`.

`mcp` is also the name of the protocol's official package, which the user's environment may have. It
stays reachable: our module has its __path__, so its submodules are found, and what our module does
not have is looked up in the official one, which is executed then, in a module object of its own.
Our names win. Before a submodule of the official package is loaded the package itself is executed,
as Python would.
"""

from __future__ import annotations

import _frozen_importlib as importlib_core
import _frozen_importlib_external as importlib_files
import sys
from builtins import (
    AttributeError,
    BaseException,
    ImportError,
    ModuleNotFoundError,
    __import__,
    bool,
    dir,
    frozenset,
    getattr,
    len,
    list,
    sorted,
    str,
    type,
)

from mcp_runtime.code_mode.errors import MCPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

NAME = "mcp"
RUNTIME = "mcp.runtime"
SERVERS = "mcp.servers"
USER_TOOLS = "mcp.user_tools"
PREFIX = "mcp_"
# Names of the package besides those of servers.
OWN_NAMES = frozenset(
    {
        "LOADED_MCP_SERVERS",
        "MCPError",
        "mcp_servers",
        "runtime",
        "save_tool",
        "servers",
        "user_tools",
    }
)
_OURS = (NAME, RUNTIME, SERVERS, USER_TOOLS)
_Module = type(sys)
_modules = sys.modules


def find_spec(name: str) -> Any:
    """The spec of a module of ours; None for the official package's, which is made ready for
    them."""
    if name in _OURS:
        return _spec(name)
    parent, _, last = name.rpartition(".")
    if parent == SERVERS:
        return _spec(name) if _server_of(last) is not None else _no_such_server(last)
    if parent.startswith(SERVERS + "."):
        raise ImportError(_no_such_tool(parent.rpartition(".")[2], last), name=name)
    if parent == NAME and last.startswith(PREFIX):
        # What `from mcp import mcp_x` comes to when our module has no such name.
        return _no_such_server(last[len(PREFIX) :])
    if _official.execute():
        loaded = _modules.get(name)
        return None if loaded is None else _loaded_spec(name, loaded)
    if parent == NAME and _official.spec() is None:
        raise ModuleNotFoundError(
            f"cannot import {last!r} from mcp: in a session, mcp is the package by which code "
            "calls MCP "
            "servers, and the protocol's official package of that name is not installed. If you "
            "want that one, install it: a line `%pip install mcp`.",
            name=NAME,
        )
    return None


def is_ours(name: str) -> bool:
    """Whether a module, or a name of our package written as mcp.NAME, needs nothing installed."""
    if name in _OURS or name.startswith((SERVERS + ".", RUNTIME + ".", f"{NAME}.{PREFIX}")):
        return True
    return name.partition(".")[2] in OWN_NAMES


def official_spec() -> Any:
    """Where the official package is; None when it is not installed."""
    return _official.spec()


# --- our modules
# -----------------------------------------------------------------------------------


class _Loader:
    """Fills a module of ours."""

    def create_module(self, spec: Any) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if name == NAME:
            _fill_package(module)
        elif name == RUNTIME:
            _fill_runtime(module)
        elif name == SERVERS:
            _fill_servers(module)
        elif name == USER_TOOLS:
            _fill_user_tools(module)
        else:
            _fill_server(module)

    def __repr__(self) -> str:
        return "<the server's own loader>"


class _Loaded:
    """Hands out a module that was loaded while it was being looked for."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = getattr(module, "__spec__", None)

    def create_module(self, spec: Any) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


_loader: Any = _Loader()


def _spec(name: str) -> Any:
    spec = importlib_core.ModuleSpec(name, _loader, origin="the server", is_package=name != RUNTIME)
    if name == NAME:
        found = _official.spec()
        spec.submodule_search_locations = list(
            getattr(found, "submodule_search_locations", None) or ()
        )
    return spec


def _loaded_spec(name: str, module: ModuleType) -> Any:
    """Of a module that was loaded while it was being looked for. It is the module's own for a
    moment, for importlib prefers that, and would load the module a second time by what it had
    before."""
    loader: Any = _Loaded(module)
    spec = importlib_core.ModuleSpec(name, loader)
    module.__spec__ = spec
    return spec


def _fill_package(module: ModuleType) -> None:
    names = module.__dict__
    names["__doc__"] = (
        "MCP servers as Python: `from mcp import runtime, mcp_servers, mcp_NAME`. "
        "print(runtime.capability_summary()) shows how."
    )
    names["MCPError"] = MCPError
    names["__getattr__"] = _attribute_of_package
    names["__dir__"] = _names_of_package


def _attribute_of_package(name: str) -> Any:
    """What `mcp` has besides the names in its dictionary."""
    if name == "__all__":
        return _public_names()
    if name in ("runtime", "servers", "user_tools"):
        __import__(f"{NAME}.{name}")
        return _modules[f"{NAME}.{name}"]
    if name in OWN_NAMES:
        from mcp_runtime.code_mode import names

        return names.value_of(name)
    if name.startswith(PREFIX):
        found = _server_of(name[len(PREFIX) :], alias_only=True)
        if found is not None:
            return found
    elif name[:2] != "__" or _official.module is not None:
        return _official.attribute(name)
    raise AttributeError(f"module 'mcp' has no attribute {name!r}")


def _public_names() -> list[str]:
    return ["runtime", "mcp_servers", "MCPError", *[PREFIX + alias for alias in _aliases()]]


def _names_of_package() -> list[str]:
    official = _official.module
    theirs = () if official is None else official.__dict__
    return sorted({*_modules[NAME].__dict__, *_public_names(), *theirs, "servers"})


def _fill_runtime(module: ModuleType) -> None:
    from mcp_runtime.code_mode import runtime

    names = module.__dict__
    names["__doc__"] = runtime.__doc__
    names["__all__"] = list(runtime.__all__)
    for name in runtime.__all__:
        value = getattr(runtime, name)
        if value is not MCPError:
            value.__module__ = RUNTIME
        names[name] = value


def _fill_servers(module: ModuleType) -> None:
    module.__dict__["__doc__"] = (
        "One module for each MCP server: `from mcp.servers.NAME import tool`."
    )

    def attribute(name: str) -> Any:
        if name == "__all__":
            return _aliases()
        if name[:2] != "__" and _server_of(name) is not None:
            __import__(f"{SERVERS}.{name}")
            return _modules[f"{SERVERS}.{name}"]
        raise AttributeError(f"module 'mcp.servers' has no attribute {name!r}")

    module.__dict__["__getattr__"] = attribute
    module.__dict__["__dir__"] = lambda: sorted({*module.__dict__, *_aliases()})


def _fill_server(module: ModuleType) -> None:
    """`mcp.servers.<alias>`: the tools of one server, to be imported."""
    from mcp_runtime.code_mode import catalog, proxies

    server = _server_of(module.__name__.rpartition(".")[2])
    name = str(server._server)

    def attribute(tool: str) -> Any:
        if tool == "__all__":
            return proxies.aliases_of(name)
        if tool[:2] != "__":
            if catalog.tool(name, tool) is not None:
                return proxies.Tool(name, tool)
            if tool == "list_tools":
                return server.list_tools
            if tool in proxies.OWN_NAMES:
                return proxies.own_name(name, tool)
        raise AttributeError(f"the MCP server {name} has no tool {tool!r}")

    names = module.__dict__
    described = catalog.server(name).get("description") or "dir() lists its tools."
    names["__doc__"] = f"The tools of the MCP server {name}. {described}"
    names["__getattr__"] = attribute
    names["__dir__"] = lambda: sorted({*names, *dir(server)})


def _fill_user_tools(module: ModuleType) -> None:
    from mcp_runtime.code_mode import saved_tools

    saved_tools.fill(module)


# --- servers by their aliases
# ----------------------------------------------------------------------


def _aliases() -> list[str]:
    from mcp_runtime.code_mode import catalog

    return [str(each.get("alias")) for each in catalog.servers()]


def _server_of(name: str, alias_only: bool = False) -> Any:
    """The proxy of a server; None when none has that alias, or that name."""
    from mcp_runtime.code_mode import catalog, proxies

    found = catalog.find(name)
    if found is None or (alias_only and found.get("alias") != name):
        return None
    return proxies.Server(str(found["name"]))


def _no_such_server(name: str) -> Any:
    from mcp_runtime.code_mode import catalog

    try:
        catalog.server(name)
    except MCPError as error:
        raise ImportError(str(error), name=NAME) from None
    raise ImportError(f"cannot import the MCP server {name!r} by that name", name=NAME)


def _no_such_tool(alias: str, tool: str) -> str:
    from mcp_runtime.code_mode import catalog

    try:
        return catalog.nearest(alias, tool)
    except MCPError as error:
        return str(error)


# --- the official package
# --------------------------------------------------------------------------


class _Official:
    """The package of that name in the user's environment, executed when something of it is
    wanted."""

    def __init__(self) -> None:
        self.module: Any = None
        self._executed = False

    def spec(self) -> Any:
        return importlib_files.PathFinder.find_spec(NAME)

    def adopt(self, module: ModuleType) -> None:
        """It was imported before ours took its name."""
        self.module = module
        self._executed = True

    def execute(self) -> bool:
        """Whether it is there; executes it the first time. While that lasts it is there in part."""
        if self._executed:
            return True
        spec = self.spec()
        if spec is None or spec.loader is None:
            return False
        self._executed = True
        # Installed after ours was imported, perhaps.
        ours = _modules.get(NAME)
        if ours is not None:
            ours.__path__[:] = list(spec.submodule_search_locations or ())
        try:
            self.module = importlib_core.module_from_spec(spec)
            spec.loader.exec_module(self.module)
        except BaseException:
            self._executed = False
            self.module = None
            raise
        return True

    def attribute(self, name: str) -> Any:
        """Of the module, which may be in the middle of being executed. Raises AttributeError, also
        when it can't be executed: who looks through all modules for a name must not stumble."""
        try:
            if self.execute():
                return getattr(self.module, name)
        except ImportError as error:
            raise AttributeError(
                f"module 'mcp' has no attribute {name!r} of its own, and the official package of "
                f"that name could not be imported: {error}"
            ) from error
        except AttributeError:
            pass
        raise AttributeError(f"module 'mcp' has no attribute {name!r}")


_official = _Official()


def take_over() -> None:
    """When the official package was imported before ours could be, ours takes its place."""
    module = _modules.get(NAME)
    spec = getattr(module, "__spec__", None)
    if module is None or getattr(spec, "loader", None) is _loader:
        return
    _official.adopt(module)
    del _modules[NAME]
    __import__(NAME)
