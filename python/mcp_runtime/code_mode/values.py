"""What a tool has answered, as a value: text, a list, a map, a number, a picture.

A tool's answer is a map of MCP's: `content`, a list of blocks, and perhaps `structuredContent`.
What code wants is what it says. So the structured content is taken where there is some, else a
single text (read as JSON when it is an object or an array), else the list of blocks. Text, lists
and maps are of these classes, which also know the answer as it came (`.raw`) and give `content`,
`structuredContent` and `isError` like keys; keys of their own win. Pickled, they are what they look
like: a str, a list, a dict."""

from __future__ import annotations

import binascii
from builtins import (
    AttributeError,
    KeyError,
    RecursionError,
    ValueError,
    any,
    bytes,
    dict,
    hasattr,
    isinstance,
    len,
    list,
    property,
    str,
    super,
    type,
)

from mcp_runtime import result_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FALLBACK_KEYS = ("content", "structuredContent", "isError")
MAXIMUM_JSON = 64 << 20  # characters of a text that are read as JSON


def tool_result(raw: Any) -> Any:
    """The value of the answer to tools/call, `raw` as it came."""
    if not isinstance(raw, dict):
        return raw
    structured = raw.get("structuredContent")
    if structured is not None:
        if isinstance(structured, dict) and len(structured) == 1 and "result" in structured:
            structured = structured["result"]
        return _with_raw(structured, raw)
    return _of_blocks(raw.get("content"), raw)


def resource_result(raw: Any) -> Any:
    """The value of the answer to resources/read: a text, bytes, or the list of both."""
    contents = raw.get("contents") if isinstance(raw, dict) else None
    if not isinstance(contents, list):
        return _with_raw(raw, raw)
    blocks = [_block({"type": "resource", "resource": each}) for each in contents]
    if len(blocks) == 1:
        text = contents[0].get("text") if isinstance(contents[0], dict) else None
        return _with_raw(text, raw) if isinstance(text, str) else _attach(blocks[0], raw)
    return _with_raw(blocks, raw)


def plain_result(raw: Any) -> Any:
    """An answer that is what it is: a map with .raw."""
    return _with_raw(raw, raw)


class Text(str):
    """A text; .raw is the tool's answer as it came."""

    raw: Any = None

    def __getitem__(self, key: Any) -> Any:
        if type(key) is str and key in FALLBACK_KEYS:
            return _from_raw(self.raw, key)
        return super().__getitem__(key)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return str, (str.__str__(self),)


class List(list):  # type: ignore[type-arg]
    """A list; .raw is the tool's answer as it came."""

    raw: Any = None

    def __getitem__(self, key: Any) -> Any:
        if type(key) is str and key in FALLBACK_KEYS:
            return _from_raw(self.raw, key)
        return super().__getitem__(key)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


class Dict(dict):  # type: ignore[type-arg]
    """A map; .raw is the tool's answer as it came."""

    raw: Any = None

    def __missing__(self, key: Any) -> Any:
        if key in FALLBACK_KEYS:
            return _from_raw(self.raw, key)
        raise KeyError(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As a dict's; it knows `content`, `structuredContent` and `isError` as well."""
        try:
            return self[key]
        except KeyError:
            return default

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)


class Block(dict):  # type: ignore[type-arg]
    """One block of an answer: its keys are attributes too. `data` is bytes, `mime` their type."""

    raw: Any = None

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        inner = self.get("resource")
        if isinstance(inner, dict) and name in inner:
            return inner[name]
        raise AttributeError(f"the block has no {name!r}; it has {', '.join(map_keys(self))}")

    @property
    def data(self) -> bytes:
        """What was sent as base64. Raises AttributeError for a block that has none, and ValueError
        when it is damaged."""
        inner = self.get("resource")
        text = inner.get("blob") if isinstance(inner, dict) else self.get("data")
        if not isinstance(text, str):
            raise AttributeError("data")  # __getattr__ says it
        return binascii.a2b_base64(text)

    @property
    def mime(self) -> str:
        """The MIME type; empty when the server told none."""
        inner = self.get("resource")
        told = (inner if isinstance(inner, dict) else self).get("mimeType")
        return told if isinstance(told, str) else ""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (dict(self),)

    def __repr__(self) -> str:
        if not (isinstance(self.get("data"), str) or hasattr(self, "blob")):
            return dict.__repr__(self)
        what = self.get("type") if self.get("type") != "resource" else "data"
        try:
            return f"<{what} {self.mime or 'of an unknown type'}, {len(self.data):,} bytes>"
        except ValueError:
            return f"<{what} {self.mime}, damaged>"


class Image(Block):
    """A picture: .data and .mime. It is shown in the answer when it is a cell's result."""

    def __missing__(self, key: Any) -> Any:
        if key == 0:  # for code that expects the list of blocks
            return self
        if key in FALLBACK_KEYS and self.raw is not None:
            return _from_raw(self.raw, key)
        raise KeyError(key)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {self.mime or "image/png": self.data}


class Shown(List):
    """A list with pictures in it, which are shown when it is a cell's result."""

    def _repr_mimebundle_(self, **_: Any) -> None:
        import builtins

        for each in self:
            if isinstance(each, Image):
                builtins.display(each)  # type: ignore[attr-defined]


# Which built-in class each of them is like, for whoever writes or carries values.
PLAIN: dict[type, type] = {Text: str, List: list, Dict: dict, Shown: list}
result_text.STANDS_FOR.update(PLAIN)


def map_keys(block: Any) -> list[str]:
    """The names a block has, for people."""
    return [str(key) for key in block]


def _of_blocks(content: Any, raw: Any) -> Any:
    if not isinstance(content, list):
        return _with_raw(raw, raw)
    if len(content) == 1 and isinstance(content[0], dict):
        only = content[0]
        if only.get("type") == "text" and isinstance(only.get("text"), str):
            return _with_raw(_read(only["text"]), raw)
        if only.get("type") == "image":
            return _attach(_block(only), raw)
    return _with_raw([_block(each) for each in content], raw)


def _block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return Image(block) if block.get("type") == "image" else Block(block)


def _read(text: str) -> Any:
    """The JSON that a text is, or the text."""
    begin = text.lstrip()[:1]
    if begin not in ("{", "[") or len(text) > MAXIMUM_JSON:
        return text
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _with_raw(value: Any, raw: Any) -> Any:
    if isinstance(value, str):
        return _attach(Text(value), raw)
    if isinstance(value, list):
        pictures = any([type(each) is Image for each in value])
        return _attach(Shown(value) if pictures else List(value), raw)
    if isinstance(value, dict):
        return _attach(Dict(value), raw)
    return value


def _attach(value: Any, raw: Any) -> Any:
    value.raw = raw
    return value


def _from_raw(raw: Any, key: str) -> Any:
    if isinstance(raw, dict) and key in raw:
        return raw[key]
    if key == "isError":
        return False
    raise KeyError(key)
