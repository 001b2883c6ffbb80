"""A small MCP client over pipes, for tests that need the real server (PYEMBER_BINARY)."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

ANSWER_SECONDS = 60


class Server:
    """One server process, whose sessions stay in-process. Calls are sent with `start` and answered by `wait`, in any order."""

    def __init__(self, *options: str, environment: dict[str, str] | None = None,
                 directory: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [os.environ["PYEMBER_BINARY"], *options], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory,
            env={**os.environ, "PYEMBER_ISOLATION": "inprocess", **(environment or {})})
        self.errors: list[str] = []
        self._answers: dict[int, queue.Queue[Any]] = {}
        self._next = 0
        self._readers = [threading.Thread(target=read, daemon=True)
                         for read in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()
        self.ask("initialize", {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        for reader in self._readers:
            reader.join(30)
        self.process.stdout.close()
        self.process.stderr.close()

    def ask(self, method: str, parameters: dict[str, Any]) -> Any:
        return self.wait(self.start(method, parameters))

    def start(self, method: str, parameters: dict[str, Any]) -> int:
        self._next += 1
        self._answers[self._next] = queue.Queue()
        self._send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": parameters})
        return self._next

    def wait(self, number: int, seconds: float = ANSWER_SECONDS) -> Any:
        answer = self._answers[number].get(timeout=seconds)
        del self._answers[number]
        assert answer is not None, f"the server ended: {self.process.wait()} {self.errors[-20:]}"
        assert "error" not in answer, answer
        return answer["result"]

    def start_cell(self, code: str, session: str = "main", timeout: float = 30) -> int:
        return self.start("tools/call", {
            "name": "run_python",
            "arguments": {"code": code, "session": session, "timeout": timeout}})

    def run(self, code: str, session: str = "main", timeout: float = 30) -> dict[str, Any]:
        """Runs a cell; returns its structured outcome with the seconds it took as seen here."""
        begun = time.monotonic()
        answer = self.wait(self.start_cell(code, session, timeout))
        assert "structuredContent" in answer, answer
        outcome = answer["structuredContent"]
        return {**outcome, "seconds": time.monotonic() - begun}

    def tool(self, name: str, **arguments: Any) -> Any:
        return self.ask("tools/call", {"name": name, "arguments": arguments})

    def _send(self, message: dict[str, Any]) -> None:
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def _read(self) -> None:
        for line in self.process.stdout:
            message = json.loads(line)
            waiting = self._answers.get(message.get("id"))
            if waiting is not None and "method" not in message:
                waiting.put(message)
        for waiting in list(self._answers.values()):
            waiting.put(None)

    def _read_errors(self) -> None:
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace").rstrip())
