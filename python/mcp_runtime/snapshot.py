"""Carries the state of one session to another, by way of a file.

Called by Session. A state is *carried* when a session moves and goes on elsewhere, and *kept* when
somebody wants to come back to it; one that is kept has something told about it, and is on the disk
when save() returns. What is moved: the names of the namespace, shared objects shared as before; what
snapshot_surroundings tells; which results `_`, `__` and `___` are. What can't be moved is left behind by
itself and named with its reason. Between versions of Python only plain data and modules move.

Pickling runs user code (`__reduce__`, `__getstate__`, `__setstate__`), so it happens inside stoppable
regions, one for each name. A stop ends the pickling, not the snapshot: what was pickled until then
is kept. So names come in an order in which what might hang comes last: plain data, functions and
classes, objects of libraries, containers, objects whose classes say themselves how to be pickled.
"""

from __future__ import annotations

import json
import sys
from builtins import (
    BaseException,
    Exception,
    __import__,
    any,
    bool,
    bytearray,
    dict,
    frozenset,
    id,
    len,
    list,
    min,
    set,
    sorted,
    str,
    tuple,
    type,
)

from mcp_runtime import bundled, errors, snapshot_surroundings
from mcp_runtime.result_text import printable
from mcp_runtime.snapshot_file import Reader, SnapshotError, TooLarge, Writer
from mcp_runtime.snapshot_records import (
    PLAIN_TYPES,
    Care,
    NotPlain,
    RecordReader,
    RecordWriter,
    plain_class_ids,
    reduces_itself,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mcp_runtime.session import Session

    Carried = tuple[str, list[str]]

# Names spelled out in a notice, and in the summary; a namespace may have thousands.
MAXIMUM_NAMED = 20
# Names and reasons in a summary, in bytes of JSON: it goes into one message of the wire.
MAXIMUM_SUMMARISED = 300_000
MAXIMUM_REASON = 200
# Modules below those of the namespace that are imported again.
MAXIMUM_SUBMODULES = 200

_Module = type(sys)
_Function = type(lambda: None)
# Of the module __main__ itself, or made by the compiler for annotations.
_NOT_THE_USERS = frozenset({
    "__builtins__", "__name__", "__doc__", "__loader__", "__spec__", "__package__",
    "__warningregistry__", "__annotate__", "__conditional_annotations__", "__annotations_cache__",
})  # fmt: skip
_TOO_LATE = "the time was over before its turn"
# How often a checkpoint begins anew; each time one more name is known.
MAXIMUM_ATTEMPTS = 50
# Of one text in a checkpoint that somebody may wait for: copying it takes a fraction of a millisecond.
MAXIMUM_BLOCK = 2 << 20
_BLOCKS = (str, bytearray)
# What cloudpickle imports: each for itself, where somebody may wait.
_SLOW_TO_IMPORT = (
    "collections.abc", "enum", "functools", "weakref", "types", "ast", "opcode", "dis", "tokenize",
    "inspect", "copy", "dataclasses", "logging", "platform", "typing", "uuid", "threading",
)  # fmt: skip

(_DEFINITIONS, _OBJECTS, _CONTAINERS, _RISKY) = (1, 2, 3, 4)
_get_mro: Any = type.__dict__["__mro__"].__get__


def save(session: Session, order: str) -> Carried:
    """Writes the session's state; (summary, notices). Raises SnapshotError when it can't be.

    The order is a path. Of a state that is kept two texts follow, what is told about it and more,
    each behind a zero character; notices are empty then.
    """
    writer, kept = _writer_for(order)
    writer.durable = kept
    try:
        summary, notices = _Saving(session, writer).run()
    finally:
        writer.discard()
    return summary, [] if kept else notices


class GaveUp(BaseException):
    """Somebody waits for the session, whose state was being written unasked."""


def checkpoint(session: Session, order: str, limit: int, waits: Callable[[], bool] | None) -> None:
    """Writes the session's state unasked, as save() does one that is kept: `limit` bytes at most, and
    not made to outlast the machine.

    `waits` says whether somebody waits for the session; then GaveUp is raised within about a
    millisecond, nothing is written, and no code of the user's is run at any time. Without it nobody
    waits: this is a process of its own. What does not fit is left behind by its name.
    """

    def look() -> None:
        if waits is not None and waits():
            raise GaveUp

    care = Care(look)
    care.hurried = waits is not None
    look()
    for name in _SLOW_TO_IMPORT if waits is not None else ():
        __import__(name)
        look()
    sys.modules["__main__"] = session.main  # as before every cell
    session.forget_abandoned()
    known: dict[str, str | None] = {}
    while True:
        writer = _writer_for(order)[0]
        try:
            writer.limit = limit
            writer.between = look
            saving = _Saving(session, writer, care)
            saving.known = known
            saving.run()
            return
        except _Again:
            if len(known) > MAXIMUM_ATTEMPTS:
                raise
        except GaveUp:
            session.abandoned = writer  # to remove it may take the disk some milliseconds
            raise
        finally:
            if session.abandoned is not writer:
                writer.discard()


class _Again(Exception):
    """A name failed, and taking back what it left in the memo would take too long: the writing begins
    anew, with what is known by now."""


def _writer_for(order: str) -> tuple[Writer, bool]:
    """(the file that an order names, whether the state is to be kept)."""
    path, *about = order.split("\0", 2)
    texts = [text.encode("utf-8", "surrogatepass") for text in (*about, "", "")[:2]]
    return Writer(path, (texts[0], texts[1])), bool(about)


def restore(session: Session, path: str) -> Carried:
    """Reads a state into the session; (summary, notices). Raises SnapshotError for a bad file."""
    reader, failure = _guarded(session, Reader, path)
    if failure is not None:
        raise failure
    try:
        return _Restoring(session, reader).run()
    finally:
        reader.close()


class _Saving:
    def __init__(self, session: Session, writer: Writer, care: Care | None = None) -> None:
        self._session = session
        self._writer = writer
        self._care = care
        self._records = RecordWriter(session.namespace, session.main, care)
        self._left_behind: dict[str, str] = {}
        self._plain: list[list[Any]] = []  # [name, place, length]
        self._objects: list[list[Any]] = []
        self._stopped = False
        self._apart = False  # objects were written without what plain records share
        # Of names that failed before: why they are left behind; None: they are no plain data.
        self.known: dict[str, str | None] = {}
        # A copy: other threads of the session may bind names meanwhile.
        self._names: dict[str, Any] = {
            name: value
            for name, value in list(session.namespace.items())
            if type(name) is str and name not in _NOT_THE_USERS
        }

    def run(self) -> Carried:
        surroundings = snapshot_surroundings.describe(self._session)
        piece = self._writer.append([json.dumps(surroundings).encode("ascii")])
        modules = self._take_modules()
        helpers = self._write_names(modules)
        names = [name for name in self._names if name not in self._left_behind]
        self._writer.commit({
            "order": names,
            "left_behind": _bounded(self._left_behind),
            "surroundings": piece,
            "modules": modules,
            "submodules": _submodules(set(modules.values())),
            "plain": self._plain,
            "helpers": helpers,
            "apart": self._apart,
            "objects": self._objects,
            "results": self._session.results_shown(),
        })  # fmt: skip
        more = {"running": _running(self._session)}
        return _summary("saved", names, self._left_behind, more), self._notices()

    def _take_modules(self) -> dict[str, str]:
        """Modules go by the name under which they are imported."""
        modules: dict[str, str] = {}
        for name, value in self._names.items():
            if type(value) is _Module and value is not self._session.main:
                module_name = value.__dict__.get("__name__")
                if type(module_name) is str and sys.modules.get(module_name) is value:
                    modules[name] = module_name
        return modules

    def _write_names(self, modules: dict[str, str]) -> tuple[int, int] | None:
        """Writes all records; the place of the one that stands before those of objects."""
        namespace = self._session.namespace
        plain = plain_class_ids()
        others: list[tuple[int, str]] = []
        for name, value in self._names.items():
            kind = type(value)
            if name in modules:
                continue
            is_container = kind in PLAIN_TYPES
            if value is not namespace and (is_container or id(kind) in plain):
                if self._write(self._plain, name, value):
                    continue
                others.append((_CONTAINERS, name))
            else:
                others.append((_group_of(value), name))
        if not others:
            return None
        self._apart = self._records.apart()
        helpers = self._begin_objects(others)
        if helpers is not None:
            for _, name in sorted(others, key=_group):
                self._write(self._objects, name, self._names[name])
        return helpers

    def _begin_objects(self, others: list[tuple[int, str]]) -> tuple[int, int] | None:
        def begin() -> list[bytes]:
            return self._records.begin_objects(bundled.cloudpickle())

        chunks, failure = (None, None) if self._over() else _guarded(self._session, begin)
        if chunks is not None:
            return self._writer.append(chunks)
        if type(failure) is GaveUp:
            raise failure
        self._stopped = self._stopped or _is_stop(self._session, failure)
        reason = _TOO_LATE if failure is None or self._stopped else _reason(self._session, failure)
        for _, name in others:
            self._left_behind.setdefault(name, reason)
        return None

    def _write(self, records: list[list[Any]], name: str, value: Any) -> bool:
        """Writes one record. False: the name is no plain data, and its turn comes later."""
        if self._over():
            self._left_behind[name] = _TOO_LATE
            return True
        if self._care is not None:
            refused = self.known.get(name) or self._refused(value)
            if refused:
                self._left_behind[name] = refused
                return True
            if name in self.known and records is self._plain:
                return False
        chunks, failure = _guarded(self._session, self._records.record, value)
        if chunks is not None:
            place, length = self._writer.append(chunks)
            records.append([name, place, length])
            return True
        if type(failure) is GaveUp:
            raise failure
        if self._records.apart():
            plain = type(failure) is not NotPlain
            self.known[name] = _reason(self._session, failure) if plain else None
            raise _Again
        self._records.undo()
        if type(failure) is NotPlain:
            return False
        if _is_stop(self._session, failure):
            self._stopped = True
            self._left_behind[name] = "it was still being pickled when the time was over"
        else:
            self._left_behind[name] = _reason(self._session, failure)
        return True

    def _refused(self, value: Any) -> str:
        """Why a checkpoint does without a value; empty when it does not."""
        care, kind = self._care, type(value)
        if care is None:
            return ""
        care.look()
        room = self._records.room = self._writer.room()
        if kind in _BLOCKS and room is not None:
            # Copied as one, however long that takes.
            if len(value) > (min(room, MAXIMUM_BLOCK) if care.hurried else room):
                return "it is larger than what a checkpoint has room for"
        if care.hurried and reduces_itself(kind):
            return "its class says itself how it is pickled: save_session asks it, checkpoints don't"
        return ""

    def _over(self) -> bool:
        self._stopped = self._stopped or self._session.native.stop_requested()
        return self._stopped

    def _notices(self) -> list[str]:
        notices = []
        if self._left_behind:
            notices.append(
                f"{_named(self._left_behind)} could not be moved to the new session. Make such "
                "things there again: open files and connections, start threads and tasks."
            )
        running = _running(self._session)
        if running:
            notices.append(f"{running} stayed behind and will end. Start them again.")
        return notices


class _Restoring:
    def __init__(self, session: Session, reader: Reader) -> None:
        self._session = session
        self._reader = reader
        self._table = reader.table
        self._left_behind: dict[str, str] = {}
        self._restored: list[str] = []
        self._stopped = False
        self._same_version = reader.python == tuple(sys.version_info[:2])

    def run(self) -> Carried:
        table = self._table
        surroundings = json.loads(self._reader.piece(*table["surroundings"]))
        # Before anything else: modules may be imported from there.
        troubles = snapshot_surroundings.apply(self._session, surroundings)
        self._import_modules()
        if self._same_version:
            self._read(RecordReader(self._reader))
        else:
            self._read_plain()
        self._order()
        self._session.adopt_results(table["results"])
        notices = []
        if self._left_behind:
            notices.append(
                f"{_named(self._left_behind)} could not be brought back in the new session. "
                f"{self._way_out()}"
            )
        if troubles:
            notices.append(f"{_named(troubles)} could not be taken over from the session before.")
        more = {"missing": table["left_behind"], "troubles": list(troubles.items())}
        kept = self._reader.about
        return _summary("restored", self._restored, self._left_behind, more), [] if kept else notices

    def _way_out(self) -> str:
        if self._same_version:
            return "Make them again, and install the packages that are missing."
        return (
            "Only plain data and modules move to another version of Python. Run the cells that "
            "define them again."
        )

    def _import_modules(self) -> None:
        for name, module_name in self._table["modules"].items():
            module = self._imported(name, module_name)
            if module is not None:
                self._bind(name, module)
        for module_name in self._table["submodules"]:
            if module_name not in sys.modules and module_name.partition(".")[0] in sys.modules:
                self._imported(module_name, module_name)

    def _imported(self, name: str, module_name: str) -> Any:
        if self._stopped:
            self._left_behind[name] = _TOO_LATE
            return None
        _, failure = _guarded(self._session, __import__, module_name)
        if failure is None:
            return sys.modules.get(module_name)
        self._note_failure(name, failure)
        return None

    def _read(self, records: RecordReader) -> None:
        session, table = self._session, self._table
        self._read_records(records, table["plain"])
        if table["helpers"] is None or not table["objects"]:
            return

        def begin() -> None:
            bundled.cloudpickle()
            records.begin_objects(session.namespace, session.main, table["helpers"], table["apart"])

        failure = None if self._stopped else _guarded(session, begin)[1]
        if failure is not None:
            for name, _, _ in table["objects"]:
                self._note_failure(name, failure)
            return
        self._read_records(records, table["objects"])

    def _read_plain(self) -> None:
        self._read_records(RecordReader(self._reader, plain_only=True), self._table["plain"])
        here, (major, minor) = sys.version_info, self._reader.python
        reason = (
            f"it is more than plain data, which is all that moves from Python {major}.{minor} to "
            f"{here[0]}.{here[1]}"
        )
        for name, _, _ in self._table["objects"]:
            self._left_behind[name] = reason

    def _read_records(self, records: RecordReader, table: list[Any]) -> None:
        for name, place, length in table:
            if self._stopped:
                self._left_behind[name] = _TOO_LATE
                continue
            value, failure = _guarded(self._session, records.read, (place, length))
            if failure is None:
                self._bind(name, value)
                continue
            self._note_failure(name, failure)
            if not self._stopped:
                records.skip((place, length))
        # Making functions has bound it to the dictionary.
        self._session.namespace["__builtins__"] = sys.modules["builtins"]

    def _note_failure(self, name: str, failure: BaseException) -> None:
        if _is_stop(self._session, failure):
            self._stopped = True
            self._left_behind[name] = "it was still being restored when the time was over"
        else:
            self._left_behind[name] = _reason(self._session, failure)

    def _bind(self, name: str, value: Any) -> None:
        self._session.namespace[name] = value
        self._restored.append(name)

    def _order(self) -> None:
        """The names in the order in which they were bound before."""
        namespace = self._session.namespace
        for name in self._table["order"]:
            if name in namespace:
                namespace[name] = namespace.pop(name)


def _guarded(session: Session, action: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """(what a call that may run user code returned, None), or (None, what it raised)."""
    stoppable = session.native.stoppable
    try:
        try:
            stoppable(True)
            return action(*arguments), None
        finally:
            stoppable(False)
    except BaseException as error:
        return None, error


def _is_stop(session: Session, failure: BaseException | None) -> bool:
    return failure is not None and session.native.stop_requested()


def _reason(session: Session, failure: BaseException) -> str:
    """Why a name could not be moved, in one bounded line."""
    kind = errors.type_name(type(failure)).replace("_pickle.", "pickle.")
    message, broken = _guarded(session, str, failure)
    if broken is not None or not message:
        return kind
    text = printable(message).replace("\n", " ")
    if type(failure) is not SnapshotError and type(failure) is not TooLarge:
        text = f"{kind}: {text}"
    return text if len(text) <= MAXIMUM_REASON else text[: MAXIMUM_REASON - 1] + "…"


def _group_of(value: Any) -> int:
    """When the turn of a value comes that is not plain data; asks nothing of the value itself."""
    kind = type(value)
    if kind is _Function or type in _get_mro(kind):
        return _DEFINITIONS
    if reduces_itself(kind):
        return _RISKY
    return _CONTAINERS if any(cls in PLAIN_TYPES for cls in _get_mro(kind)) else _OBJECTS


def _group(entry: tuple[int, str]) -> int:
    return entry[0]


def _submodules(names: set[str]) -> list[str]:
    """Loaded modules below those of the namespace: `import xml.dom.minidom` binds only xml."""
    found = [
        name
        for name in list(sys.modules)
        if "." in name and name.partition(".")[0] in names and "._" not in name
    ]
    return found[:MAXIMUM_SUBMODULES]


def _running(session: Session) -> str:
    """Tasks and threads of the session, which no file can carry."""
    import _thread

    parts = []
    tasks = 0 if session.loop is None else session.loop.running_tasks()
    if tasks:
        parts.append("1 task" if tasks == 1 else f"{tasks} tasks")
    threads = _thread._count()
    if threads:
        parts.append("1 thread" if threads == 1 else f"{threads} threads")
    return " and ".join(parts)


def _named(reasons: dict[str, str]) -> str:
    """Names with their reasons, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in list(reasons.items())[:MAXIMUM_NAMED]:
        by_reason.setdefault(reason, []).append(name)
    told = [f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()]
    if len(reasons) > MAXIMUM_NAMED:
        told.append(f"and {len(reasons) - MAXIMUM_NAMED} more")
    return "; ".join(told)


def _summary(
    done: str, names: list[str], left_behind: dict[str, str], more: dict[str, Any]
) -> str:
    """What src/host/state/carried_state.h reads."""
    told = {done: len(names), "names": _bounded_names(names), "left_behind": _bounded(left_behind)}
    return json.dumps({**told, "left_behind_count": len(left_behind), **more})


def _bounded_names(names: list[str]) -> list[str]:
    return [pair[0] for pair in _bounded(dict.fromkeys(names, ""))]


def _bounded(reasons: dict[str, str]) -> list[tuple[str, str]]:
    """(name, reason), as many as a message has room for."""
    told: list[tuple[str, str]] = []
    size = 0
    for name, reason in reasons.items():
        size += 6 * (len(name) + len(reason)) + 8
        if size > MAXIMUM_SUMMARISED:
            break
        told.append((name, reason))
    return told
