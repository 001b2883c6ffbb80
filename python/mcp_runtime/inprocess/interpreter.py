"""One sub-interpreter of the server, serving one session after the other.

Called by C++ on the session's own thread only. `open` … `close` bound a session; `run` is the hot
path and adds one call to Session.run.
"""

import _contextvars
import posix
import sys

from ..session import Session
from .baseline import Baseline

_NEEDS_WORKER = 3  # session.NEEDS_WORKER
_modules = sys.modules
_FIRST_CHECKPOINT = (
    "copyreg", "_struct", "struct", "re", "_compat_pickle", "_pickle", "pickle", "_json", "json",
    "_sha2", "_blake2", "_hashlib", "hashlib", "posixpath", "functools")
_DAMAGED = (
    "The cell ran, but its outcome could not be told: it changed modules or classes that the "
    "session's runtime is made of. They were put back, and the session's names are still there. "
    "Leave the modules of mcp_runtime and the standard library's functions as they are.")


class Interpreter:
    def __init__(self, native, environment, patches, loader, guards):
        self._native = native
        self._environment = environment
        self._loader = loader
        self._session_class = Session
        self._session = None
        self._config = {}
        self._in_context = self._run = None
        baseline = Baseline(native, patches, guards.undo, guards.dirty)
        self._rescue, self._restore = baseline.rescue, baseline.restore
        self._quiet, self._free_import_lock = baseline.quiet, baseline.free_import_lock

    def open(self, config):
        """Begin a session. Raises OSError when its working directory can't be entered."""
        self._config = config
        self._environment.begin(config.get("serial", 0), config.get("folder", ""))
        directory = config.get("working_directory")
        if directory:
            posix.chdir(directory)
        self._loader.take_refused()
        # Context variables (decimal's context among them) begin and end with the session.
        self._in_context = _contextvars.Context().run
        self._session = self._in_context(
            self._session_class, self._native, config.get("name", "main"))
        self._session.confined = config.get("confined")
        self._session.saved_tools = bool(config.get("saved_tools"))
        self._loader.unsupported = None
        self._may_move = bool(config.get("look_ahead")) and "_ctypes" not in _modules
        if config.get("look_ahead"):
            self._session.look_ahead = self._look_ahead
        self._run = self._session.run

    def run(self, code, number):
        """Run one cell: (status, result, error, notices[, displays])."""
        try:
            outcome = self._in_context(self._run, code, number)
        except:  # noqa: E722 - the builtin name may be gone
            # Session.run never raises, unless the cell damaged what it is made of.
            self._rescue()
            return 1, None, ("RuntimeError", _DAMAGED, ""), None
        if outcome[0]:
            self._free_import_lock()
        if self._loader.refused:
            outcome = self._with_refusals(outcome)
        elif self._may_move and (self._loader.unsupported or "_ctypes" in _modules):
            outcome = self._with_late_sights(outcome)
        return outcome

    def _look_ahead(self, codes):
        """For the first cell that imports something; the next ones ask LookAhead directly."""
        from .look_ahead import LookAhead
        look = self._session.look_ahead = LookAhead(self._loader).look
        look(codes)

    def _with_late_sights(self, outcome):
        """What LookAhead could not see: the names of modules were computed."""
        unsupported, self._loader.unsupported = self._loader.unsupported, None
        status, result, error, notices, *displays = outcome
        if status == _NEEDS_WORKER:
            return outcome
        if "_ctypes" in _modules:
            self._may_move = False
            reason = "it has imported ctypes, which needs a process of its own"
            self._run = lambda code, number: (_NEEDS_WORKER, reason, None, None)
            told = ("ctypes was imported, which needs a process of its own: the session moves to a "
                    "worker with the next call.")
        elif error and error[1] == unsupported[1]:  # else the code goes on without it
            told = self._move_next(unsupported[0])
        else:
            return outcome
        return (status, result, error, (*(notices or ()), told), *displays)

    def _move_next(self, package):
        """Answer every cell from now on with the reason why it needs a worker; run none."""
        self._may_move = False
        reason = f"it imports {package}, which does not load in a sub-interpreter"
        self._run = lambda code, number: (_NEEDS_WORKER, reason, None, None)
        return (f"The session moves to a worker process with the next call, where {package} loads. "
                "Run the import again then.")

    def snapshot(self, path, number):
        """Write the session's state to a file, as `run` answers."""
        return self._carried(self._session.snapshot, path, number)

    def restore(self, path, number):
        """Take over a state that another session wrote, as `run` answers."""
        return self._carried(self._session.restore, path, number)

    def ask(self, question, number):
        """Answer a question of the server's about the session, as `run` answers."""
        return self._carried(self._session.ask, question, number)

    def checkpoint(self, order, limit):
        """Write the session's state unasked. False: a cell came, or it can't be written."""
        import gc
        collects = gc.isenabled()
        gc.disable()  # a collection takes longer than a cell may wait
        try:
            for name in _FIRST_CHECKPOINT:  # each for itself: a cell may come
                if self._native.cell_waits():
                    return False
                try:
                    __import__(name)
                except ImportError:  # this Python was built without it
                    pass
            from .. import snapshot
            self._in_context(
                snapshot.checkpoint, self._session, order, limit, self._native.cell_waits)
            return True
        except:  # noqa: E722
            return False
        finally:
            if collects:
                gc.enable()

    def _carried(self, carry, path, number):
        try:
            outcome = self._in_context(carry, path, number)
        except:  # noqa: E722
            self._rescue()
            return 1, None, ("RuntimeError", _DAMAGED, ""), None
        self._free_import_lock()
        self._loader.take_refused()
        return outcome

    def names(self):
        return self._session.names()

    def close(self):
        """End the session. True: the interpreter is as it was before and may serve another."""
        session, self._session, self._run = self._session, None, None
        in_context, self._in_context = self._in_context, None
        try:
            if not self._free_import_lock():
                return False
            self._rescue()
            self._quiet()
            if session is not None:
                in_context(session.close)
            clean = not self._native.stop_requested()
            del session, in_context
            return self._restore() and clean
        except:  # noqa: E722
            return False

    def reset(self):
        """Close the session and begin another with the same name and place."""
        self._rescue()
        if not self.close():
            return False
        self.open(self._config)
        return True

    def _with_refusals(self, outcome):
        """Tell of refused modules where the code swallowed it; packages that fall back do."""
        status, result, error, notices, *displays = outcome
        shown = error[1] if error else ""
        swallowed = {}
        refused = self._loader.take_refused()
        for module, package, message in refused:
            if message != shown:
                swallowed.setdefault(package, (module, message))
        told = [message if error else
                f"{module} of {package} could not be loaded, and the import went on without it. If "
                "something of the package is missing or slow, use a session whose isolation is "
                "'process', or run the code as a script: subprocess.run([sys.executable, path])."
                for package, (module, message) in swallowed.items()]
        if self._config.get("look_ahead"):
            told.append(self._move_next(refused[0][1]))
        return (status, result, error, (*(notices or ()), *told) or None, *displays)
