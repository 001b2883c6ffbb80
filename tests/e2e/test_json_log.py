"""The log of a server as JSON: --log-format json."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

from tests.support.http_client import HttpServer, make_token


def test_every_line_of_a_json_log_is_an_object(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    make_token(file, "alice")
    with HttpServer(["--token-file", str(file), "--log-level", "info", "--log-format", "json"], supervised=True) as server:
        assert server.client("pye_secret").send("GET", "/metrics").status == 401
        server.kill()
        deadline = time.monotonic() + 30
        while not any("starting another one" in line for line in server.log):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.02)
        server.end(signal.SIGTERM)
        lines = [json.loads(line) for line in server.log]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}
        assert line["message"]
    refused = [line for line in lines if line.get("event") == "http_refused"]
    assert refused and refused[0]["fields"]["reason"] == "token" and refused[0]["level"] == "info"
    died = [line for line in lines if "starting another one" in line["message"]]
    assert len(died) == 1 and died[0]["level"] == "error"
    assert not any("pye_secret" in json.dumps(line) for line in lines)


def test_the_format_is_a_variable_too_and_text_unless_it_is_said() -> None:
    with HttpServer(environment={"PYEMBER_LOG_FORMAT": "json"}) as server:
        assert json.loads(server.log[0])["message"].startswith("listening on http://")
    with HttpServer() as server:
        assert server.log[0].startswith("pyember: listening on http://")
