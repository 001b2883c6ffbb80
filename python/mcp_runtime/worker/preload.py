"""Imports packages into the zygote, when a trial has shown that they leave it fit to fork.

A fork copies the calling thread only: locks that other threads hold stay locked for ever. So each
package is imported in a child first, which then forks: libraries that end their threads at a fork
(OpenBLAS) are fine, whatever still runs after that fork is not. Nor is a process left behind.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import site
import sys
import time
import warnings
from builtins import BaseException, KeyError, OSError, TypeError, ValueError, len, list, str, type

from mcp_runtime.worker import first_uses, linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from mcp_runtime.worker.family import Family

TRIAL_SECONDS = 30.0
# A thread that was joined may be seen for a moment longer.
_GONE_SECONDS = 0.2
_MAXIMUM_VERDICT = 4096


class Preload:
    """One request: the modules that were imported, and why the others weren't."""

    def __init__(
        self, family: Family, wait: Callable[[int, float], bool], sites: list[str]
    ) -> None:
        self.loaded: list[str] = []
        self.refused: dict[str, str] = {}
        self._family = family
        self._wait = wait
        self._sites = sites

    def add(self, name: str) -> None:
        """Tries a module, then imports it here."""
        if name in sys.modules:
            self.loaded.append(name)
            return
        reason = self._try(name)
        if reason is None:
            reason = self._import(name)
            _end_threads_at_fork()
            if reason is None and _threads_left():
                reason = _leaves(_threads_left(), "thread")
        if reason is None:
            self.loaded.append(name)
        else:
            self.refused[name] = reason

    def _import(self, name: str) -> str | None:
        """Imports a module as a session with these sites would; the reason when it fails."""
        os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib looks for a screen
        path = list(sys.path)
        kept = list(warnings.filters)
        try:
            for directory in self._sites:
                site.addsitedir(directory)
            importlib.import_module(name)
            first_uses.use(name)
        except BaseException as error:
            return f"importing it failed with {type(error).__name__}: {str(error)[:500]}"
        finally:
            sys.path[:] = path
            warnings.filters[:] = kept
        return None

    def _try(self, name: str) -> str | None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._run_trial(name, writer)
        os.close(writer)
        self._family.add_trial(pid)
        verdict = b""
        deadline = time.monotonic() + TRIAL_SECONDS
        while self._wait(reader, deadline):
            piece = os.read(reader, _MAXIMUM_VERDICT)
            if not piece:
                break
            verdict += piece
        in_time = time.monotonic() < deadline
        os.close(reader)
        self._family.end_trial(pid)
        if not in_time:
            return f"importing it took longer than {TRIAL_SECONDS:.0f} s"
        return _read(verdict)

    def _run_trial(self, name: str, verdict: int) -> NoReturn:
        reason: str | None = "the trial of its import failed"
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            warnings.simplefilter("ignore")
            reason = self._import(name)
            if reason is None:
                _end_threads_at_fork()
                if _threads_left():
                    reason = _leaves(_threads_left(), "thread")
                elif linux.children():
                    reason = _leaves(len(linux.children()), "process")
        finally:
            os.write(verdict, json.dumps({"reason": reason}).encode()[:_MAXIMUM_VERDICT])
            os._exit(0)


def _end_threads_at_fork() -> None:
    """A fork for nothing but its handlers."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    try:
        os.waitpid(pid, 0)
    except OSError:
        pass


def _threads_left() -> int:
    until = time.monotonic() + _GONE_SECONDS
    while linux.threads() > 1 and time.monotonic() < until:
        time.sleep(0.002)
    return linux.threads() - 1


def _leaves(count: int, what: str) -> str:
    plural = what + ("" if count == 1 else "es" if what.endswith("s") else "s")
    return f"it leaves {count} {plural} running"


def _read(verdict: bytes) -> str | None:
    try:
        reason: Any = json.loads(verdict)["reason"]
    except (ValueError, KeyError, TypeError):
        return "importing it ended the process"
    return reason

