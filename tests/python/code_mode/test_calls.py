"""Calls from cells: awaited, at the same time, waited for, forgotten, failed."""

from __future__ import annotations

import threading
import time
import warnings

import pytest
from servers import Servers, text

from prompt import Prompt


def test_a_call_is_sent_at_once_and_has_its_value_later(prompt: Prompt, servers: Servers) -> None:
    assert prompt.value("call = mcp_github.create_issue(title='t')\ncall.done() in (True, False), repr(call)[:33]") == "(True, '<the call of github.create_issue,')"
    assert prompt.value("await call, await call, call.result(), call.done()") == "({'title': 't'}, {'title': 't'}, {'title': 't'}, True)"
    assert len(servers.calls_made) == 1


def test_calls_are_under_way_together(prompt: Prompt, servers: Servers) -> None:
    together = threading.Barrier(20, timeout=30)
    together_reached = []

    def answer(given: dict[str, object]) -> object:
        return text(str(given["n"]))

    servers.answers["github", "create_issue"] = answer
    real = servers._later

    def later(reply: dict[str, object]) -> None:
        def meet() -> None:
            together.wait()
            together_reached.append(1)
            real(reply)

        if isinstance(reply.get("value"), dict):
            threading.Thread(target=meet, daemon=True).start()
        else:
            real(reply)

    servers._later = later  # type: ignore[method-assign]
    assert prompt.value("await asyncio.gather(*[mcp_github.create_issue(n=n) for n in range(20)])") == repr([str(n) for n in range(20)])
    assert len(together_reached) == 20


@pytest.mark.parametrize(
    "waiting",
    [
        "await asyncio.create_task(mcp_github.create_issue(n=1))",
        "await asyncio.wait_for(mcp_github.create_issue(n=1), 30)",
        "await asyncio.ensure_future(mcp_github.create_issue(n=1))",
        "await asyncio.shield(mcp_github.create_issue(n=1))",
        "(await asyncio.gather(mcp_github.create_issue(n=1)))[0]",
        "[await each for each in asyncio.as_completed([mcp_github.create_issue(n=1)])][0]",
        "import asyncio\nasyncio.run(mcp_github.create_issue(n=1))",
        "async def f():\n    async with asyncio.TaskGroup() as group:\n        task = group.create_task(mcp_github.create_issue(n=1))\n    return task.result()\nawait f()",
        "import concurrent.futures\nconcurrent.futures.ThreadPoolExecutor(1).submit(lambda: mcp_github.create_issue(n=1).result()).result()",
    ],
)
def test_whatever_takes_coroutines_takes_calls(prompt: Prompt, waiting: str) -> None:
    import sys

    if "TaskGroup" in waiting and sys.version_info < (3, 11):
        pytest.skip("TaskGroup came with Python 3.11")
    assert prompt.value(waiting) == "{'n': 1}"


def test_the_last_expression_is_waited_for(prompt: Prompt, servers: Servers) -> None:
    assert prompt.value("mcp_github.create_issue(n=1)") == "{'n': 1}"
    assert prompt.value("_['n']") == "1"
    servers.answers["github", "create_issue"] = {"structuredContent": {"result": None}}
    cell = prompt.run("mcp_github.create_issue(n=1)")
    assert (cell.status, cell.result) == (0, None)


@pytest.mark.parametrize("use", ["['title']", "[0]", ".items()", ".upper()"])
def test_who_forgets_await_is_told(prompt: Prompt, use: str) -> None:
    cell = prompt.failure(f"x = mcp_github.create_issue(title='t'){use}")
    assert cell.type in ("TypeError", "AttributeError")
    assert "Write `await github.create_issue(…)`" in cell.message


@pytest.mark.parametrize("use", ["for each in {0}: pass", "len({0})", "'x' in {0}", "list({0})"])
def test_who_forgets_await_is_told_by_statements_too(prompt: Prompt, use: str) -> None:
    cell = prompt.failure(use.format("mcp_github.create_issue(title='t')"))
    assert cell.type == "TypeError" and "await" in cell.message


