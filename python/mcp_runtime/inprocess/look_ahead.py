"""Looks at a cell before it runs: does it import what a sub-interpreter can't load?

Reads names out of the compiled cell, files of the packages it would import, and what those require;
runs nothing of them. Used in sessions that may move to a worker process, at cells that say
`import`; what it found is remembered for the session. It need not see everything: a dynamic import
that is refused later still moves the session, one cell too late (Interpreter).
"""

import _frozen_importlib as importlib_core
import _frozen_importlib_external as importlib_files
import posix
import sys
from opcode import opmap

from ..session import NeedsWorker
from .requirements import Distributions

_Code = type((lambda: None).__code__)
_IMPORT_NAME, _IMPORT_FROM = opmap["IMPORT_NAME"], opmap["IMPORT_FROM"]
_EXTENDED_ARG = opmap["EXTENDED_ARG"]
_SUFFIXES = tuple(importlib_files.EXTENSION_SUFFIXES)
_PLAIN_SUFFIX = ".so"

# Of the standard library: refused in a sub-interpreter, or able to harm the process it shares.
_OWN_PROCESS = {
    "ctypes", "multiprocessing", "curses", "tkinter", "turtle", "readline", "tracemalloc",
    "faulthandler", "_ctypes", "_multiprocessing", "_curses", "_tkinter", "_tracemalloc",
}
_PROCESS_POOL = "ProcessPoolExecutor"
_ALONE = "needs a process of its own"
_NOT_HERE = "does not load in a sub-interpreter"

# Directory entries looked at in one package, and modules of the user's own read for one cell.
_MAXIMUM_ENTRIES = 20_000
_MAXIMUM_OWN_MODULES = 50
# Big enough for any written by hand; generated ones import nothing.
_MAXIMUM_OWN_BYTES = 1 << 20
_SKIPPED_FOLDERS = ("__pycache__", "tests", "test")


class LookAhead:
    """The looks of one session."""

    def __init__(self, loader):
        self._refuses = loader.refuses
        self._distributions = Distributions(self._refuses_file)
        self._clauses = {}  # by name of a module that was found: what is wrong with it, or None

    def look(self, codes):
        """Raises NeedsWorker when one of a cell's code objects needs another process."""
        self._own_modules = 0
        for code in codes:
            if code is None:
                continue
            try:
                found = self._clause_of_code(code)
            except Exception:
                continue  # the session changed what this needs; the imports tell their own tale
            if found is not None:
                raise NeedsWorker(f"it {found[0]} {found[1]}, which {found[2]}")

    def _clause_of_code(self, code):
        """("imports", a name, what is wrong with it) for the first one, or None."""
        imported, names = _imports_of(code)
        for name in imported:
            clause = self._clause_of(name)
            if clause is not None:
                return "imports", name, clause
        if _PROCESS_POOL in names and (
                "concurrent.futures" in sys.modules or "concurrent.futures" in imported):
            return "uses", _PROCESS_POOL, _ALONE
        return None

    def _clause_of(self, name):
        if name in sys.modules:
            return None
        if name in self._clauses:
            return self._clauses[name]
        top = name.partition(".")[0]
        if top in _OWN_PROCESS or name == "concurrent.futures.process":
            return _ALONE
        if top in sys.stdlib_module_names:
            return None
        spec = _find_official(name) if top == "mcp" else _find(name)
        if spec is None:
            return None  # not installed: the cell says so itself, and it may be there next time
        found = spec.name
        if found not in self._clauses:
            self._clauses[found] = None  # for modules that import each other
            self._clauses[found] = self._clause_of_spec(found, spec)
        clause = self._clauses[name] = self._clauses[found]
        return clause

    def _clause_of_spec(self, name, spec):
        folders = spec.submodule_search_locations
        if folders is None:
            if type(spec.loader) is importlib_files.ExtensionFileLoader:
                return _NOT_HERE if self._refuses_file(spec.origin, name) else None
        elif any(self._holds_refused(folder, name) for folder in list(folders)):
            return _NOT_HERE
        origin = spec.origin or ""
        if "/site-packages/" in origin or "/dist-packages/" in origin:
            requirement = self._distributions.refused_requirement(name.partition(".")[0], origin)
            return None if requirement is None else f"needs {requirement}, and that {_NOT_HERE}"
        return self._clause_of_own(name, spec)

    def _clause_of_own(self, name, spec):
        """Of a module that is no installed package: what it imports itself."""
        self._own_modules += 1
        if self._own_modules > _MAXIMUM_OWN_MODULES:
            return None
        if type(spec.loader) is not importlib_files.SourceFileLoader:
            return None
        try:
            if posix.stat(spec.origin).st_size > _MAXIMUM_OWN_BYTES:
                return None
            code = spec.loader.get_code(spec.name)
        except Exception:
            return None  # the import will say it
        found = self._clause_of_code(code)
        return None if found is None else f"{found[0]} {found[1]}, and that {found[2]}"

    def _refuses_file(self, path, top):
        name = path.rpartition("/")[2]
        if name.startswith("lib") and name.endswith(_PLAIN_SUFFIX) and name.count(".") == 1:
            return False  # a library for others to use, no module
        return self._refuses(top, path)

    def _holds_refused(self, folder, name):
        """Whether a package's folder holds an extension module that would be refused."""
        waiting, seen = [folder], 0
        for directory in waiting:
            try:
                with posix.scandir(directory) as entries:
                    for entry in entries:
                        seen += 1
                        if entry.name.endswith(_SUFFIXES):
                            if self._refuses_file(entry.path, name):
                                return True
                        elif (entry.name not in _SKIPPED_FOLDERS and "." not in entry.name
                              and entry.is_dir()):
                            waiting.append(entry.path)
            except OSError:
                continue
            if seen > _MAXIMUM_ENTRIES:
                break
        return False


