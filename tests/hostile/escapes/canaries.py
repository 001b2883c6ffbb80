"""What is watched outside while the battery runs: secrets in files, environments and memory, files that must stay as they are, a
process that must live, and listeners that nobody may reach.

All of it is a server's surroundings: its home, its temporary folder, the machine's shared folders. Secrets bear one random mark, so
that an answer which has it is a leak, whatever it claims.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

KEYS = (".ssh/id_ed25519", ".ssh/config", ".aws/credentials", ".netrc", ".gnupg/secring.gpg", ".config/gh/hosts.yml", ".kube/config", ".docker/config.json")
CONFIGURATION = ("MCPs/servers.json", ".claude.json", ".config/mcp/servers/one.json", ".codex/config.toml", ".cursor/mcp.json", ".gemini/settings.json")
WRITTEN = (".bashrc", ".profile", ".ssh/authorized_keys", "notes.txt", ".config/autostart/x.desktop")
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
# Directories of the machine that no room shows; those on the way to an interpreter may be there, but are others.
MACHINE = ("/", "/etc", "/var", "/home", "/root", "/run", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/boot", "/srv", "/opt", "/mnt", "/media", "/var/log", "/var/lib")


class Listeners:
    """Sockets of every kind on this machine; `heard` tells who came."""

    def __init__(self, tag: str, folders: list[Path]) -> None:
        self.heard: list[str] = []
        self._sockets: list[socket.socket] = []
        self._paths: list[Path] = []
        self.tcp = self._listen(socket.create_server(("127.0.0.1", 0)), "TCP").getsockname()[1]
        self.tcp_any = self._listen(socket.create_server(("0.0.0.0", 0)), "TCP on all addresses").getsockname()[1]
        self.tcp6 = 0
        with contextlib.suppress(OSError):
            self.tcp6 = self._listen(socket.create_server(("::", 0), family=socket.AF_INET6), "TCP over IPv6").getsockname()[1]
        self.udp = self._receive(self._bound(socket.AF_INET, ("0.0.0.0", 0)), "UDP").getsockname()[1]
        self.abstract = f"\0{tag}-stream"
        self._listen(self._bound(socket.AF_UNIX, self.abstract, socket.SOCK_STREAM), "abstract socket")
        self.abstract_datagrams = f"\0{tag}-datagrams"
        self._receive(self._bound(socket.AF_UNIX, self.abstract_datagrams), "abstract datagrams")
        self.named = [self._named(folder, tag) for folder in folders]

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _bound(self, family: int, address: object, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        each = socket.socket(family, kind)
        each.bind(address)
        if kind == socket.SOCK_STREAM:
            each.listen(64)
        return each

    def _named(self, folder: Path, tag: str) -> str:
        path = folder / f"{tag}.sock"
        self._listen(self._bound(socket.AF_UNIX, str(path), socket.SOCK_STREAM), f"socket {path}")
        path.chmod(0o777)
        self._paths.append(path)
        return str(path)

    def _listen(self, each: socket.socket, name: str) -> socket.socket:
        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = each.accept()
                    connection.settimeout(2)
                    with contextlib.suppress(OSError), connection:
                        self.heard.append(f"{name}: {connection.recv(200)!r}")

        return self._start(each, serve)

    def _receive(self, each: socket.socket, name: str) -> socket.socket:
        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    data, sender = each.recvfrom(200)
                    if not data and not sender:
                        return  # shut down
                    self.heard.append(f"{name}: {data!r}")
                    if sender:
                        each.sendto(b"heard", sender)

        return self._start(each, serve)

    def _start(self, each: socket.socket, serve: object) -> socket.socket:
        self._sockets.append(each)
        threading.Thread(target=serve, daemon=True).start()  # type: ignore[arg-type]
        return each


class Canaries:
    """One world of them. `uid`: the user whose server it is, where that is another than ours; `home` likewise."""

    def __init__(self, uid: int | None = None, home: Path | None = None) -> None:
        self._uid = uid
        self.tag = f"pyember-escape-{secrets.token_hex(6)}"
        self.mark = ("CANARY" + secrets.token_hex(4).upper(), secrets.token_hex(4).upper())
        self.root = Path(tempfile.mkdtemp(prefix="pyember-escapes-"))
        self.root.chmod(0o755)
        self.home = home or self._folder(self.root / "home")
        self.temporary = self._folder(self.root / "tmp")
        self.keys = [self._file(self.home / name) for name in KEYS]
        self.configuration = [self._file(self.home / name) for name in CONFIGURATION]
        self._shared = [self._file(Path(folder) / self.tag) for folder in SHARED_FOLDERS if os.access(folder, os.W_OK)]
        self.renew()
        socket_folders = [self._folder(self.root / "run")] + [Path(each) for each in ("/run", "/tmp", "/var/tmp") if os.access(each, os.W_OK)]
        self.listeners = Listeners(self.tag, socket_folders)
        self.socket_folders = [str(self.root / "run")]
        self._start_process()
        self._before = self._written()

    def close(self) -> None:
        self.listeners.close()
        self._process.kill()
        self._process.wait()
        for path in [*self.keys, *self.configuration, *self._shared, *map(Path, self.written)]:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.root, ignore_errors=True)

    # --- what is handed to the code, and to the server ---

    @property
    def secret(self) -> str:
        return "".join(self.mark) + secrets.token_hex(8)

    @property
    def written(self) -> list[str]:
        return [str(self.home / name) for name in WRITTEN]

    @property
    def pid(self) -> int:
        """The canary process's; another one takes its place when it is dead."""
        if self._process.poll() is not None:
            self._start_process()
        return self._process.pid

    def renew(self) -> None:
        """Makes the files that code may have got at, where walls are missing."""
        for path in map(Path, self.written):
            if not path.exists() or not path.stat().st_size:
                self._file(path)

    def facts(self) -> dict[str, object]:
        ours = [os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "net", "ipc", "uts", "mnt", "user")]
        beside = [each for each in (Path(__file__).resolve().parents[3] / name for name in (".git", "README.md", "tests", "src", "docs", "bench", "tools")) if each.exists()]
        return {
            "tag": self.tag, "mark": list(self.mark), "root": str(self.root), "home": str(self.home), "real_home": str(Path.home()),
            "names_in_homes": sorted({*(name.split("/")[0] for name in KEYS + CONFIGURATION + WRITTEN), ".bash_history", ".cargo", ".local", ".python_mcp"}),
            "keys": list(map(str, self.keys)), "configuration": list(map(str, self.configuration)), "in_shared_folders": list(map(str, self._shared)),
            "write_folders": [str(self.home), str(self.home / ".ssh"), str(self.root), *SHARED_FOLDERS[1:2]], "write_files": self.written,
            "beside_the_runtime": list(map(str, beside)), "identities": {path: _identity(path) for path in (*MACHINE, str(self.home), str(self.root)) if os.path.isdir(path)},
            "user": _user_name(), "machine_id": _text("/etc/machine-id"), "pid_namespace": ours[0], "namespaces": ours,
            "test_pid": os.getpid(), "canary_pid": self.pid,
            "tcp": self.listeners.tcp, "tcp_any": self.listeners.tcp_any, "tcp6": self.listeners.tcp6, "udp": self.listeners.udp,
            "abstract": self.listeners.abstract, "abstract_datagrams": self.listeners.abstract_datagrams, "named": self.listeners.named,
            "socket_folders": self.socket_folders, "addresses": _addresses(), "resolvers": _resolvers(),
            "names": ["example.org", "pypi.org", "host.containers.internal", "host.docker.internal", "metadata.google.internal"],
        }

    def environment(self) -> dict[str, str]:
        """Of the server: with secrets in it, as people have them there."""
        return {
            "HOME": str(self.home), "TMPDIR": str(self.temporary), "AWS_SECRET_ACCESS_KEY": self.secret, "ANTHROPIC_API_KEY": self.secret, "PYTHON_KEYS": self.secret,
            "MPLCONFIGDIR": f"/nonexistent/{self.secret}", "SSH_AUTH_SOCK": self.listeners.named[0],
            "PYEMBER_STATE_DIR": str(self._folder(self.root / "state")), "PYTHON_MCP_META": str(self._folder(self.root / "jobs")), "XDG_CACHE_HOME": str(self._folder(self.root / "cache")),
        }

    def state_files(self) -> list[Path]:
        return [path for path in (self.root / "state").rglob("*") if path.is_file()]

    # --- what has become of it ---

    def leak_in(self, data: str | bytes) -> bool:
        mark = "".join(self.mark)
        return (mark.encode() if isinstance(data, bytes) else mark) in data

    def harm(self) -> list[str]:
        """Everything that is not as it was."""
        found = [f"somebody was reached: {each}" for each in self.listeners.heard]
        if self._process.poll() is not None:
            found.append(f"the canary process ended with {self._process.returncode}")
        after = self._written()
        found += [f"changed outside: {path}" for path in sorted(self._before.keys() | after.keys()) if self._before.get(path) != after.get(path)]
        return found

    def _written(self) -> dict[str, object]:
        """Of the files in the home that may not change: contents, rights and times; and everything that is there by name."""
        found: dict[str, object] = {}
        for path in [*self.keys, *self.configuration, *self._shared, *map(Path, self.written)]:
            with contextlib.suppress(OSError):
                status = path.stat()
                found[str(path)] = (path.read_bytes(), status.st_mode, status.st_uid, status.st_mtime_ns, status.st_nlink)
        for folder in (self.home, *SHARED_FOLDERS, "/", "/etc", "/usr", "/usr/bin", "/usr/lib", "/var", "/run", "/dev", "/root", "/home", Path(__file__).parents[3] / "python"):
            with contextlib.suppress(OSError):
                found.update({f"{folder}/{name}": True for name in os.listdir(folder) if "escape" in name and self.tag not in name and "pyember-escapes-" not in name})
        return found

    def _file(self, path: Path) -> Path:
        self._folder(path.parent) if not path.parent.exists() else None
        path.write_text(f"{self.secret}\n")
        if self._uid is not None:
            os.chown(path, self._uid, self._uid)
        return path

    def _folder(self, path: Path) -> Path:
        if not path.parent.exists():
            self._folder(path.parent)
        path.mkdir(exist_ok=True)
        if self._uid is not None:
            os.chown(path, self._uid, self._uid)
        return path

    def _start_process(self) -> None:
        self._process = subprocess.Popen(
            [self.secret, "100000"], executable=shutil.which("sleep"), env={"SECRET": self.secret}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **({} if self._uid is None else {"user": self._uid, "group": self._uid, "extra_groups": []}),
        )


def _identity(path: str) -> list[int]:
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip()
    return ""


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "root"


def _addresses() -> list[str]:
    """Ours that are not the loopback's; nothing is sent to find them."""
    found = []
    for target in ("192.0.2.77", "10.255.255.255"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each, contextlib.suppress(OSError):
            each.connect((target, 9))
            found.append(each.getsockname()[0])
    return sorted(set(found))


def _resolvers() -> list[str]:
    return [line.split()[1] for line in _text("/etc/resolv.conf").splitlines() if line.startswith("nameserver") and ":" not in line]