def test_a_call_that_nobody_looks_at_is_warned_of(prompt: Prompt) -> None:
    with pytest.warns(RuntimeWarning, match="the call of github.create_issue was sent, but nobody awaited it"):
        prompt.run("mcp_github.create_issue(title='t')\nx = 1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prompt.value("y = mcp_github.create_issue(title='t'); await y\ndel y")


def test_a_tools_error_is_raised_where_it_is_awaited(prompt: Prompt, servers: Servers) -> None:
    servers.answers["github", "create_issue"] = text("no such repository", isError=True)
    cell = prompt.failure("await mcp_github.create_issue(repo='r')")
    assert (cell.type, cell.message) == ("mcp.MCPError", "no such repository")
    assert "code_mode" not in cell.traceback and 'File "<cell 1>", line 1' in cell.traceback
    told = "from mcp import MCPError\ntry:\n    await mcp_github.create_issue(repo='r')\nexcept MCPError as error:\n    kept = error\n"
    assert prompt.value(f"{told}kept.kind, kept.server, kept.tool, kept.result['content'][0]['text']") == (
        "('tool', 'github', 'create_issue', 'no such repository')"
    )
    assert prompt.value("import mcp.runtime\nisinstance(kept, RuntimeError), mcp.runtime.MCPError is MCPError") == "(True, True)"
    outcomes = "await asyncio.gather(mcp_github.create_issue(), mcp_github.list_issues(), return_exceptions=True)"
    assert prompt.value(f"[type(each).__name__ for each in {outcomes}]") == "['MCPError', 'Dict']"
    assert prompt.failure("mcp_github.create_issue.sync()").type == "mcp.MCPError"


@pytest.mark.parametrize(
    ("cell", "kind", "message"),
    [
        ("await mcp_github.make_issue()", "unknown_tool", "Tool 'make_issue' not found for server github. The nearest is create_issue."),
        ("await mcp_github.make_issue('x')", "unknown_tool", "Tool 'make_issue' not found for server github. Did you mean create_issue?"),
        ("await mcp_github.create_issue(1, 2, 3, 4, 5)", "arguments", "Nothing was sent: github.create_issue was given 5 positional arguments"),
        ("await mcp_github.create_issue(x=object())", "arguments", "Nothing was sent: the argument x can't be written as JSON"),
        ("await mcp_github.create_issue(x=mcp_github.list_issues())", "arguments", "Nothing was sent: the argument x can't be written as JSON: it is a call"),
        ("await runtime.call_tool('nobody', 'x')", "unknown_server", "Unknown MCP server: nobody."),
        ("await runtime.call_tool('github', '')", "arguments", "Missing tool name"),
        ("await runtime.call_tool('github', 'x', [1])", "arguments", "Arguments must be an object"),
    ],
)
def test_what_cant_be_called_says_why(prompt: Prompt, cell: str, kind: str, message: str) -> None:
    failure = prompt.failure(cell)
    assert failure.type.startswith("mcp.") and failure.message.startswith(message)
    assert prompt.value("import sys; sys.last_value.kind") == repr(kind)


def test_a_server_the_run_was_not_given_says_so(prompt: Prompt, servers: Servers) -> None:
    servers.allowed = ["slack"]
    assert prompt.value("list(mcp_servers), runtime.list_servers_sync(), runtime.discovered_servers()") == (
        "(['slack'], ('slack',), ('github', 'File System', 'slack'))"
    )
    assert prompt.failure("await mcp_github.create_issue()").message.startswith("Server 'github' is not available")


def test_positional_arguments_take_the_schemas_order(prompt: Prompt, servers: Servers) -> None:
    prompt.value("await mcp_github.create_issue('o/r', 't', ['bug'], body='b')")
    assert servers.calls_made == [{"repo": "o/r", "title": "t", "labels": ["bug"], "body": "b"}]
    assert len(servers.asked("tools")) == 1
    prompt.value("await mcp_github.create_issue('o/r', 't')")
    assert len(servers.asked("tools")) == 1, "what a session knows is not asked again"


def test_bytes_are_sent_as_the_schema_wants_them(prompt: Prompt, servers: Servers) -> None:
    prompt.value("await mcp_file_system.write_file(path='p', content=b'text', data=b'text', parts=[b'x', b'\\xff'])")
    assert servers.calls_made == [{"path": "p", "content": "text", "data": "dGV4dA==", "parts": ["x", "/w=="]}]


def test_a_call_is_cancelled_with_its_task(prompt: Prompt, servers: Servers) -> None:
    servers.delay = 30
    cell = prompt.failure("await asyncio.wait_for(runtime.call_tool('github', 'create_issue'), 0.05)")
    assert cell.type == "TimeoutError" or "TimeoutError" in cell.type
    prompt.run("call = runtime.call_tool('github', 'create_issue')\ntask = asyncio.create_task(call)\ntask.cancel()\nawait asyncio.sleep(0.05)")
    assert prompt.value("task.cancelled()") == "True"
    prompt.run("call = runtime.call_tool('github', 'create_issue'); call.cancel()")
    failure = prompt.failure("call.result(5)")
    assert failure.type == "mcp.MCPError" and "cancelled" in failure.message
    assert prompt.failure("runtime.call_tool('github', 'create_issue').result(0.01)").type == "TimeoutError"
    deadline = time.monotonic() + 30
    while len(servers.asked("cancel")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(servers.asked("cancel")) == 3


def test_timeouts_and_progress_are_passed_on(prompt: Prompt, servers: Servers) -> None:
    number: list[int] = []

    def operate(frame: dict[str, object]) -> None:
        number.append(int(str(frame["id"])))
        servers.tell(number[0], 1, 2, "half")
        servers.give(number[0], text("done"))

    servers._operate = operate  # type: ignore[method-assign,assignment]
    assert prompt.value("seen = []\nawait runtime.call_tool('github', 'create_issue', timeout=9, progress=lambda *told: seen.append(told)), seen") == (
        "('done', [(1, 2, 'half')])"
    )
    assert servers.asked("call")[0]["timeout"] == 9


def test_a_picture_is_shown_when_it_is_the_result(prompt: Prompt, servers: Servers) -> None:
    import base64

    from test_displays import png

    data = base64.b64encode(png(10, 10)).decode()
    picture = {"type": "image", "data": data, "mimeType": "image/png"}
    servers.answers["github", "create_issue"] = {"content": [picture]}
    cell = prompt.run("mcp_github.create_issue()")
    assert cell.displays == (("image/png", png(10, 10)),) and cell.result == "<image image/png, 64 bytes>"
    servers.answers["github", "create_issue"] = {"content": [{"type": "text", "text": "two:"}, picture, picture]}
    cell = prompt.run("await mcp_github.create_issue()")
    assert [mime for mime, _ in cell.displays].count("image/png") == 2
