"""The server as code mode's clients start it: its command and variables, its one tool, and what that answers."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.analysis import ANALYSIS  # noqa: E402
from tests.support.raw_client import CellAnswer, RawClient, children, server_binary  # noqa: E402
from tests.support.waiting import until  # noqa: E402
from tests.support.world import find_uv, write_wheel  # noqa: E402

COMMAND = "mcp-server-code-execution-mode"
CAPABILITIES = f"resource://{COMMAND}/capabilities"
DEADLINE = 60.0
# A picture of one dot.
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# The protocol of a server of the handshake era, before which stand its `name`, `tools` and call().
SERVER = """
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] == "initialize":
        answer["result"] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": name, "version": "1"}}
    elif message["method"] == "tools/list":
        answer["result"] = {"tools": tools}
    elif message["method"] == "tools/call":
        answer["result"] = {"content": [{"type": "text", "text": call(message["params"]["name"], message["params"]["arguments"])}]}
    else:
        answer["error"] = {"code": -32601, "message": "Method not found"}
    print(json.dumps(answer), flush=True)
"""
MANY_TOOLS = """
import json, sys
name = "many"
tools = [{"name": f"tool_{n}", "description": "does something " * 20, "inputSchema": {"type": "object"}} for n in range(300)]
""" + SERVER
FILES = """
import json, sys
from pathlib import Path
name = "files"
root = Path(sys.argv[0]).parent / "files"
text = {"type": "string"}
tools = [{"name": "read_file", "description": "Reads a file", "inputSchema": {"type": "object", "properties": {"path": text}, "required": ["path"]}},
         {"name": "write_file", "description": "Writes a file", "inputSchema": {"type": "object", "properties": {"path": text, "content": text}, "required": ["path", "content"]}}]
def call(name, arguments):
    path = root / arguments["path"].lstrip("/")
    if name == "read_file":
        return path.read_text()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(arguments["content"])
    return "written"
""" + SERVER


class Place:
    """A user's folders, of whom the server under test knows nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.chmod(0o755)
        self.home = root / "home"
        for name in ("home", "work", "wheels"):
            (root / name).mkdir()
        self.command = root / COMMAND
        self.command.symlink_to(server_binary())
        write_wheel(root / "wheels", "tabulate", "9.9", {"tabulate.py": "def tabulate():\n    return 'a table'\n"})

    def variables(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("PYEMBER_", "MCP_", "XDG_", "UV_")) and name != "VIRTUAL_ENV"}
        return {**kept, "HOME": str(self.home), "PYTHON_MCP_META": str(self.root / "meta"),
                "PYEMBER_STATE_DIR": str(self.root / "state"), "PYEMBER_UV": find_uv(),
                "UV_CACHE_DIR": str(self.root / "uv"), "UV_OFFLINE": "1", "UV_FIND_LINKS": str(self.root / "wheels"),
                "UV_PYTHON_DOWNLOADS": "never", **more}

    def start(self, *arguments: str, stderr: Any = subprocess.DEVNULL, **more: str) -> RawClient:
        return RawClient(command=[str(self.command), *arguments], variables=self.variables(**more),
                         cwd=str(self.root / "work"), stderr=stderr)

    def configure(self, name: str, code: str) -> None:
        """An MCP server that the code may call."""
        script = self.root / f"{name}.py"
        script.write_text(code)
        (self.home / "MCPs").mkdir(exist_ok=True)
        (self.home / "MCPs" / f"{name}.json").write_text(
            json.dumps({"mcpServers": {name: {"command": sys.executable, "args": [str(script)]}}}))


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("bridge")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    return Place(folder)


@pytest.fixture
def client(place: Place) -> Iterator[RawClient]:
    """In the server's process, where what is asked has nothing to do with where code runs."""
    with place.start("run", "--isolation", "inprocess") as started:
        yield started


def text(answer: CellAnswer) -> str:
    return str(answer.content[0]["text"])


def run(client: RawClient, code: str, **arguments: Any) -> CellAnswer:
    return client.tool("run_python", DEADLINE, code=code, **arguments)


# --- commands ----------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("arguments", [[], ["run"]])
async def test_the_command_is_a_server_of_that_name_with_one_tool(place: Place, mode: str, arguments: list[str]) -> None:
    server = StdioServerParameters(command=str(place.command), args=arguments, env=place.variables())
    async with Client(server, mode=mode, read_timeout_seconds=DEADLINE) as client:
        assert client.server_info is not None
        assert client.server_info.name == COMMAND
        assert [tool.name for tool in (await client.list_tools()).tools] == ["run_python"]
        answer = await client.call_tool("run_python", {"code": "x = 20\nx + 1"})
        assert [block.text for block in answer.content] == ["21"]
        assert answer.structured_content == {"stdout": ["21"]}
        assert [str(each.uri) for each in (await client.list_resources()).resources] == [CAPABILITIES]


