"""A server over HTTP: how it starts, is restarted, and ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_client import HttpClient, HttpServer, Legacy, Stream, make_token
from tests.support.raw_client import server_binary


def until_answered(client: HttpClient, code: str, seconds: float = 30, **arguments: Any) -> dict[str, Any]:
    """As a client that calls again when its connection breaks."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.run(code, **arguments)
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline, "the server does not answer any more"
            time.sleep(0.01)


def test_both_eras_are_served_on_one_path() -> None:
    with HttpServer() as server:
        modern, session = server.client(), Legacy(server.client())
        modern.run("x = 1")
        assert session.run("x + 1")["result"] == "2"
        assert session.initialized["protocolVersion"] == "2025-11-25"


def certificate(folder: Path, name: str) -> list[str]:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")],
                   check=True, capture_output=True, timeout=60)
    return ["--tls-cert", str(folder / f"{name}.pem"), "--tls-key", str(folder / f"{name}.key")]


def test_it_speaks_tls_with_a_certificate_and_after_its_death_too(tmp_path: Path) -> None:
    with HttpServer(certificate(tmp_path, "own"), supervised=True) as server:
        assert server.url.startswith("https://")
        client = server.client()
        assert client.run("6 * 7")["result"] == "42"
        server.kill()
        assert until_answered(client, "6 * 7")["result"] == "42"


def test_a_certificate_with_another_s_key_is_an_error_that_says_so(tmp_path: Path) -> None:
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    refused = subprocess.run([server_binary(), "serve", "--transport", "http", "--port", "0", *own[:2], *other[2:]],
                             capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=tmp_path)
    assert refused.returncode == 2
    assert "certificate" in refused.stderr


