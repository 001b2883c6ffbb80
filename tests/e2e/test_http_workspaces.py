"""Over HTTP each principal has its own sessions, jobs, scripts and resources, and no name for another's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_client import HttpClient, HttpServer, Legacy, Stream


@pytest.fixture(scope="module")
def server(tokens: dict[str, str]) -> Iterator[HttpServer]:
    with HttpServer(["--token-file", tokens["file"], "--trust-callers"]) as server:
        yield server


def names_of_sessions(client: HttpClient) -> list[str]:
    return [each["session"] for each in client.call("list_sessions")["structuredContent"]["sessions"]]


def test_sessions_of_one_name_are_two_sessions(alice: HttpClient, bob: HttpClient) -> None:
    alice.run("x = 'hers'", session="shared")
    bob.run("x = 'his'", session="shared")
    assert alice.run("x", session="shared")["result"] == "'hers'"
    assert bob.run("x", session="shared")["result"] == "'his'"


def test_two_clients_of_one_principal_share_their_sessions(server: HttpServer, tokens: dict[str, str]) -> None:
    first, second = server.client(tokens["alice"]), server.client(tokens["alice"])
    first.run("mine = 42", session="both")
    assert second.run("mine", session="both")["result"] == "42"
    assert Legacy(second).run("mine", session="both")["result"] == "42"


def test_sessions_of_others_are_not_listed_and_can_t_be_named(alice: HttpClient, bob: HttpClient) -> None:
    alice.run("secret = 1", session="hidden")
    assert "hidden" in names_of_sessions(alice)
    assert "hidden" not in names_of_sessions(bob)
    for tool in ("inspect_session", "interrupt_session", "reset_session", "close_session", "export_session",
                 "list_files", "save_session"):
        result = bob.call(tool, {"session": "hidden"})
        if tool == "list_files":
            assert "secret" not in str(result)
            continue
        assert result["isError"], (tool, result)
        assert "There is no session 'hidden'" in str(result), tool
    assert alice.run("secret", session="hidden")["result"] == "1"


def test_output_and_files_of_others_can_t_be_read(alice: HttpClient, bob: HttpClient) -> None:
    alice.run("print('x' * 100_000)", session="talker")
    alice.run("import os; open(os.environ['PYEMBER_SESSION_FOLDER'] + '/f.txt', 'w').write('private')",
              session="talker")
    uris = [each["uri"] for each in alice.request("resources/list").answer["result"]["resources"]]
    hers = [uri for uri in uris if "talker" in uri]
    assert hers
    for uri in hers:
        assert "result" in alice.request("resources/read", {"uri": uri}).answer
        refused = bob.request("resources/read", {"uri": uri})
        assert refused.status == 400 and refused.answer["error"]["code"] == -32602, refused
    assert not [uri for uri in (each["uri"] for each in bob.request("resources/list").answer["result"]["resources"])
                if "talker" in uri]


def test_jobs_of_others_are_not_there(alice: HttpClient, bob: HttpClient) -> None:
    started = alice.call("run_script_with_dependencies_async",
                         {"script_content": "import time; print('hers', flush=True); time.sleep(600)"})
    job = started["structuredContent"]["job_id"]
    assert job in str(alice.call("py_list_jobs"))
    assert job not in str(bob.call("py_list_jobs"))
    for tool in ("py_job_status", "get_job_output", "py_cancel_job", "kill_job"):
        answer = bob.call(tool, {"job_id": job})
        assert answer["isError"] or "not" in str(answer["content"]).lower(), (tool, answer)
        assert "hers" not in str(answer), tool
    refused = bob.request("resources/read", {"uri": f"job://{job}"})
    assert refused.status == 400, refused
    assert "running" in str(alice.call("py_job_status", {"job_id": job}))
    alice.call("py_cancel_job", {"job_id": job})


def test_saved_scripts_and_states_are_kept_apart(alice: HttpClient, bob: HttpClient, server: HttpServer) -> None:
    alice.call("py_save_script", {"script_name": "hers.py", "source": "print('from hers')"})
    assert "hers" in str(alice.call("py_list_scripts"))
    assert "hers" not in str(bob.call("py_list_scripts"))
    alice.run("kept = 7", session="saved")
    assert not alice.call("save_session", {"session": "saved"})["isError"]
    refused = bob.call("restore_session", {"session": "saved"})
    assert refused["isError"], refused
    principals = Path(server.state, "principals")
    assert len(list(principals.iterdir())) == 2
    assert all(each.stat().st_mode & 0o077 == 0 for each in principals.iterdir())


def test_a_principal_s_sessions_begin_in_a_folder_of_its_own(alice: HttpClient, bob: HttpClient) -> None:
    where = "import os; os.getcwd()"
    hers, his = alice.run(where, session="place")["result"], bob.run(where, session="place")["result"]
    assert "principals" in hers and "principals" in his and hers != his
    assert alice.run(where, session="worker", isolation="process")["result"] == hers


def test_scripts_in_sandboxes_see_their_principal_s_folder_and_no_other_s(alice: HttpClient, bob: HttpClient) -> None:
    place = alice.run("import os; os.getcwd()", session="place")["result"].strip("'")
    alice.call("py_save_script", {"script_name": "own.py", "source": "print('from her own')", "overwrite": True})
    hers = alice.call("run_script_in_dir", {"directory": place, "script_path": f"{place}/scripts/own.py", "use_uv": False,
                                            "isolation": "sandbox"})
    if "no sandbox" in str(hers).lower() or "can't be had" in str(hers):
        pytest.skip("there are no sandboxes here")
    assert "from her own" in str(hers), hers
    refused = bob.call("run_script_in_dir", {"directory": place, "script_path": f"{place}/scripts/own.py", "use_uv": False,
                                             "isolation": "sandbox"})
    assert refused["isError"] and "from her own" not in str(refused), refused
    assert "the server keeps its own" in str(refused)


def test_notifications_reach_their_principal_alone(alice: HttpClient, bob: HttpClient) -> None:
    wanted = {"notifications": {"resourcesListChanged": True}}
    streams = {"alice": Stream(alice, "subscriptions/listen", wanted), "bob": Stream(bob, "subscriptions/listen", wanted)}
    for stream in streams.values():
        acknowledged = stream.next()
        assert acknowledged and acknowledged["method"] == "notifications/subscriptions/acknowledged"
    alice.run("print('x' * 50_000)", session="noisy")
    told = streams["alice"].next()
    assert told and told["method"] == "notifications/resources/list_changed"
    time.sleep(1.5)  # more than a tick
    assert streams["bob"].events.empty()
    for stream in streams.values():
        stream.hang_up()


def test_many_clients_at_once_each_get_their_own_answers(server: HttpServer, tokens: dict[str, str]) -> None:
    wrong: list[object] = []

    def talk(number: int) -> None:
        client = server.client(tokens["alice" if number % 2 else "bob"])
        try:
            for turn in range(5):
                answer = client.run(f"{number} * 1000 + {turn}", session=f"crowd{number % 8}")
                if answer["result"] != str(number * 1000 + turn):
                    wrong.append(answer)
        except Exception as problem:  # told below, in the test's own thread
            wrong.append(problem)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []
