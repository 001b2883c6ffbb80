"""Pickles the values of names one after the other, so that one that can't be does not spoil others.

One pickler writes all of them, each as a record of its own, and keeps its memo between them: what
two names share is written once and is shared again when one unpickler reads the records in turn.
When a record fails, what it added to the memo is taken out again; on the reading side the places it
would have filled are filled by hand, and records that refer to what is missing fail too.

Records of plain data come first and need nothing but the standard library's classes: another
version of Python reads those and stops there. Then the two sides add the session's namespace and
its module to the memo, so that functions find the new session's namespace as their globals.

What belongs to whom is found by a marker, an empty list that is written before each record.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from _io import TextIOWrapper
from builtins import (
    Exception,
    NotImplemented,
    __import__,
    any,
    bool,
    bytearray,
    bytes,
    dict,
    enumerate,
    float,
    frozenset,
    getattr,
    id,
    int,
    isinstance,
    issubclass,
    iter,
    len,
    list,
    memoryview,
    range,
    set,
    str,
    super,
    tuple,
    type,
)

from mcp_runtime.snapshot_file import TooLarge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

    from mcp_runtime.snapshot_file import Reader

PROTOCOL = 5
_Function = type(lambda: None)
_Module = type(sys)
_Cached = functools._lru_cache_wrapper
_OURS = "mcp_runtime"

# Classes whose objects move between versions of Python, with the module that has them.
PLAIN_CLASSES = {
    "builtins": ("complex", "dict", "list", "range", "str", "tuple"),
    "datetime": ("date", "time", "datetime", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
    "pathlib": ("PosixPath", "PurePosixPath", "PureWindowsPath"),
}
_LIKE_BUILT_IN = ("mcp_runtime.code_mode.values", "mcp_runtime.code_mode.listings")
# Where a version of Python says that one of them is (3.13: pathlib._local).
_MODULES = {"pathlib._local": "pathlib", "_decimal": "decimal", "_datetime": "datetime"}
# Pickled without asking anybody.
PLAIN_TYPES = (
    type(None), bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset,
)  # fmt: skip

# What functions and classes are made of again: written first, so that no record that fails takes
# them away from the others.
_HELPERS = (
    "_make_function", "_function_setstate", "_make_empty_cell", "_make_cell",
    "_make_skeleton_class", "_make_skeleton_enum", "_class_setstate", "_builtin_type", "subimport",
)  # fmt: skip


REDUCERS = (
    "__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__",
    "__getattr__", "__getattribute__",
)  # fmt: skip
_OWN_REDUCER = (
    "its class says itself how it is pickled, which checkpoints don't ask for; save_session does"
)
_get_class_names: Any = type.__dict__["__dict__"].__get__
_get_mro: Any = type.__dict__["__mro__"].__get__

# How many objects a hurried pickler remembers: to let go of so many takes a millisecond. To copy
# what it remembers takes ten times as long.
MAXIMUM_REMEMBERED = 20_000
MAXIMUM_COPIED = 4_000
_MEMOIZE, _FRAME_BYTES = b"\x94", 1 << 17

# A pickle that takes what its reader supplies (persistent_load) into the memo.
_HEAD, _SUPPLIED, _TAIL = b"\x80\x05", b"NQ\x940", b"N."


class NotPlain(Exception):
    """The value is not plain data only."""


class Care:
    """What a pickling minds that nobody has asked for: how much it writes, and whom it keeps waiting.

    `look` is called at least once for every 64 KB and for every object with a class of its own, and
    may raise.
    """

    def __init__(self, look: Callable[[], object]) -> None:
        self.look = look
        # Somebody may wait: nothing is begun that takes long and can't be left in the middle.
        self.hurried = False


def plain_class_ids() -> dict[int, Any]:
    """The classes of plain objects that are loaded, by their id; nothing is imported for it."""
    found: dict[int, Any] = {}
    for module_name, names in PLAIN_CLASSES.items():
        module = sys.modules.get(module_name)
        for name in names if module is not None else ():
            cls = getattr(module, name, None)
            if isinstance(cls, type):
                found[id(cls)] = cls
    # What tools have answered is pickled as the built-in value that it looks like.
    for module_name in _LIKE_BUILT_IN:
        module = sys.modules.get(module_name)
        for cls in getattr(module, "PLAIN", ()):
            found[id(cls)] = cls
    return found


class RecordWriter:
    """Makes records; every call but the constructor may run user code."""

    def __init__(
        self, namespace: dict[str, Any], main: ModuleType, care: Care | None = None
    ) -> None:
        self._care = care
        self.room: int | None = None  # bytes that a record may have; None: no matter how many
        self.remembered = 0  # of a hurried writer: objects in the memo, at most
        self._namespace = namespace
        self._main = main
        self._chunks: list[bytes] = []
        self._pickler: Any = _PlainPickler(self)

    def write(self, data: Any) -> None:
        """The pickler's file. What is not bytes is only lent."""
        if self._care is not None:
            self._care.look()
            size = len(data) if type(data) is bytes else memoryview(data).nbytes
            self._size += size
            if self.room is not None and self._size > self.room:
                raise TooLarge("it is larger than what a checkpoint has room for")
            if self._care.hurried:
                told = type(data) is bytes and size <= _FRAME_BYTES
                self.remembered += data.count(_MEMOIZE) if told else 1
                if self.remembered > MAXIMUM_REMEMBERED:
                    raise TooLarge(
                        "it is made of too many objects for a checkpoint in-process; save_session "
                        "takes it"
                    )
        self._chunks.append(data if type(data) is bytes else bytes(data))

    def begin_objects(self, cloudpickle: ModuleType) -> list[bytes]:
        """After the plain records: from here on anything can be pickled. Returns a record."""
        memo: dict[int, tuple[int, Any]] = {}
        if self.apart():
            self.remembered = 0
        else:
            memo = self._pickler.memo.copy()
        first = len(memo)
        memo[id(self._namespace)] = (first, self._namespace)
        memo[id(self._main)] = (first + 1, self._main)
        pickler = _pickler_class(cloudpickle)(self, protocol=PROTOCOL)
        pickler.memo = memo
        pickler.namespace = self._namespace
        pickler.care = self._care
        # Functions of the session keep its namespace, which the memo stands for.
        pickler.globals_ref[id(self._namespace)] = self._namespace
        self._pickler = pickler
        supplied = _HEAD + _SUPPLIED * 2 + _TAIL
        return [supplied, *self.record([getattr(cloudpickle, name) for name in _HELPERS])]

    def record(self, value: Any) -> list[bytes]:
        """The chunks of the record of one value. Raises what pickling raises; then undo()."""
        self._chunks = []
        self._size = 0
        self._marker: list[Any] = []
        self._pickler.dump(self._marker)
        self._pickler.dump(value)
        return self._chunks

    def apart(self) -> bool:
        """Whether the memo is too large to be copied while somebody may wait: objects are written as
        if there were no plain records then, and share nothing with them."""
        return self.remembered > MAXIMUM_COPIED

    def undo(self) -> None:
        """Forgets what a record that failed has left in the memo. Runs no user code."""
        self._chunks = []
        memo = self._pickler.memo.copy()
        entry = memo.get(id(self._marker))
        if entry is None:
            return  # not even the marker was written
        first = entry[0]
        self._pickler.memo = {key: kept for key, kept in memo.items() if kept[0] < first}


