"""MCP servers as a session's code meets them, played behind a CallServer: two pipes, the real channel,
and answers of a few lines."""

from __future__ import annotations

import threading
import time
from typing import Any

from call_server import CallServer, Frame

Map = dict[str, Any]

ISSUE = {
    "type": "object",
    "properties": {
        "labels": {"type": "array", "items": {"type": "string"}},
        "repo": {"type": "string"},
        "title": {"type": "string"},
        "body": {"type": "string"},
    },
    "required": ["repo", "title"],
}
FILE = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "content": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "parts": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["path"],
}


def text(said: str, **more: Any) -> Map:
    """A tool's answer of one text."""
    return {"content": [{"type": "text", "text": said}], **more}


def tool(name: str, alias: str = "", schema: Map | None = None, description: str = "") -> Map:
    schema = schema or {"type": "object", "properties": {}}
    required = schema.get("required", [])
    names = list(schema["properties"])
    return {
        "name": name, "alias": alias or name, "description": description, "input_schema": schema,
        "output_schema": None, "annotations": {},
        "parameters": [each for each in names if each in required] + [each for each in names if each not in required],
    }  # fmt: skip


TOOLS = {
    "github": [
        tool("create_issue", schema=ISSUE, description="Opens an issue.\nIn a repository."),
        tool("List-Issues", "list_issues"),
        tool("import", "import_"),
    ],
    "File System": [tool("write_file", schema=FILE), tool("read_file", schema=FILE)],
}
SERVERS = [
    {"name": "github", "alias": "github", "description": "Issues and code"},
    {"name": "File System", "alias": "file_system", "description": ""},
    {"name": "slack", "alias": "slack", "description": "Messages"},
]


