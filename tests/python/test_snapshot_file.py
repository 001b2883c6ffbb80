"""The file a state is carried in: who may read it, and what happens when it is damaged."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from prompt import Prompt

from mcp_runtime.snapshot_file import Reader, SnapshotError, Writer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.bin"


def written(path: Path) -> Path:
    writer = Writer(str(path))
    place = writer.append([b"one", b"two"])
    writer.commit({"piece": place})
    writer.discard()
    return path


def test_it_is_written_whole_for_its_owner_alone(file: Path) -> None:
    mask = os.umask(0)
    try:
        written(file)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == [file.name]
    reader = Reader(str(file))
    assert reader.piece(*reader.table["piece"]) == b"onetwo"
    reader.close()


def test_nothing_stays_of_one_that_was_not_committed(file: Path) -> None:
    writer = Writer(str(file))
    writer.append([b"data"])
    assert not file.exists()
    writer.discard()
    assert os.listdir(file.parent) == []


def test_one_that_is_there_already_is_replaced_at_once(file: Path) -> None:
    file.write_text("old")
    writer = Writer(str(file))
    assert file.read_text() == "old"
    writer.commit({})
    reader = Reader(str(file))
    assert reader.table == {}
    reader.file.close()


@pytest.mark.parametrize(("damage", "said"), [
    (lambda data: b"", "does not begin as"),
    (lambda data: b"x" + data[1:], "does not begin as"),
    (lambda data: data[:8] + b"\xff" + data[9:], "its format is 255"),
    (lambda data: data[:-1], "its length"),
    (lambda data: data + b"x", "its length"),
    (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "its checksum"),
    (lambda data: data[:10] + bytes([data[10] ^ 1]) + data[11:], "its checksum"),
])
def test_a_damaged_one_is_refused_with_the_way_out(file: Path, prompt: Prompt, damage, said) -> None:
    file.write_bytes(damage(written(file).read_bytes()))
    with pytest.raises(SnapshotError, match=said):
        Reader(str(file))
    status, result, error, _, *_ = prompt.session.restore(str(file), 1)
    assert (status, result) == (1, None)
    assert error and error[0] == "SnapshotError" and said in error[1]
    assert "go on with the fresh session" in error[1]
    assert prompt.value("1 + 1") == "2"


def test_a_missing_one_and_an_unwritable_place_are_errors_of_their_own(file: Path, prompt: Prompt) -> None:
    status, _, error, _, *_ = prompt.session.restore(str(file), 1)
    assert status == 1 and error and "does not exist" in error[1]
    status, _, error, _, *_ = prompt.session.snapshot(str(file / "below"), 1)
    assert status == 1 and error and "can't be written" in error[1]
