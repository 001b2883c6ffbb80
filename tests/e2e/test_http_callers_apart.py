"""Callers who are told apart by tokens are kept apart: their code is behind a boundary, and the server touches no files for them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_client import HttpClient, HttpServer, make_token
from tests.support.raw_client import server_binary

SECRET = "what-only-the-owner-knows"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the machine: one that nobody is to see, and a folder that is shown to be read."""
    found = tmp_path_factory.mktemp("machine")
    (found / "secret.py").write_text(f"print({SECRET!r})\n")
    (found / "secret.env").write_text(f"NAME={SECRET}\n")
    (found / "shown").mkdir()
    (found / "shown" / "hello.py").write_text("print('hello from what is shown')\n")
    (found / "shown" / "link.py").symlink_to(found / "secret.py")
    return found


@pytest.fixture(scope="module")
def server(tokens: dict[str, str], folder: Path) -> Iterator[HttpServer]:
    with HttpServer(["--token-file", tokens["file"], "--sandbox-path", f"{folder}/shown"]) as server:
        yield server


def refused(answer: dict[str, Any], *words: str) -> None:
    assert answer["isError"], answer
    said = json.dumps(answer)
    for word in words:
        assert word in said, answer
    assert SECRET not in said


def test_sessions_are_in_sandboxes_when_nothing_is_said(alice: HttpClient) -> None:
    answer = alice.run("x = 6\nx * 7")
    assert (answer["result"], answer["isolation"]) == ("42", "sandbox")
    assert alice.run("x")["result"] == "6"
    assert alice.run("1", session="auto", isolation="auto")["isolation"] == "sandbox"


@pytest.mark.parametrize("isolation", ["inprocess", "process"])
def test_no_call_gets_a_session_out_of_its_sandbox(alice: HttpClient, isolation: str) -> None:
    refused(alice.call("run_python", {"code": "1", "session": "out", "isolation": isolation}), isolation, "--trust-callers")
    alice.run("1", session="kept")
    refused(alice.call("run_python", {"code": "1", "session": "kept", "isolation": isolation}), isolation)
    alice.call("reset_session", {"session": "kept"})
    refused(alice.call("run_python", {"code": "1", "session": "kept", "isolation": isolation}), isolation)


def test_confinement_which_is_weaker_is_none(alice: HttpClient) -> None:
    refused(alice.call("run_python", {"code": "1", "session": "confined", "confine": {"network": False}}), "confine")


def test_code_sees_neither_the_machine_s_files_nor_those_of_other_callers(alice: HttpClient, bob: HttpClient, server: HttpServer,
                                                                         folder: Path) -> None:
    bob.call("py_save_script", {"script_name": "his.py", "source": f"print({SECRET!r})", "overwrite": True})
    answer = alice.run(f"import os\n[os.path.exists(p) for p in ({str(folder / 'secret.py')!r}, {server.state!r}, {server.state + '/principals'!r})]")
    assert answer["result"] == "[False, False, False]"
    assert alice.run(f"open({str(folder / 'shown' / 'hello.py')!r}).read()")["result"]
    assert alice.run(f"import os; os.kill({server.pid}, 0)", session="signals")["status"] == "raised"


def test_a_state_of_a_trusted_session_comes_back_in_a_sandbox(tmp_path: Path) -> None:
    file, state = tmp_path / "tokens.json", str(tmp_path / "state")
    token = make_token(file, "alice")
    with HttpServer(["--token-file", str(file), "--trust-callers"], state=state, cwd=str(tmp_path)) as server:
        client = server.client(token)
        assert client.run("x = 'kept'", session="old")["isolation"] == "inprocess"
        assert not client.call("save_session", {"session": "old"})["isError"]
    with HttpServer(["--token-file", str(file)], state=state, cwd=str(tmp_path)) as server:
        client = server.client(token)
        assert not client.call("restore_session", {"session": "old"})["isError"]
        answer = client.run("x", session="old")
        assert (answer["result"], answer["isolation"]) == ("'kept'", "sandbox")


def test_scripts_are_in_sandboxes(alice: HttpClient, folder: Path) -> None:
    code = f"import os; print(os.path.exists({str(folder / 'secret.py')!r}), os.getcwd())"
    answer = alice.call("run_script_with_dependencies", {"script_content": code})
    assert not answer["isError"] and "False /workspace" in str(answer), answer
    refused(alice.call("run_script_with_dependencies", {"script_content": code, "isolation": "none"}), "keeps its callers apart")


