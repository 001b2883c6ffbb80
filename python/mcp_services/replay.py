"""Runs the cells of a session again and compares. Stands in every pytest file that is exported.

export_pytest.py copies what is below the mark; what a file adds is CELLS.
"""

# --- copied from here ---
import __future__

import ast
import asyncio
import inspect
import os
import re
import sys
import tempfile
import types
from dataclasses import dataclass

pytest = None  # a file that is exported imports it here


@dataclass
class Cell:
    """What a cell did when it was recorded. None: that is not compared."""

    code: str
    stdout: "str | None" = ""
    stdout_begins: bool = False  # only its beginning was recorded
    result: "str | None" = None  # repr of the last expression
    result_begins: bool = False
    result_counts: bool = True
    raises: "str | None" = None  # the type
    left_out: str = ""  # why it is not run again


CELLS: "dict[str, Cell]" = {}  # those of this file stand at its end


class Session:
    """One namespace, in which every cell runs once, in its order."""

    def __init__(self) -> None:
        os.environ.setdefault("MPLBACKEND", "Agg")
        if any("PYEMBER_SESSION_FOLDER" in cell.code for cell in CELLS.values()):
            os.environ["PYEMBER_SESSION_FOLDER"] = tempfile.mkdtemp(prefix="session-")
        self.main = types.ModuleType("__main__")
        self.main.display = lambda *objects, **options: None
        self.flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.loop = None
        self.last = None
        self.has_run = set()
        self.failed = []

    def run(self, name):
        """(the last expression's value, the exception that left the cell)."""
        self.has_run.add(name)
        before = sys.modules["__main__"]
        sys.modules["__main__"] = self.main
        try:
            value = self._evaluate(CELLS[name].code.removeprefix("\n"), f"<cell {name}>")
            if value is not None and self.main.__dict__.get("_", self.last) is self.last:
                self.last = self.main._ = value
            return value, None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and CELLS[name].raises != "KeyboardInterrupt":
                raise
            return None, error
        finally:
            sys.modules["__main__"] = before

    def _evaluate(self, code, filename):
        tree = compile(code, filename, "exec", self.flags | ast.PyCF_ONLY_AST, True)
        for each in tree.body:
            if isinstance(each, ast.ImportFrom) and each.module == "__future__":
                for alias in each.names:
                    self.flags |= getattr(__future__, alias.name).compiler_flag
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not _silenced(code, tree.body[-1]):
            last = ast.Expression(tree.body.pop().value)
        value = None
        for part, mode in ((tree, "exec"), (last, "eval")):
            if part is None:
                continue
            value = eval(compile(part, filename, mode, self.flags, True), self.main.__dict__)
            if inspect.iscoroutine(value) and _is_cell(value, filename):
                value = self._wait(value)
        return value

    def _wait(self, coroutine):
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(coroutine)


def _is_cell(coroutine, filename):
    """The cell itself, no coroutine that is its value."""
    code = coroutine.cr_code
    return code.co_filename == filename and code.co_name == "<module>"


def _silenced(code, final):
    """Whether a semicolon hides the value of the last expression."""
    lines = code.split("\n")[final.end_lineno - 1 :]
    lines[0] = lines[0].encode()[final.end_col_offset :].decode("utf-8", "replace")
    return any(";" in line.split("#", 1)[0] for line in lines)


def masked(text):
    """Without what no two runs have in common: addresses, the session's folder, sets' order."""
    folder = os.environ.get("PYEMBER_SESSION_FOLDER")
    if folder:
        text = text.replace(folder, "<session folder>")
    text = re.sub(r"\b0x[0-9a-f]{6,16}\b", "0x…", text)
    return re.sub(r"\{([^{}:\n]*)\}", _in_order, text)


def _in_order(found):
    return "{" + ", ".join(sorted(found.group(1).split(", "))) + "}"


def alike(recorded, now, begins=False):
    recorded, now = masked(recorded), masked(now)
    return now.startswith(recorded) if begins else now == recorded


def names_of(error):
    kind = type(error)
    return {kind.__name__, kind.__qualname__, f"{kind.__module__}.{kind.__qualname__}"}


def difference(cell, value, error, stdout):
    """What is not as it was recorded; empty: all is."""
    if error is not None and cell.raises not in names_of(error):
        expected = f"{cell.raises} was expected" if cell.raises else "it had run to its end"
        return f"it raised {type(error).__name__}: {error} ({expected})"
    if error is None and cell.raises:
        return f"it did not raise {cell.raises}"
    if cell.stdout is not None and not alike(cell.stdout, stdout, cell.stdout_begins):
        return f"it printed\n{stdout!r}\nand not\n{cell.stdout!r}"
    if error is not None or not cell.result_counts:
        return ""
    if cell.result is None:
        return "" if value is None else f"its value is {value!r}, and there was none"
    if value is None or not alike(cell.result, repr(value), cell.result_begins):
        return f"its value is\n{value!r}\nand not\n{cell.result}"
    return ""


@pytest.fixture(scope="module")
def session():
    return Session()


def pytest_generate_tests(metafunc):
    metafunc.parametrize("name", list(CELLS), ids=[f"cell-{name}" for name in CELLS])


def test_cell(session, name, capfd):
    """The cell does what it did; those before it are run first, when they have not been."""
    cell = CELLS[name]
    if cell.left_out:
        pytest.skip(cell.left_out)
    for earlier in CELLS:
        if earlier == name:
            break
        if earlier not in session.has_run and not CELLS[earlier].left_out:
            session.run(earlier)
    capfd.readouterr()
    value, error = session.run(name)
    problem = difference(cell, value, error, capfd.readouterr().out)
    if not problem:
        return
    if session.failed:
        problem += f"\n(it may be because of what failed before: {', '.join(session.failed)})"
    session.failed.append(f"cell {name}")
    pytest.fail(f"cell {name}: {problem}", pytrace=False)
