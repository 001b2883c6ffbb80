"""A picture of pixels in memory that can become a PNG: rectangles, smooth lines, text.

Plain Python and zlib; made for a few thousand points on a picture of screen size, which take some
tens of milliseconds.
"""

from __future__ import annotations

import math
import struct
import zlib

from mcp_services.font import dots, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Colour = tuple[int, int, int]
    Point = tuple[float, float]


class Canvas:
    def __init__(self, width: int, height: int, background: Colour) -> None:
        self.width = width
        self.height = height
        self._pixels = bytearray(bytes(background) * (width * height))

    def blend(self, x: int, y: int, colour: Colour, share: float) -> None:
        """Covers a share of one pixel with a colour; outside the picture nothing happens."""
        if not (0 <= x < self.width and 0 <= y < self.height) or share <= 0:
            return
        pixels = self._pixels
        at = 3 * (y * self.width + x)
        if share >= 1:
            pixels[at : at + 3] = bytes(colour)
            return
        for channel in (0, 1, 2):
            old = pixels[at + channel]
            pixels[at + channel] = round(old + (colour[channel] - old) * share)

    def rectangle(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        left, right = max(0, x), min(self.width, x + width)
        row = bytes(colour) * max(0, right - left)
        for line in range(max(0, y), min(self.height, y + height)):
            at = 3 * (line * self.width + left)
            self._pixels[at : at + len(row)] = row

    def text(self, x: int, y: int, text: str, colour: Colour, scale: int = 2) -> None:
        for column, row in dots(text):
            self.rectangle(x + column * scale, y + row * scale, scale, scale, colour)

    def text_left_of(self, x: int, y: int, text: str, colour: Colour, scale: int = 2) -> None:
        self.text(x - width_of(text, scale), y, text, colour, scale)

    def text_around(self, x: int, y: int, text: str, colour: Colour, scale: int = 2) -> None:
        self.text(x - width_of(text, scale) // 2, y, text, colour, scale)

    def shade_below(
        self, points: Sequence[Point], bottom: int, colour: Colour, share: float
    ) -> None:
        """Tints what lies between a line that runs to the right and `bottom`."""
        tops: dict[int, int] = {}
        for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
            for x in range(max(0, math.ceil(x1)), min(self.width, math.ceil(x2))):
                tops[x] = math.ceil(y1 + (y2 - y1) * ((x - x1) / (x2 - x1)))
        tint = [
            bytes(round(old + (colour[channel] - old) * share) for old in range(256))
            for channel in (0, 1, 2)
        ]
        for y in range(max(0, min(tops.values(), default=bottom)), min(self.height, bottom)):
            for first, end in _runs([x for x, top in tops.items() if top <= y]):
                self._tint(y, first, end, tint)

    def _tint(self, y: int, first: int, end: int, tint: Sequence[bytes]) -> None:
        start, stop = 3 * (y * self.width + first), 3 * (y * self.width + end)
        for channel in (0, 1, 2):
            part = slice(start + channel, stop, 3)
            self._pixels[part] = self._pixels[part].translate(tint[channel])

    def line(self, points: Sequence[Point], colour: Colour, thickness: float) -> None:
        """A smooth line through the points, with round ends and joints."""
        cover: dict[tuple[int, int], float] = {}
        reach = thickness / 2
        ends = points[1:] or points
        for (x1, y1), (x2, y2) in zip(points, ends, strict=False):
            _cover_segment(cover, x1, y1, x2, y2, reach)
        for (x, y), share in cover.items():
            self.blend(x, y, colour, share)

    def png(self) -> bytes:
        size = 3 * self.width
        # Each row begins with its filter: 0, none.
        rows = b"".join(
            b"\0" + self._pixels[at : at + size] for at in range(0, len(self._pixels), size)
        )
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            [_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b"")]
        )


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers in ascending order as (first, end) of those without a gap."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found


def _cover_segment(
    cover: dict[tuple[int, int], float], x1: float, y1: float, x2: float, y2: float, reach: float
) -> None:
    """Notes how much of each pixel lies within `reach` of a segment; the most of all counts."""
    if abs(y2 - y1) > abs(x2 - x1):
        for y, x, share in _near_segment(y1, x1, y2, x2, reach):
            if share > cover.get((x, y), 0.0):
                cover[x, y] = share
    else:
        for x, y, share in _near_segment(x1, y1, x2, y2, reach):
            if share > cover.get((x, y), 0.0):
                cover[x, y] = share


def _near_segment(
    a1: float, b1: float, a2: float, b2: float, reach: float
) -> Iterator[tuple[int, int, float]]:
    """(a, b, share) of the pixels near a segment that is longer along a than along b."""
    along_a, along_b = a2 - a1, b2 - b1
    length = along_a * along_a + along_b * along_b
    slope = along_b / along_a if along_a else 0.0
    margin = reach + 1
    aside = margin * math.hypot(1, slope)
    for a in range(math.floor(min(a1, a2) - margin), math.ceil(max(a1, a2) + margin) + 1):
        middle = b1 + slope * (min(max(a, min(a1, a2)), max(a1, a2)) - a1)
        for b in range(math.floor(middle - aside), math.ceil(middle + aside) + 1):
            place = 0.0
            if length:
                place = min(1.0, max(0.0, ((a - a1) * along_a + (b - b1) * along_b) / length))
            away = math.hypot(a - a1 - place * along_a, b - b1 - place * along_b)
            share = min(1.0, reach + 0.5 - away)
            if share > 0:
                yield a, b, share


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