@pytest.mark.anyio
async def test_the_module_starts_the_same_server(place: Place) -> None:
    environment = place.variables(PYTHONPATH=str(ROOT / "python"), PYEMBER_BINARY=server_binary())
    server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_code_execution_mode"], env=environment)
    async with Client(server, read_timeout_seconds=DEADLINE) as client:
        assert client.server_info is not None
        assert client.server_info.name == COMMAND


def test_the_profile_under_pyembers_own_name_keeps_that_name(place: Place) -> None:
    with RawClient(["serve", "--profile", "code"], variables=place.variables()) as client:
        answer = client.handshake()
        assert answer["result"]["serverInfo"]["name"] == "pyember"
        assert [tool["name"] for tool in client.request("tools/list")["result"]["tools"]] == ["run_python"]


# --- the listing ---------------------------------------------------------------------------------------


def listing(client: RawClient) -> str:
    (tool,) = client.request("tools/list")["result"]["tools"]
    return "".join(json.dumps(tool[name], separators=(",", ":")) for name in ("name", "description", "inputSchema"))


def test_the_listing_is_the_same_with_no_tool_behind_it_and_with_300(place: Place) -> None:
    with place.start("--isolation", "inprocess") as client:
        alone = listing(client)
    place.configure("many", MANY_TOOLS)
    with place.start("--isolation", "inprocess") as client:
        found = run(client, "len(await runtime.list_tools('many'))")
        assert text(found) == "300", found
        assert listing(client) == alone
    assert len(alone.encode()) / 4 <= 250


# --- answers -------------------------------------------------------------------------------------------


def test_a_last_expression_is_shown_and_names_stay(client: RawClient) -> None:
    assert text(run(client, "1+1")) == "2"
    assert run(client, "x = 5").structured == {"summary": "Success (no output)"}
    assert run(client, "print('alpha')\nprint()\nprint('beta')\nx").structured == {"stdout": ["alpha", "beta", "5"]}
    assert text(run(client, "import asyncio\nawait asyncio.sleep(0, 'awaited')")) == "'awaited'"
    assert text(run(client, "print(())")) == "Success (no output)"


def test_an_exception_is_told_with_its_traceback(client: RawClient) -> None:
    answer = run(client, "print('before')\n1/0")
    assert answer.is_error
    assert text(answer).startswith("status: error\nexit: 1\nbefore\nstderr:\nTraceback")
    assert text(answer).endswith("ZeroDivisionError: division by zero")
    fields = answer.structured
    assert (fields["status"], fields["exitCode"], fields["stdout"]) == ("error", 1, ["before"])
    assert fields["error"] == "Sandbox exited with code 1"
    assert fields["summary"] == "Sandbox error: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(("code", "exit_code"), [("exit()", 0), ("import sys; sys.exit(3)", 3), ("raise SystemExit('bad')", 1)])
def test_a_cell_that_exits_has_the_exit_code_and_the_session_stays(client: RawClient, code: str, exit_code: int) -> None:
    run(client, "kept = 1")
    answer = run(client, code)
    assert answer.is_error == (exit_code != 0)
    assert answer.structured.get("exitCode", 0) == exit_code
    assert text(run(client, "kept")) == "1"


def test_what_a_cell_shows_follows_the_text(client: RawClient) -> None:
    code = f"import base64\nclass Picture:\n    def _repr_png_(self): return base64.b64decode({DOT!r})\nPicture()"
    answer = run(client, code)
    assert not answer.is_error
    assert [block["type"] for block in answer.content][:2] == ["text", "image"], answer


def test_input_has_nobody_to_ask(client: RawClient) -> None:
    assert run(client, "input()").structured["exitCode"] == 1
    assert text(run(client, "'still here'")) == "'still here'"


def test_wrong_arguments_are_told_in_short(client: RawClient) -> None:
    for arguments, error in [({}, "Missing 'code' argument"), ({"code": " "}, "Missing 'code' argument"),
                             ({"code": "1", "servers": "x"}, "'servers' must be a list"),
                             ({"code": "1", "timeout": "5"}, "'timeout' must be an integer")]:
        answer = CellAnswer(client.send_tool("run_python", arguments), DEADLINE)
        assert answer.is_error
        assert (answer.status, answer.structured["error"]) == ("validation_error", error)
    answer = client.tool("read_file", DEADLINE, path="/etc/hosts")
    assert (answer.status, answer.structured["error"]) == ("error", "Unknown tool: read_file")


