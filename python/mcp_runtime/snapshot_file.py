"""The file that holds a session's state: a header, what is told about it, pieces, a table of them.

    magic, format, Python's version, length of the rest, place of the table,
    lengths of the two texts, sha256 of the first, sha256 of the rest and of the header before it
    two texts about the session: what the server reads (src/host/state/state_file.h), and more
    the pieces, one after the other
    the table, JSON

Written under another name with mode 0600 and renamed when it is complete, so that nobody meets half
a file. Reading begins with the checksum: nothing of a damaged file is interpreted.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from builtins import (
    BaseException,
    Exception,
    FileNotFoundError,
    OSError,
    PermissionError,
    ValueError,
    bytes,
    dict,
    int,
    isinstance,
    len,
    max,
    memoryview,
    min,
    open,
    type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

MAGIC = b"pyember\0"
FORMAT = 2
_HEADER = struct.Struct("<8s4HQQQQ32s32s")
_CHECKED = _HEADER.size - 32  # of the header; the rest is the checksum
_READ_BYTES = 1 << 20
# Written and digested at once; whoever may be interrupted looks up between two.
_SLICE_BYTES = 1 << 16
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


# Of the files; in a list, because a room's worker changes it.
_mode = [0o600]


def share() -> None:
    """From now on states are readable by everybody who gets to them: in a room that is the server
    alone, which may be another user there."""
    _mode[0] = 0o644


class SnapshotError(Exception):
    """A state could not be written or read as a whole; the message is for people."""

    __module__ = "builtins"  # shown without a module's name


class TooLarge(SnapshotError):
    """A piece does not fit into what the file may take."""


class Writer:
    """Writes one file; nothing is at `path` until commit()."""

    def __init__(self, path: str, about: tuple[bytes, bytes] = (b"", b"")) -> None:
        self.limit: int | None = None  # of the pieces, in bytes
        self.durable = False  # it is on the disk before it is at its place
        self.between: Callable[[], object] | None = None  # called often; may raise
        self._about = about
        self._path = path
        self._temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.part"
        self._digest = hashlib.sha256()
        self._length = 0
        try:
            self._descriptor = os.open(self._temporary, _FLAGS, 0o600)
            try:
                os.fchmod(self._descriptor, _mode[0])
            except PermissionError:  # behind a fence, where it is the server's user's already
                pass
            self._write(bytes(_HEADER.size))
        except OSError as error:
            raise _unwritable(path, error) from error
        self.append(about)

    def room(self) -> int | None:
        """The bytes that may still be written; None: no matter how many."""
        return None if self.limit is None else max(0, self.limit - self._length)

    def append(self, chunks: Iterable[bytes]) -> tuple[int, int]:
        """Adds a piece; returns its place and its length."""
        place = _HEADER.size + self._length
        before = self._length
        try:
            for chunk in chunks:
                self._add(memoryview(chunk))
        except OSError as error:
            raise _unwritable(self._path, error) from error
        return place, self._length - before

    def commit(self, table: dict[str, Any]) -> None:
        """Adds the table and puts the file in its place."""
        place, _ = self.append([json.dumps(table).encode("ascii")])
        major, minor = sys.version_info[:2]
        first, more = self._about
        told = (
            MAGIC, FORMAT, major, minor, 0, self._length, place, len(first), len(more),
            hashlib.sha256(first).digest(),
        )  # fmt: skip
        self._digest.update(_HEADER.pack(*told, b"")[:_CHECKED])
        try:
            os.pwrite(self._descriptor, _HEADER.pack(*told, self._digest.digest()), 0)
            if self.durable:
                os.fsync(self._descriptor)
            os.rename(self._temporary, self._path)
            os.close(self._descriptor)
            self._descriptor = -1
            if self.durable:
                _sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def discard(self) -> None:
        """Removes what was written, unless it was committed."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        try:
            os.unlink(self._temporary)
        except OSError:
            pass

    def _add(self, data: memoryview) -> None:
        while len(data):
            if self.between is not None:
                self.between()
            piece = data[:_SLICE_BYTES]
            self._write(piece)
            self._digest.update(piece)
            self._length += len(piece)
            data = data[len(piece) :]

    def _write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while len(rest):
            rest = rest[os.write(self._descriptor, rest) :]


class Reader:
    """One file, checked when it is opened. `file` is positioned by whoever reads from it."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self.file = open(path, "rb")
        except FileNotFoundError as error:
            raise SnapshotError(
                f"The saved state {path} does not exist: it was never written, or has been "
                "removed. Go on with the fresh session and make its names anew."
            ) from error
        except OSError as error:
            raise SnapshotError(
                f"The saved state {path} can't be opened ({error.strerror}). See that the user who "
                "runs the server may read it, or go on with the fresh session."
            ) from error
        try:
            self._check()
        except BaseException:
            self.file.close()
            raise

    def piece(self, place: int, length: int) -> bytes:
        """A piece by its place and length."""
        self.file.seek(place)
        return self.file.read(length)

    def close(self) -> None:
        self.file.close()

    def _check(self) -> None:
        header = self.file.read(_HEADER.size)
        if len(header) != _HEADER.size or header[: len(MAGIC)] != MAGIC:
            raise self._damaged("it does not begin as a saved state does")
        _, form, major, minor, _, length, place, about, _, _, digest = _HEADER.unpack(header)
        if form != FORMAT:
            raise self._damaged(f"its format is {form}, and this runtime reads format {FORMAT}")
        if os.fstat(self.file.fileno()).st_size != _HEADER.size + length:
            raise self._damaged("its length is not the one it had when it was written")
        if self._digest_of(length, header) != digest:
            raise self._damaged("its checksum does not fit its content")
        self.python = (major, minor)
        self.about = about > 0  # something is told about it: it was kept
        end = _HEADER.size + length
        try:
            table = json.loads(self.piece(place, end - place)) if place <= end else None
        except ValueError:
            table = None
        if not isinstance(table, dict):
            raise self._damaged("its table is missing")
        self.table: dict[str, Any] = table

    def _digest_of(self, length: int, header: bytes) -> bytes:
        digest = hashlib.sha256()
        while length > 0:
            data = self.file.read(min(length, _READ_BYTES))
            if not data:
                break
            digest.update(data)
            length -= len(data)
        digest.update(header[:_CHECKED])
        return digest.digest()

    def _damaged(self, how: str) -> SnapshotError:
        return SnapshotError(
            f"The saved state {self._path} can't be used: {how}. Nothing was restored; go on with "
            "the fresh session and make its names anew."
        )


def _sync_folder(path: str) -> None:
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: str, error: OSError) -> SnapshotError:
    return SnapshotError(
        f"The session's state can't be written to {path} ({error.strerror or type(error).__name__}). "
        "Make room there, or let the server write elsewhere."
    )
