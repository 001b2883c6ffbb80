"""What code in a sandbox can't do, or only so much of: processes, memory, system calls; and how sandboxes end."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import DEADLINE, Sandboxes

MEBIBYTE = 1 << 20
# Calls by number where no function of libc makes them: name, number on x86-64, elsewhere (from 424 on the same).
NUMBERS = {"keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
           "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
           "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "open_tree": (428, 428), "fsopen": (430, 430),
           "move_mount": (429, 429), "mount_setattr": (442, 442), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
           "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "mount": (165, 40),
           "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
           "setns": (308, 268), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
           "fanotify_init": (300, 262), "kexec_load": (246, 104), "init_module": (175, 105),
           "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
           "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116), "clock_settime": (227, 112),
           "settimeofday": (164, 170), "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
           "move_pages": (279, 239), "migrate_pages": (256, 238), "lookup_dcookie": (212, 18),
           "process_madvise": (440, 440), "vmsplice": (278, 75)}


def test_refused_calls_fail_whatever_their_arguments(sandboxes: Sandboxes) -> None:
    """EFAULT, ENOSYS or EINVAL would mean that the kernel has looked at them."""
    here = platform.machine() == "x86_64"
    numbers = {name: number if here else other for name, (number, other) in NUMBERS.items()}
    said = json.loads(sandboxes.run_python("""
import ctypes, errno, json, sys
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
def outcome(number):
    return call(ctypes.c_long(number), *[ctypes.c_long(0)] * 6), errno.errorcode.get(ctypes.get_errno())
print(json.dumps({name: outcome(number) for name, number in json.loads(sys.argv[1]).items()}))
""", json.dumps(numbers)))
    assert said == {name: [-1, "EPERM"] for name in NUMBERS}


def test_calls_of_kernels_to_come_do_not_exist(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("""
import ctypes, errno
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
for number in (435, 463, 500, 5000):
    print(call(ctypes.c_long(number), *[ctypes.c_long(0)] * 6), errno.errorcode.get(ctypes.get_errno()))
""")
    assert said.splitlines() == ["-1 ENOSYS"] * 4


def test_no_process_is_made_in_a_namespace_of_its_own(sandboxes: Sandboxes) -> None:
    clone = 56 if platform.machine() == "x86_64" else 220
    flags = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]
    said = sandboxes.run_python(f"""
import ctypes, errno
call = ctypes.CDLL(None, use_errno=True).syscall
for flag in {flags}:
    print(call({clone}, ctypes.c_long(flag | 17), None, None, None, None), errno.errorcode.get(ctypes.get_errno()))
""")
    assert said.splitlines() == ["-1 EPERM"] * len(flags)


def test_sockets_are_of_unix_and_ip_alone(sandboxes: Sandboxes) -> None:
    said = json.loads(sandboxes.run_python("""
import json, socket
def make(*arguments):
    try:
        socket.socket(*arguments).close()
        return True
    except OSError:
        return False
S, D, R, Q = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET
print(json.dumps([[f for f in range(64) if make(f, S) or make(f, D) or make(f, R) or make(f, Q)],
                  [make(2, S), make(2, D), make(10, S), make(2, R, 1), make(2, Q), make(2, S, 132), make(2, D, 1)]]))
"""))
    assert said[0] == [1, 2, 10]
    assert said[1][:2] == [True, True]
    assert said[1][3:] == [False] * 4


def test_devices_and_other_personalities_are_refused(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("""
import ctypes, os, stat
personality = ctypes.CDLL(None).personality
def refused(make):
    try:
        make()
    except PermissionError:
        return True
print(refused(lambda: os.mknod('/tmp/d', stat.S_IFCHR | 0o600, os.makedev(1, 3))),
      refused(lambda: os.mknod('/tmp/d', stat.S_IFBLK | 0o600, os.makedev(254, 0))),
      personality(ctypes.c_ulong(0x40000)), personality(ctypes.c_ulong(0x400000)), personality(ctypes.c_ulong(0xffffffff)))
os.mkfifo('/tmp/fifo')
""")
    assert said.split() == ["True", "True", "-1", "-1", "0"]


def test_no_namespace_can_be_made_by_the_usual_tool(sandboxes: Sandboxes) -> None:
    assert sandboxes.run("unshare", "-Ur", "true").returncode != 0


def test_threads_and_children_work(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("""
import asyncio, multiprocessing, subprocess, threading
found = []
thread = threading.Thread(target=found.append, args=(1,)); thread.start(); thread.join()
found.append(subprocess.run(['sh', '-c', 'exit 3']).returncode)
with multiprocessing.get_context('fork').Pool(2) as pool:
    found += pool.map(abs, [-5, -7])
async def child():
    return await (await asyncio.create_subprocess_exec('true')).wait()
print(found, asyncio.run(child()))
""")
    assert said.strip() == "[1, 3, 5, 7] 0"


def test_processes_are_bounded(sandboxes: Sandboxes) -> None:
    bomb = """
import os, signal
made = 0
try:
    while True:
        if os.fork() == 0: signal.pause()
        made += 1
except BlockingIOError:
    print(made)
