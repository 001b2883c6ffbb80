"""What cells find in a worker, and what the wire carries."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from zygotes import Worker, Zygote


def test_outputs_that_were_closed_are_open_again_for_the_next_cell(worker: Worker) -> None:
    assert worker.value("import os; os.closerange(1, 3)") is None
    done = worker.run("import sys\nprint('out'); print('err', file=sys.stderr)\nos.system('echo child')")
    assert (done.out, done.err) == ("out\nchild\n", "err\n")
    assert len(done.notices) == 1 and "opened again" in done.notices[0]
    assert worker.run("1").notices == []


def test_outputs_whose_copies_were_closed_too_stay_closed(worker: Worker) -> None:
    """What has got the numbers since is not taken for the pipes."""
    code = ("import os, stat\nkept = [n for n in range(1000, 1010) if os.path.exists(f'/proc/self/fd/{n}') and stat.S_ISFIFO(os.fstat(n).st_mode)]\n"
            "for n in kept: os.dup2(os.open('/dev/null', os.O_WRONLY), n)\nos.closerange(1, 3)\nlen(kept)")
    assert worker.value(code) == "4"
    assert worker.failure("print('lost')").type == "OSError"
    assert worker.value("1 + 1") == "2"


def test_a_worker_holds_nothing_but_its_own_descriptors(worker: Worker) -> None:
    code = "import os\nsorted(int(n) for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}'))"
    numbers = [int(number) for number in (worker.value(code) or "").strip("[]").split(",")]
    assert numbers[:3] == [0, 1, 2] and len(numbers) == 9 and min(numbers[3:]) >= 1000
    assert worker.value("os.readlink('/proc/self/fd/0')") == "'/dev/null'"


def test_children_inherit_only_the_three_streams(worker: Worker) -> None:
    done = worker.run("import subprocess\nsubprocess.run(['sh', '-c', 'echo /proc/self/fd/*'], close_fds=False).returncode")
    assert done.result == "0"
    assert [name.rpartition("/")[2] for name in done.out.split()][:3] == ["0", "1", "2"]
    assert "100" not in done.out


def test_it_is_as_at_a_prompt(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 7")
    worker = zygote.fork(cwd=str(tmp_path), folder="/some/folder")
    assert worker.value("import sys, os\nsys.argv, sys.path[0], os.getcwd()") == repr(([""], "", str(tmp_path)))
    assert worker.value("import beside\nbeside.value") == "7"
    assert worker.value("os.environ['PYEMBER_SESSION_FOLDER'], 'PYTHONPATH' in os.environ") == "('/some/folder', False)"
    assert worker.value("import __main__\n__main__.beside.value, __name__") == "(7, '__main__')"
    assert worker.value("any('mcp_runtime' in os.listdir(p) for p in sys.path[1:] if os.path.isdir(p))") == "False"
    assert worker.value("os.getsid(0) == os.getpid()") == "True"


def test_sites_are_added_with_their_path_files(zygote: Zygote, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        folder.mkdir()
        (folder / f"module_of_{folder.name}.py").write_text(f"name = {folder.name!r}")
    (first / "more.pth").write_text(f"{third}\n")
    worker = zygote.fork(sites=[str(first)])
    assert worker.value("import module_of_first, module_of_third\nmodule_of_third.name") == "'third'"
    assert worker.failure("import module_of_second").type == "ModuleNotFoundError"
    worker.send({"op": "packages", "sites": [str(second)], "root": ""})
    assert worker.value("import module_of_second\nmodule_of_second.name") == "'second'"
    assert worker.value("import sys\n[each in sys.path for each in %r]" % [str(first), str(second), str(third)]) == "[False, True, False]"


def test_an_environment_is_entered(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/bin/true")
    worker = zygote.fork(root=str(tmp_path))
    assert worker.value("import sys, os\nsys.prefix, os.environ['VIRTUAL_ENV'], sys.executable") == repr(
        (str(tmp_path), str(tmp_path), str(tmp_path / "bin" / "python"))
    )
    assert (worker.value("os.environ['PATH']") or "").startswith(f"'{tmp_path}/bin:")


def test_a_place_that_is_not_there_is_refused(zygote: Zygote, tmp_path: Path) -> None:
    refusal = zygote.try_fork(cwd=str(tmp_path / "missing"))
    assert isinstance(refusal, str) and "missing" in refusal and "Name another" in refusal


def test_an_order_without_descriptors_is_refused(zygote: Zygote) -> None:
    zygote.send({"op": "fork", "id": 99, "name": "x", "cwd": "/"})
    answer = zygote.receive()
    assert answer["op"] == "fork_failed" and answer["id"] == 99 and "0 descriptors" in answer["error"]


def test_random_numbers_differ_between_workers(zygote: Zygote) -> None:
    drawn = {zygote.fork().value("import random\nrandom.random()") for _ in range(3)}
    assert len(drawn) == 3


def test_two_workers_run_at_once(zygote: Zygote) -> None:
    first, second = zygote.fork("a"), zygote.fork("b")
    first.begin("x = 1\nimport time\ntime.sleep(0.5)\nx")
    assert second.value("x = 2\nx") == "2"
    assert first.done().result == "1"
    assert first.pid != second.pid


def test_exit_ends_the_cell_only(worker: Worker) -> None:
    for code in ("exit()", "import sys; sys.exit(3)", "raise SystemExit"):
        done = worker.failure(code)
        assert done.type == "SystemExit" and "Only the cell ended" in done.error[1]
    assert worker.value("1 + 1") == "2"


def test_whole_and_split_and_joined_frames(worker: Worker) -> None:
    frames = b""
    for cell in (1, 2, 3):
        header = json.dumps({"op": "run", "cell": cell}).encode()
        body = f"{cell} * 10".encode()
        frames += struct.pack("<II", len(header), len(body)) + header + body
    for at in range(0, len(frames), 7):
        worker.wire.sendall(frames[at : at + 7])
    assert [worker.receive()[0]["result"] for _ in range(3)] == ["10", "20", "30"]
    worker.wire.sendall(frames)
    assert [worker.receive()[0]["result"] for _ in range(3)] == ["10", "20", "30"]


def test_long_code_and_text_that_is_not_ascii(worker: Worker) -> None:
    assert worker.value("# " + "ü" * 3_000_000 + "\n'é' + '\\ud800'") == "'é\\ud800'"
    assert worker.value("'\U0001f40d'") == "'\U0001f40d'"
    done = worker.run("print('grün')\nraise ValueError('schön\\n\"x\"')")
    assert done.out == "grün\n" and done.error[1] == 'schön\n"x"'


@pytest.mark.parametrize("sizes", [(2 << 20, 1), (2, 65 << 20)])
def test_a_frame_beyond_the_bounds_ends_the_worker(zygote: Zygote, sizes: tuple[int, int]) -> None:
    worker = zygote.fork()
    worker.wire.sendall(struct.pack("<II", *sizes))
    assert worker.ended() and zygote.exit_of(worker) == (76, None)


def test_displays_travel_behind_the_header(worker: Worker) -> None:
    worker.value(
        "import sys\nframe = sys._getframe()\nwhile 'self' not in frame.f_locals or type(frame.f_locals['self']).__name__ != 'Worker': frame = frame.f_back\n"
        "w = frame.f_locals['self']\nsession = w._session\n"
        "class Shows:\n    def run(self, code, number):\n"
        "        return 0, None, None, None, (('image/png', b'\\x89PNG'), ('text/html', '<b>ü</b>'), ('x/y', bytes(200_000)))\n"
        "w._session = Shows()\nNone"
    )
    displays = worker.run("anything").displays
    assert displays[:2] == [("image/png", b"\x89PNG"), ("text/html", "<b>ü</b>".encode())]
    assert displays[2] == ("x/y", bytes(200_000))


def test_many_long_notices_and_names_stay_within_the_bounds(worker: Worker) -> None:
    worker.value("globals().update({'n' * 900 + str(i): 'x' * 5000 for i in range(3000)})")
    assert 100 < len(worker.names()) < 3000
    assert worker.value("1 + 1") == "2"


def test_a_result_as_long_as_they_get(worker: Worker) -> None:
    result = worker.value("'\U0001f40d' * 100_000")
    assert result is not None and "more characters" in result


def test_memory_is_told_from_time_to_time(worker: Worker) -> None:
    told = []
    for _ in range(130):
        worker.begin("None")
        header, _ = worker.receive()
        if "memory" in header:
            told.append(header["memory"])
    assert len(told) >= 2 and all(100_000 < count < 1 << 30 for count in told)
    worker.begin("import time\ntime.sleep(0.06)")
    assert "memory" in worker.receive()[0]


def test_plain_says_whether_it_may_be_held_on_one_cpu(worker: Worker) -> None:
    assert worker.run("import sqlite3, zoneinfo").plain
    assert not worker.run("import threading\ne = threading.Event()\nt = threading.Thread(target=e.wait); t.start()").plain
    assert worker.run("e.set(); t.join()").plain


def test_a_foreign_extension_module_is_not_plain(zygote: Zygote, tmp_path: Path) -> None:
    source = Path(os.__file__).parent / "lib-dynload"
    modules = sorted(source.glob("_bisect.*.so")) + sorted(source.glob("_heapq.*.so")) + sorted(source.glob("_queue.*.so"))
    if not modules:
        pytest.skip("this Python has no extension modules as files")
    copied = tmp_path / modules[0].name
    copied.write_bytes(modules[0].read_bytes())
    worker = zygote.fork()
    name = modules[0].name.split(".")[0]
    done = worker.run(
        "import importlib.machinery as m, importlib.util as u\n"
        f"loader = m.ExtensionFileLoader({name!r}, {str(copied)!r})\n"
        f"u.module_from_spec(u.spec_from_file_location({name!r}, {str(copied)!r}, loader=loader)).__name__"
    )
    assert done.status == 0 and not done.plain, done


def test_damage_to_the_runtime_is_answered(worker: Worker) -> None:
    done = worker.run("import mcp_runtime.session as s\ns.Session.run = None\ns.Session._finish = None\n1 / 0")
    assert done.status == 1
    done = worker.run("1 + 1")
    assert done.status == 1 and "Reset the session" in done.error[1]


def test_builtins_may_go(worker: Worker) -> None:
    worker.run("import builtins, json, struct\nkept = dict(vars(builtins))\njson.JSONDecoder.raw_decode = None\nvars(builtins).clear()")
    assert worker.run("1 / 0").status == 1
    assert worker.run("1 + 1").result == "2"


def test_closing_the_wire_flushes_and_ends(zygote: Zygote, tmp_path: Path) -> None:
    worker = zygote.fork()
    worker.value(f"import atexit\nfile = open({str(tmp_path / 'held')!r}, 'w')\nfile.write('held back')")
    worker.value(f"atexit.register(lambda: open({str(tmp_path / 'exit')!r}, 'w').write('ran'))\nNone")
    worker.wire.shutdown(1)
    assert worker.ended() and zygote.exit_of(worker) == (0, None)
    assert (tmp_path / "held").read_text() == "held back" and (tmp_path / "exit").read_text() == "ran"


def test_closing_the_wire_waits_for_no_finaliser(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.value("class Stays:\n    def __del__(self):\n        while True: pass\nstays = Stays()")
    worker.wire.shutdown(1)
    assert worker.ended() and zygote.exit_of(worker) == (None, 14)