class _PlainPickler(pickle.Pickler):
    """Refuses everything that another version of Python might not have."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._allowed = plain_class_ids()

    def reducer_override(self, value: Any) -> Any:
        """Called for all but the types of PLAIN_TYPES."""
        if id(type(value)) in self._allowed or id(value) in self._allowed:
            return NotImplemented
        raise NotPlain


def _pickler_class(cloudpickle: ModuleType) -> Any:
    """cloudpickle's pickler for one session: names of its namespace travel by themselves."""

    class SessionPickler(cloudpickle.Pickler):  # type: ignore[name-defined,misc]
        namespace: dict[str, Any]
        care: Care | None

        def reducer_override(self, value: Any) -> Any:
            kind = type(value)
            if self.care is not None:
                self.care.look()
                if self.care.hurried and reduces_itself(kind):
                    raise pickle.PicklingError(_OWN_REDUCER)
            if kind is _Function or issubclass(kind, type):
                home = _standard_home(value)
                if home is not None:
                    return getattr, home
            elif kind is TextIOWrapper:
                for name in ("stdout", "stderr", "stdin"):
                    if getattr(sys, name, None) is value:
                        return getattr, (sys, name)
                raise pickle.PicklingError("an open file belongs to its process")
            elif kind is _Cached and value.__dict__.get("__module__") == "__main__":
                parameters = value.cache_parameters()
                return cached, (value.__wrapped__, parameters["maxsize"], parameters["typed"])
            return super().reducer_override(value)

        def _dynamic_function_reduce(self, function: Any) -> Any:
            reduced = super()._dynamic_function_reduce(function)
            if function.__globals__ is self.namespace:
                reduced[2][1]["__globals__"] = {}
            return reduced

    return SessionPickler


def reduces_itself(kind: type) -> bool:
    """Whether a class that a cell made says how its objects are pickled."""
    for cls in _get_mro(kind):
        names = _get_class_names(cls)
        if names.get("__module__") == "__main__" and any(name in names for name in REDUCERS):
            return True
    return False


def cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    """A function of the session's that functools.lru_cache wraps; what it remembered is not moved."""
    return functools.lru_cache(maxsize, typed)(function)


