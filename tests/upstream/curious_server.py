"""An upstream that asks before it answers, of either era of the protocol, by hand:

    curious_server.py handshake|modern FOLDER

Its tools ask a person to fill in a form (`name`), to open a page (`page`), a model (`think`) and for the folders of the
client (`where`), and answer with what they were told, or with the error. FOLDER/declared.json is what it was told
that its client can do. `both` asks for a form in two calls at a time, so that it can't be told which one asks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ERA, FOLDER = sys.argv[1], Path(sys.argv[2])
FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
MESSAGES = [{"role": "user", "content": {"type": "text", "text": "Capital of France?"}}]
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "name": ("elicitation/create", {"message": "What is your name?", "requestedSchema": FORM}),
    "page": ("elicitation/create", {"mode": "url", "message": "Log in.", "url": "https://example.com/login", "elicitationId": "e1"}),
    "think": ("sampling/createMessage", {"messages": MESSAGES, "maxTokens": 10, "includeContext": "none"}),
    "where": ("roots/list", {}),
    "bad": ("elicitation/create", {"message": "?", "requestedSchema": {"type": "object", "properties": {"x": {"type": "object"}}}}),
}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}} for name in [*QUESTIONS, "both"]]
SERVER = {"name": "curious", "version": "1"}
DONE = {"resultType": "complete"} if ERA == "modern" else {}
CACHE = {"ttlMs": 0, "cacheScope": "private"} if ERA == "modern" else {}


def send(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def note(capabilities: dict[str, Any]) -> None:
    (FOLDER / "declared.json").write_text(json.dumps(capabilities))


def said(what: Any) -> dict[str, Any]:
    return {**DONE, "content": [{"type": "text", "text": f"told {json.dumps(what)}"}]}


waiting: dict[str, object] = {}  # the calls by the ids of our requests
held: list[object] = []  # calls of `both`


def ask(call: object, tool: str) -> None:
    method, params = QUESTIONS[tool]
    number = f"q{len(waiting)}"
    waiting[number] = call
    send({"id": number, "method": method, "params": params})


def handshake(message: dict[str, Any]) -> None:
    method, params, number = message.get("method"), message.get("params", {}), message.get("id")
    if method is None:  # an answer
        send({"id": waiting[message["id"]], "result": said(message.get("result", message.get("error")))})
    elif method == "initialize":
        note(params["capabilities"])
        send({"id": number, "result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": SERVER}})
    elif method == "tools/list":
        send({"id": number, "result": {"tools": TOOLS}})
    elif method == "tools/call" and params["name"] == "both":
        held.append(number)
        if len(held) == 2:
            for call in held:
                ask(call, "name")
            held.clear()
    elif method == "tools/call":
        ask(number, params["name"])
    elif number is not None:
        send({"id": number, "error": {"code": -32601, "message": "Method not found"}})


def modern(message: dict[str, Any]) -> None:
    method, params, number = message.get("method"), message.get("params", {}), message.get("id")
    if method == "server/discover":
        send({"id": number, "result": {**DONE, **CACHE, "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}})
    elif method == "tools/list":
        send({"id": number, "result": {**DONE, **CACHE, "tools": TOOLS}})
    elif method == "tools/call":
        note(params["_meta"]["io.modelcontextprotocol/clientCapabilities"])
        if "inputResponses" in params:
            assert params["requestState"] == "s1"
            send({"id": number, "result": said(params["inputResponses"]["a"])})
            return
        asked, what = QUESTIONS[params["name"]]
        what = {name: value for name, value in what.items() if name != "elicitationId"}
        send({"id": number, "result": {"resultType": "input_required", "requestState": "s1", "inputRequests": {"a": {"method": asked, "params": what}}}})
    elif number is not None:
        send({"id": number, "error": {"code": -32601, "message": "Method not found"}})


for line in sys.stdin:
    (modern if ERA == "modern" else handshake)(json.loads(line))