def test_without_tokens_it_is_on_this_machine_alone_and_says_where() -> None:
    with HttpServer() as server:
        assert server.host in ("127.0.0.1", "::1")
        assert server.url.endswith("/mcp")
    refused = subprocess.run([server_binary(), "serve", "--transport", "http", "--port", "0", "--host", "0.0.0.0"],
                             capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                             env={**os.environ, "XDG_CONFIG_HOME": "/nonexistent"})
    assert refused.returncode == 2
    assert "--token-file" in refused.stderr or "token" in refused.stderr


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with HttpServer() as server:
        second = subprocess.run([server_binary(), "serve", "--transport", "http", "--port", str(server.port)],
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert second.returncode == 2
        assert str(server.port) in second.stderr


def test_options_of_http_are_refused_over_stdio() -> None:
    refused = subprocess.run([server_binary(), "serve", "--port", "8000"], capture_output=True, text=True, timeout=60,
                             stdin=subprocess.DEVNULL)
    assert refused.returncode == 2
    assert "--transport http" in refused.stderr


def test_what_stands_at_which_path() -> None:
    with HttpServer(["--path", "/python"]) as server:
        client = server.client()
        assert server.path == "/python"
        assert client.send("GET", "/healthz").status == 200
        assert client.send("POST", "/mcp", b"{}").status == 404
        assert client.run("1 + 1")["result"] == "2"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/.well-known/mcp"])
def test_the_endpoint_does_not_hide_what_stands_beside_it(path: str) -> None:
    refused = subprocess.run([server_binary(), "serve", "--transport", "http", "--port", "0", "--path", path],
                             capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert refused.returncode == 2
    assert path in refused.stderr and "another path" in refused.stderr


@pytest.mark.parametrize("supervised", [False, True])
def test_it_ends_in_order_when_asked_to(supervised: bool) -> None:
    with HttpServer(supervised=supervised) as server:
        client = server.client()
        client.run("1")
        stream = Stream(server.client(), "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        assert stream.next() is not None
        session = Legacy(server.client())
        unasked = Stream.of_get(server.client(), session.headers)
        answers: list[dict[str, Any]] = []
        calling = threading.Thread(target=lambda: answers.append(client.run("import time; time.sleep(600)", timeout=600)))
        calling.start()
        time.sleep(0.5)
        assert server.end() == 0
        calling.join(30)
        assert answers and answers[0]["status"] == "interrupted"
        rest = stream.rest()
        assert rest and rest[-1]["result"]["resultType"] == "complete"
        assert unasked.rest() is not None


def test_sessions_are_back_after_the_server_has_died() -> None:
    with HttpServer(supervised=True) as server:
        client = server.client()
        client.run("x = 41")
        wait_for_checkpoint(server)
        port = server.port
        server.kill()
        answer = until_answered(client, "x + 1")
        assert answer["result"] == "42"
        assert "restored" in answer["notices"][0]
        assert server.port == port


def wait_for_checkpoint(server: HttpServer, name: str = "main", seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not list(Path(server.state).rglob(f"{name}.state")):
        assert time.monotonic() < deadline, "there is no checkpoint"
        time.sleep(0.05)


def test_each_principal_s_sessions_are_back_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    tokens = {name: make_token(file, name) for name in ("alice", "bob")}
    with HttpServer(["--token-file", str(file), "--trust-callers"], supervised=True) as server:  # sandboxes have no checkpoints
        alice, bob = server.client(tokens["alice"]), server.client(tokens["bob"])
        alice.run("x = 'hers'")
        bob.run("x = 'his'", session="other")
        wait_for_checkpoint(server)
        wait_for_checkpoint(server, "other")
        server.kill()
        assert until_answered(alice, "x")["result"] == "'hers'"
        assert until_answered(bob, "'x' in globals()")["result"] == "False"
        assert until_answered(bob, "x", session="other")["result"] == "'his'"
        # And of one who comes back after the second death only.
        server.kill()
        server.kill()
        assert until_answered(alice, "x")["result"] == "'hers'"
        assert until_answered(bob, "x", session="other")["result"] == "'his'"


def test_a_session_without_a_checkpoint_is_told_to_be_gone(tmp_path: Path) -> None:
    with HttpServer(["--checkpoints", "off"], supervised=True) as server:
        client = server.client()
        client.run("x = 1")
        server.kill()
        answer = until_answered(client, "'x' in globals()")
        assert answer["result"] == "False"
        assert "its server ended and another one was started" in answer["notices"][0]


def test_clients_that_call_while_the_server_dies_go_on() -> None:
    with HttpServer(supervised=True) as server:
        stop = threading.Event()
        wrong: list[object] = []
        counts = [0] * 6

        def talk(number: int) -> None:
            client = server.client()
            turn = 0
            while not stop.is_set():
                turn += 1
                try:
                    answer = client.run(f"{turn} + 1", session=f"s{number}")
                    if answer["result"] == str(turn + 1):
                        counts[number] += 1
                    elif answer["status"] not in ("lost", "interrupted"):
                        wrong.append(answer)
                except (OSError, http.client.HTTPException):
                    time.sleep(0.02)
                except Exception as problem:
                    wrong.append(problem)

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(len(counts))]
        for thread in threads:
            thread.start()
        for _ in range(4):
            time.sleep(0.7)
            server.kill()
        before = list(counts)
        deadline = time.monotonic() + 60
        while any(now <= was for now, was in zip(counts, before)) and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(60)
        assert wrong == []
        assert all(now > was for now, was in zip(counts, before)), (before, counts)


def test_a_server_that_is_upgraded_keeps_its_port_and_its_sessions() -> None:
    with HttpServer(supervised=True) as server:
        client = server.client()
        client.run("x = 5")
        wait_for_checkpoint(server)
        before = server.pid
        os.kill(server.process.pid, 0)
        done = subprocess.run([server_binary(), "upgrade", "--all", str(server.process.pid)], capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        deadline = time.monotonic() + 60
        while server.pid == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert until_answered(client, "x")["result"] == "5"


def test_resume_brings_back_what_the_last_server_here_had(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with HttpServer(state=state, cwd=str(tmp_path)) as server:
        server.client().run("x = 9")
        assert server.end() == 0
    with HttpServer(["--resume"], state=state, cwd=str(tmp_path)) as server:
        assert server.client().run("x")["result"] == "9"


def test_resume_brings_back_each_principal_s_own(tmp_path: Path) -> None:
    file, state = tmp_path / "tokens.json", str(tmp_path / "state")
    tokens = {name: make_token(file, name) for name in ("alice", "bob")}
    arguments = ["--token-file", str(file), "--trust-callers"]  # sandboxes have no checkpoints
    with HttpServer(arguments, state=state, cwd=str(tmp_path)) as server:
        server.client(tokens["alice"]).run("x = 'hers'")
        server.client(tokens["bob"]).run("x = 'his'")
        assert server.end() == 0
    with HttpServer([*arguments, "--resume"], state=state, cwd=str(tmp_path)) as server:
        assert server.client(tokens["bob"]).run("x")["result"] == "'his'"
        assert server.client(tokens["alice"]).run("x")["result"] == "'hers'"
    # Without it a server begins with nothing, and says what there was.
    with HttpServer(arguments, state=state, cwd=str(tmp_path)) as server:
        alice = server.client(tokens["alice"])
        assert alice.run("'x' in globals()", session="new")["result"] == "False"
        assert "main" in str(alice.call("list_sessions")["structuredContent"]["restorable"])


def test_jobs_outlive_the_server_and_are_found_by_the_next_one() -> None:
    with HttpServer(supervised=True) as server:
        client = server.client()
        started = client.call("run_script_with_dependencies_async",
                              {"script_content": "import time; time.sleep(2); print('done')"})
        job = started["structuredContent"]["job_id"]
        server.kill()
        deadline = time.monotonic() + 60
        while True:
            try:
                shown = json.dumps(client.call("py_job_status", {"job_id": job}))
                if "completed" in shown:
                    break
            except (OSError, http.client.HTTPException):
                pass
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_a_second_signal_ends_it_at_once() -> None:
    with HttpServer() as server:
        client = server.client()
        thread = threading.Thread(target=lambda: until_gone(client))
        thread.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        thread.join(30)


def until_gone(client: HttpClient) -> None:
    try:
        client.run("import time\nwhile True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass", timeout=600)
    except (OSError, http.client.HTTPException, AssertionError):
        pass
