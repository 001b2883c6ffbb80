"""Becomes the server under the name by which it knows that it is code mode's."""

from __future__ import annotations

from typing import NoReturn

from python_mcp_server._launch import launch

COMMAND = "mcp-server-code-execution-mode"


def main() -> NoReturn:
    """The command of that name, and `python -m mcp_code_execution_mode`."""
    launch(COMMAND)
