"""What moves from one session to another, and what is left behind by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from carried import carry, find_bundled, run_steps
from prompt import Prompt
from stopper import Stopper

needs_cloudpickle = pytest.mark.skipif(
    find_bundled() is None, reason="nothing is built: run ./dev build, which fetches cloudpickle")
pytestmark = needs_cloudpickle


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.bin"


# What moves.


def test_names_move_in_their_order_and_share_what_they_shared(file: Path) -> None:
    moved = carry(file, ["a = [1]; z = {'a': a}; text = 'x'; b = a; nothing = None"],
                  ["a.append(2); a is b is z['a'], z, text, nothing",
                   "[name for name in globals() if not name.startswith('__')]"])
    assert moved.values == ["(True, {'a': [1, 2]}, 'x', None)",
                            "['a', 'z', 'text', 'b', 'nothing', '_']"]
    assert moved.saved.counts == {"saved": 5, "left_behind": {}}
    assert moved.restored.counts == {"restored": 5, "left_behind": {}}
    assert moved.saved.notices == moved.restored.notices == ()


def test_functions_find_the_new_sessions_names(file: Path) -> None:
    moved = carry(file, ["factor = 2\ndef scaled(x, by=[1]):\n    return x * factor, by\n"
                         "twice = lambda x: scaled(x)\nscaled.note = 'kept'\n"
                         "def counter():\n    n = 0\n    def step():\n        nonlocal n; n += 1; return n\n"
                         "    return step\nstep = counter(); step()"],
                  ["twice(3)", "factor = 5; twice(3), scaled.note, scaled.__globals__ is globals()",
                   "step(), step()", "def scaled(x): return 'new'\ntwice(1)"])
    assert moved.values == ["(6, [1])", "((15, [1]), 'kept', True)", "(2, 3)", "'new'"]


def test_classes_keep_their_identity_and_their_kind(file: Path) -> None:
    moved = carry(
        file,
        ["import abc, enum, dataclasses, typing\n"
         "class Base(abc.ABC):\n    made = []\n    def __init__(self): self.made.append(self)\n"
         "    @property\n    def kind(self): return type(self).__name__\n"
         "class Leaf(Base):\n    def __init__(self):\n        super().__init__(); self.me = self\n"
         "leaf = Leaf(); other = leaf\n"
         "class Colour(enum.Enum):\n    RED = 1\n"
         "red = Colour.RED\n"
         "@dataclasses.dataclass(frozen=True)\nclass Point:\n    x: int\npoint = Point(1)\n"
         "class Pair(typing.NamedTuple):\n    a: int\npair = Pair(1)"],
        ["type(leaf) is Leaf, leaf is other is leaf.me, Base.made[0] is leaf, leaf.kind",
         "red is Colour.RED, point == Point(1), type(pair) is Pair, pair, isinstance(leaf, Base)"])
    assert moved.values == ["(True, True, True, 'Leaf')", "(True, True, True, Pair(a=1), True)"]


def test_modules_move_by_name_with_the_parts_that_were_imported(file: Path) -> None:
    moved = carry(file, ["import os, xml.dom.minidom, zlib as z\nfrom math import pi, sin"],
                  ["xml.dom.minidom.parseString('<a/>').firstChild.tagName, z.crc32(b''), sin(0), pi > 3",
                   "import os as again; os is again"])
    assert moved.values == ["('a', 0, 0.0, True)", "True"]


def test_sources_move_with_what_they_define(file: Path) -> None:
    moved = carry(file, ["1", "def broken():\n    # why\n    return 1 / 0", "2"],
                  ["import inspect; inspect.getsource(broken)", "'one more cell'"])
    assert moved.values[0] == repr("def broken():\n    # why\n    return 1 / 0\n")
    failed = run_steps(("restore", str(file)), ("run", "broken()"), first=5)[1]
    assert failed.error and 'File "<cell 2>", line 3, in broken\n    return 1 / 0' in failed.error[2]


def test_the_last_results_move_and_names_of_the_users_stay_the_users(file: Path) -> None:
    moved = carry(file, ["1", "[2]", "3"], ["_, __, ___", "_"])
    assert moved.values == ["(3, [2], 1)", "(3, [2], 1)"]
    assert carry(file, ["_ = 'mine'", "5"], ["_", "6", "_"]).values == ["'mine'", "6", "'mine'"]


def test_future_flags_move(file: Path) -> None:
    moved = carry(file, ["from __future__ import annotations"],
                  ["def f(x: Undefined): pass\nf.__annotations__"])
    assert moved.values == ["{'x': 'Undefined'}"]


def test_the_surroundings_move(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "local_module.py").write_text("value = 7\n")
    moved = carry(file, [f"import os, sys\nos.chdir({str(place)!r}); os.environ['NEW'] = 'ü'\n"
                         f"os.environ.pop('HOME', None); sys.path.insert(0, {str(place)!r})\n"
                         "sys.path.append('/last'); import local_module"],
                  ["os.getcwd(), os.environ['NEW'], 'HOME' in os.environ",
                   "local_module.value, sys.path[0], sys.path[-1]"])
    assert moved.values == [f"({str(place)!r}, 'ü', False)", f"(7, {str(place)!r}, '/last')"]


def test_the_namespace_and_its_module_are_the_new_ones(file: Path) -> None:
    moved = carry(file, ["import sys\ng = globals(); m = sys.modules['__main__']; inside = [m]; x = 1"],
                  ["g is globals(), m is sys.modules['__main__'] is inside[0], m.x"])
    assert moved.values == ["(True, True, 1)"]


# What is left behind.

UNMOVABLE = """
import _thread, asyncio, socket, threading
class Refuses:
    def __reduce__(self): raise ValueError('not me')
