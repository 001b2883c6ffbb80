"""`mcp` as code imports it: ours, in all forms, and the official package behind it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from servers import Servers

from prompt import Prompt


@pytest.mark.parametrize(
    "cell",
    [
        "import mcp\nmcp.runtime.list_servers_sync()[0]",
        "from mcp import runtime\nruntime.list_servers_sync()[0]",
        "import mcp.runtime as runtime\nruntime.list_servers_sync()[0]",
        "from mcp import mcp_servers\nlist(mcp_servers)[0]",
        "list(mcp_servers)[0]",
        "runtime.list_servers_sync()[0]",
        "mcp.runtime.list_servers_sync()[0]",
        "exec('name = runtime.list_servers_sync()[0]')\nname",
        "def f():\n    from mcp import runtime\n    return runtime.list_servers_sync()[0]\nf()",
    ],
)
def test_every_form_finds_the_runtime(prompt: Prompt, cell: str) -> None:
    assert prompt.value(cell) == "'File System'"


@pytest.mark.parametrize(
    "cell",
    [
        "from mcp import mcp_github\nawait mcp_github.create_issue(title='t')",
        "await mcp_github.create_issue(title='t')",
        "from mcp import mcp_servers\nawait mcp_servers['github'].create_issue(title='t')",
        "from mcp.servers.github import create_issue\nawait create_issue(title='t')",
        "import mcp.servers.github\nawait mcp.servers.github.create_issue(title='t')",
        "import mcp.servers.github as github\nawait github.create_issue(title='t')",
        "from mcp.servers import github\nawait github.create_issue(title='t')",
        "from mcp.servers.github import *\nawait create_issue(title='t')",
        "from mcp import runtime\nawait runtime.call_tool('github', 'create_issue', {'title': 't'})",
        "await mcp_servers['github'].__getattr__('create_issue')(title='t')",
        "await mcp_servers['github']['create_issue'](title='t')",
        "await eval('mcp_github').create_issue(title='t')",
        "from mcp import *\nawait mcp_github.create_issue(title='t')",
        "mcp_github.create_issue.sync(title='t')",
        "mcp_github.create_issue(title='t').result()",
        "runtime.call_tool_sync('github', 'create_issue', {'title': 't'})",
        "mcp_github.create_issue(title='t')",
    ],
)
def test_every_form_reaches_the_tool(prompt: Prompt, servers: Servers, cell: str) -> None:
    assert prompt.value(cell) == "{'title': 't'}"
    assert servers.calls_made == [{"title": "t"}]


def test_a_function_of_an_earlier_cell_calls_as_well(prompt: Prompt) -> None:
    prompt.run("async def f():\n    return await mcp_github.create_issue(title='t')")
    assert prompt.value("await f()") == "{'title': 't'}"


def test_a_module_of_the_users_imports_ours(prompt: Prompt, tmp_path: Path) -> None:
    (tmp_path / "of_the_user.py").write_text("from mcp import runtime\ndef names():\n    return runtime.list_servers_sync()\n")
    prompt.run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    assert prompt.value("import of_the_user\nof_the_user.names()[0]") == "'File System'"
    sys.path.remove(str(tmp_path))


def test_names_are_in_no_listing_and_give_way_to_the_users(prompt: Prompt) -> None:
    prompt.run("x = mcp_github, runtime, mcp_servers")
    assert [entry[0] for entry in prompt.session.names()] == ["x"]
    prompt.run("runtime = 5")
    assert prompt.value("runtime") == "5"
    assert prompt.value("def f():\n    mcp_github = 1\n    return mcp_github\nf()") == "1"


def test_asyncio_is_there_without_an_import(prompt: Prompt) -> None:
    assert prompt.value("await asyncio.sleep(0, 'done')") == "'done'"


def test_a_server_that_is_not_configured_cant_be_imported(prompt: Prompt) -> None:
    cell = prompt.failure("from mcp import mcp_githb")
    assert (cell.type, cell.message) == ("ImportError", "Unknown MCP server: githb. Did you mean github?")
    assert prompt.failure("import mcp.servers.githb").message == "Unknown MCP server: githb. Did you mean github?"
    assert prompt.failure("mcp_servers['githb']").type == "mcp.UnknownServer"
    assert prompt.value("mcp_servers.get('githb'), 'githb' in mcp_servers, 'github' in mcp_servers") == "(None, False, True)"
    missing = prompt.failure("mcp_githb.create_issue()")
    assert missing.type == "NameError" and "the MCP servers here are mcp_github, mcp_file_system, mcp_slack" in missing.notices[0]


def test_a_tool_that_is_not_there_cant_be_imported(prompt: Prompt) -> None:
    cell = prompt.failure("from mcp.servers.github import make_issue")
    assert cell.type == "ImportError"
    assert cell.message == "Tool 'make_issue' not found for server github. Did you mean create_issue?"


def test_modules_of_servers_say_what_they_have(prompt: Prompt) -> None:
    prompt.run("import mcp.servers.github as github")
    assert prompt.value("github.__all__") == "['create_issue', 'list_issues', 'import_']"
    assert prompt.value("[each['name'] for each in github.TOOLS]") == "['create_issue', 'List-Issues', 'import']"
    assert prompt.value("github.TOOL_MAP['list_issues']['name']") == "'List-Issues'"
    assert prompt.value("github.__doc__") == "'The tools of the MCP server github. Issues and code'"
    assert prompt.value("import mcp.servers\nmcp.servers.__all__") == "['github', 'file_system', 'slack']"
    assert prompt.value("{'create_issue', 'list_tools'} <= set(dir(github))") == "True"
    assert prompt.value("mcp.__all__[:3], hasattr(mcp, 'nonsense')") == "(['runtime', 'mcp_servers', 'MCPError'], False)"


def test_loaded_servers_are_a_tuple_of_names(prompt: Prompt) -> None:
    assert prompt.value("LOADED_MCP_SERVERS") == "('github',)"
    assert prompt.value("__name__") == "'__main__'"


def test_what_was_thrown_out_of_the_built_in_names_comes_back(prompt: Prompt) -> None:
    prompt.run("import builtins\nx = runtime, mcp_github")
    prompt.run("del builtins.runtime, builtins.__dict__['mcp_github']")
    assert prompt.value("runtime.list_servers_sync()[0], mcp_github.__class__.__name__") == "('File System', 'Server')"


def test_without_a_server_the_imports_work_and_calls_say_why_not(native: object) -> None:
    from prompt import PlainNative

    prompt = Prompt(PlainNative())
    try:
        assert prompt.run("from mcp import runtime, mcp_servers").status == 0
        cell = prompt.failure("runtime.list_servers_sync()")
        assert cell.type == "mcp.MCPError" and cell.message.startswith("No MCP server can be called from here")
        assert prompt.failure("mcp_github.x()").type == "NameError"
    finally:
        prompt.end()


# --- the official package ---------------------------------------------------------------------------


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A package `mcp` as somebody might install it, with submodules that import each other and it."""
    package = tmp_path / "mcp"
    (package / "server").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import sys\nsys.executed = getattr(sys, 'executed', 0) + 1\nfrom .types import Tool\nfrom .server import Server\nfrom mcp import types\n"
        "class MCPError(Exception): pass\nruntime = 'theirs'\n__version__ = '9'\n"
    )
    (package / "types.py").write_text("class Tool: pass\n")
    (package / "server" / "__init__.py").write_text("import mcp.types as types\nfrom mcp import Tool\nclass Server: tool = Tool\n")
    (package / "server" / "extra.py").write_text("from mcp import Server\n")
    return tmp_path


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("from mcp import Tool\nTool.__module__", "'mcp.types'"),
        ("import mcp.types\nmcp.types.Tool.__name__", "'Tool'"),
        ("from mcp.server import Server\nimport mcp\nmcp.Server is Server", "True"),
        ("import mcp.server.extra\nmcp.server.extra.Server.tool is mcp.types.Tool", "True"),
        ("import mcp\nmcp.Server.__name__, mcp.runtime.__name__", "('Server', 'mcp.runtime')"),
        ("import mcp.server.extra\nimport mcp\nmcp.__version__", "'9'"),
        ("from mcp import MCPError\nMCPError.__mro__[1].__name__", "'RuntimeError'"),
    ],
)
def test_an_official_package_stays_reachable(prompt: Prompt, official: Path, cell: str, value: str) -> None:
    prompt.run(f"import sys; sys.path.insert(0, {str(official)!r}); sys.executed = 0")
    try:
        assert prompt.value(cell) == value
        expected = "0" if "MCPError" in cell else "1"
        assert prompt.value("sys.executed") == expected, "executed once, and only when wanted"
        assert prompt.value("import mcp.servers.github\nfrom mcp import runtime\nruntime.list_servers_sync()[0]") == "'File System'"
    finally:
        sys.path.remove(str(official))


