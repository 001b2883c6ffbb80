"""What is known of one job, and how it is written down. Used by _state and smart_async.

A job is either our own (its task runs in this process) or foreign: read from the jobs file, where
another process wrote it. Foreign jobs are shown as they stand in the file, and never run here.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

PENDING, RUNNING = "pending", "running"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
STATUSES = (PENDING, RUNNING, COMPLETED, FAILED, CANCELLED)

# The members every reader sees, in the order of the jobs file.
MEMBERS = (
    "id", "label", "status", "created_at", "started_at", "completed_at", "error", "result",
    "progress",
)  # fmt: skip

# Characters of each output stream that a running job keeps; what came earlier is dropped.
KEPT_OUTPUT = 8 << 20
# How much of that goes into the jobs file, which is written again several times a second.
WRITTEN_OUTPUT = 64 << 10
# A larger result stays with the process that computed it. Characters; with _state.KEPT_JOBS this
# keeps the file below what pyember's server reads.
WRITTEN_RESULT = 64 << 10
# Deeper values and larger mappings are written as their repr(): readers of JSON have limits too.
WRITTEN_DEPTH = 32
WRITTEN_MEMBERS = 1000

_LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Output:
    """One output stream of a job: bounded, with a cursor for incremental reads."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._kept = 0
        self._dropped = 0
        self._read = 0

    def append(self, text: str) -> None:
        self._parts.append(text)
        self._kept += len(text)
        if self._kept > 2 * KEPT_OUTPUT:
            self._keep(self.text()[-KEPT_OUTPUT:])

    def text(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def new_text(self) -> str:
        """What came since the last call of this function, as far as it is still kept."""
        start = max(self._read - self._dropped, 0)
        self._read = self._dropped + self._kept
        return self.text()[start:]

    def replace(self, text: str) -> None:
        """Takes over a longer state of the same stream, as another process wrote it."""
        if not text.startswith(self.text()):
            # The beginning has been dropped there: all of it is new to our readers.
            self._read = self._dropped = 0
        self._parts, self._kept = [text], len(text)

    def _keep(self, text: str) -> None:
        self._dropped += self._kept - len(text)
        self._parts, self._kept = [text], len(text)


@dataclass(eq=False)
class Job:
    """One job. Changed under the state's lock only."""

    label: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = PENDING
    created_at: datetime = field(default_factory=lambda: now())
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    result: Any = None
    progress: dict[str, Any] | None = None
    stdout: Output = field(default_factory=Output, repr=False)
    stderr: Output = field(default_factory=Output, repr=False)
    task: asyncio.Task[Any] | None = field(default=None, repr=False)
    record: dict[str, Any] | None = field(default=None, repr=False)  # as in the file, if foreign
    written: bool = field(default=False, repr=False)  # it has been in the file

    @property
    def foreign(self) -> bool:
        return self.record is not None

    @property
    def is_over(self) -> bool:
        return self.status not in (PENDING, RUNNING)

    def begin(self) -> None:
        if self.status == PENDING:
            self.status, self.started_at = RUNNING, now()

    def end(self, status: str, *, result: Any = None, error: str | None = None) -> None:
        """The first end counts: a cancelled job that returns a value all the same is cancelled."""
        if not self.is_over:
            self.status, self.completed_at = status, now()
            self.result, self.error = result, error
            self.stdout, self.stderr = Output(), Output()

    def members(self) -> dict[str, Any]:
        """What a reader in this process sees."""
        if self.record is not None:
            return {name: self.record.get(name) for name in MEMBERS}
        return {
            "id": self.id,
            "label": self.label,
            "status": self.status,
            "created_at": to_text(self.created_at),
            "started_at": to_text(self.started_at),
            "completed_at": to_text(self.completed_at),
            "error": self.error,
            "result": self.result,
            "progress": dict(self.progress) if self.progress is not None else None,
        }

    def to_record(self, owner: Mapping[str, Any]) -> dict[str, Any]:
        """What is written to the file: plain JSON values, whatever the result is."""
        running = self.status == RUNNING
        record = self.members()
        record["result"] = written_result(self.result)
        record["error"] = plain(self.error)
        record["label"] = plain(self.label)
        record["progress"] = plain(self.progress)
        record["partial_stdout"] = self.stdout.text()[-WRITTEN_OUTPUT:] if running else ""
        record["partial_stderr"] = self.stderr.text()[-WRITTEN_OUTPUT:] if running else ""
        if not self.is_over:
            record["owner"] = dict(owner)
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Job:
        job = cls(label=str(record.get("label")), id=str(record["id"]), created_at=_LONG_AGO)
        job.update_from(record)
        return job

    def update_from(self, record: dict[str, Any]) -> None:
        """Takes over what the file says of a foreign job."""
        self.record = record
        self.label = str(record.get("label"))
        self.status = str(record.get("status"))
        self.created_at = from_text(record.get("created_at")) or _LONG_AGO
        self.started_at = from_text(record.get("started_at"))
        self.completed_at = from_text(record.get("completed_at"))
        self.error, self.result = record.get("error"), record.get("result")
        self.progress = record.get("progress")
        for output, name in ((self.stdout, "partial_stdout"), (self.stderr, "partial_stderr")):
            text = record.get(name)
            output.replace(text if isinstance(text, str) else "")


def now() -> datetime:
    return datetime.now().astimezone()


def to_text(time: datetime | None) -> str | None:
    return time.isoformat(timespec="microseconds") if time is not None else None


def from_text(text: object) -> datetime | None:
    """Reads a time with or without a zone; without one it is local. None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        # Up to 3.10 fromisoformat() does not know the letter.
        time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
        return time.astimezone()
    except (ValueError, OverflowError):
        return None


def written_result(value: Any) -> Any:
    try:
        result = plain(value)
    except Exception:  # a mapping with code of its own, or one that another thread changes
        result = _described(value)
    if _size(result, WRITTEN_RESULT) > WRITTEN_RESULT:
        return {
            "truncated": True,
            "message": f"The result is larger than {WRITTEN_RESULT} characters and was not "
            "written; only the process that ran the job has it.",
        }
    return result


def _size(value: Any, limit: int) -> int:
    """About how many characters the JSON of a plain value has; stops counting past the limit."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        children = [part for pair in value.items() for part in pair]
    elif isinstance(value, list):
        children = value
    else:
        return 8
    total = 2
    for child in children:
        total += _size(child, limit - total) + 2
        if total > limit:
            break
    return total


def plain(value: Any, depth: int = WRITTEN_DEPTH) -> Any:
    """The value in terms of JSON that every reader takes; what JSON can't say becomes text.

    Numbers that are not finite become null, integers beyond 64 bits and keys that are no text
    become text, and so does everything that nests too deeply or is of a type of its own. User code
    may be called (repr, model_dump); what it raises is swallowed.
    """
    if value is None or value is True or value is False:
        return value
    if type(value) is str:
        return value
    if type(value) is int:
        return value if -(2**63) <= value < 2**64 else _described(value)
    if type(value) is float:
        return value if math.isfinite(value) else None
    if depth <= 0 or (isinstance(value, Mapping) and len(value) > WRITTEN_MEMBERS):
        return _described(value)
    if isinstance(value, Mapping):
        return {_key(key): plain(value[key], depth - 1) for key in list(value)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth - 1) for item in list(value)]
    return _converted(value, depth)


def _converted(value: Any, depth: int) -> Any:
    """Subclasses of plain types, models and dataclasses by their content; others described."""
    for kind in (str, int, float):
        if isinstance(value, kind):
            return plain(kind(value), depth - 1)
    fields = getattr(type(value), "__dataclass_fields__", None)
    try:
        if callable(getattr(type(value), "model_dump", None)):
            return plain(value.model_dump(), depth - 1)
        if fields is not None:
            return {name: plain(getattr(value, name), depth - 1) for name in fields}
    except Exception:
        pass
    return _described(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    return str(key) if isinstance(key, (int, float)) else _described(key)


def _described(value: Any) -> str:
    try:
        return repr(value)[:WRITTEN_OUTPUT]
    except Exception:  # integers of very many digits have no repr() either
        return f"<{type(value).__name__}>"
