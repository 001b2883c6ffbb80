"""Samples from interleaved rounds, put together, and the rows of the table they end in."""

from __future__ import annotations

from dataclasses import dataclass


def quantile(samples: list[float], part: float) -> float:
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("no samples")
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def p50(samples: list[float]) -> float:
    return quantile(samples, 0.5)


def spread(samples: list[float], unit: str = "µs", scale: float = 1.0) -> str:
    """p50 / p90 / p99 in one cell."""
    values = [quantile(samples, part) * scale for part in (0.5, 0.9, 0.99)]
    return " / ".join(short(value) for value in values) + f" {unit}"


def short(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


@dataclass
class Row:
    """A line of the table; `met` is None where there is no bar."""

    measure: str
    ours: str
    reference: str = "–"
    ratio: str = "–"
    bar: str = "–"
    met: bool | None = None


def table(rows: list[Row]) -> str:
    lines = ["| measure | ours | reference | ratio | bar | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: "–"}[row.met]
        lines.append(f"| {row.measure} | {row.ours} | {row.reference} | {row.ratio} | {row.bar} | {met} |")
    return "\n".join(lines)
