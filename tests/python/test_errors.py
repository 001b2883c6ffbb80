"""What is told of an exception that left a cell."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from fresh import run_fresh
from prompt import Prompt

CARETS = sys.version_info >= (3, 11)


def test_a_traceback_is_what_cpython_prints(prompt: Prompt) -> None:
    prompt.value("def f(a):\n    return a / 0")
    cell = prompt.failure("x = 1\nf(x)")
    lines = cell.traceback.splitlines()
    assert lines[:3] == ["Traceback (most recent call last):", '  File "<cell 2>", line 2, in <module>', "    f(x)"]
    assert '  File "<cell 1>", line 2, in f' in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert cell.type == "ZeroDivisionError"
    assert cell.message == "division by zero"


def test_no_frame_of_the_runtime_is_shown(prompt: Prompt) -> None:
    for code in ("1 / 0", "import asyncio; await asyncio.sleep('x')", "input()", "exit(3)", "x = (",
                 "class A:\n  def __repr__(self): 1 / 0\nA()", "class A:\n  def __str__(self): 1 / 0\nprint(A())"):  # fmt: skip
        traceback = prompt.failure(code).traceback
        assert "mcp_runtime" not in traceback
        assert "run_forever" not in traceback


def test_the_whole_expression_at_fault_is_marked(prompt: Prompt) -> None:
    lines = prompt.failure("a = [1]\nb = a[0] + a[5]").traceback.splitlines()
    if CARETS:
        assert lines[3].strip(" ") == "~^^^"
    else:
        assert lines[3] == "IndexError: list index out of range"


def test_a_cause_is_shown(prompt: Prompt) -> None:
    traceback = prompt.failure(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e"
    ).traceback
    assert "ZeroDivisionError: division by zero" in traceback
    assert "The above exception was the direct cause of the following exception:" in traceback
    assert traceback.endswith("KeyError: 'k'\n")


def test_a_context_is_shown(prompt: Prompt) -> None:
    traceback = prompt.failure("try:\n    1 / 0\nexcept ZeroDivisionError:\n    nothing").traceback
    assert "During handling of the above exception, another exception occurred:" in traceback


def test_the_quick_attempt_to_compile_is_no_context(prompt: Prompt) -> None:
    assert "During handling" not in prompt.failure("raise ValueError(1)").traceback
    assert "During handling" not in prompt.failure("    raise ValueError(1)").traceback
    assert "During handling" not in prompt.failure("x = = 1").traceback


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups and notes are of 3.11")
def test_groups_and_notes_are_shown(prompt: Prompt) -> None:
    cell = prompt.failure(
        "e = ExceptionGroup('several', [ValueError(1), TypeError(2)])\ne.add_note('mind this')\nraise e"
    )
    assert cell.message == "several (2 sub-exceptions)"
    assert "mind this" in cell.traceback
    assert "ValueError: 1" in cell.traceback and "TypeError: 2" in cell.traceback


@pytest.mark.skipif(sys.version_info < (3, 12), reason="traceback makes suggestions since 3.12")
def test_suggestions_are_made(prompt: Prompt) -> None:
    prompt.value("number = 1")
    assert "Did you mean: 'number'?" in prompt.failure("numbr").traceback
    assert "Did you mean: 'conjugate'?" in prompt.failure("number.conjugat").traceback


def test_a_syntax_error_points_at_the_column(prompt: Prompt) -> None:
    cell = prompt.failure("x = 1\ny = = 2")
    lines = cell.traceback.splitlines()
    assert cell.type == "SyntaxError"
    assert lines[-3:-1] == ["    y = = 2", "        ^"]
    assert '  File "<cell 1>", line 2' in lines


def test_a_syntax_error_prevents_the_whole_cell(prompt: Prompt) -> None:
    prompt.failure("x = 1\ny = = 2")
    assert prompt.failure("x").type == "NameError"


def test_the_type_is_qualified_by_its_module(prompt: Prompt) -> None:
    assert prompt.failure("import json; json.loads('{')").type == "json.decoder.JSONDecodeError"
    assert prompt.failure("class Mine(Exception): pass\nraise Mine('m')").type == "Mine"
    assert prompt.failure("class A:\n  class B(Exception): pass\nraise A.B").type == "A.B"


def test_unbounded_recursion_has_a_short_traceback(prompt: Prompt) -> None:
    cell = prompt.failure("def f(): return f()\nf()")
    assert cell.type == "RecursionError"
    assert "more times]" in cell.traceback
    assert len(cell.traceback) < 2_000


def test_a_deep_stack_of_different_lines_is_bounded(prompt: Prompt) -> None:
    prompt.value("import sys; sys.setrecursionlimit(20_000)")
    cell = prompt.failure("def f(n):\n    return g(n)\ndef g(n):\n    if n == 0: 1 / 0\n    return f(n - 1)\nf(6_000)")
    prompt.value("sys.setrecursionlimit(1_000)")
    assert len(cell.traceback) < 21_000
    assert "characters left out" in cell.traceback
    assert cell.traceback.startswith("Traceback (most recent call last):")
    assert cell.traceback.endswith("ZeroDivisionError: division by zero\n")


def test_a_long_message_is_bounded(prompt: Prompt) -> None:
    cell = prompt.failure("raise ValueError('a' * 1_000_000)")
    assert len(cell.message) < 5_000
    assert "characters left out" in cell.message
    assert len(cell.traceback) < 21_000


HOSTILE = {
    "str fails": "class E(Exception):\n    def __str__(self): raise ValueError('no')\nraise E",
    "str is no string": "class E(Exception):\n    def __str__(self): return 5\nraise E",
    "str fails with itself": "class E(Exception):\n    def __str__(self): raise self\nraise E",
    "str exits": "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
    "class lies": "class E(Exception):\n    __class__ = property(lambda s: 1 / 0)\nraise E('x')",
    "attributes fail": "class E(Exception):\n    def __getattribute__(self, n): raise ValueError(n)\nraise E('x')",
    "attributes are wrong": "class E(Exception):\n    __cause__ = 5\n    __notes__ = 7\n    __context__ = 'x'\n"
    "    __traceback__ = 3\nraise E('x')",
    "metaclass fails": "class M(type):\n    def __getattribute__(s, n): raise ValueError(n)\n"
    "class E(Exception, metaclass=M): pass\nraise E('x')",
    "name changed": "class E(Exception): pass\nE.__module__ = 5\nE.__name__ = 'F'\nraise E('x')",
    "cause is itself": "e = ValueError('x')\ne.__cause__ = e\nraise e",
    "causes in a circle": "a = ValueError('a'); b = ValueError('b')\na.__cause__ = b; b.__context__ = a\nraise a",
    "long chain": "e = None\nfor i in range(3_000):\n    n = ValueError(i); n.__cause__ = e; e = n\nraise e",
    "notes hostile": "class S:\n    def __str__(self): 1 / 0\n    __repr__ = __str__\ne = ValueError('x')\n"
    "e.__notes__ = [S(), 5]\nraise e",
    "surrogates": "raise ValueError('\\ud800')",
    "syntax error of the user's own": "raise SyntaxError('m', ('f', 'x', [], 5))",
    "syntax error with a huge line": "raise SyntaxError('m', ('f', 1, 1, 'x' * 10**7))",
    "bytes as text": "raise UnicodeDecodeError('utf-8', b'\\xff', 0, 1, 'r')",
    "exit with an object": "class S:\n    def __repr__(self): 1 / 0\nraise SystemExit(S())",
    "base exception": "class B(BaseException): pass\nraise B",
    "generator exit": "raise GeneratorExit",
    "stop iteration": "raise StopIteration(5)",
    "memory error": "raise MemoryError",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "traceback removed": "try:\n    1 / 0\nexcept Exception as e:\n    raise e.with_traceback(None)",
    "file name of a string": "exec(compile('1/0', '\\ud800<x>', 'exec'))",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_awkward_exception_is_told_all_the_same(prompt: Prompt, code: str) -> None:
    cell = prompt.failure(code)
    assert cell.type
    assert cell.traceback.rstrip()
    assert len(cell.traceback) < 25_000
    for text in cell.error or ():
        text.encode("utf-8")
    assert prompt.value("1 + 1") == "2"


def test_an_exception_that_won_t_say_says_what_it_is(prompt: Prompt) -> None:
    cell = prompt.failure(HOSTILE["str fails"])
    assert cell.type == "E"
    assert cell.message == "<str() of this exception failed with ValueError>"
    assert "E: <exception str() failed>" in cell.traceback or "unprintable" in cell.traceback


def test_the_last_error_is_kept_for_pdb(prompt: Prompt) -> None:
    prompt.failure("1 / 0")
    assert prompt.value("import sys; sys.last_value, sys.last_type is ZeroDivisionError") is not None
    assert prompt.value("sys.last_traceback.tb_frame.f_code.co_filename") == "'<cell 1>'"
    assert "ZeroDivisionError" in prompt.run("import traceback; traceback.print_exception(sys.last_type, sys.last_value, sys.last_traceback)").err


def test_locals_of_a_failed_cell_are_reachable_after_it(prompt: Prompt) -> None:
    prompt.failure("def f():\n    local = 7\n    1 / 0\nf()")
    assert prompt.value("import sys; sys.last_traceback.tb_next.tb_frame.f_locals['local']") == "7"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "exit(3)", "quit(3)", "raise SystemExit(3)"])
def test_exit_ends_the_cell_alone(prompt: Prompt, code: str) -> None:
    prompt.value("x = 5")
    cell = prompt.failure(code + "\nx = 6")
    assert cell.type == "SystemExit"
    assert "(3)" in cell.message and "session goes on" in cell.message
    assert prompt.value("x") == "5"


def test_a_failing_repr_says_that_the_cell_ran(prompt: Prompt) -> None:
    cell = prompt.failure("class A:\n    def __repr__(self): return 1 / 0\ndone = True\nA()")
    assert cell.type == "ZeroDivisionError" and cell.result is None
    assert "ran to its end" in cell.notices[0] and "type A" in cell.notices[0]
    assert prompt.value("done, type(_).__name__") == "(True, 'A')"


def test_a_repr_that_is_no_string_is_an_error(prompt: Prompt) -> None:
    assert prompt.failure("class A:\n    def __repr__(self): return 5\nA()").type == "TypeError"


def test_null_bytes_are_an_error(prompt: Prompt) -> None:
    assert prompt.failure("x = '\0'").type in ("SyntaxError", "ValueError")


def test_code_nested_too_deeply_is_an_error() -> None:
    fresh = run_fresh("(" * 5_000 + ")" * 5_000, "-" * 200_000 + "1", "1 + 1")
    assert [cell.status for cell in fresh.cells] == [1, 1, 0]


def test_an_error_after_clearcache_shows_its_source(prompt: Prompt) -> None:
    prompt.value("def f():\n    return 1 / 0  # here")
    prompt.value("import linecache; linecache.clearcache()")
    assert "# here" in prompt.failure("f()").traceback


def test_logging_an_exception_shows_the_cell() -> None:
    code = "import logging\ntry:\n    1 / 0  # why\nexcept Exception: logging.exception('failed')"
    assert "1 / 0  # why" in run_fresh(code).err


HINTS = {
    "%timeit f()": "timeit",
    "x = 1\n%matplotlib inline": "plt.show()",
    "!ls -l": "subprocess.run('ls -l', shell=True)",
    "len?": "help(len)",
    "?len": "help(len)",
    "%%bash\nls": "subprocess",
    "pip install numpy": "%pip install",
    "%pip list": "importlib.metadata",
    "%conda install numpy": "dependencies=",
    "%%html\n<b>": "text/html",
    "!pip install numpy": "subprocess",
    "```python\n1\n```": "fence",
    ">>> 1": "prompt",
    "%nonsense": "Python",
}


@pytest.mark.parametrize("code", HINTS)
def test_notebook_commands_say_what_replaces_them(prompt: Prompt, code: str) -> None:
    cell = prompt.failure(code)
    assert cell.type == "SyntaxError"
    assert HINTS[code] in cell.notices[0]


@pytest.mark.parametrize("name", ["get_ipython", "Out"])
def test_names_of_ipython_say_what_replaces_them(prompt: Prompt, name: str) -> None:
    cell = prompt.failure(f"{name}(1)")
    assert cell.type == "NameError"
    assert "IPython" in cell.notices[0]


@pytest.mark.parametrize(("name", "told"), [
    ("seaborn_or_so", "%pip install seaborn_or_so`"), ("sklearn", "scikit-learn"), ("IPython", "display(...)"),
])  # fmt: skip
def test_a_package_that_is_missing_says_how_to_install_it(prompt: Prompt, name: str, told: str) -> None:
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed for the tests' Python")
    cell = prompt.failure(f"import {name}")
    assert (cell.type, cell.message) == ("ModuleNotFoundError", f"No module named {name!r}")
    assert told in cell.notices[0]


@pytest.mark.parametrize("code", ["import json.nothing", "raise ModuleNotFoundError('gone')", "raise ImportError('x')"])
def test_an_import_error_of_another_kind_needs_no_hint(prompt: Prompt, code: str) -> None:
    assert prompt.failure(code).notices == ()


@pytest.mark.parametrize("code", ["nothing", "x = = 1", "5 % % 3", "def f(:\n  pass"])
def test_an_ordinary_syntax_error_needs_no_hint(prompt: Prompt, code: str) -> None:
    assert prompt.failure(code).notices == ()
