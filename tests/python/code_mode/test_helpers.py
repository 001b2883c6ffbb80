"""mcp.runtime: finding servers and tools, docs, resources and prompts, help() and the manual."""

from __future__ import annotations

import pytest
from servers import Servers

from prompt import Prompt


def test_discovered_servers_may_be_awaited_or_not(prompt: Prompt, servers: Servers) -> None:
    names = ["github", "File System", "slack"]
    assert prompt.value("runtime.discovered_servers()") == repr(tuple(names))
    assert prompt.value("await runtime.discovered_servers()") == repr(names)
    assert prompt.value("found = runtime.discovered_servers()\nfound == ('github', 'File System', 'slack'), found == ['github', 'File System', 'slack']") == "(True, True)"
    assert prompt.value("found != ['github'], 'slack' in found, isinstance(found, tuple), {found: 1}[found]") == "(True, True, True, 1)"
    assert prompt.value("runtime.discovered_servers(detailed=True)[0]") == repr(servers.servers[0])
    assert prompt.value("[each['name'] for each in await runtime.discovered_servers(True)]") == repr(names)
    assert not servers.asked("tools") and not servers.asked("call")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("await runtime.list_servers()", "('File System', 'github', 'slack')"),
        ("runtime.list_servers_sync()", "('File System', 'github', 'slack')"),
        ("runtime.describe_server('github')['tools']", "['create_issue', 'list_issues', 'import_']"),
        ("(await runtime.describe_server('github'))['cwd'] is None", "True"),
        ("runtime.describe_server(mcp_github)['alias']", "'github'"),
        ("runtime.list_loaded_server_metadata()[0]['name']", "'github'"),
        ("type(runtime.list_tools_sync('github')), runtime.list_tools_sync('github')[1]['alias']", "(<class 'tuple'>, 'list_issues')"),
        ("(await runtime.list_tools('github'))[0]['name']", "'create_issue'"),
        ("(await mcp_github.list_tools())[0]['name']", "'create_issue'"),
        ("docs = await runtime.query_tool_docs('github')\n[t['name'] for t in docs['tools']]", "['create_issue', 'List-Issues', 'import']"),
        ("len(docs := runtime.query_tool_docs_sync('github')), docs['tools'] is docs", "(3, True)"),
        ("doc = await runtime.query_tool_docs('github', 'create_issue')\ndoc['tool'], doc['tools'][0]['name'], 'inputSchema' in doc", "('create_issue', 'create_issue', False)"),
        ("doc = await runtime.query_tool_docs('github', tool='create_issue', detail='full')\ndoc['signature'], 'inputSchema' in doc",
         "('create_issue(repo: str, title: str, labels: str = ..., body: str = ...) -> dict', True)"),
        ("runtime.query_tool_docs_sync('github', 'create_issue')[0]['toolAlias']", "'create_issue'"),
        ("(await runtime.query_tool_docs('github', detail='nonsense'))[0].get('inputSchema') is None", "True"),
        ("[doc['tool'] for doc in await runtime.search_tool_docs('file', limit=1)]", "['write_file']"),
        ("[doc['tool'] for doc in runtime.search_tool_docs_sync('file', limit=50)]", "['write_file', 'read_file']"),
        ("await runtime.search_tool_docs('nothing like it')", "[]"),
        ("runtime.search_tool_docs_sync('file', limit=-5)[0]['server']", "'File System'"),
        ("(await runtime.list_resources('github'))[0]['uri']", "'memo://a'"),
        ("(await mcp_github.list_resources())[0]['uri'], runtime.list_resource_templates_sync('github')[0]['name']", "('memo://a', 'memo')"),
        ("await mcp_github.read_resource('memo://a')", "'hello'"),
        ("(await runtime.read_resource('github', 'memo://b')).data", "b'\\x00\\x01\\x02'"),
        ("runtime.read_resource_sync('github', 'memo://a')", "'hello'"),
        ("(await mcp_github.list_prompts())[0]['name']", "'greet'"),
        ("(await mcp_github.get_prompt('greet', who='me', times=2))['messages'][0]['content']['text']", '"greet {\'who\': \'me\', \'times\': \'2\'}"'),
        ("runtime.get_prompt_sync('github', 'greet', {'name': 'a'}, server='b')['messages'][0]['role']", "'user'"),
    ],
)  # fmt: skip
def test_helpers(prompt: Prompt, cell: str, value: str) -> None:
    assert prompt.value(cell) == value


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("runtime.list_tools_sync()", "list_tools_sync() needs the name of a server"),
        ("runtime.describe_server('nobody')", "Unknown MCP server: nobody"),
        ("await runtime.query_tool_docs('github', 'nothing')", "Tool 'nothing' not found for server github"),
        ("runtime.query_tool_docs_sync('github', 5)", "'tool' must be a string when provided"),
        ("await runtime.search_tool_docs('')", "Missing 'query' value"),
        ("await runtime.search_tool_docs('a', limit='3')", "'limit' must be an integer"),
        ("await runtime.list_tools(None)", "'server' must be a name"),
    ],
)
def test_helpers_say_what_they_need(prompt: Prompt, cell: str, message: str) -> None:
    failure = prompt.failure(cell)
    assert failure.type.startswith("mcp.") and failure.message.startswith(message)


