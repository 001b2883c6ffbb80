"""What a cell evaluates to and leaves behind, in every room."""

from __future__ import annotations

import pytest

from tests.sessions.prompt import Prompt

# --- values and names -------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "result"), [
    ("1 + 1", "2"),
    ("x = 5", None),
    ("x = 5\nx", "5"),
    ("None", None),
    ("'a' 'b'", "'ab'"),
    ("for n in range(3): pass", None),
    ("'docstring alone'", "'docstring alone'"),
    ("{'a': [1, (2.5, None)]}", "{'a': [1, (2.5, None)]}"),
    ("", None),
    ("# only a comment", None),
    ("if True:\n    7", None),
    ("8;", None),  # as in notebooks
])  # fmt: skip
def test_the_value_of_the_last_expression_is_the_result(prompt: Prompt, code: str, result: object) -> None:
    assert prompt.value(code) == result


def test_the_last_value_is_underscore(prompt: Prompt) -> None:
    prompt.value("6 * 7")
    assert prompt.value("_ + 1") == "43"
    prompt.value("x = 1")
    assert prompt.value("_") == "43"


def test_names_imports_and_definitions_stay(prompt: Prompt) -> None:
    prompt.value("import math\nfrom collections import Counter\nn = 2\ndef double(x): return n * x\nclass C: kept = []")
    prompt.value("C.kept.append(double(21))\nn = 3")
    assert prompt.value("C.kept, double(1), math.floor(2.5), Counter('aab')['a']") == "([42], 3, 2, 2)"


def test_names_bound_before_an_error_stay(prompt: Prompt) -> None:
    assert prompt.run("a = 1\nb = 1 / 0\nc = 3").status == "raised"
    assert prompt.value("a, 'b' in globals(), 'c' in globals()") == "(1, False, False)"


def test_a_cell_is_main(prompt: Prompt) -> None:
    assert prompt.value("__name__") == "'__main__'"
    assert prompt.value("class C: pass\nC.__module__, (lambda: 0).__module__") == "('__main__', '__main__')"
    assert prompt.value("import __main__\nmarker = 1\n__main__.marker, vars(__main__) is globals()") == "(1, True)"


def test_locals_in_comprehensions_lambdas_and_classes_are_seen(prompt: Prompt) -> None:
    prompt.value("k = 10")
    assert prompt.value("[n * k for n in range(3)], (lambda: k)(), type('D', (), {'k': k}).k") == "([0, 10, 20], 10, 10)"


# --- definitions ------------------------------------------------------------------------------------


def test_dataclasses_work(prompt: Prompt) -> None:
    prompt.value("from dataclasses import dataclass, field, replace\n"
                 "@dataclass(order=True)\nclass Point:\n    x: int\n    tags: list[str] = field(default_factory=list)")
    assert prompt.value("replace(Point(1), x=2), Point(1) < Point(2)") == "(Point(x=2, tags=[]), True)"


def test_definitions_of_cells_can_be_pickled(prompt: Prompt) -> None:
    prompt.value("import pickle\nclass Node:\n    def __init__(self, n): self.n = n\ndef triple(n): return 3 * n")
    assert prompt.value("pickle.loads(pickle.dumps(Node(4))).n, pickle.loads(pickle.dumps(triple))(5)") == "(4, 15)"
    assert prompt.value("type(pickle.loads(pickle.dumps(Node(4)))) is Node") == "True"


def test_the_source_of_what_a_cell_defined_is_found(prompt: Prompt) -> None:
    prompt.value("import inspect\ndef area(r):\n    # of a circle\n    return 3 * r * r\n\nclass Shape:\n    def corners(self):\n        return 4\n")
    assert "# of a circle" in str(prompt.value("inspect.getsource(area)"))
    assert prompt.value("inspect.getsource(Shape.corners)") == repr("    def corners(self):\n        return 4\n")


def test_enumerations_generics_and_typing_work(prompt: Prompt) -> None:
    prompt.value("import enum, typing\nclass Colour(enum.Enum):\n    RED = 1\n"
                 "class Pair(typing.NamedTuple):\n    a: int\n    b: 'Colour'")
    assert prompt.value("Pair(1, Colour.RED), typing.get_type_hints(Pair)['b'] is Colour") == "(Pair(a=1, b=<Colour.RED: 1>), True)"


# --- errors -------------------------------------------------------------------------------------------


def test_a_traceback_shows_the_cells_own_lines_and_none_of_ours(prompt: Prompt) -> None:
    prompt.value("def inner(n):\n    return 1 / n")
    answer = prompt.run("def outer():\n    return inner(0)  # called here\n\nouter()")
    assert (answer.status, answer.error["type"]) == ("raised", "ZeroDivisionError")
    trace = answer.error["traceback"]
    assert "return 1 / n" in trace and "return inner(0)  # called here" in trace and "outer()" in trace
    assert trace.startswith("Traceback (most recent call last):") and trace.rstrip().endswith("division by zero")
    assert "mcp_runtime" not in trace and "exec(" not in trace
    assert trace.count("File ") == 3


