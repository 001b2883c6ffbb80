"""Pictures for answers: how large they are, and a smaller copy of one that costs too much.

A model pays for pixels, about 1,600 tokens for 1,024 by 1,024. Scaling is Pillow's work; it comes
with matplotlib, and where it isn't there pictures stay as they are.
"""

from __future__ import annotations

import importlib
import sys
from builtins import Exception, bytes, getattr, int, len, max, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_SIDE = 1024
# Decoding more than this takes hundreds of megabytes; Pillow itself warns from 89 million on.
MOST_PIXELS = 80_000_000


def size_of(mime: str, data: bytes) -> tuple[int, int] | None:
    """Width and height as the picture's header tells them; None when it doesn't."""
    if mime == "image/png" and data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if mime == "image/jpeg" and data[:2] == b"\xff\xd8":
        return _jpeg_size(data)
    return None


def scaled(mime: str, data: bytes, may_import: bool) -> bytes | None:
    """A copy whose longer side has LONGEST_SIDE pixels; None: small enough, or it can't be made.

    `may_import`: Pillow may be imported for it, else it is only used where it is loaded already.
    """
    size = size_of(mime, data)
    if size is None or max(size) <= LONGEST_SIDE or size[0] * size[1] > MOST_PIXELS:
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
    picture.save(out, format="PNG" if mime == "image/png" else "JPEG")
    return out.getvalue()


def _pillow(may_import: bool) -> Any:
    module = sys.modules.get("PIL.Image")
    if module is None and may_import:
        try:
            module = importlib.import_module("PIL.Image")
        except Exception:
            return None
    return module if type(getattr(module, "open", None)) is type(size_of) else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            return int.from_bytes(data[at + 7 : at + 9], "big"), height
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
