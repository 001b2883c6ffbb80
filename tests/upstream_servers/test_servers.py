"""The official MCP servers behind ours: both eras, tools, resources, prompts, progress, and their ends."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.upstream_servers.driver import Driver, Failed

# What each of them speaks, and how many tools it has for a client that declares no capability.
SPOKEN = {
    "everything": ("2025-11-25", 13), "filesystem": ("2025-11-25", 14), "memory": ("2025-11-25", 9),
    "time": ("2026-07-28", 2), "git": ("2026-07-28", 12), "sqlite": ("2025-11-25", 6),
}


def wait_until(happened: object, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def processes_below(pid: int) -> list[int]:
    """All that live, and are no zombies, in the tree under `pid`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


@pytest.mark.parametrize("name", SPOKEN)
def test_each_speaks_its_version_and_lists_its_tools(driver: Driver, name: str) -> None:
    version, count = SPOKEN[name]
    assert driver.order("start", server=name).result()["protocolVersion"] == version
    assert len(driver.list(name, "tools/list")) == count


def test_everything_echoes_and_adds(driver: Driver) -> None:
    assert driver.call("everything", "echo", {"message": "grüße"}) == "Echo: grüße"
    assert "5" in driver.call("everything", "get-sum", {"a": 2, "b": 3})


def test_everything_tells_progress(driver: Driver) -> None:
    order = driver.begin("everything", "trigger-long-running-operation", {"duration": 1, "steps": 4})
    assert "completed" in order.text()
    assert [step for step, _ in order.progress] == [1, 2, 3, 4]
    assert {total for _, total in order.progress} == {4}


def test_everything_has_resources_and_prompts(driver: Driver) -> None:
    resources = driver.list("everything", "resources/list")
    assert resources and driver.list("everything", "resources/templates/list")
    (content,) = driver.request("everything", "resources/read", {"uri": resources[0]["uri"]})["contents"]
    assert content["text"]
    prompts = driver.list("everything", "prompts/list")
    assert prompts
    assert driver.request("everything", "prompts/get", {"name": prompts[0]["name"], "arguments": {}})["messages"]


def test_a_call_that_is_cancelled_leaves_the_server_in_use(driver: Driver) -> None:
    order = driver.begin("everything", "trigger-long-running-operation", {"duration": 60, "steps": 6})
    driver.order("cancel", target=order.number)
    with pytest.raises(Failed) as caught:
        order.result()
    assert caught.value.kind == "cancelled"
    assert driver.call("everything", "echo", {"message": "x"}) == "Echo: x"


def test_a_call_has_its_time(driver: Driver) -> None:
    with pytest.raises(Failed) as caught:
        driver.call("everything", "trigger-long-running-operation", {"duration": 60, "steps": 6}, timeout=0.2)
    assert caught.value.kind == "timeout"


def test_filesystem_reads_what_it_may(driver: Driver, servers: dict[str, dict[str, list[str]]]) -> None:
    folder = servers["filesystem"]["args"][-1]
    assert driver.call("filesystem", "read_text_file", {"path": f"{folder}/hello.txt"}) == "hello from a file\n"
    refused = driver.begin("filesystem", "read_text_file", {"path": "/etc/passwd"}).result()
    assert refused["isError"] and "denied" in refused["content"][0]["text"]


def test_memory_remembers(driver: Driver) -> None:
    entity = {"name": "Ada", "entityType": "person", "observations": ["wrote the first program"]}
    driver.call("memory", "create_entities", {"entities": [entity]})
    assert "Ada" in driver.call("memory", "read_graph")


def test_time_tells_the_time(driver: Driver) -> None:
    assert json.loads(driver.call("time", "get_current_time", {"timezone": "Asia/Tokyo"}))["timezone"] == "Asia/Tokyo"


def test_git_reads_a_repository(driver: Driver, servers: dict[str, dict[str, str]]) -> None:
    assert "The first of all" in driver.call("git", "git_log", {"repo_path": servers["git"]["cwd"]})


def test_sqlite_keeps_a_table(driver: Driver) -> None:
    driver.call("sqlite", "create_table", {"query": "CREATE TABLE IF NOT EXISTS t (a INTEGER)"})
    driver.call("sqlite", "write_query", {"query": "INSERT INTO t VALUES (41 + 1)"})
    assert "42" in driver.call("sqlite", "read_query", {"query": "SELECT a FROM t"})


def test_an_unknown_tool_is_told_in_one_way_or_another(driver: Driver) -> None:
    for name in SPOKEN:
        try:
            result = driver.begin(name, "no_such_tool").result()
            assert result.get("isError") or "rror" in result["content"][0]["text"]
        except Failed as failure:
            assert failure.kind == "upstream" and failure.code == -32602


def test_one_that_dies_at_its_start_says_why_and_harms_nobody(driver: Driver) -> None:
    with pytest.raises(Failed) as caught:
        driver.call("broken", "x")
    assert caught.value.kind == "start"
    assert "no such database" in caught.value.message
    assert driver.call("everything", "echo", {"message": "x"}) == "Echo: x"


def test_all_of_them_at_once(fresh: Driver, servers: dict[str, dict[str, str]]) -> None:
    orders = [fresh.begin("everything", "echo", {"message": str(number)}) for number in range(50)]
    others = [fresh.begin("time", "get_current_time", {"timezone": "UTC"}),
              fresh.begin("memory", "read_graph"),
              fresh.begin("git", "git_status", {"repo_path": servers["git"]["cwd"]}),
              fresh.begin("sqlite", "list_tables"),
              fresh.begin("filesystem", "list_allowed_directories")]
    assert [order.text() for order in orders] == [f"Echo: {number}" for number in range(50)]
    for order in others:
        assert order.result()["content"]
    assert {entry["starts"] for name, entry in fresh.describe().items() if name != "broken"} == {1}


@pytest.mark.parametrize("name", SPOKEN)
def test_killed_again_and_again_it_is_started_for_the_next_call(fresh: Driver, name: str) -> None:
    fresh.order("start", server=name).result()
    for _ in range(3):
        keeper, *program = processes_below(fresh.pid)
        for pid in program:
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not set(program) & set(processes_below(fresh.pid)))
        fresh.order("start", server=name).result()
        assert len(fresh.list(name, "tools/list")) == SPOKEN[name][1]
    assert fresh.describe()[name]["starts"] == 4


@pytest.mark.parametrize("how", ["end", "close", "kill"])
def test_nothing_is_left_of_them(fresh: Driver, how: str) -> None:
    for name in SPOKEN:
        fresh.order("start", server=name).result()
    below = processes_below(fresh.pid)
    assert len(below) >= 2 * len(SPOKEN)  # each with its keeper
    getattr(fresh, how)()
    assert wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and
                                      Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below))
