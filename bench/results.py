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


def section(title: str) -> str:
    """What stands under a heading; empty when there is none."""
    return _sections().get(title, "")


def _sections() -> dict[str, str]:
    if not PATH.exists():
        return {}
    parts = PATH.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}
