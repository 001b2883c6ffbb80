"""A session understands cells as an interactive prompt does."""

from __future__ import annotations

import sys

import pytest

from fresh import run_fresh
from prompt import Prompt


def test_the_value_of_the_last_expression_is_the_result(prompt: Prompt) -> None:
    assert prompt.value("1 + 1") == "2"
    assert prompt.value("x = 3\nx * 2") == "6"


def test_the_result_is_its_repr(prompt: Prompt) -> None:
    assert prompt.value("'a\\n'") == "'a\\n'"


def test_none_is_no_result(prompt: Prompt) -> None:
    assert prompt.value("None") is None
    assert prompt.value("print") is not None


@pytest.mark.parametrize("code", ["", "\n", "   ", "# nothing\n", "\n\n# nothing"])
def test_an_empty_cell_completes(prompt: Prompt, code: str) -> None:
    assert prompt.value(code) is None


def test_a_statement_has_no_result(prompt: Prompt) -> None:
    assert prompt.value("x = 5") is None
    assert prompt.value("if True: 5") is None
    assert prompt.value("for i in range(2):\n    i") is None


def test_a_name_bound_in_one_cell_is_visible_in_the_next(prompt: Prompt) -> None:
    prompt.value("x = 5")
    assert prompt.value("x") == "5"


def test_a_definition_persists_and_sees_later_names(prompt: Prompt) -> None:
    prompt.value("def f():\n    return later")
    prompt.value("later = 'yes'")
    assert prompt.value("f()") == "'yes'"


@pytest.mark.parametrize("code", ["5;", "5; ", "5 ;  # why", "(5);", "(5  # ;\n);", "x = 1; 5;", "'é';"])
def test_a_semicolon_hides_the_result(prompt: Prompt, code: str) -> None:
    assert prompt.value(code) is None


@pytest.mark.parametrize("code", ["'a;'", "5  # ;", "x = 1; 5", "('é;',\n 'b')[0]  # ;", "f'{1};'"])
def test_a_semicolon_elsewhere_hides_nothing(prompt: Prompt, code: str) -> None:
    assert prompt.value(code) is not None


def test_an_expression_may_span_lines(prompt: Prompt) -> None:
    assert prompt.value("(1 +\n 2)\n") == "3"
    assert prompt.value("1 + \\\n 2") == "3"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_understood(prompt: Prompt, end: str) -> None:
    assert prompt.value(f"y = 1{end}y + 1{end}") == "2"


def test_an_indented_cell_is_dedented(prompt: Prompt) -> None:
    assert prompt.value("    a = 1\n    if a:\n        a = 2\n\n    a") == "2"
    assert prompt.value("  1 + 1") == "2"


def test_a_cell_indented_unevenly_is_a_syntax_error(prompt: Prompt) -> None:
    assert prompt.failure("    a = 1\n  b = 2").type == "IndentationError"


def test_underscore_is_the_last_result(prompt: Prompt) -> None:
    prompt.value("41")
    assert prompt.value("_ + 1") == "42"
    assert prompt.value("_, __") == "(42, 41)"
    assert prompt.value("___") == "41"


def test_underscore_keeps_its_value_when_there_is_no_result(prompt: Prompt) -> None:
    prompt.value("41")
    prompt.value("x = 5")
    prompt.value("None")
    assert prompt.value("_") == "41"


def test_an_underscore_of_the_users_own_is_left_alone(prompt: Prompt) -> None:
    prompt.value("_ = 'mine'")
    prompt.value("5")
    assert prompt.value("_") == "'mine'"
    prompt.value("del _")
    prompt.value("6")
    assert prompt.value("_") == "6"


def test_a_future_import_lasts(prompt: Prompt) -> None:
    prompt.value("from __future__ import annotations")
    prompt.value("def f(a: undefined_name): pass")
    assert prompt.value("f.__annotations__") == "{'a': 'undefined_name'}"


def test_without_the_future_import_annotations_are_values(prompt: Prompt) -> None:
    prompt.value("def f(a: int): pass")
    assert prompt.value("f.__annotations__") == "{'a': <class 'int'>}"


def test_the_name_is_main(prompt: Prompt) -> None:
    assert prompt.value("__name__") == "'__main__'"
    assert prompt.value("import sys; sys.modules['__main__'].__dict__ is globals()") == "True"


def test_main_comes_back_after_it_was_replaced(prompt: Prompt) -> None:
    prompt.value("import sys; kept = 1; del sys.modules['__main__']")
    assert prompt.value("sys.modules['__main__'].kept") == "1"


def test_the_namespace_starts_empty(prompt: Prompt) -> None:
    assert prompt.value("[n for n in dir() if not n.startswith('__')]") == "[]"


def test_a_class_of_a_cell_can_be_pickled(prompt: Prompt) -> None:
    prompt.value("class Point:\n    def __init__(self, x): self.x = x")
    assert prompt.value("import pickle\npickle.loads(pickle.dumps(Point(7))).x") == "7"


def test_dataclasses_work(prompt: Prompt) -> None:
    prompt.value("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: 'P' = None")
    assert prompt.value("P(1)") == "P(x=1, y=None)"
    assert prompt.value("import typing; typing.get_type_hints(P)['y'] is P") == "True"


