"""A session imports nothing it does not need yet: every module costs memory in each of them."""

from __future__ import annotations

import json
import sys

import pytest

from fresh import run_fresh

HEAVY = ["ast", "re", "enum", "traceback", "inspect", "typing", "collections", "asyncio", "dataclasses", "threading",
         "contextlib", "functools", "logging", "warnings", "tokenize", "json", "subprocess"]  # fmt: skip

# Up to 3.12 linecache, which every session has, imports what tokenize needs.
needs_lean_linecache = pytest.mark.skipif(sys.version_info < (3, 13), reason="linecache imports tokenize before 3.13")


def loaded(*cells: str) -> set[str]:
    """Which of the heavy modules a fresh session has loaded after these cells."""
    listing = f"import sys; [n for n in {HEAVY} if n in sys.modules]"
    result = run_fresh(*cells, listing).cells[-1].result
    assert result is not None
    return set(json.loads(result.replace("'", '"')))


@needs_lean_linecache
@pytest.mark.parametrize(
    "cell", ["1 + 1", "x = [1]\nx", "print('a')", "def f(): pass", "class A: pass\nA()", "import os; os.getcwd()", "'a' * 10**6"]
)
def test_an_ordinary_cell_needs_none_of_the_heavy_modules(cell: str) -> None:
    assert loaded(cell) == set()


@needs_lean_linecache
def test_an_error_needs_no_asyncio() -> None:
    assert not loaded("1 / 0") & {"asyncio", "inspect", "typing", "dataclasses", "logging", "threading"}
