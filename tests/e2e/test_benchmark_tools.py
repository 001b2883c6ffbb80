"""benchmark_script, run_script_profile, format_code, static_analysis and the environment tools."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult

from tests.e2e.executor import call, connect, eventually, job_over, refused, text_of
from tests.support.world import PACKAGE, VERSION, World, find_uv, make_world

pytestmark = pytest.mark.anyio

# What a process says of itself, last thing it does.
SELF_REPORT = """
import json, resource
block = bytearray(64 << 20)
for at in range(0, len(block), 4096):
    block[at] = 1
del block
total = 0
for i in range(2_000_000):
    total += i * i % 7
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}))
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def images_of(result: CallToolResult) -> list[Any]:
    return [block for block in result.content if block.type == "image"]


def pixels_of(png: bytes) -> bytes:
    """The unpacked pixels; every chunk's checksum is looked at."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, kinds = 8, b"", []
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", png[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(kind + body)
        kinds.append(kind)
        data += body if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND"
    return zlib.decompress(data)


# --- benchmark_script --------------------------------------------------------------------------------


async def test_cpu_time_and_peak_are_those_the_kernel_keeps_for_the_process(world: World) -> None:
    import json

    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content=SELF_REPORT, python_version=VERSION)
    said = json.loads(answer["stdout"])
    # The process goes on a little after it looked: it prints and takes itself apart.
    assert said["cpu"] <= answer["cpu_time_seconds"] <= said["cpu"] + 0.05
    assert said["peak"] - 0.01 <= answer["peak_rss_mb"] <= said["peak"] + 1
    assert answer["peak_rss_mb"] > 64
    assert answer["peak_rss_source"] == "largest process"
    assert answer["wall_time_seconds"] >= answer["cpu_time_seconds"] * 0.9
    assert answer["execution_strategy"] == "uv-run"


async def test_a_small_script_is_not_charged_with_the_memory_of_who_started_it(world: World) -> None:
    bare = subprocess.run([f"python{VERSION}", "-c", "import resource as r; print(r.getrusage(r.RUSAGE_SELF).ru_maxrss / 1024)"],
                          capture_output=True, text=True, check=True, env=world.variables())
    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content="pass", python_version=VERSION)
    assert 0 < answer["peak_rss_mb"] < float(bare.stdout) + 8


async def test_making_the_environment_is_timed_apart_from_the_run(world: World) -> None:
    async with connect(world) as client:
        arguments = {"script_content": f"import {PACKAGE}", "dependencies": [PACKAGE], "python_version": VERSION}
        first = await call(client, "benchmark_script", **arguments)
        again = await call(client, "benchmark_script", **arguments)
    assert first["exit_code"] == again["exit_code"] == 0
    assert first["setup_seconds"] > 0
    assert "setup_seconds" not in again
    assert first["resolved_dependencies"] == [PACKAGE]
    assert any(each.startswith(PACKAGE) for each in first["locked_dependencies"])


async def test_what_a_script_says_it_needs_is_there_when_it_is_measured(world: World) -> None:
    source = f'# /// script\n# dependencies = ["{PACKAGE}"]\n# ///\nimport {PACKAGE}\nprint({PACKAGE}.__name__)\n'
    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content=source, python_version=VERSION)
    assert (answer["stdout"], answer["exit_code"]) == (f"{PACKAGE}\n", 0)
    assert answer["resolved_dependencies"] == [PACKAGE]


async def test_a_timeout_ends_the_run_and_keeps_output_and_figures(world: World) -> None:
    source = "import time\nprint('begun', flush=True)\nend = time.time() + 60\nwhile time.time() < end: pass\n"
    async with connect(world) as client:
        began = time.monotonic()
        answer = await call(client, "benchmark_script", script_content=source, python_version=VERSION, timeout_seconds=2)
        assert time.monotonic() - began < 30
    assert answer["stdout"] == "begun\n"
    assert answer["stderr"].splitlines()[-1] == "[TIMEOUT]"
    assert answer["exit_code"] in (-15, -9)
    assert answer["timed_out"] is True
    assert 0 < answer["cpu_time_seconds"] <= answer["wall_time_seconds"] + 0.1
    assert answer["peak_rss_mb"] > 1


async def test_the_timeout_is_for_all_runs_together(world: World) -> None:
    async with connect(world, profile="full") as client:
        began = time.monotonic()
        answer = await call(client, "benchmark_script", script_content="import time; time.sleep(0.5)",
                            python_version=VERSION, repeat=500, timeout_seconds=12)
        assert time.monotonic() - began < 50
    assert answer["timed_out"] is True
    assert answer["measurements"]["runs"] < 24
    assert answer["measurements"]["wall_time_seconds"]["minimum"] >= 0.5


async def test_a_script_that_fails_is_a_result(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content="import sys; print('out'); sys.exit(7)",
                            python_version=VERSION)
    assert (answer["exit_code"], answer["stdout"]) == (7, "out\n")
    assert answer["cpu_time_seconds"] > 0


async def test_a_package_that_does_not_exist_is_a_result(world: World) -> None:
    async with connect(world) as client:
        answer = await call(client, "benchmark_script", script_content="pass", dependencies=["no-such-package-at-all"],
                            python_version=VERSION)
    assert answer["exit_code"] != 0
    assert "no-such-package-at-all" in answer["stderr"]
    assert answer["cpu_time_seconds"] == 0


async def test_the_memory_over_time_is_a_picture(world: World) -> None:
    source = "import time\nheld = []\nfor _ in range(8):\n    held.append(bytearray(8 << 20))\n    time.sleep(0.05)\n"
    async with connect(world) as client:
        arguments = {"script_content": source, "python_version": VERSION, "sample_interval": 0.02}
        result = await client.call_tool("benchmark_script", arguments)
    assert [block.type for block in result.content] == ["text", "image"]
    (image,) = images_of(result)
    assert image.mime_type == "image/png"
    pixels = pixels_of(base64.b64decode(image.data))
    assert len(set(pixels)) > 3, "an empty picture"


async def test_markdown_has_a_table_of_metric_and_value(world: World) -> None:
    async with connect(world) as client:
        result = await client.call_tool("benchmark_script", {"script_content": "print(1)", "python_version": VERSION})
        plain = await client.call_tool("benchmark_script", {"script_content": "print(1)", "python_version": VERSION,
                                                            "markdown_output": False})
    text = text_of(result)
    assert "| metric | value |" in text
    assert "wall time" in text and "CPU time" in text and "peak RSS" in text
    assert text_of(plain).startswith("{")


async def test_repeated_runs_are_described_by_median_spread_and_interval(world: World) -> None:
    async with connect(world, profile="full") as client:
        answer = await call(client, "benchmark_script", script_content="print(1)", python_version=VERSION, repeat=5, warmup=2)
    measured = answer["measurements"]
    assert (measured["runs"], measured["warmup"]) == (5, 2)
    for name in ("wall_time_seconds", "cpu_time_seconds", "peak_rss_mb"):
        figures = measured[name]
        values = sorted(figures["values"])
        assert len(values) == 5
        assert figures["median"] == pytest.approx(values[2])
        assert figures["minimum"] == values[0] and figures["maximum"] == values[-1]
        assert figures["interval_99"][0] <= figures["median"] <= figures["interval_99"][1]
        assert figures["spread"] >= 0
    assert answer["wall_time_seconds"] == pytest.approx(measured["wall_time_seconds"]["median"])
    assert answer["bootstrap"]["confidence"] == 0.99 and answer["bootstrap"]["seed"] > 0


async def test_a_comparison_says_which_of_two_scripts_is_faster(world: World) -> None:
    async with connect(world, profile="full") as client:
        arguments = {"script_content": "sum(range(6_000_000))", "python_version": VERSION, "repeat": 12,
                     "compare": {"script_content": "sum(range(100))"}}
        result = await client.call_tool("benchmark_script", arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    found = result.structured_content["comparison"]
    assert found["verdict"] == "faster"
    assert found["pairs"] == 12
    assert found["interval_99"][0] <= found["ratio"] <= found["interval_99"][1] < 1
    assert found["decided_by"] in ("cpu_time", "wall_time")
    assert {"ratio", "interval_99", "verdict"} <= set(found["cpu_time"]) & set(found["wall_time"])
    assert found["candidate"]["runs"] == 12
    assert "### Comparison — faster" in text_of(result)


async def test_a_compared_script_that_fails_is_told(world: World) -> None:
    async with connect(world, profile="full") as client:
        answer = await call(client, "benchmark_script", script_content="print('fine')", python_version=VERSION,
                            compare={"script_content": "raise SystemExit(9)"})
    assert answer["exit_code"] == 9
    assert "compared script" in answer["note"]
    assert "comparison" not in answer


async def test_a_compared_script_needs_exactly_one_source(world: World) -> None:
    async with connect(world, profile="full") as client:
        text = await refused(client, "benchmark_script", script_content="pass", python_version=VERSION,
                             compare={"script_content": "pass", "script_path": "there.py"})
    assert "ValueError" in text and "exactly one" in text


async def test_a_profile_is_made_in_a_run_of_its_own(world: World) -> None:
    source = "def inner(): return sum(range(200_000))\ndef outer():\n    for _ in range(5): inner()\nouter()\n"
    async with connect(world, profile="full") as client:
        answer = await call(client, "benchmark_script", script_content=source, python_version=VERSION, profile=True)
    functions = {each["function"]: each for each in answer["profile"]["functions"]}
    assert functions["inner"]["calls"] == 5
    assert functions["outer"]["cumulative_seconds"] >= functions["inner"]["cumulative_seconds"] > 0
    assert answer["exit_code"] == 0


async def test_what_goes_beyond_the_contract_is_in_profile_full_only(world: World) -> None:
    async with connect(world) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "run_script_profile" not in tools
        assert "compare" not in tools["benchmark_script"].input_schema["properties"]
        await refused(client, "benchmark_script", script_content="pass", repeat=3)


async def test_a_benchmark_that_goes_to_the_background_is_a_job(world: World) -> None:
    async with connect(world, profile="full") as client:
        for arguments in ({}, {"repeat": 3}):
            started = await call(client, "benchmark_script", script_content="print('x')", python_version=VERSION,
                                 async_mode=True, job_label="bench", **arguments)
            assert started["status"] == "pending"
            job = await job_over(client, started["job_id"])
            assert (job["status"], job["label"]) == ("completed", "bench")
            assert job["result"]["stdout"] == "x\n"
            assert job["result"]["cpu_time_seconds"] > 0 and job["result"]["peak_rss_mb"] > 1


async def test_a_cancelled_benchmark_leaves_no_process(world: World) -> None:
    mark = world.work / "pid"
    source = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    async with connect(world, profile="full") as client:
        started = await call(client, "benchmark_script", script_content=source, python_version=VERSION, repeat=4,
                             async_mode=True)

        async def begun() -> Any:
            return mark.exists() and mark.read_text()

        pid = int(await eventually(begun, "the first run"))
        await call(client, "py_cancel_job", job_id=started["job_id"])

        async def gone() -> Any:
            return not os.path.exists(f"/proc/{pid}")

        await eventually(gone, "the end of the cancelled run")
        assert (await job_over(client, started["job_id"]))["status"] == "cancelled"


@pytest.mark.parametrize("arguments", [{"repeat": 0}, {"warmup": -2}, {"sample_interval": 0}, {"repeat": 100_000}])
async def test_numbers_that_make_no_sense_are_refused(world: World, arguments: dict[str, Any]) -> None:
    async with connect(world, profile="full") as client:
        text = await refused(client, "benchmark_script", script_content="pass", **arguments)
        assert "ValueError" in text and next(iter(arguments)) in text


# --- run_script_profile ------------------------------------------------------------------------------


async def test_a_profiled_script_finds_the_process_as_always(world: World) -> None:
    source = ("import sys\ndef work(): return [n * n for n in range(50_000)]\nwork()\n"
              "print(__name__, sys.argv[1:])\nif sys.argv[1] == 'raise': raise KeyError('lost')\nsys.exit(4)\n")
    path = world.script("profiled.py", source)
    async with connect(world, profile="full") as client:
        answer = await call(client, "run_script_profile", script_path=str(path), args=["a", "b"], python_version=VERSION)
        assert answer["stdout"] == "__main__ ['a', 'b']\n"
        assert answer["exit_code"] == 4
        assert "work" in [each["function"] for each in answer["profile"]["functions"]]
        few = await call(client, "run_script_profile", script_path=str(path), args=["raise"], python_version=VERSION,
                         limit=2, sort="own")
        assert few["exit_code"] == 1
        own = [each["own_seconds"] for each in few["profile"]["functions"]]
        assert len(own) == 2 and own == sorted(own, reverse=True)
        assert "KeyError: 'lost'" in few["stderr"] and "run_profiled" not in few["stderr"]


# --- format_code, static_analysis --------------------------------------------------------------------

UGLY = "import os\nimport subprocess\ndef f( x ):\n    return subprocess.call('ls '+x, shell=True)\n"


async def test_tools_that_can_not_be_installed_are_named_with_what_to_do(tmp_path: Path) -> None:
    alone = make_world(tmp_path / "alone", UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "cache"))
    async with connect(alone, profile="full") as client:
        for tool in ("format_code", "static_analysis"):
            text = await refused(client, tool, script_content=UGLY)
            assert "OSError" in text and "ruff" in text and "Fix:" in text


@pytest.fixture(scope="module")
def online() -> dict[str, str]:
    """Variables under which uv reaches a package index."""
    check = subprocess.run([find_uv(), "pip", "install", "--dry-run", "--target", os.devnull + "-none", "ruff", "bandit"],
                           capture_output=True, text=True, timeout=120)
    if check.returncode != 0:
        pytest.skip(f"ruff and bandit can't be fetched here: {check.stderr.strip()[-200:]}")
    return {name: value for name, value in os.environ.items() if name.startswith("UV_")} | {"UV_NO_INDEX": "0"}


@pytest.fixture
def online_world(tmp_path: Path, online: dict[str, str]) -> World:
    return make_world(tmp_path, **online)


async def test_code_is_formatted_and_files_only_when_asked(online_world: World) -> None:
    path = online_world.script("ugly.py", UGLY)
    async with connect(online_world, profile="full") as client:
        inline = await call(client, "format_code", script_content=UGLY)
        assert inline["changed"] is True
        assert "def f(x):" in inline["formatted"] and "+def f(x):" in inline["diff"]
        assert "/tmp" not in inline["diff"]
        assert (await call(client, "format_code", script_content=inline["formatted"]))["changed"] is False
        looked = await call(client, "format_code", script_path=str(path))
        assert (looked["changed"], looked["written"], path.read_text()) == (True, False, UGLY)
        written = await call(client, "format_code", script_path=str(path), write=True)
        assert (written["written"], path.read_text()) == (True, inline["formatted"])
        text = await refused(client, "format_code", script_content="def broken(:\n")
        assert "ValueError" in text and "1:" in text


async def test_findings_of_both_tools_are_merged_by_severity(online_world: World) -> None:
    folder = online_world.script("sources/one.py", UGLY).parent
    (folder / "two.py").write_text("x = undefined_name\n")
    async with connect(online_world, profile="full") as client:
        inline = await call(client, "static_analysis", script_content=UGLY)
        assert {(each["tool"], each["code"]) for each in inline["findings"]} >= {("ruff", "F401"), ("bandit", "B602")}
        assert {each["file"] for each in inline["findings"]} == {"script_content"}
        order = ["high", "medium", "low"]
        ranks = [order.index(each["severity"]) for each in inline["findings"]]
        assert ranks == sorted(ranks) and inline["total"] == len(ranks) == sum(inline["by_severity"].values())
        whole = await call(client, "static_analysis", script_path=str(folder))
        assert {Path(each["file"]).name for each in whole["findings"]} == {"one.py", "two.py"}
        few = await call(client, "static_analysis", script_path=str(folder), limit=1)
        assert len(few["findings"]) == 1 and few["total"] == whole["total"]
        clean = await call(client, "static_analysis", script_content="print('fine')\n")
        assert clean["findings"] == [] and clean["total"] == 0


async def test_code_that_is_missing_or_given_twice_is_refused(world: World) -> None:
    async with connect(world, profile="full") as client:
        for tool in ("format_code", "static_analysis"):
            assert "exactly one" in await refused(client, tool)
            assert "exactly one" in await refused(client, tool, script_content="x", script_path="y")
            assert "FileNotFoundError" in await refused(client, tool, script_path="not-there.py")


# --- environments ------------------------------------------------------------------------------------


async def ask(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error and result.structured_content is not None, text_of(result)
    structured: dict[str, Any] = result.structured_content
    return structured


async def test_a_named_environment_is_made_listed_used_and_removed(world: World) -> None:
    async with connect(world, profile="full") as client:
        made = await ask(client, "environment_create_persistent",
                         {"name": "kept", "dependencies": [PACKAGE], "python_version": VERSION})
        said = subprocess.run([made["python"], "-c", f"import {PACKAGE}; print({PACKAGE}.__name__)"],
                              capture_output=True, text=True, check=True)
        assert said.stdout.strip() == PACKAGE
        assert any(each.startswith(PACKAGE) for each in made["locked_dependencies"])
        listed = await call(client, "environment_cache_list")
        (entry,) = [each for each in listed["environments"] if each["name"] == "kept"]
        assert entry["dependencies"] == [PACKAGE] and listed["total"] >= 1
        await ask(client, "environment_remove", {"name": "kept"})
        listed = await call(client, "environment_cache_list")
        assert "kept" not in [each["name"] for each in listed["environments"]]
        assert not Path(made["python"]).exists()
        again = await client.call_tool("environment_remove", {"name": "kept"})
        assert again.is_error and "kept" in text_of(again)
