"""A session's history as a script, a notebook and a pytest file; what is written is run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

LOADED = {
    "python": f"{sys.version_info.major}.{sys.version_info.minor}.0",
    "packages": [
        {"name": "Used", "version": "1.2", "requirement": "Used==1.2", "modules": ["used"], "preloaded": False},
        {"name": "named", "version": "3", "requirement": "named==3", "modules": ["named"], "preloaded": True},
        {"name": "idle", "version": "4", "requirement": "idle==4", "modules": ["idle"], "preloaded": True},
    ],
    "local": [{"module": "helper", "file": "/w/helper.py"}],
}


def cell(number: int, code: str, **more: Any) -> dict[str, Any]:
    """A cell that ran to its end and printed nothing."""
    fields = {
        "cell": number,
        "code": code,
        "status": "completed",
        "result": None,
        "error": None,
        "displays": [],
        "stdout": more.pop("printed", ""),
        "stderr": more.pop("warned", ""),
    }
    for name in ("stdout", "stderr"):
        fields[name] = {"text": fields[name], "left_out": 0, "late": False}
    if "raised" in more:
        fields["status"] = "raised"
        kind = more.pop("raised")
        fields["error"] = {"type": kind, "message": "m", "traceback": f"Traceback …\n{kind}: m\n"}
    return {**fields, **more}


@pytest.fixture
def export(call: Call, tmp_path: Path) -> Callable[..., str]:
    """export(form, *cells): the text of the file."""

    def export(form: str, *cells: dict[str, Any], **more: Any) -> str:
        answer = call("export_session", form=form, session="main", cells=list(cells), **more)
        return str(answer["text"])

    return export


def run(text: str, folder: Path) -> str:
    file = folder / "exported.py"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, (text, done.stderr)
    return done.stdout


def run_tests(text: str, folder: Path) -> dict[str, str]:
    """The outcome of each test, and under "" what pytest said."""
    file = folder / "test_exported.py"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--rootdir", str(folder), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    outcomes = {"": done.stdout + done.stderr}
    for line in done.stdout.split("\n"):
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED", "ERROR") and "cell-" in rest:
            outcomes[rest.partition("[")[2].partition("]")[0]] = word.lower()
    return outcomes


PLAIN = [
    cell(1, "import math\nradius = 2"),
    cell(2, "def area(r):\n    return math.pi * r ** 2\n\nprint(round(area(radius), 3))", printed="12.566\n"),
    cell(3, "area(radius) > 12", result="True"),
    cell(4, "1 / 0", raised="ZeroDivisionError"),
    cell(5, "text = '''a\n  b\n'''\nlen(text)", result="6"),
]


def test_a_script_of_plain_cells_runs_and_shows_their_outputs(export: Call, tmp_path: Path) -> None:
    text = export("script", *PLAIN, loaded=LOADED)
    assert run(text, tmp_path) == "12.566\n"
    assert "# %% cell 2\n" in text and "# | 12.566\n" in text and "# => True\n" in text
    assert "#     1 / 0\n" in text and "# ! ZeroDivisionError: m\n" in text


def test_the_header_names_what_the_session_has_imported(export: Call) -> None:
    text = export("script", cell(1, "import named, helper"), loaded=LOADED)
    header = text.partition("# ///\n")[0]
    assert f'# requires-python = ">={LOADED["python"].rpartition(".")[0]}"' in header
    assert '"Used==1.2"' in header and '"named==3"' in header and "idle" not in header
    assert "helper (/w/helper.py)" in text


def test_a_session_that_could_not_be_asked_has_what_it_was_given(call: Call) -> None:
    answer = call("export_session", form="script", session="main", cells=[], loaded=None, asked_for=["pandas>=2"])
    assert '#     "pandas>=2",' in answer["text"]
    assert "could not be asked" in answer["notices"][0]


@pytest.mark.parametrize(
    ("codes", "printed"),
    [
        (["import asyncio\nx = await asyncio.sleep(0, 5)", "print(x)"], "5\n"),
        (["import asyncio\ns = '''a\n  b'''\nawait asyncio.sleep(0)\nprint(s)"], "a\n  b\n"),
        (["import asyncio\nx: int = await asyncio.sleep(0, 5)", "print(x)"], "5\n"),
        (["import asyncio\nfrom math import *\nawait asyncio.sleep(0)\nprint(floor(2.5))"], "2\n"),
        (["import asyncio\ntask = asyncio.create_task(asyncio.sleep(0, 1)); await task", "import asyncio\nprint(await task)"], "1\n"),
        (["async def each():\n    yield 1", "async for n in each():\n    print(n)", "print([n async for n in each()])"], "1\n[1]\n"),
        (["x = 1", "from __future__ import annotations\ndef f(a: Never): ...\nprint(f.__annotations__['a'])"], "Never\n"),
        (["    x = 1\n    print(x)"], "1\n"),
        (["display('shown')"], "shown\n"),
        (["import os\nprint(os.path.isdir(os.environ['PYEMBER_SESSION_FOLDER']))"], "True\n"),
        (["print('''\n# /// script\n''')", "# /// script\n# x = 1\n# ///\nprint(2)"], "\n# /// script\n\n2\n"),
        (["print('é'); x = 1\r\nprint(x)\r\n"], "é\n1\n"),
        (["if True:\n    pass  # %pip install x", "# %pip install x"], ""),
    ],
)
def test_what_a_session_allows_and_a_file_does_not_runs_as_well(
    export: Call, tmp_path: Path, codes: list[str], printed: str
) -> None:
    text = export("script", *[cell(number, code) for number, code in enumerate(codes, 1)], loaded=LOADED)
    assert run(text, tmp_path) == printed


def test_the_last_result_has_its_name_where_it_is_used(export: Call, tmp_path: Path) -> None:
    cells = [cell(1, "20\n1 + 1", result="2"), cell(2, "_ * 3", result="6"), cell(3, "print(_, __)")]
    assert run(export("script", *cells, loaded=LOADED), tmp_path) == "6 2\n"


def test_metadata_of_a_cell_is_not_that_of_the_file(export: Call) -> None:
    text = export("script", cell(1, "# /// script\n# dependencies = []\n# ///\n"), loaded=LOADED)
    assert [line for line in text.split("\n") if line.startswith("# /// script")] == ["# /// script"]


def test_code_that_no_file_could_hold_stays_a_comment(export: Call, tmp_path: Path) -> None:
    text = export("script", cell(1, "a\x00b\r\nc\x0c\x85", raised="SyntaxError"), cell(2, "print(1)"), loaded=LOADED)
    assert run(text, tmp_path) == "1\n"


def test_outputs_that_are_not_kept_are_neither_compared_nor_forgotten(export: Call, tmp_path: Path) -> None:
    cells = [cell(1, "print('kept nowhere')", stdout=None, stderr=None)]
    assert "is not kept here" in export("script", *cells, loaded=LOADED)
    outcomes = run_tests(export("pytest", *cells, loaded=LOADED), tmp_path)
    assert outcomes["cell-1"] == "passed"


def test_long_outputs_are_cut_in_comments(export: Call) -> None:
    text = export("script", cell(1, "f()", printed="line\n" * 1000), loaded=LOADED)
    assert text.count("# | line") == 40 and "more characters]" in text


def test_a_pytest_file_passes_for_cells_that_do_the_same_again(export: Call, tmp_path: Path) -> None:
    cells = [
        *PLAIN,
        cell(6, "import asyncio\nawait asyncio.sleep(0, 7)", result="7"),
        cell(7, "_", result="7"),
        cell(8, "object()", result="<object object at 0x7f0123456789>"),
        cell(9, "print(object())", printed="<object object at 0x7f0123456789>\n"),
        cell(10, "{'a', 'b', 'c', 'd'}", result="{'d', 'b', 'c', 'a'}"),
        cell(11, r"print('a\n\\b')" + '; x = """q"""\n3;', printed="a\n\\b\n"),
        cell(12, "class Odd(Exception): ...\nraise Odd('x')", raised="Odd"),
        cell(13, "import os\nos.write(1, b'direct\\n')\nprint('buffered')", printed="direct\nbuffered\n"),
        cell(14, "exit(3)", raised="SystemExit"),
        cell(15, "from __future__ import annotations"),
        cell(16, "def f(a: Never): ...\nf.__annotations__", result="{'a': 'Never'}"),
        cell(17, "import pickle\nclass Kept: ...\ntype(pickle.loads(pickle.dumps(Kept()))) is Kept", result="True"),
        cell(18, "'x' * 30000", result=repr("x" * 20000) + "… [10,000 more characters]"),
        cell(19, "while True: pass", status="timed_out"),
        cell(20, "''' and \"\"\"", raised="SyntaxError"),
    ]
    outcomes = run_tests(export("pytest", *cells, loaded=LOADED), tmp_path)
    said = outcomes.pop("")
    assert set(outcomes.values()) == {"passed"}, said
    assert len(outcomes) == 19 and "1 skipped" in said


def test_a_pytest_file_fails_where_a_cell_does_something_else(export: Call, tmp_path: Path) -> None:
    cells = [
        cell(1, "x = 1", raised="ValueError"),
        cell(2, "print(2)", printed="3\n"),
        cell(3, "y", result="4"),
        cell(4, "4", result="5"),
        cell(5, "5"),
        cell(6, "6;"),
    ]
    outcomes = run_tests(export("pytest", *cells, loaded=LOADED), tmp_path)
    said = outcomes.pop("")
    assert outcomes == {**{f"cell-{number}": "failed" for number in range(1, 6)}, "cell-6": "passed"}, said
    assert "did not raise ValueError" in said and "because of what failed before: cell 1, cell 2" in said


def test_one_test_of_a_pytest_file_has_what_the_cells_before_made(export: Call, tmp_path: Path) -> None:
    text = export("pytest", *PLAIN, loaded=LOADED)
    file = tmp_path / "test_alone.py"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), "-k", "cell-3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout


def test_a_notebook_has_the_outputs_and_is_valid(export: Call) -> None:
    nbformat = pytest.importorskip("nbformat")
    cells = [
        *PLAIN,
        cell(6, "show()", displays=[{"mime": "image/png", "bytes": 3, "token": "TOKEN-1"}], warned="oh\n"),
        cell(7, "display(m)", displays=[{"mime": "text/markdown", "bytes": 3, "text": "# a\nb"}]),
        cell(8, "while True: pass", status="timed_out"),
    ]
    text = export("notebook", *cells, loaded=LOADED)
    notebook = json.loads(text)
    nbformat.validate(notebook)
    assert notebook["metadata"]["pyember"]["packages"] == [{"name": "Used", "version": "1.2"}]
    about, *code = notebook["cells"]
    assert about["cell_type"] == "markdown" and '%pip install "Used==1.2"' in "".join(about["source"])
    kinds = [[output["output_type"] for output in each["outputs"]] for each in code]
    assert kinds == [[], ["stream"], ["execute_result"], ["error"], ["execute_result"], ["stream", "display_data"], ["display_data"], []]
    assert code[5]["outputs"][1]["data"] == {"image/png": "TOKEN-1"}
    assert code[3]["metadata"]["tags"] == ["raises-exception"] and code[7]["metadata"]["tags"] == ["skip-execution"]
    assert [each["execution_count"] for each in code] == list(range(1, 9))
