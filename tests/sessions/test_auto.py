"""`auto`: a session begins in-process and moves to a worker when code needs one, with its state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.prompt import Prompt
from tests.support.raw_client import RawClient

# Each of these needs a worker, with nothing installed.
REASONS = {
    "ctypes": "import ctypes",
    "multiprocessing": "import multiprocessing",
    "an import inside a function": "def later():\n    import ctypes\n    return ctypes.sizeof(ctypes.c_int)\nlater()",
    "limits": "",
}

STATE = """\
import json, math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
numbers = [1, 2, 3]
shared = {'numbers': numbers, 'again': numbers}
text, nothing, big = 'żółć', None, 10**40
scale = 3
def scaled(n, by=2):
    return n * by * scale
def make_counter():
    count = 0
    def step():
        nonlocal count
        count += 1
        return count
    return step
counter = make_counter()
counter()
class Base:
    kinds = []
    def hello(self): return f'hello {self.name}'
class Pet(Base):
    def __init__(self, name): self.name = name; self.friend = self
@dataclass
class Point:
    x: int
    tags: list = field(default_factory=list)
pet, point = Pet('Rex'), Point(1, numbers)
groups = defaultdict(list, a=[1])
square = lambda n: n * n
"""


@pytest.fixture
def auto(client: RawClient) -> Iterator[Prompt]:
    prompt = Prompt(client, "auto")
    yield prompt
    prompt.close()


def room_of(answer) -> str:
    return str(answer.structured["isolation"])


def move(prompt: Prompt):
    """Makes the session a worker, without installing anything."""
    answer = prompt.run("import ctypes\nctypes.sizeof(ctypes.c_char)")
    assert (answer.status, room_of(answer), answer.result) == ("completed", "process", "1"), answer
    return answer


def test_a_session_stays_in_process_as_long_as_it_can(auto: Prompt) -> None:
    for code in ("1 + 1", "import json, asyncio, sqlite3, re", "def f(): pass", "# import ctypes", "'import ctypes'"):
        assert room_of(auto.run(code)) == "inprocess"


@pytest.mark.parametrize("reason", REASONS)
def test_what_needs_a_worker_moves_the_session_and_says_so(auto: Prompt, reason: str) -> None:
    first = auto.run("kept = 41")
    assert room_of(first) == "inprocess"
    limits = {"limits": {"open_files": 200}} if reason == "limits" else {}
    answer = auto.run(REASONS[reason] + "\nkept + 1" if REASONS[reason] else "kept + 1", **limits)
    assert (answer.status, room_of(answer)) == ("completed", "process"), answer
    assert answer.result == "42"
    assert any("worker" in notice for notice in answer.notices), answer
    after = auto.run("kept + 1")
    assert (after.result, room_of(after), after.notices) == ("42", "process", []), after


def test_names_functions_classes_instances_and_shared_references_come_along(auto: Prompt) -> None:
    auto.value(STATE)
    answer = move(auto)
    assert not any("could not" in notice or "left behind" in notice for notice in answer.notices), answer
    assert auto.value("shared['numbers'] is numbers, shared['again'] is numbers, point.tags is numbers") == "(True, True, True)"
    assert auto.value("text, nothing, big == 10**40, json.dumps([1]), math.floor(2.5)") == "('żółć', None, True, '[1]', 2)"
    assert auto.value("scaled(5), scaled(5, by=1), square(4), counter()") == "(30, 15, 16, 2)"
    assert auto.value("scale = 10\nscaled(1)") == "20"
    assert auto.value("pet.hello(), pet.friend is pet, type(pet) is Pet, isinstance(pet, Base)") == "('hello Rex', True, True, True)"
    assert auto.value("Base.kinds.append(1)\nPet.kinds, Point(2), groups['b'], Counter('aa')") == "([1], Point(x=2, tags=[]), [], Counter({'a': 2}))"
    assert auto.value("Pet.__module__, __name__") == "('__main__', '__main__')"


def test_the_surroundings_come_along(auto: Prompt, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("answer = 42\n")
    auto.value(f"import os, sys\nos.chdir({str(tmp_path)!r})\nos.environ['WHOSE'] = 'mine'\nsys.path.insert(0, {str(tmp_path)!r})\nimport beside")
    auto.value("6 * 7")
    move(auto)
    assert auto.value("os.getcwd(), os.environ['WHOSE'], beside.answer") == repr((str(tmp_path), "mine", 42))


def test_the_source_of_what_was_defined_before_the_move_is_found(auto: Prompt) -> None:
    auto.value("import inspect\ndef area(r):\n    return 3 * r * r  # of a circle")
    move(auto)
    assert "# of a circle" in str(auto.value("inspect.getsource(area)"))
    answer = auto.run("area('x')")
    assert "# of a circle" in answer.error["traceback"], answer


def test_future_statements_of_earlier_cells_hold_after_the_move(auto: Prompt) -> None:
    auto.value("from __future__ import annotations")
    move(auto)
    assert auto.value("def f(x: Unknown): pass\nf.__annotations__") == "{'x': 'Unknown'}"


@pytest.mark.parametrize(("make", "name"), [
    ("import socket\nopened, other = socket.socketpair()", "opened"),
    ("opened = open('/dev/null')", "opened"),
    ("import threading\nopened = threading.Thread(target=threading.Event().wait, daemon=True)\nopened.start()", "opened"),
    ("import sqlite3\nopened = sqlite3.connect(':memory:')", "opened"),
    ("opened = (n for n in range(3))", "opened"),
    ("import threading\nopened = threading.Lock()", "opened"),
], ids=["socket", "file", "thread", "database", "generator", "lock"])  # fmt: skip
def test_what_cannot_move_is_named_with_the_way_out(auto: Prompt, make: str, name: str) -> None:
    auto.value("kept = 41")
    auto.value(make)
    answer = move(auto)
    told = [notice for notice in answer.notices if f"{name}" in notice]
    assert told, answer
    assert auto.value("kept") == "41"
    missing = auto.run(name)
    assert missing.status == "raised" and name in missing.text, missing


def test_nothing_runs_twice(auto: Prompt, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("")
    count = f"with open({str(counter)!r}, 'a') as file: file.write('x')\n"
    auto.value(count + "a = 1")
    auto.value(count + "def defined():\n    return 1\nb = [defined()]")
    answer = auto.run(count + "import ctypes\nimport multiprocessing\na + b[0]")
    assert (answer.result, room_of(answer)) == ("2", "process"), answer
    assert counter.read_text() == "xxx"
    assert auto.value(f"open({str(counter)!r}).read()") == "'xxx'"


def test_a_cell_that_moves_behind_running_ones_runs_once_and_in_turn(auto: Prompt, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    count = f"import time\nwith open({str(counter)!r}, 'a') as file: file.write('%s')\n"
    auto.value("1")
    pendings = [auto.send(count % "a" + "time.sleep(0.3)"), auto.send(count % "b" + "import ctypes"), auto.send(count % "c")]
    for pending in pendings:
        assert pending.wait(60)["result"]["structuredContent"]["status"] == "completed"
    assert counter.read_text() == "abc"


def test_every_way_to_write_an_import_is_seen_before_the_cell_runs(client: RawClient) -> None:
    for code in ("from ctypes import sizeof", "if True:\n    import ctypes.util", "try:\n    import ctypes\nfinally:\n    pass",
                 "class Lazy:\n    def load(self):\n        from multiprocessing import Pool\n        return Pool",
                 "__import__('ctypes')", "import importlib\nimportlib.import_module('ctypes')", "from concurrent.futures import ProcessPoolExecutor",
                 "async def later():\n    import ctypes", "later = lambda: __import__('ctypes')"):
        prompt = Prompt(client, "auto")
        prompt.value("kept = 1")
        answer = prompt.run(code)
        assert (answer.status, room_of(answer)) == ("completed", "process"), (code, answer)
        assert prompt.value("kept") == "1"
        prompt.close()


def test_seeds_and_caches_come_along(auto: Prompt) -> None:
    auto.value("import random, functools, logging\nrandom.seed(3)\nexpected = random.Random(3).random()\nlogging.basicConfig(level=logging.INFO)\n"
               "@functools.cache\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(10)")
    move(auto)
    assert auto.value("random.random() == expected, fib(50)") == "(True, 12586269025)"
    assert "INFO:root:told" in auto.run("logging.info('told')").stderr


def test_every_answer_names_its_isolation(client: RawClient) -> None:
    prompt = Prompt(client, "auto")
    assert [room_of(prompt.run(code)) for code in ("1", "1 / 0", "1 +")] == ["inprocess"] * 3
    assert room_of(prompt.run("import time\ntime.sleep(60)", timeout=0.2)) == "inprocess"
    background = prompt.run("import ctypes", background=True)
    assert room_of(background) == "inprocess"  # where it is; it moves when the cell's turn comes
    cell = background.structured["cell"]
    prompt.value("1")
    assert prompt.tool("inspect_session", cell=cell).structured["cell"]["isolation"] == "process"
    lost = prompt.run("import os\nos._exit(1)")
    assert (lost.status, room_of(lost)) == ("lost", "process")
    prompt.close()


@pytest.mark.parametrize("room", ["inprocess", "process", "auto"])
def test_asking_for_another_isolation_says_what_is_and_what_to_do(client: RawClient, room: str) -> None:
    prompt = Prompt(client, room)
    prompt.value("kept = 1")
    for other in {"inprocess", "process", "auto"} - {room, "inprocess" if room == "auto" else room}:
        answer = client.tool("run_python", code="kept = 2", session=prompt.name, isolation=other)
        for part in ("was not run", f"its isolation is '{room}'", f"can't be changed to '{other}'", "Use another session name"):
            assert answer.is_error and part in answer.text, answer
    assert prompt.value("kept") == "1"
    prompt.close()


def test_an_import_found_only_while_the_cell_runs_is_not_run_again(auto: Prompt, tmp_path: Path) -> None:
    """The loader is the backstop: the cell fails with the way out, and its effects happened once."""
    counter = tmp_path / "counter"
    code = (f"with open({str(counter)!r}, 'a') as file: file.write('x')\n"
            "import importlib\nmodule = importlib.import_module('_' + 'ctypes')\nmodule.sizeof(module.Array) if False else 'loaded'")
    answer = auto.run(code)
    assert counter.read_text() == "x"
    if answer.status == "raised":
        assert "process" in answer.text, answer
    auto.value("import ctypes\n'ctypes'")
    assert auto.value("ctypes.sizeof(ctypes.c_int)") == "4"


@pytest.mark.parametrize("name", ["ctypes", "curses", "readline"])
def test_an_import_whose_name_is_computed_moves_the_session_with_the_next_call(auto: Prompt, tmp_path: Path, name: str) -> None:
    counter = tmp_path / "counter"
    answer = auto.run(f"with open({str(counter)!r}, 'a') as file: file.write('x')\nkept = 1\n__import__(''.join([{name[:2]!r}, {name[2:]!r}]))")
    assert room_of(answer) == "inprocess" and counter.read_text() == "x"
    assert any("next call" in notice for notice in answer.notices), answer
    after = auto.run(f"{name} = __import__(''.join([{name[:2]!r}, {name[2:]!r}]))\nkept")
    assert (after.result, room_of(after)) == ("1", "process"), after
    assert counter.read_text() == "x"


def test_an_import_that_code_does_without_moves_nothing(auto: Prompt) -> None:
    answer = auto.run("try:\n    __import__(''.join(['read', 'line']))\nexcept ImportError:\n    found = False\nfound")
    assert (answer.result, room_of(answer)) == ("False", "inprocess"), answer
    assert room_of(auto.run("1")) == "inprocess"


def test_calls_waiting_behind_the_move_run_after_it_in_order(auto: Prompt) -> None:
    auto.value("order = []")
    pendings = [auto.send("order.append(0)"), auto.send("import ctypes\norder.append(1)")]
    pendings += [auto.send(f"order.append({n})") for n in range(2, 12)]
    for pending in pendings:
        assert pending.wait(60)["result"]["structuredContent"]["status"] == "completed"
    assert auto.value("order == list(range(12))") == "True"


def test_cell_numbers_and_the_last_result_go_on(auto: Prompt) -> None:
    auto.value("6 * 7")
    before = auto.run("5 * 5").structured["cell"]
    assert auto.value("import ctypes\n_ + 1") == "26"
    assert auto.run("_ + 1").structured["cell"] == before + 2
    assert auto.value("___") == "26" or auto.value("1") == "1"


def test_an_in_process_session_never_moves(client: RawClient) -> None:
    prompt = Prompt(client, "inprocess")
    prompt.value("kept = 1")
    answer = prompt.run("import multiprocessing\nmultiprocessing.Process(target=print).start()")
    assert answer.status == "raised", answer
    assert prompt.value("kept") == "1"
    prompt.close()


# --- limits -----------------------------------------------------------------------------------------


def test_memory_over_its_limit_is_an_error_and_the_session_goes_on(client: RawClient) -> None:
    prompt = Prompt(client, "process", limits={"memory_mb": 400})
    answer = prompt.run("kept = 1\nhoard = b'x' * 2_000_000_000")
    assert answer.status in ("raised", "lost"), answer
    assert "MemoryError" in answer.text or "memory" in answer.text, answer
    if answer.status == "raised":
        assert prompt.value("kept") == "1"
    prompt.close()


def test_cpu_time_over_its_limit_is_an_error_of_the_cell(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    prompt.value("kept = 1")
    answer = prompt.run("while True: pass", limits={"cpu_seconds": 1}, timeout=60)
    assert answer.status == "raised" and "CPU" in answer.text, answer
    assert prompt.value("kept") == "1"
    assert prompt.value("import time\nend = time.process_time() + 1.5\nwhile time.process_time() < end: pass\n7", timeout=60) == "7"
    prompt.close()


def test_files_and_descriptors_over_their_limits_are_errors(client: RawClient, tmp_path: Path) -> None:
    prompt = Prompt(client, "process", limits={"file_size_mb": 1, "open_files": 40})
    answer = prompt.run(f"with open({str(tmp_path / 'big')!r}, 'wb') as file: file.write(bytes(2_000_000))")
    assert (answer.status, answer.error["type"]) == ("raised", "OSError"), answer
    answer = prompt.run("files = [open('/dev/null') for _ in range(100)]")
    assert (answer.status, answer.error["type"]) == ("raised", "OSError"), answer
    assert prompt.value("1 + 1") == "2"
    prompt.close()


def test_wishes_that_contradict_each_other_are_refused(client: RawClient) -> None:
    for arguments in ({"isolation": "inprocess", "limits": {"memory_mb": 100}},
                      {"isolation": "process", "confine": {"network": False}},
                      {"isolation": "inprocess", "python_version": "3.12"},
                      {"isolation": "process", "limits": {"memory_mb": -1}}):
        answer = client.tool("run_python", code="1", session="contradiction", **arguments)
        assert answer.is_error and "was not run" in answer.text, answer
