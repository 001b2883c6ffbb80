"""Starts a real zygote and drives its workers as the server does (docs/workers.md)."""

from __future__ import annotations

import array
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

RUNTIME = Path(__file__).resolve().parents[3] / "python"
# What takes longer than this hangs.
PATIENCE = 30.0


class Done(NamedTuple):
    """What came of a cell."""

    status: int
    result: str | None
    error: list[str] | None
    notices: list[str]
    displays: list[tuple[str, bytes]]
    plain: bool
    out: str
    err: str

    @property
    def type(self) -> str:
        assert self.error is not None, self
        return self.error[0]


class Worker:
    """The server's end of one worker."""

    def __init__(self, zygote: Zygote, pid: int, wire: socket.socket, pipes: list[int], page: mmap.mmap, crash: int):
        self.zygote = zygote
        self.pid = pid
        self.wire = wire
        self.pipes = pipes
        self.page = page
        self.crash = crash
        self.cell = 0
        self.number = 0  # of the order that made it
        self.calls = (-1, -1)  # the server's ends of the calls channel

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        data = json.dumps(header).encode()
        self.wire.sendall(struct.pack("<II", len(data), len(body)) + data + body)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The next frame; EOFError when the wire has ended."""
        header, body = struct.unpack("<II", self._exactly(8))
        return json.loads(self._exactly(header)), self._exactly(body)

    def begin(self, code: str, **options: Any) -> int:
        """Sends a cell without waiting for it."""
        self.cell += 1
        self.send({"op": "run", "cell": self.cell, **options}, code.encode())
        return self.cell

    def done(self) -> Done:
        """What came of the cell that was sent last."""
        header, body = self.receive()
        assert header["op"] == "done" and header["cell"] == self.cell, header
        displays, at = [], 0
        for kind, size in header["displays"]:
            displays.append((kind, body[at : at + size]))
            at += size
        assert at == len(body)
        out, err = (_drained(pipe) for pipe in self.pipes)
        return Done(
            header["status"], header["result"], header["error"], header["notices"], displays, header["plain"], out, err
        )

    def run(self, code: str, **options: Any) -> Done:
        self.begin(code, **options)
        return self.done()

    def value(self, code: str, **options: Any) -> str | None:
        """The result of a cell that must complete."""
        done = self.run(code, **options)
        assert done.status == 0, done.error
        return done.result

    def failure(self, code: str, **options: Any) -> Done:
        done = self.run(code, **options)
        assert done.status == 1, done
        return done

    def copy(self, adopt: bool = True, **order: Any) -> tuple[Worker, list[str]]:
        """A live copy, ready, and what it lacks."""
        copy = self._copy(adopt, order)
        assert isinstance(copy, Worker), copy
        header, _ = copy.receive()
        assert header["op"] == "ready", header
        copy.cell = self.cell
        return copy, header["left"]

    def copy_unready(self) -> Worker:
        """A live copy that has not been adopted, and perhaps not said that it is ready."""
        copy = self._copy(False, {})
        assert isinstance(copy, Worker), copy
        return copy

    def try_copy(self) -> str:
        """Why there is none."""
        refusal = self._copy(True, {})
        assert isinstance(refusal, str)
        return refusal

    def _copy(self, adopt: bool, order: dict[str, Any]) -> Worker | str:
        number = self.zygote.number()
        self.zygote.send({"op": "expect", "id": number})
        copy, given, close = self.zygote.prepare()
        self.send({"op": "fork", **order})
        assert self.receive()[0] == {"op": "forking"}
        socket.send_fds(self.wire, [b"f"], given)
        close()
        header, _ = self.receive()
        copy.pid, copy.number = header.get("pid", 0), number
        if adopt or not copy.pid:
            self.zygote.adopt(copy)
        return copy if copy.pid else header["error"]

    def stop(self, cell: int | None = None) -> None:
        """Asks for a cell's end, by default of the one that runs."""
        struct.pack_into("<Q", self.page, 0, self.cell if cell is None else cell)
        os.kill(self.pid, signal.SIGINT)

    def stopped(self, code: str, *after: float) -> Done:
        """Runs a cell that says "here" when it has begun; stops it so often."""
        self.begin(code)
        self.wait_for_output("here")
        for seconds in after or (0.05,):
            time.sleep(seconds)
            self.stop()
        done = self.done()
        assert done.status == 2, done
        return done

    def wait_for_output(self, text: str) -> None:
        seen = ""
        deadline = time.monotonic() + PATIENCE
        while text not in seen:
            assert time.monotonic() < deadline, f"{text!r} was not printed; this was: {seen!r}"
            select.select([self.pipes[0]], [], [], 1)
            seen += _drained(self.pipes[0])

    def names(self) -> dict[str, list[str]]:
        self.send({"op": "names", "ticket": 9})
        header, _ = self.receive()
        assert header["op"] == "names" and header["ticket"] == 9
        return {row[0]: row[1:] for row in header["names"]}

    def ended(self) -> bool:
        """Waits for the wire's end."""
        try:
            while self.receive():
                pass
        except (EOFError, ConnectionResetError):
            return True

    def crash_text(self) -> str:
        return os.pread(self.crash, 1 << 16, 0).rstrip(b"\0").decode()

    def close(self) -> None:
        self.wire.close()
        for descriptor in (*self.pipes, self.crash, *self.calls):
            os.close(descriptor)
        self.page.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.wire.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


