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


@pytest.fixture(params=["inprocess", "process"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    variables = {"XDG_CACHE_HOME": str(tmp_path), "PYEMBER_ISOLATION": request.param}
    with RawClient(environment=variables) as client:
        client.cache = tmp_path  # type: ignore[attr-defined]
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


def test_markdown_is_text_and_html_a_link(client: Any) -> None:
    answer = call(client, "run_python", code=(
        "display({'text/markdown': '# Title'}, raw=True)\n"
        "display({'text/html': '<b>'}, raw=True)"))
    assert [block["type"] for block in answer["content"]] == ["text", "text", "resource_link"]
    assert answer["content"][1]["text"] == "# Title"
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
