"""Runs cells in real sub-interpreters under plain CPython, without the server.

`run` starts a child process, makes an own-GIL sub-interpreter there with CPython's private
`_interpreters`, bootstraps mcp_runtime.inprocess in it and runs what it was given: one list of
cells for each session, one session after the other in the same interpreter. Locks and stops are
the stand-ins of this file; what needs the server's is tested through the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

RUNTIME = Path(__file__).resolve().parents[3] / "python"
DEADLINE_SECONDS = 60


class Cell(NamedTuple):
    """What came of one cell."""

    status: int
    result: str | None
    error: tuple[str, str, str] | None
    notices: tuple[str, ...]


class Laboratory(NamedTuple):
    """What came of all sessions."""

    sessions: list[list[Cell]]
    clean: list[bool]  # what close() said of each session
    native: dict[str, Any]
    output: str

    @property
    def cells(self) -> list[Cell]:
        return self.sessions[0]


def run(
    *sessions: list[str], environment: dict[str, str] | None = None, python: str = sys.executable,
    **config: Any
) -> Laboratory:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        config.setdefault("working_directory", folder)
        specification = {
            "sessions": sessions, "config": config, "answer": str(answer), "runtime": str(RUNTIME),
        }
        child = subprocess.run(
            [python, "-I", "-S", "-c", _OUTER],
            input=json.dumps(specification), capture_output=True, text=True,
            timeout=DEADLINE_SECONDS, env={**os.environ, **(environment or {})},
        )
        assert child.returncode == 0, f"{child.returncode}\n{child.stdout}\n{child.stderr}"
        told = json.loads(answer.read_text())
    cells = [[Cell(c[0], c[1], tuple(c[2]) if c[2] else None, tuple(c[3] or ())) for c in session]
             for session in told["sessions"]]
    return Laboratory(cells, told["clean"], told["native"], child.stdout + child.stderr)


# In the main interpreter of the child. What crashes when it is imported first in a sub-interpreter
# is imported here, as the server does.
_OUTER = """
import sys, os
import datetime, _zoneinfo, sqlite3, decimal
import _interpreters
text = sys.stdin.read()
like_the_servers = _interpreters.new_config("isolated", allow_daemon_threads=True)
interpreter = _interpreters.create(like_the_servers)
failed = _interpreters.exec(interpreter, INNER, {"text": text})
if failed is not None:
    print(failed, file=sys.stderr)
    print(getattr(failed, "errdisplay", ""), file=sys.stderr)
sys.stdout.flush()
sys.stderr.flush()
os._exit(1 if failed is not None else 0)
"""

_INNER = """
import sys, _thread, posix
sys.path[:] = [entry for entry in sys.path if "site-packages" not in entry]

class Native:
    Lock = _thread.LockType
    RLock = _thread.RLock
    main_only_modules_preloaded = True

    def __init__(self):
        self.noted, self.forgotten, self.stop, self.depth = [], [], False, []

    def stoppable(self, on):
        self.depth.append(on)

    def stop_requested(self):
        return self.stop

    def calls(self):
        raise RuntimeError("No MCP server can be called from here: there is none.")

    def calls_lost(self, calls, answers):
        pass

    def note_child(self, pid):
        self.noted.append(pid)

    def forget_child(self, pid):
        self.forgotten.append(pid)

    def children(self):
        return [pid for pid in self.noted if pid not in self.forgotten]

def main(text):
    import json
    given = json.loads(text)
    for name in [name for name in sys.modules if name.startswith("json")]:
        del sys.modules[name]
    native = Native()
    native_told = native.__dict__
    sys.path.insert(0, given["runtime"])
    import mcp_runtime.inprocess
    config = dict(given["config"])
    place = config.pop("working_directory")
    look_ahead = config.pop("look_ahead", False)
    config["runtime_directory"] = given["runtime"]
    interpreter = mcp_runtime.inprocess.bootstrap(native, config)
    open_, run, close = interpreter.open, interpreter.run, interpreter.close
    told, clean = [], []
    for serial, cells in enumerate(given["sessions"], 1):
        open_({"name": "main", "working_directory": place, "serial": serial, "look_ahead": look_ahead})
        told.append([run(code, number) for number, code in enumerate(cells, 1)])
        clean.append(close())
    import json
    posix.chdir("/")
    with open(given["answer"], "w") as file:
        json.dump({"sessions": told, "clean": clean,
                   "native": {"noted": native.noted, "forgotten": native.forgotten}}, file)

main(text)
"""

_OUTER = f"INNER = {_INNER!r}\n{_OUTER}"
