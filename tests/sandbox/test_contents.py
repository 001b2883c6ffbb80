"""What is in a sandbox, and what is not: files, folders, variables, descriptors, processes, the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Sandboxes

ALLOWED_AT_THE_ROOT = {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "tmp", "usr",
                       "workspace"}
ALLOWED_SETTINGS = {"alternatives", "ca-certificates", "crypto-policies", "fonts", "group", "hosts", "ld.so.cache",
                    "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "passwd", "pki",
                    "protocols", "services", "ssl", "terminfo"}


def test_code_is_user_65534_without_groups(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("import os; print(os.getresuid(), os.getresgid(), os.getgroups())")
    assert said.split(") ")[:2] == ["(65534, 65534, 65534", "(65534, 65534, 65534"]
    # An ordinary user can't leave his groups in a namespace of his own; he has none besides here.
    assert said.strip().endswith(("[]", "[65534]"))


def test_code_has_no_capabilities_and_gets_none(sandboxes: Sandboxes) -> None:
    status = dict(line.split(":\t") for line in sandboxes.run_python(
        "print(open('/proc/self/status').read(), end='')").splitlines() if ":\t" in line)
    assert {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_first_process_is_confined_like_the_code(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python(
        "import re; s = open('/proc/1/status').read(); print(re.findall('(?:NoNewPrivs|Seccomp|CapEff|CapBnd|Uid):\\t(\\\\w+)', s))")
    assert said.strip() == "['65534', '0000000000000000', '0000000000000000', '1', '2']"


def test_the_first_process_can_not_be_looked_into(sandboxes: Sandboxes) -> None:
    said = json.loads(sandboxes.run_python("""
import json, os
def outcome(look, name):
    try:
        return repr(look('/proc/1/' + name))
    except OSError as error:
        return type(error).__name__
read = lambda path: open(path, 'rb').read(1)
write = lambda path: open(path, 'wb')
print(json.dumps([outcome(read, 'mem'), outcome(write, 'mem'), outcome(read, 'environ'), outcome(read, 'maps'),
                  outcome(os.listdir, 'fd'), outcome(os.readlink, 'root'), outcome(os.readlink, 'cwd')]))
"""))
    assert said == ["PermissionError"] * 7


def test_only_what_the_plan_names_is_there(sandboxes: Sandboxes) -> None:
    found = json.loads(sandboxes.run_python(
        "import json, os; print(json.dumps([os.listdir('/'), os.listdir('/etc'), os.listdir('/run'), os.listdir('/dev')]))"))
    own = {Path(each).parts[1] for each in (sandboxes.python, sys.base_prefix)}
    root, settings, run, devices = map(set, found)
    assert root <= ALLOWED_AT_THE_ROOT | own
    assert {each for each in settings if not each.startswith("python3")} <= ALLOWED_SETTINGS
    assert run == {"pyember-enter"}
    assert devices == {"fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"}


def test_home_and_its_keys_are_not_there(sandboxes: Sandboxes) -> None:
    keys = sandboxes.base / ".ssh"
    keys.mkdir()
    (keys / "id_ed25519").write_text("a key")
    said = sandboxes.run_python("import os, sys; print([os.path.lexists(each) for each in sys.argv[1:]])",
                                str(sandboxes.base), str(keys), str(keys / "id_ed25519"))
    assert said.strip() == "[False, False, False]"


def test_users_and_hosts_of_the_machine_are_not_named(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("import pwd, grp, socket; print([e.pw_name for e in pwd.getpwall()], "
                                "[e.gr_name for e in grp.getgrall()], socket.gethostname())")
    assert said.strip() == "['root', 'nobody'] ['root', 'nogroup'] sandbox"


def test_the_environment_is_the_plan_s_alone(sandboxes: Sandboxes) -> None:
    names = set(json.loads(sandboxes.run_python("import json, os; print(json.dumps(dict(os.environ)))",
                                                options=["--set", "GIVEN=1"])))
    assert "SECRET" not in names and "PYEMBER_ENTER" not in names
    assert "GIVEN" in names
    assert names - {"GIVEN", "PWD", "LC_CTYPE"} == {
        "HOME", "LANG", "LOGNAME", "MPLCONFIGDIR", "PATH", "PYEMBER_BUNDLED", "PYTHONDONTWRITEBYTECODE",
        "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONUTF8", "TMPDIR", "USER", "XDG_CACHE_HOME"}


def test_the_root_is_read_only(sandboxes: Sandboxes) -> None:
    folders = ["/", "/usr", "/usr/bin", "/etc", "/dev", "/run", "/proc/sys/kernel", str(Path(sandboxes.python).parent)]
    said = sandboxes.run_python("""
