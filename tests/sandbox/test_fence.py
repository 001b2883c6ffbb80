"""The fence (fence.h): what is kept without namespaces, as root's user 65534 and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from .conftest import DEADLINE, Sandboxes


class Fence:
    def __init__(self, sandboxes: Sandboxes) -> None:
        self.sandboxes = sandboxes
        if sandboxes.user == "root":
            # Behind a fence user 65534 has to get to it by himself.
            sandboxes.python = str(shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin"))
        self.folder = sandboxes.folder("session")
        self.options = ["--fence", str(self.folder)]

    def run(self, *program: str, options: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.sandboxes.run(*program, options=[*self.options, *(options or [])])

    def run_python(self, code: str, *arguments: str, options: list[str] | None = None) -> str:
        return self.sandboxes.run_python(code, *arguments, options=[*self.options, *(options or [])])

    def tried(self, *statements: str, **names: object) -> list[str]:
        """The type of what each statement raises, or "done"."""
        return json.loads(self.run_python("""
import ctypes, json, os, resource, signal, socket, sys
def outcome(statement):
    try:
        exec(statement, names)
        return 'done'
    except Exception as error:
        return type(error).__name__
statements, names = json.loads(sys.argv[1])
names.update(globals())
print(json.dumps([outcome(each) for each in statements]))
""", json.dumps([statements, names])))


@pytest.fixture
def fence(sandboxes: Sandboxes) -> Iterator[Fence]:
    done = sandboxes.outcome_of("--fence-available")
    if "no fence can be put up" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stderr) == (0, "")
    yield Fence(sandboxes)


def test_a_session_has_its_folder_and_python(fence: Fence) -> None:
    said = fence.run_python("""
import asyncio, json, os, subprocess, threading
open('here', 'w').write('1'); os.mkdir('below'); os.rename('here', 'below/there')
async def child():
    return await (await asyncio.create_subprocess_exec('true')).wait()
print(os.getcwd(), os.environ['HOME'], os.listdir('below'), asyncio.run(child()), subprocess.run(['ls']).returncode)
""")
    assert said.split("\n")[-2] == f"{fence.folder} {fence.folder} ['there'] 0 0"


def test_rights_are_given_up(fence: Fence) -> None:
    status = dict(line.split(":\t") for line in fence.run("cat", "/proc/self/status").stdout.splitlines() if ":\t" in line)
    assert [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] in (
        [0] * 5, [0, 0, 0, int(status["CapBnd"], 16), 0])
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split()[0] == str(fence.sandboxes.owner)


def test_root_that_keeps_its_folder_is_kept_all_the_same(fence: Fence) -> None:
    if fence.sandboxes.user != "root":
        pytest.skip("only root can be root")
    os.chown(fence.folder, 0, 0)
    secret = fence.sandboxes.base / "secret"
    secret.write_text("1")
    victim = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        assert fence.tried("open('mine', 'w')", "open(secret)", "open('/etc/shadow')", "os.kill(pid, 9)",
                           "os.chmod(secret, 0)", "open('/proc/sys/kernel/hostname', 'w')",
                           "resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))", "os.setuid(1)",
                           secret=str(secret), pid=victim.pid) == ["done", *["PermissionError"] * 7]
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_files_of_the_machine_are_not_read(fence: Fence) -> None:
    secret = fence.sandboxes.base / "secret"
    secret.write_text("1")
    secret.chmod(0o644)
    assert fence.tried("open(secret)", "os.listdir(home)", "open('/etc/passwd')", "os.listdir('/')", "os.listdir('/tmp')",
                       "os.listdir('/home')", "open('/etc/hostname')", "os.listdir('/sys')",
                       secret=str(secret), home=str(fence.sandboxes.base)) == ["PermissionError"] * 8


def test_nothing_else_is_written(fence: Fence) -> None:
    open_to_all = fence.sandboxes.folder("open")
    open_to_all.chmod(0o777)
    (open_to_all / "file").write_text("1")
    (open_to_all / "file").chmod(0o666)
    place = str(open_to_all)
    assert fence.tried("open(place + '/new', 'w')", "open(place + '/file', 'a')", "os.truncate(place + '/file', 0)",
                       "os.unlink(place + '/file')", "os.mkdir(place + '/d')", "os.rename(place + '/file', 'mine')",
                       "open('/tmp/new', 'w')", "open('/dev/shm/new', 'w')", "os.symlink('/', place + '/l')",
                       place=place) == ["PermissionError"] * 9
    assert (open_to_all / "file").read_text() == "1"


def test_rights_and_times_of_files_are_not_changed(fence: Fence) -> None:
    mine = fence.sandboxes.folder("mine") / "file"
    mine.write_text("1")
    os.chown(mine, fence.sandboxes.owner, fence.sandboxes.owner)
    assert fence.tried("os.chmod(path, 0)", "os.chown(path, -1, -1)", "os.utime(path)", "os.setxattr(path, 'user.a', b'1')",
                       path=str(mine)) == ["PermissionError"] * 4


def test_paths_of_the_plan_are_as_it_says(fence: Fence) -> None:
    read, write = fence.sandboxes.folder("read"), fence.sandboxes.folder("write")
    (read / "here").write_text("of the machine")
    done = fence.run("sh", "-c", f"cat {read}/here; echo new > {write}/made; echo new > {read}/made || echo refused",
                     options=["--read-only", str(read), "--read-write", str(write)])
    assert done.stdout == "of the machinerefused\n", done.stderr
    assert (write / "made").read_text() == "new\n"


def test_nothing_in_its_folder_can_be_executed(fence: Fence) -> None:
    done = fence.run("sh", "-c", "cat /bin/true > x; echo made; exec sh -c '/lib64/ld-linux-x86-64.so.2 --help > /dev/null; ./x'")
    assert (done.stdout, done.returncode) == ("made\n", 126)


def test_there_are_no_sockets_but_pairs(fence: Fence) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert fence.tried("a, b = socket.socketpair(); a.send(b'1')", "socket.socket(socket.AF_UNIX)", "socket.socket()",
                           "socket.socket(socket.AF_INET6)", "socket.socket(socket.AF_NETLINK)",
                           "socket.create_connection(address)", address=server.getsockname()) == [
            "done", "PermissionError", "PermissionError", "PermissionError", "PermissionError", "PermissionError"]


def test_processes_outside_are_out_of_reach(fence: Fence) -> None:
    victim = subprocess.Popen([*fence.sandboxes.as_user(), "sleep", "300"], start_new_session=True)
    try:
        assert fence.tried("os.kill(pid, 0)", "os.kill(pid, 9)", "open(f'/proc/{pid}/environ').read()",
                           "open(f'/proc/{pid}/mem', 'rb')", "os.readlink(f'/proc/{pid}/fd/0')",
                           "resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))", "os.setpriority(os.PRIO_PROCESS, pid, 19)",
                           "os.sched_setaffinity(pid, {0})", "os.killpg(pid, 9)",
                           pid=victim.pid) == ["PermissionError"] * 9
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_its_own_children_are_within_reach(fence: Fence) -> None:
    said = fence.run_python("import subprocess; p = subprocess.Popen(['sleep', '300']); p.terminate(); print(p.wait())")
    assert said.strip() == str(-signal.SIGTERM)


def test_nothing_is_shared_with_the_machine_by_numbers(fence: Fence) -> None:
    said = fence.run_python("""
