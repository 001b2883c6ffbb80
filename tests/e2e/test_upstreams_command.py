"""What people type about the MCP servers behind this one: pyember upstreams list, test and import."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import DEADLINE, Finished, pyember
from tests.support.raw_client import server_binary
from tests.support.world import World, make_world

UPSTREAM = str(Path(__file__).resolve().parents[1] / "support" / "upstream_server.py")
SECRET = "a-very-secret-value"

# A server written with the official SDK, which speaks both eras.
OFFICIAL = '''
from mcp.server.mcpserver import MCPServer

server = MCPServer("official")

@server.tool()
def add(one: int, other: int) -> int:
    """Adds two numbers."""
    return one + other

server.run()
'''


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def upstreams(world: World, *arguments: str, **variables: str) -> Finished:
    return pyember(world, "upstreams", *arguments, **variables)


def as_json(world: World, *arguments: str, **variables: str) -> Any:
    done = upstreams(world, *arguments, "--json", **variables)
    assert done.out, done
    return json.loads(done.out)


def scripted(*arguments: str, **more: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": [UPSTREAM, *arguments], **more}


def define(path: Path, **servers: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


def own(world: World, **servers: Any) -> Path:
    return define(world.home / "MCPs" / "servers.json", **servers)


def on_a_terminal(world: World, answer: str, *arguments: str) -> str:
    """What the terminal was sent; `answer` is typed at each question."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(world.work)
        os.execve(server_binary(), [server_binary(), "upstreams", *arguments], {**world.variables(), "TERM": "dumb"})
    shown, answered, end = b"", 0, time.monotonic() + DEADLINE
    try:
        while time.monotonic() < end:
            if select.select([screen], [], [], 0.2)[0]:
                try:
                    chunk = os.read(screen, 65536)
                except OSError:  # the other side is closed
                    break
                if not chunk:
                    break
                shown += chunk
            while shown.count(b"[y/N]") > answered:
                answered += 1
                os.write(screen, answer.encode() + b"\n")
        os.waitpid(pid, 0)
    finally:
        os.close(screen)
    return shown.decode()


# --- list ---------------------------------------------------------------------------------------------


def test_without_upstreams_the_list_says_how_to_define_one(world: World) -> None:
    done = upstreams(world)
    assert done.code == 0 and "No MCP servers are configured" in done.out and "mcpServers" in done.out, done


def test_the_list_shows_where_each_comes_from_and_how_it_is_started_without_secrets(world: World) -> None:
    path = own(world, clock={"command": "uvx", "args": ["mcp-server-time", "--token", SECRET], "env": {"KEY": SECRET},
                             "description": "Clocks"},
               hosted={"url": f"https://me:{SECRET}@example.com/mcp?key={SECRET}", "headers": {"X-Key": SECRET}})
    done = upstreams(world, "list")
    assert done.code == 0 and SECRET not in done.out + done.err, done
    assert "uvx mcp-server-time --token ***" in done.out and "~/MCPs/servers.json" in done.out, done
    listed = as_json(world, "list")
    assert SECRET not in json.dumps(listed)
    clock, hosted = listed["servers"]
    assert clock == {"name": "clock", "alias": "clock", "kind": "stdio", "start": "uvx mcp-server-time --token ***",
                     "source": str(path), "description": "Clocks", "env": ["KEY"], "tools": None}
    assert hosted["kind"] == "http" and hosted["headers"] == ["X-Key"], hosted


def test_the_list_starts_nothing_and_knows_the_tools_once_they_were_tried(world: World) -> None:
    own(world, one=scripted("--era", "modern"))
    assert as_json(world, "list")["servers"][0]["tools"] is None
    assert "tools not known yet" in upstreams(world).out
    assert upstreams(world, "test").code == 0
    one = as_json(world)["servers"][0]
    assert "echo" in one["tools"] and one["schema_tokens"] > 0 and one["start_seconds"] > 0, one
    listing = upstreams(world).out
    assert f"{len(one['tools'])} tools, about" in listing and ", started in " in listing


def test_what_is_wrong_with_the_configuration_is_listed_and_ends_nothing(world: World) -> None:
    own(world, good=scripted(), empty={}, unset=scripted(env={"A": "${PYEMBER_NO_SUCH}"}))
    (world.home / "MCPs" / "broken.json").write_text("{")
    done = upstreams(world, "list", PYEMBER_UPSTREAMS="/nowhere/servers.json")
    assert done.code == 0, done
    for part in ["good", "neither a command nor a url", "PYEMBER_NO_SUCH, which is not set", "broken.json is not read",
                 "/nowhere/servers.json is not read"]:
        assert part in done.out, (part, done)


