"""An MCP server over stdio for tests of the client, in nothing but the standard library.

    upstream_server.py [--era modern|handshake|silent] [--refusal CODE] [misbehaviour…]

`silent` does not answer server/discover at all. Misbehaviours: --die (at start, with words on
stderr), --hang (never answers), --nonsense (lines that are no messages, among the answers),
--stubborn (neither the end of stdin nor SIGTERM ends it), --once (ends after its first call).
Every call runs in a thread of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time

MODERN = "2026-07-28"
lock = threading.Lock()
running = 0
most_running = 0
cancelled: list[object] = []
tools = ["echo", "about", "sleep", "die", "large", "steps", "spawn", "environment", "change", "junk", "refuse",
         "flood", "meta"]


def send(message: dict) -> None:
    text = json.dumps({"jsonrpc": "2.0", **message})
    with lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def text_result(value: object) -> dict:
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def call(name: str, arguments: dict, meta: dict) -> dict:
    token = meta.get("progressToken")
    if name == "meta":
        return text_result(meta)
    if name == "echo":
        return text_result(arguments.get("text", ""))
    if name == "about":
        return text_result({"pid": os.getpid(), "cwd": os.getcwd(), "most": most_running, "cancelled": cancelled})
    if name == "sleep":
        if "mark" in arguments:  # says that it has begun
            with open(arguments["mark"], "a") as file:
                file.write("x")
        time.sleep(arguments["seconds"])
        return text_result("slept")
    if name == "die":
        print("I am dying of", arguments.get("of", "nothing"), file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "large":
        return text_result("x" * arguments["bytes"])
    if name == "steps":
        for step in range(1, arguments["count"] + 1):
            send({"method": "notifications/progress",
                  "params": {"progressToken": token, "progress": step, "total": arguments["count"]}})
        return text_result("done")
    if name == "spawn":  # out of our process group and session, and deaf to SIGTERM
        child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); "
                                  "print(flush=True); time.sleep(300)"], start_new_session=True,
                                 stdout=subprocess.PIPE)
        child.stdout.readline()
        return text_result({"pid": child.pid})
    if name == "environment":
        return text_result(dict(os.environ))
    if name == "change":
        tools.append(arguments["name"])
        send({"method": "notifications/tools/list_changed", "params": {}})
        return text_result("changed")
    if name == "junk":
        with lock:
            sys.stdout.write("\n\r\nprinted by mistake\n{broken\n[1,2\n" + "[" * 5000 + "\n\xff\n")
            sys.stdout.flush()
        return text_result("there was junk")
    if name == "flood":
        for _ in range(arguments["count"]):
            send({"method": "notifications/message", "params": {"level": "info", "data": "y" * 1000}})
        return text_result("flooded")
    if name in tools:
        return text_result("added")
    return {"content": [{"type": "text", "text": f"no tool {name}"}], "isError": True}


def serve_call(message: dict, once: bool) -> None:
    global running, most_running
    running += 1
    most_running = max(most_running, running)
    parameters = message["params"]
    try:
        if parameters["name"] == "refuse":
            send({"id": message["id"], "error": {"code": -32602, "message": "refused", "data": {"why": "so"}}})
            return
        result = call(parameters["name"], parameters.get("arguments", {}), parameters.get("_meta", {}))
        send({"id": message["id"], "result": {"resultType": "complete", **result}})
    finally:
        running -= 1
    if once:
        os._exit(3)


def listed() -> dict:
    return {"tools": [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in tools]}


def answer(message: dict, options: argparse.Namespace) -> None:
    method, identity = message["method"], message.get("id")
    capabilities = {"tools": {"listChanged": True}}
    modern = options.era == "modern"
    if method == "server/discover" and options.era == "silent":
        return
    if method == "server/discover" and modern:
        send({"id": identity, "result": {"resultType": "complete", "supportedVersions": [MODERN],
                                         "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private"}})
    elif method == "initialize" and not modern:
        send({"id": identity, "result": {"protocolVersion": "2025-11-25", "capabilities": capabilities,
                                         "serverInfo": {"name": "test", "version": "1"}}})
    elif method == "tools/list" and options.lose_lists and os.path.getsize(options.lose_lists):
        os.truncate(options.lose_lists, os.path.getsize(options.lose_lists) - 1)
        os._exit(4)
    elif method == "tools/list":
        send({"id": identity, "result": {"resultType": "complete", **listed()}})
    elif method == "tools/call":
        threading.Thread(target=serve_call, args=(message, options.once), daemon=True).start()
    elif method == "notifications/cancelled":
        cancelled.append(message["params"]["requestId"])
    elif method == "subscriptions/listen":
        send({"method": "notifications/subscriptions/acknowledged",
              "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": identity}, "notifications": {}}})
    elif identity is not None:
        send({"id": identity, "error": {"code": options.refusal, "message": f"Method {method} is not known"}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=("modern", "handshake", "silent"), default="modern")
    parser.add_argument("--refusal", type=int, default=-32601)
    parser.add_argument("--lose-lists", metavar="FILE")
    for name in ("die", "hang", "nonsense", "stubborn", "once"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    if options.die:
        sys.exit("there is no such database")
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("started", file=sys.stderr, flush=True)
    for line in sys.stdin:
        if options.nonsense:
            sys.stdout.write("\n  \nhello there\n{\"half\": \n")
        if options.hang:
            print("thinking", file=sys.stderr, flush=True)
            continue
        if line.strip():
            answer(json.loads(line), options)
    while options.stubborn:
        time.sleep(1)
    # The threads of calls are daemons: the end of stdin is the end.


main()
