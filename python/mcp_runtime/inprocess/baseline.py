"""Brings an interpreter back to where it stood before its first session.

Interpreters are reused, because ending one leaks and is fatal while threads of it live. What a
session imported is dropped; what was there before is compared with a snapshot and put back:
modules, classes and functions of ours and of the standard library, the lists and dicts they hold,
and what only C knows (hooks, limits, collector). Session code may have tampered with anything, so
nothing here is looked up in a module at the time of restoring: everything is kept from the start.
In doubt restore() says False and the interpreter is retired.
"""

import _thread
import _warnings
import gc
import posix
import sys
import time

_HEAP_TYPE = 1 << 9
_IMMUTABLE_TYPE = 1 << 8
_THREADS_SECONDS = 0.2

_Function = type(lambda: None)
_Module = type(sys)
_get_type_dict = type.__dict__["__dict__"].__get__


class Baseline:
    def __init__(self, native, patches, dirty):
        self._native = native
        self._dirty = dirty
        self._patches = patches
        self._directory = None
        self._kept = {}
        patches.after_every_import(self._loaded)
        self._capture()

    # Taking the snapshot

    def _capture(self):
        self._functions = {}
        self._classes = {}
        self._containers = []
        self._module_dicts = []
        self._seen = set()
        self._modules = dict(sys.modules)
        for name, module in self._modules.items():
            self._capture_module(name, module)
        self._builtins = sys.modules["builtins"].__dict__
        self._process = _ProcessState()

    def _capture_module(self, name, module):
        if type(module) is not _Module or name == "__main__":
            return
        names = module.__dict__
        self._module_dicts.append((names, dict(names)))
        for value in names.values():
            kind = type(value)
            if kind is _Function:
                self._capture_function(value)
            elif kind is list or kind is dict or kind is set:
                self._capture_container(value)
            elif isinstance(value, type):
                self._capture_class(value)

    def _capture_function(self, function):
        self._functions[id(function)] = (
            function, function.__code__, function.__defaults__, function.__kwdefaults__)

    def _capture_container(self, value):
        if id(value) not in self._seen and value is not sys.modules:
            self._seen.add(id(value))
            self._containers.append((value, value.copy()))

    def _capture_class(self, cls):
        if id(cls) in self._classes:
            return
        flags = cls.__flags__
        if not flags & _HEAP_TYPE or flags & _IMMUTABLE_TYPE:
            return
        names = dict(_get_type_dict(cls))
        self._classes[id(cls)] = (cls, names)
        for value in names.values():
            if type(value) is _Function:
                self._capture_function(value)

    def _loaded(self, spec, module):
        pass

    # Ending what runs

    def end_threads(self):
        """Ask the session's threads to end and wait a moment. False: some live on."""
        threading = sys.modules.get("threading")
        count = self._process.thread_count
        if not count():
            return True
        if threading is not None:
            _ask_threads(threading)
        deadline = time.monotonic() + _THREADS_SECONDS
        pause = 0.0005
        while count():
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        return True

    # Putting it back

    def restore(self):
        """Undo what sessions did; False when the interpreter must not be used again."""
        process = self._process
        clean = process.run_exit_handlers(self._native)
        self._restore_modules()
        self._restore_values()
        clean = process.restore() and clean
        stoppable = self._native.stoppable
        try:
            stoppable(True)
            process.collect()
        except BaseException:
            clean = False
        finally:
            stoppable(False)
        # Finalisers have run in there: what they brought back goes as well.
        self._restore_modules()
        self._restore_values()
        return clean and not self._dirty and not process.thread_count()

    def _restore_modules(self):
        modules = self._process.modules
        before = self._modules
        for name in list(modules):
            if name not in before:
                modules.pop(name, None)
        for name, module in before.items():
            if modules.get(name) is not module:
                modules[name] = module

    def _restore_values(self):
        for names, saved in self._module_dicts:
            _restore_dict(names, saved)
        for value, saved in self._containers:
            if type(value) is dict:
                _restore_dict(value, saved)
            elif type(value) is list:
                value[:] = saved
            else:
                value.clear()
                value.update(saved)
        for cls, saved in self._classes.values():
            _restore_class(cls, saved)
        for function, code, defaults, keyword_defaults in self._functions.values():
            if function.__code__ is not code:
                function.__code__ = code
            if function.__defaults__ is not defaults:
                function.__defaults__ = defaults
            if function.__kwdefaults__ is not keyword_defaults:
                function.__kwdefaults__ = keyword_defaults


