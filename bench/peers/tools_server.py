"""An MCP server with as many tools as it is told, in nothing but the standard library: tools_server.py COUNT

Each tool answers after as many milliseconds as its argument says; calls run side by side. What they
are called and do comes from the catalogue that search is judged on.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

CATALOGUE = Path(__file__).resolve().parents[2] / "tests" / "upstream" / "search"
lock = threading.Lock()


def catalogue(count: int) -> list[dict]:
    tools: list[dict] = [{"name": "wait", "inputSchema": {"type": "object", "properties": {"milliseconds": {"type": "integer"}}}}]
    for file in ("imagined_tools.json", "real_tools.json"):
        for server in json.loads((CATALOGUE / file).read_text()):
            for tool in server["tools"]:
                tools.append({**tool, "name": f"{server['server']}-{tool['name']}"})
    return tools[:count]


def send(message: dict) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def call(request: dict) -> None:
    time.sleep(request["params"].get("arguments", {}).get("milliseconds", 0) / 1000)
    send({"id": request["id"], "result": {"content": [{"type": "text", "text": "done"}], "isError": False}})


def main() -> None:
    tools = catalogue(int(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        method = request.get("method")
        if "id" not in request:
            continue
        if method == "initialize":
            answer = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "tools", "version": "1"}}
            send({"id": request["id"], "result": answer})
        elif method == "tools/list":
            send({"id": request["id"], "result": {"tools": tools}})
        elif method == "tools/call":
            threading.Thread(target=call, args=(request,), daemon=True).start()
        else:
            send({"id": request["id"], "error": {"code": -32601, "message": "There is no such method."}})


if __name__ == "__main__":
    main()
