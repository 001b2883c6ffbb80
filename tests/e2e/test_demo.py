"""The demo is what a newcomer sees first: it must hold, and what it tells people to paste too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.raw_client import ROOT, server_binary
from tests.support.world import PACKAGE, make_world


def test_the_demo_runs_and_ends_with_blocks_to_paste(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "demo.py"), "--server", server_binary(),
                           "--package", PACKAGE], env=world.variables(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "timed_out" in done.stdout
    assert f"{PACKAGE} 1.2.3 on Python" in done.stdout
    assert "completed, exit 0" in done.stdout
    assert not world.store.exists()  # it leaves nothing behind
    _, paste = done.stdout.split("Paste one of these into your client")
    for client, key in (("Claude Desktop", "mcpServers"), ("VS Code", "servers"), ("Cursor", "mcpServers")):
        text = paste[paste.index(client):]
        block, _ = json.JSONDecoder().raw_decode(text[text.index("{"):])
        assert Path(block[key]["pyember"]["command"]) == Path(server_binary()).resolve()
