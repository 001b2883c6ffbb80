"""What `pyember upstreams` says of the official servers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.raw_client import server_binary
from tests.support.world import make_world

ERAS = {"everything": "handshake", "filesystem": "handshake", "memory": "handshake", "time": "modern", "git": "modern",
        "sqlite": "handshake"}


def test_each_official_server_is_tried_and_listed_with_its_cost(servers: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    world = make_world(tmp_path)
    (world.home / "MCPs").mkdir()
    (world.home / "MCPs" / "official.json").write_text(json.dumps({"mcpServers": servers}))

    def upstreams(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        done = subprocess.run([server_binary(), "upstreams", *arguments, "--json"], cwd=world.work, text=True,
                              env=world.variables(), stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        assert done.stdout, done.stderr
        return done.returncode, {each["name"]: each for each in json.loads(done.stdout)["servers"]}

    code, tried = upstreams("test")
    assert code == 1 and not tried["broken"]["ok"] and "no such database" in tried["broken"]["error"], tried["broken"]
    assert {name: tried[name]["era"] for name in ERAS} == ERAS
    assert all(tried[name]["start_seconds"] > 0 and tried[name]["tools"] for name in ERAS)

    code, listed = upstreams("list")
    assert code == 0 and listed["broken"]["tools"] is None
    for name in ERAS:
        assert listed[name]["tools"] == tried[name]["tools"]
        assert listed[name]["schema_tokens"] == tried[name]["schema_tokens"] > 0
