"""What must not take the server or another session along: each test is named after its symptom."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.raw_client import RawClient

LIBC = ctypes.CDLL(None, use_errno=True)
# Crashing code needs ctypes, which would move its session to a process of its own.
INPROCESS = {"PYEMBER_ISOLATION": "inprocess"}


def signal_thread(pid: int, thread: int, number: int) -> None:
    """tgkill(2), which the standard library does not offer for other processes."""
    numbers = {"x86_64": 234, "aarch64": 131}
    assert LIBC.syscall(numbers[platform.machine()], pid, thread, number) == 0


def ends_within(client: RawClient, seconds: float) -> int:
    return client.process.wait(seconds)


def test_a_crash_of_the_loop_ends_the_server_instead_of_hanging_it() -> None:
    client = RawClient()
    try:
        client.run("1")
        signal_thread(client.pid, client.pid, signal.SIGABRT)
        assert ends_within(client, 20) == -signal.SIGABRT
    finally:
        client.kill()


def test_a_termination_signal_on_a_sessions_thread_reaches_the_loop() -> None:
    client = RawClient()
    try:
        thread = int(client.run("import threading; threading.get_native_id()").result)
        signal_thread(client.pid, thread, signal.SIGTERM)
        assert ends_within(client, 20) == 0
    finally:
        client.kill()


def test_every_reset_in_flight_is_answered() -> None:
    with RawClient() as client:
        cell = client.send_cell("import time; time.sleep(600)", timeout=600)
        time.sleep(0.2)
        resets = [client.send_tool("reset_session", {}) for _ in range(3)]
        assert cell.wait(30)
        for reset in resets:
            assert reset.wait(30)["result"]["structuredContent"]["reset"] is True
        inspections = [client.send_tool("inspect_session", {}) for _ in range(3)]
        for inspection in inspections:
            assert "names" in inspection.wait(30)["result"]["structuredContent"]


def test_output_before_a_redirection_stays_with_its_cell(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    code = f"import os\nos.write(1, b'before')\nos.dup2(os.open({str(target)!r}, os.O_WRONLY | os.O_CREAT), 1)"
    with RawClient() as client:
        for number in range(10):
            assert client.run(code, session=f"s{number}").stdout == "before"


def test_running_out_of_descriptors_is_an_answer() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, hard))
    try:
        client = RawClient()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with client:
        answers = [client.run("6 * 7", session=f"s{number}") for number in range(30)]
        refused = [answer for answer in answers if answer.status != "completed"]
        assert refused, "80 descriptors were enough for 30 sessions: the test tests nothing"
        assert all("descriptors" in answer.text for answer in refused)
        assert client.run("6 * 7", session="s0").result == "42"
        for number in range(30):
            client.tool("close_session", session=f"s{number}")
        assert client.run("6 * 7", session="again").result == "42"


LATE_CRASH = r"""
import ctypes, mmap, struct
libc = ctypes.CDLL(None)
usleep = ctypes.cast(libc.usleep, ctypes.c_void_p).value
page = mmap.mmap(-1, 4096, prot=7)
# usleep(1_500_000); *(int64_t *)0 = 0
page.write(b'\x48\x83\xec\x08\x48\xb8' + struct.pack('<Q', usleep) + b'\xbf'
           + struct.pack('<I', 1_500_000) + b'\xff\xd0\x31\xc0\x48\x89\x00')
start = ctypes.addressof(ctypes.c_char.from_buffer(page))
ctypes.pythonapi.Py_IncRef(ctypes.py_object(page))
thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, ctypes.c_void_p(start), None)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the crash is written in x86-64 machine code")
def test_a_thread_that_outlives_its_session_hurts_no_other() -> None:
    with RawClient(environment=INPROCESS) as client:
        assert client.run(LATE_CRASH, session="gone").result == "0"
        client.tool("close_session", session="gone")
        during = [client.send_cell("import time; time.sleep(3); 7", session=name) for name in "ab"]
        for cell in during:
            assert cell.wait(60)["result"]["structuredContent"]["result"] == "7"
        for name in "cdef":
            assert client.run("6 * 7", session=name).result == "42"


def test_used_up_interpreters_cost_no_live_session() -> None:
    with RawClient(environment=INPROCESS) as client:
        client.run("x = 42", session="keep")
        for number in range(70):
            crashed = client.run("import ctypes; ctypes.string_at(0)", session=f"v{number}", wait=60)
            if "were given up" in crashed.text:
                break
            client.tool("close_session", session=f"v{number}")
        else:
            pytest.fail("70 crashes did not use up the interpreters: the test tests nothing")
        time.sleep(2.5)  # the loop's next looks at the runtime
        assert client.run("x", session="keep").result == "42"


def test_children_get_every_cpu() -> None:
    code = "import subprocess; print(subprocess.run(['nproc'], capture_output=True, text=True).stdout.strip())"
    expected = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    with RawClient() as client:
        for _ in range(3):
            assert client.run(code).stdout.strip() == expected
        assert os.sched_getaffinity(0)
