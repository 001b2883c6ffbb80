"""A raw MCP client over stdio for tests and benchmarks: standard library only, no SDK in between.

It writes what it is told, byte for byte, and stamps every answer with the time it arrived at. A
thread reads the server's stdout; calls may be made from any thread. It speaks the modern era by
default: each request carries its own `_meta` and there is no handshake.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw-client", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def server_binary() -> str:
    """The server under test: PYEMBER_BINARY, else the release build."""
    return os.environ.get("PYEMBER_BINARY") or str(ROOT / "build" / "release" / "pyember")


@functools.cache
def jobs_folder() -> str:
    """Where servers under test keep their jobs, unless they are told: never in the user's own store."""
    folder = tempfile.mkdtemp(prefix="pyember-meta-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class ServerGone(Exception):
    """The server closed its stdout or was not there any more when an answer was due."""


class NoAnswer(Exception):
    """No answer came within the time the caller allowed."""


class Pending:
    """A request that was sent; `wait` returns its answer."""

    def __init__(self, request_id: object) -> None:
        self.id = request_id
        self.sent_at = time.monotonic()
        self.arrived_at = 0.0
        self.answer: dict[str, Any] | None = None
        self._done = threading.Event()

    def resolve(self, answer: dict[str, Any] | None, at: float) -> None:
        self.answer, self.arrived_at = answer, at
        self._done.set()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    @property
    def seconds(self) -> float:
        """From sending to arrival."""
        return self.arrived_at - self.sent_at

    def wait(self, timeout: float) -> dict[str, Any]:
        if not self._done.wait(timeout):
            raise NoAnswer(f"no answer to request {self.id!r} within {timeout} s")
        if self.answer is None:
            raise ServerGone(f"the server went away before it answered request {self.id!r}")
        return self.answer


class CellAnswer:
    """What run_python answered, with the time it took."""

    def __init__(self, pending: Pending, timeout: float) -> None:
        message = pending.wait(timeout)
        self.seconds = pending.seconds
        self.protocol_error = message.get("error")
        result = message.get("result") or {}
        self.message = message
        self.content = result.get("content", [])
        self.is_error = bool(result.get("isError"))
        self.structured: dict[str, Any] = result.get("structuredContent") or {}
        self.status: str = self.structured.get("status", "")
        self.stdout: str = self.structured.get("stdout", "")
        self.stderr: str = self.structured.get("stderr", "")
        self.result = self.structured.get("result")
        self.error: dict[str, Any] = self.structured.get("error") or {}
        self.notices: list[str] = self.structured.get("notices") or []

    @property
    def text(self) -> str:
        """Everything a person could read in it, for messages and for searching."""
        return json.dumps(self.message, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<{self.status or self.protocol_error} {self.seconds:.3f}s {self.text[:600]}>"


class RawClient:
    """A running server. Use as a context manager: leaving it closes stdin and waits for the end."""

    def __init__(
        self,
        arguments: list[str] | None = None,
        *,
        command: list[str] | None = None,
        environment: dict[str, str] | None = None,  # over ours
        variables: dict[str, str] | None = None,  # in place of ours
        cwd: str | None = None,
        stderr: Any = subprocess.DEVNULL,
        supervised: bool = False,  # by default a server that dies stays dead, so that tests see it
    ) -> None:
        self.supervised = supervised
        # Where it keeps states of sessions: no server under test sees those of another, unless told to.
        self._states = tempfile.TemporaryDirectory(prefix="pyember-states-")
        self.command = command or [server_binary(), *(arguments or [])]
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=cwd,
            env={"PYTHON_MCP_META": jobs_folder(), "PYEMBER_STATE_DIR": self._states.name, "PYEMBER_NO_SUPERVISOR": "0" if supervised else "1", **(os.environ if variables is None else variables),
                 **(environment or {})},
            start_new_session=True,  # what a cell does to its process group stays there
        )
        self.notifications: list[dict[str, Any]] = []
        self.stray: list[Any] = []  # answers nobody waits for: errors without an id, broken lines
        self._pending: dict[object, Pending] = {}
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._next_id = 0
        self._gone = False
        self._meta: dict[str, Any] = META
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # --- life ---------------------------------------------------------------------------------

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The server's; of a supervised one it changes when that dies."""
        if not self.supervised:
            return self.process.pid
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for child in children(self.process.pid):
                if name_of(child) == "pyember":
                    return child
            time.sleep(0.001)
        raise ServerGone("the supervisor has started no server")

    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self, timeout: float = 20.0) -> int:
        """Closes stdin, waits for the end and returns the exit code; kills what does not end."""
        try:
            self.process.stdin.close()  # type: ignore[union-attr]
        except OSError:
            pass
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NoAnswer(f"the server did not end within {timeout} s of its stdin closing") from None
        self._reader.join(timeout)
        self.process.stdout.close()  # type: ignore[union-attr]
        self._states.cleanup()
        return code

    def kill(self) -> None:
        """Ends the server at once, with whatever it started in its process group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()

    # --- messages -----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends bytes as they are."""
        with self._write_lock:
            try:
                self.process.stdin.write(data)  # type: ignore[union-attr]
                self.process.stdin.flush()  # type: ignore[union-attr]
            except (BrokenPipeError, ValueError):
                raise ServerGone("the server closed its stdin") from None

    def send(self, method: str, params: dict[str, Any] | None = None) -> Pending:
        """Sends a request in the modern era and returns at once."""
        with self._lock:
            self._next_id += 1
            request_id = self._next_id
            pending = self._pending[request_id] = Pending(request_id)
        body = dict(params or {})
        if meta := {**self._meta, **body.get("_meta", {})}:
            body["_meta"] = meta
        line = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": body})
        pending.sent_at = time.monotonic()
        self.write(line.encode() + b"\n")
        if self._gone:
            pending.resolve(None, time.monotonic())
        return pending

    def request(self, method: str, params: dict[str, Any] | None = None, timeout: float = 30.0) -> dict[str, Any]:
        return self.send(method, params).wait(timeout)

    def handshake(self, version: str = "2025-06-18") -> dict[str, Any]:
        """Opens an older protocol version; requests carry no `_meta` of ours from then on."""
        self._meta = {}
        client = {"name": "raw-client", "version": "1"}
        answer = self.request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": client})
        self.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        return answer

    def notify(self, method: str, params: dict[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": META}})
        self.write(line.encode() + b"\n")

    def expect(self, request_id: object) -> Pending:
        """Waits for the answer to a request that the caller writes himself."""
        with self._lock:
            pending = self._pending[request_id] = Pending(request_id)
        return pending

    # --- tools --------------------------------------------------------------------------------

    def send_tool(self, name: str, arguments: dict[str, Any]) -> Pending:
        return self.send("tools/call", {"name": name, "arguments": arguments})

    def tool(self, name: str, timeout: float = 30.0, **arguments: Any) -> CellAnswer:
        return CellAnswer(self.send_tool(name, arguments), timeout)

    def send_cell(self, code: str, session: str = "main", timeout: float | None = None) -> Pending:
        arguments: dict[str, Any] = {"code": code, "session": session}
        if timeout is not None:
            arguments["timeout"] = timeout
        return self.send_tool("run_python", arguments)

    def run(self, code: str, session: str = "main", timeout: float | None = None, wait: float = 30.0) -> CellAnswer:
        """Runs a cell; `timeout` is the server's, `wait` is how long we wait for the answer."""
        return CellAnswer(self.send_cell(code, session, timeout), wait)

    # --- the reading thread -------------------------------------------------------------------

    def _read(self) -> None:
        stream = self.process.stdout
        while True:
            try:
                line = stream.readline()  # type: ignore[union-attr]
            except ValueError:
                line = b""
            at = time.monotonic()
            if not line:
                break
            self._dispatch(line, at)
        with self._lock:
            self._gone = True
            waiting, self._pending = list(self._pending.values()), {}
        for pending in waiting:
            pending.resolve(None, time.monotonic())

    def _dispatch(self, line: bytes, at: float) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self.stray.append(line)
            return
        if isinstance(message, dict) and "method" in message:
            self.notifications.append(message)
            return
        with self._lock:
            pending = self._pending.pop(message.get("id"), None) if isinstance(message, dict) else None
        if pending is None:
            self.stray.append(message)
        else:
            pending.resolve(message, at)


# --- what the kernel says about a process ---------------------------------------------------------


def proportional_memory(pid: int) -> int:
    """PSS of a process in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel reports no Pss")


def open_descriptors(pid: int) -> int:
    """Descriptors in the tables of all threads of a process: each session has its own table."""
    total = 0
    tables: set[tuple[str, ...]] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            names = os.listdir(task / "fd")
        except OSError:
            continue
        links = []
        for name in names:
            try:
                links.append(f"{name}={os.readlink(task / 'fd' / name)}")
            except OSError:
                continue
        table = tuple(sorted(links))
        if table not in tables:
            tables.add(table)
            total += len(table)
    return total


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def cpu_seconds(pid: int) -> float:
    """User and system time the process has burned so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def name_of(pid: int) -> str:
    """As ps shows it; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """Children of a process's first thread."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def having(variable: str) -> set[int]:
    """The processes with that NAME=value in their environment, wherever they hang in the tree."""
    wanted = variable.encode()
    found: set[int] = set()
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and wanted in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                found.add(int(entry))
        except OSError:  # it has ended, or is somebody else's
            pass
    return found


def descendants(pid: int) -> list[int]:
    """Children of a process, theirs, and so on."""
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return found
    for task in tasks:
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *descendants(child)]
    return found