def test_what_is_shown_to_all_can_be_named(alice: HttpClient, folder: Path) -> None:
    shown = str(folder / "shown")
    answer = alice.call("run_script_in_dir", {"directory": shown, "script_path": "hello.py", "use_uv": False})
    assert not answer["isError"] and "hello from what is shown" in str(answer), answer
    answer = alice.call("static_analysis", {"script_path": f"{shown}/hello.py"})
    assert not answer["isError"], answer


def test_ones_own_scripts_can_be_named_and_not_written_to(alice: HttpClient, bob: HttpClient) -> None:
    code = "import pathlib\ntry:\n    pathlib.Path('scripts/more.py').write_text('')\nexcept OSError as e:\n    print('refused:', e)\nprint('ran')"
    saved = alice.call("py_save_script", {"script_name": "own.py", "source": code, "overwrite": True})["structuredContent"]
    path = Path(saved["path"])
    named = {"directory": str(path.parent.parent), "script_path": str(path), "use_uv": False}
    answer = alice.call("run_script_in_dir", named)
    assert "refused:" in str(answer) and "ran" in str(answer), answer
    refused(bob.call("run_script_in_dir", named), "keeps its callers apart")
    assert "ran" in str(alice.call("py_run_saved_script", {"script_name": "own.py"}))


@pytest.mark.parametrize(("tool", "arguments"), [
    ("run_script_in_dir", {"directory": "{folder}", "script_content": "print(1)"}),
    ("run_script_in_dir", {"directory": "{folder}/shown", "script_path": "../secret.py"}),
    ("run_script_in_dir", {"directory": "{folder}/shown", "script_path": "link.py"}),
    ("run_script_with_dependencies", {"script_path": "{folder}/secret.py"}),
    ("run_script_with_dependencies", {"script_path": "/nowhere/at/all.py"}),
    ("run_script_with_dependencies_async", {"script_path": "{folder}/secret.py"}),
    ("run_script_with_dependencies", {"script_content": "print(1)", "env_file": "{folder}/secret.env"}),
    ("benchmark_script", {"script_path": "{folder}/secret.py"}),
    ("benchmark_script", {"script_content": "print(1)", "env_file": "{folder}/secret.env"}),
    ("static_analysis", {"script_path": "{folder}/secret.py"}),
    ("format_code", {"script_path": "{folder}/secret.py"}),
    ("format_code", {"script_path": "{folder}/shown/hello.py", "write": True}),
])
def test_other_files_of_the_machine_can_t_be_named(alice: HttpClient, folder: Path, tool: str, arguments: dict[str, Any]) -> None:
    given = {name: value.format(folder=folder) if isinstance(value, str) else value for name, value in arguments.items()}
    refused(alice.call(tool, given), "keeps its callers apart")
    assert (folder / "secret.py").read_text() == f"print({SECRET!r})\n"


def test_exports_are_answered_and_not_written(alice: HttpClient, tmp_path: Path) -> None:
    alice.run("x = 1", session="told")
    refused(alice.call("export_session", {"session": "told", "path": str(tmp_path / "out.py")}), "keeps its callers apart")
    assert not (tmp_path / "out.py").exists()
    assert "x = 1" in str(alice.call("export_session", {"session": "told"}))


def test_states_are_kept_and_found_by_name_alone(alice: HttpClient, bob: HttpClient, tmp_path: Path) -> None:
    bob.run(f"x = {SECRET!r}", session="his")
    his = bob.call("save_session", {"session": "his"})["structuredContent"]["path"]
    assert Path(his).exists()
    refused(alice.call("restore_session", {"session": "mine", "path": his}), "keeps its callers apart")
    alice.run("x = 1", session="hers")
    refused(alice.call("save_session", {"session": "hers", "path": str(tmp_path / "state")}), "keeps its callers apart")
    refused(alice.call("save_session", {"session": "hers", "path": his}), "keeps its callers apart")
    assert not (tmp_path / "state").exists()
    hers = alice.call("save_session", {"session": "hers"})["structuredContent"]["path"]
    assert not alice.call("restore_session", {"session": "again", "path": hers})["isError"]