def _standard_home(value: Any) -> tuple[ModuleType, str] | None:
    """(module, name) of a function or class of ours that stands in for one of the standard
    library's: in another kind of session the name means something else."""
    if isinstance(value, _Function):
        origin = value.__module__
    else:
        origin = type.__dict__["__module__"].__get__(value)
    if type(origin) is not str or not (origin.startswith(_OURS) or origin == "_pyember"):
        return None
    name = value.__name__
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] not in sys.stdlib_module_names or module_name == "__main__":
            continue
        if type(module) is _Module and module.__dict__.get(name) is value:
            return module, name
    return None


class RecordReader:
    """Reads records in the order in which they were written. Every read may run user code."""

    def __init__(self, reader: Reader, plain_only: bool = False) -> None:
        self._reader = reader
        self._unpickler_class: Any = _PlainUnpickler if plain_only else _Unpickler
        self._unpickler: Any = self._unpickler_class(reader.file)
        self._missing: set[int] = set()  # places of the memo that a failed record should have filled
        self._marker: Any = None

    def begin_objects(
        self, namespace: dict[str, Any], main: ModuleType, record: list[int], apart: bool
    ) -> None:
        """Goes on behind the plain records, or apart from them, as RecordWriter.begin_objects did."""
        if apart:
            self._unpickler = self._unpickler_class(self._reader.file)
            self._missing.clear()
        self._unpickler.supply = iter((namespace, main)).__next__
        self._reader.file.seek(record[0])
        self._unpickler.load()  # the two
        self._unpickler.load()
        self._unpickler.load()

    def read(self, record: list[int]) -> Any:
        """The value of a record (place, length). Raises what unpickling raises; then skip()."""
        self._marker = None
        if self._missing:
            self._check_references(record)
        self._reader.file.seek(record[0])
        unpickler = self._unpickler
        self._marker = unpickler.load()
        return unpickler.load()

    def skip(self, record: list[int]) -> None:
        """Leaves a record that failed: fills its places in the memo with what is known."""
        memo = self._unpickler.memo.copy()
        first = len(memo)
        for place, value in memo.items():
            if value is self._marker and value is not None:
                first = place
        texts = _memoized(self._reader.piece(record[0], record[1]))
        for place, text in enumerate(texts, first):
            # Containers may be half filled, but strings, functions and classes are whole.
            if text is not None:
                memo[place] = text
            elif not isinstance(memo.get(place), (str, bytes, type, _Function, _Module)):
                memo[place] = None
                self._missing.add(place)
        self._restart([memo[place] for place in range(first + len(texts))])

    def _restart(self, memo: list[Any]) -> None:
        """A new unpickler with this memo. It has to be read in: what CPython's attribute `memo`
        is set to gets lost."""
        source = _Source(io.BytesIO(_HEAD + _SUPPLIED * len(memo) + _TAIL))
        self._unpickler = self._unpickler_class(source)
        self._unpickler.supply = iter(memo).__next__
        self._unpickler.load()
        source.file = self._reader.file

    def _check_references(self, record: list[int]) -> None:
        for operation, argument in _operations(self._reader.piece(record[0], record[1])):
            if operation in ("GET", "BINGET", "LONG_BINGET") and int(argument) in self._missing:
                raise pickle.UnpicklingError("it shares objects with a name that was left behind")


class _Source:
    """A file that can be changed for another under an unpickler."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, count: int) -> Any:
        return self.file.read(count)

    def readinto(self, buffer: Any) -> Any:
        return self.file.readinto(buffer)

    def readline(self) -> Any:
        return self.file.readline()


class _Unpickler(pickle.Unpickler):
    supply: Any = None

    def persistent_load(self, _: Any) -> Any:
        """What is put into the memo from outside."""
        return self.supply()


class _PlainUnpickler(_Unpickler):
    """For a file that another version of Python wrote."""

    def find_class(self, module_name: str, name: str) -> Any:
        """Only the classes of plain data, wherever this version of Python keeps them."""
        module_name = _MODULES.get(module_name, module_name)
        if name not in PLAIN_CLASSES.get(module_name, ()):
            raise pickle.UnpicklingError(f"{module_name}.{name} is not plain data")
        return getattr(__import__(module_name), name)


def _memoized(data: bytes) -> list[str | None]:
    """What a record puts into the memo: its strings; None for everything else."""
    found: list[str | None] = []
    previous: str | None = None
    for operation, argument in _operations(data):
        if operation == "MEMOIZE":
            found.append(previous)
        previous = argument if "BINUNICODE" in operation else None
    return found


def _operations(data: bytes) -> Iterator[tuple[str, Any]]:
    """The opcodes of a record's two pickles, by name."""
    import pickletools

    file = io.BytesIO(data)
    while file.tell() < len(data):
        for operation, argument, _ in pickletools.genops(file):
            yield operation.name, argument
