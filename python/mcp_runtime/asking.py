"""What code asks of whoever is behind the MCP client: ask(), sample(), roots(), and input().

Code knows them as mcp_runtime.ask and so on; imported when one of them is first used. The server
asks the client (docs/questions.md); here a question becomes a request on the calls channel, and its
answer the value that code wanted.
"""

from __future__ import annotations

import sys
from builtins import (
    EOFError,
    Exception,
    TypeError,
    ValueError,
    bool,
    dict,
    enumerate,
    float,
    int,
    isinstance,
    len,
    list,
    object,
    range,
    set,
    str,
    super,
    tuple,
    type,
)

from mcp_runtime.code_mode import channel as _channel
from mcp_runtime.code_mode import hook as _hook
from mcp_runtime.prompt_builtins import c_input
from mcp_runtime.streams import NoInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # A form, and what makes of its content what code wanted.
    Form = tuple[dict[str, Any], Callable[[dict[str, Any]], Any]]

__all__ = [
    "NotAnswered",
    "ask",
    "ask_async",
    "roots",
    "roots_async",
    "sample",
    "sample_async",
]

_ANSWER = "answer"  # the only field of a form that asks for one value
_MISSING: Any = object()
_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
# How errors of the channel are told; all others are 'unavailable'.
_REASONS = {"timeout": "timeout", "cancelled": "cancelled"}
_WRONG = ("arguments", "too_large")
_NOWHERE = {
    "no_channel": "Nobody was asked, because this code does not run in a session of the server: it "
    "runs in a process that the session has started, or elsewhere. Ask in the cell itself.",
    "no_run": "Nobody was asked, because no cell runs in this session, and cells ask. Ask in a cell, "
    "and wait for the answer there.",
}


class NotAnswered(Exception):
    """There is no answer. `reason` says why in one word: 'declined' (the person said no),
    'cancelled' (the question was closed without an answer), 'timeout', 'unavailable' (nobody can be
    asked, or the client refused)."""

    def __init__(self, message: object = "", reason: str = "unavailable") -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> Any:
        return type(self), (self.args[0] if self.args else "", self.reason)


NotAnswered.__module__ = "mcp_runtime"


def ask(
    message: str,
    schema: Any = None,
    *,
    choices: Any = None,
    multiple: bool = False,
    url: str | None = None,
    timeout: float | None = None,
    otherwise: Any = _MISSING,
) -> Any:
    """Asks the person behind the MCP client and waits for the answer, which is returned.

    Without more it is a text. `choices` (a list, or a map from titles to values) lets one be chosen,
    with `multiple` any number of them. `schema` is a type (str, int, float, bool), the JSON Schema
    of one value, or a form: a map from names to types, lists of choices, defaults or JSON Schemas,
    answered by a dict. `url` asks whether the person opens an address, for what must not pass the
    client (passwords, payments); True means consent, not that it was done. Never ask for secrets in
    any other way.

    Raises NotAnswered when the person declines, closes the question, or can't be asked; then
    `otherwise`, if it is given, is returned instead. While the question is open the cell's timeout
    stands still. `timeout` is in seconds; by default 600.
    """
    fields, found = _question(message, schema, choices, multiple, url)
    return _answered("ask", timeout, fields, lambda said: _taken(said, found, otherwise), otherwise)


async def ask_async(
    message: str,
    schema: Any = None,
    *,
    choices: Any = None,
    multiple: bool = False,
    url: str | None = None,
    timeout: float | None = None,
    otherwise: Any = _MISSING,
) -> Any:
    """As ask(), for code that awaits: other tasks go on, and several questions may be open."""
    fields, found = _question(message, schema, choices, multiple, url)
    return await _awaited(
        "ask", timeout, fields, lambda said: _taken(said, found, otherwise), otherwise
    )


def sample(
    messages: Any,
    *,
    system: str | None = None,
    max_tokens: int = 1000,
    temperature: float | None = None,
    stop: Any = None,
    timeout: float | None = None,
    otherwise: Any = _MISSING,
) -> Any:
    """Has the client's language model answer, and returns its text.

    `messages` is a text, or a list of {"role": "user" or "assistant", "content": text or block}.
    What is not text is returned as the content block it came as. Raises NotAnswered where the client
    has no sampling, or its user refuses.
    """
    fields = _sampling(messages, system, max_tokens, temperature, stop)
    return _answered("sample", timeout, fields, _sampled, otherwise)


