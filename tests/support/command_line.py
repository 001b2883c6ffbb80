"""The program as people call it at a terminal."""

from __future__ import annotations

import subprocess

from tests.support.raw_client import server_binary
from tests.support.world import World

DEADLINE = 120.0


class Finished:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self) -> str:
        return f"<exit {self.code}\n{self.out}\n--- stderr\n{self.err}>"


def pyember(world: World, *arguments: str, **variables: str) -> Finished:
    return Finished(subprocess.run([server_binary(), *arguments], cwd=world.work, env={**world.variables(), **variables},
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE))
