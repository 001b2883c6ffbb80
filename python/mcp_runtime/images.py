"""Pictures for answers: whether they are any, how large, and a smaller copy of one that costs much.

A model pays for pixels, about 1,400 tokens for 1,024 by 1,024, and an answer with a broken picture
is refused by what reads it. Scaling is Pillow's work, which comes with matplotlib.
"""

from __future__ import annotations

import importlib
import sys
from builtins import Exception, bytes, getattr, int, len, max, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Header = tuple[str, int, int]

LONGEST_SIDE = 1024
# What nobody can scale is still shown up to here; readers scale it themselves.
LONGEST_UNSCALED_SIDE = 2048
# Decoding more than this takes hundreds of megabytes; Pillow itself warns from 89 million on.
MOST_PIXELS = 80_000_000

# What answers show; the kinds every client knows.
KINDS = ("image/png", "image/jpeg", "image/gif", "image/webp")

_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"


def header_of(data: bytes) -> Header | None:
    """MIME type, width and height by the picture's own word; None when it is none, or not whole."""
    size: tuple[int, int] | None = None
    mime = ""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and _PNG_END in data:
        mime, size = "image/png", (_number(data, 16, 4, "big"), _number(data, 20, 4, "big"))
    elif data[:3] == b"\xff\xd8\xff" and _JPEG_END in data:
        mime, size = "image/jpeg", _jpeg_size(data)
    elif data[:6] in (b"GIF87a", b"GIF89a"):
        mime, size = "image/gif", (_number(data, 6, 2), _number(data, 8, 2))
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        mime, size = "image/webp", _webp_size(data)
    return (mime, *size) if size is not None and size[0] > 0 and size[1] > 0 else None


def is_large(header: Header) -> bool:
    """Whether a smaller copy should stand in the answer."""
    return max(header[1:]) > LONGEST_SIDE


def scaled(data: bytes, header: Header, may_import: bool) -> bytes | None:
    """A copy whose longer side has LONGEST_SIDE pixels, a JPEG of a JPEG, else a PNG. None: it
    can't be made. Raises what Pillow raises.

    `may_import`: Pillow may be imported for it, else it is only used where it is loaded already.
    """
    if header[1] * header[2] > MOST_PIXELS:
        return None
    pillow = _pillow(may_import)
    if pillow is None:
        return None
    import io

    picture = pillow.open(io.BytesIO(data))
    if picture.mode in ("P", "1", "LA", "PA"):
        picture = picture.convert("RGBA")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    out = io.BytesIO()
    picture.save(out, format="JPEG" if header[0] == "image/jpeg" else "PNG")
    return out.getvalue()


def _pillow(may_import: bool) -> Any:
    module = sys.modules.get("PIL.Image")
    if module is None and may_import:
        try:
            module = importlib.import_module("PIL.Image")
        except Exception:
            return None
    return module if type(getattr(module, "open", None)) is type(header_of) else None


def _number(data: bytes, at: int, size: int, order: Any = "little") -> int:
    return int.from_bytes(data[at : at + size], order)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """As the first frame's header tells it."""
    at, end = 2, data.rfind(_JPEG_END)
    while at + 9 < end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _number(data, at + 7, 2, "big"), _number(data, at + 5, 2, "big")
        else:
            at += 2 + _number(data, at + 2, 2, "big")
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if _number(data, 4, 4) + 8 > len(data):
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return _number(data, 24, 3) + 1, _number(data, 27, 3) + 1
    if kind == b"VP8L":
        bits = _number(data, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF
    return None
