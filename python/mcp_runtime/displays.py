"""What the cells of a session show besides text: display(...), rich results, figures.

Imported when a cell first shows something. The shelf holds (mime, data) pairs until the cell's
outcome takes them. A picture that was scaled down is followed by the full one, whose MIME type ends
with ";role=full"; one that is too large for an answer comes as the full one only.

Everything here runs user code (the objects' own methods) inside the cell's stoppable region.
"""

from __future__ import annotations

from builtins import (
    BaseException,
    Exception,
    TypeError,
    bytes,
    isinstance,
    len,
    list,
    max,
    str,
    tuple,
    type,
)

from mcp_runtime import images, rich_forms, tables
from mcp_runtime.result_text import printable, result_text
from mcp_runtime.type_names import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.figures import Figures
    from mcp_runtime.session import Session

FULL_ROLE = ";role=full"
MAXIMUM_ITEMS = 100  # of one cell; what nobody looks at as pictures belongs into files
ITEM_BYTES = 8 << 20  # of one item; a picture of 4,096 by 4,096 pixels fits
CELL_BYTES = 32 << 20  # of all items of a cell
ANSWER_IMAGE_BYTES = 1 << 20  # of a picture inside an answer; larger ones are only linked
NAMED_IN_NOTICE = 5  # of the items that were left out


