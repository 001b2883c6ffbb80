"""The curve of memory over time: a PNG that any reader can open, drawn from the samples."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from conftest import ServiceError
from mcp_services import curve

Call = Callable[..., Any]


class Picture:
    """What a PNG says, read back by its specification."""

    def __init__(self, data: bytes) -> None:
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        chunks: dict[bytes, bytes] = {}
        at = 8
        while at < len(data):
            (size,) = struct.unpack_from(">I", data, at)
            kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
            assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + content)
            chunks[kind] = content
            at += 12 + size
        assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
        self.width, self.height, depth, colours = struct.unpack_from(">IIBB", chunks[b"IHDR"])
        assert (depth, colours) == (8, 2)
        self._rows = zlib.decompress(chunks[b"IDAT"])
        assert len(self._rows) == self.height * (1 + 3 * self.width)

    def at(self, x: int, y: int) -> tuple[int, ...]:
        start = y * (1 + 3 * self.width) + 1 + 3 * x
        return tuple(self._rows[start : start + 3])

    def heights_of(self, colour: tuple[int, int, int], x: int) -> list[int]:
        return [y for y in range(self.height) if self.at(x, y) == colour]


def draw(call: Call, *arguments: Any, **more: Any) -> Picture:
    answer = call("memory_curve", samples=arguments[0], title="a title", **more)
    picture = Picture(base64.b64decode(answer["png"]))
    assert (picture.width, picture.height) == (answer["width"], answer["height"])
    return picture


def test_the_line_runs_where_the_samples_are(call: Call) -> None:
    picture = draw(call, [[0, 0], [10, 100 << 20]])
    left = picture.heights_of(curve.FIRST, curve.LEFT + 40)
    middle = picture.heights_of(curve.FIRST, (curve.LEFT + curve.RIGHT) // 2)
    right = picture.heights_of(curve.FIRST, curve.RIGHT - 40)
    assert left and middle and right
    assert left[0] > middle[0] > right[0]
    assert abs(left[0] + right[0] - 2 * middle[0]) <= 2  # straight
    assert picture.at(2, 2) == curve.BACKGROUND


def test_a_flat_line_stands_at_its_height(call: Call) -> None:
    # 50 of an axis that ends at 60.
    picture = draw(call, [[0, 50 << 20], [1, 50 << 20], [2, 50 << 20]])
    heights = picture.heights_of(curve.FIRST, 500)
    expected = curve.BOTTOM - 50 / 60 * (curve.BOTTOM - curve.TOP)
    assert heights and all(abs(y - expected) <= 2 for y in heights)


def test_two_series_have_two_colours_and_their_names(call: Call) -> None:
    samples = [[0, 10 << 20], [4, 10 << 20]]
    higher = [[0, 40 << 20], [4, 40 << 20]]
    picture = draw(call, samples, series2=higher, names=["before", "after"])
    first = picture.heights_of(curve.FIRST, 300)
    second = picture.heights_of(curve.SECOND, 300)
    assert first and second
    assert min(first) > max(second)
    inked = {picture.at(x, y) for x in range(500, 930) for y in range(38, 60)}
    assert {curve.FIRST, curve.SECOND, curve.INK} <= inked


def test_a_peak_between_two_pixels_is_not_lost(call: Call) -> None:
    samples = [[i / 1000, 10 << 20] for i in range(20_000)]
    samples[7_777][1] = 90 << 20
    picture = draw(call, samples)
    x = round(curve.LEFT + 7.777 / 19.999 * (curve.RIGHT - curve.LEFT))
    top = min(y for near in (x - 1, x, x + 1) for y in picture.heights_of(curve.FIRST, near))
    assert top < curve.TOP + 0.2 * (curve.BOTTOM - curve.TOP)


@pytest.mark.parametrize(
    "samples",
    [[], [[0, 0]], [[3, 5]], [[0, 1], [0, 2]], [[1, 5], [0, 3]], [[0.00001, 7e12]], [[-1, -1]],
     [[0, 1e300], [1e300, 1]]],
)
def test_odd_samples_still_make_a_picture(call: Call, samples: list[list[float]]) -> None:
    draw(call, samples)
    draw(call, samples, series2=samples)


def test_samples_that_are_no_numbers_are_refused(call: Call) -> None:
    for bad in ([[0, "x"]], [[0]], [[0, float("inf")]]):
        with pytest.raises(ServiceError):
            call("memory_curve", samples=bad, title="")
    with pytest.raises(ServiceError, match="more than"):
        call("memory_curve", samples=[[0, 0]] * 200_001, title="")


def test_titles_of_any_length_and_script_are_drawn(call: Call) -> None:
    for title in ("", "x" * 5_000, "漢字 \n\t\0 é", "~!@#"):
        call("memory_curve", samples=[[0, 1], [1, 2]], title=title)


def test_the_font_has_every_printable_character_and_no_two_alike() -> None:
    from mcp_services.font import GLYPHS

    assert sorted(GLYPHS) == [chr(code) for code in range(32, 127)]
    assert len(set(GLYPHS.values())) == len(GLYPHS)
