"""Random bytes on stdin: mutated requests, broken UTF-8, truncated and nested JSON, long lines.

The seed is printed with every problem. Whatever comes in, the server must stay alive and answer
the next proper request.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field

from tests.support.raw_client import META, NoAnswer, RawClient, ServerGone

ANSWER_WITHIN = 10.0

SEEDS: list[dict[str, object]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}},
    {"jsonrpc": "2.0", "id": "a", "method": "tools/list", "params": {"_meta": META}},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
     "params": {"name": "run_python", "arguments": {"code": "1+1", "session": "fuzz"}, "_meta": META}},
    {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "list_sessions", "arguments": {}, "_meta": META}},
    {"jsonrpc": "2.0", "id": 4, "method": "resources/read", "params": {"uri": "session-output://x/1/stdout", "_meta": META}},
    {"jsonrpc": "2.0", "id": 5, "method": "subscriptions/listen",
     "params": {"notifications": {"toolsListChanged": True}, "_meta": META}},
    {"jsonrpc": "2.0", "id": 6, "method": "initialize",
     "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}},
    {"jsonrpc": "2.0", "id": 7, "method": "ping"},
]  # fmt: skip

VALUES = [None, True, -1, 0, 2**63, 1e308, "", "\ud800", "x" * 5000, [], {}, [[]], {"": {}}, "0", -(2**70), 1.5]


@dataclass
class FuzzReport:
    seed: int = 0
    lines: int = 0
    bytes: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Fuzz:
    """Feeds one server garbage for some seconds."""

    def __init__(self, seconds: float, seed: int) -> None:
        self.seconds, self.random = seconds, random.Random(seed)
        self.report = FuzzReport(seed=seed)

    def run(self) -> FuzzReport:
        begin = time.monotonic()
        client = RawClient(["serve"])
        try:
            while time.monotonic() - begin < self.seconds:
                self._batch(client)
            if client.close() != 0:
                self.report.problems.append(f"the server ended with {client.process.returncode}")
        except (ServerGone, NoAnswer) as gone:
            self.report.problems.append(f"{gone}; exit code {client.process.poll()}; seed {self.report.seed}, line {self.report.lines}")
        finally:
            client.kill()
        self.report.seconds = time.monotonic() - begin
        return self.report

    def _batch(self, client: RawClient) -> None:
        for _ in range(self.random.randrange(1, 50)):
            line = self._line()
            self.report.lines += 1
            self.report.bytes += len(line)
            client.write(line)
        client.write(b"\n")
        client.stray.clear()
        client.notifications.clear()
        # A whole request after whatever that was. Its id is out of reach of the mutated ones.
        marker = f"check-{self.report.lines}"
        pending = client.expect(marker)
        request = {"jsonrpc": "2.0", "id": marker, "method": "tools/list", "params": {"_meta": META}}
        client.write(json.dumps(request).encode() + b"\n")
        answer = pending.wait(ANSWER_WITHIN)
        if "result" not in answer:
            self.report.problems.append(f"seed {self.report.seed}, line {self.report.lines}: {answer}")

    def _line(self) -> bytes:
        kind = self.random.randrange(8)
        if kind == 0:
            return self.random.randbytes(self.random.randrange(200)) + b"\n"
        if kind == 1:
            return b"[" * self.random.randrange(1, 20000) + b"\n"
        if kind == 2:
            return b'{"a":' * self.random.randrange(1, 2000) + b"1" + b"}" * self.random.randrange(2000) + b"\n"
        if kind == 3:
            return b'"' + b"x" * self.random.randrange(1 << self.random.randrange(1, 21)) + b'"\n'
        text = json.dumps(self._mutated(json.loads(json.dumps(self.random.choice(SEEDS))))).encode()
        if kind == 4:
            return text[: self.random.randrange(len(text))] + b"\n"
        if kind == 5:
            return self._with_broken_bytes(text) + b"\n"
        if kind == 6:
            return b"[" + b",".join([text] * self.random.randrange(5)) + b"]\r\n"
        return text + b"\n"

    def _with_broken_bytes(self, text: bytes) -> bytes:
        data = bytearray(text)
        for _ in range(self.random.randrange(1, 8)):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        return bytes(data)

    def _mutated(self, value: object) -> object:
        """Replaces, drops or keeps parts; code is only ever the seed's own."""
        if self.random.random() < 0.05:
            return self.random.choice(VALUES)
        if isinstance(value, dict):
            kept = {key: self._mutated(item) for key, item in value.items() if self.random.random() > 0.03}
            if self.random.random() < 0.05:
                kept[self.random.choice(["id", "method", "params", "_meta", "x"])] = self.random.choice(VALUES)
            return kept
        if isinstance(value, list):
            return [self._mutated(item) for item in value]
        return value
