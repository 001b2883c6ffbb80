"""The pipe itself: what a script can do with `printf … | pyember`, and what happens when it closes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from typing import Any

import pytest

from tests.support.raw_client import META, ROOT, CellAnswer, RawClient, server_binary

# The bar for answering what was read after stdin has closed is 2 s; an idle machine needs 0.2 s.
END_DEADLINE = 2.0 * 3

HANDSHAKE_REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


def message(request_id: object, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def modern(request_id: object, method: str, **params: Any) -> dict[str, Any]:
    return message(request_id, method, **params, _meta=META)


def cell(request_id: object, code: str, **arguments: Any) -> dict[str, Any]:
    return modern(request_id, "tools/call", name="run_python", arguments={"code": code, **arguments})


def initialize(request_id: object, version: str) -> dict[str, Any]:
    return message(request_id, "initialize", protocolVersion=version, capabilities={},
                   clientInfo={"name": "pipe", "version": "1"})


def lines(*messages: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in messages)


def piped(data: bytes, *arguments: str, deadline: float = 60.0) -> tuple[list[Any], int, float]:
    """Gives the server its whole input at once; returns its answers, exit code and seconds."""
    started = time.monotonic()
    done = subprocess.run([server_binary(), *arguments], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=deadline)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return answers, done.returncode, time.monotonic() - started


def by_id(answers: list[Any]) -> dict[Any, Any]:
    return {answer["id"]: answer for answer in answers if "id" in answer}


# --- a whole conversation through a pipe ------------------------------------------------------------


def test_a_modern_conversation_through_a_pipe_is_answered_and_ends_with_exit_code_0() -> None:
    answers, code, _ = piped(lines(modern("d", "server/discover"), cell(1, "x = 20"), cell(2, "x + 1")))
    assert code == 0
    assert by_id(answers)["d"]["result"]["supportedVersions"] == ["2026-07-28"]
    assert by_id(answers)[2]["result"]["structuredContent"]["result"] == "21"


def test_pyember_alone_serves_stdio_and_so_does_pyember_serve() -> None:
    for arguments in ([], ["serve"]):
        answers, code, _ = piped(lines(modern(1, "server/discover")), *arguments)
        assert (code, answers[0]["id"]) == (0, 1)


def test_a_last_line_without_newline_is_served() -> None:
    answers, code, _ = piped(lines(modern(1, "server/discover")).rstrip(b"\n"))
    assert (code, answers[0]["id"]) == (0, 1)


def test_no_input_at_all_ends_with_exit_code_0() -> None:
    answers, code, _ = piped(b"")
    assert (answers, code) == ([], 0)


def test_empty_lines_and_carriage_returns_are_harmless() -> None:
    request = json.dumps(modern(1, "server/discover")).encode()
    answers, code, _ = piped(b"\n\r\n  \n" + request + b"\r\n\n")
    assert (code, [answer.get("id") for answer in answers]) == (0, [1])


@pytest.mark.parametrize("version", HANDSHAKE_REVISIONS)
def test_a_handshake_through_a_pipe(version: str) -> None:
    call = message(3, "tools/call", name="run_python", arguments={"code": "6 * 7"})
    answers, code, _ = piped(
        lines(
            initialize(1, version),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            message(2, "ping"),
            call,
        )
    )
    found = by_id(answers)
    assert code == 0
    assert found[1]["result"]["protocolVersion"] == version
    assert found[1]["result"]["serverInfo"]["name"] == "pyember"
    assert found[2]["result"] == {}
    assert "42" in found[3]["result"]["content"][0]["text"]
    assert ("structuredContent" in found[3]["result"]) == (version >= "2025-06-18")
    assert "resultType" not in found[3]["result"]


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01"])
def test_a_handshake_for_another_revision_is_offered_the_newest_one(version: str) -> None:
    answers, _, _ = piped(lines(initialize(1, version)))
    assert answers[0]["result"]["protocolVersion"] == "2025-11-25"


def test_a_batch_is_served_where_its_revision_has_them() -> None:
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    batch = [message(2, "ping"), ready, message(3, "tools/list")]
    answers, code, _ = piped(lines(initialize(1, "2025-03-26"), ready, batch))
    assert code == 0
    [together] = [answer for answer in answers if isinstance(answer, list)]
    assert {answer["id"] for answer in together} == {2, 3}
    answers, code, _ = piped(lines(initialize(1, "2025-11-25"), ready, batch, message(9, "ping")))
    errors = [answer["error"]["code"] for answer in answers if isinstance(answer, dict) and "error" in answer]
    assert errors == [-32600]
    assert by_id(answers)[9]["result"] == {}


# --- the end of stdin -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["while True: pass", "import time; time.sleep(600)", "sum(range(10**11))", "import subprocess; subprocess.run(['sleep', '600'])"],
    ids=["python loop", "sleep", "code in C", "child"],
)
def test_work_in_flight_is_stopped_and_answered_when_stdin_closes(code: str) -> None:
    with RawClient() as client:
        client.run("pass")
        running = client.send_cell(f"print('begun', flush=True)\n{code}", timeout=900)
        queued = client.send_cell("'queued'")
        time.sleep(0.5)
        closed = time.monotonic()
        assert client.close() == 0
        assert time.monotonic() - closed < END_DEADLINE
        answer = CellAnswer(running, 1)
        assert answer.status in ("interrupted", "lost"), answer
        assert answer.stdout == "begun\n", answer
        assert CellAnswer(queued, 1).status in ("completed", "interrupted", "lost")


def test_what_was_read_before_the_end_is_answered_in_full() -> None:
    requests = [cell(n, f"{n} * {n}", session=f"s{n % 4}") for n in range(40)]
    answers, code, _ = piped(lines(*requests))
    assert code == 0
    results = {request_id: answer["result"]["structuredContent"]["result"] for request_id, answer in by_id(answers).items()}
    assert results == {n: str(n * n) for n in range(40)}


def test_a_child_left_running_does_not_outlive_the_server() -> None:
    with RawClient() as client:
        pid = int(client.run("import subprocess\np = subprocess.Popen(['sleep', '600'])\np.pid").result)
        os.kill(pid, 0)
        assert client.close() == 0
    end = time.monotonic() + END_DEADLINE
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the child of a cell still runs after the server has ended")


def test_a_server_that_ends_leaves_the_children_of_another_server_alone() -> None:
    start = "import subprocess\np = subprocess.Popen(['sleep', '600'])\np.pid"
    with RawClient() as staying, RawClient() as ending:
        assert staying.run(start).status == "completed"
        assert ending.run(start).status == "completed"
        ending.tool("close_session", session="main")
        assert ending.close() == 0
        assert staying.run("p.poll()").result is None


def test_a_client_that_goes_away_without_a_word_ends_the_server() -> None:
    server = subprocess.Popen([server_binary()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    noisy = cell(1, "while True: print('x' * 1000)", timeout=900)
    noisy["params"]["_meta"] = {**META, "progressToken": 1}
    server.stdin.write(lines(noisy))
    server.stdin.flush()
    server.stdout.readline()
    server.stdout.close()
    server.stdin.close()
    try:
        server.wait(END_DEADLINE * 5)
    finally:
        server.kill()


# --- what belongs on which stream -------------------------------------------------------------------


def test_nothing_but_messages_ever_reaches_stdout() -> None:
    with RawClient() as client:
        client.run("import os, sys\nprint('p')\nos.write(1, b'w')\nos.system('echo s')\n"
                   "sys.__stdout__.write('x')\nos.write(2, b'e')")
        for isolation in ("inprocess", "process"):
            client.tool("run_python", code="import ctypes\nctypes.CDLL(None).puts(b'c')", session=isolation, isolation=isolation)
        assert client.stray == []


def test_log_lines_go_to_stderr() -> None:
    done = subprocess.run([server_binary(), "serve", "--log-level", "debug"], input=lines(modern(1, "server/discover")),
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr


# --- timing of what is said while a cell runs -------------------------------------------------------


def test_a_silent_cell_keeps_its_caller_alive_with_progress() -> None:
    with RawClient() as client:
        pending = client.send("tools/call", {"name": "run_python", "arguments": {"code": "import time; time.sleep(11)"},
                                             "_meta": {"progressToken": "alive"}})
        CellAnswer(pending, 60)
        told = [note for note in client.notifications if note["method"] == "notifications/progress"]
        assert told
        assert all(note["params"]["progressToken"] == "alive" for note in told)


def test_without_a_token_there_is_no_progress_and_after_the_answer_none_either() -> None:
    with RawClient() as client:
        client.run("import time\nfor n in range(5):\n    print(n)\n    time.sleep(0.1)")
        assert client.notifications == []
        pending = client.send("tools/call", {"name": "run_python", "arguments": {"code": "print(1)"}, "_meta": {"progressToken": 7}})
        CellAnswer(pending, 30)
        before = len(client.notifications)
        client.run("import time; time.sleep(0.3)")
        assert len(client.notifications) == before


def test_a_cancelled_request_is_never_answered() -> None:
    with RawClient() as client:
        pending = client.send_cell("while True: pass", timeout=900)
        time.sleep(0.3)
        client.notify("notifications/cancelled", {"requestId": pending.id, "reason": "changed my mind"})
        assert client.run("1 + 1").result == "2"
        assert not pending.done
        # A cancel for what is over, or never was, is ignored.
        client.notify("notifications/cancelled", {"requestId": 12345})
        client.notify("notifications/cancelled", {})
        assert client.run("1 + 2").result == "3"


# --- the command line -------------------------------------------------------------------------------


def test_version_and_help() -> None:
    version = subprocess.run([server_binary(), "--version"], capture_output=True, text=True, timeout=60)
    assert version.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", version.stdout)
    usage = subprocess.run([server_binary(), "--help"], capture_output=True, text=True, timeout=60)
    assert usage.returncode == 0
    assert "serve" in usage.stdout


@pytest.mark.parametrize("arguments", [["--nonsense"], ["serve", "--timeout", "never"], ["fly"]])
def test_a_wrong_command_line_is_refused_on_stderr(arguments: list[str]) -> None:
    done = subprocess.run([server_binary(), *arguments], input=b"", capture_output=True, timeout=60)
    assert done.returncode not in (0, -6, -11)
    assert done.stdout == b""
    assert done.stderr


def test_every_option_is_described_in_the_readme() -> None:
    usage = subprocess.run([server_binary(), "--help"], capture_output=True, text=True, timeout=60).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", usage)) - {"--help"}
    assert options
    readme = (ROOT / "README.md").read_text()
    assert {option for option in options if f"`{option}" not in readme} == set()
