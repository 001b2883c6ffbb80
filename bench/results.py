"""bench/RESULTS.md: its sections, each replaced by the program that measures it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

PATH = Path(__file__).resolve().parent / "RESULTS.md"

HEADER = """# Results

What `./dev bench` and `./dev soak` measured last. Ratios are from one run, ours and the reference
interleaved; absolute times belong to the machine and wander with what else it does.
"""


def machine() -> str:
    """The machine in general terms."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown system")
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} virtual cores, Linux {kernel}, {system}"


def replace_section(title: str, body: str) -> None:
    """Writes `body` under the heading `title`, in place of what stood there."""
    sections = _sections()
    sections[title] = body.strip()
    text = HEADER + "".join(f"\n## {name}\n\n{part}\n" for name, part in sections.items())
    PATH.write_text(text, encoding="utf-8")


def merged(title: str, table: str) -> str:
    """The table that stands under a heading, with the rows of this one in place of those of the same measures; new ones
    come last. For a run that has measured a part of the section."""
    kept = [line for line in section(title).splitlines() if line.startswith("|")]
    lines = {_measure(line): line for line in kept}
    lines.update({_measure(line): line for line in table.splitlines()})
    return "\n".join(lines.values())


def _measure(row: str) -> str:
    return row.split(" | ", 1)[0]


def section(title: str) -> str:
    """What stands under a heading; empty when there is none."""
    return _sections().get(title, "")


def _sections() -> dict[str, str]:
    if not PATH.exists():
        return {}
    parts = PATH.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}
