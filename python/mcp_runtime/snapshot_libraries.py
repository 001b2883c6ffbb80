"""What cells have set in modules of the standard library, told for another session to do the same.

Called by snapshot_surroundings. The state of `random`, the precision of `decimal`, the levels and
plain handlers of `logging`, the filters of `warnings`: what sessions set once and count on later.
Only of modules that are loaded, and only their own classes are asked, so that no user code runs.
"""

from __future__ import annotations

import builtins
import sys
from builtins import (
    Exception,
    Warning,
    __import__,
    dict,
    getattr,
    isinstance,
    issubclass,
    list,
    str,
    tuple,
    type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_STREAMS = ("stdout", "stderr")


def describe() -> dict[str, Any]:
    """What JSON can carry of it, by module."""
    found: dict[str, Any] = {}
    for name, (describe_one, _) in _MODULES.items():
        module = sys.modules.get(name)
        try:
            told = None if module is None else describe_one(module)
        except Exception:  # the session has changed what this needs
            continue
        if told is not None:
            found[name] = told
    return found


def apply(told: dict[str, Any]) -> dict[str, str]:
    """Does the same here. Returns what did not work, with its reason."""
    troubles: dict[str, str] = {}
    for name, state in told.items():
        try:
            _MODULES[name][1](__import__(name), state)
        except Exception as error:
            troubles[f"what was set in {name}"] = str(error)
    return troubles


def _describe_random(module: ModuleType) -> Any:
    generator = module.__dict__["_inst"]
    return generator.getstate() if type(generator) is module.__dict__["Random"] else None


def _apply_random(module: ModuleType, state: Any) -> None:
    version, internal, gauss = state
    module.__dict__["_inst"].setstate((version, tuple(internal), gauss))


def _describe_decimal(module: ModuleType) -> Any:
    context = module.__dict__["getcontext"]()
    return [context.prec, context.rounding]


def _apply_decimal(module: ModuleType, state: Any) -> None:
    context = module.__dict__["getcontext"]()
    context.prec, context.rounding = state


def _describe_logging(module: ModuleType) -> Any:
    names = module.__dict__
    root = names["root"]
    loggers = {
        name: logger.level
        for name, logger in list(root.manager.loggerDict.items())
        if type(logger) is names["Logger"] and logger.level
    }
    handlers = [_describe_handler(module, each) for each in list(root.handlers)]
    return [root.level, loggers, [each for each in handlers if each is not None]]


def _describe_handler(module: ModuleType, handler: Any) -> Any:
    """(level, stream, format, date format) of one that writes to a standard stream."""
    if type(handler) is not module.__dict__["StreamHandler"]:
        return None
    for name in _STREAMS:
        if handler.stream is getattr(sys, name, None):
            form = handler.formatter
            if form is None or type(form) is not module.__dict__["Formatter"]:
                return [handler.level, name, None, None]
            return [handler.level, name, form._fmt, form.datefmt]
    return None


def _apply_logging(module: ModuleType, state: Any) -> None:
    names = module.__dict__
    root = names["root"]
    level, loggers, handlers = state
    root.setLevel(level)
    for name, own_level in loggers.items():
        names["getLogger"](name).setLevel(own_level)
    for own_level, stream, form, dates in () if root.handlers else handlers:
        handler = names["StreamHandler"](getattr(sys, stream))
        handler.setLevel(own_level)
        if form is not None:
            style = "{" if "{" in form and "%(" not in form else "$" if "${" in form else "%"
            handler.setFormatter(names["Formatter"](form, dates, style))
        root.addHandler(handler)


def _describe_warnings(module: ModuleType) -> Any:
    """None when a filter can't be told: those there are at a start say nothing new."""
    told = []
    for action, text, category, place, line in list(module.__dict__["filters"]):
        if getattr(builtins, category.__name__, None) is not category:
            continue
        told.append([action, _pattern(text), category.__name__, _pattern(place), line])
    return told


def _apply_warnings(module: ModuleType, state: Any) -> None:
    filters = module.__dict__["filters"]
    known = [
        [action, _pattern(text), category.__name__, _pattern(place), line]
        for action, text, category, place, line in list(filters)
    ]
    if known == state:
        return
    module.__dict__["resetwarnings"]()
    for action, text, category_name, place, line in state:
        category = getattr(builtins, category_name)
        if isinstance(category, type) and issubclass(category, Warning):
            module.__dict__["filterwarnings"](action, text, category, place, line, append=True)


def _pattern(expression: Any) -> str:
    if expression is None:
        return ""
    text = expression if type(expression) is str else expression.pattern
    return str(text)


_MODULES = {
    "random": (_describe_random, _apply_random),
    "decimal": (_describe_decimal, _apply_decimal),
    "logging": (_describe_logging, _apply_logging),
    "warnings": (_describe_warnings, _apply_warnings),
}