async def sample_async(
    messages: Any,
    *,
    system: str | None = None,
    max_tokens: int = 1000,
    temperature: float | None = None,
    stop: Any = None,
    timeout: float | None = None,
    otherwise: Any = _MISSING,
) -> Any:
    """As sample(), for code that awaits."""
    fields = _sampling(messages, system, max_tokens, temperature, stop)
    return await _awaited("sample", timeout, fields, _sampled, otherwise)


def roots(*, timeout: float | None = None, otherwise: Any = _MISSING) -> Any:
    """The folders that the client works in: a list of {"uri", "name", "path"}, as far as it tells
    them; `path` of those on a disk. Raises NotAnswered where the client has none to tell."""
    return _answered("roots", timeout, {}, _rooted, otherwise)


async def roots_async(*, timeout: float | None = None, otherwise: Any = _MISSING) -> Any:
    """As roots(), for code that awaits."""
    return await _awaited("roots", timeout, {}, _rooted, otherwise)


def line_of_input(prompt: str) -> str:
    """input() of a session: the line that the person types. EOFError says why there is none."""
    if type(sys.stdin) is not NoInput:
        return str(c_input(prompt))
    wanted = {"type": "object", "properties": {_ANSWER: {"type": "string", "title": "Input"}}}
    fields = {"message": prompt.strip(), "schema": wanted, "input": True}
    try:
        said = _answered("ask", None, fields, _as_said, _MISSING)
    except NotAnswered as error:
        sys.stdout.write(prompt)
        if error.reason != "unavailable":
            raise EOFError(f"input() got no line: {error}") from None
        raise EOFError(
            "cannot wait for input(): a session has no standard input, and nobody is asked in its "
            f"place. {error} Or pass the text as a value in the code instead."
        ) from None
    action = said["action"]
    if action != "accept":
        sys.stdout.write(prompt)
        how = "declined to answer" if action == "decline" else "closed the question"
        raise EOFError(f"input() got no line: the user {how}. Do without it, or ask what is wanted.")
    line = str(said["content"].get(_ANSWER, "")).rstrip("\r\n")
    sys.stdout.write(f"{prompt}{line}\n")  # as it would stand on a terminal
    return line


# --- on the channel -------------------------------------------------------------------------------


def _opened() -> Any:
    _hook.attach_channel()
    return _channel.channel()


def _answered(
    op: str, timeout: float | None, fields: dict[str, Any], read: Any, otherwise: Any
) -> Any:
    try:
        value = _opened().request(op, timeout, **fields)
    except _channel.CallError as error:
        return _instead(error, otherwise)
    return read(value)


async def _awaited(
    op: str, timeout: float | None, fields: dict[str, Any], read: Any, otherwise: Any
) -> Any:
    try:
        value = await _opened().submit(op, timeout, **fields)
    except _channel.CallError as error:
        return _instead(error, otherwise)
    return read(value)


def _instead(error: Any, otherwise: Any) -> Any:
    """What stands for an answer that an error took the place of."""
    if error.kind in _WRONG:
        raise ValueError(error.message) from None
    if otherwise is not _MISSING:
        return otherwise
    if error.kind in _NOWHERE:
        raise NotAnswered(_NOWHERE[error.kind]) from None
    raise NotAnswered(error.message, _REASONS.get(error.kind, "unavailable")) from None


def _as_said(said: Any) -> Any:
    return said


def _taken(said: dict[str, Any], found: Any, otherwise: Any) -> Any:
    action = said["action"]
    if action == "accept":
        return found(said["content"])
    if otherwise is not _MISSING:
        return otherwise
    if action == "decline":
        raise NotAnswered(
            "The user declined to answer. Do without the answer, or find out what is wanted.",
            "declined",
        )
    raise NotAnswered(
        "The user closed the question without an answer. Ask again only if it is needed.",
        "cancelled",
    )


# --- questions ------------------------------------------------------------------------------------


def _question(
    message: str, schema: Any, choices: Any, multiple: bool, url: str | None
) -> tuple[dict[str, Any], Any]:
    if not isinstance(message, str) or not message.strip():
        raise TypeError("ask() needs the question, as a text that is not empty")
    if [schema is not None, choices is not None, url is not None].count(True) > 1:
        raise TypeError("ask() takes one of schema, choices and url: they are kinds of answers")
    if url is not None:
        return {"message": message, "url": str(url)}, lambda content: True
    if choices is not None:
        form, found = _one_value(*_choice(choices, multiple))
    else:
        form, found = _form(schema)
    return {"message": message, "schema": form}, found