class Shelf:
    """One session's displays. Threads of user code may add to it, also between cells."""

    def __init__(self, session: Session) -> None:
        self.figures: Figures | None = None
        self._session = session
        self._items: list[tuple[str, bytes | str]] = []
        self._held = 0
        self._left_out: list[str] = []

    def show(self, value: object) -> None:
        """display(value): the object's best form, and its text where the form isn't readable."""
        if self._show_figure(value, now=True):
            return
        form = rich_forms.form_of(value, self.failed)
        if form is None or not (form[0].startswith("image/") or form[0] == "text/markdown"):
            self._put("text/plain", self.text(value))
        elif form[0] == "image/svg+xml":
            self._put("text/plain", self.text(value))
        self._show_form(value, form)

    def show_bundle(self, bundle: Any) -> None:
        """display({mime: data}, raw=True)."""
        form = rich_forms.of_bundle(bundle)
        if form is not None and form[0] == "text/plain":
            self._put(*form)
        else:
            self._show_form(bundle, form)

    def show_result(self, value: object) -> None:
        """The rich form of a cell's result, whose text is told elsewhere."""
        if not self._show_figure(value, now=False):
            form = rich_forms.form_of(value, self.failed)
            if form is not None and form[0] != "text/plain":
                self._show_form(value, form)

    def text(self, value: Any) -> str:
        """repr(), or the whole width of a table; bounded."""
        if tables.is_table(type(value)):
            text = tables.table_text(value)
            if text is not None:
                return result_text(_Verbatim(text))
        return result_text(value)

    def picture(self, mime: str, data: bytes) -> None:
        """Adds a picture, scaled down for the answer when it is a large one."""
        header = images.header_of(data)
        if header is None:
            told = f"what was shown as {mime} is no whole PNG, JPEG, GIF or WebP picture"
            self._only_link(mime, data, f"{told} and is only linked.")
            return
        mime = header[0]
        small = self._scaled(data, header) if images.is_large(header) else None
        if small is None and max(header[1:]) > images.LONGEST_UNSCALED_SIDE:
            told = f"a picture of {header[1]:,} by {header[2]:,} pixels is too large for the answer"
            advice = "Show a smaller one to see it, or install Pillow, which scales it down."
            self._only_link(mime, data, f"{told} and is only linked. {advice}")
        elif len(data if small is None else small) > ANSWER_IMAGE_BYTES:
            told = f"a picture of {len(data):,} bytes is too large for the answer"
            advice = "Show a smaller one to see it, for example with a lower dpi."
            self._only_link(mime, data, f"{told} and is only linked. {advice}")
        elif small is None:
            self._put(mime, data)
        else:
            self._put("image/jpeg" if mime == "image/jpeg" else "image/png", small)
            self._put(mime + FULL_ROLE, data)

    def _scaled(self, data: bytes, header: images.Header) -> bytes | None:
        try:
            return images.scaled(data, header, self._session.loads_all_packages)
        except Exception as error:
            self.failed("scaling a picture down", error)
            return None

    def _only_link(self, mime: str, data: bytes, notice: str) -> None:
        if self._put(mime + FULL_ROLE, data):
            self._session.notices.append(notice)

    def failed(self, what: str, error: BaseException) -> None:
        """Tells of a method that raised; what the stop of the cell raised goes on."""
        if self._session.native.stop_requested():
            raise error
        message = ""
        try:
            message = printable(str(error))[:200]
        except Exception:
            pass
        name = type_name(type(error))
        self._session.notices.append(f"{what} failed with {name}{': ' if message else ''}{message}")

    def take(self, finish: bool) -> tuple[tuple[str, bytes | str], ...] | None:
        """Hands out what is there; `finish` renders the figures that are still open."""
        session = self._session
        if self.figures is None:
            session.displays = None
        elif finish:
            self.figures.show_open()
        taken: list[tuple[str, bytes | str]] = []
        items = self._items
        while items:
            taken.append(items.pop(0))
        self._held = 0
        if self._left_out:
            left_out, self._left_out = self._left_out, []
            session.notices.append(_left_out_notice(left_out))
        return tuple(taken) or None

    def _show_figure(self, value: object, now: bool) -> bool:
        """Renders a figure of matplotlib; False for everything else. A figure that pyplot still
        holds open is left to the end of the cell unless it is wanted `now`."""
        from mcp_runtime import figures

        if not figures.is_figure(value):
            return False
        if self.figures is None:
            figures.show_single(self, value)
        elif now or not self.figures.is_open(value):
            self.figures.show_one(value)
        return True

    def _show_form(self, value: object, form: tuple[str, bytes | str] | None) -> None:
        if form is None:
            return
        mime, data = form
        if isinstance(data, bytes) and mime in images.KINDS:
            self.picture(mime, data)
        elif mime == "text/plain":
            return  # told already
        elif mime == "text/html" and tables.is_table(type(value)):
            if isinstance(data, str) and tables.offered_html(data):
                self._put(mime, data)
        else:
            self._put(mime, data)

    def _put(self, mime: str, data: bytes | str) -> bool:
        size = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "replace"))
        fits = size <= ITEM_BYTES and self._held + size <= CELL_BYTES
        if not fits or len(self._items) >= MAXIMUM_ITEMS:
            self._left_out.append(f"{mime.split(';')[0]} of {size:,} bytes")
        else:
            self._items.append((mime, data))
            self._held += size
        # Threads may show something after the cell's end: the next answer tells of it.
        self._session.displays = self
        return fits


class _Verbatim:
    """A text that is its own repr()."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def shelf_of(session: Session) -> Shelf:
    """The session's shelf; made at the first call."""
    shelf = session.shelf
    if shelf is None:
        shelf = session.shelf = Shelf(session)
    return shelf


def display(session: Session, objects: tuple[Any, ...], options: dict[str, Any]) -> None:
    """The builtin display(*objects, raw=False); other options of IPython's have no effect."""
    shelf = shelf_of(session)
    raw = options.get("raw", False)
    for value in objects:
        if not raw:
            shelf.show(value)
            continue
        if type(value) is bytes:
            raise TypeError("display(..., raw=True) takes a dict of MIME type and data")
        shelf.show_bundle(value)


def _left_out_notice(left_out: list[str]) -> str:
    named = ", ".join(left_out[:NAMED_IN_NOTICE])
    more = len(left_out) - NAMED_IN_NOTICE
    return (
        f"{len(left_out)} of the things shown were left out ({named}"
        f"{f' and {more} more' if more > 0 else ''}): a cell may show {MAXIMUM_ITEMS} things of "
        f"{ITEM_BYTES >> 20} MB each and {CELL_BYTES >> 20} MB in all. Save large ones to files."
    )
