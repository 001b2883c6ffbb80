"""Reading .env files as python-dotenv does (CONTRACTS A6, and what A12 says of test_env_vars)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ServiceError

Call = Callable[..., Any]


@pytest.fixture
def values(call: Call, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    def values(text: str) -> dict[str, str]:
        path = tmp_path / ".env"
        path.write_text(text, encoding="utf-8")
        return call("parse_env_file", path=str(path))["values"]

    return values


Values = Callable[[str], dict[str, str]]


def test_comments_blank_lines_and_quotes(values: Values) -> None:
    text = """
# a comment
DOUBLE="double quoted"
PLAIN=plain
SINGLE='single quoted'

export EXPORTED=yes
SPACED = around
TRAILING=value # a comment
EMPTY=
HASH="a # b"
"""
    assert values(text) == {
        "DOUBLE": "double quoted", "PLAIN": "plain", "SINGLE": "single quoted", "EXPORTED": "yes",
        "SPACED": "around", "TRAILING": "value", "EMPTY": "", "HASH": "a # b"}


def test_quoted_values_may_have_several_lines(values: Values) -> None:
    assert values('KEY="line 1\nline 2"\nNEXT=1\n') == {"KEY": "line 1\nline 2", "NEXT": "1"}


def test_escapes_count_in_double_quotes_only(values: Values) -> None:
    assert values('A="x\\ny"\nB=\'x\\ny\'\n') == {"A": "x\ny", "B": "x\\ny"}


def test_names_are_looked_up_in_the_file_then_in_the_environment(
        values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE", "outside")
    monkeypatch.setenv("BOTH", "outside")
    monkeypatch.delenv("NOWHERE", raising=False)
    text = ("BOTH=file\nA=${BOTH}\nB=${OUTSIDE}\nC=${NOWHERE:-default}\nD=${NOWHERE}\n"
            "E='${BOTH}'\nF=\"${A}/x\"\n")
    found = values(text)
    del found["BOTH"]
    assert found == {"A": "file", "B": "outside", "C": "default", "D": "", "E": "${BOTH}",
                     "F": "file/x"}


def test_keys_without_a_value_are_dropped(values: Values) -> None:
    assert values("LONELY\nA=1\n") == {"A": "1"}


def test_text_beyond_ascii_is_utf_8(values: Values) -> None:
    assert values("NAME=Jürgen 漢字\n") == {"NAME": "Jürgen 漢字"}


def test_the_environment_of_this_process_is_left_alone(
        values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    before = dict(os.environ)
    values("ANYTHING=1\nPATH=/nowhere\n")
    assert dict(os.environ) == before


def test_a_missing_file_is_named_with_its_resolved_path(
        call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ServiceError) as failure:
        call("parse_env_file", path="sub/../missing.env")
    assert failure.value.kind == "FileNotFoundError"
    assert str(failure.value).startswith(f"FileNotFoundError: the env file {tmp_path}/missing.env")


def test_the_home_folder_is_found(
        call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.env").write_text("A=1")
    assert call("parse_env_file", path="~/x.env") == {"values": {"A": "1"}}


def test_folders_other_encodings_and_large_files_are_refused(call: Call, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="is a folder"):
        call("parse_env_file", path=str(tmp_path))
    (tmp_path / "latin").write_bytes("SECRET=caf\xe9".encode("latin-1"))
    with pytest.raises(ServiceError, match="not UTF-8") as failure:
        call("parse_env_file", path=str(tmp_path / "latin"))
    assert "caf" not in str(failure.value)
    (tmp_path / "large").write_text("A=" + "x" * (2 << 20))
    with pytest.raises(ServiceError, match="larger than"):
        call("parse_env_file", path=str(tmp_path / "large"))
    with pytest.raises(ServiceError, match="no regular file"):
        call("parse_env_file", path="/dev/null")


def test_a_value_that_no_process_can_have_is_refused_without_showing_it(
        call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"TOKEN=hidden\0value\n")
    with pytest.raises(ServiceError, match="'TOKEN'") as failure:
        call("parse_env_file", path=str(tmp_path / ".env"))
    assert "hidden" not in str(failure.value)


def test_lines_that_are_no_assignments_set_nothing(values: Values) -> None:
    assert values('A=1\nnot an = "assignment\nB=2\n')["A"] == "1"
    assert values("=x\nA=1\n") == {"A": "1"}
    assert values("\ufeffA=1\r\nB='x'\r\n") == {"A": "1", "B": "x"}
