"""What cells show besides text. Pictures, tables and figures of real libraries are played by small
classes; the libraries themselves are no part of the tests' Python."""

from __future__ import annotations

import base64
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mcp_runtime import displays, figures, images, tables
from mcp_runtime.result_text import PLAIN_TYPES
from prompt import Prompt, Session

def made(**forms: object) -> object:
    """An object with a `_repr_…_` method for each form, which returns it or calls it."""
    methods: dict[str, object] = {
        f"_repr_{name}_": (
            lambda self, form=form, **options: form() if callable(form) else form
        )
        for name, form in forms.items()
    }  # fmt: skip
    return type("Made", (), {"__repr__": lambda self: "<made>", "__module__": "m", **methods})()


def fail() -> None:
    raise ValueError("no picture today")


def png(width: int, height: int, size: int = 64) -> bytes:
    """Beginning and end of a PNG, as far as anybody here reads it."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return head + bytes(size - len(head) - len(PNG_END)) + PNG_END


PNG_END = b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0\x00\x10" + bytes(14) + b"\xff\xc0\x00\x11\x08\x02\x00\x03\x00" + bytes(9) + b"\xff\xd9"


@pytest.fixture
def shown(native: Any) -> Iterator[Prompt]:
    prompt = Prompt(native, made=made, fail=fail, png=png, jpeg=JPEG, plain=native)
    yield prompt
    prompt.end()


def test_a_cell_that_shows_nothing_has_four_parts(prompt: Prompt) -> None:
    assert len(prompt.session.run("1 + 1", 1)) == 4
    assert len(prompt.session.run("x = object()\nx", 2)) == 4
    assert prompt.session.shelf is None


def test_a_result_with_a_picture_has_both_its_text_and_the_picture(shown: Prompt) -> None:
    cell = shown.run("made(png=png(10, 10))")
    assert cell.result == "<made>"
    assert cell.displays == (("image/png", png(10, 10)),)


@pytest.mark.parametrize(
    ("forms", "mime"),
    [
        ("png=png(1, 1), svg='<svg/>', html='<b>'", "image/png"),
        ("svg='<svg/>', jpeg=b'\\xff\\xd8', html='<b>'", "image/svg+xml"),
        ("jpeg=jpeg, html='<b>', markdown='# a'", "image/jpeg"),
        ("html='<b>', markdown='# a'", "text/html"),
        ("png=None, markdown='# a'", "text/markdown"),
        ("mimebundle={'text/html': '<b>', 'text/plain': 'b'}, png=png(1, 1)", "text/html"),
        ("mimebundle=None, png=png(1, 1)", "image/png"),
        ("mimebundle=({'text/markdown': 'a'}, {})", "text/markdown"),
        ("png=(png(1, 1), {'width': 1})", "image/png"),
        ("mimebundle={'application/json': {'a': 1}}", "application/json"),
    ],
)
def test_the_richest_form_is_taken(shown: Prompt, forms: str, mime: str) -> None:
    cell = shown.run(f"made({forms})")
    assert [each[0] for each in cell.displays] == [mime]
    assert not cell.notices


def test_a_picture_in_a_bundle_is_base64(shown: Prompt) -> None:
    text = base64.b64encode(png(2, 2)).decode()
    cell = shown.run(f"made(mimebundle={{'image/png': {text!r}}})")
    assert cell.displays == (("image/png", png(2, 2)),)


def test_a_form_that_fails_is_told_and_the_next_one_is_taken(shown: Prompt) -> None:
    cell = shown.run("made(png=fail, markdown='# a')")
    assert cell.status == 0
    assert cell.displays == (("text/markdown", "# a"),)
    assert cell.notices == ("m.Made._repr_png_ failed with ValueError: no picture today",)


def test_a_form_of_another_type_is_told(shown: Prompt) -> None:
    cell = shown.run("made(html=5)")
    assert cell.displays == ()
    assert "_repr_html_ failed with ValueError" in cell.notices[0]


def test_display_shows_text_where_there_is_no_form(shown: Prompt) -> None:
    cell = shown.run("display(1, 'a')\nprint('b')")
    assert cell.displays == (("text/plain", "1"), ("text/plain", "'a'"))
    assert cell.result is None
    assert cell.out == "b\n"


def test_display_of_a_form_that_is_only_linked_shows_the_text_too(shown: Prompt) -> None:
    cell = shown.run("display(made(html='<b>'), made(svg='<svg/>'), made(png=png(1, 1)))")
    assert [each[0] for each in cell.displays] == [
        "text/plain", "text/html", "text/plain", "image/svg+xml", "image/png",
    ]  # fmt: skip


def test_display_takes_raw_data(shown: Prompt) -> None:
    cell = shown.run("display({'text/markdown': '# a'}, raw=True)")
    assert cell.displays == (("text/markdown", "# a"),)
    assert shown.failure("display('a', raw=True)").type == "ValueError"


def test_what_was_shown_before_an_error_is_shown(shown: Prompt) -> None:
    cell = shown.failure("display(1)\n1 / 0")
    assert cell.type == "ZeroDivisionError"
    assert cell.displays == (("text/plain", "1"),)
    assert shown.run("2").displays == ()


def test_what_a_thread_shows_later_comes_with_the_next_cell(shown: Prompt) -> None:
    shown.run("import threading; go = threading.Event()")
    cell = shown.run("t = threading.Thread(target=lambda: (go.wait(), display(7))); t.start()")
    assert cell.displays == ()
    assert shown.run("go.set(); t.join()").displays == (("text/plain", "7"),)


def test_a_cell_shows_a_bounded_number_of_things(shown: Prompt) -> None:
    cell = shown.run("for i in range(130): display(i)")
    assert len(cell.displays) == displays.MAXIMUM_ITEMS
    assert cell.notices[0].startswith("30 of the things shown were left out (text/plain of 3 bytes")


def test_a_cell_shows_a_bounded_number_of_bytes(shown: Prompt) -> None:
    cell = shown.run("big = png(9, 9, 7 << 20)\nfor i in range(6): display(made(png=big))")
    assert [each[0] for each in cell.displays] == ["image/png;role=full"] * 4
    assert "2 of the things shown were left out" in cell.notices[-1]
    cell = shown.run("made(html='x' * (9 << 20))")
    assert cell.displays == ()
    assert "text/html of 9,437,184 bytes" in cell.notices[0]


def test_a_picture_too_large_for_the_answer_is_only_linked(shown: Prompt) -> None:
    cell = shown.run("made(png=png(100, 100, 2 << 20))")
    assert [each[0] for each in cell.displays] == ["image/png;role=full"]
    assert "is only linked" in cell.notices[0]


class FakePicture:
    mode = "P"

    def convert(self, mode: str) -> FakePicture:
        assert mode == "RGBA"
        return self

    def thumbnail(self, size: tuple[int, int]) -> None:
        self.size = size

    def save(self, out: object, format: str) -> None:
        out.write(png(*self.size))  # type: ignore[attr-defined]


@pytest.fixture
def pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("PIL.Image")
    module.open = lambda file: FakePicture()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "PIL.Image", module)


@pytest.fixture
def pillow_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("")
    (tmp_path / "PIL" / "Image.py").write_text("from test_displays import FakePicture\ndef open(file): return FakePicture()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)  # restored at the end
        del sys.modules[name]


def test_a_large_picture_is_scaled_down_and_kept_in_full(shown: Prompt, pillow: None) -> None:
    cell = shown.run("made(png=png(3000, 2000))")
    assert cell.displays == (
        ("image/png", png(1024, 1024)),
        ("image/png;role=full", png(3000, 2000)),
    )


def test_a_picture_in_a_raw_bundle_is_scaled_too(shown: Prompt, pillow: None) -> None:
    cell = shown.run("display({'image/png': png(3000, 2000)}, raw=True)")
    assert [each[0] for each in cell.displays] == ["image/png", "image/png;role=full"]


def test_without_pillow_a_large_picture_is_shown_as_it_is_and_a_larger_one_is_linked(shown: Prompt) -> None:
    assert shown.run("made(png=png(2000, 1500))").displays == (("image/png", png(2000, 1500)),)
    cell = shown.run("made(png=png(3000, 2000))")
    assert cell.displays == (("image/png;role=full", png(3000, 2000)),)
    assert "3,000 by 2,000 pixels" in cell.notices[0] and "Pillow" in cell.notices[0]


def test_pillow_is_imported_for_a_picture_only_where_every_package_loads(shown: Prompt, pillow_on_path: None) -> None:
    assert len(shown.run("made(png=png(3000, 2000))").displays) == 1
    assert "PIL.Image" not in sys.modules
    shown.session.loads_all_packages = True
    assert [each[0] for each in shown.run("made(png=png(3000, 2000))").displays] == ["image/png", "image/png;role=full"]


def test_a_picture_that_would_fill_the_memory_is_not_decoded(shown: Prompt, pillow: None) -> None:
    assert shown.run("made(png=png(30_000, 30_000))").displays == (("image/png;role=full", png(30_000, 30_000)),)


@pytest.mark.parametrize("data", [b"", b"oops", png(3, 2)[:40], png(0, 2), b"\xff\xd8\xff\xe0", b"GIF89a\0\0\1\0", b"RIFF\xff\0\0\0WEBPVP8X"])
def test_what_is_no_whole_picture_is_linked_and_told(shown: Prompt, data: bytes) -> None:
    assert images.header_of(data) is None
    cell = shown.run(f"made(png={data!r})")
    assert cell.displays == (("image/png;role=full", data),)
    assert "is no whole PNG" in cell.notices[0]


def webp(kind: bytes, rest: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + 8 + len(rest)) + b"WEBP" + kind + struct.pack("<I", len(rest)) + rest


@pytest.mark.parametrize(("data", "header"), [
    (png(640, 480), ("image/png", 640, 480)),
    (JPEG, ("image/jpeg", 768, 512)),
    (b"GIF89a" + struct.pack("<HH", 7, 9), ("image/gif", 7, 9)),
    (webp(b"VP8X", bytes(4) + b"\x1f\x03\0" + b"\x57\x02\0"), ("image/webp", 800, 600)),
    (webp(b"VP8L", b"\x2f" + struct.pack("<I", 31 | 19 << 14)), ("image/webp", 32, 20)),
    (webp(b"VP8 ", bytes(6) + struct.pack("<HH", 320, 200)), ("image/webp", 320, 200)),
])  # fmt: skip
def test_kind_and_size_stand_in_the_picture(data: bytes, header: tuple[str, int, int]) -> None:
    assert images.header_of(data) == header


def test_a_picture_is_of_the_kind_it_is_not_of_the_kind_it_is_said_to_be(shown: Prompt) -> None:
    assert shown.run("made(jpeg=png(3, 2))").displays == (("image/png", png(3, 2)),)


def test_a_stop_in_a_form_stops_the_cell(shown: Prompt) -> None:
    cell = shown.run(
        "def stop():\n    plain.requested = True\n    raise OSError(125, 'cancelled')\n"
        "display(made(png=stop))"
    )
    assert cell.status == 2
    assert cell.type == "KeyboardInterrupt"


def test_a_class_that_answers_to_everything_is_no_trouble(prompt: Prompt) -> None:
    cell = prompt.run(
        "class Meta(type):\n    def __getattr__(self, name): raise RuntimeError(name)\n"
        "class Odd(metaclass=Meta):\n    def __repr__(self): return 'odd'\n"
        "Odd()"
    )
    assert (cell.result, cell.displays, cell.notices) == ("odd", (), ())


# --- tables ------------------------------------------------------------------------------------


def frame_class() -> dict[str, object]:
    names: dict[str, object] = {"html": "<table>", "text": "whole {}"}

    class DataFrame:
        __module__ = "pandas.core.frame"

        def __repr__(self) -> str:
            return "folded"

        def to_string(self, **options: object) -> str:
            return str(names["text"]).format(options)

        def _repr_html_(self) -> object:
            return names["html"]

    return {"DataFrame": DataFrame, "names": names}


@pytest.fixture
def pandas(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> Prompt:
    module = ModuleType("pandas.io.formats.format")
    module.get_dataframe_repr_params = lambda: {  # type: ignore[attr-defined]
        "max_rows": 60, "max_cols": 0, "line_width": 80,
    }  # fmt: skip
    monkeypatch.setitem(sys.modules, "pandas.io.formats.format", module)
    prompt._names.update(frame_class())
    return prompt


def test_a_frame_is_shown_in_its_whole_width(pandas: Prompt) -> None:
    cell = pandas.run("DataFrame()")
    assert cell.result == "whole {'max_rows': 60, 'max_cols': 20, 'line_width': None}"
    assert cell.displays == (("text/html", "<table>"),)


def test_a_large_html_table_is_not_kept(pandas: Prompt) -> None:
    cell = pandas.run(f"names['html'] = 'x' * {tables.HTML_BYTES + 1}\nDataFrame()")
    assert (cell.status, cell.displays) == (0, ())


def test_a_frame_too_wide_for_an_answer_has_its_repr(pandas: Prompt) -> None:
    assert pandas.value("names['text'] = 'x' * 9000\nDataFrame()") == "folded"


def test_display_of_a_frame_shows_the_table(pandas: Prompt) -> None:
    cell = pandas.run("display(DataFrame())")
    assert cell.displays[0][0] == "text/plain"
    assert str(cell.displays[0][1]).startswith("whole")


# --- figures -----------------------------------------------------------------------------------


class FakeFigure:
    def __init__(self, number: int) -> None:
        self.number = number
        self.dpi = 100.0
        self.wrong = False

    def get_size_inches(self) -> tuple[float, float]:
        return 6.4, 4.8

    def get_label(self) -> str:
        return ""

    def _repr_html_(self) -> None:
        return None

    def savefig(self, buffer: object, **options: object) -> None:
        assert options == {"format": "png", "bbox_inches": "tight", "dpi": 100.0}
        if self.wrong:
            raise ValueError("cannot draw")
        buffer.write(png(640, self.number))  # type: ignore[attr-defined]


class Manager:
    def __init__(self, figure: FakeFigure) -> None:
        self.canvas = self
        self.figure = figure

    def show(self) -> None:
        raise AssertionError("nobody has a screen")


class Gcf:
    def __init__(self) -> None:
        self.figs: dict[int, Manager] = {}

    def get_all_fig_managers(self) -> list[Manager]:
        return list(self.figs.values())


class Plotting(Prompt):
    """A prompt whose session watches for figures."""

    @property
    def session(self) -> Session:
        begun = self._session is not None
        session = super().session
        if not begun:
            figures.watch(session)
        return session


@pytest.fixture
def pyplot(native: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prompt]:
    """matplotlib as far as we touch it, imported from a path of modules like any other."""
    gcf = Gcf()
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name, names in {
        "matplotlib.figure": {"Figure": FakeFigure},
        "matplotlib._pylab_helpers": {"Gcf": gcf},
        "matplotlib.backend_bases": {"FigureManagerBase": Manager},
        "matplotlib.pyplot": {"show": lambda: 1 / 0, "close": lambda which: gcf.figs.clear()},
    }.items():
        module = ModuleType(name)
        module.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, module)

    def figure() -> FakeFigure:
        made = FakeFigure(len(gcf.figs) + 1)
        gcf.figs[made.number] = Manager(made)
        return made

    def show(**options: object) -> None:
        sys.modules["matplotlib.pyplot"].show(**options)

    prompt = Plotting(native, figure=figure, gcf=gcf, show=show)
    yield prompt
    prompt.end()


def numbers(cell: object) -> list[int]:
    return [struct.unpack(">I", data[20:24])[0] for _, data in cell.displays]  # type: ignore[attr-defined]


def test_open_figures_are_shown_at_the_end_of_the_cell_and_closed(pyplot: Prompt) -> None:
    assert numbers(pyplot.run("figure(); a = figure()")) == [1, 2]
    assert numbers(pyplot.run("1")) == []
    assert numbers(pyplot.run("a")) == [2]


def test_show_shows_at_once_and_only_once(pyplot: Prompt) -> None:
    cell = pyplot.run("figure()\nshow(block=True)\ndisplay(1)\nfigure()\nNone")
    assert [mime for mime, _ in cell.displays] == ["image/png", "text/plain", "image/png"]


def test_a_figure_as_result_is_shown_once(pyplot: Prompt) -> None:
    assert numbers(pyplot.run("figure()")) == [1]
    assert numbers(pyplot.run("a = figure()\ndisplay(a)\nfigure()\nNone")) == [1, 2]
    assert numbers(pyplot.run("a = figure()\ngcf.figs[1].show()")) == [1]


def test_figures_of_a_cell_that_fails_are_shown(pyplot: Prompt) -> None:
    assert numbers(pyplot.failure("figure()\n1 / 0")) == [1]


def test_a_figure_that_cannot_be_drawn_is_told(pyplot: Prompt) -> None:
    cell = pyplot.run("figure().wrong = True\nfigure()\nNone")
    assert numbers(cell) == [2]
    assert cell.notices == ("rendering a figure failed with ValueError: cannot draw",)


def test_more_figures_than_an_answer_holds_are_named(pyplot: Prompt) -> None:
    cell = pyplot.run("for i in range(12): figure()")
    assert len(cell.displays) == figures.MAXIMUM_FIGURES
    assert "2 more figures were not rendered (11, 12)" in cell.notices[0]
    assert numbers(pyplot.run("figure(); None")) == [1]


def test_pyplot_is_taken_over_when_it_is_imported(
    native: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delenv("MPLBACKEND", raising=False)
    package = tmp_path / "matplotlib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "backend_bases.py").write_text("class FigureManagerBase: pass\n")
    (package / "pyplot.py").write_text("import matplotlib.backend_bases\ndef show(): 1 / 0\n")
    prompt = Plotting(native)
    try:
        assert prompt.value("import os; os.environ['MPLBACKEND']") == "'Agg'"
        cell = prompt.run("import matplotlib.pyplot as plt\nplt.show()")
        assert cell.status == 0, cell
        assert cell.notices == ()
    finally:
        prompt.end()
        for name in [each for each in sys.modules if each.split(".")[0] == "matplotlib"]:
            del sys.modules[name]


def test_display_of_ipython_shows_as_ours_does(
    native: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("MPLBACKEND", "Agg")
    (tmp_path / "IPython" / "core").mkdir(parents=True)
    for name, text in {
        "__init__": "", "core/__init__": "", "display": "from IPython.core.display_functions import *\n",
        "core/display_functions": "__all__ = ['display']\ndef display(*objects): print(objects)\n",
    }.items():  # fmt: skip
        (tmp_path / "IPython" / f"{name}.py").write_text(text)
        module = "IPython/" + name.removesuffix("__init__")
        monkeypatch.setitem(sys.modules, module.rstrip("/").replace("/", "."), None)  # restored at the end
        del sys.modules[module.rstrip("/").replace("/", ".")]
    prompt = Plotting(native, made=made)
    cell = prompt.run("from IPython.display import display\ndisplay(made(markdown='# a'))")
    assert (cell.displays, cell.out) == ((("text/markdown", "# a"),), "")
    prompt.end()


def test_the_types_without_forms_are_without_forms() -> None:
    for kind in PLAIN_TYPES - {type}:
        assert not any(name.startswith("_repr_") for name in dir(kind))
