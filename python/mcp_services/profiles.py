"""Reads what cProfile has dumped."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAXIMUM_BYTES = 64 << 20
MAXIMUM_FUNCTIONS = 1_000
_COLUMNS = {"cumulative": "cumulative_seconds", "time": "total_seconds", "calls": "calls"}


def top_functions(
    stats_path: str, limit: int = 20, sort: str = "cumulative"
) -> list[dict[str, Any]]:
    """The functions that come first by `sort`: "cumulative", "time" (their own) or "calls"."""
    import pstats

    if sort not in _COLUMNS:
        raise ValueError(f"there is no order {sort!r}. Sort by one of: {', '.join(_COLUMNS)}.")
    if os.path.getsize(stats_path) > MAXIMUM_BYTES:
        raise ValueError("the profile is too large to be read. Profile a smaller piece of work.")
    try:
        stats = pstats.Stats(stats_path).stats  # type: ignore[attr-defined]
    except (EOFError, TypeError, ValueError, AttributeError):
        raise ValueError(
            "the profile can't be read: it is damaged, most likely because the script was ended "
            "before it was complete. Give it more time."
        ) from None
    functions = [
        {
            "function": name,
            "file": file,
            "line": line,
            "calls": calls,
            "total_seconds": round(total, 6),
            "cumulative_seconds": round(cumulative, 6),
        }
        for (file, line, name), (_, calls, total, cumulative, _callers) in stats.items()
    ]
    functions.sort(key=lambda each: (-each[_COLUMNS[sort]], each["file"], each["line"]))
    return functions[: max(0, min(limit, MAXIMUM_FUNCTIONS))]
