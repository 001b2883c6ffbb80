"""JSON by the functions in C that the module json has it from.

Importing json takes a zygote 4 ms, mostly for `re`, and somebody waits for the zygote of a sandbox. What
is written in C also goes on working when a cell has damaged builtins, or the module json.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quote
from _json import make_encoder, make_scanner
from builtins import StopIteration, SystemError, ValueError, bytes, float, int, len, str

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Rules:
    """Those of a JSONDecoder that was given none."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float  # "NaN", "Infinity", "-Infinity"


# (text, where) -> (value, where it ends). StopIteration where none begins, ValueError in the middle of one;
# SystemError instead of that before Python 3.13, where nobody has imported json.
scan = make_scanner(_Rules)
_pieces = make_encoder(None, None, quote, None, ":", ",", False, False, True)


def encode(value: Any) -> str:
    """In ASCII, without blanks."""
    return "".join(_pieces(value, 0))


def decode(data: bytes) -> Any:
    """The value that these bytes are; ValueError when they are none."""
    text = str(data, "utf-8")
    try:
        value, end = scan(text, 0)
    except (StopIteration, SystemError):
        end = -1
    if end != len(text):
        raise ValueError("it is not JSON")
    return value