def test_a_server_that_is_not_configured_is_told_of_before_anything_runs(client: RawClient) -> None:
    answer = run(client, "ran = True", servers=["nope", "nope"])
    assert (answer.status, answer.structured["error"]) == ("validation_error", "Unknown MCP server: nope")
    assert text(run(client, "'ran' in globals()")) == "False"


def test_a_run_whose_server_dies_is_answered_in_the_same_form(place: Place) -> None:
    with RawClient(command=[str(place.command), "--isolation", "inprocess"], variables=place.variables(PYEMBER_NO_SUPERVISOR="0"),
                   cwd=str(place.root / "work"), supervised=True) as client:
        assert text(run(client, "1")) == "1"
        begun = place.root / "begun"
        pending = client.send_tool("run_python", {"code": f"open({str(begun)!r}, 'w').close()\nimport time; time.sleep(600)"})
        until(begun.exists, "the run does not begin", DEADLINE)
        (server,) = children(client.process.pid)
        os.kill(server, signal.SIGKILL)
        answer = CellAnswer(pending, DEADLINE)
        assert answer.is_error
        assert (answer.status, answer.structured["summary"]) == ("error", "Sandbox error: the session was lost")
        assert text(answer).startswith("status: error\nSandbox error: the session was lost\nerror: The server died")
        assert text(run(client, "2")).startswith("2")


def test_resources_that_nobody_has_are_unknown_in_both_eras(place: Place) -> None:
    for era in ("modern", "handshake"):
        with place.start("--isolation", "inprocess") as client:
            if era == "handshake":
                client.handshake("2025-11-25")
            error = client.request("resources/read", {"uri": "resource://nobody/has"})["error"]
            assert (error["code"], error["message"]) == (-32602, "Unknown resource: resource://nobody/has")
            body = client.request("resources/read", {"uri": CAPABILITIES})["result"]["contents"][0]
            assert body["text"].startswith("# Code Execution MCP Capabilities")


# --- variables -----------------------------------------------------------------------------------------


def test_a_timeout_is_the_variables_and_the_session_survives_it(place: Place) -> None:
    with place.start("--isolation", "inprocess", MCP_BRIDGE_TIMEOUT="1") as client:
        run(client, "kept = 'kept'")
        answer = run(client, "print('begun', flush=True)\nwhile True: pass")
        assert answer.structured["summary"] == "Timeout: execution exceeded 1s"
        assert (answer.status, answer.structured["stdout"], answer.structured["timeoutSeconds"]) == ("timeout", ["begun"], 1)
        assert text(run(client, "kept")) == "'kept'"


def test_all_fields_are_told_as_toon_when_asked_for(place: Place) -> None:
    with place.start("--isolation", "inprocess", MCP_BRIDGE_OUTPUT_MODE="toon") as client:
        answer = run(client, "print('a')\nprint('b')")
        assert text(answer) == "```toon\nstatus: success\nsummary: Success\nexitCode: 0\nstdout[2]: a,b\n```"
        assert answer.structured == {"status": "success", "summary": "Success", "exitCode": 0, "stdout": ["a", "b"]}
        assert '"ValueError: boom"' in text(run(client, "raise ValueError('boom')"))


def test_nothing_stays_where_sessions_are_not_to(place: Place) -> None:
    with place.start("--isolation", "inprocess", MCP_BRIDGE_SESSION_PERSIST="false") as client:
        for _ in range(5):
            assert text(run(client, "'x' in globals()")) == "False"
            run(client, "x = 1")


def test_values_that_cannot_be_used_are_told_of_and_the_server_starts(place: Place) -> None:
    with place.start("--isolation", "inprocess", stderr=subprocess.PIPE, MCP_BRIDGE_TIMEOUT="soon",
                     MCP_BRIDGE_OUTPUT_MODE="xml") as client:
        assert text(run(client, "1")) == "1"
        client.close()
        said = client.process.stderr.read().decode()
        assert "MCP_BRIDGE_TIMEOUT is 'soon'" in said
        assert "MCP_BRIDGE_OUTPUT_MODE is 'xml'" in said


