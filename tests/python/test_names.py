"""Names are described without running anybody's code."""

from __future__ import annotations

import pytest

from mcp_runtime.inspect_names import SHORT_REPR, describe_names
from prompt import Prompt


def described(value: object) -> tuple[str, str, str]:
    """(type, size, short repr) of one value."""
    ((name, *rest),) = describe_names({"x": value})
    assert name == "x"
    return (rest[0], rest[1], rest[2])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, ("int", "", "5")),
        (True, ("bool", "", "True")),
        (None, ("NoneType", "", "None")),
        (1.5, ("float", "", "1.5")),
        ("text", ("str", "4 characters", "'text'")),
        ("a", ("str", "1 character", "'a'")),
        (b"ab", ("bytes", "2 bytes", "b'ab'")),
        ([1, 2], ("list", "2 items", "[1, 2]")),
        ((1,), ("tuple", "1 item", "(1,)")),
        ((), ("tuple", "0 items", "()")),
        ({"a": 1}, ("dict", "1 item", "{'a': 1}")),
        ({1}, ("set", "1 item", "{1}")),
        (set(), ("set", "0 items", "set()")),
        (frozenset({1}), ("frozenset", "1 item", "frozenset({1})")),
        (range(3), ("range", "3 items", "range(0, 3)")),
        ([[[[1]]]], ("list", "1 item", "[[[…]]]")),
        (list(range(1_000)), ("list", "1,000 items", "[0, 1, 2, 3, 4, 5, …]")),
        (len, ("builtin_function_or_method", "", "<built-in function len>")),
        (int, ("type", "", "<class int>")),
        (pytest, ("module", "", "<module pytest>")),
        (range(10**30), ("range", "", f"range(0, {10**30})")),
    ],
)
def test_a_builtin_value_is_shown(value: object, expected: tuple[str, str, str]) -> None:
    assert described(value) == expected


def test_an_integer_too_long_to_print_is_measured() -> None:
    assert described(10**5_000) == ("int", "", "<int of 16,610 bits>")


def test_a_function_shows_its_parameters(prompt: Prompt) -> None:
    prompt.value("def f(a, b=1, *c, d): pass")
    assert prompt.session.names()[0][1:] == ("function", "", "<function f(a, b, d)>")


def test_a_long_text_is_cut() -> None:
    assert len(described("x" * 10**6)[2]) <= SHORT_REPR
    assert len(described(["x" * 10**6] * 10**6)[2]) <= SHORT_REPR


def test_a_container_that_holds_itself_ends() -> None:
    value: list[object] = []
    value.append(value)
    assert described(value)[2].startswith("[[")


def test_classes_of_a_session_are_named(prompt: Prompt) -> None:
    prompt.value("class A: pass\na = A()\nimport fractions\nf = fractions.Fraction(1, 2)")
    entries = {entry[0]: entry[1:] for entry in prompt.session.names()}
    assert entries["A"] == ("type", "", "<class A>")
    assert entries["a"] == ("A", "", "<A object>")
    assert entries["f"] == ("fractions.Fraction", "", "<fractions.Fraction object>")


def test_names_come_in_the_order_of_their_binding_without_the_runtimes(prompt: Prompt) -> None:
    prompt.value("b = 1\na = 2\n__dunder__ = 3\n_private = 4")
    prompt.value("5")
    prompt.value("6")
    assert [entry[0] for entry in prompt.session.names()] == ["b", "a", "_private"]


def test_an_underscore_of_the_users_own_is_listed(prompt: Prompt) -> None:
    prompt.value("_ = 'mine'")
    assert [entry[0] for entry in prompt.session.names()] == ["_"]


TRAPS = """
def trap(*a, **k): raise SystemExit('user code ran')
class M(type):
    __getattribute__ = __call__ = __instancecheck__ = __subclasscheck__ = __repr__ = __len__ = trap
class A(metaclass=M):
    __slots__ = ()
    __getattribute__ = __getattr__ = __len__ = __repr__ = __str__ = __iter__ = __hash__ = __eq__ = trap
    __bool__ = __dir__ = __format__ = __sizeof__ = trap
    __class__ = property(trap)
class L(list):
    __len__ = __iter__ = __repr__ = __getattribute__ = trap
class S(str):
    __len__ = __repr__ = __str__ = __getattribute__ = __getitem__ = trap
class D(dict):
    __len__ = __iter__ = items = __repr__ = __getattribute__ = trap
class K:
    def __hash__(self): return 1
    __eq__ = __repr__ = trap
import sys
class Module(type(sys)):
    __getattribute__ = __repr__ = trap
M2 = type(sys)('m2'); M2.__getattr__ = trap
a = object.__new__(A); l = L([1]); s = S('x'); d = D(a=1); m = Module('m'); m2 = M2; k = {K(): a}
inside = [l, s, d, a, {1: a}]
m3 = type(sys)('m3'); m3.__dict__['__name__'] = s
def f(): pass
f.__name__ = 'g'
"""


def test_no_user_code_runs(prompt: Prompt) -> None:
    prompt.value(TRAPS)
    entries = {entry[0]: entry for entry in prompt.session.names()}
    assert entries["a"][1:] == ("A", "", "<A object>")
    assert entries["l"][1:] == ("L", "", "<L object>")
    assert entries["s"][1] == "S" and entries["d"][1] == "D" and entries["m"][1] == "Module"
    assert entries["inside"][3].startswith("[<L object>, <S object>, <D object>, <A object>")
    assert entries["m3"][3] == "<module>"


def test_a_type_with_a_strange_module_is_named(prompt: Prompt) -> None:
    prompt.value("class A: pass\nA.__module__ = 5\na = A()\nclass B: pass\nB.__module__ = 7\nb = B()")
    assert [entry[1] for entry in prompt.session.names()] == ["type", "A", "type", "B"]


def test_names_that_are_no_strings_are_skipped(prompt: Prompt) -> None:
    prompt.value("globals()[5] = 1\nx = 2")
    assert [entry[0] for entry in prompt.session.names()] == ["x"]


def test_surrogates_can_be_sent(prompt: Prompt) -> None:
    prompt.value("globals()['\\ud800'] = '\\ud800'")
    ((name, _, _, shown),) = prompt.session.names()
    (name + shown).encode("utf-8")


def test_the_number_of_names_is_bounded() -> None:
    assert len(describe_names({f"v{i}": i for i in range(20_000)})) == 5_000
