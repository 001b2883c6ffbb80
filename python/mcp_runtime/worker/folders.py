"""The folder of a session's copy: its own, with the files of the session it was copied from."""

from __future__ import annotations

import os
from builtins import OSError, int, len, list, str, sum, tuple

# More than that stays where it is, and is named: the copy is waited for.
_MAXIMUM_BYTES = 64 << 20
_MAXIMUM_FILES = 1000
_VARIABLE = "PYEMBER_SESSION_FOLDER"


def take_folder(folder: str) -> list[str]:
    """Makes it the session's and fills it. Returns what was not copied, for people."""
    before = os.environ.get(_VARIABLE, "")
    os.environ[_VARIABLE] = folder
    if not before or not os.path.isdir(before):
        return []
    if not os.listdir(before):
        _move_there(before, folder)
        return []
    left: list[str] = []
    files = _files(before)
    if len(files) > _MAXIMUM_FILES or sum([size for _, size in files]) > _MAXIMUM_BYTES:
        left.append(f"the files in {before}: they are too many or too large to be copied")
    elif files:
        import shutil  # takes as long as a copy itself

        for path, _ in files:
            try:
                os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
                shutil.copy2(os.path.join(before, path), os.path.join(folder, path))
            except OSError as error:
                left.append(f"the file {path} ({error.strerror})")
    _move_there(before, folder)
    return left


def _files(folder: str) -> list[tuple[str, int]]:
    """Paths below the folder, of plain files, with their sizes; one more than are taken at most."""
    found: list[tuple[str, int]] = []
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if not os.path.islink(path):
                found.append((os.path.relpath(path, folder), status.st_size))
            if len(found) > _MAXIMUM_FILES:
                return found
    return found


def _move_there(before: str, folder: str) -> None:
    """A working directory in the one folder becomes the same one in the other."""
    try:
        inside = os.path.relpath(os.getcwd(), before)
        if not inside.startswith(".."):
            os.chdir(os.path.join(folder, inside))
    except OSError:
        pass
