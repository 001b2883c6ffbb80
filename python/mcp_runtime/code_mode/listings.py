"""What helpers of mcp.runtime return: built-in values that may be awaited as well.

Code is written both ways, `runtime.discovered_servers()` and `await runtime.discovered_servers()`;
both give the same names.
"""

from __future__ import annotations

from builtins import KeyError, dict, isinstance, list, object, str, super, tuple, type

from mcp_runtime import result_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any


class Names(tuple):  # type: ignore[type-arg]
    """A tuple that equals a list of the same, and is a list when it is awaited."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return list(self)
        yield

    def __eq__(self, other: object) -> Any:
        return super().__eq__(tuple(other) if isinstance(other, list) else other)

    def __ne__(self, other: object) -> Any:
        return super().__ne__(tuple(other) if isinstance(other, list) else other)

    __hash__ = tuple.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return tuple, (list(self),)


class Map(dict):  # type: ignore[type-arg]
    """A dict that may be awaited."""

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        return self
        yield

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)


class Said(str):
    """A text that may be awaited."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, str]:
        return str.__str__(self)
        yield

    def __reduce_ex__(self, protocol: Any) -> Any:
        return str, (str.__str__(self),)


class Manual(Said):
    """A text that shows itself as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__str__(self)


class Docs(list):  # type: ignore[type-arg]
    """Docs of tools: a list, whose ["tools"] is itself."""

    def __getitem__(self, key: Any) -> Any:
        return self if type(key) is str and key == "tools" else super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """For code that takes it for the map {"tools": […]}."""
        return self if key == "tools" else default

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


class Doc(dict):  # type: ignore[type-arg]
    """The doc of one tool: a map, whose ["tools"] is the list of it alone."""

    def __missing__(self, key: Any) -> Any:
        if key == "tools":
            return Docs([self])
        raise KeyError(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As a dict's; it knows "tools" as well."""
        try:
            return self[key]
        except KeyError:
            return default

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)


# Which built-in class each of them is like, for whoever writes or carries values.
PLAIN: dict[type, type] = {Names: tuple, Map: dict, Said: str, Docs: list, Doc: dict}
result_text.STANDS_FOR.update(PLAIN)