def _form(schema: Any) -> Form:
    if schema is None:
        schema = str
    if isinstance(schema, type) and schema in _TYPES:
        return _one_value({"type": _TYPES[schema]}, _reader(schema))
    if not isinstance(schema, dict):
        raise TypeError(
            f"ask() can't make a form of {schema!r}: give str, int, float, bool, a JSON Schema, or a "
            "dict of names and types"
        )
    if isinstance(schema.get("type"), str):
        if schema["type"] == "object":
            return schema, dict
        return _one_value(schema, _same)
    return _fields(schema)


def _fields(wanted: dict[str, Any]) -> Form:
    """A form of several fields, each told by a type, choices, a default or a JSON Schema."""
    properties: dict[str, Any] = {}
    readers: dict[str, Any] = {}
    required = []
    for name, field in wanted.items():
        name = str(name)
        readers[name] = _same
        if isinstance(field, type) and field in _TYPES:
            properties[name], readers[name] = {"type": _TYPES[field]}, _reader(field)
        elif isinstance(field, (list, tuple)):
            properties[name], readers[name] = _choice(field, False)
        elif isinstance(field, dict):
            properties[name] = field
        elif type(field) in _TYPES:
            properties[name] = {"type": _TYPES[type(field)], "default": field}
            readers[name] = _reader(type(field))
        else:
            raise TypeError(
                f"ask() can't make a field of {name}={field!r}: give a type, a list of choices, a "
                "default value or a JSON Schema"
            )
        required.append(name)
    form = {"type": "object", "properties": properties, "required": required}

    def found(content: dict[str, Any]) -> dict[str, Any]:
        return {name: readers[name](content[name]) for name in readers if name in content}

    return form, found


def _one_value(schema: dict[str, Any], read: Any) -> Form:
    form = {
        "type": "object",
        "properties": {_ANSWER: {"title": "Answer", **schema}},
        "required": [_ANSWER],
    }
    return form, lambda content: read(content[_ANSWER])


def _choice(choices: Any, multiple: bool) -> tuple[dict[str, Any], Any]:
    """What is shown are texts; what is chosen are the values that stand for them."""
    if isinstance(choices, dict):
        titles, values = [str(title) for title in choices], list(choices.values())
    else:
        values = list(choices)
        titles = [str(value) for value in values]
    if not titles:
        raise ValueError("ask() needs at least one choice")
    if len(set(titles)) < len(titles):
        titles = [f"{number}. {title}" for number, title in enumerate(titles, 1)]
    by_title = {titles[index]: values[index] for index in range(len(titles))}
    if not multiple:
        return {"type": "string", "enum": titles}, by_title.__getitem__
    schema = {"type": "array", "items": {"type": "string", "enum": titles}}
    return schema, lambda chosen: [by_title[title] for title in chosen]


def _reader(kind: Any) -> Any:
    return _same if kind in (str, bool) else kind


def _same(value: Any) -> Any:
    return value


# --- the model and the folders behind the client --------------------------------------------------


def _sampling(
    messages: Any, system: str | None, max_tokens: int, temperature: float | None, stop: Any
) -> dict[str, Any]:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    told = []
    for each in messages:
        content = each["content"]
        if isinstance(content, str):
            content = {"type": "text", "text": content}
        told.append({"role": each["role"], "content": content})
    request: dict[str, Any] = {"messages": told, "maxTokens": max_tokens}
    if system is not None:
        request["systemPrompt"] = system
    if temperature is not None:
        request["temperature"] = temperature
    if stop is not None:
        request["stopSequences"] = [stop] if isinstance(stop, str) else list(stop)
    return {"request": request}


def _sampled(result: dict[str, Any]) -> Any:
    content = result["content"]
    if isinstance(content, dict) and content.get("type") == "text":
        return content.get("text", "")
    return content


def _rooted(result: dict[str, Any]) -> list[dict[str, Any]]:
    from urllib.parse import unquote, urlsplit

    found = []
    for each in result["roots"]:
        root = {"uri": each["uri"]}
        if "name" in each:
            root["name"] = each["name"]
        if each["uri"].startswith("file:"):
            root["path"] = unquote(urlsplit(each["uri"]).path)
        found.append(root)
    return found