import sys
for folder in sys.argv[1:]:
    try:
        open(folder + '/pyember-was-here', 'w')
        print('written', folder)
    except OSError:
        pass
""", *folders)
    assert said == ""
    assert not any(Path(each, "pyember-was-here").exists() for each in folders)


def test_settings_written_for_the_sandbox_can_not_be_changed(sandboxes: Sandboxes) -> None:
    said = sandboxes.run("sh", "-c", "echo x >> /etc/passwd || echo refused; rm /etc/hosts || echo refused; "
                                     "chmod 777 / || echo refused")
    assert said.stdout.split() == ["refused"] * 3


@pytest.mark.parametrize("path, mebibytes, inodes", [("/tmp", 64, 16384), ("/workspace", 128, 65536),
                                                     ("/dev/shm", 64, 4096)])
def test_private_folders_are_empty_and_bounded(sandboxes: Sandboxes, path: str, mebibytes: int, inodes: int) -> None:
    said = json.loads(sandboxes.run_python("""
import errno, json, os, sys
path = sys.argv[1]
held = os.statvfs(path)
result = [held.f_blocks * held.f_frsize >> 20, held.f_files, os.listdir(path), held.f_flag & 14]
block = bytes(1 << 20)
with open(path + '/large', 'wb', 0) as file:
    try:
        while file.write(block) == len(block): pass
        file.write(block)
    except OSError as error:
        result.append(errno.errorcode[error.errno])
    result.append(os.path.getsize(path + '/large') >> 20)
print(json.dumps(result))
""", path))
    nosuid_nodev_noexec = 14
    assert said == [mebibytes, inodes, [], nosuid_nodev_noexec, "ENOSPC", mebibytes]


def test_files_in_a_private_folder_are_bounded_in_number(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("""
import os, errno
made = 0
try:
    while True:
        os.close(os.open(f'/dev/shm/{made}', os.O_CREAT | os.O_WRONLY))
        made += 1
except OSError as error:
    print(errno.errorcode[error.errno], made < 4096)
""")
    assert said.strip() == "ENOSPC True"


def test_nothing_in_a_private_folder_can_be_executed(sandboxes: Sandboxes) -> None:
    for folder in ("/tmp", "/workspace", "/dev/shm"):
        done = sandboxes.run("sh", "-c", f"cp /bin/true {folder}/x && chmod 755 {folder}/x && {folder}/x")
        assert done.returncode == 126, (folder, done.stderr)


def test_private_folders_belong_to_one_sandbox(sandboxes: Sandboxes) -> None:
    sandboxes.run("sh", "-c", "echo 1 > /tmp/left; echo 1 > /workspace/left")
    assert sandboxes.run("sh", "-c", "ls /tmp /workspace").stdout.split() == ["/tmp:", "/workspace:"]
    assert not Path("/tmp/left").exists()


def test_proc_shows_the_sandbox_s_own_processes(sandboxes: Sandboxes) -> None:
    said = sandboxes.run_python("import os; print(sorted(int(e) for e in os.listdir('/proc') if e.isdigit()), os.getpid())")
    assert said.strip() == "[1, 2] 2"


def test_keyrings_of_the_server_are_not_listed(sandboxes: Sandboxes) -> None:
    assert sandboxes.run("cat", "/proc/keys").stdout == ""


def test_there_is_no_network_but_its_own_loopback(sandboxes: Sandboxes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = json.loads(sandboxes.run_python("""
import json, socket, sys
names = [line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line]
def reach(*place):
    try:
        socket.create_connection(place, 2).close()
        return 'reached'
    except OSError as error:
        return type(error).__name__
own = socket.create_server(('127.0.0.1', 0))
print(json.dumps([names, reach('127.0.0.1', int(sys.argv[1])), reach('192.0.2.1', 80), reach('example.org', 80),
                  reach(*own.getsockname())]))
