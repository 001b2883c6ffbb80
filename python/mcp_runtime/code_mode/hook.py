"""Where a session meets code mode: what it costs a session that never uses it.

That is a finder on sys.meta_path, which knows one name, and five searches in each cell's text
(Session). Only when something may be meant is the rest of the package imported.
"""

from __future__ import annotations

import builtins
import sys
from builtins import __import__, frozenset, list, set, str, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from mcp_runtime.session import Session

    Codes = tuple[CodeType | None, CodeType | None]

_Code = type((lambda: None).__code__)
_BARE = ("mcp", "runtime", "save_tool", "asyncio", "LOADED_MCP_SERVERS")
_PREFIXES = ("mcp_", "mcp.")
_TAKES_TEXT = frozenset({"exec", "eval"})
_here: list[Session] = []  # the session of this interpreter or process, once there is one


class Finder:
    """Finds `mcp` and what is below it, before anything that is installed."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As the machinery of imports asks it."""
        if name != "mcp" and name[:4] != "mcp.":
            return None
        attach(self.session)
        from mcp_runtime.code_mode import package

        return package.find_spec(name)


def install(session: Session) -> None:
    """`mcp` is found in this session from now on."""
    _here[:] = [session]
    finders = sys.meta_path
    if not [each for each in finders if type(each) is Finder and each.session is session]:
        finders[:] = [Finder(session), *[each for each in finders if type(each) is not Finder]]


def attach(session: Session) -> None:
    """What asks the server asks for this session."""
    from mcp_runtime.code_mode import calls

    calls.attach(session.native, session.thread)
    session.call_type = calls.Call


def attach_channel() -> None:
    """What asks the server asks for the session that is here, whichever module it is asked from."""
    from mcp_runtime.code_mode import channel

    for session in _here:
        channel.attach(session.native, session.thread)


def detach() -> None:
    """The session ends; inside a stoppable region."""
    from mcp_runtime.code_mode import channel

    channel.detach()


def prepare(session: Session, codes: Codes, code: str) -> None:
    """Makes the names there are that a cell uses; called for cells whose text may name some."""
    names = names_of(codes)
    wanted = {name for name in names if name[:4] in _PREFIXES or name in _BARE}
    if "mcp_runtime" in wanted:
        builtins.mcp_runtime = __import__("mcp_runtime")  # type: ignore[attr-defined]
    wanted -= {name for name in wanted if name.startswith("mcp_runtime")}
    if names & _TAKES_TEXT:
        wanted |= {name for name in (*_BARE, "mcp_servers", "mcp_any") if name[:4] in code}
    if "asyncio" in wanted and ("import asyncio" in code or "from asyncio" in code):
        wanted.discard("asyncio")
    if "runtime" in wanted and ("runtime =" in code or "runtime=" in code):
        wanted.discard("runtime")
    if wanted == {"asyncio"}:
        builtins.asyncio = __import__("asyncio")  # type: ignore[attr-defined]
        return
    if not wanted:
        return
    install(session)
    attach(session)
    from mcp_runtime.code_mode import names as bare

    bare.bind(session.namespace, frozenset(wanted))


def load_saved_tools(session: Session) -> None:
    """Makes the functions there are that save_tool() has kept; never raises but for a stop."""
    attach(session)
    from mcp_runtime.code_mode import saved_tools

    saved_tools.load()


def names_of(codes: Codes) -> set[str]:
    """All names in a cell's code and in what it defines."""
    found: set[str] = set()
    waiting = [code for code in codes if code is not None]
    for code in waiting:
        found.update(code.co_names)
        waiting += [each for each in code.co_consts if type(each) is _Code]
    return found