class Servers(CallServer):
    """`answers` maps (server, tool) to a result, an error's kind and message, or a function of the
    arguments; what has none is answered with the arguments."""

    def __init__(self) -> None:
        super().__init__(lambda _, frame: self._operate(frame))
        self.servers = [dict(each) for each in SERVERS]
        self.allowed = [each["name"] for each in SERVERS]
        self.tools = {name: list(tools) for name, tools in TOOLS.items()}
        self.answers: dict[tuple[str, str], Any] = {}
        self.saved: dict[str, str] = {}
        self.source: str | None = None
        self.delay = 0.0

    def asked(self, op: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["op"] == op]

    @property
    def calls_made(self) -> list[Map]:
        return [frame["arguments"] for frame in self.asked("call")]

    def _operate(self, frame: Frame) -> None:
        try:
            value = getattr(self, "op_" + frame["op"])(frame)
        except Refused as refused:
            error = {"id": frame["id"], "ok": False, "error": refused.error}
            self._later(error)
        else:
            self._later({"id": frame["id"], "ok": True, "value": value})

    def _later(self, answer: Map) -> None:
        import json

        if not self.delay:
            self.send(json.dumps(answer))
            return
        timer = threading.Timer(self.delay, self.send, [json.dumps(answer)])
        timer.daemon = True
        timer.start()

    def send(self, text: str) -> None:
        try:
            super().send(text)
        except OSError:  # the test is over
            pass

    def _server(self, name: str) -> Map:
        for each in self.servers:
            if name in (each["name"], each["alias"]):
                if each["name"] not in self.allowed:
                    raise Refused("not_available", f"Server '{name}' is not available: leave `servers` out.")
                return each
        raise Refused("unknown_server", f"Unknown MCP server: {name}. The nearest is github.")

    def _tool(self, frame: Frame) -> Map:
        server = self._server(frame["server"])["name"]
        for each in self.tools.get(server, []):
            if frame["tool"] in (each["name"], each["alias"]):
                return each
        raise Refused("unknown_tool", f"Tool '{frame['tool']}' not found for server {server}. The nearest is create_issue.")

    def op_discovered(self, frame: Frame) -> list[Map]:
        return self.servers

    def op_servers(self, frame: Frame) -> list[Map]:
        return sorted(({"name": each["name"], "alias": each["alias"]} for each in self.servers if each["name"] in self.allowed), key=str)

    def op_describe(self, frame: Frame) -> Map:
        server = self._server(frame["server"])
        aliases = [each["alias"] for each in self.tools.get(server["name"], [])]
        return {"name": server["name"], "alias": server["alias"], "tools": aliases, "cwd": None, "description": server["description"]}

    def op_loaded(self, frame: Frame) -> list[Map]:
        return [self.op_describe({"server": "github"})]

    def op_tools(self, frame: Frame) -> list[Map]:
        return self.tools.get(self._server(frame["server"])["name"], [])

    def op_docs(self, frame: Frame) -> list[Map]:
        server = self._server(frame["server"])
        tools = [self._tool(frame)] if "tool" in frame else self.op_tools(frame)
        return [self._doc(server, each, frame.get("detail") == "full") for each in tools]

    def op_search(self, frame: Frame) -> list[Map]:
        found = [
            self._doc(server, each, frame.get("detail") == "full")
            for server in self.servers
            for each in self.tools.get(server["name"], [])
            if frame["query"] in each["name"]
        ]
        return found[: frame["limit"]]

    def _doc(self, server: Map, each: Map, full: bool) -> Map:
        doc = {"name": each["name"], "server": server["name"], "serverAlias": server["alias"], "tool": each["name"],
               "toolAlias": each["alias"], "description": each["description"]}  # fmt: skip
        if full:
            names = [f"{name}: str" if name in each["input_schema"].get("required", []) else f"{name}: str = ..." for name in each["parameters"]]
            doc |= {"inputSchema": each["input_schema"], "signature": f"{each['alias']}({', '.join(names)}) -> dict",
                    "docstring": f"{each['description']}\n\nArguments: {each['parameters']}"}  # fmt: skip
        return doc

    def op_nearest(self, frame: Frame) -> str:
        if "tool" in frame:
            return f"Tool '{frame['tool']}' not found for server {frame['server']}. Did you mean create_issue?"
        return f"Unknown MCP server: {frame['server']}. Did you mean github?"

    def op_call(self, frame: Frame) -> Map:
        server, each = self._server(frame["server"]), self._tool(frame)
        answer = self.answers.get((server["name"], each["name"]), {"structuredContent": frame["arguments"], "content": []})
        if callable(answer):
            answer = answer(frame["arguments"])
        if isinstance(answer, tuple):
            raise Refused(*answer)
        if answer.get("isError"):
            raise Refused("tool", answer["content"][0]["text"], answer)
        return answer

    def op_accept_tools(self, frame: Frame) -> Map:
        if frame["change"] != "ab12":
            raise Refused("denied", "Nothing was accepted: that is not the change that was shown.")
        return {"message": "The server's tools are accepted as they are now."}

    def op_resources(self, frame: Frame) -> list[Map]:
        return [{"uri": "memo://a", "name": "a"}]

    def op_resource_templates(self, frame: Frame) -> list[Map]:
        return [{"uriTemplate": "memo://{name}", "name": "memo"}]

    def op_read_resource(self, frame: Frame) -> Map:
        if frame["uri"] == "memo://b":
            return {"contents": [{"uri": "memo://b", "blob": "AAEC", "mimeType": "application/x-bytes"}]}
        return {"contents": [{"uri": frame["uri"], "text": "hello"}]}

    def op_prompts(self, frame: Frame) -> list[Map]:
        return [{"name": "greet"}]

    def op_get_prompt(self, frame: Frame) -> Map:
        said = f"{frame['name']} {frame['arguments']}"
        return {"messages": [{"role": "user", "content": {"type": "text", "text": said}}]}

    def op_saved_tools(self, frame: Frame) -> Map:
        source = "\n\n".join(self.saved.values()) if self.source is None else self.source
        return {"source": source, "names": list(self.saved), "path": "user_tools.py"}

    def op_save_tool(self, frame: Frame) -> Map:
        self.saved[frame["name"]] = frame["source"]
        return {"message": f"Saved {frame['name']}."}

    def op_delete_tool(self, frame: Frame) -> Map:
        if self.saved.pop(frame["name"], None) is None:
            raise Refused("arguments", f"There is no saved tool {frame['name']}.")
        return {"message": f"Deleted {frame['name']}."}


class Refused(Exception):
    def __init__(self, kind: str, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.error = {"kind": kind, "message": message, "result": result}


def slowly(seconds: float, value: Any) -> Any:
    """An answer that takes its time."""

    def answer(_: Map) -> Any:
        time.sleep(seconds)
        return value

    return answer
