"""What cells write to reach MCP servers, through the whole server and in every room: the package `mcp`, against
servers made with the official SDK."""

from __future__ import annotations

import pytest

from tests.sessions.prompt import Prompt
from tests.upstream.conftest import World


def test_servers_and_tools_are_found(code: Prompt) -> None:
    assert code.value("from mcp import runtime\nservers = await runtime.discovered_servers()\nservers") == "['github', 'slack', 'calendar', 'filesystem']"
    assert code.value("docs = await runtime.query_tool_docs('github')\n[t['name'] for t in docs['tools']]") == "['list_issues', 'create_issue', 'Get-Avatar']"
    assert code.value("matches = await runtime.search_tool_docs('calendar events', limit=3)\nmatches[0]['server'], matches[0]['tool']") == "('calendar', 'list_events')"
    assert code.value("runtime.describe_server('github')['tools'], runtime.list_tools_sync('slack')[-1]['alias']") == (
        "(['list_issues', 'create_issue', 'get_avatar'], 'post_message')"
    )
    assert code.value("len(await runtime.list_tools('github'))") == "3"  # which starts it, if its tools were known from another server's run
    assert code.value("__name__, 'github' in LOADED_MCP_SERVERS, 'PYTHON SANDBOX MANUAL' in runtime.capability_summary()") == "('__main__', True, True)"


@pytest.mark.parametrize(
    "form",
    [
        "from mcp import mcp_servers\nx = await mcp_servers['github'].create_issue(repo='o/r', title='t')",
        "from mcp import mcp_github\nx = await mcp_github.create_issue(repo='o/r', title='t')",
        "from mcp.servers.github import create_issue\nx = await create_issue(repo='o/r', title='t')",
        "from mcp.servers.github import *\nx = await create_issue(repo='o/r', title='t')",
        "import mcp.servers.github\nx = await mcp.servers.github.create_issue('o/r', 't')",
        "x = await mcp_github.create_issue('o/r', title='t')",
        "x = mcp_github.create_issue.sync(repo='o/r', title='t')",
        "import mcp.runtime as runtime\nx = await runtime.call_tool('github', 'create_issue', {'repo': 'o/r', 'title': 't'})",
        "x = runtime.call_tool_sync('github', 'create_issue', {'repo': 'o/r', 'title': 't'})",
        "import threading\nfound = []\nthread = threading.Thread(target=lambda: found.append(mcp_github.create_issue('o/r', 't').result()))\nthread.start(); thread.join()\nx = found[0]",
    ],
)  # fmt: skip
def test_every_form_of_a_call(code: Prompt, form: str, world: World) -> None:
    assert code.value(f"{form}\nx['number'], x['url'], x.raw['isError'] if 'isError' in x.raw else False") == "(8, 'https://example.org/o/r/8', False)"
    assert world.asked("github") == [{"tool": "create_issue", "repo": "o/r", "title": "t", "body": ""}]


def test_values_are_what_the_tools_say(code: Prompt) -> None:
    assert code.value("rows = await mcp_github.list_issues(repo='o/r')\nlen(rows), rows[0]['title'], isinstance(rows, list), rows['content'][0]['type']") == (
        "(7, 'Bug 0', True, 'text')"
    )
    assert code.value("text = await mcp_filesystem.read_file(path='/data/sales.csv')\nimport io\nio.StringIO(text).readline()") == "'month,revenue\\n'"
    answer = code.run("picture = await mcp_github.get_avatar(user='me')\npicture")
    assert answer.status == "completed" and "image/png" in str(answer.result)
    assert code.value("picture.mime, picture.data[:4]") == "('image/png', b'\\x89PNG')"


def test_errors_name_the_nearest_and_can_be_caught(code: Prompt) -> None:
    assert "create_issue" in code.run("await mcp_github.create_isue(repo='r', title='t')").text
    assert "title" in code.run("await mcp_github.create_issue(repo='r', titel='t')").text
    assert "github" in code.run("from mcp import mcp_githb").text
    assert "create_issue" in code.run("from mcp.servers.github import create_isue").text
    told = "from mcp import MCPError\ntry:\n    await mcp_github.create_issue(repo='r', title='Test')\nexcept MCPError as error:\n    kept = error\n"
    assert code.value(f"{told}kept.kind, 'GitHub is busy' in str(kept), kept.result['isError'], kept.server, kept.tool") == (
        "('tool', True, True, 'github', 'create_issue')"
    )


