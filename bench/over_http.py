"""What is measured over HTTP: round trips, many connections, many listeners. The load is made by a compiled client
(http_load.cpp), so that it is the server that is measured."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import peers
from bench.latency import PINNED_CPU, Setting
from bench.samples import Row, p50, quantile, short, spread

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CONNECTIONS = 64
STREAMS = 1000
LISTEN = {"notifications": {"resourcesListChanged": True}}


class Request:
    """A request of the modern era, as it goes over the wire."""

    def __init__(self, method: str, params: dict[str, Any]) -> None:
        self.body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}})
        self.fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                       "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        if "name" in params:
            self.fields["Mcp-Name"] = params["name"]

    def bytes_for(self, port: int) -> bytes:
        fields = {"Host": f"127.0.0.1:{port}", **self.fields, "Content-Length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST /mcp HTTP/1.1\r\n{head}\r\n{self.body}".encode()

    def send(self, port: int) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", self.body.encode(), self.fields)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()


CALL = Request("tools/call", {"name": "run_python", "arguments": {"code": "1+1"}})


def free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return int(any_socket.getsockname()[1])


@contextlib.contextmanager
def served(command: Callable[[int], list[str]]) -> Iterator[tuple[int, int]]:
    """A server that listens: its port, and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pyember-bench-") as folder:
        places = {**peers.clean_environment(), "PYEMBER_STATE_DIR": folder, "PYTHON_MCP_META": folder}
        process = subprocess.Popen(command(port), env=places, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    CALL.send(port)
                    break
                time.sleep(0.1)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


def ours(setting: Setting, *options: str) -> Callable[[int], list[str]]:
    return lambda port: [setting.binary, "serve", "--transport", "http", "--port", str(port), *options]


def sdk(port: int) -> list[str]:
    return [peers.python_of("sdk"), str(peers.SOURCES / "sdk_server.py"), str(port)]


def echo(setting: Setting) -> Callable[[int], list[str]]:
    return lambda port: [program(setting, "pyember_bench_http_echo"), str(port)]


def program(setting: Setting, name: str) -> str:
    return str(Path(setting.client).with_name(name))


def load(setting: Setting, port: int, connections: int, calls: int) -> dict[str, Any]:
    client = program(setting, "pyember_bench_http")
    done = subprocess.run([client, "calls", str(port), str(connections), str(calls)], input=CALL.bytes_for(port),
                          capture_output=True, timeout=300, check=True, start_new_session=True)
    result: dict[str, Any] = json.loads(done.stdout)
    if result["failures"]:
        raise RuntimeError(f"{result['failures']} calls failed: {done.stderr.decode()}")
    return result


def by_turns(setting: Setting, connections: int, calls: int, calls_of_sdk: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rounds of ours and of the SDK's, one after the other."""
    peers.set_up(setting.python)
    first: list[dict[str, Any]] = []
    second: list[dict[str, Any]] = []
    with served(ours(setting)) as (port, _), served(sdk) as (port_of_sdk, _):
        for _ in range(3 if setting.quick else 7):
            first.append(load(setting, port, connections, calls))
            second.append(load(setting, port_of_sdk, connections, calls_of_sdk))
    return first, second


@contextlib.contextmanager
def pinned_to(cpus: set[int]) -> Iterator[None]:
    """What is started meanwhile runs on these CPUs: servers and the client."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def http_round_trips(setting: Setting) -> list[Row]:
    rows = _compare_round_trips(setting, "unpinned")
    with pinned_to({PINNED_CPU}):
        return rows + _compare_round_trips(setting, "pinned to one CPU")


def _compare_round_trips(setting: Setting, where: str) -> list[Row]:
    rounds, rounds_of_sdk = by_turns(setting, 1, 3000, 300)
    with served(echo(setting)) as (port, _):
        floor = _microseconds([load(setting, port, 1, 3000) for _ in range(3)])
    mine, theirs = _microseconds(rounds), _microseconds(rounds_of_sdk)
    ratio = p50(theirs) / p50(mine)
    return [Row(f'`run_python("1+1")` over HTTP, one connection that is kept, {where}: p50/p90/p99', spread(mine),
                "SDK's server " + spread(theirs), f"1/{ratio:.1f}", "≤ 1/15", ratio >= 15),
            Row(f"peer: bare TCP echo, {where}", "–", spread(floor), f"SDK's server 1/{p50(theirs) / p50(floor):.1f}")]  # fmt: skip


def _microseconds(rounds: list[dict[str, Any]]) -> list[float]:
    return [each for one in rounds for each in one["microseconds"]]


def http_many_connections(setting: Setting) -> list[Row]:
    rounds, rounds_of_sdk = by_turns(setting, CONNECTIONS, 20_000, 1_000)
    mine = p50([len(one["microseconds"]) / one["seconds"] for one in rounds])
    theirs = p50([len(one["microseconds"]) / one["seconds"] for one in rounds_of_sdk])
    return [Row(f"calls a second over {CONNECTIONS} connections: median of the rounds", short(mine), f"SDK's server {short(theirs)}",
                f"{mine / theirs:.1f} ×", "≥ 20 ×", mine / theirs >= 20)]


def memory_of(pid: int) -> int:
    """Of a process and what it started, in bytes; what is shared counts in parts."""
    total = 0
    for each in [pid, *children_of(pid)]:
        with contextlib.suppress(OSError):
            found = re.search(r"^Pss: +(\d+)", Path(f"/proc/{each}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found.group(1)) * 1024 if found else 0
    return total


def children_of(pid: int) -> list[int]:
    try:
        direct = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in direct for each in [child, *children_of(child)]]


def http_listeners(setting: Setting) -> list[Row]:
    """Streams that listen for changes of the list of resources; a cell that prints much changes it."""
    client = program(setting, "pyember_bench_http")
    change = Request("tools/call", {"name": "run_python", "arguments": {"code": "print('x' * 100_000)"}})
    with served(ours(setting)) as (port, pid):
        for _ in range(20):
            change.send(port)
        time.sleep(1)
        before = memory_of(pid)
        reading, writing = os.pipe()
        process = subprocess.Popen([client, "listen", str(port), str(STREAMS), str(reading)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, pass_fds=[reading], start_new_session=True)
        os.close(reading)
        assert process.stdin and process.stdout
        process.stdin.write(Request("subscriptions/listen", LISTEN).bytes_for(port))
        process.stdin.close()
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the streams were not opened")
        time.sleep(2)
        memory = (memory_of(pid) - before) / STREAMS / 1024
        spans = []
        for _ in range(5 if setting.quick else 20):
            os.write(writing, b"next\n")
            change.send(port)
            _, first, last = process.stdout.readline().split()
            spans.append((int(last) - int(first)) / 1e6)
            time.sleep(0.6)  # two changes at once would be told as one
        os.close(writing)
        process.wait(60)
    worst = quantile(spans, 1.0)
    return [Row(f"memory of the server for each of {STREAMS:,} open listen streams", f"{memory:.1f} KB", bar="≤ 40 KB", met=memory <= 40),
            Row(f"a notification, from the first of {STREAMS:,} streams that has it to the last: p50, and the worst",
                f"{p50(spans):.1f}, {worst:.1f} ms", bar="≤ 50 ms", met=worst <= 50)]  # fmt: skip


MEASURES: dict[str, Callable[[Setting], list[Row]]] = {
    "http_round_trips": http_round_trips,
    "http_many_connections": http_many_connections,
    "http_listeners": http_listeners,
}
