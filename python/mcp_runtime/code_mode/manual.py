"""What runtime.capability_summary() prints."""

from __future__ import annotations

MANUAL = """\
PYTHON SANDBOX MANUAL

Idea: one tool, run_python. Everything else is Python: look for what you need, call it from code,
and let code carry data from one call to the next. Print only what you want to read.

Find
  runtime.discovered_servers()                        names of all servers
  await runtime.search_tool_docs("list files")        the tools that fit best, of all servers
  await runtime.query_tool_docs("github")             the tools of one server
  await runtime.query_tool_docs("github", "create_issue", detail="full")
  help(mcp_github.create_issue)                       signature and description
  runtime.describe_server("github")                   alias, tools, working directory

Call (servers start by themselves)
  issue = await mcp_github.create_issue(repo="o/r", title="t")
  await mcp_servers["github"].create_issue(...)       the same, by the server's name
  await create_issue(...)     after `from mcp.servers.github import create_issue`
  await runtime.call_tool("github", "create_issue", {"repo": "o/r"}, timeout=60)
  a, b = await asyncio.gather(mcp_x.one(), mcp_y.two())   at the same time
  mcp_github.create_issue.sync(...)                   without await; runtime.call_tool_sync too

Values: str, list, dict, numbers, pictures (.data, .mime). value.raw is the answer as it came.
Errors: from mcp import MCPError; error.kind, error.result, error.server, error.tool
Others: await runtime.read_resource(server, uri), list_resources, get_prompt, list_prompts

Persistence: names and files stay from call to call in the session; the answer says so when they
were lost. save_tool(function) keeps a function for later sessions, list_saved_tools() names them,
delete_tool(name) removes one. The last expression's value is shown, as at a prompt.
"""
