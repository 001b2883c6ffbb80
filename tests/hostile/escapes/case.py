"""What a case of the battery is: code that tries something, and what must hold whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hostile.escapes.battery import Attempt

COMPLETED, RAISED, TIMED_OUT, LOST = "completed", "raised", "timed_out", "lost"

REFUSED = frozenset({COMPLETED})  # the probe itself came to its end, and says what it reached
STOPPED = frozenset({TIMED_OUT, LOST})  # it would have run for ever
ENDS_ITSELF = frozenset({COMPLETED, RAISED, LOST})  # the price is its own session
ANY = frozenset({COMPLETED, RAISED, TIMED_OUT, LOST})  # whatever, as long as everybody else stands

UNFILTERED = "no seccomp filter"  # of whoever runs the tests: containers of CI have one


@dataclass(frozen=True)
class Case:
    """One attempt, run in a session of its own behind inside.py.

    The code appends to `got` what it reached (`reached`, `attempt`, `refused` do), which must stay
    empty. That is its own word; what counts as much is what is seen from outside (canaries.py).
    """

    name: str
    code: str
    accept: frozenset[str] = REFUSED
    timeout: float = 20.0
    # Proven by running it without walls, where it must reach something. The others would do harm to the
    # machine, or have nothing to reach there.
    works_outside: bool = False
    needs: tuple[str, ...] = ()  # capabilities, or UNFILTERED, for it to work outside
    # Where walls are missing it would do harm: it asks for them before it does anything.
    dangerous: bool = False
    # What it is after is bounded by control groups alone. Where whoever runs the server has none, and systemd handed none down, each
    # process is bounded by itself, and docs/isolation.md says so.
    needs_groups: bool = False
    # More arguments of the call that makes its session.
    arguments: tuple[tuple[str, object], ...] = ()
    # What the harness does afterwards, with the session as the code left it; returns what is wrong.
    then: Callable[[Attempt], list[str]] | None = None


@dataclass(frozen=True)
class Kind:
    """Cases that belong together; `name` is a part of the names of tests."""

    name: str
    cases: tuple[Case, ...]
