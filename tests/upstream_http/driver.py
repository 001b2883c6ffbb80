"""Drives one connection to an upstream over HTTP: http_driver, with orders and what it tells as lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0  # of whatever should happen at once
MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"


def build_folder() -> Path:
    return Path(os.environ.get("PYEMBER_BINARY", str(ROOT / "build" / "release" / "pyember"))).resolve().parent


def driver_program() -> Path:
    named = os.environ.get("PYEMBER_HTTP_DRIVER")
    return Path(named) if named else build_folder() / "tests" / "upstream_http" / "http_driver"


class Connection:
    """A transport in a process of its own."""

    def __init__(self, url: str, *, headers: dict[str, str] | None = None, tokens: str = "",
                 environment: dict[str, str] | None = None, login: dict[str, str] | None = None) -> None:
        settings: dict[str, Any] = {"url": url, "headers": headers or {}, "tokens": tokens}
        if login is not None:
            settings["login"] = login
        self.process = subprocess.Popen([str(driver_program()), json.dumps(settings)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        self.told: Queue[dict[str, Any] | None] = Queue()
        self.kept: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        try:
            code = self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        assert code == 0

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.told.put(json.loads(line))
        self.told.put(None)

    def order(self, **what: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def send(self, method: str, params: dict[str, Any] | None = None, *, id: int | None = None,  # noqa: A002
             name: str = "", version: str = MODERN) -> None:
        modern = version == MODERN
        params = dict(params or {})
        if modern:
            params["_meta"] = {"io.modelcontextprotocol/protocolVersion": MODERN,
                               "io.modelcontextprotocol/clientCapabilities": {}}
        message = {"jsonrpc": "2.0", "method": method, "params": params, **({} if id is None else {"id": id})}
        self.order(do="send", message=message, name=name, version="" if method == "initialize" else version,
                   modern=modern)

    def wait_for(self, wanted: Any, deadline: float = DEADLINE) -> dict[str, Any]:
        """The first thing told for which wanted(it) holds; what else comes is kept in .kept."""
        for at, event in enumerate(self.kept):
            if wanted(event):
                return self.kept.pop(at)
        end = time.monotonic() + deadline
        while True:
            try:
                event = self.told.get(timeout=max(0.01, end - time.monotonic()))
            except Empty:
                raise AssertionError(f"it was not told; but {self.kept}") from None
            assert event is not None, f"the driver has ended; it told {self.kept}"
            if wanted(event):
                return event
            self.kept.append(event)

    def message(self, wanted: Any = lambda message: True) -> dict[str, Any]:
        event = self.wait_for(lambda event: "message" in event and wanted(json.loads(event["message"])))
        message: dict[str, Any] = json.loads(event["message"])
        return message

    def answer(self, id: int) -> dict[str, Any]:  # noqa: A002
        """The message that answers a request, or {"failed": id, "why": text}."""
        event = self.wait_for(lambda event: event.get("failed") == id or (
            "message" in event and json.loads(event["message"]).get("id") == id and "method" not in event["message"][:40]))
        return event if "failed" in event else json.loads(event["message"])

    def handshake(self, version: str = HANDSHAKE) -> dict[str, Any]:
        self.send("initialize", {"protocolVersion": version, "capabilities": {},
                                 "clientInfo": {"name": "driver", "version": "1"}}, id=1, version=version)
        answer = self.answer(1)
        assert "result" in answer, answer
        self.send("notifications/initialized", version=version)
        return answer

    def end(self) -> None:
        self.order(do="end")
        self.wait_for(lambda event: event.get("did") == "end")
