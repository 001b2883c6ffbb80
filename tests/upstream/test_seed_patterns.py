"""The five patterns and the end-to-end example of the text that code mode is made after, as cells: against servers
that stand in for GitHub, Slack, a calendar and files. Those that need pandas run where a session can load it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.sessions.prompt import Prompt
from tests.support.analysis import ANALYSIS
from tests.support.raw_client import RawClient
from tests.upstream.conftest import World

FIRST_MINUTES = 300.0  # pandas and matplotlib are installed at the first use

DISCOVERY = """
from mcp import runtime, mcp_servers

# Step 1: find tools
matches = await runtime.search_tool_docs("calendar events", limit=3)

# Step 2: load the docs of the first match's server
server_name = matches[0]["server"]
docs = await runtime.query_tool_docs(server_name)

# Step 3: call the tool
result = await mcp_servers[server_name].list_events(start_date="2025-01-01", end_date="2025-01-31")
print(result)
"""

ORCHESTRATION = r"""
from mcp import mcp_github, mcp_slack

issues = await mcp_github.list_issues(repo="myorg/myrepo", state="open", labels=["bug"])
await mcp_slack.post_message(
    channel="#engineering",
    text=f"📊 {len(issues)} open bugs:\n" + "\n".join(f"• {i['title']}" for i in issues[:5])
)
print(f"Posted {len(issues)} issues to Slack")
"""

RETRIES = """
from mcp import mcp_servers
import asyncio

async def safe_call(server, tool, **kwargs):
    for attempt in range(3):
        try:
            return await mcp_servers[server].__getattr__(tool)(**kwargs)
        except Exception as e:
            if attempt == 2:
                raise
            await asyncio.sleep(2 ** attempt / 100)

result = await safe_call("github", "create_issue", repo="owner/repo", title="Test", body="Retry logic")
print(result["number"])
"""

BASH = """
import subprocess
result = subprocess.run(["ls", "-lh", "/tmp"], capture_output=True, text=True)
print(result.returncode)
json_data = '{"name": "test", "count": 42}'
result = subprocess.run(["jq", ".count"], input=json_data, capture_output=True, text=True)
print(f"Count: {result.stdout.strip()}")
"""

END_TO_END = r"""
from mcp import runtime, mcp_github, mcp_slack
import pandas as pd

servers = await runtime.discovered_servers()
if "github" not in servers:
    raise ValueError("GitHub MCP server not configured")

issues = await mcp_github.list_issues(repo="myorg/myrepo", state="all", since="2025-01-01")

df = pd.DataFrame(issues)
df["created"] = pd.to_datetime(df["created_at"])
monthly_counts = df.groupby(df["created"].dt.to_period("M")).size()

report = "📈 Issue Report\n\n"
for month, count in monthly_counts.items():
    report += f"{month}: {count} issues\n"

if "slack" in servers:
    await mcp_slack.post_message(channel="#engineering", text=report)
    print("✅ Report posted to Slack")
else:
    print(report)
"""


@pytest.fixture
def analyst(code_client_of: Callable[[str], RawClient], code_room: str, world: World) -> Iterator[Prompt]:
    """A session that has pandas and matplotlib."""
    if code_room == "inprocess":
        pytest.skip("pandas does not load in a sub-interpreter; isolation auto moves such a session")
    world.forget()
    prompt = Prompt(code_client_of(code_room), code_room, dependencies=["pandas", "matplotlib"], timeout=FIRST_MINUTES)
    if prompt.run("import pandas, matplotlib", wait=FIRST_MINUTES).status != "completed":
        pytest.skip("pandas and matplotlib can't be installed here")
    yield prompt
    prompt.close()


def test_discovery_and_execution(code: Prompt, world: World) -> None:
    assert code.printed(DISCOVERY) == "[{'day': '2025-01-01', 'name': 'Kick-off'}, {'day': '2025-01-31', 'name': 'Review'}]\n"
    assert world.asked("calendar") == [{"tool": "list_events", "start_date": "2025-01-01", "end_date": "2025-01-31"}]


def test_data_analysis(analyst: Prompt, world: World) -> None:
    assert analyst.run(ANALYSIS, timeout=FIRST_MINUTES, wait=FIRST_MINUTES).stdout == "Analyzed 3 records, saved chart\n"
    import base64

    assert base64.b64decode((world.folder / "reports_revenue.png").read_text()).startswith(b"\x89PNG")


def test_several_servers(code: Prompt, world: World) -> None:
    assert code.printed(ORCHESTRATION) == "Posted 7 issues to Slack\n"
    posted = world.asked("slack")[0]
    assert posted["channel"] == "#engineering"
    assert str(posted["text"]).splitlines()[:2] == ["📊 7 open bugs:", "• Bug 0"] and len(str(posted["text"]).splitlines()) == 6
    assert world.asked("github")[0]["labels"] == ["bug"]


def test_errors_and_retries(code: Prompt, world: World) -> None:
    assert code.printed(RETRIES) == "8\n"
    assert (world.folder / "tries").read_text() == "xx"


def test_programs_of_the_command_line(code: Prompt, code_room: str) -> None:
    if subprocess.run(["sh", "-c", "command -v jq"], capture_output=True).returncode and code_room != "container":
        pytest.skip("jq is not installed on this machine")
    if code.value("import shutil; shutil.which('jq') is not None") != "True":
        pytest.skip(f"the image of {code_room} has no jq")
    assert code.printed(BASH) == "0\nCount: 42\n"


def test_the_workflow_from_end_to_end(analyst: Prompt, world: World) -> None:
    answer = analyst.run(END_TO_END, timeout=FIRST_MINUTES, wait=FIRST_MINUTES)
    assert answer.stdout == "✅ Report posted to Slack\n", answer
    assert world.asked("slack") == [
        {"tool": "post_message", "channel": "#engineering", "text": "📈 Issue Report\n\n2025-01: 3 issues\n2025-02: 2 issues\n2025-03: 2 issues\n"}
    ]
