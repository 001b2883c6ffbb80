"""What code mode costs: the listing a model sees, calls of servers behind us, search, a warm sandbox.

The servers behind us are made for this: `tool_peer` answers at once with fixed words, so that a call
takes what its client takes; `peers/tools_server.py` has hundreds of tools, and may wait.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import peers
from bench.latency import PINNED_CPU, Setting
from bench.samples import Row, p50, short, spread
from tests.support import containers
from tests.support.raw_client import RawClient

TOOLS_SERVER = peers.SOURCES / "tools_server.py"
SDK_CALLER = peers.SOURCES / "sdk_caller.py"
QUERIES = Path(__file__).resolve().parents[1] / "tests" / "upstream" / "search" / "search_queries.json"
SUM = "print(1)"
# Who may not raise limits has to say so.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


@contextmanager
def _server(setting: Setting, upstreams: dict[str, list[str]], *options: str, pinned: bool = False) -> Iterator[RawClient]:
    """Profile code with these servers behind it; nothing of the user's is read or written."""
    with tempfile.TemporaryDirectory(prefix="pyember-bench-") as folder:
        configuration = Path(folder) / "servers.json"
        servers = {name: {"command": command[0], "args": command[1:]} for name, command in upstreams.items()}
        configuration.write_text(json.dumps({"mcpServers": servers}))
        pin = ["taskset", "-c", str(PINNED_CPU)] if pinned else []
        command = [*pin, setting.binary, "serve", "--profile", "code", "--upstreams", str(configuration), *options]
        environment = {"HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_STATE_HOME": folder, "MCP_BRIDGE_STATE_DIR": folder,
                       "MCP_BRIDGE_TIMEOUT": "300"}
        client = RawClient(command=command, environment=environment, cwd=folder)
        try:
            yield client
        finally:
            client.close()


def _cell(client: RawClient, code: str, wait: float = 300.0) -> list[str]:
    """The lines that it printed. Profile code knows no names of sessions."""
    result = client.send_tool("run_python", {"code": code}).wait(wait)["result"]
    if result.get("isError"):
        raise RuntimeError(str(result)[:2000])
    return [block["text"] for block in result["content"] if block["type"] == "text"][0].splitlines()


def _timed(client: RawClient, code: str) -> Any:
    return json.loads(_cell(client, code)[-1])


# --- the listing --------------------------------------------------------------------------------------


def listing(setting: Setting) -> list[Row]:
    """Tokens, as bytes/4 of name, description and inputSchema, of what a model is shown."""
    found = {}
    for count in (0, 300):
        upstreams = {"tools": [setting.python, str(TOOLS_SERVER), str(count)]} if count else {}
        with _server(setting, upstreams, "--isolation", "inprocess") as client:
            if count:
                seen = int(_cell(client, "from mcp import runtime\nprint(len(await runtime.list_tools('tools')))")[-1])
                if seen != count:
                    raise RuntimeError(f"the server behind us has {seen} tools, not {count}")
            tools = client.request("tools/list")["result"]["tools"]
        kept = [{key: tool.get(key) for key in ("name", "description", "inputSchema")} for tool in tools]
        found[count] = len(json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()) / 4
    met = found[0] == found[300] <= 250
    return [Row("tokens of `tools/list` in profile code, with 0 / 300 tools behind it", f"{found[0]:.0f} / {found[300]:.0f}", bar="≤ 250, equal", met=met)]


# --- calls --------------------------------------------------------------------------------------------

CALLS = """
import json, time
async def measure(calls):
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        await mcp_peer.echo(text='hello')
        times.append(round((time.perf_counter() - begin) * 1e6, 1))  # what a cell prints is cut at 20,000 characters
    return times
await measure({warm_up})
print(json.dumps(await measure({calls})))
"""


def calls(setting: Setting) -> list[Row]:
    """A call of a warm server that answers at once, by turns with the official SDK's client."""
    return [_compare_calls(setting, pinned) for pinned in (True, False)]


def _compare_calls(setting: Setting, pinned: bool) -> Row:
    peer = str(Path(setting.client).parent / "pyember_bench_tool_peer")
    count, warm_up = (500, 100) if setting.quick else (2000, 300)
    ours: list[float] = []
    sdk: list[float] = []
    pin = ["taskset", "-c", str(PINNED_CPU)] if pinned else []
    caller = [*pin, peers.python_of("sdk"), str(SDK_CALLER), str(count), str(warm_up), peer]
    for _ in range(2 if setting.quick else 5):
        with _server(setting, {"peer": [peer]}, "--isolation", "inprocess", pinned=pinned) as client:
            ours += _timed(client, CALLS.format(calls=count, warm_up=warm_up))
        done = subprocess.run(caller, env=peers.clean_environment(), capture_output=True, text=True, timeout=300, check=True)
        sdk += json.loads(done.stdout)
    ratio = p50(ours) / p50(sdk)
    most = 1 / 3 if pinned else 1.0
    where = "pinned to one CPU" if pinned else "unpinned"
    return Row(f"in-process code calls a warm server that answers at once, {where}: p50/p90/p99", spread(ours), f"SDK's client {spread(sdk)}",
               f"{ratio:.2f} ×", "≤ 1/3" if pinned else "≤ 1 ×", ratio <= most)  # fmt: skip


