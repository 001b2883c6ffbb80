"""Brings an interpreter back to where it stood before its first session.

Interpreters are reused, because ending one leaks and is fatal while threads of it live. What a
session imported is dropped; what was there before is put back to a snapshot: modules, classes and
functions of ours and of the standard library, the lists and dicts they hold (here), and what only
C knows: hooks, limits, the collector (see process_state).

Session code may have tampered with anything, our own modules included. So restoring begins with
closures over what was captured at the start; they look nothing up in a module or a class until
those are back. What can't be put back retires the interpreter: restore() says False.
"""

import sys

from .process_state import ProcessState

_HEAP_TYPE = 1 << 9
_IMMUTABLE_TYPE = 1 << 8

_Function = type(lambda: None)
_Module = type(sys)
_class_names = type.__dict__["__dict__"].__get__


class Baseline:
    """The snapshot; taken at the end of bootstrap, on the interpreter's own thread."""

    def __init__(self, native, patches, undo, dirty):
        self._native = native
        self._undo = undo
        self._dirty = dirty
        snapshot = _Snapshot()
        self._put_back = snapshot.restorer()
        self._state = ProcessState(native)
        self.quiet = self._state.quiet
        self.free_import_lock = self._state.free_import_lock
        # The classes of syntax trees belong to the interpreter and outlive their module.
        patches.after_import("_ast", snapshot.add_classes_of)

    def rescue(self):
        """Make builtins, modules and our own code trustworthy again, whatever was done to them.

        What the session imported is still there afterwards.
        """
        self._put_back(False)

    def restore(self):
        """Undo what the session did; False when the interpreter must not be used again."""
        state = self._state
        clean = state.free_import_lock() and state.run_exit_handlers()
        for action in self._undo:
            clean = action() is not False and clean
        clean = state.restore() and clean
        self._put_back(True)
        clean = state.collect() and clean
        # Finalisers have run in there: what they brought back goes as well.
        self._put_back(True)
        return clean and state.free_import_lock() and not self._dirty and state.threads() == 0


class _Snapshot:
    """Shallow copies of everything mutable that is reachable from a module by one name."""

    def __init__(self):
        self.modules = dict(sys.modules)
        self.functions = {}
        self._classes = {}
        self._class_list = []
        self.containers = {}
        self.namespaces = []
        self.registries = []
        for name, module in self.modules.items():
            if type(module) is _Module and name != "__main__":
                self._add_module(module.__dict__)

    def _add_module(self, names):
        self.namespaces.append((names, dict(names)))
        for value in names.values():
            kind = type(value)
            if kind is _Function:
                self._add_function(value)
            elif kind is list or kind is dict or kind is set:
                if value is not sys.modules:
                    self.containers[id(value)] = (value, value.copy())
            elif isinstance(value, type):
                self._add_class(value)

    def _add_function(self, function):
        self.functions[id(function)] = (
            function, function.__code__, function.__defaults__, function.__kwdefaults__)

    def _add_class(self, cls):
        flags = cls.__flags__
        if id(cls) in self._classes or not flags & _HEAP_TYPE or flags & _IMMUTABLE_TYPE:
            return
        names = dict(_class_names(cls))
        self._classes[id(cls)] = (cls, names)
        self._class_list.append((cls, names))
        if "_abc_impl" in names:
            self._add_registry(cls)
        for value in names.values():
            if type(value) is _Function:
                self._add_function(value)

    def add_classes_of(self, module):
        for value in list(module.__dict__.values()):
            if isinstance(value, type):
                self._add_class(value)

    def _add_registry(self, cls):
        """Abstract classes keep in C who was registered with them."""
        from _abc import _get_dump

        registered = [reference() for reference in _get_dump(cls)[0]]
        self.registries.append((cls, [entry for entry in registered if entry is not None]))

    def restorer(self):
        """A function that puts all of it back; with True it drops later modules as well."""
        import _abc
        import builtins

        modules, before = sys.modules, self.modules
        namespaces, registries = self.namespaces, self.registries
        containers = list(self.containers.values())
        classes = self._class_list  # grows when a module with lasting classes is imported
        functions = list(self.functions.values())
        restore_builtins, saved_builtins = builtins.__dict__.update, dict(builtins.__dict__)
        dump, forget, register = _abc._get_dump, _abc._reset_registry, _abc._abc_register
        drop_caches = _abc._reset_caches
        class_names, set_on_class, delete_from_class = (
            _class_names, type.__setattr__, type.__delattr__)

        def restore_dict(names, saved):
            for name in list(names):
                if name not in saved:
                    del names[name]
            for name, value in saved.items():
                if name not in names or names[name] is not value:
                    names[name] = value

        def restore_class(cls, saved):
            names = class_names(cls)
            for name in list(names):
                if name not in saved:
                    delete_from_class(cls, name)
            for name, value in saved.items():
                if name not in names or names[name] is not value:
                    set_on_class(cls, name, value)

        def restore_function(function, code, defaults, keyword_defaults):
            if function.__code__ is not code:
                function.__code__ = code
            if function.__defaults__ is not defaults:
                function.__defaults__ = defaults
            if function.__kwdefaults__ is not keyword_defaults:
                function.__kwdefaults__ = keyword_defaults

        def restore_registry(cls, registered):
            now = [reference() for reference in dump(cls)[0]]
            if len(now) != len(registered) or not all(entry in registered for entry in now):
                forget(cls)
                for entry in registered:
                    register(cls, entry)
                drop_caches(cls)

        def put_back(drop_later):
            restore_builtins(saved_builtins)  # first, and with nothing looked up by name
            for namespace, saved in namespaces:
                restore_dict(namespace, saved)
            for value, saved in containers:
                if type(value) is dict:
                    restore_dict(value, saved)
                elif type(value) is list:
                    value[:] = saved
                else:
                    value.clear()
                    value.update(saved)
            for entry in classes:
                restore_class(*entry)
            for entry in functions:
                restore_function(*entry)
            for entry in registries:
                restore_registry(*entry)
            if drop_later:
                for name in list(modules):
                    if name not in before:
                        modules.pop(name, None)
            modules.update(before)

        return put_back
