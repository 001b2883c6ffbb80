"""What user code does to its own Python environment must not take the session's answers away.

Each case runs in a process of its own, because it destroys that process's builtins and modules.
"""

from __future__ import annotations

import dis
import importlib
from builtins import __dict__ as builtin_names
from types import CodeType

import pytest

from fresh import RUNTIME, run_fresh

OWN_MODULES = [
    path.stem for path in (RUNTIME / "mcp_runtime").glob("*.py") if path.stem not in ("__init__", "native_api")
]

DAMAGE = {
    "builtins deleted": "import builtins\nfor n in list(vars(builtins)):\n    if n[0] != '_': delattr(builtins, n)",
    "builtins replaced": "import builtins\nfor n in list(vars(builtins)):\n    if n[0] != '_': setattr(builtins, n, None)",
    "modules cleared": "import sys; sys.modules.clear()",
    "import replaced": "import builtins; builtins.__import__ = None",
    "finders gone": "import sys; sys.meta_path.clear(); sys.path_hooks.clear(); sys.path.clear()",
    "traceback replaced": "import traceback, sys; traceback.TracebackException = None; sys.modules['traceback'] = None",
    "linecache emptied": "import linecache; linecache.cache = None; linecache.getline = None",
    "streams gone": "import sys; del sys.stdout, sys.stderr, sys.stdin",
    "streams closed": "import sys; sys.stdout.close(); sys.stderr.close()",
    "streams hostile": "import sys\nclass S:\n    def __getattr__(self, name): raise RuntimeError(name)\nsys.stdout = sys.stderr = S()",
    "recursion limit low": "import sys; sys.setrecursionlimit(30)",
    "namespace emptied": "globals().clear()",
    "builtins of the namespace replaced": "__builtins__ = {}",
    "trace function": "import sys; sys.settrace(lambda *a: 1/0)",
    "displayhook and excepthook": "import sys; sys.displayhook = sys.excepthook = None",
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "main replaced": "import sys; sys.modules['__main__'] = None",
    "runtime's own modules gone": "import sys\nfor n in list(sys.modules):\n    if 'mcp_runtime' in n: del sys.modules[n]",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_session_still_answers_after(damage: str) -> None:
    first, value, failure = run_fresh(damage, "1 + 1", "1 / 0").cells
    assert first.status in (0, 1)
    assert (value.status, value.result) == (0, "2")
    assert (failure.status, failure.type) == (1, "ZeroDivisionError")


@pytest.mark.parametrize("name", OWN_MODULES)
def test_every_builtin_a_module_uses_is_bound_in_it(name: str) -> None:
    module = importlib.import_module(f"mcp_runtime.{name}")
    used: set[str] = set()
    pending = [
        value.__code__
        for holder in (module, *(v for v in vars(module).values() if isinstance(v, type)))
        for value in vars(holder).values()
        if getattr(value, "__module__", None) == module.__name__ and hasattr(value, "__code__")
    ]
    while pending:
        code = pending.pop()
        used |= {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    missing = {n for n in used if n in builtin_names and n not in vars(module)}
    assert not missing, f"mcp_runtime.{name} should import from builtins: {sorted(missing)}"
