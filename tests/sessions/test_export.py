"""export_session: what it writes is run, with uv, with pytest, and checked with nbformat."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.sessions.prompt import Prompt
from tests.support.raw_client import RawClient
from tests.support.world import PACKAGE, World, find_uv, make_world

# A picture of one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CELLS = [
    "import math\nradius = 2",
    "def area(r):\n    return math.pi * r ** 2\n\nprint(round(area(radius), 3))",
    "area(radius) > 12",
    "import asyncio\nslept = await asyncio.sleep(0, 'slept')\nslept",
    "1 / 0",
    "_.upper()",
    "import sys; print('warned', file=sys.stderr)",
    "print({'a', 'b', 'c'}, object())",
]


def fill(prompt: Prompt) -> None:
    for code in CELLS:
        prompt.run(code)


def uv_run(file: Path, world: World | None = None, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(variables or (world.variables() if world else os.environ))
    environment.setdefault("UV_OFFLINE", "1")
    environment.setdefault("UV_PYTHON_DOWNLOADS", "never")
    environment.setdefault("UV_PYTHON", sys.executable)
    return subprocess.run([find_uv(), "run", "--no-project", str(file)], capture_output=True, text=True,
                          timeout=120, env=environment, cwd=file.parent)


def run_tests(file: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(file.parent), str(file)],
                          capture_output=True, text=True, timeout=120, cwd=file.parent)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_script_runs_with_uv(prompt: Prompt, writable: Path) -> None:
    fill(prompt)
    file = writable / "session.py"
    answer = prompt.tool("export_session", path=str(file))
    assert answer.structured["cells"] == len(CELLS) and answer.structured["path"] == str(file)
    assert answer.structured["text"] is None and answer.structured["notices"] == []
    text = file.read_text()
    assert answer.structured["bytes"] == len(text.encode())
    assert "# | 12.566\n" in text and "# => 'SLEPT'\n" in text and "# ! ZeroDivisionError: division by zero" in text
    done = uv_run(file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("12.566\n") and done.stderr.endswith("warned\n")


def test_a_pytest_file_passes(prompt: Prompt, writable: Path) -> None:
    fill(prompt)
    file = writable / "test_session.py"
    prompt.tool("export_session", format="pytest", path=str(file))
    assert f"{len(CELLS)} passed" in run_tests(file)


def test_a_notebook_is_valid_and_has_the_outputs(prompt: Prompt, writable: Path) -> None:
    fill(prompt)
    prompt.run("class Picture:\n    def __init__(self, data): self.data = data\n    def _repr_png_(self): return self.data")
    prompt.run(f"display(Picture({PNG!r}))\ndisplay({{'text/html': '<b>\"é\"</b>'}}, raw=True)")
    file = writable / "session.ipynb"
    prompt.tool("export_session", format="notebook", path=str(file))
    notebook = json.loads(file.read_text())
    nbformat.validate(notebook)
    outputs = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert outputs[1] == [{"output_type": "stream", "name": "stdout", "text": ["12.566\n"]}]
    assert outputs[2][0]["data"] == {"text/plain": ["True"]}
    assert outputs[4][0]["ename"] == "ZeroDivisionError" and "Traceback" in outputs[4][0]["traceback"][0]
    assert [output["data"] for output in outputs[-1]] == [
        {"image/png": base64.b64encode(PNG).decode()},
        {"text/html": '<b>"é"</b>'},
    ]


def test_a_short_text_is_in_the_answer_and_a_long_one_in_the_sessions_folder(prompt: Prompt, tmp_path: Path) -> None:
    prompt.run("x = 1")
    answer = prompt.tool("export_session")
    assert answer.structured["path"] is None and "\nx = 1\n" in answer.structured["text"]
    assert answer.content == [{"type": "text", "text": answer.structured["text"]}]
    prompt.run("'''" + "long " * 10_000 + "'''\nprint(2)")
    answer = prompt.tool("export_session", format="pytest")
    assert answer.structured["text"] is None
    # Behind a boundary the path is the one that the session's code sees.
    text = ""
    while page := prompt.client.request("resources/read", {"uri": f"{answer.structured['uri']}?offset={len(text.encode())}"}):
        if not (more := page["result"]["contents"][0]["text"]):
            break
        text += more
    (tmp_path / "test_exported.py").write_text(text)
    assert run_tests(tmp_path / "test_exported.py").startswith("..")
    listed = prompt.tool("list_files").structured["files"]
    assert answer.structured["uri"] in [each["uri"] for each in listed]


def test_a_file_is_not_overwritten_unless_that_is_asked_for(prompt: Prompt, writable: Path) -> None:
    prompt.run("x = 1")
    file = writable / "kept.py"
    file.write_text("mine")
    refused = prompt.tool("export_session", path=str(file))
    assert refused.is_error and "there is one already" in refused.text and "overwrite=true" in refused.text
    assert file.read_text() == "mine"
    prompt.tool("export_session", path=str(file), overwrite=True)
    assert "x = 1" in file.read_text()
    assert sorted(each.name for each in writable.iterdir()) == ["kept.py"]
    nowhere = prompt.tool("export_session", path=str(writable / "no" / "folder.py"))
    assert nowhere.is_error and "folder that exists" in nowhere.text


def test_an_export_comes_behind_the_cells_that_were_sent_before(prompt: Prompt) -> None:
    waits = prompt.send("import time; time.sleep(0.3); print('done')")
    answer = prompt.tool("export_session")
    assert "# | done\n" in answer.structured["text"]
    waits.wait(30)


def test_a_reset_session_has_no_cells_and_a_lost_one_keeps_them(prompt: Prompt) -> None:
    prompt.run("x = 1")
    prompt.tool("reset_session")
    nothing = prompt.tool("export_session")
    assert nothing.is_error and "There is nothing to export" in nothing.text
    prompt.run("y = 2")
    prompt.run("import os; os.kill(os.getpid(), 9)") if prompt.room == "process" else prompt.run("y")
    assert "\ny = 2\n" in prompt.tool("export_session").structured["text"]


def test_cells_that_were_never_run_are_in_no_export(prompt: Prompt) -> None:
    prompt.run("x = 1")
    busy = prompt.send("import time; time.sleep(0.5)")
    waits = prompt.send("never = 1")
    prompt.client.notify("notifications/cancelled", {"requestId": waits.id})
    busy.wait(30)
    assert "never" not in prompt.tool("export_session").structured["text"]


def test_there_is_nothing_to_export_of_a_session_that_is_not_there(client: RawClient) -> None:
    answer = client.tool("export_session", session="nobody")
    assert answer.is_error and "nobody" in answer.text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("packages") / "world")


def test_packages_are_named_with_their_versions_and_come_with_uv(world: World, tmp_path: Path) -> None:
    variables = {**world.variables(), "PYEMBER_UV": find_uv()}
    with RawClient(["serve"], variables=variables) as client:
        prompt = Prompt(client, "auto")
        prompt.run(f"%pip install {PACKAGE}\nimport {PACKAGE}\nprint({PACKAGE}.answer)")
        file = tmp_path / "session.py"
        answer = prompt.tool("export_session", path=str(file))
        assert [each["name"] for each in answer.structured["packages"]] == [PACKAGE]
        version = answer.structured["packages"][0]["version"]
        assert f'"{PACKAGE}=={version}"' in file.read_text()
    done = uv_run(file, world)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
