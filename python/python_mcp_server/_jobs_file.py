"""The file jobs.json: a JSON array that several processes read and write.

Whoever writes holds flock() on jobs.json.lock, reads what is there, changes its own part and
renames a new file into place; so readers need no lock and never see half a file. Members and
records that we don't know are kept. Used by _state alone.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Signature = tuple[int, int, int]

_PAUSE = 0.005  # between two attempts to take the lock
# Files written within one tick of the kernel's clock (10 ms at most) may have the same time, and
# the number of a replaced file is used again: a file this young may have changed unseen.
_YOUNG_NS = 50_000_000
_log = logging.getLogger("python_mcp_server")


class Busy(Exception):
    """Another process has held the lock for all the time we were ready to wait."""


class JobsFile:
    """One jobs.json. Not safe to use from two threads at once: the state serialises its calls."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "jobs.json"
        self._directory = directory
        self._seen: tuple[Signature, list[Any]] | None = None
        self._seen_young = False
        # The text of each record as it was last written: json's encoder for indented text is slow,
        # and from one write to the next hardly anything changes.
        self._texts: dict[str, tuple[Record, str]] = {}

    def read(self) -> list[Any] | None:
        """The records, those that are none included; None when the file is missing or damaged."""
        signature = self._signature()
        if signature is None:
            return None
        if self._seen is None or self._seen[0] != signature:
            records = self._parse()
            if records is None:
                return None
            self._remember(signature, records)
            return records
        return list(self._seen[1])

    def update(self, change: Callable[[list[Any]], list[Any]], wait: float) -> bool:
        """Replaces the records by what `change` makes of them; whether there were any before.

        Nothing is written when nothing changes. `change` must not alter the records it is given.
        Raises Busy after `wait` seconds, and OSError.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked(wait):
            if self._seen_young:
                self._seen = None
            before = self.read()
            if before is None:
                self._set_damaged_file_aside()
            after = change(list(before or []))
            if after != (before or []):
                self._write(after)
            return before is not None

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        deadline = time.monotonic() + wait
        name = f"{self.path}.lock"
        lock = os.open(name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise Busy(name) from None
                    time.sleep(_PAUSE)
            try:
                yield
            finally:
                # Closing is not enough when another thread has forked meanwhile.
                fcntl.flock(lock, fcntl.LOCK_UN)
        finally:
            os.close(lock)

    def _signature(self) -> Signature | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _remember(self, signature: Signature, records: list[Any]) -> None:
        self._seen = (signature, list(records))
        self._seen_young = time.time_ns() - signature[2] < _YOUNG_NS

    def _parse(self) -> list[Any] | None:
        try:
            # What other programs write may hold NaN, which is no JSON: read as null.
            records = json.loads(self.path.read_bytes(), parse_constant=lambda _: None)
        except (OSError, ValueError, RecursionError):
            return None
        return records if isinstance(records, list) else None

    def _set_damaged_file_aside(self) -> None:
        if self._signature() is None:
            return
        aside = self.path.with_name(f"jobs.json.damaged-{time.time_ns()}")
        os.replace(self.path, aside)
        _log.warning(
            "%s is not a JSON array, so its jobs can't be read; it was renamed to %s and a new "
            "file was begun. Mend that file and put it back if you need those jobs.",
            self.path, aside.name,
        )  # fmt: skip

    def _write(self, records: list[Any]) -> None:
        texts: dict[str, tuple[Record, str]] = {}
        body = ",\n".join([self._text(record, texts) for record in records])
        self._texts = texts
        data = (f"[\n{body}\n]" if records else "[]").encode("utf-8", "replace")
        # One name is enough, since we hold the lock: nothing is left behind by processes that die.
        new = f"{self.path}.new"
        file = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
        finally:
            os.close(file)
        # Without fsync(): after a power failure the jobs are gone anyway.
        os.replace(new, self.path)
        self._seen = None
        signature = self._signature()
        if signature is not None:
            self._remember(signature, records)

    def _text(self, record: Any, texts: dict[str, tuple[Record, str]]) -> str:
        name = record.get("id") if isinstance(record, dict) else None
        if not isinstance(name, str):
            return _indented(record)
        known = self._texts.get(name)
        if known is None or known[0] != record:
            known = (record, _indented(record))
        texts[name] = known
        return known[1]


def _indented(record: Any) -> str:
    return "  " + json.dumps(record, indent=2, ensure_ascii=False).replace("\n", "\n  ")
