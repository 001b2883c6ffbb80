"""A worker runs cells as a session in the server does; under every Python that is at hand."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zygotes import Zygote, gone


def pythons() -> list[str]:
    """The Python of the tests, and those named in PYEMBER_OTHER_PYTHONS or kept by pyenv."""
    import sys

    named = [path for path in os.environ.get("PYEMBER_OTHER_PYTHONS", "").split(":") if path]
    kept = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3.*"))
    kept = [path for path in kept if re.fullmatch(r"python3\.1[0-9]", path.name)]
    by_version: dict[tuple[int, int], str] = {sys.version_info[:2]: sys.executable}
    for path in [*named, *map(str, kept)]:
        found = re.search(r"python3\.(\d+)$", path)
        if found:
            by_version.setdefault((3, int(found[1])), path)
    return [path for version, path in sorted(by_version.items()) if version >= (3, 10)]


@pytest.fixture(scope="module", params=pythons(), ids=lambda path: Path(path).name)
def zygote(request: pytest.FixtureRequest) -> Iterator[Zygote]:
    zygote = Zygote(request.param)
    yield zygote
    zygote.end()


def test_a_session_in_its_own_process(zygote: Zygote) -> None:
    worker = zygote.fork("core")
    assert worker.value("x = 20\nx * 2") == "40"
    assert worker.value("x + 1") == "21"
    done = worker.run("import sys\nprint('out'); print('err', file=sys.stderr)")
    assert (done.out, done.err) == ("out\n", "err\n")
    done = worker.failure("1 / 0")
    assert done.type == "ZeroDivisionError" and '"<cell 4>", line 1' in done.error[2]
    assert worker.value("import asyncio\nawait asyncio.sleep(0.001, 'awaited')") == "'awaited'"
    assert worker.value(f"'%d.%d.%d' % sys.version_info[:3] == {zygote.hello['version']!r}") == "True"
    assert worker.names()["x"] == ["int", "", "20"]


def test_stops_leave_the_session_intact(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.value("x = 5")
    assert worker.stopped("import time\nprint('here')\ntime.sleep(60)").type == "KeyboardInterrupt"
    assert worker.stopped("print('here')\nwhile True: pass").type == "KeyboardInterrupt"
    swallower = "print('here')\nwhile True:\n    try:\n        while True: pass\n    except BaseException:\n        pass"
    done = worker.stopped(swallower, 0.05, 0.05)
    assert done.type == "KeyboardInterrupt" and '"<cell 4>", line' in done.error[2]
    assert "mcp_runtime" not in done.error[2]
    assert worker.value("import sys\nx, sys.gettrace()") == "(5, None)"


QUERY = "'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c where x < 0'"


def test_calls_into_c_that_a_signal_does_not_end_are_stopped(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.value("import os, sqlite3, subprocess, time\ndatabase = sqlite3.connect(':memory:')\nx = 5")
    assert worker.stopped("print('here')\nos.system('sleep 60')").type == "KeyboardInterrupt"
    assert worker.stopped("print('here')\nsubprocess.run(['sleep', '60'])").type == "KeyboardInterrupt"
    cell = worker.begin(f"print('here')\ndatabase.execute({QUERY})")
    worker.wait_for_output("here")
    time.sleep(0.05)
    worker.stop(cell)
    done = worker.done()
    assert done.error is not None and done.error[:2] == ["sqlite3.OperationalError", "interrupted"], done
    done = worker.stopped(f"print('here')\nwhile True:\n    try: database.execute({QUERY})\n    except sqlite3.Error: pass")
    assert done.type == "KeyboardInterrupt" and "mcp_runtime" not in done.error[2]
    assert worker.value("import sys\nx, sys.gettrace(), database.execute('select 6').fetchone()") == "(5, None, (6,))"


def test_deaths_are_told(zygote: Zygote) -> None:
    worker = zygote.fork()
    worker.begin("import ctypes\ndef reads_nothing():\n    ctypes.string_at(0)\nreads_nothing()")
    assert worker.ended() and zygote.exit_of(worker) == (None, 11)
    assert "Segmentation fault" in worker.crash_text() and "in reads_nothing" in worker.crash_text()
    worker = zygote.fork()
    worker.begin("import os; os._exit(3)")
    assert worker.ended() and zygote.exit_of(worker) == (3, None)


def test_what_a_worker_started_ends_with_it(zygote: Zygote) -> None:
    worker = zygote.fork()
    child = int(worker.value("import subprocess\nchild = subprocess.Popen(['sleep', '60'], start_new_session=True)\nchild.pid") or 0)
    worker.begin("import os; os.abort()")
    assert worker.ended() and zygote.exit_of(worker) == (None, 6)
    assert gone(child)


def test_a_thread_that_a_package_starts_is_found_before_it_is_preloaded(zygote: Zygote, tmp_path: Path) -> None:
    (tmp_path / f"threaded{zygote.hello['pid']}.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    (tmp_path / f"harmless{zygote.hello['pid']}.py").write_text("value = 5\n")
    harmless, threaded = f"harmless{zygote.hello['pid']}", f"threaded{zygote.hello['pid']}"
    loaded, refused = zygote.preload(harmless, threaded, sites=[str(tmp_path)])
    assert loaded == [harmless] and refused == {threaded: "it leaves 1 thread running"}
    worker = zygote.fork()
    assert worker.value(f"import sys\n{harmless!r} in sys.modules, {threaded!r} in sys.modules") == "(True, False)"
