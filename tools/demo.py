"""The main job on real input: drives pyember as an MCP client would and shows the talk.

`./dev demo` runs it after a build. The client is the official Python MCP SDK over stdio; nothing is
simulated. Every step checks what came back: a step that does not hold ends the demo with exit
code 1. It ends with the configuration to paste into a client.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import json
import os
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

# Far beyond what any step needs, so that a server that hangs ends the demo with a message.
ANSWER_DEADLINE = 60.0
TIMELINE_WIDTH = 44
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Step(Exception):
    """A step did not turn out as it should."""


# --- showing --------------------------------------------------------------------------------------


def colour(code: str, text: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


def title(number: int, text: str) -> None:
    print(f"\n{colour('1', f'{number}. {text}')}")


def show_block(mark: str, code: str, text: str) -> None:
    for line in text.rstrip("\n").splitlines():
        print(f"   {colour(code, mark)} {line}")


def show_sent(session: str, code: str, timeout: float | None) -> None:
    limit = f", timeout {timeout:g} s" if timeout is not None else ""
    print(colour("2", f"   run_python in session '{session}'{limit}"))
    show_block("→", "36", code)


def show_answer(answer: dict[str, Any], round_trip: float) -> None:
    error = answer.get("error") or {}
    for name, mark_colour in (("stdout", "32"), ("stderr", "33")):
        if answer.get(name):
            show_block("│", mark_colour, answer[name])
    if error:
        show_block("✗", "31", error["traceback"])
    if answer.get("result") is not None:
        show_block("←", "32", answer["result"])
    for notice in answer.get("notices") or []:
        show_block("!", "33", "\n".join(textwrap.wrap(notice, 88)))
    ran = answer["elapsed_seconds"] * 1000
    print(colour("2", f"   {answer['status']}: ran {ran:.2f} ms, answered after {round_trip * 1000:.2f} ms"))


def expect(holds: bool, what: str, answer: object) -> None:
    if not holds:
        raise Step(f"{what}; the answer was: {answer}")


# --- talking --------------------------------------------------------------------------------------


class Talk:
    """A connected client and what it takes to show each call."""

    def __init__(self, client: Client, package: str) -> None:
        self.client = client
        self.package = package

    async def tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The structured answer of another tool than run_python."""
        result = await self.client.call_tool(name, arguments, read_timeout_seconds=ANSWER_DEADLINE)
        if result.is_error or result.structured_content is None:
            raise Step(f"{name} did not do what it should: {result.content}")
        answer = result.structured_content
        return answer["result"] if set(answer) == {"result"} else answer

    async def call(self, code: str, session: str = "main", timeout: float | None = None) -> tuple[dict[str, Any], float]:
        arguments: dict[str, Any] = {"code": code, "session": session}
        if timeout is not None:
            arguments["timeout"] = timeout
        started = time.perf_counter()
        result = await self.client.call_tool("run_python", arguments, read_timeout_seconds=ANSWER_DEADLINE)
        took = time.perf_counter() - started
        if result.structured_content is None:
            raise Step(f"run_python answered without structured content: {result.content}")
        return result.structured_content, took

    async def run(self, code: str, session: str = "main", timeout: float | None = None) -> dict[str, Any]:
        """Runs a cell and shows both sides of it."""
        code = textwrap.dedent(code).strip("\n")
        show_sent(session, code, timeout)
        answer, took = await self.call(code, session, timeout)
        show_answer(answer, took)
        return answer


async def define_and_call(talk: Talk) -> None:
    title(1, "Define a function, and call it in a later call")
    answer = await talk.run(
        """
        def primes(limit):
            sieve = bytearray([1]) * limit
            for n in range(2, int(limit ** 0.5) + 1):
                if sieve[n]:
                    sieve[n * n::n] = bytes(len(range(n * n, limit, n)))
            return [n for n in range(2, limit) if sieve[n]]
        """
    )
    expect(answer["status"] == "completed", "the definition should have completed", answer)
    answer = await talk.run("found = primes(100_000)\nprint('found', len(found), 'primes')\nfound[-3:]")
    expect(answer["result"] == "[99971, 99989, 99991]", "the function should be there in the next call", answer)
    expect(answer["stdout"] == "found 9592 primes\n", "what was printed should be in stdout", answer)


