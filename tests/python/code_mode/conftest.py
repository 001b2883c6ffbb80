"""Sessions that have MCP servers behind them; what they leave in pytest's process is taken back."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers import Servers  # noqa: E402

from prompt import Prompt  # noqa: E402

KEPT = ("mcp_runtime.code_mode.channel", "mcp_runtime.code_mode.hook", "mcp_runtime.code_mode")


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def prompt(servers: Servers) -> Iterator[Prompt]:
    """A session as in a fresh process: without `mcp`, ours or another."""
    language, finders = dict(builtins.__dict__), list(sys.meta_path)
    away = {name: sys.modules.pop(name) for name in list(sys.modules) if is_of_mcp(name)}
    prompt = Prompt(servers)
    yield prompt
    prompt.end()
    for name in [name for name in sys.modules if is_of_mcp(name)]:
        del sys.modules[name]
    sys.modules.update(away)
    for name in set(builtins.__dict__) - set(language):
        delattr(builtins, name)
    sys.meta_path[:] = finders
    forget_channel()


def is_of_mcp(name: str) -> bool:
    ours = name.startswith("mcp_runtime.code_mode") and name not in KEPT
    if ours:
        package = sys.modules["mcp_runtime.code_mode"]
        package.__dict__.pop(name.rpartition(".")[2], None)
    return ours or name == "mcp" or name.startswith("mcp.")


def forget_channel() -> None:
    channel = sys.modules.get("mcp_runtime.code_mode.channel")
    if channel is not None:
        channel.detach()
