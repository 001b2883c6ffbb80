"""Reads .env files as python-dotenv does."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

MAXIMUM_BYTES = 1 << 20


def parse_env_file(path: str, server_variables: bool = True) -> dict[str, dict[str, str]]:
    """{"values": …}: what the file sets; ${NAME} is looked up in it, then in the environment.

    Not in the environment without `server_variables`: it is the server's, with its secrets.

    A key without `=` sets nothing, and single quotes keep ${NAME} as it is. Raises
    FileNotFoundError, ValueError, OSError, and ModuleNotFoundError without python-dotenv; no
    message holds a value.
    """
    resolved = os.path.abspath(os.path.expanduser(path))
    _check(resolved)
    try:
        with open(resolved, encoding="utf-8-sig") as file:
            values = _values(file, dict(os.environ) if server_variables else {})
    except UnicodeDecodeError:
        raise ValueError(
            f"the env file {resolved} can't be read: it is not UTF-8. Save it as UTF-8 and try "
            "again."
        ) from None
    for name, value in values.items():
        if not name or "\0" in name + value or "=" in name:
            raise ValueError(
                f"the env file {resolved} can't be used: the variable {name[:80]!r} has a name or "
                "value that no process can be given (a NUL byte, or '=' in the name). Correct it "
                "and try again."
            )
    return {"values": values}


def _values(file: IO[str], around: dict[str, str]) -> dict[str, str]:
    parse_stream, parse_variables = _dotenv()
    values: dict[str, str] = {}
    for binding in parse_stream(file):
        if binding.error or binding.key is None or binding.value is None:
            continue
        text = binding.value
        if not _is_single_quoted(binding.original.string):
            known = {**around, **values}
            text = "".join(atom.resolve(known) for atom in parse_variables(text))
        values[binding.key] = text
    return values


def _is_single_quoted(line: str) -> bool:
    return line.partition("=")[2].lstrip(" \t").startswith("'")


def _check(resolved: str) -> None:
    if not os.path.exists(resolved):
        raise FileNotFoundError(
            f"the env file {resolved} does not exist. Correct env_file (a relative path counts "
            "from the server's working directory), or leave it out."
        )
    if os.path.isdir(resolved):
        raise ValueError(f"the env file {resolved} is a folder. Name a file in env_file.")
    if os.path.isfile(resolved) and os.path.getsize(resolved) > MAXIMUM_BYTES:
        raise ValueError(
            f"the env file {resolved} is larger than {MAXIMUM_BYTES} bytes, so it is hardly one. "
            "Name another in env_file."
        )
    if not os.path.isfile(resolved):
        raise ValueError(f"the env file {resolved} is no regular file. Name one in env_file.")


def _dotenv() -> tuple[Any, Any]:
    """python-dotenv's parser of files, and that of ${NAME} in a value."""
    try:
        from dotenv.parser import parse_stream  # type: ignore[import-not-found]
        from dotenv.variables import parse_variables  # type: ignore[import-not-found]
    except ImportError:
        raise ModuleNotFoundError(
            "env_file can't be used: python-dotenv, which reads it, is not where the server looks "
            "for its own packages. Install pyember again (in a checkout: ./dev build), name a "
            "folder that holds it with PYEMBER_PACKAGES, or pass the variables in env_vars."
        ) from None
    return parse_stream, parse_variables
