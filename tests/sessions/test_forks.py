"""fork_session: a session with the state of another, in both rooms."""

from __future__ import annotations

import json

from tests.sessions.prompt import Prompt
from tests.support.raw_client import CellAnswer, RawClient


def fork_of(prompt: Prompt, name: str) -> CellAnswer:
    return CellAnswer(prompt.client.send_tool("fork_session", {"session": prompt.name, "name": name}), 60)


def forked(prompt: Prompt, **first: object) -> Prompt:
    """A copy of a session, which is told apart by its name alone."""
    copy = Prompt(prompt.client, prompt.room)
    copy._first = dict(first)
    answer = fork_of(prompt, copy.name)
    assert not answer.is_error, answer
    assert answer.structured["session"] == copy.name and answer.structured["from"] == prompt.name
    assert answer.structured["live"] == (prompt.room == "process")
    return copy


def test_a_fork_has_the_names_and_goes_its_own_way(prompt: Prompt) -> None:
    prompt.run("x = [1]; y = x\ndef f(n): return n + len(x)\nclass A: pass\na = A()")
    copy = forked(prompt)
    assert copy.value("x.append(2); x is y, f(1), type(a) is A") == "(True, 3, True)"
    assert prompt.value("x, f(1)") == "([1], 2)"
    prompt.value("x = 'other'")
    assert copy.value("x") == "[1, 2]"
    copy.close()
    assert prompt.value("x") == "'other'"


def test_cell_numbers_go_on_where_the_other_is(prompt: Prompt) -> None:
    prompt.run("def fails():\n    raise ValueError('here')")
    copy = forked(prompt)
    answer = copy.run("fails()")
    assert answer.structured["cell"] > 1
    # The source of the other's cell is the copy's as well.
    assert "raise ValueError('here')" in answer.structured["error"]["traceback"]


def test_a_fork_waits_behind_the_cells_in_front(prompt: Prompt) -> None:
    prompt.value("1")
    first = prompt.send("import time; time.sleep(0.3); x = 'set'")
    copy = Prompt(prompt.client, prompt.room)
    copy._first = {}
    pending = prompt.client.send_tool("fork_session", {"session": prompt.name, "name": copy.name})
    later = prompt.send("x = 'later'")
    assert not CellAnswer(pending, 60).is_error
    assert copy.value("x") == "'set'"
    assert CellAnswer(first, 60).status == CellAnswer(later, 60).status == "completed"
    assert prompt.value("x") == "'later'"


def test_a_fork_of_a_session_that_has_run_nothing_is_empty(prompt: Prompt) -> None:
    prompt.client.tool("put_file", session=prompt.name, path="a.txt", content="a")
    copy = Prompt(prompt.client, prompt.room)
    copy._first = {}
    assert not fork_of(prompt, copy.name).is_error
    copy.room = "auto"  # put_file has opened the session where the server says
    assert copy.run("1").status == "completed"


def test_what_is_not_carried_is_named(prompt: Prompt) -> None:
    prompt.value("import socket, threading\ns = socket.socket()\nx = 1\ne = threading.Event()\nt = threading.Thread(target=e.wait, name='waiter', daemon=True); t.start()")
    copy = Prompt(prompt.client, prompt.room)
    copy._first = {}
    answer = fork_of(prompt, copy.name)
    told = json.dumps(answer.structured["not_carried"])
    assert "socket" in told and "thread" in told, told
    assert copy.value("x") == "1"
    prompt.value("e.set()")


def test_errors_say_what_to_do(prompt: Prompt) -> None:
    prompt.value("1")
    for arguments, words in (
        ({"session": "nobody", "name": "b"}, "There is no session 'nobody'"),
        ({"session": prompt.name, "name": prompt.name}, "open already"),
        ({"session": prompt.name, "name": "a b"}, "can't be used"),
    ):
        answer = CellAnswer(prompt.client.send_tool("fork_session", arguments), 60)
        assert answer.is_error and words in answer.text, answer
    assert prompt.value("2") == "2"


def test_a_fork_of_a_fork_and_an_interrupt_in_it(prompt: Prompt) -> None:
    prompt.value("x = 1")
    second = forked(forked(prompt))
    assert second.run("while True: pass", timeout=0.3).status == "timed_out"
    assert second.value("x") == "1"


def test_files_come_along_into_a_folder_of_its_own(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    prompt.value("import os; folder = os.environ['PYEMBER_SESSION_FOLDER']; open(folder + '/f.txt', 'w').write('text')")
    copy = forked(prompt)
    answer = copy.run("new = os.environ['PYEMBER_SESSION_FOLDER']; new != folder, open(new + '/f.txt').read()")
    assert answer.result == "(True, 'text')"
    assert not answer.structured.get("files")
    copy.value("open(new + '/f.txt', 'w').write('other')")
    assert prompt.value("open(folder + '/f.txt').read()") == "'text'"


def test_a_lost_session_leaves_its_forks(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    prompt.value("x = 1")
    copy = forked(prompt)
    assert prompt.run("import os; os._exit(3)").status == "lost"
    assert copy.value("x") == "1"
    assert copy.run("import os; os._exit(3)").status == "lost"
    assert prompt.value("'x' in globals()") == "False"


def test_many_forks_at_once(client: RawClient) -> None:
    prompt = Prompt(client, "process")
    prompt.value("x = [0]")
    names = [f"many-{number}" for number in range(8)]
    pending = [client.send_tool("fork_session", {"session": prompt.name, "name": name}) for name in names]
    assert not any(CellAnswer(each, 60).is_error for each in pending)
    cells = [client.send_tool("run_python", {"session": name, "code": f"x.append({number!r}); x"}) for number, name in enumerate(names)]
    assert [CellAnswer(each, 60).result for each in cells] == [f"[0, {number}]" for number in range(8)]
    for name in names:
        client.tool("close_session", session=name)


def test_limits_hold_for_the_fork(client: RawClient) -> None:
    prompt = Prompt(client, "process", limits={"memory_mb": 300})
    prompt.value("x = 1")
    copy = forked(prompt)
    assert copy.run("b = bytes(600_000_000)").structured["error"]["type"] == "MemoryError"
    assert copy.value("x") == "1"


def test_a_session_with_few_processes_can_be_forked(client: RawClient) -> None:
    prompt = Prompt(client, "process", limits={"processes": 1, "memory_mb": 400})
    prompt.value("import subprocess")
    copy = forked(prompt)
    assert copy.value("subprocess.run(['true']).returncode") == "0"
    assert prompt.value("subprocess.run(['true']).returncode") == "0"


def test_a_copy_is_a_process_like_any_other(client: RawClient) -> None:
    """What libc and Python note of their process and thread is the copy's; also of a copy's copy."""
    prompt = Prompt(client, "process")
    prompt.value("import os, signal, subprocess, threading")
    for _ in range(3):
        copy = forked(prompt)
        code = (
            "got = []\n"
            "signal.signal(signal.SIGUSR1, lambda *_: got.append('signal'))\n"
            "signal.raise_signal(signal.SIGUSR1)\n"
            "thread = threading.Thread(target=got.append, args=('thread',))\n"
            "thread.start(); thread.join()\n"
            "got.append(subprocess.run(['true']).returncode)\n"
            "child = os.fork()\n"
            "if child == 0: os._exit(7)\n"
            "got.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
            "got, threading.get_native_id() == os.getpid(), threading.main_thread().native_id == os.getpid()"
        )
        assert copy.value(code) == "(['signal', 'thread', 0, 7], True, True)"
        assert copy.value("os.getppid()") == prompt.value("os.getppid()")
        prompt = copy