def test_a_container_runtime_that_is_not_there_is_an_error_of_the_run_alone(place: Place) -> None:
    with place.start("run", MCP_BRIDGE_RUNTIME="no-such-podman") as client:
        assert client.request("tools/list")["result"]["tools"]
        answer = run(client, "1")
        assert answer.is_error
        assert "No container runtime found" in answer.structured["error"]
        assert "MCP_BRIDGE_RUNTIME" in answer.structured["error"]


# --- the sandbox ---------------------------------------------------------------------------------------


@pytest.fixture
def enclosed(place: Place) -> Iterator[RawClient]:
    with place.start("run") as started:
        answer = run(started, "1")
        if "The sandbox can't be used" in answer.text:
            pytest.skip(answer.structured["error"])
        yield started


def test_code_runs_in_a_sandbox_whose_files_stay_for_the_next_call(place: Place, enclosed: RawClient) -> None:
    (place.home / "secret").write_text("of the user")
    assert run(enclosed, f"open({str(place.home / 'secret')!r})").structured["exitCode"] == 1
    assert run(enclosed, "open('/data.txt', 'w')").structured["exitCode"] == 1
    run(enclosed, "open('/tmp/kept', 'w').write('kept')")
    assert text(run(enclosed, "open('/tmp/kept').read()")) == "'kept'"
    assert text(run(enclosed, "__name__")) == "'__main__'"
    assert text(run(enclosed, "import subprocess\nsubprocess.run(['ls', '/tmp'], capture_output=True, text=True).stdout")) == "'kept\\n'"
    refused = run(enclosed, "1", isolation="inprocess")
    assert refused.structured["error"] == "Unknown argument 'isolation'"


def test_a_well_known_package_that_is_missing_is_installed_and_told(enclosed: RawClient) -> None:
    answer = run(enclosed, "import tabulate\ntabulate.tabulate()")
    assert answer.structured["stdout"] == ["'a table'"], answer
    assert answer.notices == ["Installed: tabulate 9.9."]
    again = run(enclosed, "import tabulate\ntabulate.tabulate()")
    assert again.structured == {"stdout": ["'a table'"]}


def test_a_package_that_cannot_be_had_is_left_out_with_the_reason(enclosed: RawClient) -> None:
    code = "try:\n    import xmltodict\nexcept ImportError:\n    print('without')"
    answer = run(enclosed, code)
    assert answer.structured.get("stdout") == ["without"], answer
    assert len(answer.notices) == 1
    assert answer.notices[0].startswith("The code imports xmltodict, which could not be installed:")
    assert run(enclosed, code).structured == {"stdout": ["without"]}


def test_an_analysis_with_pandas_and_matplotlib_needs_no_word_about_packages(place: Place) -> None:
    """Needs the package index, or uv's own cache of the user who runs the tests."""
    (place.root / "files" / "data").mkdir(parents=True)
    (place.root / "files" / "data" / "sales.csv").write_text("month,revenue\n2025-01,10\n2025-01,5\n2025-02,7\n")
    place.configure("filesystem", FILES)
    own = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
    cache = os.environ.get("UV_CACHE_DIR") or subprocess.run([find_uv(), "cache", "dir"], capture_output=True, text=True,
                                                             check=True).stdout.strip()
    with place.start("run", **{"UV_OFFLINE": "0", **own, "UV_CACHE_DIR": cache}) as client:
        answer = CellAnswer(client.send_tool("run_python", {"code": ANALYSIS}), 6 * DEADLINE)
        if "The sandbox can't be used" in answer.text or "could not be installed" in answer.text:
            pytest.skip(answer.text[:1000])
        assert answer.structured["stdout"] == ["Analyzed 3 records, saved chart"], answer
        assert "Installed: matplotlib" in answer.notices[0]
        assert "pandas" in answer.notices[0]
        written = (place.root / "files" / "reports" / "revenue.png").read_text()
        assert base64.b64decode(written).startswith(b"\x89PNG")


def test_packages_are_not_installed_where_that_is_switched_off(place: Place) -> None:
    with place.start("--isolation", "process", "--import-packages", "off") as client:
        answer = run(client, "import tabulate")
        assert "No module named 'tabulate'" in text(answer)
        assert "%pip install tabulate" in " ".join(answer.notices)


def test_a_session_that_was_lost_is_told_of(enclosed: RawClient) -> None:
    run(enclosed, "kept = 1")
    lost = run(enclosed, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert lost.is_error
    assert lost.structured["summary"] == "Sandbox error: the session was lost"
    after = run(enclosed, "'kept' in globals()")
    assert after.structured["stdout"] == ["False"]
    assert "was lost" in after.notices[0]
    assert "notice: Session 'main' was lost" in text(after)
