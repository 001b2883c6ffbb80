"""What people type about who may come in over HTTP: pyember tokens add, list and remove."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_client import server_binary
from tests.support.world import World, make_world

DEADLINE = 60.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def tokens(world: World, *arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([server_binary(), "tokens", *arguments], cwd=world.work, env={**world.variables(), **variables},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == code, done
    return done


def listed(world: World, *arguments: str) -> list[dict[str, Any]]:
    all_of_them: list[dict[str, Any]] = json.loads(tokens(world, "list", "--json", *arguments).stdout)["tokens"]
    return all_of_them


def test_a_token_is_shown_once_and_only_its_hash_is_kept(world: World) -> None:
    done = tokens(world, "add", "alice")
    token = done.stdout.strip()
    assert re.fullmatch(r"pye_[0-9a-f]{64}", token)
    assert token not in done.stderr
    (kept,) = listed(world)
    assert kept["name"] == "alice"
    assert kept["scopes"] == ["tools:*"]
    assert abs(kept["expires_at"] - time.time() - 90 * 86400) < 3600
    path = Path(json.loads(tokens(world, "--json").stdout)["file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert token not in text
    assert hashlib.sha256(token.encode()).hexdigest() in text
    assert token not in tokens(world).stdout


def test_scopes_and_lifetimes_can_be_said(world: World, tmp_path: Path) -> None:
    file = str(tmp_path / "own" / "tokens.json")
    made = json.loads(tokens(world, "add", "--file", file, "--json", "--scope", "code", "--scope", "tool:kill_job", "--expires", "never",
                             "bob@example.com").stdout)
    assert made["scopes"] == ["code", "tool:kill_job"]
    assert made["expires_at"] is None
    assert made["token"].startswith("pye_")
    assert listed(world) == []
    assert [each["id"] for each in listed(world, "--file", file)] == [made["id"]]
    tokens(world, "add", "--file", file, "--expires", "12h", "carol")
    assert abs(listed(world, "--file", file)[1]["expires_at"] - time.time() - 12 * 3600) < 600
    shown = tokens(world, "list", "--file", file).stdout
    assert "bob@example.com" in shown and "never" in shown and "code tool:kill_job" in shown


def test_tokens_are_removed_by_id_or_by_name(world: World) -> None:
    for name in ("alice", "bob", "alice", "carol"):
        tokens(world, "add", name)
    bob = next(each["id"] for each in listed(world) if each["name"] == "bob")
    assert tokens(world, "remove", bob).stdout.strip() == "1 removed"
    assert tokens(world, "remove", "alice").stdout.strip() == "2 removed"
    assert [each["name"] for each in listed(world)] == ["carol"]
    done = tokens(world, "remove", "carol", "mallory", code=1)
    assert "mallory" in done.stderr
    assert listed(world) == []
    assert tokens(world).stdout.startswith("no tokens")


@pytest.mark.parametrize(("arguments", "word"), [
    (["add", "a b"], "name"), (["add", ""], "name"), (["add", "x" * 65], "name"),
    (["add", "alice", "--scope", "admin"], "tools:*"), (["add", "alice", "--scope", "tool:"], "tools:*"),
    (["add", "alice", "--expires", "soon"], "--expires"), (["add", "alice", "--expires", "0d"], "--expires"),
    (["add", "alice", "--expires", "-1d"], "--expires"), (["add", "alice", "--expires", "90"], "--expires"),
    (["add", "alice", "--expires", "999999999999d"], "--expires"), (["add"], "name"), (["remove"], "token"),
])
def test_what_can_not_be_understood_makes_no_token(world: World, arguments: list[str], word: str) -> None:
    assert word in tokens(world, *arguments, code=2).stderr
    assert listed(world) == []


def test_a_file_that_others_may_read_is_neither_used_nor_mended(world: World, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    tokens(world, "add", "alice", "--file", str(file))
    file.chmod(0o644)
    before = file.read_text()
    for arguments in (["list"], ["add", "bob"], ["remove", "alice"]):
        assert "0600" in tokens(world, *arguments, "--file", str(file), code=1).stderr
    assert file.read_text() == before


def test_many_at_once_lose_no_token(world: World, tmp_path: Path) -> None:
    file = str(tmp_path / "tokens.json")
    adding = [subprocess.Popen([server_binary(), "tokens", "add", f"caller-{at}", "--file", file], env={**os.environ, **world.variables()},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for at in range(12)]
    assert [each.wait(DEADLINE) for each in adding] == [0] * 12
    assert sorted(each["name"] for each in listed(world, "--file", file)) == sorted(f"caller-{at}" for at in range(12))
