"""A notebook of data science in a session of pyember, and in plain CPython: the answers are the same.

The cells are notebook/analysis.py. The session is `auto`: it begins in-process and moves to a worker,
with what the first cells defined, when the third asks for packages. They come from the package index
once and are found ready afterwards; the plain run uses the very same environment. Skipped, visibly,
where packages are neither cached nor to be had.
"""

from __future__ import annotations

import base64
import json
import os
import re
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.notebook.plain import cells_of
from tests.support.raw_client import CellAnswer, RawClient
from tests.support.world import find_uv

NOTEBOOK = Path(__file__).parent / "notebook" / "analysis.py"
CELLS = cells_of(NOTEBOOK.read_text())
TITLES = re.findall(r"^# %% (.*)$", NOTEBOOK.read_text(), flags=re.MULTILINE)
PACKAGES = ["numpy", "pandas", "matplotlib", "requests"]
FIRST_WITH_PACKAGES = 2
FIGURES = {17: 1, 18: 1, 19: 1, 20: 1, 21: 2, 22: 1}  # by the number in the title
UNREACHABLE = ("dns error", "error sending request", "Could not connect", "client error (Connect)", "timed out")


class Handler(BaseHTTPRequestHandler):
    """What the notebook asks with requests."""

    def do_GET(self) -> None:
        if self.path.startswith("/measurements?n="):
            rows = [{"a": i, "b": i * i / 2} for i in range(int(self.path.partition("=")[2]))]
            self.answer(200, {"rows": rows})
        else:
            self.answer(404, {"error": "nothing here"})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(200, {"sent": sent, "x-test": self.headers["x-test"]})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Run:
    """Both runs, cell by cell."""

    client: RawClient
    answers: list[CellAnswer]
    plain: list[dict[str, Any]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def start_plain(python: Path, variables: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    folder.mkdir()
    script = Path(__file__).parent / "notebook" / "plain.py"
    return subprocess.Popen(
        [python, script, NOTEBOOK], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, **variables, "NOTEBOOK_FOLDER": str(folder), "MPLBACKEND": "Agg"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def both(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("notebook")
    variables = {"NOTEBOOK_URL": url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    answers: list[CellAnswer] = []
    with RawClient(environment={**variables, "PYEMBER_UV": find_uv(), "PYEMBER_ISOLATION": "auto"}) as client:
        client.run("import os; os.environ['NOTEBOOK_FOLDER'] = os.environ['PYEMBER_SESSION_FOLDER']")
        plain: subprocess.Popen[str] | None = None
        for i, code in enumerate(CELLS):
            wishes: dict[str, Any] = {"dependencies": PACKAGES} if i == FIRST_WITH_PACKAGES else {}
            answers.append(CellAnswer(client.send_tool("run_python", {"code": code, "timeout": 280, **wishes}), 300))
            if i == FIRST_WITH_PACKAGES:
                if any(sign in answers[-1].text for sign in UNREACHABLE):
                    pytest.skip("the notebook's packages are not cached, and the index can't be reached from here")
                place = client.run("np.__file__").result
                assert place, answers[-1]
                python = Path(place.strip("'")).parents[4] / "bin" / "python"
                plain = start_plain(python, variables, folder / "plain")
        assert plain is not None
        printed, _ = plain.communicate(timeout=280)
        yield Run(client, answers, [json.loads(line) for line in printed.splitlines()])


def rows_of(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and the decompressed rows of a PNG; fails when its bytes are not as they should be."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, size = 8, b"", (0, 0)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        chunk = png[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + chunk) == struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0]
        if kind == b"IHDR":
            size = struct.unpack(">II", chunk[:8])
        elif kind == b"IDAT":
            data += chunk
        at += 12 + length
    assert kind == b"IEND"
    return (*size, zlib.decompress(data))


def pictures(answer: CellAnswer) -> list[bytes]:
    """What the client sees, in the form of the protocol."""
    blocks = [block for block in answer.content if block["type"] == "image"]
    assert all(block["mimeType"] == "image/png" for block in blocks)
    return [base64.b64decode(block["data"], validate=True) for block in blocks]


def whole(client: RawClient, answer: CellAnswer) -> list[bytes]:
    """The pictures of an answer in full: those that were scaled down are followed by a link."""
    found = []
    for block in answer.content:
        if block["type"] == "image":
            found.append(base64.b64decode(block["data"]))
        elif block["type"] == "resource_link" and block["uri"].startswith("session-display:") and block["mimeType"] == "image/png":
            found[-1] = base64.b64decode(client.request("resources/read", {"uri": block["uri"]})["result"]["contents"][0]["blob"])
    return found


def test_the_notebook_has_thirty_cells() -> None:
    assert len(CELLS) == len(TITLES) == 30
    assert [title.split()[0] for title in TITLES] == [str(i) for i in range(1, 31)]


@pytest.mark.parametrize("i", range(len(CELLS)), ids=TITLES)
def test_a_cell_answers_as_in_plain_python(both: Run, i: int) -> None:
    answer, plain = both.answers[i], both.plain[i]
    assert answer.status == ("completed" if plain["error"] is None else "raised"), answer
    assert answer.stdout == plain["stdout"]
    assert answer.result == plain["result"]
    if plain["error"] is not None:
        kind, message = plain["error"]
        assert (answer.error["type"].rpartition(".")[2], answer.error["message"]) == (kind, message)
    assert len(pictures(answer)) == len(plain["figures"]) == FIGURES.get(i + 1, 0)


def test_two_cells_fail_and_the_others_do_not(both: Run) -> None:
    assert [i + 1 for i, plain in enumerate(both.plain) if plain["error"]] == [28, 29]
    assert [i + 1 for i, answer in enumerate(both.answers) if answer.status != "completed"] == [28, 29]


def test_the_session_moves_once_and_says_so(both: Run) -> None:
    rooms = [answer.structured["isolation"] for answer in both.answers]
    assert rooms == ["inprocess"] * FIRST_WITH_PACKAGES + ["process"] * (30 - FIRST_WITH_PACKAGES)
    assert [i for i, answer in enumerate(both.answers) if answer.notices] == [FIRST_WITH_PACKAGES]


@pytest.mark.parametrize("number", FIGURES)
def test_figures_are_the_pictures_plain_python_draws(both: Run, number: int) -> None:
    answer, plain = both.answers[number - 1], both.plain[number - 1]
    for shown, full, drawn in zip(pictures(answer), whole(both.client, answer), plain["figures"], strict=True):
        width, height, _ = rows_of(shown)
        assert 100 < width <= 1024 and 100 < height <= 1024
        assert len(set(rows_of(full)[2])) > 10  # something is on it
        assert rows_of(full) == rows_of(base64.b64decode(drawn))


def test_a_large_figure_is_scaled_down_and_linked_in_full(both: Run) -> None:
    answer = both.answers[21]
    (shown,), (full,) = pictures(answer), whole(both.client, answer)
    assert max(rows_of(shown)[:2]) == 1024
    assert max(rows_of(full)[:2]) > 1024
    assert [each["mime"] for each in answer.structured["displays"]] == ["image/png", "image/png"]


def test_files_of_the_notebook_are_linked_and_read(both: Run) -> None:
    files = both.answers[25].structured["files"]
    assert [each["path"] for each in files] == ["cities.csv", "field.npy"]
    read = both.client.request("resources/read", {"uri": files[0]["uri"]})["result"]["contents"][0]
    assert read["mimeType"] == "text/csv" and read["text"].splitlines()[1].startswith("Oslo,NO,709,454,")


def test_frames_are_linked_as_tables(both: Run) -> None:
    (table,) = both.answers[7].structured["displays"]
    read = both.client.request("resources/read", {"uri": table["uri"]})["result"]["contents"][0]
    assert table["mime"] == read["mimeType"] == "text/html" and "<table" in read["text"]