import ctypes
libc = ctypes.CDLL(None)
print(libc.shmget(0, 4096, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600),
      libc.mq_open(b'/pyember', 0o102, 0o600, None))
""")
    assert said.split() == ["-1"] * 4


def test_namespaces_mounts_and_the_rest_are_refused_as_in_a_sandbox(fence: Fence) -> None:
    said = fence.run_python("""
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def outcome(call, *arguments):
    return call(*arguments), errno.errorcode.get(ctypes.get_errno())
print(outcome(libc.unshare, 0x10000000), outcome(libc.mount, b'x', b'/tmp', b'tmpfs', 0, None), outcome(libc.ptrace, 16, 1, 0, 0))
""")
    assert said.strip() == "(-1, 'EPERM') (-1, 'EPERM') (-1, 'EPERM')"


def test_what_it_can_not_show_is_an_error(fence: Fence) -> None:
    for options, word in ((["--read-only", "/usr=/other"], "can't show /usr as /other"),
                          (["--socket", "/run/x"], "lets code to no host")):
        done = fence.run("true", options=options)
        assert done.returncode == 1 and word in done.stderr


def test_memory_is_bounded(fence: Fence) -> None:
    done = fence.run(fence.sandboxes.python, "-c", "bytearray(1 << 30)", options=["--address-space", str(256 << 20)])
    assert done.returncode == 1 and "MemoryError" in done.stderr


def test_it_works_where_there_are_no_user_namespaces(fence: Fence) -> None:
    """In a user namespace in which no more can be made, and whose root has no other user to become."""
    folder = fence.sandboxes.base / "own"
    folder.mkdir()
    if fence.sandboxes.user == "ordinary":
        os.chown(folder, fence.sandboxes.owner, fence.sandboxes.owner)
    done = subprocess.run(
        [*fence.sandboxes.as_user(), "unshare", "-Ur", "sh", "-c",
         'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh", str(fence.sandboxes.driver), "--fence",
         str(folder), "--", "sh", "-c", f"echo 1 > here && cat /etc/passwd || ls {folder}"],
        capture_output=True, text=True, env=fence.sandboxes.environment, timeout=DEADLINE)
    assert done.stdout == "here\n", done.stderr
