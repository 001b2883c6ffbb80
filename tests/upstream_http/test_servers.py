"""Official servers over HTTP behind ours: both eras, the transport of 2024-11-05, a login, and their ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.upstream_http.authorization import visit
from tests.upstream_http.driver import Connection
from tests.upstream_servers.conftest import from_npm
from tests.upstream_servers.driver import Driver, Failed

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, **(environment or {})})
    try:
        end = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "the server did not start"
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def python_server(*options: str) -> Iterator[str]:
    port = free_port()
    with running([sys.executable, str(HERE / "python_server.py"), str(port), *options], port):
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def everything(transport: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    entry, port = from_npm("everything", transport), free_port()
    path = "sse" if transport == "sse" else "mcp"
    with running([entry["command"], *entry["args"]], port, {"PORT": str(port)}) as process:
        yield f"http://127.0.0.1:{port}/{path}", process


@contextmanager
def driving(url: str) -> Iterator[Driver]:
    driver = Driver({"remote": {"url": url}})
    try:
        yield driver
    finally:
        driver.close()


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_python_sdks_server_is_spoken_to_in_the_modern_era(options: tuple[str, ...]) -> None:
    with python_server(*options) as url, driving(url) as driver:
        assert driver.order("start", server="remote").result()["protocolVersion"] == "2026-07-28"
        assert driver.call("remote", "add", {"a": 2, "b": 3}) == "5"
        assert [resource["uri"] for resource in driver.list("remote", "resources/list")] == ["test://note"]
        read = driver.request("remote", "resources/read", {"uri": "test://note"})
        assert read["contents"][0]["text"] == "noted"
        steps = driver.begin("remote", "steps", {"number": 3})
        assert steps.text() == "all"
        if not options:
            assert [step[:2] for step in steps.progress] == [[1, 3], [2, 3], [3, 3]]


def test_many_calls_of_a_remote_server_are_on_their_way_at_once() -> None:
    with python_server() as url, driving(url) as driver:
        driver.call("remote", "add", {"a": 1, "b": 1})
        begun = time.monotonic()
        calls = [driver.begin("remote", "sleep", {"seconds": 2}) for _ in range(30)]
        assert [call.text() for call in calls] == ["slept"] * 30
        assert time.monotonic() - begun < 30  # one by one it is a minute


def test_a_call_of_a_remote_server_that_takes_too_long_is_given_up() -> None:
    with python_server() as url, driving(url) as driver:
        driver.call("remote", "add", {"a": 1, "b": 1})
        with pytest.raises(Failed) as failed:
            driver.call("remote", "sleep", {"seconds": 600}, timeout=0.5)
        assert failed.value.kind == "timeout"
        assert driver.call("remote", "add", {"a": 1, "b": 2}) == "3"


def test_server_everything_is_spoken_to_with_a_handshake() -> None:
    with everything("streamableHttp") as (url, _), driving(url) as driver:
        assert driver.order("start", server="remote").result()["protocolVersion"] == "2025-11-25"
        assert driver.call("remote", "echo", {"message": "grüße"}) == "Echo: grüße"
        long = driver.begin("remote", "trigger-long-running-operation", {"duration": 1, "steps": 4})
        assert "completed" in long.text()
        assert len(long.progress) == 4
        driver.end()


def test_server_everything_that_was_started_anew_gets_another_handshake() -> None:
    entry, port = from_npm("everything", "streamableHttp"), free_port()
    command, environment = [entry["command"], *entry["args"]], {"PORT": str(port)}
    with running(command, port, environment):
        driver = Driver({"remote": {"url": f"http://127.0.0.1:{port}/mcp"}})
        try:
            assert driver.call("remote", "echo", {"message": "one"}) == "Echo: one"
        except BaseException:
            driver.close()
            raise
    try:
        with pytest.raises(Failed):
            driver.call("remote", "echo", {"message": "nobody"})
        with running(command, port, environment):
            assert driver.call("remote", "echo", {"message": "two"}) == "Echo: two"
    finally:
        driver.close()


def test_server_everything_is_spoken_to_over_http_and_sse() -> None:
    with everything("sse") as (url, process), driving(url) as driver:
        assert driver.call("remote", "echo", {"message": "old"}) == "Echo: old"
        assert len(driver.list("remote", "tools/list")) == 13
        process.kill()
        with pytest.raises(Failed):
            driver.call("remote", "echo", {"message": "nobody"})


def test_a_login_at_the_sdks_authorization_server_is_renewed(tmp_path: Path) -> None:
    tokens = str(tmp_path / "tokens")
    with python_server("--login") as url:
        with Connection(url, tokens=tokens) as upstream:
            upstream.send("tools/list", id=1)
            assert "pyember upstreams login" in upstream.answer(1)["why"]
        with Connection(url, tokens=tokens, login={}) as login:
            visit(login.wait_for(lambda event: "show" in event)["show"])
            assert login.wait_for(lambda event: "logged_in" in event)["logged_in"] == "use"
        with Connection(url, tokens=tokens) as upstream:
            for number in (1, 2, 3):
                upstream.send("tools/list", id=number)
                tools = upstream.answer(number)["result"]["tools"]
                assert [tool["name"] for tool in tools] == ["add", "steps", "sleep"]
