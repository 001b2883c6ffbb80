"""Calls that sessions' code makes of MCP servers, through the whole server: the channel, its tokens, its bounds and
its ends (docs/code-mode-wire.md), in every room."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.sessions.prompt import Prompt, until  # noqa: E402
from tests.support.raw_client import CellAnswer, RawClient, server_binary  # noqa: E402
from tests.upstream.conftest import servers_of_rooms  # noqa: E402

UPSTREAM = ROOT / "tests" / "support" / "upstream_server.py"
ROOMS = ["inprocess", "process", "sandbox", "container"]

# What the mcp package does for code that says `mcp`: here the channel itself is what is tried.
BEGIN = """
import builtins, sys, json, asyncio
from mcp_runtime.code_mode import channel as wire
wire.attach(builtins.display._session.native)
from mcp_runtime.code_mode.channel import channel, CallError
def call(tool, server="one", **arguments):
    return channel().request("call", server=server, tool=tool, arguments=arguments)["content"][0]["text"]
async def acall(tool, server="one", **arguments):
    return (await channel().submit("call", server=server, tool=tool, arguments=arguments))["content"][0]["text"]
def kind(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except CallError as error:
        return error.kind
"""


def configuration(folder: Path) -> str:
    servers = {
        name: {"command": "/usr/bin/env", "args": ["python3", str(UPSTREAM), "--era", era]}
        for name, era in (("one", "modern"), ("two", "handshake"))
    }
    servers["broken"] = {"command": "/usr/bin/env", "args": ["python3", str(UPSTREAM), "--die"]}
    path = folder / "servers.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    folder.chmod(0o755)
    return str(path)


@pytest.fixture(scope="session", autouse=True)
def server_is_built() -> None:
    if not Path(server_binary()).exists():
        pytest.exit(f"there is no server at {server_binary()}; run ./dev build, or set PYEMBER_BINARY", 2)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="calls-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[RawClient]:
    environment = {"MCP_BRIDGE_STATE_DIR": str(folder / "bridge")}
    with RawClient(["serve", "--max-sessions", "300", "--upstreams", configuration(folder)],
                   environment=environment) as client:
        yield client
        assert client.alive(), "the server died during the tests of this module"


@pytest.fixture(scope="module")
def client_of(client: RawClient, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RawClient]]:
    with servers_of_rooms(client, {"PYEMBER_UPSTREAMS": configuration(folder)}, tmp_path_factory) as find:
        yield find


@pytest.fixture(params=ROOMS)
def prompt(request: pytest.FixtureRequest, client_of: Callable[[str], RawClient]) -> Iterator[Prompt]:
    prompt = Prompt(client_of(request.param), request.param)
    assert prompt.run(BEGIN).status == "completed"
    yield prompt
    prompt.close()


@pytest.fixture
def here(client: RawClient) -> Iterator[Prompt]:
    prompt = Prompt(client, "inprocess")
    assert prompt.run(BEGIN).status == "completed"
    yield prompt
    prompt.close()


@pytest.fixture
def worker(client: RawClient) -> Iterator[Prompt]:
    prompt = Prompt(client, "process", undo=3)
    assert prompt.run(BEGIN).status == "completed"
    yield prompt
    prompt.close()


def test_a_tool_is_called_and_answers(prompt: Prompt) -> None:
    assert prompt.value("call('echo', text='häh')") == "'häh'"
    assert prompt.value("call('echo', server='two', text='again')") == "'again'"


def test_twenty_calls_in_gather_are_under_way_together(prompt: Prompt) -> None:
    code = """
async def all_of_them():
    return await asyncio.gather(*[acall('sleep', seconds=1.5) for _ in range(20)])
len(await all_of_them()), json.loads(call('about'))['most'] >= 15
"""
    assert prompt.value(code) == "(20, True)"


def test_an_answer_of_ten_megabytes_arrives_whole(prompt: Prompt) -> None:
    assert prompt.value("len(call('large', bytes=10_000_000))") == "10000000"
    assert prompt.value("call('echo', text='x' * 3_000_000) == 'x' * 3_000_000") == "True"


def test_the_next_cell_goes_on_with_a_token_of_its_own(prompt: Prompt) -> None:
    assert prompt.value("token = channel()._token; call('echo', text='1'); old = channel()._token; len(old)") == "32"
    assert prompt.value("call('echo', text='2')") == "'2'"
    assert prompt.value("channel()._token not in (old, b'')") == "True"


def test_what_a_cell_left_behind_is_cancelled_with_its_end(prompt: Prompt) -> None:
    assert prompt.value("left = channel().submit('call', server='one', tool='sleep', arguments={'seconds': 60}); "
                        "call('echo', text='')") == "''"
    assert prompt.value("kind(left.result)") == "'cancelled'"


def test_a_call_is_stopped_in_the_middle_and_the_next_one_works(prompt: Prompt) -> None:
    answer = prompt.run("call('sleep', seconds=60)", timeout=1)
    assert answer.status == "timed_out", answer
    assert prompt.value("call('echo', text='after')") == "'after'"
    answer = prompt.run("await acall('sleep', seconds=60)", timeout=1)
    assert answer.status == "timed_out", answer
    assert prompt.value("await acall('echo', text='after')") == "'after'"


def test_progress_comes_before_the_answer(prompt: Prompt) -> None:
    code = """
told = []
channel().request('call', progress=lambda *step: told.append(step), server='one', tool='steps', arguments={'count': 3})
told
"""
    assert prompt.value(code) == "[(1, 3, None), (2, 3, None), (3, 3, None)]" or "1.0" in str(prompt.value("told"))


def test_errors_have_their_kind(prompt: Prompt) -> None:
    assert prompt.value("kind(call, 'echo', server='three')") == "'unknown_server'"
    assert prompt.value("kind(call, 'ecko')") == "'unknown_tool'"
    assert prompt.value("kind(call, 'refuse')") == "'upstream'"
    assert prompt.value("kind(call, 'echo', server='broken')") == "'start'"
    assert prompt.value("kind(channel().request, 'nothing')") == "'arguments'"
    assert prompt.value("kind(channel().request, 'call', server='one', tool='echo', arguments=[1])") == "'arguments'"
    assert prompt.value("kind(channel().request, 'call', timeout=0.5, server='one', tool='sleep', arguments={'seconds': 60})") == "'timeout'"


def test_an_upstream_that_dies_is_an_error_and_then_another(prompt: Prompt) -> None:
    assert prompt.value("kind(call, 'die', of='boredom')") == "'lost'"
    assert prompt.value("call('echo', text='alive')") == "'alive'"


def test_servers_and_tools_are_described(prompt: Prompt) -> None:
    code = "[sorted(each['name'] for each in channel().request(op)) for op in ('discovered', 'servers')]"
    assert prompt.value(code) == "[['broken', 'one', 'two'], ['broken', 'one', 'two']]"
    assert prompt.value("[each['name'] for each in channel().request('tools', server='one')][:2]") == "['echo', 'about']"
    assert prompt.value("channel().request('describe', server='two')['tools'][:2]") == "['echo', 'about']"
    assert prompt.value("channel().request('docs', server='one', tool='echo', detail='full')[0]['toolAlias']") == "'echo'"
    assert prompt.value("channel().request('search', query='echo')[0]['name']") == "'echo'"
    assert prompt.value("{'one', 'two'} <= {each['name'] for each in channel().request('loaded')}") == "True"


def test_forged_frames_and_old_tokens_are_refused(prompt: Prompt) -> None:
    code = """
import os
call('echo', text='')
ours = channel()
def forge(**frame):
    text = json.dumps(frame).encode()
    os.write(ours._calls, len(text).to_bytes(4, 'little') + text)
forged = wire.Pending(ours, b'', None)
forged._renewed = True  # not to be sent again by the channel, with a good token
ours._under_way[900] = forged
forge(id=900, token='0' * 32, op='call', server='one', tool='echo', arguments={})
first = kind(forged.result)
another = wire.Pending(ours, b'', None)
another._renewed = True
ours._under_way[901] = another
forge(id=901, op='call', server='one', tool='echo', arguments={})
first, kind(another.result)
"""
    assert prompt.value(code) == "('token', 'token')"
    assert prompt.value("call('echo', text='on')") == "'on'"


def test_what_is_no_frame_ends_the_channel_and_not_the_server(prompt: Prompt) -> None:
    assert prompt.value("import os; call('echo', text=''); os.write(channel()._calls, b'\\xff' * 8)") == "8"
    kinds = prompt.value("kind(call, 'echo', text='x')")
    assert kinds in ("'lost'", "'no_channel'"), kinds
    again = prompt.value("kind(call, 'echo', text='x')")
    assert again in ("'x'", "'no_channel'"), again
    prompt.tool("reset_session")
    assert prompt.run(BEGIN).status == "completed"
    assert prompt.value("call('echo', text='anew')") == "'anew'"


def test_a_reset_session_calls_anew(prompt: Prompt) -> None:
    assert prompt.value("call('echo', text='before')") == "'before'"
    prompt.tool("reset_session")
    assert prompt.run(BEGIN).status == "completed"
    assert prompt.value("call('echo', text='after')") == "'after'"


def test_threads_call_while_the_cell_runs(prompt: Prompt) -> None:
    code = """
import threading
found = []
threads = [threading.Thread(target=lambda: found.append(call('echo', text='t'))) for _ in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
''.join(found)
"""
    assert prompt.value(code) == "'tttt'"


def test_three_hundred_calls_wait_for_their_turn(prompt: Prompt) -> None:
    code = """
pending = [channel().submit('call', server='one', tool='echo', arguments={'text': str(i)}) for i in range(300)]
[each.result()['content'][0]['text'] for each in pending] == [str(i) for i in range(300)]
"""
    assert prompt.value(code) == "True"


def test_a_tool_is_saved_replaced_and_deleted(here: Prompt) -> None:
    save = "channel().request('save_tool', name='double', source={!r})['message']"
    assert "double" in str(here.value(save.format("def double(x):\n    return 2 * x\n")))
    assert "double" in str(here.value(save.format("def double(x):\n    return x + x\n")))
    assert here.value("found = channel().request('saved_tools'); found['names'], 'x + x' in found['source'], '2 * x' in found['source']") == "(['double'], True, False)"
    for source in ("x = 1", "def other(): pass", "import os\ndef double(): pass"):
        assert here.value(f"kind(channel().request, 'save_tool', name='double', source={source!r})") == "'arguments'"
    assert here.value("channel().request('delete_tool', name='double'); channel().request('saved_tools')['names']") == "[]"
    assert here.value("kind(channel().request, 'delete_tool', name='double')") == "'arguments'"


def test_a_forked_child_has_no_channel(worker: Prompt) -> None:
    code = """
import os
call('echo', text='')
pid = os.fork()
if pid == 0:
    os._exit(7 if kind(call, 'echo', text='x') == 'no_channel' else 8)
os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), call('echo', text='here')
"""
    assert worker.value(code) == "(7, 'here')"


def test_a_session_that_was_undone_has_a_channel(worker: Prompt) -> None:
    assert worker.value("n = 1; call('echo', text='one')") == "'one'"
    assert worker.value("n = 2; call('echo', text='two')") == "'two'"
    assert not worker.tool("undo_session", steps=1).is_error
    assert worker.value("n, call('echo', text='undone')") == "(1, 'undone')"


def test_a_copy_has_a_channel_of_its_own(worker: Prompt) -> None:
    assert worker.value("call('echo', text='one')") == "'one'"
    order = {"session": worker.name, "name": f"{worker.name}-copy"}
    copied = CellAnswer(worker.client.send_tool("fork_session", order), 60)
    assert not copied.is_error, copied
    copy = Prompt(worker.client, "process")
    copy.name, copy._first = f"{worker.name}-copy", {}
    assert copy.value("call('echo', text='copy')") == "'copy'"
    assert worker.value("call('echo', text='original')") == "'original'"
    copy.close()


def test_candidates_of_a_race_call(worker: Prompt) -> None:
    codes = ["found = call('echo', text='a')", "call('sleep', seconds=60)"]
    answer = worker.client.tool("run_python", session=worker.name, code=codes, branch=True, pick="first_ok")
    assert not answer.is_error, answer
    assert worker.value("found") == "'a'"


def test_a_lost_session_leaves_nothing_under_way(worker: Prompt) -> None:
    answer = worker.run("channel().submit('call', server='one', tool='sleep', arguments={'seconds': 60}); import os; os.kill(os.getpid(), 9)")
    assert answer.status == "lost", answer
    assert worker.run(BEGIN).status == "completed"
    assert worker.value("call('echo', text='anew')") == "'anew'"


def test_a_session_that_calls_nothing_has_nothing_open(client: RawClient) -> None:
    """In the server's process: pipes are made when they are first asked for."""
    def pipes() -> int:
        return sum(os.readlink(f"/proc/{client.pid}/fd/{name}").startswith("pipe:")
                   for name in os.listdir(f"/proc/{client.pid}/fd") if os.path.islink(f"/proc/{client.pid}/fd/{name}"))

    prompt = Prompt(client, "inprocess")
    prompt.run("1")
    before = pipes()
    prompt.run("2")
    assert pipes() == before
    prompt.run(BEGIN + "call('echo', text='')")
    assert pipes() == before + 2  # the server's ends
    prompt.close()
    until(lambda: pipes() < before, "the end of the pipes")


def test_every_call_is_written_down(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="audit-") as state:
        with RawClient(["serve", "--upstreams", configuration(folder)], environment={"PYEMBER_STATE_DIR": state}) as client:
            prompt = Prompt(client, "inprocess")
            prompt.run(BEGIN)
            prompt.run("call('echo', text='secret')\nkind(call, 'refuse')")
        text = (Path(state) / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["server"], line["tool"] if "tool" in line else line["name"], line["outcome"]) for line in lines] == [
        ("one", "echo", "ok"), ("one", "refuse", "upstream")]
    assert "secret" not in text


