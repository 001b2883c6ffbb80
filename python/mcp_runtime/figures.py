"""matplotlib's figures become pictures of the answer: on plt.show(), and at the end of the cell.

`watch` is for sessions that can load matplotlib at all, those of worker processes. It costs a
session nothing until matplotlib.pyplot is imported: a finder waits for that import. Backends stay
matplotlib's own (Agg, which needs no screen), so that children of the session, which inherit
MPLBACKEND, find theirs as well. The same finder gives IPython.display our display(), where its own
only prints.
"""

from __future__ import annotations

import os
import sys
from builtins import (
    Exception,
    any,
    float,
    getattr,
    id,
    isinstance,
    len,
    list,
    max,
    set,
    str,
    type,
)

from mcp_runtime import displays
from mcp_runtime.prompt_builtins import Display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mcp_runtime.session import Session

PYPLOT = "matplotlib.pyplot"
IPYTHON_DISPLAY = "IPython.core.display_functions"
MAXIMUM_FIGURES = 10  # rendered for one answer; each takes time and about 1,000 tokens
NAMED_FIGURES = 20
LONGEST_SIDE = 8192  # pixels of a rendered figure; more takes hundreds of megabytes


def watch(session: Session) -> None:
    """Shows the figures of this session's cells from now on. Called before its first cell."""
    session.loads_all_packages = True
    ours = "MPLBACKEND" not in os.environ
    if ours:
        os.environ["MPLBACKEND"] = "Agg"

    def pyplot_imported(pyplot: Any) -> None:
        _hook(session, pyplot, ours)

    def ipython_imported(functions: Any) -> None:
        functions.display = Display(session)

    hooks = {PYPLOT: pyplot_imported, IPYTHON_DISPLAY: ipython_imported}
    for name, hook in hooks.items():
        if name in sys.modules:  # preloaded
            hook(sys.modules[name])
    others = [each for each in sys.meta_path if type(each) is not _ImportWatch]
    sys.meta_path[:] = [_ImportWatch(hooks), *others]


def is_figure(value: object) -> bool:
    """A figure of matplotlib; false as long as that isn't imported."""
    kind = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
    return isinstance(kind, type) and isinstance(value, kind)


def show_single(shelf: displays.Shelf, figure: Any) -> None:
    """Renders one figure; what fails is told in a notice."""
    import io

    buffer = io.BytesIO()
    try:
        dpi = float(figure.dpi)
        pixels = max(figure.get_size_inches()) * dpi
        figure.savefig(
            buffer,
            format="png",
            bbox_inches="tight",
            dpi=dpi if pixels <= LONGEST_SIDE else dpi * LONGEST_SIDE / pixels,
        )
    except Exception as error:
        shelf.failed("rendering a figure", error)
        return
    shelf.picture("image/png", buffer.getvalue())


class Figures:
    """pyplot's figures of one session."""

    def __init__(self, shelf: displays.Shelf, session: Session, pyplot: Any) -> None:
        self._shelf = shelf
        self._session = session
        self._pyplot = pyplot
        self._shown: set[int] = set()  # of the current cell; shown figures aren't shown again
        self._count = 0
        self._skipped: list[str] = []

    def is_open(self, figure: Any) -> bool:
        return any(each.canvas.figure is figure for each in self._managers())

    def show_one(self, figure: Any) -> None:
        """Renders a figure, unless the cell has shown enough of them."""
        self._shown.add(id(figure))
        if self._count >= MAXIMUM_FIGURES:
            self._skipped.append(_name(figure))
            return
        self._count += 1
        show_single(self._shelf, figure)

    def show_all(self) -> None:
        """plt.show(): every open figure, which are closed then, as in notebooks."""
        managers = self._managers()
        if not managers:
            return
        try:
            for manager in managers:
                figure = manager.canvas.figure
                if id(figure) not in self._shown:
                    self.show_one(figure)
        finally:
            self._pyplot.close("all")
        # Their ids may be given to new figures now.
        self._shown.clear()

    def show_open(self) -> None:
        """The end of a cell."""
        try:
            self.show_all()
        except Exception as error:
            self._shelf.failed("showing the open figures", error)
        self._shown.clear()
        self._count = 0
        if self._skipped:
            skipped, self._skipped = self._skipped, []
            more = len(skipped) - NAMED_FIGURES
            self._session.notices.append(
                f"{len(skipped)} more figures were not rendered ("
                f"{', '.join(skipped[:NAMED_FIGURES])}{f' and {more} more' if more > 0 else ''}): "
                f"an answer shows {MAXIMUM_FIGURES} at most. Draw fewer in one cell, or save "
                "them to files."
            )

    def _managers(self) -> list[Any]:
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        if helpers is None or not helpers.Gcf.figs:
            return []
        return list(helpers.Gcf.get_all_fig_managers())


class _ImportWatch:
    """Sees the import of some modules, looks them up with the other finders, and calls a hook with
    each when it has been executed."""

    def __init__(self, hooks: dict[str, Callable[[Any], None]]) -> None:
        self._hooks = hooks

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        hook = self._hooks.get(name)
        if hook is None:
            return None
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if find_spec is None or type(finder) is _ImportWatch:
                continue
            spec = find_spec(name, path, target)
            if spec is not None:
                _hook_after(spec.loader, hook)
                return spec
        return None


def _hook_after(loader: Any, hook: Callable[[Any], None]) -> None:
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        execute(module)
        hook(module)

    loader.exec_module = exec_module


def _hook(session: Session, pyplot: Any, ours: bool) -> None:
    """Puts our show() in the place of pyplot's; a matplotlib unlike those we know stays as it is,
    and shows nothing."""
    shelf = displays.shelf_of(session)
    figures = Figures(shelf, session, pyplot)

    def show(*args: Any, **kwargs: Any) -> None:
        """Show the open figures with the cell's answer."""
        figures.show_all()

    def show_figure(manager: Any) -> None:
        """Show this figure with the cell's answer."""
        figures.show_one(manager.canvas.figure)

    try:
        bases = sys.modules["matplotlib.backend_bases"]
        if ours and _backend_is_undecided():
            pyplot.switch_backend("agg")
        pyplot.show = show
        bases.FigureManagerBase.show = show_figure  # type: ignore[attr-defined]
    except Exception as error:
        session.notices.append(
            f"figures of this matplotlib are not shown ({type(error).__name__}); use savefig()."
        )
        return
    shelf.figures = figures
    session.displays = shelf


def _backend_is_undecided() -> bool:
    """matplotlib was imported before the session, when MPLBACKEND wasn't set yet."""
    parameters = getattr(sys.modules.get("matplotlib"), "rcParams", None)
    look = getattr(parameters, "_get_backend_or_none", None)
    return look is not None and look() is None


def _name(figure: Any) -> str:
    label = figure.get_label()
    return str(label or getattr(figure, "number", "unnamed"))[:40]
