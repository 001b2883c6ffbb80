"""What a zygote imports before it says hello: somebody waits for that of a sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUNTIME = Path(__file__).resolve().parents[3] / "python"
SLOW = ["re", "json", "socket", "enum", "collections", "traceback", "random"]
FIRST = """
import sys
from mcp_runtime.worker import keeper, zygote
for name in zygote._FIRST:
    __import__(name)
"""
# In a process that has not imported json, which is where C code raises its own error or none.
BROKEN = """
import sys
from mcp_runtime.worker import quick_json
for text in (b"", b"{", b'{"a":}', b"[1] 2", b"nul", b'{"a" 1}', b'"\\x01"', b"\\xff"):
    try:
        print(text, "was read as", quick_json.decode(text))
    except ValueError:
        pass
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(RUNTIME)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.version_info < (3, 13), reason="linecache itself imports some of them")
def test_no_module_that_takes_long_is_imported_first() -> None:
    assert run(f"{FIRST}\nprint([name for name in {SLOW} if name in sys.modules])").strip() == "[]"


def test_the_rest_has_what_sessions_need_later() -> None:
    needed = ["asyncio", "json", "random", "traceback", "mcp_runtime.failures", "mcp_runtime.errors"]
    assert run(f"{FIRST}\nzygote.load_the_rest()\nprint([name for name in {needed} if name not in sys.modules])").strip() == "[]"


def test_json_is_that_of_the_standard_library() -> None:
    sys.path.insert(0, str(RUNTIME))
    from mcp_runtime.worker import quick_json

    for value in ({"a": [1, 2.5, None, True, "é\ud800\U0001f600"], "b": {}}, [], 'x"\\\n', 1e300, -7, "\u2028"):
        assert quick_json.encode(value) == json.dumps(value, separators=(",", ":"))
        assert quick_json.decode(json.dumps(value, indent=1).encode()) == value
    assert quick_json.decode(b"[-Infinity]") == [float("-inf")]


def test_what_is_not_json_is_an_error() -> None:
    assert run(BROKEN) == ""