@pytest.mark.parametrize("version", ["0123456789abcdef01234567", "deploytool", "/usr/bin/python3", "named-tools", "3.12/../x", "12345678901234"])
def test_a_version_of_python_is_a_version(alice: HttpClient, version: str) -> None:
    refused(alice.call("run_python", {"code": "1", "session": "versions", "python_version": version}))
    answer = alice.call("run_script_with_dependencies", {"script_content": "print('ran')", "python_version": version})
    assert answer["isError"] or answer["structuredContent"].get("exit_code") != 0, answer
    assert "it is a version" in str(answer) or "no program that" in str(answer), answer


@pytest.mark.parametrize("dependency", ["pkg @ file:///nowhere/pkg-1-py3-none-any.whl", "file:///nowhere/pkg", "/nowhere/pkg",
                                        "pkg @ git+https://127.0.0.1:1/pkg", "git+file:///nowhere/pkg", "pkg @ http://127.0.0.1:1/pkg-1-py3-none-any.whl",
                                        "https://127.0.0.1:1/pkg-1.tar.gz", "pkg[x] @ ssh://127.0.0.1/pkg", "C:\\pkg", "pkg/../../pkg"])
def test_packages_come_from_the_index_or_by_https(alice: HttpClient, dependency: str) -> None:
    answer = alice.call("run_python", {"code": "1", "session": "packages", "dependencies": [dependency]})
    assert "come from the index" in str(answer), answer
    answer = alice.call("run_script_with_dependencies", {"script_content": "1", "dependencies": [dependency]})
    assert answer["isError"] and "come from the index" in str(answer), answer
    header = f"# /// script\n# dependencies = [{dependency!r}]\n# ///\nprint('ran')\n".replace("'", '"')
    answer = alice.call("run_script_with_dependencies", {"script_content": header})
    assert "ran\n" not in str(answer) and "come from the index" in str(answer), answer


def test_saved_scripts_have_no_other_files_and_no_variables_of_the_server(alice: HttpClient, folder: Path) -> None:
    code = "import os; print('NAME' in os.environ, repr(os.environ.get('LEAK')))"
    alice.call("py_save_script", {"script_name": "asks.py", "source": code, "overwrite": True})
    refused(alice.call("py_run_saved_script", {"script_name": "asks.py", "env_file": f"{folder}/secret.env"}), "keeps its callers apart")
    (folder / "shown" / "some.env").write_text("LEAK=${HOME}${PATH}\n")
    answer = alice.call("py_run_saved_script", {"script_name": "asks.py", "env_file": f"{folder}/shown/some.env"})
    assert "False ''" in str(answer), answer


@pytest.mark.parametrize("name", ["ruff.toml\0.py", "a\nb.py", "\x7f.py"])
def test_scripts_have_names_that_files_have(alice: HttpClient, name: str) -> None:
    answer = alice.call("py_save_script", {"script_name": name, "source": "extend = '/etc/passwd'"})
    assert answer["isError"], answer


def test_mcp_servers_of_the_machine_are_not_its_callers(tokens: dict[str, str], tmp_path: Path) -> None:
    found = tmp_path / "config" / "pyember"
    found.mkdir(parents=True)
    entry = {"mcpServers": {"files": {"command": "true"}}}
    (found / "upstreams.json").write_text(json.dumps(entry))
    (tmp_path / "named.json").write_text(json.dumps(entry))
    code = "from mcp import runtime\nruntime.discovered_servers()"
    for more, offered in (([], False), (["--upstreams", str(tmp_path / "named.json")], True)):
        with HttpServer(["--token-file", tokens["file"], *more], environment={"XDG_CONFIG_HOME": str(tmp_path / "config")}) as server:
            assert ("files" in str(server.client(tokens["alice"]).run(code))) is offered


def test_environments_of_the_server_are_not_its_callers_to_make_or_remove(alice: HttpClient) -> None:
    names = {each["name"] for each in alice.request("tools/list").answer["result"]["tools"]}
    assert "run_python" in names and "static_analysis" in names
    assert not {name for name in names if name.startswith("environment_")}


def ended(*arguments: str) -> str:
    done = subprocess.run([server_binary(), "serve", *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0, done
    return done.stderr


@pytest.mark.parametrize("isolation", ["auto", "inprocess", "process"])
def test_weaker_sessions_for_callers_must_be_meant(tokens: dict[str, str], isolation: str) -> None:
    said = ended("--transport", "http", "--port", "0", "--token-file", tokens["file"], "--isolation", isolation)
    assert isolation in said and "--trust-callers" in said


def test_trust_means_something_over_http_alone() -> None:
    assert "--trust-callers" in ended("--trust-callers")
