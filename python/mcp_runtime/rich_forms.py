"""Which of its rich forms an object is shown in: a picture, SVG, HTML, Markdown.

Objects tell by the methods notebooks ask for (`_repr_png_` and its kin). They are the user's code:
the caller has opened a stoppable region, and what fails in them is told, not raised.
"""

from __future__ import annotations

import binascii
from builtins import (
    Exception,
    ValueError,
    bytearray,
    bytes,
    dict,
    getattr,
    hasattr,
    isinstance,
    memoryview,
    str,
    tuple,
    type,
)

from mcp_runtime.result_text import printable
from mcp_runtime.type_names import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Form = tuple[str, "bytes | str"]

_METHODS = (
    ("_repr_png_", "image/png"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
)
# In which order the members of a bundle are preferred.
_PREFERRED = (
    "image/png",
    "image/svg+xml",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "text/html",
    "text/markdown",
)
_BINARY = ("image/png", "image/jpeg", "image/gif", "image/webp")


def form_of(value: object, failed: Callable[[str, Exception], None]) -> Form | None:
    """The form to show, None without one. `failed` hears of methods that raise."""
    kind = type(value)
    if hasattr(kind, "_repr_mimebundle_"):
        try:
            form = of_bundle(value._repr_mimebundle_(include=None, exclude=None))  # type: ignore[attr-defined]
            if form is not None:
                return form
        except Exception as error:
            failed(f"{type_name(kind)}._repr_mimebundle_", error)
    for name, mime in _METHODS:
        if not hasattr(kind, name):
            continue
        try:
            data = _data(mime, getattr(value, name)())
            if data is not None:
                return mime, data
        except Exception as error:
            failed(f"{type_name(kind)}.{name}", error)
    return None


def of_bundle(bundle: Any) -> Form | None:
    """The best member of {mime: data}, or of such a dict with metadata. Raises ValueError."""
    if isinstance(bundle, tuple):
        bundle = bundle[0] if bundle else None
    if bundle is None:
        return None
    if not isinstance(bundle, dict):
        raise ValueError("a bundle is a dict of MIME type and data")
    for mime in _PREFERRED:
        data = _data(mime, bundle.get(mime))
        if data is not None:
            return mime, data
    for mime, given in bundle.items():
        if given is not None and mime != "text/plain":
            return printable(str(mime)), _other(given)
    plain = bundle.get("text/plain")
    return None if plain is None else ("text/plain", printable(str(plain)))


def _data(mime: str, given: Any) -> bytes | str | None:
    if isinstance(given, tuple):  # with metadata
        given = given[0] if given else None
    if given is None:
        return None
    if isinstance(given, (bytes, bytearray, memoryview)):
        data = bytes(given)
        return data if mime in _BINARY else data.decode("utf-8", "replace")
    if not isinstance(given, str):
        raise ValueError(f"what it returned for {mime} is a {type_name(type(given))}")
    # In bundles a picture is base64 text.
    return binascii.a2b_base64(given) if mime in _BINARY else printable(given)


def _other(given: Any) -> bytes | str:
    if isinstance(given, (bytes, bytearray, memoryview)):
        return bytes(given)
    if isinstance(given, str):
        return printable(given)
    import json

    return json.dumps(given, default=str)