GATHER = """
import asyncio, json, time
await mcp_tools.wait(milliseconds=0)
begin = time.perf_counter()
for _ in range({calls}):
    await mcp_tools.wait(milliseconds=20)
one_by_one = time.perf_counter() - begin
begin = time.perf_counter()
await asyncio.gather(*(mcp_tools.wait(milliseconds=20) for _ in range({calls})))
print(json.dumps([one_by_one, time.perf_counter() - begin]))
"""


def gathered(setting: Setting) -> list[Row]:
    """100 calls of a server that takes 20 ms each, in one cell."""
    pairs = []
    with _server(setting, {"tools": [setting.python, str(TOOLS_SERVER), "1"]}, "--isolation", "inprocess") as client:
        for _ in range(2 if setting.quick else 5):
            pairs.append(_timed(client, GATHER.format(calls=100)))
    one_by_one, together = p50([pair[0] for pair in pairs]), p50([pair[1] for pair in pairs])
    faster = one_by_one / together
    return [Row("100 calls of 20 ms each in one cell, by `gather`", f"{short(together * 1000)} ms", f"one by one {short(one_by_one * 1000)} ms",
                f"{faster:.0f} × faster", "≥ 10 ×", faster >= 10)]  # fmt: skip


# --- search -------------------------------------------------------------------------------------------

SEARCH = """
import json, time
from mcp import runtime
times = []
for query in json.loads({queries!r}) * {times}:
    begin = time.perf_counter()
    runtime.search_tool_docs_sync(query)
    times.append(round((time.perf_counter() - begin) * 1e6, 1))  # what a cell prints is cut at 20,000 characters
print(json.dumps(times))
"""


def search(setting: Setting) -> list[Row]:
    """The sixty labelled queries over 1,000 tools, as code asks them: through the wire and back."""
    queries = json.dumps([query["query"] for query in json.loads(QUERIES.read_text())])
    with _server(setting, {"tools": [setting.python, str(TOOLS_SERVER), "1000"]}, "--isolation", "inprocess") as client:
        _cell(client, "from mcp import runtime\nprint(len(await runtime.list_tools('tools')), len(runtime.search_tool_docs_sync('issue')))")
        times = _timed(client, SEARCH.format(queries=queries, times=3 if setting.quick else 10))
    return [Row("search over 1,000 tools, from code and back: p50/p90/p99", spread(times), bar="p50 ≤ 2 ms", met=p50(times) <= 2000)]


# --- a warm sandbox -----------------------------------------------------------------------------------


def warm_cell(setting: Setting) -> list[Row]:
    """`print(1)` in a warm sandbox, against `podman run` of a minimal image with Python, by turns."""
    if reason := containers.missing("rootful") and containers.missing("rootless"):
        return [Row("`print(1)` in a warm sandbox, against podman", f"not measured: {reason}")]
    user = containers.rootless() if containers.missing("rootful") else containers.rootful()
    by_hand = user.command("podman", "run", "--rm", "--network", "none", *LIMITS, user.image, "python3", "-c", SUM)
    ours: list[float] = []
    theirs: list[float] = []
    with _server(setting, {}, "--isolation", "sandbox") as client:
        if _cell(client, "import os; print(os.getpid() < 100)") != ["True"]:
            raise RuntimeError("the session is in no sandbox")
        for _ in range(20):
            _cell(client, SUM)
        for _ in range(5 if setting.quick else 20):
            begin = time.perf_counter()
            subprocess.run(by_hand, capture_output=True, timeout=120, check=True)
            theirs.append((time.perf_counter() - begin) * 1e6)
            for _ in range(20):
                pending = client.send_tool("run_python", {"code": SUM})
                if pending.wait(30)["result"]["content"][0]["text"] != "1":
                    raise RuntimeError("the cell in the sandbox printed something else")
                ours.append(pending.seconds * 1e6)
    ratio = p50(theirs) / p50(ours)
    return [Row("`run_python(\"print(1)\")` in a warm sandbox, against `podman run` of a minimal image: p50", f"{short(p50(ours))} µs",
                f"{short(p50(theirs) / 1000)} ms", f"1/{ratio:.0f}", "≤ 1/80", ratio >= 80)]  # fmt: skip


MEASURES: dict[str, Callable[[Setting], list[Row]]] = {
    "listing": listing,
    "upstream_calls": calls,
    "gathered_calls": gathered,
    "tool_search": search,
    "warm_sandbox_cell": warm_cell,
}
