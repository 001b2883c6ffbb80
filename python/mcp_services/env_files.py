"""Reads .env files as python-dotenv does."""

from __future__ import annotations

import os

MAXIMUM_BYTES = 1 << 20


def parse_env_file(path: str) -> dict[str, dict[str, str]]:
    """{"values": …}: what the file sets; ${NAME} is looked up in it, then in the environment.

    A key without `=` sets nothing. Raises FileNotFoundError, ValueError, OSError, and
    ModuleNotFoundError without python-dotenv; no message holds a value.
    """
    resolved = os.path.abspath(os.path.expanduser(path))
    _check(resolved)
    dotenv_values = _dotenv_values()
    try:
        parsed = dotenv_values(resolved, interpolate=True, encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            f"the env file {resolved} can't be read: it is not UTF-8. Save it as UTF-8 and try "
            "again."
        ) from None
    values = {name: value for name, value in parsed.items() if value is not None}
    for name, value in values.items():
        if not name or "\0" in name + value or "=" in name:
            raise ValueError(
                f"the env file {resolved} can't be used: the variable {name[:80]!r} has a name or "
                "value that no process can be given (a NUL byte, or '=' in the name). Correct it "
                "and try again."
            )
    return {"values": values}


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


def _dotenv_values():  # type: ignore[no-untyped-def]
    import logging

    try:
        from dotenv import dotenv_values
    except ImportError:
        raise ModuleNotFoundError(
            "env_file can't be used: python-dotenv, which reads it, is not where the server looks "
            "for its own packages. Install pyember again (in a checkout: ./dev build), name a "
            "folder that holds it with PYEMBER_PACKAGES, or pass the variables in env_vars."
        ) from None
    logging.getLogger("dotenv").setLevel(logging.CRITICAL)  # its warnings would go nowhere
    return dotenv_values