def test_a_change_of_tools_is_accepted_by_its_word(prompt: Prompt) -> None:
    assert prompt.value("runtime.accept_tools('github', 'ab12')") == '"The server\'s tools are accepted as they are now."'
    assert prompt.value("(await runtime.accept_tools(mcp_github, 'ab12'))[:10]") == repr("The server")
    assert prompt.failure("runtime.accept_tools('github', 'x')").message.startswith("Nothing was accepted")


def test_a_tool_of_the_same_name_wins_over_a_helper(prompt: Prompt, servers: Servers) -> None:
    from servers import tool

    servers.tools["github"].append(tool("read_resource"))
    assert prompt.value("await mcp_github.read_resource(uri='x')") == "{'uri': 'x'}"
    assert prompt.value("await runtime.read_resource('github', 'memo://a')") == "'hello'"


def test_help_shows_signature_and_docstring(prompt: Prompt) -> None:
    told = prompt.run("help(mcp_github.create_issue)").out
    flat = " ".join(told.replace("(\n", "(").replace("\n)", ")").split())
    assert "create_issue( repo: str, title: str, labels: str = ..., body: str = ...) -> dict" in flat.replace("(repo", "( repo")
    assert "Opens an issue." in told and "Arguments: ['repo', 'title', 'labels', 'body']" in told
    told = prompt.run("help(mcp_github)").out
    assert "The MCP server github. Issues and code" in told and "create_issue: Opens an issue." in told
    assert "list_issues" in prompt.run("import mcp.servers.github\nhelp(mcp.servers.github)").out
    assert "search_tool_docs" in prompt.run("help(runtime)").out
    assert "print(runtime.capability_summary())" in prompt.run("import mcp\nhelp(mcp)").out


def test_what_inspect_and_tab_completion_see(prompt: Prompt) -> None:
    prompt.run("import inspect\ntool = mcp_github.create_issue")
    assert prompt.value("str(inspect.signature(tool))") == "'(repo: str, title: str, labels: str = ..., body: str = ...) -> dict'"
    assert prompt.value("inspect.signature(tool).bind('r', title='t').arguments") == "{'repo': 'r', 'title': 't'}"
    assert prompt.value("tool.__name__, mcp_servers['github'].__getattr__('List-Issues').__name__, callable(tool)") == "('create_issue', 'list_issues', True)"
    assert prompt.value("tool.__doc__.splitlines()[0]") == "'Opens an issue.'"
    assert prompt.value("{'create_issue', 'list_tools', 'read_resource'} <= set(dir(mcp_github))") == "True"
    assert prompt.value("[each for each in dir(mcp_github) if each.startswith('_')]") == "[]"
    assert prompt.value("hasattr(mcp_github, '_repr_html_'), hasattr(mcp_github, '__len__'), list(mcp_github)[0]") == "(False, False, 'create_issue')"
    assert prompt.value("mcp_github.create_issue == tool, mcp_github.list_issues == tool, len({tool, mcp_github.create_issue})") == "(True, False, 1)"
    assert prompt.value("mcp_github, tool") == (
        "(<MCP server github: await .TOOL(…) calls a tool, dir() lists them>, <tool create_issue of the MCP server github>)"
    )
    prompt.run("class A:\n    issue = mcp_github.create_issue")
    assert prompt.value("await A().issue(title='t')") == "{'title': 't'}"


def test_nothing_of_what_a_server_says_is_executed(prompt: Prompt, servers: Servers) -> None:
    lines = ["f(a=print('executed')) -> dict", "f(a): pass\nprint('executed')\ndef g(", "nonsense(((", "", None, "f(" + "a" * 200_000 + ")"]
    for line in lines:
        servers.op_docs = lambda frame, line=line: [{"signature": line, "docstring": "d"}]  # type: ignore[method-assign,misc]
        cell = prompt.run("import inspect\nfrom mcp_runtime.code_mode import catalog\ncatalog.forget('github')\nstr(inspect.signature(mcp_github.create_issue))")
        assert cell.status == 0 and cell.out == ""
        assert cell.result == ("\"(a=print('executed')) -> dict\"" if line == lines[0] else "'(**arguments)'"), line


def test_the_manual_is_short_and_covers_what_there_is(prompt: Prompt) -> None:
    cell = prompt.run("runtime.capability_summary()")
    assert cell.result is not None and cell.result.startswith("PYTHON SANDBOX MANUAL\n")
    for word in ("search_tool_docs", "mcp_servers", "save_tool", "Persistence", "MCPError", "_sync", "gather"):
        assert word in cell.result
    assert len(cell.result) / 4 < 800
    assert prompt.run("print(await runtime.capability_summary())").out.startswith("PYTHON SANDBOX MANUAL")
    assert "MANUAL" in (prompt.value("str(runtime.capability_summary())[:30]") or "")
