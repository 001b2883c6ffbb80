"""Draws memory over time as a PNG: one series, or two to compare."""

from __future__ import annotations

import math

from mcp_services.canvas import Canvas
from mcp_services.font import width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Samples = Sequence[Sequence[float]]

WIDTH, HEIGHT = 960, 440
LEFT, RIGHT, TOP, BOTTOM = 116, 930, 64, 372  # of the area the lines are drawn in
MAXIMUM_SAMPLES = 200_000
MAXIMUM_TEXT = 60

BACKGROUND = (252, 252, 250)
FRAME = (120, 124, 132)
GRID = (228, 230, 234)
INK = (52, 56, 64)
FIRST, SECOND = (31, 111, 196), (222, 112, 38)

_UNITS = (("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40))


def memory_curve(
    samples: Samples, title: str, series2: Samples | None = None, names: Sequence[str] = ()
) -> dict[str, Any]:
    """{"png" (base64), "width", "height"} of samples [seconds, bytes] in the order of time."""
    import base64

    series = [_checked(samples)] + ([_checked(series2)] if series2 is not None else [])
    canvas = Canvas(WIDTH, HEIGHT, BACKGROUND)
    seconds = max([point[0] for each in series for point in each] or [0]) or 1.0
    most = max([point[1] for each in series for point in each] or [0]) or 1.0
    unit, size = _unit_for(most)
    time_unit, time_size = ("ms", 0.001) if seconds < 1 else ("s", 1)
    x_step = _step(seconds / time_size, 8) * time_size
    y_step = _step(most / size * 1.02, 5) * size
    x_end = max(seconds, x_step)
    y_end = math.ceil(most * 1.02 / y_step) * y_step

    _draw_axes(canvas, (x_step, x_end, time_size), (y_step, y_end, size))
    canvas.text(LEFT, 20, _shown(title), INK, 2)
    canvas.text_left_of(LEFT - 12, TOP - 30, unit, FRAME, 2)
    canvas.text_around((LEFT + RIGHT) // 2, HEIGHT - 26, f"time ({time_unit})", FRAME, 2)
    for points, colour in zip(series, (FIRST, SECOND), strict=False):
        line = [
            (LEFT + (x / x_end) * (RIGHT - LEFT), BOTTOM - (y / y_end) * (BOTTOM - TOP))
            for x, y in _thinned(points, x_end)
        ]
        if len(series) == 1:
            canvas.shade_below(line, BOTTOM, colour, 0.12)
        if line:
            canvas.line(line, colour, 2.6)
    if names:
        _draw_names(canvas, names[: len(series)])
    return {"png": base64.b64encode(canvas.png()).decode(), "width": WIDTH, "height": HEIGHT}


def _checked(samples: Samples) -> list[tuple[float, float]]:
    if len(samples) > MAXIMUM_SAMPLES:
        raise ValueError(f"there are more than {MAXIMUM_SAMPLES} samples. Take them less often.")
    points = []
    for sample in samples:
        x, y = float(sample[0]), float(sample[1])
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError("a sample is no finite number.")
        points.append((max(0.0, x), max(0.0, y)))
    points.sort(key=lambda point: point[0])
    return points


def _thinned(points: list[tuple[float, float]], x_end: float) -> list[tuple[float, float]]:
    """Of the samples that fall on one column of pixels the first, lowest, highest and last."""
    columns: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        columns.setdefault(int(point[0] / x_end * (RIGHT - LEFT)), []).append(point)
    kept: list[tuple[float, float]] = []
    for column in columns.values():
        by_height = sorted(column, key=lambda point: point[1])
        chosen = {column[0], by_height[0], by_height[-1], column[-1]}
        kept += [point for point in dict.fromkeys(column) if point in chosen]
    return kept


def _unit_for(most: float) -> tuple[str, int]:
    for unit, size in reversed(_UNITS):
        if most >= size:
            return unit, size
    return _UNITS[0]


def _step(whole: float, parts: int) -> float:
    """A round distance (1, 2 or 5 times a power of ten) that divides `whole` into few parts."""
    exact = whole / parts
    power = 10.0 ** math.floor(math.log10(exact))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= exact * 0.999)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _draw_axes(
    canvas: Canvas, x_axis: tuple[float, float, float], y_axis: tuple[float, float, float]
) -> None:
    """Each axis: (distance of its marks, its end, what one unit of its labels is)."""
    step, end, size = y_axis
    for place in range(int(end / step + 1.001)):
        y = round(BOTTOM - place * step / end * (BOTTOM - TOP))
        canvas.rectangle(LEFT, y, RIGHT - LEFT, 1, GRID)
        canvas.text_left_of(LEFT - 12, y - 7, _number(place * step / size), INK, 2)
    step, end, size = x_axis
    for place in range(int(end / step + 1.001)):
        x = round(LEFT + place * step / end * (RIGHT - LEFT))
        canvas.rectangle(x, TOP, 1, BOTTOM - TOP, GRID)
        canvas.rectangle(x, BOTTOM, 1, 6, FRAME)
        label = _number(place * step / size)
        half = width_of(label, 2) // 2
        canvas.text_around(min(x, WIDTH - half - 4), BOTTOM + 14, label, INK, 2)
    canvas.rectangle(LEFT, TOP, 1, BOTTOM - TOP, FRAME)
    canvas.rectangle(LEFT, BOTTOM, RIGHT - LEFT + 1, 1, FRAME)


def _draw_names(canvas: Canvas, names: Sequence[str]) -> None:
    right = RIGHT
    for name, colour in reversed(list(zip(names, (FIRST, SECOND), strict=False))):
        text = _shown(name)[:24]
        left = right - width_of(text, 2)
        canvas.text(left, 40, text, INK, 2)
        canvas.rectangle(left - 26, 45, 18, 4, colour)
        right = left - 50


def _shown(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= MAXIMUM_TEXT else one_line[: MAXIMUM_TEXT - 3] + "..."
