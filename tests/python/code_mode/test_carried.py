"""What of code mode goes with a session's state: proxies by their names, answers as plain values."""

from __future__ import annotations

from pathlib import Path

import pytest

from carried import carry, find_bundled
from test_snapshot import others

needs_cloudpickle = pytest.mark.skipif(
    find_bundled() is None, reason="nothing is built: run ./dev build, which fetches cloudpickle")

GIVEN = """
import mcp, mcp.runtime
from mcp import runtime, mcp_servers, MCPError
from mcp_runtime.code_mode import proxies, values
github = proxies.Server('github')
tool = github.create_issue
text = values.tool_result({'content': [{'type': 'text', 'text': 'hello'}]})
rows = values.tool_result({'structuredContent': {'result': [{'a': 1}]}})
table = {'rows': rows, 'map': values.tool_result({'structuredContent': {'b': [2]}})}
picture = values.tool_result({'content': [{'type': 'image', 'data': 'AAEC', 'mimeType': 'image/png'}]})
error = MCPError('it failed', 'tool', {'isError': True}, 'github', 'create_issue')
from mcp.runtime import call_tool
del proxies, values
"""


@needs_cloudpickle
def test_proxies_and_answers_come_back(tmp_path: Path) -> None:
    moved = carry(tmp_path / "state", [GIVEN], [
        "github, tool, tool == github.create_issue, type(github).__name__",
        "text, type(text), rows, type(rows), table, type(table['map'])",
        "picture.data, picture.mime",
        "str(error), error.kind, error.server, error.result, isinstance(error, MCPError)",
        "mcp.__name__, runtime.__name__, mcp.runtime is runtime, type(mcp_servers).__name__, call_tool is runtime.call_tool",
    ])  # fmt: skip
    assert moved.saved.summary["left_behind"] == {} and moved.restored.summary["left_behind"] == {}
    assert moved.values == [
        "(<MCP server github: await .TOOL(…) calls a tool, dir() lists them>, <tool create_issue of the MCP server github>, True, 'Server')",
        "('hello', <class 'str'>, [{'a': 1}], <class 'list'>, {'rows': [{'a': 1}], 'map': {'b': [2]}}, <class 'dict'>)",
        "(b'\\x00\\x01\\x02', 'image/png')",
        "('it failed', 'tool', 'github', {'isError': True}, True)",
        "('mcp', 'mcp.runtime', True, 'Servers', True)",
    ]


@needs_cloudpickle
def test_answers_are_plain_data_for_another_python(tmp_path: Path) -> None:
    if not others():
        pytest.skip("no other Python here; name one in PYEMBER_OTHER_PYTHONS")
    for other in others():
        moved = carry(tmp_path / "state", [GIVEN], ["text, rows, table, runtime.__name__"], to=other)
        assert moved.values == ["('hello', [{'a': 1}], {'rows': [{'a': 1}], 'map': {'b': [2]}}, 'mcp.runtime')"], other
        assert set(moved.restored.summary["left_behind"]) >= {"github", "tool", "picture"}


@needs_cloudpickle
def test_a_call_on_its_way_is_told_as_left_behind(tmp_path: Path) -> None:
    begun = "from mcp_runtime.code_mode import calls\ncall = calls.start('github.x', 'call')\ncall.cancel()\ndel calls\nkept = 1"
    moved = carry(tmp_path / "state", [begun], ["kept"])
    assert moved.values == ["1"]
    assert "belongs to its process" in moved.saved.summary["left_behind"]["call"]
