from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conformance import suites  # noqa: E402


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many of the required scenarios have passed, by side and revision: the number that counts."""
    passed = {report.nodeid for report in terminalreporter.stats.get("passed", []) if report.when == "call"}
    for side in ("client", "server"):
        total = good = 0
        counts = []
        for revision in suites.REVISIONS:
            names = suites.scenarios(side, revision)[0]
            of = {f"{revision}-{name}" for name in names}
            found = {match[1] for node in passed if (match := re.search(rf"test_{side}\.py::.*\[(.*)\]$", node))} & of
            counts.append(f"{revision}: {len(found)} of {len(of)}")
            total, good = total + len(of), good + len(found)
        if good:
            terminalreporter.write_line(f"required scenarios passed, {side}: {good} of {total} ({', '.join(counts)})")
