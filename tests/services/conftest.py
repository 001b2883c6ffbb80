"""Runs mcp_services under the Python that runs pytest, called as the server calls it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

import mcp_services


@pytest.fixture
def call() -> Callable[..., Any]:
    """call(function, **arguments): the value, through JSON both ways; errors are raised."""

    def call(function: str, /, **arguments: Any) -> Any:
        answer = json.loads(mcp_services.answer_to(function, json.dumps(arguments)))
        if "error" in answer:
            raise ServiceError(answer["error"]["type"], answer["error"]["message"])
        return answer["value"]

    return call


class ServiceError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """The server's own packages (python-dotenv); ./dev test names their folder."""
    folder = os.environ.get("PYEMBER_PACKAGES")
    if folder:
        sys.path.append(folder)