def test_files_are_named_by_the_option_before_or_behind_the_command(world: World, tmp_path: Path) -> None:
    path = str(define(tmp_path / "mine.json", mine=scripted()))
    assert as_json(world, "list", "--upstreams", path)["servers"][0]["name"] == "mine"
    before = subprocess.run([server_binary(), "--upstreams", path, "upstreams", "--json"], cwd=world.work,
                            env=world.variables(), capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert json.loads(before.stdout)["servers"][0]["name"] == "mine"


def test_an_unknown_name_is_told_with_the_nearest(world: World) -> None:
    own(world, github=scripted())
    for action in ("list", "test"):
        done = upstreams(world, action, "gihtub")
        assert done.code == 1 and "gihtub" in done.err and "github" in done.err, done


# --- test ---------------------------------------------------------------------------------------------


def test_each_is_started_and_says_when_and_with_which_tools(world: World) -> None:
    script = world.work / "official.py"
    script.write_text(OFFICIAL)
    own(world, modern=scripted("--era", "modern"), handshake=scripted("--era", "handshake"),
        official={"command": sys.executable, "args": [str(script)]})
    modern, handshake, official = as_json(world, "test")["servers"]
    assert modern["ok"] and modern["era"] == "modern" and modern["protocol"] == "2026-07-28", modern
    assert handshake["ok"] and handshake["era"] == "handshake", handshake
    assert official["ok"] and official["tools"] == ["add"] and official["server"]["name"] == "official", official
    assert all(0 < each["start_seconds"] < DEADLINE for each in (modern, handshake, official))
    shown = upstreams(world, "test", "official")
    assert shown.code == 0 and "started in" in shown.out and "1 tool, about" in shown.out, shown


def test_one_that_dies_is_told_with_what_it_said_last_and_the_others_go_on(world: World) -> None:
    own(world, dies=scripted("--die"), missing={"command": "no-such-program-of-mine"}, fine=scripted())
    done = upstreams(world, "test")
    assert done.code == 1 and "failed" in done.out and "started in" in done.out, done
    dies, missing, fine = as_json(world, "test")["servers"]
    assert not dies["ok"] and dies["kind"] == "start" and "there is no such database" in dies["error"], dies
    assert not missing["ok"] and "no-such-program-of-mine" in missing["error"], missing
    assert fine["ok"]


def test_one_that_hangs_is_given_up_and_leaves_no_process(world: World) -> None:
    marker = f"--marker-{os.getpid()}-{time.monotonic_ns()}"
    own(world, hangs={"command": "/bin/sh", "args": ["-c", f"sleep 1000; : {marker}"]})
    (hangs,) = as_json(world, "test", "--start-timeout", "2")["servers"]
    assert not hangs["ok"] and hangs["error"], hangs
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
    assert not any(marker.encode() in command for command in commands)


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


# --- import -------------------------------------------------------------------------------------------


def test_a_clients_file_is_read_once_it_was_imported_and_not_after_it_was_removed(world: World) -> None:
    path = str(define(world.home / ".cursor" / "mcp.json", theirs=scripted(env={"KEY": SECRET})))
    listed = upstreams(world)
    assert "theirs" not in listed.out and "~/.cursor/mcp.json" in listed.out, listed
    shown = upstreams(world, "import")
    assert shown.code == 0 and "theirs" in shown.out and "KEY" in shown.out and SECRET not in shown.out, shown
    assert "not imported" in shown.out and "--yes" in shown.out, shown
    assert as_json(world)["servers"] == []
    assert upstreams(world, "import", "--yes", path).code == 0
    assert [each["name"] for each in as_json(world)["servers"]] == ["theirs"]
    assert upstreams(world, "import", "--remove", path).code == 0
    assert as_json(world)["servers"] == []


def test_a_projects_file_that_was_changed_is_imported_anew(world: World) -> None:
    path = define(world.work / ".mcp.json", tool=scripted())
    assert upstreams(world, "import", "--yes", ".mcp.json").code == 0
    assert [each["name"] for each in as_json(world)["servers"]] == ["tool"]
    define(path, tool={"command": "something-else"})
    assert as_json(world)["servers"] == []
    assert "has changed since it was imported" in upstreams(world).out
    (file,) = as_json(world, "import")["files"]
    assert file["changed"] and file["servers"][0]["start"] == "something-else", file


@pytest.mark.parametrize(("answer", "names"), [("y", ["theirs"]), ("", []), ("n", [])])
def test_on_a_terminal_the_user_is_asked(world: World, answer: str, names: list[str]) -> None:
    define(world.home / ".cursor" / "mcp.json", theirs=scripted())
    shown = on_a_terminal(world, answer, "import")
    assert "May pyember read this file" in shown
    assert [each["name"] for each in as_json(world)["servers"]] == names


def test_only_clients_files_can_be_imported(world: World, tmp_path: Path) -> None:
    path = str(define(tmp_path / "elsewhere.json", mine=scripted()))
    done = upstreams(world, "import", "--yes", path)
    assert done.code == 1 and "--upstreams" in done.err, done
    done = upstreams(world, "import", "--remove", path)
    assert done.code == 1 and "was not imported" in done.err, done


def test_what_a_file_says_moves_no_cursor(world: World) -> None:
    define(world.home / ".cursor" / "mcp.json", theirs={"command": "x", "args": ["\x1b[2J\x9b1A"]})
    done = upstreams(world, "import")
    assert "\x1b" not in done.out and "\x9b" not in done.out, done