async def raise_an_error(talk: Talk) -> None:
    title(2, "An error comes with its traceback, and the session goes on")
    answer = await talk.run(
        """
        def share(total, people):
            return total / len(people)

        share(found[-1], [])
        """
    )
    error = answer["error"] or {}
    expect(answer["status"] == "raised" and error.get("type") == "ZeroDivisionError", "the cell should have raised", answer)
    expect("return total / len(people)" in error["traceback"], "the traceback should show the source", answer)


async def await_at_top_level(talk: Talk) -> None:
    title(3, "Top-level await")
    answer = await talk.run(
        """
        import asyncio

        async def fetch(name, delay):
            await asyncio.sleep(delay)
            return f"{name} after {delay} s"

        await asyncio.gather(fetch("a", 0.10), fetch("b", 0.20), fetch("c", 0.15))
        """
    )
    expect(answer["result"] == "['a after 0.1 s', 'b after 0.2 s', 'c after 0.15 s']", "all three should be back", answer)


async def two_sessions_at_once(talk: Talk) -> None:
    title(4, "Two sessions at once, each computing on its own interpreter")
    code = textwrap.dedent(
        """
        import time
        began = time.monotonic()
        total = sum(n * n for n in range(4_000_000))
        (began, time.monotonic())
        """
    ).strip()
    spans: dict[str, tuple[float, float]] = {}
    round_trips: dict[str, float] = {}

    async def compute(session: str) -> None:
        answer, round_trips[session] = await talk.call(code, session)
        expect(answer["status"] == "completed", "the computation should have completed", answer)
        began, ended = ast.literal_eval(answer["result"])
        spans[session] = (began, ended)

    for session in ("left", "right"):
        await talk.call("ready = True", session)
    show_sent("left' and 'right", code, None)  # the quotes close around both names
    async with anyio.create_task_group() as group:
        group.start_soon(compute, "left")
        group.start_soon(compute, "right")
    show_timeline(spans, round_trips)


def show_timeline(spans: dict[str, tuple[float, float]], round_trips: dict[str, float]) -> None:
    first = min(began for began, _ in spans.values())
    last = max(ended for _, ended in spans.values())
    scale = TIMELINE_WIDTH / (last - first)
    for session, (began, ended) in sorted(spans.items()):
        bar = " " * round((began - first) * scale) + "█" * max(1, round((ended - began) * scale))
        print(f"   {session:<6} {colour('32', f'{bar:<{TIMELINE_WIDTH}}')} "
              f"ran {(ended - began) * 1000:.0f} ms, answered after {round_trips[session] * 1000:.0f} ms")
    overlap = min(ended for _, ended in spans.values()) - max(began for began, _ in spans.values())
    expect(overlap > 0, "the two sessions should have run at the same time", spans)
    print(colour("2", f"   both ran during {overlap * 1000:.0f} ms of {(last - first) * 1000:.0f} ms"))


async def stop_a_runaway(talk: Talk) -> None:
    title(5, "A runaway cell is stopped by its timeout, and the session is still usable")
    answer = await talk.run(
        """
        while True:
            try:
                pass
            except BaseException:
                pass
        """,
        timeout=0.5,
    )
    expect(answer["status"] == "timed_out", "the runaway should have been stopped", answer)
    answer = await talk.run("len(found)")
    expect(answer["result"] == "9592", "the session should still hold its names", answer)


# --- scripts and jobs -----------------------------------------------------------------------------


async def script_with_a_dependency(talk: Talk) -> None:
    title(6, "A script in a process of its own, with a package that uv brings")
    code = textwrap.dedent(
        f"""
        import importlib.metadata, sys, {talk.package}
        print("{talk.package}", importlib.metadata.version("{talk.package}"), "on Python", sys.version.split()[0])
        """
    ).strip()
    print(colour("2", "   run_script_with_dependencies, and once more when its environment is ready"))
    show_block("→", "36", code)
    arguments = {"script_content": code, "dependencies": [talk.package], "python_version": PYTHON_VERSION}
    for _ in range(2):
        started = time.perf_counter()
        answer = await talk.tool("run_script_with_dependencies", arguments)
        took = time.perf_counter() - started
        if answer["exit_code"] != 0 and not answer["stdout"]:
            # No index, no package: that is uv's to say, and no fault of the server's.
            show_block("!", "33", answer["stderr"] + "\nuv could not bring the package; the rest goes on without it.")
            return
        expect(answer["stdout"].startswith(f"{talk.package} "), "the script should have found its package", answer)
        show_block("│", "32", answer["stdout"])
        print(colour("2", f"   exit {answer['exit_code']}, answered after {took * 1000:.0f} ms"))