def test_help_is_made_of_the_schema(code: Prompt) -> None:
    told = code.printed("help(mcp_github.create_issue)")
    assert "create_issue(" in told and "repo: str" in told and "Open an issue in a repository." in told
    assert "create_issue(repo: str" in str(code.value("(await runtime.query_tool_docs('github', 'create_issue', detail='full'))['signature']"))


def test_resources_and_prompts_are_reachable(code: Prompt) -> None:
    assert code.value("await mcp_github.read_resource('github://readme/pyember')") == "'# pyember'"
    assert code.value("[each['name'] for each in await mcp_github.list_prompts()]") == "['review']"
    assert code.value("(await mcp_github.get_prompt('review', code='x = 1'))['messages'][0]['content']['text']") == "'Review x = 1'"
    assert code.value("len(await runtime.list_resource_templates('github'))") == "1"


def test_what_cells_define_calls_in_later_ones(code: Prompt) -> None:
    code.run("async def open_issue(title):\n    return (await mcp_github.create_issue(repo='o/r', title=title))['number']")
    assert code.value("await asyncio.gather(*[open_issue(str(n)) for n in range(5)])") == "[8, 8, 8, 8, 8]"
    assert code.value("exec('import mcp.runtime\\nnames = mcp.runtime.list_servers_sync()')\nnames") == "('calendar', 'filesystem', 'github', 'slack')"


def test_a_stop_ends_a_call_and_the_next_ones_work(code: Prompt, world: World) -> None:
    for waiting in ("await mcp_slack.wait(seconds=600)", "mcp_slack.wait.sync(seconds=600)", "mcp_slack.wait(seconds=600)",
                    "await asyncio.gather(*[mcp_slack.wait(seconds=600) for _ in range(5)])"):  # fmt: skip
        answer = code.run(waiting, timeout=2)
        assert answer.status in ("timed_out", "interrupted"), (waiting, answer)
        assert code.value("await mcp_slack.wait(seconds=0)") == "'waited'"
    assert len(world.asked("slack")) == 12


def test_calls_of_a_gather_are_under_way_together(code: Prompt, world: World) -> None:
    """One after the other they would take 20 s."""
    told = code.value("import time\nstart = time.monotonic()\nawait asyncio.gather(*[mcp_slack.wait(seconds=1) for _ in range(20)])\ntime.monotonic() - start < 10")
    assert told == "True" and len(world.asked("slack")) == 20


def test_a_saved_function_is_kept_and_removed(code: Prompt, world: World) -> None:
    assert "square" in str(code.value("def square(x):\n    return x * x\n\nsave_tool(square)"))
    assert "def square(x):" in (world.folder / "bridge" / "user_tools" / "user_tools.py").read_text()
    assert code.value("'square' in runtime.list_saved_tools()") == "True"
    later = Prompt(code.client, code.room)
    assert later.value("square(5), square.__module__") == "(25, 'mcp.user_tools')"
    assert later.value("import inspect\ninspect.getsource(square)") == "'def square(x):\\n    return x * x\\n'"
    later.close()
    assert "square" in str(code.value("runtime.delete_tool('square')"))
    assert code.value("'square' in runtime.list_saved_tools()") == "False"


def test_state_goes_on_where_proxies_and_answers_are_in_variables(code: Prompt) -> None:
    code.run("from mcp import mcp_github, runtime\nimport mcp\nrows = await mcp_github.list_issues(repo='o/r')")
    saved = code.tool("save_session").structured
    assert saved["left_behind"] == [] and set(saved["saved"]) == {"mcp", "mcp_github", "runtime", "rows"}
    code.close()
    restored = code.tool("restore_session")
    assert not restored.is_error, restored
    assert code.value("rows[0]['title'], (await mcp_github.create_issue('o/r', 't'))['number'], runtime.list_servers_sync()[0]") == "('Bug 0', 8, 'calendar')"
