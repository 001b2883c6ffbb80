"""Packages that a zygote imports before it forks, and those that it must not."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from zygotes import Zygote


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.end()


def package(folder: Path, name: str, code: str) -> str:
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
    return name


def test_what_is_preloaded_is_there_and_the_zygote_itself_is_unchanged(zygote: Zygote, tmp_path: Path) -> None:
    package(tmp_path, "quiet", "import os\nloaded_by = os.getpid()\nvalues = list(range(1000))\n")
    assert zygote.preload("quiet", "decimal", sites=[str(tmp_path)]) == (["quiet", "decimal"], {})
    worker = zygote.fork()
    assert worker.value("import sys\n'quiet' in sys.modules, 'decimal' in sys.modules") == "(True, True)"
    assert worker.value("import quiet\nquiet.loaded_by") == str(zygote.hello["pid"])
    assert worker.value(f"{str(tmp_path)!r} in sys.path") == "False"
    assert worker.value("import gc\ngc.get_freeze_count() > 10_000") == "True"
    assert zygote.preload("quiet") == (["quiet"], {})


def test_what_is_refused_is_not_loaded_and_the_reason_is_told(zygote: Zygote, tmp_path: Path) -> None:
    package(tmp_path, "threads", """
        import threading, time
        for _ in range(2):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    """)
    package(tmp_path, "children", "import subprocess\nsubprocess.Popen(['sleep', '60'])\n")
    package(tmp_path, "crashes", "import os\nos.abort()\n")
    package(tmp_path, "leaves", "import os\nos._exit(0)\n")
    package(tmp_path, "exits", "import sys\nsys.exit('no')\n")
    package(tmp_path, "broken", "1 / 0\n")
    loaded, refused = zygote.preload(
        "threads", "children", "crashes", "leaves", "exits", "broken", "no_such_module", sites=[str(tmp_path)]
    )
    assert loaded == []
    assert refused.pop("no_such_module").startswith("importing it failed with ModuleNotFoundError")
    assert refused == {
        "threads": "it leaves 2 threads running",
        "children": "it leaves 1 process running",
        "crashes": "importing it ended the process",
        "leaves": "importing it ended the process",
        "exits": "importing it failed with SystemExit: no",
        "broken": "importing it failed with ZeroDivisionError: division by zero",
    }
    worker = zygote.fork()
    assert worker.value("import sys\n[n for n in ('threads', 'children', 'broken') if n in sys.modules]") == "[]"


def test_threads_that_end_at_a_fork_are_fine(zygote: Zygote, tmp_path: Path) -> None:
    """As OpenBLAS does it."""
    package(tmp_path, "polite", """
        import os, threading
        enough = threading.Event()
        thread = threading.Thread(target=enough.wait, daemon=True)
        thread.start()
        def end():
            enough.set()
            thread.join()
        os.register_at_fork(before=end)
    """)
    assert zygote.preload("polite", sites=[str(tmp_path)]) == (["polite"], {})
    assert len(os.listdir(f"/proc/{zygote.hello['pid']}/task")) == 1
    worker = zygote.fork()
    assert worker.value("import polite\npolite.thread.is_alive()") == "False"


def test_a_workers_end_is_told_during_a_trial(zygote: Zygote, tmp_path: Path) -> None:
    package(tmp_path, "slow", "import os, time\nif os.getpid() != int(os.environ.get('ZYGOTE', 0)): time.sleep(0.5)\n")
    worker = zygote.fork()
    worker.begin("import os, time\nprint('here')\ntime.sleep(0.1)\nos._exit(4)")
    worker.wait_for_output("here")
    zygote.send({"op": "preload", "modules": ["slow"], "sites": [str(tmp_path)]})
    assert zygote.exit_of(worker) == (4, None)
    assert zygote.receive()["op"] == "preloaded"


def test_the_servers_end_is_noticed_during_a_trial(tmp_path: Path) -> None:
    package(tmp_path, "endless", "import time\ntime.sleep(60)\n")
    zygote = Zygote()
    zygote.send({"op": "preload", "modules": ["endless"], "sites": [str(tmp_path)]})
    zygote.end()


def test_signals_belong_to_the_worker_again_whatever_a_package_did(zygote: Zygote, tmp_path: Path) -> None:
    package(tmp_path, "greedy", "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nsignal.set_wakeup_fd(-1)\n")
    assert zygote.preload("greedy", sites=[str(tmp_path)]) == (["greedy"], {})
    worker = zygote.fork()
    assert worker.stopped("print('here')\nwhile True: pass").type == "KeyboardInterrupt"
    worker.begin("import os; os._exit(5)")
    assert worker.ended() and zygote.exit_of(worker) == (5, None)


def test_numpy_and_pandas_are_used_where_they_are_imported(zygote: Zygote, tmp_path: Path) -> None:
    """What goes wrong there goes wrong in sessions as well, and is told there."""
    package(tmp_path, "numpy", "import os\nused_by = []\ndef arange(count):\n    used_by.append(os.getpid())\n    raise TypeError('another numpy')\n")
    assert zygote.preload("numpy", sites=[str(tmp_path)]) == (["numpy"], {})
    worker = zygote.fork()
    assert worker.value("import numpy\nnumpy.used_by[0]") == str(zygote.hello["pid"])


def test_a_package_that_starts_threads_when_it_is_used_is_refused(zygote: Zygote, tmp_path: Path) -> None:
    package(tmp_path, "pandas", """
        import threading, time
        def DataFrame(data):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    """)
    assert zygote.preload("pandas", sites=[str(tmp_path)]) == ([], {"pandas": "it leaves 1 thread running"})
