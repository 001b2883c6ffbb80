"""A room with namespaces and nothing else: no filter, every capability of its user namespace. Where probes that would do harm without
walls are shown to work.
"""

from __future__ import annotations

import ast
import shutil
import subprocess

from tests.hostile.escapes.battery import with_facts
from tests.hostile.escapes.canaries import Canaries
from tests.hostile.escapes.case import Case
from tests.support.other_user import interpreter_prefix

TELL = "\nsys.stdout.flush()\nos.write(1, b'\\nGOT ' + repr(got).encode())\nos._exit(0)\n"


def missing() -> str:
    """Why it can't be had here; empty when it can."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    done = subprocess.run([*_command(), "-c", "pass"], capture_output=True, text=True, timeout=60)
    return done.stderr.strip()


def reached_by(case: Case) -> list[str]:
    """What the probe reaches in there; raises when it did not come to its end."""
    canaries = Canaries()
    try:
        facts = {**canaries.facts(), "case": "alone", "server_pid": canaries.pid, "neighbour": {}}
        done = subprocess.run([*_command(), "-"], input=with_facts(facts, case.code + TELL), capture_output=True, text=True, timeout=60)
    finally:
        canaries.close()
    return list(ast.literal_eval(done.stdout.rsplit("GOT ", 1)[1]))


def _command() -> list[str]:
    python = interpreter_prefix()
    binds = [] if python == "/usr" else ["--ro-bind", python, python]
    links = [word for name in ("bin", "lib", "lib64", "sbin") for word in ("--symlink", f"usr/{name}", f"/{name}")]
    return ["bwrap", "--unshare-all", "--uid", "0", "--gid", "0", "--cap-add", "ALL", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/usr", "/usr", *links, *binds,
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/workspace", "--dir", "/etc", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
            "--setenv", "PATH", "/usr/bin", "--setenv", "PYEMBER_SESSION_FOLDER", "/workspace", "--chdir", "/workspace", f"{python}/bin/python3"]