def start(
    python: str, *arguments: str, passed: int | None = None, stderr: int | None = None, **environment: str
) -> subprocess.Popen[bytes]:
    """A keeper and its zygote, which say nothing before they can reach the server."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYEMBER"))}
    return subprocess.Popen(
        [python, "-m", "mcp_runtime.worker", *arguments],
        env={**clean, "PYTHONPATH": str(RUNTIME), **environment},
        stdin=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=() if passed is None else (passed,),
    )


class Zygote:
    """A zygote, its control socket, and the workers made from it."""

    def __init__(self, python: str = sys.executable, arguments: tuple[str, ...] = (), **environment: str) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = start(python, "--control", str(theirs.fileno()), *arguments, passed=theirs.fileno(), **environment)
        theirs.close()
        self._greet()

    def _greet(self) -> None:
        self.control.settimeout(PATIENCE)
        self.workers: list[Worker] = []
        self._exits: dict[int, dict[str, Any]] = {}
        self._count = 0
        self.hello, self.given = self.receive_with_descriptors()

    def receive_with_descriptors(self) -> tuple[dict[str, Any], list[int]]:
        data, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, 16)
        return json.loads(data), descriptors

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.control.recv(1 << 16))
        return message

    def send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self.control.sendmsg([json.dumps(message).encode()], rights)

    def answer(self, *operations: str) -> dict[str, Any]:
        """The next message of this kind; exits that come before it are kept."""
        while True:
            message = self.receive()
            if message["op"] in operations:
                return message
            assert message["op"] == "exited", message
            self._exits[message["pid"]] = message

    def fork(self, name: str = "main", **order: Any) -> Worker:
        """A new worker, ready."""
        worker = self.try_fork(name, **order)
        assert isinstance(worker, Worker), worker
        assert worker.receive() == ({"op": "ready"}, b"")
        return worker

    def try_fork(self, name: str = "main", **order: Any) -> Worker | str:
        worker, given, close = self.prepare()
        number = self.number()
        message = {"op": "fork", "id": number, "name": name, "cwd": "/", "sites": [], "root": "", "folder": "", "limits": {}}
        self.send({**message, **order}, given)
        answer = self.answer("forked", "fork_failed")
        close()
        assert answer["id"] == number
        worker.pid = answer.get("pid", 0)
        return worker if answer["op"] == "forked" else answer["error"]

    def number(self) -> int:
        """The next one for an order."""
        self._count += 1
        return self._count

    def prepare(self) -> tuple[Worker, tuple[int, ...], Callable[[], None]]:
        """A worker that is not there yet, the descriptors it gets, and what closes them here."""
        wire, their_wire = socket.socketpair()
        wire.settimeout(PATIENCE)
        pipes = [os.pipe() for _ in range(2)]
        for reader, _ in pipes:
            os.set_blocking(reader, False)
        page = os.memfd_create("page")
        os.ftruncate(page, 4096)
        crash = os.memfd_create("crash")
        incoming, calls = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        answers, outgoing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        given = (their_wire.fileno(), pipes[0][1], pipes[1][1], page, crash, calls, answers)
        mapping = mmap.mmap(page, 4096)
        worker = Worker(self, 0, wire, [reader for reader, _ in pipes], mapping, crash)
        worker.calls = (incoming, outgoing)
        self.workers.append(worker)

        def close() -> None:
            their_wire.close()
            for descriptor in (*given[1:4], calls, answers):
                os.close(descriptor)

        return worker, given, close

    def adopt(self, copy: Worker) -> None:
        """Tells the zygote which of its children is the copy that was expected."""
        self.send({"op": "adopt", "id": copy.number, "pid": copy.pid})
        if copy.pid:
            assert self.answer("forked", "fork_failed") == {"op": "forked", "id": copy.number, "pid": copy.pid}

    def exit_of(self, worker: Worker) -> tuple[int | None, int | None]:
        """(code, signal) of a worker's end."""
        while worker.pid not in self._exits:
            message = self.receive()
            assert message["op"] == "exited", message
            self._exits[message["pid"]] = message
        message = self._exits[worker.pid]
        return message["code"], message["signal"]

    def preload(self, *modules: str, **options: Any) -> tuple[list[str], dict[str, str]]:
        self.send({"op": "preload", "modules": modules, **options})
        message = self.answer("preloaded")
        return message["modules"], message["refused"]

    def end(self) -> None:
        self.control.close()
        for worker in self.workers:
            worker.close()
        assert self.process.wait(PATIENCE) == 0


class ConnectedZygote(Zygote):
    """One that was told where the server listens, and connected."""

    def __init__(self, path: Path, *arguments: str, python: str = sys.executable) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(PATIENCE)
        self.process = start(python, "--connect", str(path), *arguments)
        self.control, _ = listener.accept()
        listener.close()
        path.unlink()
        self._greet()

    def peer(self) -> int:
        """The id of the process that connected, as the kernel tells it."""
        return struct.unpack("3i", self.control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def gone(*pids: int) -> bool:
    """Waits until the processes have ended."""
    deadline = time.monotonic() + PATIENCE
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _drained(pipe: int) -> str:
    data = b""
    while True:
        try:
            piece = os.read(pipe, 1 << 16)
        except BlockingIOError:
            break
        if not piece:
            break
        data += piece
    return data.decode()
