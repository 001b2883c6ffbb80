"""Data frames as text: bounded in rows and columns, and in lines that aren't folded."""

from __future__ import annotations

import sys
from builtins import Exception, getattr, isinstance, len, str, type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A larger HTML table says no more than the text and costs a client more to keep.
HTML_BYTES = 8 * 1024
# Where the whole width takes more, the library's own repr() leaves columns out.
TEXT_CHARACTERS = 8000
MAXIMUM_COLUMNS = 20

_LIBRARIES = ("pandas", "polars")


def is_table(kind: type) -> bool:
    """Whether instances are data frames of a library we know; imports nothing."""
    return _library_of(kind) is not None


def table_text(value: Any) -> str | None:
    """The table as its library prints it, except that wide ones aren't folded or cut to 80
    columns; None where repr() serves, as with polars. Raises what the library raises."""
    if _library_of(type(value)) != "pandas":
        return None
    pandas_format = sys.modules.get("pandas.io.formats.format")
    options = getattr(pandas_format, "get_dataframe_repr_params", None)
    if options is None:
        return None
    try:
        given = options()
        given["line_width"] = None
        if given["max_cols"] == 0:  # as many as fit a terminal of 80 columns
            given["max_cols"] = MAXIMUM_COLUMNS
    except Exception:
        return None
    text = value.to_string(**given)
    return text if isinstance(text, str) and len(text) <= TEXT_CHARACTERS else None


def offered_html(html: str) -> bool:
    """Whether a table's HTML is small enough to be kept besides its text."""
    return len(html) <= HTML_BYTES and len(html.encode("utf-8", "replace")) <= HTML_BYTES


def _library_of(kind: type) -> str | None:
    for base in getattr(kind, "__mro__", ()):
        if getattr(base, "__name__", "") != "DataFrame":
            continue
        module = getattr(base, "__module__", "")
        if type(module) is str and module.split(".", 1)[0] in _LIBRARIES:
            return module.split(".", 1)[0]
    return None