def test_dataclasses_work_with_future_annotations(prompt: Prompt) -> None:
    prompt.value("from __future__ import annotations\nfrom dataclasses import dataclass")
    prompt.value("@dataclass\nclass P:\n    x: int = 3")
    assert prompt.value("P()") == "P(x=3)"


def test_enums_and_named_tuples_know_their_module(prompt: Prompt) -> None:
    prompt.value("import enum, collections\nE = enum.Enum('E', 'A B')\nT = collections.namedtuple('T', 'a')")
    assert prompt.value("import pickle; pickle.loads(pickle.dumps((E.A, T(1))))[1].a") == "1"


def test_getsource_finds_a_function(prompt: Prompt) -> None:
    prompt.value("x = 1\ndef f(a):\n    # why\n    return a\n")
    assert prompt.value("import inspect\nprint(inspect.getsource(f))") is None
    assert prompt.value("inspect.getsource(f)") == repr("def f(a):\n    # why\n    return a\n")


def test_getsource_finds_a_function_of_the_same_cell(prompt: Prompt) -> None:
    assert prompt.value("import inspect\ndef f(): return 1\ninspect.getsource(f)") == repr("def f(): return 1\n")


def test_getsource_survives_checkcache(prompt: Prompt) -> None:
    prompt.value("def f(): return 1")
    prompt.value("import linecache; linecache.checkcache()")
    assert prompt.value("import inspect; inspect.getsource(f)") == repr("def f(): return 1\n")


def test_getsource_of_a_function_lasts_while_many_cells_pass(prompt: Prompt) -> None:
    prompt.value("def f(): return 1")
    for _ in range(300):
        prompt.value("1 + 1")
    assert prompt.value("import inspect; inspect.getsource(f)") == repr("def f(): return 1\n")


def test_sources_of_passing_cells_do_not_pile_up(prompt: Prompt) -> None:
    import linecache

    before = len(linecache.cache)
    for _ in range(500):
        prompt.value("x = 1")
    assert len(linecache.cache) - before < 100


def test_sources_of_definitions_are_bounded(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    import linecache

    from mcp_runtime import sources

    monkeypatch.setattr(sources, "KEPT_DEFINING_CHARACTERS", 1_000)
    before = len(linecache.cache)
    for _ in range(500):
        prompt.value("def f(): return 1")
    assert len(linecache.cache) - before < 200
    assert prompt.value("import inspect; inspect.getsource(f)") == repr("def f(): return 1\n")


def test_closing_forgets_the_sources(prompt: Prompt) -> None:
    import linecache

    prompt.value("def f(): return 1")
    prompt.session.close()
    assert not [name for name in linecache.cache if name.startswith("<cell ")]


def test_doctests_of_a_session_run(prompt: Prompt) -> None:
    prompt.value("def f(a):\n    '''\n    >>> f(1)\n    2\n    '''\n    return a + 1")
    assert prompt.value("import doctest; doctest.testmod().attempted") == "1"


def test_a_docstring_alone_is_a_result(prompt: Prompt) -> None:
    assert prompt.value("'''text'''") == "'text'"


def test_lambdas_and_comprehensions_see_the_namespace(prompt: Prompt) -> None:
    prompt.value("n = 3")
    assert prompt.value("[n * i for i in range(n)]") == "[0, 3, 6]"
    assert prompt.value("(lambda: n)()") == "3"


def test_a_warning_is_shown_in_every_cell_that_causes_it() -> None:
    warn = "import warnings; warnings.warn('careful')"
    fresh = run_fresh(warn, warn)
    assert fresh.err.count("UserWarning: careful") == 2
    assert "<cell 2>:1: UserWarning" in fresh.err


@pytest.mark.parametrize("code", ["1 is 1", r"'\d'", "x = 1 is 1", "y = 2\n1 is 1", "y = 2\n'\\d'"])
def test_a_syntax_warning_is_shown_once(code: str) -> None:
    enable = "import warnings; warnings.simplefilter('always')"
    assert run_fresh(enable, code).err.count("Warning:") == 1


def test_close_empties_the_namespace(prompt: Prompt) -> None:
    prompt.value("x = 5")
    assert prompt.session.close() == []
    assert "x" not in prompt.session.namespace
    assert sys.modules["__main__"] is not prompt.session.main


def test_a_finaliser_finds_what_it_uses_when_the_session_closes(prompt: Prompt) -> None:
    prompt.value("import os\ndef note(x): seen.append((os.sep, x))")
    prompt.value("class A:\n    def __del__(self): note(self.x)\nseen = []\na = A(); a.x = 5")
    seen = prompt.session.namespace["seen"]
    prompt.session.close()
    assert seen == [("/", 5)]


def test_help_prints(prompt: Prompt) -> None:
    assert "Return the number of items" in prompt.run("help(len)").out


def test_a_huge_cell_runs(prompt: Prompt) -> None:
    code = "\n".join(f"v{i} = {i}" for i in range(20_000))
    assert prompt.value(code + "\nv19999") == "19999"
