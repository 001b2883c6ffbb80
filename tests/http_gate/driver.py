"""Asks a gate in a process of its own: gate_driver, with requests and answers as lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOST = "localhost:8000"


def driver_program() -> Path:
    named = os.environ.get("PYEMBER_GATE_DRIVER")
    build = Path(os.environ.get("PYEMBER_BINARY", str(ROOT / "build" / "release" / "pyember"))).resolve().parent
    return Path(named) if named else build / "tests" / "http_gate" / "gate_driver"


class Gate:
    """Entered, it takes requests. `told` is what it writes to stderr, whole once it has ended."""

    def __init__(self, **settings: Any) -> None:
        self.process = subprocess.Popen([str(driver_program()), json.dumps(settings)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.refused = ""
        self.log = ""
        self._next = 0
        self._early: dict[int, dict[str, Any]] = {}
        self.refused = self._read().get("refused", "")

    def __enter__(self) -> Gate:
        assert not self.refused
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        if self.process.poll() is None or self.process.stdin:
            _, self.log = self.process.communicate(timeout=60)
            assert self.process.returncode == (2 if self.refused else 0), self.log

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the gate has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def send(self, *, token: str | None = None, **request: Any) -> int:
        self._next += 1
        headers = {"Host": HOST, **({} if token is None else {"Authorization": f"Bearer {token}"}),
                   **request.pop("headers", {})}
        whole = {"id": self._next, **request,
                 "headers": {name: value for name, value in headers.items() if value is not None}}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(whole) + "\n")
        self.process.stdin.flush()
        return self._next

    def answer(self, number: int) -> dict[str, Any]:
        while number not in self._early:
            answer = self._read()
            self._early[answer["id"]] = answer
        return self._early.pop(number)

    def ask(self, *, token: str | None = None, **request: Any) -> dict[str, Any]:
        return self.answer(self.send(token=token, **request))
