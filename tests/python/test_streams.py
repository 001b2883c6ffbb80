"""What a cell prints arrives at once and in order."""

from __future__ import annotations

import os

import pytest

from fresh import run_fresh
from mcp_runtime.streams import SessionStream
from prompt import Prompt


def test_print_arrives_on_descriptor_1(prompt: Prompt) -> None:
    assert prompt.run("print('a', 1, None, [2])").out == "a 1 None [2]\n"


def test_stderr_arrives_on_descriptor_2(prompt: Prompt) -> None:
    cell = prompt.run("import sys; print('a', file=sys.stderr); sys.stderr.write('b')")
    assert (cell.out, cell.err) == ("", "ab".replace("ab", "a\nb"))


def test_prints_and_other_writes_keep_their_order(prompt: Prompt) -> None:
    code = (
        "import os, sys, subprocess\n"
        "print('1', end='')\nos.write(1, b'2')\nsys.stdout.write('3')\nsubprocess.run(['printf', '4'])\n"
        "sys.stdout.buffer.write(b'5')\nprint('6', end='')\nos.system('printf 7')\nprint(8)"
    )
    assert prompt.run(code).out == "12345678\n"


def test_print_keeps_the_order_of_what_its_arguments_print(prompt: Prompt) -> None:
    code = "import os\nclass A:\n    def __str__(self):\n        os.write(1, b'inner ')\n        return 'A'\nprint('before', A())"
    assert prompt.run(code).out == "before inner A\n"


@pytest.mark.parametrize(
    ("code", "out"),
    [
        ("print()", "\n"),
        ("print('a', 'b', sep='')", "ab\n"),
        ("print('a', 'b', sep=None, end=None)", "a b\n"),
        ("print('a', end='')", "a"),
        ("print('a', flush=True)", "a\n"),
        ("print(1.5, True, 10**20)", "1.5 True 100000000000000000000\n"),
        ("import sys; print('a', file=sys.stdout)", "a\n"),
        ("import sys; print('a', file=None)", "a\n"),
        ("print('a\\r\\nb\\rc')", "a\r\nb\rc\n"),
    ],
)
def test_print_does_what_it_does_elsewhere(prompt: Prompt, code: str, out: str) -> None:
    assert prompt.run(code).out == out


@pytest.mark.parametrize("code", ["print('a', sep=5)", "print('a', end=5)", "print('a', foo=1)", "print(file=5)"])
def test_print_refuses_what_it_refuses_elsewhere(prompt: Prompt, code: str) -> None:
    assert prompt.failure(code).type in ("TypeError", "AttributeError")


def test_print_is_one_write(prompt: Prompt) -> None:
    writes: list[bytes] = []
    from mcp_runtime import streams

    original = streams._write
    streams._write = lambda fd, data: writes.append(bytes(data)) or original(fd, data)
    try:
        prompt.run("print('a', 'b', 3)")
    finally:
        streams._write = original
    assert writes == [b"a b 3\n"]


def test_a_long_line_is_printed_whole(prompt: Prompt) -> None:
    assert prompt.run("print('x' * 200_000, 'y')").out == "x" * 200_000 + " y\n"


def test_text_that_utf8_can_t_carry_is_escaped(prompt: Prompt) -> None:
    assert prompt.run(r"print('é\ud800')").out == "é\\ud800\n"


def test_a_partial_write_is_completed() -> None:
    import threading

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[bytes] = []

    def read_all() -> None:
        while data := os.read(reader, 65_536):
            received.append(data)

    thread = threading.Thread(target=read_all)
    thread.start()
    try:
        stream = SessionStream(writer, "<stdout>")
        assert stream.write("x" * 1_000_000) == 1_000_000
        assert stream.buffer.write(memoryview(b"yz")) == 2
    finally:
        os.close(writer)
        thread.join(10)
        os.close(reader)
    assert b"".join(received) == b"x" * 1_000_000 + b"yz"


