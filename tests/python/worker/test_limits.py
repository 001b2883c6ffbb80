"""Limits that the kernel keeps: what the code meets, and that the session survives where it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zygotes import RUNTIME, Zygote

MB = 1 << 20


def test_memory_ends_in_a_memory_error(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"memory_bytes": 128 * MB})
    assert worker.value("x = bytearray(32 << 20)\nlen(x)") == str(32 * MB)
    assert worker.failure("y = bytearray(256 << 20)").type == "MemoryError"
    assert worker.failure("z = []\nwhile True: z.append(bytearray(1 << 20))").type == "MemoryError"
    assert worker.failure("z = []\nwhile True: z.append([None] * 100)").type == "MemoryError"
    assert worker.value("del z\nlen(x)") == str(32 * MB)


def test_the_last_of_the_memory_is_not_the_last_word(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"memory_bytes": 64 * MB})
    for _ in range(3):
        done = worker.failure("x = []\nwhile True: x.append(object())")
        assert done.type == "MemoryError", done
        assert worker.value("n = len(x); del x\nn > 100_000") == "True"
    done = worker.failure("import mmap\nmmap.mmap(-1, 200_000_000)")
    assert done.type == "OSError" and "limits.memory_mb" in done.notices[0], done


def test_files_are_bounded(zygote: Zygote, tmp_path: Path) -> None:
    worker = zygote.fork(cwd=str(tmp_path), limits={"file_size_bytes": 1000})
    done = worker.failure("with open('large', 'wb', buffering=0) as f:\n    f.write(bytes(1000)); f.write(bytes(1000))")
    assert done.type == "OSError" and "File too large" in done.error[1]
    assert worker.value("1 + 1") == "2"


def test_open_files_are_bounded(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"open_files": 32})
    done = worker.failure("held = []\nwhile True: held.append(open('/dev/null'))")
    assert done.type == "OSError" and "Too many open files" in done.error[1]
    assert worker.value("n = len(held); held.clear(); 10 < n < 32") == "True"


def test_cpu_time_ends_the_cell_then_the_session(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"cpu_seconds": 1})
    done = worker.failure("while True: pass")
    assert done.type == "CpuTimeExceeded" and "the 1 s of CPU time" in done.error[1]
    assert worker.value("1 + 1") == "2"
    worker.begin("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass")
    assert worker.ended() and zygote.exit_of(worker) == (None, 9)


def test_code_that_swallows_the_end_of_its_cpu_time(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"cpu_seconds": 1})
    done = worker.failure("while True:\n    try:\n        while True: pass\n    except BaseException: pass")
    assert done.type == "CpuTimeExceeded"


def test_cpu_time_of_one_call(zygote: Zygote) -> None:
    worker = zygote.fork()
    done = worker.failure("while True: pass", limits={"cpu_seconds": 1})
    assert done.type == "CpuTimeExceeded" and "this call allowed" in done.error[1]
    assert worker.value("import resource\nresource.getrlimit(resource.RLIMIT_CPU)[0]") == "-1"
    assert worker.value("import time\nstart = time.process_time()\nwhile time.process_time() - start < 2.2: pass\n'over'") == "'over'"
    assert worker.value("1 + 1", limits={"cpu_seconds": 1}) == "2"


def test_limits_of_one_call_end_with_it(zygote: Zygote, tmp_path: Path) -> None:
    worker = zygote.fork(cwd=str(tmp_path), limits={"open_files": 100})
    asked = "import resource as r\n[r.getrlimit(each) for each in (r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE)]"
    before = worker.value(asked)
    done = worker.failure("big = bytearray(300 << 20)", limits={"memory_bytes": 100 * MB})
    assert done.type == "MemoryError" and "105 MB" in done.notices[0] and "limits.memory_mb" in done.notices[0]
    done = worker.failure("with open('large', 'wb') as file: file.write(bytes(3000))", limits={"file_size_bytes": 1000})
    assert done.type == "OSError" and "limits.file_size_mb" in done.notices[0] and "This call" in done.notices[0]
    done = worker.failure("held = [open('/dev/null') for _ in range(60)]", limits={"open_files": 20})
    assert "20 open files" in done.notices[0]
    assert worker.value(asked) == before
    assert worker.value("big = bytearray(300 << 20)\nlen([open('/dev/null') for _ in range(60)])") == "60"
    done = worker.failure("held = [open('/dev/null') for _ in range(200)]", limits={"open_files": 1000})
    assert "The session may use 100 open files" in done.notices[0] or "This call" in done.notices[0]


def test_errors_that_no_limit_explains_have_no_notice(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"memory_bytes": 128 * MB, "open_files": 50})
    assert not worker.failure("1 / 0").notices
    assert not worker.failure("open('/no/such/file')").notices
    assert "128" not in str(zygote.fork().failure("raise MemoryError").notices)


def test_children_are_bounded_as_well(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"memory_bytes": 128 * MB, "open_files": 40, "file_size_bytes": 5000})
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_FSIZE))'], capture_output=True, text=True).stdout"
    assert worker.value(code) == "'(40, 40) (5000, 5000)\\n'"


_PROCESSES = """
import os, sys
if os.getuid() == 0:
    os.setgroups([])
    os.setresuid(54321, 54321, 54321)
from mcp_runtime.worker import limits
limits.apply({"processes": 3})
children = []
try:
    while len(children) < 20:
        child = os.fork()
        if child == 0:
            import time
            time.sleep(60)
        children.append(child)
except BlockingIOError as error:
    print(len(children), error.strerror)
for child in children:
    os.kill(child, 9)
"""


def test_processes_are_bounded() -> None:
    """In a process of its own, which gives up root: the kernel doesn't count root's processes."""
    code = f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\nfrom mcp_runtime.worker import limits\nimport time\n" + _PROCESSES
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "3 Resource temporarily unavailable\n", done.stderr


def test_a_limit_of_no_sense_is_refused(zygote: Zygote) -> None:
    worker = zygote.try_fork(limits={"memory_bytes": -5})
    assert not isinstance(worker, str) and worker.ended()
    assert zygote.exit_of(worker) == (1, None)
    assert "memory_bytes" in os.read(worker.pipes[1], 4096).decode()


def test_limits_never_raise_what_is_lower_already(zygote: Zygote) -> None:
    worker = zygote.fork(limits={"open_files": 10**12})
    code = "import resource\nlist(resource.getrlimit(resource.RLIMIT_NOFILE))"
    assert json.loads(worker.value(code) or "")[1] <= os.sysconf("SC_OPEN_MAX") or pytest.fail()
