"""The first process of a container in which a script runs: `python -I -S enclosed.py OPTION… -- PROGRAM…`.

A container that a session lives in has the keeper for this; a script is any program. This process
loads the server's seccomp filter, starts the program, passes SIGTERM on, reaps, and writes down what
the program took, which nobody outside can see of every runtime. It ends as the program does, with 128
and the signal's number where that was killed.

  --variables PREFIX    the program's variables are those that begin with it, without it
  --filter PATH  --report PATH  --proxy PORT:SOCKET
  --address-space BYTES  --file-size BYTES  --cpu SECONDS    of each process
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from builtins import OSError, dict, float, int, len, max, open, str, zip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_LIMITS = {
    "--address-space": resource.RLIMIT_AS,
    "--file-size": resource.RLIMIT_FSIZE,
    "--cpu": resource.RLIMIT_CPU,
}
# Where the kernel counts how often it killed for memory: control groups of version 2 and of 1.
_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def main() -> NoReturn:
    at = sys.argv.index("--")
    given = dict(zip(sys.argv[1:at:2], sys.argv[2:at:2]))
    program = sys.argv[at + 1 :]
    report = os.open(given["--report"], os.O_WRONLY | os.O_CLOEXEC)
    prefix = given["--variables"]
    variables = {
        name[len(prefix) :]: value for name, value in os.environ.items() if name.startswith(prefix)
    }
    variables.setdefault("PATH", os.environ.get("PATH", os.defpath))  # the image's
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from mcp_runtime.worker import seccomp

    seccomp.load(given["--filter"])
    if "--proxy" in given:
        from mcp_runtime.worker import forwarder

        forwarder.start(given["--proxy"])
    signal.signal(signal.SIGTERM, _nothing)  # until there is somebody to pass it on to
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(program, variables, given)
    signal.signal(signal.SIGTERM, lambda *_: _pass_on(child))
    status, usage = _wait_for(child)
    limit = _limit_of(status)
    took = (time.monotonic() - began, usage.ru_utime, usage.ru_stime)
    figures = " ".join(f"{max(each, 0.0):.6f}" for each in took)
    os.write(report, f"{figures} {usage.ru_maxrss * 1024} {limit}\n".encode())
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _become(program: list[str], variables: dict[str, str], given: dict[str, str]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name, limit in _LIMITS.items():
        if name in given:
            most = int(given[name])
            # SIGXCPU first, SIGKILL a second later.
            resource.setrlimit(limit, (most, most + (name == "--cpu")))
    try:
        os.execvpe(program[0], program, variables)
    except OSError as error:
        os.write(2, f"{program[0]} can't be run in the container: {error.strerror}\n".encode())
        os._exit(127)


def _nothing(*_: object) -> None:
    pass


def _pass_on(child: int) -> None:
    try:
        os.kill(child, signal.SIGTERM)
    except OSError:  # it has just ended
        pass


def _wait_for(child: int) -> tuple[int, resource.struct_rusage]:
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == child:
            return status, usage


def _limit_of(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return "-"
    if os.WTERMSIG(status) == signal.SIGXCPU:
        return "cpu"
    return "memory" if _memory_kills() > 0 else "-"


def _memory_kills() -> float:
    for path in _COUNTS:
        try:
            with open(path, "rb") as file:
                words = file.read().split()
        except OSError:
            continue
        if b"oom_kill" in words[:-1]:
            return float(words[words.index(b"oom_kill") + 1])
    return 0


if __name__ == "__main__":
    main()
