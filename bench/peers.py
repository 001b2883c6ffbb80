"""The peers we are compared with: private environments under .dev/bench, pinned and compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".dev" / "bench"
SOURCES = ROOT / "bench" / "peers"

PINS = {
    "sdk": ["mcp==2.3.0"],
    "fastmcp": ["fastmcp==4.1.2"],
    "ipykernel": ["ipykernel==7.4.0", "jupyter_client==8.10.0"],
}


@dataclass(frozen=True)
class Peer:
    """A stdio server and how the client talks to it."""

    name: str
    command: list[str]
    client_options: list[str] = field(default_factory=list)
    slow: bool = False  # a few hundred calls are enough


def clean_environment() -> dict[str, str]:
    """Ours, without what would make Python compile every module anew at each start."""
    kept = dict(os.environ)
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME"):
        kept.pop(name, None)
    return kept


def set_up(python: str) -> None:
    """Makes the environments that are not there yet and compiles what is in them."""
    HOME.mkdir(parents=True, exist_ok=True)
    for name, pins in PINS.items():
        stamp = HOME / f"{name}.pins"
        if stamp.exists() and stamp.read_text() == "\n".join(pins):
            continue
        place = HOME / name
        print(f"setting up the peer {name}: {' '.join(pins)}", file=sys.stderr, flush=True)
        _run([python, "-m", "venv", "--clear", str(place)])
        _run([str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *pins])
        _run([str(place / "bin" / "python"), "-m", "compileall", "-q", str(place / "lib")], check=False)
        stamp.write_text("\n".join(pins))


def _run(command: list[str], check: bool = True) -> None:
    done = subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed; the peers can't be set up:\n{done.stderr[-2000:]}")


def python_of(name: str) -> str:
    return str(HOME / name / "bin" / "python")


def sdk() -> Peer:
    return Peer("official Python SDK", [python_of("sdk"), str(SOURCES / "sdk_server.py")], slow=True)


def fastmcp() -> Peer:
    return Peer("FastMCP", [python_of("fastmcp"), str(SOURCES / "fastmcp_server.py")], slow=True)


def echo(client_directory: Path) -> Peer:
    return Peer("pipe echo", [str(client_directory / "pyember_bench_echo")], ["--era", "none", "--expect", "jsonrpc"])