def test_causes_and_notes_are_shown(prompt: Prompt) -> None:
    answer = prompt.run("try:\n    {}['key']\nexcept KeyError as e:\n    raise ValueError('no such thing') from e")
    trace = answer.error["traceback"]
    assert "KeyError: 'key'" in trace and "direct cause" in trace and "ValueError: no such thing" in trace


def test_a_syntax_error_points_at_its_column_and_runs_nothing(prompt: Prompt) -> None:
    answer = prompt.run("ran = True\nvalue = (1 + * 2)")
    assert (answer.status, answer.error["type"]) == ("raised", "SyntaxError")
    lines = answer.error["traceback"].splitlines()
    [at] = [number for number, line in enumerate(lines) if "value = (1 + * 2)" in line]
    assert lines[at + 1].index("^") == lines[at].index("*")
    assert "line 2" in answer.error["traceback"]
    assert prompt.value("'ran' in globals()") == "False"


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "raise SystemExit", "exit()", "quit(1)"])
def test_exit_ends_the_cell_alone(prompt: Prompt, code: str) -> None:
    prompt.value("kept = 1")
    answer = prompt.run(f"{code}\nkept = 2")
    assert (answer.status, answer.error["type"]) == ("raised", "SystemExit"), answer
    assert prompt.value("kept") == "1"


def test_input_fails_at_once_and_says_what_to_do(prompt: Prompt) -> None:
    answer = prompt.run("input('name? ')", timeout=60)
    assert answer.status == "raised" and answer.seconds < 20
    assert "input" in answer.error["message"], answer
    assert prompt.run("import sys; sys.stdin.readline()", timeout=60).seconds < 20


def test_unbounded_recursion_is_an_error(prompt: Prompt) -> None:
    answer = prompt.run("def down(n): return down(n + 1)\ndown(0)")
    assert (answer.status, answer.error["type"]) == ("raised", "RecursionError")
    assert len(answer.error["traceback"]) < 20_000
    assert prompt.value("1 + 1") == "2"


def test_a_failing_repr_is_an_error_of_the_cell(prompt: Prompt) -> None:
    answer = prompt.run("class Bad:\n    def __repr__(self): raise ValueError('unprintable')\nkept = 7\nBad()")
    assert answer.status == "raised" and "unprintable" in answer.text
    assert prompt.value("kept") == "7"


# --- warnings and logging -----------------------------------------------------------------------------


def test_warnings_reach_stderr_with_their_text(prompt: Prompt) -> None:
    answer = prompt.run("import warnings\nwarnings.warn('mind the gap')")
    assert answer.status == "completed" and "UserWarning: mind the gap" in answer.stderr


def test_a_handler_made_in_one_cell_logs_in_the_next(prompt: Prompt) -> None:
    prompt.value("import logging\nlogging.basicConfig(level=logging.INFO)")
    answer = prompt.run("logging.getLogger('work').info('under way')")
    assert answer.stderr == "INFO:work:under way\n"


# --- looking without running ----------------------------------------------------------------------------


def test_names_are_listed_without_running_user_code(prompt: Prompt) -> None:
    prompt.value("calls = []\nclass Nosy:\n    def __repr__(self): calls.append('repr'); return 'x'\n"
                 "    def __len__(self): calls.append('len'); return 1\n"
                 "    def __getattr__(self, name): calls.append(name); raise AttributeError(name)\n"
                 "nosy = Nosy()\nnumber = 42\ntext = 'abc'\ndef double(n): return 2 * n\n")
    names = prompt.names()
    assert list(names) == ["calls", "Nosy", "nosy", "number", "text", "double"]
    assert (names["number"]["type"], names["number"]["repr"]) == ("int", "42")
    assert names["nosy"]["type"].endswith("Nosy")
    assert "(n)" in names["double"]["repr"]
    assert prompt.value("calls") == "[]"


# --- the library ----------------------------------------------------------------------------------------


def test_much_of_the_standard_library_works(prompt: Prompt) -> None:
    answer = prompt.run(
        "import sqlite3, json, zlib, hashlib, decimal, datetime, zoneinfo, re, tempfile, pathlib, csv, io, struct\n"
        "db = sqlite3.connect(':memory:')\ndb.execute('create table t (n)')\n"
        "db.executemany('insert into t values (?)', [(n,) for n in range(10)])\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    path = pathlib.Path(folder, 'a.json')\n    path.write_text(json.dumps([1, 2]))\n    read = json.loads(path.read_text())\n"
        "(db.execute('select sum(n) from t').fetchone(), read, zlib.crc32(b'x'), hashlib.md5(b'').hexdigest()[:4],\n"
        " str(decimal.Decimal('0.1') + decimal.Decimal('0.2')), datetime.date(2024, 2, 29).isoformat(), struct.pack('>H', 258))")
    assert answer.result == "((45,), [1, 2], 2363233923, 'd41d', '0.3', '2024-02-29', b'\\x01\\x02')", answer