def test_one_that_was_imported_before_gives_way(prompt: Prompt, official: Path) -> None:
    prompt.run(f"import sys; sys.path.insert(0, {str(official)!r}); sys.executed = 0")
    try:
        prompt.run("kept = sys.meta_path[0]; sys.meta_path.remove(kept)")
        prompt.run("__import__('m' + 'cp')")
        assert prompt.value("sys.modules['m' + 'cp'].__version__") == "'9'"
        assert prompt.value("from mcp import runtime, Server\nruntime.list_servers_sync()[0], Server.__name__") == "('File System', 'Server')"
        assert prompt.value("sys.executed") == "1"
    finally:
        sys.path.remove(str(official))


def test_without_one_its_names_say_how_to_get_it(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    sys.path_importer_cache.clear()
    cell = prompt.failure("from mcp import ClientSession")
    assert cell.type == "ModuleNotFoundError" and "%pip install mcp" in cell.message
    assert "%pip install mcp" in prompt.failure("import mcp.types").message


def test_the_real_one_is_reachable_where_it_is_installed(prompt: Prompt) -> None:
    import importlib.metadata

    try:
        importlib.metadata.version("mcp")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the official SDK is not installed here")
    assert prompt.value("from mcp import ClientSession\nimport mcp.types\nClientSession.__name__, mcp.types.Tool.__name__") == "('ClientSession', 'Tool')"
    assert prompt.value("from mcp.client.stdio import stdio_client\nfrom mcp import runtime\nruntime.list_servers_sync()[0]") == "'File System'"