def test_an_upstream_that_is_killed_in_the_middle_of_calls_is_another_for_the_next(worker: Prompt) -> None:
    code = """
async def kind_of(tool, **named):
    try:
        return await acall(tool, **named)
    except CallError as error:
        return error.kind
found = []
for _ in range(50):
    found += await asyncio.gather(kind_of('sleep', seconds=60), kind_of('sleep', seconds=60), kind_of('die'))
    found.append(await kind_of('echo', text='next'))
{each: found.count(each) for each in found}
"""
    assert worker.value(code, timeout=280, wait=290.0) == "{'lost': 150, 'next': 50}"


def test_a_run_that_names_servers_has_no_others(folder: Path) -> None:
    arguments = ["serve", "--profile", "code", "--isolation", "inprocess", "--upstreams", configuration(folder)]
    with RawClient(arguments) as client:
        code = BEGIN + "print(kind(call, 'echo', server='{}', text='yes'))"
        given = [client.tool("run_python", code=code.format(server), servers=["two", "two"]) for server in ("two", "one")]
        assert [each.structured["stdout"] for each in given] == [["yes"], ["not_available"]]
        unknown = client.tool("run_python", code="1", servers=["three"])
        assert unknown.is_error and "Unknown MCP server: three" in unknown.text
        assert client.tool("run_python", code=code.format("one")).structured["stdout"] == ["yes"]