def _imports_of(code):
    """(the modules that a code object and those inside it import by name, all names in them)."""
    imported, names, waiting = [], set(), [code]
    for current in waiting:
        names.update(current.co_names)
        operations = current.co_code
        if _IMPORT_NAME in operations:
            imported += _statements(operations, current.co_names)
        by_call = "import_module" in current.co_names or "__import__" in current.co_names
        for constant in current.co_consts:
            if type(constant) is _Code:
                waiting.append(constant)
            elif by_call and type(constant) is str and _is_module_name(constant):
                imported.append(constant)
    return imported, names


def _statements(operations, names):
    """The modules of import statements; `from a import b` tells of a and of a.b."""
    imported, extended, module = [], 0, ""
    for place in range(0, len(operations), 2):
        operation, argument = operations[place], operations[place + 1] | extended
        extended = argument << 8 if operation == _EXTENDED_ARG else 0
        if operation == _IMPORT_NAME and argument < len(names):
            module = names[argument]
            if module:
                imported.append(module)
        elif operation == _IMPORT_FROM and module and argument < len(names):
            imported.append(f"{module}.{names[argument]}")
    return imported


def _is_module_name(text):
    return len(text) < 100 and all(part.isidentifier() for part in text.split("."))


def _find(name):
    """The spec of the first package on the way to a module that is no namespace package."""
    path, prefix, spec = None, "", None
    for part in name.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        spec = importlib_core._find_spec(prefix, path)
        if spec is None or spec.loader is not None and not _is_namespace(spec):
            return spec
        path = spec.submodule_search_locations
    return None


def _find_official(name):
    """The spec of the protocol's official package for what only that has: `mcp` and much of what is
    below it are the server's own (code_mode)."""
    from ..code_mode import package
    return None if package.is_ours(name) else package.official_spec()


def _is_namespace(spec):
    return spec.origin is None and spec.submodule_search_locations is not None
