import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

collect_ignore = [] if sys.version_info >= (3, 13) else ["."]


def pytest_report_header() -> str | None:
    if sys.version_info < (3, 13):
        return "tests/python/inprocess skipped: they need CPython 3.13 or newer"
    return None
