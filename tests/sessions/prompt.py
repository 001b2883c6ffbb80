"""One session of a running server, as these tests talk to it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.raw_client import CellAnswer, Pending, RawClient

_numbers = itertools.count(1)


class Prompt:
    """A session of its own name; its first call says where it is to run, the others say nothing."""

    def __init__(self, client: RawClient, room: str, **first: Any) -> None:
        self.client, self.room = client, room
        self.name = f"{room}-{next(_numbers)}"
        self._first: dict[str, Any] = {"isolation": room, **first}

    def send(self, code: str, **arguments: Any) -> Pending:
        first, self._first = self._first, {}
        return self.client.send_tool("run_python", {"code": code, "session": self.name, **first, **arguments})

    def run(self, code: str, *, wait: float = 60.0, **arguments: Any) -> CellAnswer:
        answer = CellAnswer(self.send(code, **arguments), wait)
        if answer.structured:
            assert answer.structured["isolation"] == self.room or self.room == "auto", answer
        return answer

    def value(self, code: str, **arguments: Any) -> object:
        """The result of a cell that must work."""
        answer = self.run(code, **arguments)
        assert answer.status == "completed", answer
        return answer.result

    def printed(self, code: str, **arguments: Any) -> str:
        """What a cell that must work prints."""
        answer = self.run(code, **arguments)
        assert answer.status == "completed", answer
        return answer.stdout

    def tool(self, name: str, **arguments: Any) -> CellAnswer:
        return self.client.tool(name, session=self.name, **arguments)

    def names(self) -> dict[str, dict[str, str]]:
        listed = self.tool("inspect_session").structured["names"]
        return {each["name"]: each for each in listed}

    def close(self) -> None:
        self.tool("close_session")


def running(*command: str) -> list[int]:
    """The processes of this machine that were started with that command line, however they are called inside a room."""
    wanted = [word.encode() for word in command]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if words[: len(wanted)] == wanted and state != "Z":
            found.append(int(folder.name))
    return found


def until(found: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")
