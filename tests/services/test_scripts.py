"""Headers (PEP 723), docstrings, syntax errors, the project's Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mcp_services
from conftest import ServiceError

Call = Callable[..., Any]

HEADER = """# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "requests<3",
#     "rich",
# ]
# ///
"""


def test_a_header_is_read_and_taken_at_its_word(call: Call) -> None:
    answer = call("inspect_script", source=f"#!/usr/bin/env python\n{HEADER}\nimport numpy\n")
    assert answer["header"] == {"requires_python": ">=3.11", "dependencies": ["requests<3", "rich"]}
    assert answer["imports_added"] == []


def test_a_header_with_windows_line_ends_is_read(call: Call) -> None:
    answer = call("inspect_script", source=HEADER.replace("\n", "\r\n"))
    assert answer["header"]["dependencies"] == ["requests<3", "rich"]


@pytest.mark.parametrize("source", ["# /// script\n# dependencies = [\n# ///\n", HEADER + "\n" + HEADER])
def test_a_bad_header_is_told_and_nothing_added(call: Call, source: str) -> None:
    answer = call("inspect_script", source=source + "import numpy\n")
    assert answer["header"] is None
    assert answer["header_error"]
    assert answer["imports_added"] == []


@pytest.mark.parametrize("source", ["", "x = '# /// script'\n", "# /// other\n# a = 1\n# ///\n",
                                    "# /// script\nprint()\n"])
def test_no_header_is_none(call: Call, source: str) -> None:
    assert call("inspect_script", source=source)["header"] is None


def test_the_docstring_is_bounded_and_needs_no_run(call: Call) -> None:
    answer = call("inspect_script", source='"""First line.\n\n    Second.\n    """\n1/0\n')
    assert answer["docstring"] == "First line.\n\nSecond."
    assert len(call("inspect_script", source=f'"""{"x" * 999}"""')["docstring"]) == 300
    assert call("inspect_script", source="x = 1\n'no docstring'\n")["docstring"] == ""


def test_a_syntax_error_is_an_answer_with_its_line(call: Call) -> None:
    answer = call("inspect_script", source="import requests\nprint 'x'\n")
    assert "line 2" in answer["syntax_error"]
    assert answer["imports_added"] == []


@pytest.mark.parametrize("source", ["x = '\0'", "(" * 100_000, "-" * 100_000 + "1",
                                    "x" + ".a" * 100_000, "\ud800"])
def test_sources_that_break_parsers_are_answered(call: Call, source: str) -> None:
    answer = call("inspect_script", source=source)
    assert answer["syntax_error"] is None or isinstance(answer["syntax_error"], str)


def test_invalid_escapes_print_no_warning(call: Call, capfd: pytest.CaptureFixture[str]) -> None:
    call("inspect_script", source="x = '\\d'\n1 is 1\n")
    assert capfd.readouterr() == ("", "")


def test_a_script_of_enormous_length_is_not_parsed(call: Call) -> None:
    answer = call("inspect_script", source="import requests\n" + "x = 1\n" * 500_000)
    assert answer["imports_added"] == []


def test_a_file_is_read_in_the_encoding_it_names(call: Call, tmp_path: Path) -> None:
    script = tmp_path / "old.py"
    script.write_bytes('# coding: latin-1\n"""Müller"""\nimport requests\n'.encode("latin-1"))
    answer = call("inspect_script", source=None, path=str(script))
    assert answer["docstring"] == "Müller"
    assert answer["imports_added"] == ["requests"]


def test_nothing_to_inspect_is_an_error(call: Call) -> None:
    with pytest.raises(ServiceError, match="exactly one"):
        call("inspect_script", source=None)
    with pytest.raises(ServiceError) as failure:
        call("inspect_script", source=None, path="/nowhere/x.py")
    assert failure.value.kind == "FileNotFoundError"


# --- add_header


def test_a_header_is_put_in_front_and_read_back(call: Call) -> None:
    text = call("add_header", source="print(1)\n", dependencies=["requests<3", 'a"b'],
                requires_python=">=3.11")
    assert text.startswith("# /// script\n")
    assert text.endswith("# ///\n\nprint(1)\n")
    assert call("inspect_script", source=text)["header"] == {
        "requires_python": ">=3.11", "dependencies": ["requests<3", 'a"b']}


@pytest.mark.parametrize("front", ["#!/usr/bin/env python3\n", "# -*- coding: latin-1 -*-\n",
                                   "#!/usr/bin/python\n# coding=utf-8\n", "#!/usr/bin/env python3"])
def test_lines_that_count_only_in_front_stay_there(call: Call, front: str) -> None:
    text = call("add_header", source=front, dependencies=["six"])
    assert text.startswith(front.rstrip("\n") + "\n# /// script\n")
    assert call("inspect_script", source=text)["header"]["dependencies"] == ["six"]


def test_a_script_with_a_header_keeps_it(call: Call) -> None:
    for source in (HEADER, "#!/bin/sh\n" + HEADER, HEADER.replace("\n", "\r\n")):
        assert call("add_header", source=source, dependencies=["six"]) == source


def test_nothing_to_say_changes_nothing(call: Call) -> None:
    assert call("add_header", source="x\n", dependencies=[], requires_python=None) == "x\n"


def test_a_line_break_cannot_smuggle_anything_in(call: Call) -> None:
    with pytest.raises(ServiceError, match="line break"):
        call("add_header", source="", dependencies=["six\n# ///\nimport os"])


# --- project_python


@pytest.mark.parametrize(
    ("text", "version"),
    [('[project]\nrequires-python = ">=3.11,<3.14"', "3.11"),
     ('[project]\nrequires-python = "==3.12.*"', "3.12"), ('[project]\nname = "x"', None),
     ('[project]\nrequires-python = 3', None), ("project = 1", None), ("broken [", None),
     ('[project]\nrequires-python = ">3"', None)],
)
def test_the_projects_python_is_the_first_version_named(
        call: Call, tmp_path: Path, text: str, version: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert call("project_python", directory=str(tmp_path)) == version


def test_a_folder_without_a_project_names_no_python(call: Call, tmp_path: Path) -> None:
    assert call("project_python", directory=str(tmp_path)) is None


# --- the door


def test_serve_writes_one_line_of_json_to_descriptor_1(capfd: pytest.CaptureFixture[str]) -> None:
    mcp_services.serve("add_header", json.dumps({"source": "ü\n"}))
    written = capfd.readouterr().out
    assert written.count("\n") == 1
    assert json.loads(written) == {"value": "ü\n"}


def test_half_a_surrogate_pair_does_not_spoil_an_answer() -> None:
    source = '"""Half: \\ud800 ü"""\nimport requests\n'
    text = mcp_services.answer_to("inspect_script", json.dumps({"source": source}))
    text.encode("utf-8")
    value = json.loads(text)["value"]
    assert value["docstring"] == "Half: ? ü"
    assert value["imports_added"] == ["requests"]


def test_unknown_functions_and_private_names_are_errors(call: Call) -> None:
    for name in ("nothing", "prepare", "_read", "os.system"):
        with pytest.raises(ServiceError):
            call(name)


def test_prepare_leaves_the_users_packages_off_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["/ours", "/std", "/env/lib/python3.13/site-packages"])
    mcp_services.prepare("/packages")
    import sys
    assert sys.path == ["/ours", "/std", "/packages"]


def test_a_list_of_scripts_is_described_in_its_order(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""First."""\n')
    (tmp_path / "b.py").write_text(HEADER)
    paths = [str(tmp_path / name) for name in ("b.py", "gone.py", "a.py")]
    header = {"requires_python": ">=3.11", "dependencies": ["requests<3", "rich"]}
    assert call("describe_scripts", paths=paths) == [
        {"docstring": "", "header": header}, {"docstring": "", "header": None},
        {"docstring": "First.", "header": None}]