class Evil(Exception):
    def __str__(self): raise SystemExit
class RefusesOddly:
    def __getstate__(self): raise Evil
shared = ['kept']
generator = (n for n in shared)
async def coroutine(): pass
waiting = coroutine()
file = open('/dev/null')
own = Refuses()
odd = RefusesOddly()
lock = threading.Lock()
within = {'a': shared, 'b': [1, lock]}
sock = socket.socket()
after = [shared]
"""


def test_what_cannot_be_pickled_is_named_and_spoils_nothing(file: Path) -> None:
    moved = carry(file, [UNMOVABLE], ["after[0] is shared, shared, Refuses.__name__", "lock"][:1])
    assert moved.values == ["(True, ['kept'], 'Refuses')"]
    left = moved.saved.summary["left_behind"]
    assert set(left) == {"generator", "waiting", "file", "own", "odd", "lock", "within", "sock"}
    assert left["own"] == "ValueError: not me" and left["odd"] == "Evil"
    assert "open file" in left["file"] and "generator" in left["generator"]
    assert "within" in moved.saved.notice and "Make such things there again" in moved.saved.notice


def test_a_notice_names_twenty(file: Path) -> None:
    moved = carry(file, ["import threading\nfor n in range(30): globals()[f'lock{n}'] = threading.Lock()"], [])
    assert len(moved.saved.summary["left_behind"]) == 30
    assert "lock19" in moved.saved.notice and "lock20" not in moved.saved.notice
    assert "and 10 more" in moved.saved.notice


def test_a_record_that_fails_halfway_does_not_lend_its_parts(file: Path) -> None:
    moved = carry(file, ["import threading\npart = None\ninner = ['inner']\n"
                         "class K: pass\nbad = K(); bad.list = inner; bad.lock = threading.Lock()\n"
                         "good = K(); good.list = inner; good.same = inner"],
                  ["good.list is good.same is inner, inner, type(good) is K"])
    assert moved.values == ["(True, ['inner'], True)"]
    assert list(moved.saved.summary["left_behind"]) == ["bad"]


def test_running_tasks_and_threads_are_told(file: Path) -> None:
    moved = carry(file, ["import asyncio, threading\nasync def f(): await asyncio.sleep(60)\n"
                         "held = threading.Event()\nthreading.Thread(target=held.wait, daemon=True).start()",
                         "asyncio.create_task(f()); await asyncio.sleep(0)"], [])
    assert any("1 task and 1 thread stayed behind" in notice for notice in moved.saved.notices)


def test_what_cannot_be_restored_is_named_and_spoils_nothing(file: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "elsewhere.py").write_text(
        "class Thing:\n    pass\n")
    moved = carry(file, ["import elsewhere, json\nshared = ['s']\nthing = elsewhere.Thing(); thing.s = shared\n"
                         "class Own:\n    def __setstate__(self, state): raise KeyError(state['n'])\n"
                         "own = Own(); own.n = 'no'; own.deep = ['only here']\n"
                         "class Plain: pass\nuses = Plain(); uses.deep = own.deep; free = Plain(); free.s = shared"],
                  ["free.s is shared, json.dumps(shared), type(free) is Plain"], path=(str(library),))
    assert moved.values == ["(True, '[\"s\"]', True)"]
    left = moved.restored.summary["left_behind"]
    assert set(left) == {"elsewhere", "thing", "own", "uses"}  # uses shares a list with own
    assert "No module named 'elsewhere'" in left["elsewhere"] and "No module" in left["thing"]
    assert "KeyError" in left["own"] and "shares objects" in left["uses"]
    assert "install the packages that are missing" in moved.restored.notice


def test_a_name_that_shares_with_one_that_failed_is_left_behind_too(file: Path) -> None:
    moved = carry(file, ["class Own:\n    def __setstate__(self, state): raise KeyError\n"
                         "class Plain: pass\n"
                         "inner = Plain()\ndel inner\n"
                         "own = Own(); own.deep = Plain(); own.name = 'a text of some length'\n"
                         "second = Own(); second.deep = own.deep; third = Plain(); third.name = own.name\n"],
                  ["third.name"])
    assert moved.values == ["'a text of some length'"]
    assert set(moved.restored.summary["left_behind"]) == {"own", "second"}


# Stops.


@pytest.mark.parametrize("hang", ["while True: pass", "import time; time.sleep(1000)"])
def test_a_name_that_hangs_into_the_stop_is_left_behind_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch, hang: str
) -> None:
    import signal

    from mcp_runtime import bundled

    monkeypatch.setattr(bundled, "_told", find_bundled())
    stopper = Stopper()
    previous = signal.signal(signal.SIGALRM, stopper.on_signal)
    prompt = Prompt(stopper)
    try:
        assert prompt.run(f"class H:\n    def __reduce__(self):\n        {hang}\n"
                          "first = H(); data = [1]; f = lambda: data; later = [f]").status == 0
        stopper.stop_after(1.0)
        status, result, error, notices, *_ = prompt.session.snapshot(str(file), 2)
        assert (status, error) == (0, None)
        assert '["first", "it was still being pickled' in (result or "")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        prompt.end()
    restored, cell = run_steps(("restore", str(file)), ("run", "f() is data, later[0] is f, data"))
    assert restored.counts == {"restored": 4, "left_behind": {}}
    assert cell.result == "(True, True, [1])"


# Another version of Python.


def others() -> list[str]:
    """Other Pythons of this machine, named in PYEMBER_OTHER_PYTHONS or found beside this one."""
    named = os.environ.get("PYEMBER_OTHER_PYTHONS", "").split()
    found = sorted(Path.home().glob(".pyenv/versions/3.1[0-9]*/bin/python"))
    own = f"{sys.version_info[0]}.{sys.version_info[1]}."
    return named or [str(path) for path in found if not path.parts[-3].startswith(own)]


def test_to_another_version_plain_data_and_modules_move(file: Path) -> None:
    if not others():
        pytest.skip("no other Python here; name one in PYEMBER_OTHER_PYTHONS")
    for other in others():
        moved = carry(
            file,
            ["import datetime, decimal, fractions, json, pathlib, uuid\n"
             "a = [1, 2.5, 1j, True, None, 'ü', b'b', bytearray(b'c'), (1,), {2: {3}}, frozenset({4}), range(3)]\n"
             "b = a\nwhen = [datetime.datetime(2026, 11, 21, 1, tzinfo=datetime.timezone.utc),\n"
             "        datetime.timedelta(1), datetime.date(2026, 1, 1), datetime.time(3)]\n"
             "exact = (decimal.Decimal('1.10'), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.Path('/a/b'))\n"
             "def f(): return a\nclass C: pass\nc = [C()]\ng = [globals()]"],
            ["b is a, a == [1, 2.5, 1j, True, None, 'ü', b'b', bytearray(b'c'), (1,), {2: {3}}, "
             "frozenset({4}), range(3)]",
             "when[0].isoformat(), when[1:] == [datetime.timedelta(1), datetime.date(2026, 1, 1), datetime.time(3)]",
             "exact == (decimal.Decimal('1.10'), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.Path('/a/b'))",
             "json.dumps(1), [name in globals() for name in 'fCcg']"], to=other)
        assert moved.values == ["(True, True)", "('2026-11-21T01:00:00+00:00', True)", "True",
                                "('1', [False, False, False, False])"], other
        left = moved.restored.summary["left_behind"]
        assert set(left) == {"f", "C", "c", "g"}
        assert "more than plain data" in left["f"]
        assert "Run the cells that define them again" in moved.restored.notice


def test_plain_data_needs_no_cloudpickle(file: Path, tmp_path: Path) -> None:
    cells, saved = run_steps(("run", "a = [1]; f = lambda: 1; import json"), ("snapshot", str(file)),
                             bundled=str(tmp_path))
    assert cells.status == 0
    assert saved.summary["saved"] == 2
    assert "run ./dev" in saved.summary["left_behind"]["f"]
    restored, cell = run_steps(("restore", str(file)), ("run", "a, json.dumps(a)"), bundled=str(tmp_path))
    assert (restored.summary["restored"], cell.result) == (2, "([1], '[1]')")


def test_a_users_own_cloudpickle_is_neither_used_nor_shadowed(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cloudpickle"
    folder.mkdir()
    (folder / "__init__.py").write_text("mine = True\n")
    moved = carry(file, ["import cloudpickle; f = lambda: cloudpickle.mine"], [], path=(str(tmp_path),))
    assert moved.saved.summary["saved"] == 2
    restored, cell = run_steps(("restore", str(file)), ("run", "f(), [n for n in __import__('sys').modules "
                               "if 'cloudpickle' in n]"), path=(str(tmp_path),))
    assert restored.summary["left_behind"] == {}
    assert cell.result == "(True, ['cloudpickle', 'mcp_runtime.bundled_cloudpickle'])" or (
        cell.result == "(True, ['mcp_runtime.bundled_cloudpickle', 'cloudpickle'])")


# What cells have set around the namespace.


def test_functions_with_a_cache_are_functions_with_a_cache_again(file: Path) -> None:
    moved = carry(file, ["import functools\n@functools.lru_cache(maxsize=50)\n"
                         "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(20)\n"
                         "class Sums:\n    @functools.cache\n    def total(self, n): return n + 1\nsums = Sums()"],
                  ["fib(30), fib.cache_info().maxsize, fib.cache_info().misses, fib.__name__", "sums.total(1)"])
    assert moved.values == ["(832040, 50, 31, 'fib')", "2"]
    assert moved.saved.notices == moved.restored.notices == ()


def test_seeds_precision_logging_and_warnings_are_as_they_were_set(file: Path) -> None:
    moved = carry(file, ["import random, decimal, logging, warnings\nrandom.seed(7); expected = random.Random(7).random()\n"
                         "decimal.getcontext().prec = 5\nlogging.basicConfig(level=logging.INFO, format='%(levelname)s|%(message)s')\n"
                         "logging.getLogger('mine').setLevel(logging.ERROR)\nwarnings.filterwarnings('ignore', message='known')"],
                  ["import random, decimal, logging, warnings\nrandom.random() == expected, decimal.Decimal(1) / 3",
                   "logging.getLogger('other').info('told'); logging.getLogger('mine').info('not told')\n"
                   "logging.root.level, logging.root.handlers[0].formatter._fmt, logging.getLogger('mine').level",
                   "with warnings.catch_warnings(record=True) as caught:\n    warnings.warn('known')\n    warnings.warn('new')\n"
                   "[str(each.message) for each in caught]"])
    assert moved.values == ["(True, Decimal('0.33333'))", "(20, '%(levelname)s|%(message)s', 40)", "['new']"]
    assert moved.saved.notices == moved.restored.notices == ()
