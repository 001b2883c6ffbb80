"""`pyember upstreams login`, as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.upstream_http.authorization import Authorization, answer_of
from tests.upstream_http.driver import DEADLINE, Connection
from tests.upstream_http.scripted import serving

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PYEMBER_BINARY", str(ROOT / "build" / "release" / "pyember"))


class Person:
    """With a home of their own, and a browser that agrees to everything."""

    def __init__(self, folder: Path, servers: dict[str, object]) -> None:
        self.folder = folder
        self.tokens = folder / "state" / "pyember" / "upstream-tokens"
        (folder / "servers.json").write_text(json.dumps({"mcpServers": servers}))
        browser = folder / "browser"
        browser.write_text(f"#!{sys.executable}\nimport sys, urllib.request\nurllib.request.urlopen(sys.argv[1]).read()\n")
        browser.chmod(0o755)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"),
                            "BROWSER": str(browser), "PYEMBER_UPSTREAMS": str(folder / "servers.json")}

    def command(self, *arguments: str) -> list[str]:
        return [PROGRAM, "upstreams", "login", *arguments]

    def login(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE, env=self.environment, cwd=self.folder)


def test_the_browser_is_opened_and_the_token_kept(tmp_path: Path) -> None:
    with serving(Authorization(challenge_scope="read write")) as server:
        person = Person(tmp_path, {"hosted": {"type": "http", "url": server.url}})
        done = person.login("hosted")
        assert done.returncode == 0, done.stderr
        assert "Logged in at hosted.\n  allowed: read write\n  it is renewed by itself\n" in done.stdout
        (file,) = person.tokens.glob("*.json")
        for secret in ("access_token", "refresh_token"):
            assert json.loads(file.read_text())[secret] not in done.stdout + done.stderr
        with Connection(server.url, tokens=str(person.tokens)) as upstream:
            upstream.send("tools/list", id=1)
            assert "result" in upstream.answer(1)
        assert "Its tokens are removed." in person.login("hosted", "--forget").stdout
        assert not list(person.tokens.glob("*.json"))


def test_the_address_may_be_copied_from_another_machine(tmp_path: Path) -> None:
    with serving(Authorization()) as server:
        person = Person(tmp_path, {"hosted": {"type": "http", "url": server.url}})
        with subprocess.Popen(person.command("hosted", "--no-browser"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True, env=person.environment, cwd=tmp_path) as process:
            assert process.stdin and process.stdout
            address = next(line.strip() for line in process.stdout if line.startswith("  http"))
            process.stdin.write("\nwhat?\n" + answer_of(address) + "\n")
            process.stdin.flush()
            assert "Logged in at hosted." in process.stdout.read()
            assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize(("name", "says"), [
    ("local", "is a program on this machine, and wants no login"),
    ("keyed", "has an Authorization header"),
    ("nobody", "could not be reached"),
    ("hostd", "hosted"),
])
def test_what_can_not_be_logged_in_at_is_told(tmp_path: Path, name: str, says: str) -> None:
    person = Person(tmp_path, {"local": {"command": "true"}, "hosted": {"url": "http://127.0.0.1:9/mcp"},
                               "nobody": {"url": "http://127.0.0.1:9/mcp"},
                               "keyed": {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer hush"}}})
    done = person.login(name)
    assert done.returncode == 1
    assert says in done.stderr
    assert "hush" not in done.stderr


def test_the_file_may_be_named_before_the_command(tmp_path: Path) -> None:
    person = Person(tmp_path, {"local": {"command": "true"}})
    del person.environment["PYEMBER_UPSTREAMS"]
    done = subprocess.run([PROGRAM, "upstreams", "--upstreams", str(tmp_path / "servers.json"), "login", "local"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE,
                          env=person.environment, cwd=tmp_path)
    assert "wants no login" in done.stderr