def _restore_dict(names, saved):
    for name in list(names):
        if name not in saved:
            del names[name]
    for name, value in saved.items():
        if name not in names or names[name] is not value:
            names[name] = value


def _restore_class(cls, saved):
    names = _get_type_dict(cls)
    for name in list(names):
        if name not in saved:
            type.__delattr__(cls, name)
    for name, value in saved.items():
        if name not in names or names[name] is not value:
            type.__setattr__(cls, name, value)


def _ask_threads(threading):
    """Timers are cancelled and pools told to go home, as at the end of a program."""
    try:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()
        handlers = threading._threading_atexits
        while handlers:
            handlers.pop()()
    except Exception:
        pass


class _ProcessState:
    """What an interpreter keeps in C: read once, put back after each session."""

    def __init__(self):
        import atexit

        self.modules = sys.modules
        self.thread_count = _thread._count
        self._sys = sys.__dict__
        self._run_exitfuncs = atexit._run_exitfuncs
        self._clear_exitfuncs = atexit._clear
        self._ncallbacks = atexit._ncallbacks
        self._umask = posix.umask
        self._mask = posix.umask(0o022)
        posix.umask(self._mask)
        self._chdir = posix.chdir
        self._home = posix.getcwd()
        self._gc = (gc.collect, gc.callbacks, gc.garbage)
        getters_and_setters = (
            (sys.getrecursionlimit, sys.setrecursionlimit),
            (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
            (sys.getswitchinterval, sys.setswitchinterval),
            (sys.getdlopenflags, sys.setdlopenflags),
            (sys.get_coroutine_origin_tracking_depth, sys.set_coroutine_origin_tracking_depth),
            (gc.get_debug, gc.set_debug),
        )
        self._settings = [(read, write, read()) for read, write in getters_and_setters]
        self._threshold = gc.get_threshold()
        self._set_threshold = gc.set_threshold
        self._gc_on = (gc.isenabled, gc.enable, gc.unfreeze)
        self._settrace = sys.settrace
        self._setprofile = sys.setprofile
        self._set_asyncgen_hooks = sys.set_asyncgen_hooks
        self._monitoring = sys.monitoring
        self._filters_mutated = getattr(
            _warnings, "_filters_mutated_lock_held", None) or getattr(
            _warnings, "_filters_mutated", None)

    def run_exit_handlers(self, native):
        """What the session registered with atexit; a program's end, bounded by the closing's."""
        if not self._ncallbacks():
            return True
        try:
            try:
                native.stoppable(True)
                self._run_exitfuncs()
            finally:
                native.stoppable(False)
        except BaseException:
            pass
        self._clear_exitfuncs()
        return not native.stop_requested()

    def restore(self):
        self._settrace(None)
        self._setprofile(None)
        self._set_asyncgen_hooks(None, None)
        for tool in range(6):
            if self._monitoring.get_tool(tool) is not None:
                self._monitoring.free_tool_id(tool)
        for read, write, value in self._settings:
            if read() != value:
                write(value)
        self._set_threshold(*self._threshold)
        is_enabled, enable, unfreeze = self._gc_on
        if not is_enabled():
            enable()
        unfreeze()
        _, callbacks, garbage = self._gc
        callbacks.clear()
        garbage.clear()
        self._umask(self._mask)
        self._chdir(self._home)
        return True

    def collect(self):
        collect = self._gc[0]
        collect()
        collect()
