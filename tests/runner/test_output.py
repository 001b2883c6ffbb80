"""Output is bytes in files: all of them, in order, whatever they are."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from conftest import Runners


def test_fifty_megabytes_arrive_whole(runners: Runners) -> None:
    code = ("import os\nline = bytes(range(256)) * 256\n"
            "for _ in range(800):\n    os.write(1, line)\n    os.write(2, line[:1024])")
    run = runners.run_python(code)
    line = bytes(range(256)) * 256
    assert hashlib.sha256(run.stdout).digest() == hashlib.sha256(line * 800).digest()
    assert run.stderr == line[:1024] * 800
    assert run.record()["exit_code"] == 0


def test_bytes_that_are_no_utf8_are_kept(runners: Runners) -> None:
    run = runners.run_python(r"import sys; sys.stdout.buffer.write(b'a\xff\xfe\x00b\xc3'); sys.stderr.buffer.write(b'\xed\xa0\x80')")
    assert run.stdout == b"a\xff\xfe\x00b\xc3"
    assert run.stderr == b"\xed\xa0\x80"


def test_children_append_to_the_same_files(runners: Runners) -> None:
    code = ("import subprocess, sys\nfor n in range(20):\n    print(n, flush=True)\n"
            "    subprocess.run([sys.executable, '-c', f'print({n}, flush=True)'], check=True)")
    run = runners.run_python(code)
    assert run.stdout == b"".join(f"{n}\n{n}\n".encode() for n in range(20))


def test_stdin_is_empty(runners: Runners) -> None:
    run = runners.run_python("import sys; print(repr(sys.stdin.read()))")
    assert run.stdout == b"''\n"


def test_only_three_descriptors_reach_the_program(anyone: Runners, tmp_path: Path) -> None:
    leaks = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    high = os.dup2(leaks[0], 900)
    for fd in (*leaks, high):
        os.set_inheritable(fd, True)
    try:
        run = anyone.run("/bin/ls", "-l", "/proc/self/fd", close_fds=False)
    finally:
        for fd in (*leaks, high):
            os.close(fd)
    links = dict(line.rsplit(" -> ", 1) for line in run.stdout.decode().splitlines() if " -> " in line)
    links = {int(name.split()[-1]): target for name, target in links.items()}
    assert set(links) == {0, 1, 2, 3}
    assert links[0] == "/dev/null"
    assert links[1] == f"{run.folder}/stdout"
    assert links[2] == f"{run.folder}/stderr"
    assert links[3].startswith("/proc/")  # ls's own


def test_the_runner_holds_nothing_of_the_server(runners: Runners) -> None:
    """Else a server that waits for the end of its pipes would wait for the runs."""
    run = runners.start_python("import time; print('up', flush=True); time.sleep(60)")
    run.said()
    assert run.process.stdout is not None
    assert run.process.stdout.read() == b""
    targets = [os.readlink(fd) for fd in Path(f"/proc/{run.process.pid}/fd").iterdir()]
    assert run.process.poll() is None and len(targets) >= 5  # it was closed although the run goes on
    for target in targets:
        assert target == "/dev/null" or target.startswith((str(run.folder), "/sys/fs/cgroup")), target


def test_a_full_disk_is_survived_and_recorded(runners: Runners, small_disk: Path) -> None:
    folder = small_disk / "job"
    folder.mkdir(0o700)
    code = ("import os\ntry:\n    while True: os.write(1, b'x' * 65536)\nexcept OSError as error:\n"
            "    os._exit(error.errno)")
    run = runners.run_python(code, folder=folder)
    record = run.record()
    assert record["exit_code"] == 28  # ENOSPC
    assert run.process.returncode == 0


def test_a_disk_that_was_full_before_is_told_by_the_exit_code(runners: Runners, small_disk: Path) -> None:
    folder = small_disk / "job"
    folder.mkdir(0o700)
    try:
        with open(small_disk / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 4096)
    except OSError:
        pass
    run = runners.start("/bin/true", folder=folder)
    out, _ = run.process.communicate(timeout=30)
    assert run.process.returncode == 3
    assert b"No space left on device" in out
