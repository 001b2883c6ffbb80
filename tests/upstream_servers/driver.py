"""Drives build/…/tests/upstream_servers/upstream_driver: the server's upstreams without the server."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0


def driver_binary() -> Path:
    server = Path(os.environ.get("PYEMBER_BINARY") or ROOT / "build" / "release" / "pyember")
    return Path(os.environ.get("PYEMBER_UPSTREAM_DRIVER") or server.parent / "tests/upstream_servers/upstream_driver")


class Failed(Exception):
    """A request that has no result."""

    def __init__(self, kind: str, message: str, code: int) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.message, self.code = kind, message, code


class Order:
    """One thing asked for; what comes of it arrives on the driver's reading thread."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.progress: list[list[float]] = []
        self.answer: queue.Queue[dict[str, Any]] = queue.Queue()

    def result(self) -> Any:
        answer = self.answer.get(timeout=DEADLINE)
        if "failure" in answer:
            raise Failed(answer["failure"], answer["message"], answer["code"])
        return answer["result"]

    def text(self) -> str:
        return "".join(block.get("text", "") for block in self.result()["content"])


class Driver:
    def __init__(self, servers: dict[str, dict[str, Any]]) -> None:
        self._process = subprocess.Popen([str(driver_binary()), json.dumps(servers)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._orders: dict[int, Order] = {}
        self.tools: dict[str, list[list[str]]] = {name: [] for name in servers}  # each listing
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, what: str, **fields: Any) -> Order:
        order = Order(len(self._orders) + 1)
        self._orders[order.number] = order
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": order.number, "do": what, **fields}).encode() + b"\n")
        self._process.stdin.flush()
        return order

    def begin(self, server: str, tool: str, arguments: dict[str, Any] | None = None, timeout: float = 60) -> Order:
        return self.order("call", server=server, tool=tool, arguments=arguments or {}, timeout=timeout)

    def call(self, server: str, tool: str, arguments: dict[str, Any] | None = None, timeout: float = 60) -> str:
        return self.begin(server, tool, arguments, timeout).text()

    def describe(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self.order("describe").result()}

    def list(self, server: str, method: str) -> list[dict[str, Any]]:
        (entries,) = self.order("list", server=server, method=method, timeout=60).result().values()
        return list(entries)

    def request(self, server: str, method: str, parameters: dict[str, Any]) -> Any:
        return self.order("request", server=server, method=method, params=parameters, timeout=60).result()

    def end(self) -> None:
        self.order("end").result()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(timeout=DEADLINE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "tools" in message:
                self.tools[message["server"]].append(message["tools"])
            elif "progress" in message:
                self._orders[message["id"]].progress.append(message["progress"])
            else:
                self._orders[message["id"]].answer.put(message)
