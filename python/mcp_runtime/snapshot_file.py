"""The file that carries a session's state: a header, pieces of data, and a table of them.

    magic, format, Python's version, length of the rest, place of the table, sha256 of the rest
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
    ValueError,
    bytes,
    dict,
    int,
    isinstance,
    len,
    memoryview,
    min,
    open,
    type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAGIC = b"pyember\0"
FORMAT = 1
_HEADER = struct.Struct("<8s4HQQ32s")
_READ_BYTES = 1 << 20
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class SnapshotError(Exception):
    """A state could not be written or read as a whole; the message is for people."""

    __module__ = "builtins"  # shown without a module's name


class Writer:
    """Writes one file; nothing is at `path` until commit()."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = f"{path}.{os.getpid()}.part"
        self._digest = hashlib.sha256()
        self._length = 0
        try:
            self._descriptor = os.open(self._temporary, _FLAGS, 0o600)
            os.fchmod(self._descriptor, 0o600)
            self._write(bytes(_HEADER.size))
        except OSError as error:
            raise _unwritable(path, error) from error

    def append(self, chunks: Iterable[bytes]) -> tuple[int, int]:
        """Adds a piece; returns its place and its length."""
        place = _HEADER.size + self._length
        before = self._length
        try:
            for chunk in chunks:
                self._write(chunk)
                self._digest.update(chunk)
                self._length += len(chunk)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        return place, self._length - before

    def commit(self, table: dict[str, Any]) -> None:
        """Adds the table and puts the file in its place."""
        place, _ = self.append([json.dumps(table).encode("ascii")])
        major, minor = sys.version_info[:2]
        header = _HEADER.pack(
            MAGIC, FORMAT, major, minor, 0, self._length, place, self._digest.digest()
        )
        try:
            os.pwrite(self._descriptor, header, 0)
            os.close(self._descriptor)
            self._descriptor = -1
            os.rename(self._temporary, self._path)
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

    def _write(self, data: bytes) -> None:
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
        _, form, major, minor, _, length, place, digest = _HEADER.unpack(header)
        if form != FORMAT:
            raise self._damaged(f"its format is {form}, and this runtime reads format {FORMAT}")
        if os.fstat(self.file.fileno()).st_size != _HEADER.size + length:
            raise self._damaged("its length is not the one it had when it was written")
        if self._digest_of(length) != digest:
            raise self._damaged("its checksum does not fit its content")
        self.python = (major, minor)
        end = _HEADER.size + length
        try:
            table = json.loads(self.piece(place, end - place)) if place <= end else None
        except ValueError:
            table = None
        if not isinstance(table, dict):
            raise self._damaged("its table is missing")
        self.table: dict[str, Any] = table

    def _digest_of(self, length: int) -> bytes:
        digest = hashlib.sha256()
        while length > 0:
            data = self.file.read(min(length, _READ_BYTES))
            if not data:
                break
            digest.update(data)
            length -= len(data)
        return digest.digest()

    def _damaged(self, how: str) -> SnapshotError:
        return SnapshotError(
            f"The saved state {self._path} can't be used: {how}. Nothing was restored; go on with "
            "the fresh session and make its names anew."
        )


def _unwritable(path: str, error: OSError) -> SnapshotError:
    return SnapshotError(
        f"The session's state can't be written to {path} ({error.strerror or type(error).__name__}). "
        "Make room there, or let the server write elsewhere."
    )
