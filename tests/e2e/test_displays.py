"""What cells show and write, from the code of a session to a client: in both rooms, no fakes."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_client import RawClient

PICTURE = """
import struct, zlib
def png(width, height):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = b''.join(b'\\0' + bytes(width) for _ in range(height))
    return (b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
class Picture:
    def __repr__(self): return '<picture>'
    def _repr_png_(self): return png(3, 2)
Picture()
"""


READ = "import os\nopen(os.environ['PYEMBER_SESSION_FOLDER'] + '/{0}').read()"


@pytest.fixture(params=["inprocess", "process"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    variables = {"XDG_CACHE_HOME": str(tmp_path), "PYEMBER_ISOLATION": request.param}
    with RawClient(environment=variables) as client:
        client.cache, client.room = tmp_path, request.param  # type: ignore[attr-defined]
        yield client


def call(client: Any, name: str, **arguments: Any) -> dict[str, Any]:
    return client.request("tools/call", {"name": name, "arguments": arguments})["result"]  # type: ignore[no-any-return]


def read(client: Any, uri: str) -> dict[str, Any]:
    answer = client.request("resources/read", {"uri": uri})
    return answer["result"]["contents"][0] if "result" in answer else {"error": answer["error"]}  # type: ignore[no-any-return]


def test_a_picture_arrives_as_a_picture_and_can_be_read_again(client: Any) -> None:
    answer = call(client, "run_python", code=PICTURE)
    text, image = answer["content"]
    assert text["text"] == "<picture>"
    assert (image["type"], image["mimeType"]) == ("image", "image/png")
    data = base64.b64decode(image["data"])
    assert struct.unpack(">II", data[16:24]) == (3, 2)
    assert zlib.crc32(data[12:29]) == struct.unpack(">I", data[29:33])[0]
    (shown,) = answer["structuredContent"]["displays"]
    assert shown == {"mime": "image/png", "uri": "session-display://main/1/1", "bytes": len(data)}
    assert base64.b64decode(read(client, shown["uri"])["blob"]) == data
    listed = client.request("resources/list")["result"]["resources"]
    assert shown["uri"] in [each["uri"] for each in listed]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25"])
def test_clients_of_earlier_revisions_get_pictures_too(client: Any, version: str) -> None:
    client.handshake(version)
    answer = call(client, "run_python", code=PICTURE + "\ndisplay({'text/html': '<b>'}, raw=True)\nPicture()")
    kinds = [block["type"] for block in answer["content"]]
    (image,) = [block for block in answer["content"] if block["type"] == "image"]
    assert set(image) == {"type", "data", "mimeType"} and image["mimeType"] == "image/png"
    assert base64.b64decode(image["data"], validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    links = [block for block in answer["content"] if block["type"] == "resource_link"]
    if version == "2024-11-05":  # knows no links: they are text
        assert kinds == ["text", "text", "image"] and "session-display://main/1/1" in answer["content"][1]["text"]
    else:
        assert links[0]["uri"] == "session-display://main/1/1"
    assert read(client, "session-display://main/1/2")["mimeType"] == "image/png"


def test_what_is_no_picture_is_linked_and_told(client: Any) -> None:
    answer = call(client, "run_python", code="class Broken:\n    def _repr_png_(self): return b'\\x89PNG oops'\nBroken()")
    assert [block["type"] for block in answer["content"]] == ["text", "resource_link"]
    assert "is no whole PNG" in answer["structuredContent"]["notices"][0]
    assert base64.b64decode(read(client, answer["content"][1]["uri"])["blob"]) == b"\x89PNG oops"


def test_a_picture_that_costs_too_much_and_cannot_be_scaled_is_linked(client: Any) -> None:
    answer = call(client, "run_python", code=PICTURE + "\ndisplay({'image/png': png(3000, 5)}, raw=True)")
    link = answer["content"][-1]
    assert link["type"] == "resource_link" and "3,000 by 5 pixels" in answer["structuredContent"]["notices"][0]
    assert base64.b64decode(read(client, link["uri"])["blob"])[16:20] == struct.pack(">I", 3000)


def test_what_a_background_cell_shows_is_seen_when_it_is_inspected(client: Any) -> None:
    started = call(client, "run_python", code=PICTURE, background=True)["structuredContent"]
    call(client, "run_python", code="")  # behind it
    answer = call(client, "inspect_session", cell=started["cell"])
    assert [block["type"] for block in answer["content"]] == ["text", "image"]
    assert answer["structuredContent"]["cell"]["displays"][0]["mime"] == "image/png"


def test_markdown_is_text_and_html_a_link(client: Any) -> None:
    answer = call(client, "run_python", code=(
        "display({'text/markdown': '# Title'}, raw=True)\n"
        "display({'text/html': '<b>'}, raw=True)"))
    assert [block["type"] for block in answer["content"]] == ["text", "text", "resource_link"]
    assert [block["text"] for block in answer["content"][:2]] == ["(nothing printed)", "# Title"]
    assert read(client, answer["content"][2]["uri"])["text"] == "<b>"


def test_files_go_in_and_out_through_the_sessions_folder(client: Any) -> None:
    put = call(client, "put_file", path="in/data.csv", content="1,2")
    assert not put.get("isError"), put
    answer = call(client, "run_python", code=(
        "import os\nos.chdir(os.environ['PYEMBER_SESSION_FOLDER'])\n"
        "text = open('in/data.csv').read()\n"
        "with open('out.bin', 'wb') as file: _ = file.write(bytes([255, 0, 1]))\n"
        "os.symlink('/etc/passwd', 'link')\n"
        "text"))
    assert answer["structuredContent"]["result"] == "'1,2'", answer
    assert answer["structuredContent"]["files"] == [
        {"path": "out.bin", "bytes": 3, "uri": "session-file://main/out.bin"}]
    assert base64.b64decode(read(client, "session-file://main/out.bin")["blob"]) == b"\xff\0\1"
    assert "error" in read(client, "session-file://main/link")
    assert "error" in read(client, "session-file://main/../../link")
    again = call(client, "run_python", code="1 + 1")
    assert "files" not in again["structuredContent"]
    files = call(client, "list_files")["structuredContent"]["files"]
    assert [each["path"] for each in files] == ["in/data.csv", "out.bin"]


def test_a_file_may_be_put_before_the_session_runs(client: Any) -> None:
    other = "process" if client.room == "inprocess" else "inprocess"
    call(client, "put_file", session="new", path="a.txt", content="here")
    answer = call(client, "run_python", session="new", isolation=other, code=READ.format("a.txt"))
    assert (answer["structuredContent"]["result"], answer["structuredContent"]["isolation"]) == ("'here'", other)
    assert call(client, "list_files", session="typo")["isError"]
    assert [each["session"] for each in call(client, "list_sessions")["structuredContent"]["sessions"]] == ["new"]


def test_what_cannot_be_put_is_told(client: Any) -> None:
    for path in ("../a", "/etc/a", "", "a//b"):
        assert "is no path" in call(client, "put_file", path=path, content="x")["content"][0]["text"]
    assert "exactly one" in call(client, "put_file", path="a")["content"][0]["text"]
    assert "not base64" in call(client, "put_file", path="a", base64="%")["content"][0]["text"]
    assert call(client, "list_files")["structuredContent"]["files"] == []


def test_the_folder_outlives_a_reset_a_loss_and_its_removal_by_the_code(client: Any) -> None:
    call(client, "put_file", path="a.txt", base64=base64.b64encode(b"kept").decode())
    call(client, "run_python", code="import os")
    call(client, "reset_session")
    assert call(client, "run_python", code=READ.format("a.txt"))["structuredContent"]["result"] == "'kept'"
    if client.room == "process":
        assert call(client, "run_python", code="import os; os._exit(1)")["structuredContent"]["status"] == "lost"
        assert call(client, "run_python", code=READ.format("a.txt"))["structuredContent"]["result"] == "'kept'"
    answer = call(client, "run_python", code=(
        "import os, shutil\nplace = os.environ['PYEMBER_SESSION_FOLDER']\nshutil.rmtree(place)\nos.mkdir(place)\n"
        "open(place + '/b', 'w').close()"))
    assert [each["path"] for each in answer["structuredContent"]["files"]] == ["b"]
    assert [each["path"] for each in call(client, "list_files")["structuredContent"]["files"]] == ["b"]


def test_a_session_that_moves_to_a_worker_keeps_its_folder_and_its_pictures(tmp_path: Path) -> None:
    with RawClient(environment={"XDG_CACHE_HOME": str(tmp_path), "PYEMBER_ISOLATION": "auto"}) as client:
        call(client, "put_file", path="a.txt", content="x")
        first = call(client, "run_python", code=PICTURE)
        assert first["structuredContent"]["isolation"] == "inprocess"
        second = call(client, "run_python", code=f"import ctypes\ndisplay(Picture())\n{READ.format('a.txt')}")["structuredContent"]
        assert (second["isolation"], second["result"]) == ("process", "'x'")
        (before,), (after,) = first["structuredContent"]["displays"], second["displays"]
        assert read(client, before["uri"])["blob"] == read(client, after["uri"])["blob"]


def test_folders_go_with_their_sessions_and_with_the_server(client: Any) -> None:
    call(client, "run_python", code="import os; open(os.environ['PYEMBER_SESSION_FOLDER'] + '/a', 'w').close()")
    sessions = client.cache / "pyember" / "sessions"
    assert len(list(sessions.glob("*/main/a"))) == 1
    call(client, "close_session")
    assert list(sessions.glob("*/main")) == []
    call(client, "run_python", session="other", code="1")
    assert len(list(sessions.glob("*/other"))) == 1
    client.close()
    assert list(sessions.iterdir()) == []


def test_a_cell_that_shows_nothing_says_nothing_of_it(client: Any) -> None:
    answer = call(client, "run_python", code="1 + 1")
    assert len(answer["content"]) == 1
    assert not {"displays", "files"} & set(answer["structuredContent"])
