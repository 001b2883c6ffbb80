"""An upstream whose tools are what a file says, so that tests can change them: MCP over stdio by hand.

    notes_server.py FOLDER

FOLDER/tools.json holds the list of tools; it is read again for each tools/list. Calls are written to
FOLDER/calls.jsonl. The tool `announce` says that the list has changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])


def send(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "notes", "version": "1"}}
    if method == "tools/list":
        return {"tools": json.loads((FOLDER / "tools.json").read_text())}
    if method == "tools/call":
        with (FOLDER / "calls.jsonl").open("a") as file:
            file.write(json.dumps(params) + "\n")
        if params["name"] == "announce":
            send({"method": "notifications/tools/list_changed"})
        return {"content": [{"type": "text", "text": f"{params['name']} done"}]}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = answer(message["method"], message.get("params", {}))
    if result is None:
        send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
    else:
        send({"id": message["id"], "result": result})
