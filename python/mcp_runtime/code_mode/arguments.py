"""What code gives to a tool, as the JSON that goes to it.

Positional arguments get the names of the schema's properties, in the order the server tells. Values
that JSON has no form for get one where there is only one to think of: bytes, dates, paths, sets,
numbers of other libraries. Whether they fit the tool is the server's to check
(docs/code-mode-wire.md)."""

from __future__ import annotations

import binascii
import sys
from builtins import (
    Exception,
    UnicodeDecodeError,
    bool,
    bytearray,
    bytes,
    dict,
    float,
    frozenset,
    getattr,
    hasattr,
    int,
    isinstance,
    len,
    list,
    map,
    memoryview,
    set,
    sorted,
    str,
    tuple,
    type,
    zip,
)

from mcp_runtime.code_mode.errors import MCPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Schema = dict[str, Any]

_SIMPLE = frozenset({str, int, bool, type(None)})
_DEPTH = 100
_BINARY_FORMATS = frozenset({"byte", "binary", "base64", "base64url"})
INFINITY = float("inf")


def are_simple(arguments: dict[str, Any]) -> bool:
    """Whether they are JSON as they are, at first sight: most calls are."""
    for value in arguments.values():  # noqa: SIM110  quicker than all()
        if type(value) not in _SIMPLE:
            return False
    return True


def named(
    name: str, given: tuple[Any, ...], keywords: dict[str, Any], order: list[str]
) -> dict[str, Any]:
    """Positional and keyword arguments together; `order` names the positional ones. Raises
    MCPError."""
    if len(given) > len(order):
        takes = f"takes {', '.join(order)}" if order else "takes no arguments"
        raise MCPError(
            f"Nothing was sent: {name} was given {len(given)} positional arguments, and it "
            f"{takes}. Name the arguments; help({name}) shows them.",
            "arguments",
        )
    arguments = dict(zip(order, given))  # noqa: B905
    for key, value in keywords.items():
        if key in arguments:
            raise MCPError(
                f"Nothing was sent: {name} was given {key!r} twice, by its place and by its name. "
                "Leave one of them out.",
                "arguments",
            )
        arguments[key] = value
    return arguments


def as_json(arguments: dict[str, Any], schema_of: Callable[[], Schema]) -> dict[str, Any]:
    """The arguments with every value as JSON has it; `schema_of` is asked when bytes are among
    them.

    Raises MCPError, kind 'arguments', for what has no form in JSON.
    """
    known: list[Schema] = []

    def properties() -> Schema:
        if not known:
            found = schema_of().get("properties")
            known.append(found if isinstance(found, dict) else {})
        return known[0]

    return {
        str(name): _json_of(value, lambda name=name: properties().get(name), str(name), _DEPTH)
        for name, value in arguments.items()
    }


def _json_of(value: Any, schema: Any, place: str, depth: int) -> Any:
    """`schema` is a function, called when it is needed."""
    if depth == 0:
        raise _refused(place, "it is nested too deeply, or holds itself", "Give less of it.")
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value), place)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text_of_bytes(bytes(value), schema())
    if isinstance(value, dict):
        return {
            _key(key, place): _json_of(
                each, lambda key=key: _property(schema(), str(key)), f"{place}[{key!r}]", depth - 1
            )
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_json_of(each, lambda: _items(schema()), place, depth - 1) for each in value]
    if isinstance(value, (set, frozenset)):
        return [_json_of(each, _no_schema, place, depth - 1) for each in _in_order(value)]
    return _of_library(value, place, depth)


def _of_library(value: Any, place: str, depth: int) -> Any:
    """Of classes that are no JSON, but have a plain form everybody would choose."""
    kind = type(value)
    if hasattr(kind, "__fspath__"):
        path = value.__fspath__()
        return path if isinstance(path, str) else bytes(path).decode("utf-8", "surrogateescape")
    for method in ("isoformat", "tolist", "model_dump"):  # dates, numpy's, pydantic's
        if hasattr(kind, method):
            return _json_of(getattr(value, method)(), _no_schema, place, depth - 1)
    if hasattr(kind, "__dataclass_fields__"):
        fields = {name: getattr(value, name) for name in kind.__dataclass_fields__}
        return _json_of(fields, _no_schema, place, depth - 1)
    if _is_of("enum", "Enum", value):
        return _json_of(value.value, _no_schema, place, depth - 1)
    if _is_of("uuid", "UUID", value):
        return str(value)
    if _is_of("decimal", "Decimal", value):
        return int(value) if value == value.to_integral_value() else _finite(float(value), place)
    if hasattr(kind, "__index__"):
        return int(value)
    if hasattr(kind, "__await__"):
        raise _refused(place, "it is a call that nobody awaited", "Await it, and give its value.")
    raise _refused(
        place,
        f"a value of type {kind.__name__} has no form in JSON",
        "Give str, int, float, bool, None, lists and dicts; of a table, for example, "
        "table.to_dict('records').",
    )


def _is_of(module: str, name: str, value: Any) -> bool:
    """Whether it is an instance of a class whose module somebody has imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _finite(number: float, place: str) -> float:
    if -INFINITY < number < INFINITY:
        return number
    raise _refused(place, f"JSON has no {number}", "Give None, or leave it out.")


def _text_of_bytes(data: bytes, schema: Any) -> str:
    """Text where the schema wants some and the bytes are some; base64 else."""
    if _is_plain_string(schema):
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _is_plain_string(schema: Any) -> bool:
    if not isinstance(schema, dict) or "contentEncoding" in schema:
        return False
    if schema.get("format") in _BINARY_FORMATS:
        return False
    kinds = schema.get("type")
    if kinds is None:
        choices = schema.get("anyOf") or schema.get("oneOf")
        return isinstance(choices, list) and True in map(_is_plain_string, choices)
    return "string" in kinds if isinstance(kinds, list) else kinds == "string"


def _property(schema: Any, name: str) -> Any:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties.get(name) if isinstance(properties, dict) else None


def _items(schema: Any) -> Any:
    return schema.get("items") if isinstance(schema, dict) else None


def _no_schema() -> None:
    return None


def _key(key: Any, place: str) -> str:
    if isinstance(key, str):
        return key
    for constant, text in ((None, "null"), (True, "true"), (False, "false")):
        if key is constant:
            return text
    if isinstance(key, (int, float)):
        return str(key)
    raise _refused(place, f"{type(key).__name__} is no key of JSON's", "Use text for keys.")


def _in_order(values: Any) -> Any:
    try:
        return sorted(values)
    except Exception:
        return list(values)


def _refused(place: str, why: str, instead: str) -> MCPError:
    return MCPError(
        f"Nothing was sent: the argument {place} can't be written as JSON: {why}. {instead}",
        "arguments",
    )