async def job_in_the_background(talk: Talk) -> None:
    title(7, "A long script as a job: answered at once, followed, and finished")
    code = "import time\nfor i in range(4):\n    print('step', i, flush=True)\n    time.sleep(0.3)"
    show_block("→", "36", code)
    with tempfile.TemporaryDirectory() as folder:
        started = await talk.tool("run_script_in_dir_async", {"directory": folder, "script_content": code, "use_uv": False})
        print(colour("2", f"   job {started['job_id']} {started['status']}"))
        shown, deadline = "", time.monotonic() + ANSWER_DEADLINE
        while True:
            job = (await talk.tool("py_job_status", {"job_id": started["job_id"]}))["job"]
            new = job.get("new_stdout") or ""
            if new:
                shown += new
                show_block("│", "32", new)
            if job["status"] not in ("pending", "running"):
                break
            expect(time.monotonic() < deadline, "the job should have ended", job)
            await anyio.sleep(0.2)
        answer = await talk.tool("get_job_output", {"job_id": started["job_id"]})
        show_block("│", "32", answer["stdout"][len(shown):])
        print(colour("2", f"   {job['status']}, exit {answer['exit_code']} after {answer['elapsed_seconds']} s"))
        expect(job["status"] == "completed" and answer["stdout"].count("step") == 4, "all steps should be there", answer)


# --- what to paste --------------------------------------------------------------------------------


def client_configurations(server: Path) -> list[tuple[str, dict[str, Any]]]:
    """Each client's own format, with the absolute path of this build."""
    plain = {"command": str(server), "args": ["serve"]}
    typed = {"type": "stdio", **plain}
    return [
        ("Claude Desktop: claude_desktop_config.json", {"mcpServers": {"pyember": plain}}),
        ("VS Code: .vscode/mcp.json", {"servers": {"pyember": typed}}),
        ("Cursor: ~/.cursor/mcp.json", {"mcpServers": {"pyember": typed}}),
    ]


def show_configurations(server: Path) -> None:
    print(f"\n{colour('1', 'Paste one of these into your client')}")
    for name, block in client_configurations(server):
        print(f"\n{name}\n{json.dumps(block, indent=2)}")


# --- the whole ------------------------------------------------------------------------------------


def environment(folder: str) -> dict[str, str]:
    """The server's: what the demo's scripts and jobs leave behind goes with the folder."""
    own_python = str(Path(sys.base_prefix) / "bin")
    return {**os.environ, "PYTHON_MCP_HOME": folder, "PYTHON_MCP_META": f"{folder}/meta", "PYEMBER_STATE_DIR": f"{folder}/states",
            "PATH": os.pathsep.join([own_python, os.environ.get("PATH", "")])}


async def demonstrate(server: Path, package: str, folder: str) -> None:
    sdk = importlib.metadata.version("mcp")
    print(colour("1", "pyember: persistent Python sessions over MCP"))
    print(f"   server  {server}\n   client  official Python MCP SDK {sdk}, over stdio")
    started = time.perf_counter()
    parameters = StdioServerParameters(command=str(server), args=["serve"], env=environment(folder))
    async with Client(parameters) as client:
        connected = time.perf_counter() - started
        info = client.server_info
        print(f"   started and answered after {connected * 1000:.0f} ms: "
              f"{info.name if info else '?'} {info.version if info else '?'}, protocol {client.protocol_version}")
        tools = await client.list_tools()
        print(f"   tools   {', '.join(tool.name for tool in tools.tools)}")
        talk = Talk(client, package)
        for step in (define_and_call, raise_an_error, await_at_top_level, two_sessions_at_once, stop_a_runaway,
                     script_with_a_dependency, job_in_the_background):
            await step(talk)


def failed_step(error: BaseException) -> BaseException:
    """The error itself, out of the groups that anyio wraps it in."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="the built pyember")
    parser.add_argument("--package", default="tabulate", help="what the script with a dependency depends on")
    options = parser.parse_args()
    server = options.server.resolve()
    try:
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(demonstrate, server, options.package, folder)
    except Exception as error:
        cause = failed_step(error)
        sys.exit(f"\nThe demo stopped: {type(cause).__name__}: {cause}")
    show_configurations(server)


if __name__ == "__main__":
    main()
