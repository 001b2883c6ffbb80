"""Descriptors 1 and 2 of a worker, which its code may close."""

from __future__ import annotations

import os
from builtins import OSError, bool, int, tuple

REOPENED = (
    "An earlier cell had closed descriptor 1 or 2 (stdout, stderr), so they were opened again "
    "before this one. To drop output use contextlib.redirect_stdout."
)

# What asks least of all that raises for a descriptor which isn't open.
_ask = os.get_inheritable
_dup2 = os.dup2
_fstat = os.fstat


class Outputs:
    """Keeps the session's pipes where code doesn't look for them. Asked after every cell."""

    def __init__(self, out: int, err: int) -> None:
        self.kept = (out, err)  # copies of the pipes' write ends
        self._identities = (_identity(out), _identity(err))

    def renew(self) -> None:
        """Other pipes are at the same numbers: in the copy of a worker."""
        self._identities = (_identity(self.kept[0]), _identity(self.kept[1]))

    def mend(self) -> bool:
        """Opens again what has been closed; whether there was something to open.

        A descriptor that the code has replaced (dup2) is left alone: it may have meant that.
        """
        try:
            _ask(1)
            _ask(2)
        except OSError:
            return self._reopen(0) | self._reopen(1)
        return False

    def _reopen(self, stream: int) -> bool:
        try:
            _ask(stream + 1)
        except OSError:
            kept = self.kept[stream]
            if _identity(kept) == self._identities[stream]:  # unless that was closed as well
                _dup2(kept, stream + 1)
                return True
        return False


def _identity(descriptor: int) -> tuple[int, int] | None:
    try:
        status = _fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
