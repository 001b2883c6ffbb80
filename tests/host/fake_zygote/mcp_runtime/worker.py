"""A zygote whose workers do whatever a test writes into its cells, breaking the rules included.

PYEMBER_FAKE_ZYGOTE says how the zygote itself behaves: "exit" before it is ready, "old", "garbage"
or "no-fork". A cell is Python; `wire`, `raw` and `send` are there to talk out of turn.
"""

import array
import json
import mmap
import os
import select
import signal
import socket
import struct
import sys

HOW = os.environ.get("PYEMBER_FAKE_ZYGOTE", "")


class Worker:
    def __init__(self, wire: socket.socket, page: int) -> None:
        self.wire = wire
        self.page = mmap.mmap(page, 4096)
        self.running = 0

    def raw(self, data: bytes) -> None:
        self.wire.sendall(data)

    def send(self, header: dict, body: bytes = b"") -> None:
        text = json.dumps(header).encode()
        self.raw(struct.pack("<II", len(text), len(body)) + text + body)

    def receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.wire.recv(length - len(data))
            if not piece:
                os._exit(0)
            data += piece
        return data

    def interrupted(self, *_: object) -> None:
        if self.running and struct.unpack("<Q", self.page[:8])[0] == self.running:
            raise KeyboardInterrupt

    def run(self, cell: int, code: str) -> None:
        names = {"wire": self.wire, "raw": self.raw, "send": self.send, "cell": cell}
        answer = {"op": "done", "cell": cell, "status": 0, "plain": False, "memory": 1234}
        self.running = cell
        try:
            exec(code, names)
        except KeyboardInterrupt:
            answer["status"] = 2
        except Exception as error:
            answer.update(status=1, error=[type(error).__name__, str(error), "traceback"])
        self.running = 0
        sys.stdout.flush()
        if not names.get("silent"):
            self.send(answer)

    def serve(self) -> None:
        signal.signal(signal.SIGINT, self.interrupted)
        self.send({"op": "ready"})
        while True:
            header_length, body_length = struct.unpack("<II", self.receive(8))
            header = json.loads(self.receive(header_length))
            body = self.receive(body_length)
            if header["op"] == "run":
                self.run(header["cell"], body.decode())
            elif header["op"] == "names":
                self.send({"op": "names", "ticket": header["ticket"], "names": [["a", "int", "", "1"]]})


def fork(control: socket.socket, message: dict, descriptors: list) -> None:
    pid = os.fork()
    if pid:
        for each in descriptors:
            os.close(each)
        control.send(json.dumps({"op": "forked", "id": message["id"], "pid": pid}).encode())
        return
    control.close()
    os.dup2(descriptors[1], 1)
    os.dup2(descriptors[2], 2)
    try:
        Worker(socket.socket(fileno=descriptors[0]), descriptors[3]).serve()
    finally:
        os._exit(1)


def reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        code = os.waitstatus_to_exitcode(status)
        told = {"op": "exited", "pid": pid, "code": code if code >= 0 else None, "signal": -code if code < 0 else None}
        control.send(json.dumps(told).encode())


def main() -> None:
    control = socket.socket(fileno=3)
    if HOW == "exit":
        sys.exit("nothing here works")
    if HOW == "garbage":
        control.send(b"{{{")
    version = "3.9.1" if HOW == "old" else "3.13.0"
    control.send(json.dumps({"op": "hello", "version": version, "pid": os.getpid()}).encode())
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([control, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 100)
            reap(control)
        if control in ready:
            data, ancillary, _, _ = control.recvmsg(1 << 16, socket.CMSG_SPACE(7 * 4))
            if not data:
                os._exit(0)
            descriptors = array.array("i")
            for _, _, content in ancillary:
                descriptors.frombytes(content)
            message = json.loads(data)
            if HOW == "no-fork":
                control.send(json.dumps({"op": "fork_failed", "id": message["id"], "error": "no room"}).encode())
            elif message["op"] == "fork":
                fork(control, message, list(descriptors))


main()