def test_the_streams_look_like_ordinary_ones(prompt: Prompt) -> None:
    assert prompt.value("import sys; sys.stdout.encoding, sys.stdout.errors, sys.stdout.isatty()") == (
        "('utf-8', 'backslashreplace', False)"
    )
    assert prompt.value("sys.stdout.fileno(), sys.stderr.fileno(), sys.stdin.fileno()") == "(1, 2, 0)"
    assert prompt.value("sys.stdout.name, sys.stdout.mode, sys.stdout.writable()") == "('<stdout>', 'w', True)"
    assert prompt.value("sys.__stdout__ is sys.stdout") == "True"
    assert prompt.value("sys.stdout.closed, sys.stdout.readable()") == "(False, False)"


def test_reconfigure_never_holds_anything_back(prompt: Prompt) -> None:
    code = "import os, sys\nsys.stdout.reconfigure(line_buffering=True, write_through=False, errors='replace')\n"
    assert prompt.run(code + "sys.stdout.write('1'); os.write(1, b'2')").out == "12"


def test_redirect_stdout_works(prompt: Prompt) -> None:
    code = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s:\n    print('a')\nprint('b')\ns.getvalue()"
    cell = prompt.run(code)
    assert (cell.out, cell.result, cell.notices) == ("b\n", repr("a\n"), ())


def test_logging_goes_to_stderr() -> None:
    assert run_fresh("import logging; logging.warning('careful')").err == "WARNING:root:careful\n"


def test_a_handler_made_in_one_cell_works_in_the_next(prompt: Prompt) -> None:
    prompt.value("import logging, sys\nlog = logging.Logger('a'); log.addHandler(logging.StreamHandler(sys.stdout))")
    assert prompt.run("log.error('later')").out == "later\n"


def test_a_replaced_stream_stays_and_the_answer_says_so_once(prompt: Prompt) -> None:
    prompt.value("import io, sys; sys.stdout = io.StringIO()")
    cell = prompt.run("print('hidden')")
    assert cell.out == "" and "sys.stdout = sys.__stdout__" in cell.notices[0]
    assert prompt.run("print('again')").notices == ()
    assert prompt.run("sys.stdout = sys.__stdout__; print('back')").out == "back\n"


@pytest.mark.parametrize("code", ["sys.stdout.close()", "del sys.stdout", "sys.stdout = None", "sys.stdout.detach()",
                                  "sys.stdout = sys.__stdout__ = None", "sys.stdout.buffer.close()"])  # fmt: skip
def test_an_unusable_stream_is_replaced_with_a_notice(prompt: Prompt, code: str) -> None:
    assert prompt.run(f"import sys\n{code}").notices == ()
    cell = prompt.run("print('a')")
    assert cell.out == "a\n"
    assert any("opened again" in notice for notice in cell.notices)


def test_wrapping_the_buffer_loses_nothing(prompt: Prompt) -> None:
    cell = prompt.run("import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('a')")
    assert cell.out == "a\n"
    assert prompt.run("print('b')").out == "b\n"


def test_a_stream_that_fails_to_flush_is_told(prompt: Prompt) -> None:
    cell = prompt.run("import sys\nclass S:\n    def flush(self): 1 / 0\n    def write(self, s): pass\nsys.stdout = S()")
    assert cell.status == 0
    assert "ZeroDivisionError" in cell.notices[0]


INPUTS = ["input()", "input('name? ')", "import sys; sys.stdin.read()", "import sys; sys.stdin.readline()",
          "import sys; list(sys.stdin)", "import sys; sys.stdin.buffer.read()", "import sys; next(sys.stdin)",
          "import sys; sys.stdin.readlines()", "import sys; sys.stdin.buffer.readline()"]  # fmt: skip


@pytest.mark.parametrize("code", INPUTS)
def test_reading_input_fails_at_once(prompt: Prompt, code: str) -> None:
    cell = prompt.failure(code)
    assert cell.type == "EOFError"
    assert "no standard input" in cell.message and "in the code instead" in cell.message


def test_input_is_named_in_its_error(prompt: Prompt) -> None:
    assert "wait for input()" in prompt.failure("x = input()").message
    assert "read from sys.stdin" in prompt.failure("import sys; sys.stdin.readline()").message


def test_the_debugger_does_not_hang() -> None:
    fresh = run_fresh("x = 1\nbreakpoint()\nx = 2", "import sys; sys.settrace(None)", "1 + 1")
    assert "(Pdb)" in fresh.out
    assert fresh.cells[0].status in (0, 1)
    assert fresh.cells[2].result == "2"
