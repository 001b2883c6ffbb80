"""The Python side of pyember: one implementation of a session, used in every isolation.

Standard library only, CPython 3.10 and newer, because it runs inside other people's environments.
Nothing here knows the protocol. Modules are imported as late as possible: each one costs memory in
every session.

Code in a session finds here what it asks of the person, or the model, behind the MCP client: ask,
sample, roots, each with _async, and NotAnswered (asking.py).
"""

from builtins import AttributeError as _AttributeError
from builtins import getattr as _getattr

_ASKING = (
    "NotAnswered",
    "ask",
    "ask_async",
    "roots",
    "roots_async",
    "sample",
    "sample_async",
)


def __getattr__(name):  # type: ignore[no-untyped-def]
    if name not in _ASKING:
        raise _AttributeError(f"module 'mcp_runtime' has no attribute {name!r}")
    from mcp_runtime import asking

    return _getattr(asking, name)
