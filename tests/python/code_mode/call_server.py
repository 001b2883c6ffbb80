"""The server's end of a calls channel, played by a thread."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

Frame = dict[str, Any]


class CallServer:
    """Gives a Native its pipes, and answers what comes by `answer`, which gets the server and the frame.
    What is none of a token's business is answered here."""

    def __init__(self, answer: Callable[[CallServer, Frame], None] | None = None) -> None:
        self.answer = answer or (lambda server, frame: server.give(frame["id"], frame["op"]))
        self.frames: list[Frame] = []
        self.token = 0
        self.opened = 0
        self.stops = False
        self.lost: list[tuple[int, int]] = []
        self._ends: tuple[int, int] = (-1, -1)

    # --- as a Native ---

    def stoppable(self, on: bool, /) -> None:
        pass

    def stop_requested(self) -> bool:
        return self.stops

    def calls(self) -> tuple[int, int]:
        theirs, calls = os.pipe2(os.O_CLOEXEC)
        answers, ours = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(calls, False)
        os.set_blocking(answers, False)
        self._ends = (theirs, ours)
        self.opened += 1
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return calls, answers

    def calls_lost(self, calls: int, answers: int) -> None:
        self.lost.append((calls, answers))
        for end in (calls, answers):
            if end >= 0:
                os.close(end)

    # --- as a server ---

    def hang_up(self) -> None:
        os.close(self._ends[1])

    def next_cell(self) -> None:
        """Tokens that were given are of no use any more."""
        self.token += 1

    def give(self, number: int, value: Any) -> None:
        self.send(f'{{"id":{number},"ok":true,"value":{json.dumps(value)}}}')

    def refuse(self, number: int, kind: str, result: Any = None) -> None:
        error = {"kind": kind, "message": f"it was {kind}", "result": result}
        self.send(f'{{"id":{number},"ok":false,"error":{json.dumps(error)}}}')

    def tell(self, number: int, *progress: Any) -> None:
        self.send(f'{{"id":{number},"progress":{json.dumps(progress)}}}')

    def send(self, text: str) -> None:
        data = text.encode()
        self.send_bytes(len(data).to_bytes(4, "little") + data)

    def send_bytes(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._ends[1], left) :]

    def _serve(self, theirs: int) -> None:
        with open(theirs, "rb") as pipe:
            while size := pipe.read(4):
                self._take(json.loads(pipe.read(int.from_bytes(size, "little"))))

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame["op"] == "begin":
            self.give(frame["id"], {"token": f"t{self.token}", "cell": self.token})
        elif frame["op"] == "cancel":
            pass
        elif frame["token"] != f"t{self.token}":
            self.refuse(frame["id"], "token")
        else:
            self.answer(self, frame)
