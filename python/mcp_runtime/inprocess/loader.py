"""Extension modules that a sub-interpreter can't load, refused before they are mapped.

What the file says about itself decides (see extension_files); of the standard library's we know.
Modules that put their definition together while they run (pybind11's can) are named in the
server's environment variable PYEMBER_TRY_EXTENSIONS, comma separated, or all with `*`: they are
left to CPython's own check.
"""

import _frozen_importlib_external as external
import posix
import sys

from .errors import three_parts

_INSTEAD = ("Use a session whose isolation is 'process' or 'auto', run code that needs it as a script, "
            "subprocess.run([sys.executable, path]), or use a pure-Python alternative")

# Of the standard library; those that are built in say it in words of their own.
_UNSUPPORTED = {
    "readline": "it drives the terminal, and a session has none",
    "_curses": "it drives the terminal, and a session has none",
    "_curses_panel": "it drives the terminal, and a session has none",
    "_tkinter": "it can serve one interpreter of a process only",
    "_tracemalloc": "it traces the memory of the whole process",
    "faulthandler": "it handles the signals of the whole process; crashes of a session are "
                    "reported by the server with their Python stack",
    "_testcapi": "CPython's own tests may change any part of the process",
    "_testinternalcapi": "CPython's own tests may change any part of the process",
}


class Loader:
    def __init__(self, patches, enabled):
        self._patches = patches
        self._enabled = enabled
        self.refused = []  # (module, package, message), since the last take_refused()
        self.unsupported = None  # (module, message) of the standard library's that was refused last
        self._packages = set()
        wanted = posix.environ.get(b"PYEMBER_TRY_EXTENSIONS", b"").decode()
        self._tried = frozenset(name.strip() for name in wanted.split(",") if name.strip())
        self._standard = tuple(
            entry + "/" for entry in sys.path if entry.endswith("/lib-dynload"))

    def install(self):
        for name, why in _UNSUPPORTED.items():
            self._patches.before_import(name, self._refuser(why))
        self._patches.after_failure(self._forget_half_imported)
        if not self._enabled:
            return
        real = external.ExtensionFileLoader.create_module
        check = self._check

        def create_module(self, spec):
            """Create an uninitialized extension module"""
            check(spec.name, self.path)
            return real(self, spec)

        create_module.__code__ = create_module.__code__.replace(
            co_filename=real.__code__.co_filename)
        external.ExtensionFileLoader.create_module = create_module

    def take_refused(self):
        """The (module, package, message) of what was refused since the last call."""
        refused = tuple(self.refused)
        self.refused.clear()
        return refused

    def _refuser(self, why):
        def check(spec):
            message = three_parts(f"The module {spec.name} can't be loaded in this session", why,
                                  _INSTEAD)
            self.unsupported = (spec.name, message)
            raise ImportError(message, name=spec.name)
        return check

    def refuses(self, name, path):
        """Whether the extension module of that name in that file would be refused."""
        if path.startswith(self._standard) or "*" in self._tried or name in self._tried:
            return False
        if name.partition(".")[0] in self._tried:
            return False
        from . import extension_files
        return not extension_files.supports_own_gil(path)

    def _check(self, name, path):
        if not self.refuses(name, path):
            return
        top = name.partition(".")[0]
        from . import distributions
        package = distributions.owner(path, name)
        message = three_parts(
            f"The extension module {name} of {package} can't be loaded in this session",
            "it does not support sub-interpreters with a GIL of their own, and a session is one",
            _INSTEAD)
        self.refused.append((name, package, message))
        self._packages.add(top)
        raise ImportError(message, name=name, path=path)

    def _forget_half_imported(self, name):
        """After numpy's refusal six numpy.* modules would stay, and a second import find them."""
        if name not in self._packages or name in sys.modules:
            return
        self._packages.discard(name)
        prefix = name + "."
        for loaded in [key for key in list(sys.modules) if key.startswith(prefix)]:
            sys.modules.pop(loaded, None)

