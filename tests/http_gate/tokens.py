"""Writes a file of tokens as `pyember tokens` does."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any


class TokenFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[dict[str, Any]] = []
        self.write()

    def write(self) -> None:
        aside = self.path.with_suffix(".new")
        aside.write_text(json.dumps({"format": 1, "tokens": self.entries}))
        aside.chmod(0o600)
        os.replace(aside, self.path)

    def add(self, name: str = "alice", scopes: list[str] | None = None, expires_at: int = 0) -> str:
        token = "pye_" + secrets.token_hex(32)
        self.entries.append({"id": secrets.token_hex(4), "name": name, "hash": hashlib.sha256(token.encode()).hexdigest(),
                             "scopes": ["tools:*"] if scopes is None else scopes, "created_at": 1, "expires_at": expires_at})
        self.write()
        return token
