"""What a container of the server's holds, looked at from inside and from outside."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import NOT_OURS, Room


def seen(room: Room, code: str) -> Any:
    """A value from inside."""
    return ast.literal_eval(room.value(code) or "None")


def test_code_runs_as_nobody_without_any_capability(room: Room) -> None:
    assert seen(room, "import os\nos.getresuid() + os.getresgid()") == (65534,) * 6
    assert set(seen(room, "os.getgroups()")) <= {65534}
    status = dict(line.split(":\t", 1) for line in seen(room, "open('/proc/self/status').read().splitlines()") if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert int(status["Seccomp_filters"]) >= 2  # the runtime's, and the server's


def test_the_machine_sees_another_user_than_root(room: Room) -> None:
    status = Path(f"/proc/{room.peer()}/status").read_text()
    uid = int(status.split("\nUid:")[1].split()[0])
    assert uid not in (0, os.getuid())


def test_the_server_knows_the_zygote_by_its_connection(room: Room) -> None:
    status = Path(f"/proc/{room.peer()}/status").read_text()
    assert int(status.split("\nNSpid:")[1].split("\n")[0].split()[-1]) == room.hello["pid"]


def test_nothing_can_be_written_but_the_folders_for_it(room: Room) -> None:
    code = (
        "found = []\n"
        "for at, names, files in os.walk('/'):\n"
        "    names[:] = [n for n in names if os.path.join(at, n) not in ('/proc', '/sys') and not os.path.islink(os.path.join(at, n))]\n"
        "    found += [os.path.join(at, n) for n in names if os.access(os.path.join(at, n), os.W_OK)]\n"
        "    found += [os.path.join(at, n) for n in files if os.access(os.path.join(at, n), os.W_OK)]\n"
        "sorted(found)"
    )
    found = seen(room, code)
    devices = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero", "ptmx", "pts/ptmx")}
    links = {path for path in found if path.startswith("/dev/fd") or path in ("/dev/stdin", "/dev/stdout", "/dev/stderr")}
    assert set(found) - devices - links == {"/tmp", "/workspace", "/dev/shm", "/dev/mqueue"}


@pytest.mark.parametrize("folder, megabytes", [("/tmp", 64), ("/workspace", 128), ("/dev/shm", 64)])
def test_the_folders_that_can_be_written_are_small_and_nothing_runs_from_there(room: Room, folder: str, megabytes: int) -> None:
    lines = seen(room, "open('/proc/mounts').read().splitlines()")
    (options,) = [line.split()[3].split(",") for line in lines if line.split()[1] == folder]
    assert {"rw", "noexec", "nosuid", "nodev"} <= set(options)
    assert seen(room, f"os.statvfs('{folder}').f_blocks * os.statvfs('{folder}').f_frsize") == megabytes << 20
    full = f"try:\n    with open('{folder}/full', 'wb') as file:\n        while True: file.write(bytes(1 << 20))\nexcept OSError as e:\n    full = e.errno\nos.unlink('{folder}/full')\nfull"
    assert seen(room, full) == 28  # ENOSPC
    program = f"import subprocess\nopen('{folder}/program', 'w').write('#!/bin/sh')\nos.chmod('{folder}/program', 0o755)\ntry: r = subprocess.run(['{folder}/program'])\nexcept OSError as e: r = e.errno\nr"
    assert seen(room, program) == 13  # EACCES


def test_there_is_no_network(room: Room) -> None:
    assert seen(room, "os.listdir('/sys/class/net')") == ["lo"]
    code = "import socket\ntry: r = socket.create_connection(('192.0.2.1', 80), 5)\nexcept OSError as e: r = e.errno\nr"
    assert seen(room, code) == 101  # ENETUNREACH


def test_nothing_of_the_machine_is_in_the_environment(room: Room) -> None:
    environment = seen(room, "dict(os.environ)")
    assert NOT_OURS not in str(environment)
    assert environment["HOME"] == "/workspace" and environment["TMPDIR"] == "/tmp"
    assert seen(room, "os.getcwd()") == "/workspace"
    assert not [name for name in environment if name.startswith("PYEMBER") and name != "PYEMBER_SESSION_FOLDER"]
    assert "PYTHONPATH" not in environment
    hosts = seen(room, "open('/etc/hosts').read() if os.path.exists('/etc/hosts') else ''")
    assert "containers.internal" not in hosts
    assert seen(room, "import socket\nsocket.gethostname()") == "pyember"


def test_only_the_containers_own_processes_are_there(room: Room) -> None:
    names = seen(room, "[open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()]")
    assert names and all("mcp_runtime.worker" in name for name in names), names


def test_usual_tools_are_there(room: Room) -> None:
    assert seen(room, "subprocess.run(['jq', '-r', '.a'], input='{\"a\": 5}', capture_output=True, text=True).stdout") == "5\n"
    assert seen(room, "subprocess.run('ls / | grep -c usr', shell=True, capture_output=True, text=True).stdout") == "1\n"


def test_what_the_server_gives_is_read_only(room: Room) -> None:
    lines = seen(room, "open('/proc/mounts').read().splitlines()")
    options = {line.split()[1]: line.split()[3].split(",") for line in lines}
    for folder in ("/ipc", "/packages", "/opt/pyember/runtime", "/opt/pyember/bundled", "/"):
        assert "ro" in options[folder], folder
    assert seen(room, "os.listdir('/ipc')") == ["filter"]  # the socket is gone: nobody connects twice


def test_packages_may_come_later(room: Room) -> None:
    assert seen(room, "os.listdir('/packages')") == []
    (room.packages / "late.py").write_text("value = 'came later'\n")
    assert seen(room, "import sys\nsys.path.append('/packages')\nimport late\nlate.value") == "came later"


def test_files_of_the_folder_are_reached_through_its_descriptor(room: Room) -> None:
    assert seen(room, "open('/workspace/made', 'w').write('inside')") == 6
    folder = f"/proc/self/fd/{room.descriptor}"
    # As the user whose server it would be: another one has no name in the container's namespace.
    script = room.user.command("sh", "-c", f"cat {folder}/made && printf outside > {folder}/given")
    done = subprocess.run(script, pass_fds=(room.descriptor,), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("inside", "")
    assert seen(room, "open('/workspace/given').read()") == "outside"


def test_memory_and_processes_are_bounded_where_that_is_promised(room: Room) -> None:
    if room.driver("bounds") == "yes\n":
        assert bounds_from_outside(room.peer()) == (512 << 20, 128)
    else:  # podman says so and goes on; then each process is held by itself
        assert "not supported and ignored" in room.log()
        assert room.user.name == "rootless"
        assert seen(room, "import resource\nresource.getrlimit(resource.RLIMIT_NPROC)") == (128, 128)
        assert seen(room, "resource.getrlimit(resource.RLIMIT_AS)") == (1 << 30, 1 << 30)


def bounds_from_outside(pid: int) -> tuple[int, int]:
    """Memory and processes, as the control groups of a process have them: version 1 or 2."""
    groups = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update({controller: path for controller in controllers.split(",")})
    root = Path("/sys/fs/cgroup")
    if "memory" in groups:
        memory, pids = root / "memory" / groups["memory"][1:], root / "pids" / groups["pids"][1:]
        return int((memory / "memory.limit_in_bytes").read_text()), int((pids / "pids.max").read_text())
    group = root / groups[""][1:]
    return int((group / "memory.max").read_text()), int((group / "pids.max").read_text())


@pytest.mark.parametrize(
    "call",
    [
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000)",  # CLONE_NEWUSER
        "ctypes.CDLL(None, use_errno=True).syscall(250, 0, 0, 0)",  # keyctl
        "ctypes.CDLL(None, use_errno=True).syscall(425, 1, 0)",  # io_uring_setup
        "ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0)",  # PTRACE_ATTACH
    ],
    ids=["user namespace", "keyring", "io_uring", "ptrace"],
)
def test_the_servers_filter_is_in_force(room: Room, call: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    assert seen(room, f"import ctypes\n({call}, ctypes.get_errno())") == (-1, 1)


FORKS = """
import os, signal, time
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except OSError as e:
    refused = e.errno
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
len(children), refused
"""


def test_what_forks_without_end_is_refused(room: Room) -> None:
    made, refused = seen(room, FORKS)
    assert 100 < made < 128 and refused == 11  # EAGAIN
    assert seen(room, "1 + 1") == 2


def test_what_takes_memory_without_end_loses_no_more_than_its_session(room: Room) -> None:
    bomb = room.fork(cwd="/workspace")
    bomb.begin("held = []\nwhile True: held.append(bytearray(b'x') * (16 << 20))")
    try:
        assert bomb.done().type == "MemoryError"
    except EOFError:
        assert room.exit_of(bomb) == (None, 9)
    assert seen(room, "2 + 2") == 4