""", str(server.getsockname()[1])))
    assert said == [["lo"], "ConnectionRefusedError", "OSError", "gaierror", "reached"]


def test_abstract_sockets_of_the_machine_are_out_of_reach(sandboxes: Sandboxes) -> None:
    name = f"\0pyember-sandbox-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        said = sandboxes.run_python("""
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(chr(0) + sys.argv[1])
    print('reached')
except OSError as error:
    print(type(error).__name__)
""", name[1:])
    assert said.strip() == "ConnectionRefusedError"


def test_a_socket_of_the_plan_can_be_connected_to(sandboxes: Sandboxes) -> None:
    path = sandboxes.base / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o666)
        server.listen()
        said = sandboxes.run_python(
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/proxy'); print('connected')",
            options=["--socket", f"{path}=/run/proxy"])
    assert said.strip() == "connected"


def test_paths_of_the_plan_are_there_as_it_says(sandboxes: Sandboxes) -> None:
    read, write = sandboxes.folder("read"), sandboxes.folder("write")
    (read / "here").write_text("of the machine")
    done = sandboxes.run("sh", "-c", f"cat {read}/here; echo new > /data/made; echo new > {read}/made || echo refused",
                         options=["--read-only", str(read), "--read-write", f"{write}=/data"])
    assert done.stdout == "of the machinerefused\n", done.stderr
    assert (write / "made").read_text() == "new\n"
    assert [each.name for each in read.iterdir()] == ["here"]


def test_a_path_below_a_private_folder_can_be_given(sandboxes: Sandboxes) -> None:
    folder = sandboxes.folder("given")
    (folder / "here").write_text("1")
    done = sandboxes.run("sh", "-c", "ls /tmp /tmp/given; echo 1 > /tmp/more",
                         options=["--read-only", f"{folder}=/tmp/given"])
    assert (done.returncode, done.stdout.split()) == (0, ["/tmp:", "given", "/tmp/given:", "here"])


def test_the_usual_tools_are_there(sandboxes: Sandboxes) -> None:
    tools = [each for each in ("ls", "cat", "grep", "sed", "awk", "tar", "sort", "jq") if shutil.which(each, path="/usr/bin")]
    done = sandboxes.run("sh", "-c", "for each; do command -v $each > /dev/null || echo $each; done", "sh", *tools)
    assert (done.returncode, done.stdout) == (0, "")
    assert "ls" in tools


def test_descriptors_are_those_that_were_given(sandboxes: Sandboxes, tmp_path: Path) -> None:
    given = os.open(tmp_path, os.O_RDONLY)
    other = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(other, True)
    try:
        said = sandboxes.run_python("import os; print([e for e in range(200) if os.path.exists(f'/proc/self/fd/{e}')])",
                                    pass_fds=[5] if given == 5 else [])
        assert said.strip() in ("[0, 1, 2]", "[0, 1, 2, 5]")
    finally:
        os.close(given)
        os.close(other)


def test_a_virtual_environment_works(sandboxes: Sandboxes) -> None:
    made = sandboxes.base / "environment"
    subprocess.run([*sandboxes.as_user(), sandboxes.python, "-m", "venv", "--without-pip", str(made)], check=True,
                   env=sandboxes.environment)
    (packages,) = made.glob("lib/python3*/site-packages")
    (packages / "of_the_environment.py").write_text("here = __file__\n")
    python = str(made / "bin" / "python")
    done = sandboxes.run(python, "-c", "import sys, of_the_environment; print(sys.prefix, of_the_environment.here)",
                         options=["--python", python, "--environment", str(made)])
    assert done.stdout.split() == [str(made), str(packages / "of_the_environment.py")], done.stderr


def test_a_link_to_python_in_home_does_not_bring_home_along(sandboxes: Sandboxes) -> None:
    bin_folder = sandboxes.base / ".local" / "bin"
    bin_folder.mkdir(parents=True)
    (sandboxes.base / ".local" / "secret").write_text("1")
    (bin_folder / "python").symlink_to(sandboxes.python)
    python = str(bin_folder / "python")
    done = sandboxes.run(python, "-c", f"import os; print(os.listdir('{sandboxes.base}/.local'), os.listdir('{bin_folder}'))",
                         options=["--python", python])
    assert done.stdout.strip() == "['bin'] ['python']", done.stderr
