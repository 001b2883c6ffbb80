"""What a session prints, and in which answer it stands, in every room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sessions.prompt import Prompt, until


def test_print_descriptor_writes_and_children_come_in_order(prompt: Prompt) -> None:
    code = ("import os, subprocess, sys\nprint('one')\nos.write(1, b'two\\n')\nsubprocess.run(['echo', 'three'])\n"
            "os.system('echo four')\nsys.stdout.write('five\\n')\nsys.__stdout__.write('six\\n')\nprint('seven', end='')")
    assert prompt.printed(code) == "one\ntwo\nthree\nfour\nfive\nsix\nseven"


def test_stderr_is_apart_from_stdout(prompt: Prompt) -> None:
    answer = prompt.run("import os, subprocess, sys\nprint('out')\nprint('err', file=sys.stderr)\nos.write(2, b'low\\n')\n"
                        "subprocess.run('echo child >&2', shell=True)")
    assert (answer.stdout, answer.stderr) == ("out\n", "err\nlow\nchild\n")


def test_output_before_an_error_and_before_a_stop_is_kept(prompt: Prompt) -> None:
    assert prompt.run("print('before')\n1 / 0").stdout == "before\n"
    stopped = prompt.run("print('so far')\nwhile True: pass", timeout=0.3)
    assert (stopped.status, stopped.stdout) == ("timed_out", "so far\n")


def test_unicode_and_bytes_that_are_no_text(prompt: Prompt) -> None:
    assert prompt.printed("print('żółć 🐍 \\udc80')") == "żółć 🐍 \\udc80\n"
    assert prompt.printed("import os; os.write(1, b'a\\xffb\\n')").startswith("a")
    assert prompt.value("'🐍' * 2") == "'🐍🐍'"


def test_redirections_of_pythons_streams_work(prompt: Prompt) -> None:
    assert prompt.value("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as text: print('caught')\ntext.getvalue()") == "'caught\\n'"
    assert prompt.printed("print('not caught')") == "not caught\n"


def test_a_threads_late_output_is_marked_in_the_next_answer(prompt: Prompt) -> None:
    prompt.value("import threading\ngo = threading.Event()\ndone = threading.Event()\n"
                 "def later():\n    go.wait(60)\n    print('from the thread')\n    done.set()\n"
                 "threading.Thread(target=later, daemon=True).start()\n"
                 "threading.Timer(0.3, go.set).start()")
    def seen() -> bool:
        answer = prompt.run("print('mine')")
        if answer.stdout == "mine\n":
            return False
        lines = answer.stdout.splitlines()
        assert lines.index("from the thread") < lines.index("mine"), answer
        assert any(line.startswith("[") for line in lines), answer
        assert any("after the cell before had ended" in notice for notice in answer.notices), answer
        return True

    # No cell may run while the thread prints, or its output is that cell's.
    import time
    time.sleep(1.0)
    assert seen()
    assert prompt.value("done.is_set()") == "True"


def test_huge_output_is_cut_and_can_be_read_in_full(prompt: Prompt) -> None:
    answer = prompt.run("for n in range(20_000): print(f'{n:06d}', 'x' * 50)")
    whole = "".join(f"{n:06d} {'x' * 50}\n" for n in range(20_000))
    assert len(answer.stdout) < 100_000
    assert answer.stdout.startswith("000000 xxx") and answer.stdout.rstrip().endswith("x" * 50)
    [link] = [block["uri"] for block in answer.content if block.get("type") == "resource_link"]
    text = ""
    while len(text) < len(whole):
        read = prompt.client.request("resources/read", {"uri": f"{link}?offset={len(text)}"})
        part = "".join(each["text"] for each in read["result"]["contents"])
        assert part, f"the output ends after {len(text)} of {len(whole)} bytes"
        text += part
    assert text == whole


def test_a_huge_result_is_bounded(prompt: Prompt) -> None:
    answer = prompt.run("'x' * 10_000_000")
    assert answer.status == "completed" and len(answer.text) < 400_000
    answer = prompt.run("list(range(10**6))")
    assert answer.status == "completed" and len(answer.text) < 400_000


def test_a_child_that_outlives_its_cell_prints_into_the_next(prompt: Prompt) -> None:
    prompt.value("import subprocess\nchild = subprocess.Popen('sleep 0.2; echo late child', shell=True)")
    printed: list[str] = []

    def arrived() -> bool:
        printed.append(prompt.printed("child.wait()"))
        return "late child" in "".join(printed)

    until(arrived, "the child's output")


@pytest.mark.parametrize("closing", ["os.close(1)", "os.close(2)", "os.close(1); os.close(2)", "os.closerange(1, 3)",
                                     "os.dup2(os.open('/dev/null', os.O_WRONLY), 1); os.close(1)"])
def test_closing_the_output_descriptors_costs_one_notice(prompt: Prompt, closing: str) -> None:
    prompt.value(f"import os, sys\n{closing}")
    answer = prompt.run("print('back again')\nsys.stderr.write('this too\\n')\nos.system('echo and children')")
    assert (answer.status, answer.stdout, answer.stderr) == ("completed", "back again\nand children\n", "this too\n"), answer
    assert [notice for notice in answer.notices if "closed descriptor 1 or 2" in notice], answer
    assert prompt.run("print('once')").notices == []


def test_an_output_descriptor_that_was_replaced_stays_so(prompt: Prompt) -> None:
    prompt.value("import os, tempfile\nkept = os.dup(1)\ntarget, name = tempfile.mkstemp()\nos.dup2(target, 1)")
    answer = prompt.run("print('into the file')")
    assert (answer.status, answer.stdout, answer.notices) == ("completed", "", []), answer
    assert prompt.value("open(name).read(), os.unlink(name)") == "('into the file\\n', None)"
    assert prompt.printed("os.dup2(kept, 1)\nprint('into the answer')") == "into the answer\n"


def test_progress_brings_output_while_the_cell_runs(prompt: Prompt) -> None:
    prompt.value("1")
    code = "import time\nfor n in range(3):\n    print('step', n)\n    time.sleep(0.3)"
    token = f"of {prompt.name}"
    pending = prompt.client.send("tools/call", {"name": "run_python", "arguments": {"code": code, "session": prompt.name},
                                                "_meta": {"progressToken": token}})
    pending.wait(60)
    told = [note["params"].get("message", "") for note in prompt.client.notifications
            if note["params"].get("progressToken") == token]
    assert "".join(told) == "step 0\nstep 1\nstep 2\n", told