"""
    # The limit counts the first process and this one.
    assert sandboxes.run_python(bomb, options=["--processes", "40"]).strip() == "38"
    # Neither what is left of that one nor another sandbox counts for the next.
    assert sandboxes.run_python(bomb, options=["--processes", "20"]).strip() == "18"


def test_sandboxes_do_not_count_each_other_s_processes(sandboxes: Sandboxes) -> None:
    waits = ["--processes", "12"]
    many = "import os, signal, sys\nfor _ in range(8):\n    if os.fork() == 0: signal.pause()\nprint('made', flush=True)\nsignal.pause()"
    with sandboxes.start(sandboxes.python, "-c", many, options=waits) as first:
        try:
            assert first.stdout and first.stdout.readline() == "made\n"
            with sandboxes.start(sandboxes.python, "-c", many, options=waits) as second:
                try:
                    assert second.stdout and second.stdout.readline() == "made\n"
                finally:
                    second.kill()
        finally:
            first.kill()


def test_memory_is_bounded(sandboxes: Sandboxes) -> None:
    limit = 256 * MEBIBYTE
    options = ["--address-space", str(limit)] if sandboxes.user != "root" else ["--memory", str(limit // 4)]
    done = sandboxes.run(sandboxes.python, "-c", "print(len(bytearray(b'x') * (1 << 29)))", options=options)
    if "no control group can be made" in done.stderr:
        pytest.skip("no control group can be made here")
    assert done.returncode in (1, 128 + signal.SIGKILL)
    assert done.returncode != 1 or "MemoryError" in done.stderr


def test_a_private_folder_counts_for_the_memory_of_a_sandbox(sandboxes: Sandboxes) -> None:
    if sandboxes.user != "root":
        pytest.skip("an ordinary user has no control group here")
    done = sandboxes.run("sh", "-c", "head -c 100000000 /dev/zero > /workspace/x && echo written",
                         options=["--memory", str(32 * MEBIBYTE)])
    if "no control group can be made" in done.stderr:
        pytest.skip("no control group can be made here")
    assert "written" not in done.stdout


@pytest.mark.parametrize("code, expected", [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_end_is_the_program_s(sandboxes: Sandboxes, code: str, expected: int) -> None:
    assert sandboxes.run("sh", "-c", code).returncode == expected


def test_a_program_that_is_not_there_is_named(sandboxes: Sandboxes) -> None:
    done = sandboxes.run("no-such-program")
    assert (done.returncode, done.stderr) == (
        127, "pyember-enter: executing no-such-program: No such file or directory\n")


def processes_with(word: str) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and word in (each / "cmdline").read_bytes().decode(errors="replace").split("\0"):
                found.append(int(each.name))
        except OSError:
            pass
    return found


def until_gone(word: str) -> None:
    end = time.monotonic() + DEADLINE
    while processes_with(word):
        assert time.monotonic() < end, f"still there: {processes_with(word)}"
        time.sleep(0.01)


def test_what_the_program_leaves_behind_ends_with_it(sandboxes: Sandboxes) -> None:
    word = f"8{os.getpid()}.{time.monotonic_ns()}"
    done = sandboxes.run("sh", "-c", "setsid sleep $0 > /dev/null 2>&1 & sleep 0.2", word)
    assert done.returncode == 0
    until_gone(word)


@pytest.mark.parametrize("victim", ["what was started", "the one who started it"])
def test_a_killed_sandbox_leaves_nothing(sandboxes: Sandboxes, victim: str) -> None:
    word = f"9{os.getpid()}.{time.monotonic_ns()}"
    with sandboxes.start("sh", "-c", "setsid sleep $0 & echo ready; wait", word) as driver:
        assert driver.stdout and driver.stdout.readline() == "ready\n"
        if victim == "what was started":
            (started,) = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
            os.kill(int(started), signal.SIGKILL)
            assert driver.wait(DEADLINE) == 137
        driver.kill()
    until_gone(word)


def test_code_can_not_end_the_first_process(sandboxes: Sandboxes) -> None:
    done = sandboxes.run("sh", "-c", "kill -9 1; kill -TERM 1; kill -STOP 1; echo still here")
    assert (done.returncode, done.stdout) == (0, "still here\n")


def test_sandboxes_are_available(sandboxes: Sandboxes) -> None:
    done = sandboxes.outcome_of("--available")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_bubblewrap_the_error_says_what_to_install(sandboxes: Sandboxes) -> None:
    done = subprocess.run([*sandboxes.as_user(), "/usr/bin/env", "PATH=/nowhere", str(sandboxes.driver), "--available"],
                          capture_output=True, text=True, env=sandboxes.environment, timeout=DEADLINE)
    assert done.returncode == 1 and "apt install bubblewrap" in done.stderr
    done = sandboxes.outcome_of("--available", PYEMBER_BWRAP="/nowhere/bwrap")
    assert done.returncode == 1 and "PYEMBER_BWRAP names /nowhere/bwrap" in done.stderr


def test_without_user_namespaces_the_error_says_which_setting_allows_them(sandboxes: Sandboxes) -> None:
    """In a user namespace in which no more can be made."""
    done = subprocess.run(
        [*sandboxes.as_user(), "unshare", "-Ur", "sh", "-c",
         'echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_pid_namespaces && exec "$0" --available',
         str(sandboxes.driver)],
        capture_output=True, text=True, env=sandboxes.environment, timeout=DEADLINE)
    assert done.returncode == 1, done.stdout
    assert "`sysctl -w user.max_user_namespaces=15000`" in done.stderr and "another isolation" in done.stderr


def test_root_of_a_namespace_that_has_one_user_gets_an_ordinary_sandbox(sandboxes: Sandboxes) -> None:
    done = subprocess.run([*sandboxes.as_user(), "unshare", "-Ur", str(sandboxes.driver), "--", "sh", "-c",
                           "id -u; grep CapEff /proc/self/status"],
                          capture_output=True, text=True, env=sandboxes.environment, timeout=DEADLINE)
    assert done.stdout.split() == ["65534", "CapEff:", "0000000000000000"], done.stderr
