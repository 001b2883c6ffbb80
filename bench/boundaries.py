"""What sandboxes and containers cost: new sessions with and without spares, and warm cells.

Containers need podman and an image with Python, which is made as the tests make theirs; as root
they are measured for root and for an ordinary user. What can't be had here is told as not measured.
"""

from __future__ import annotations

import itertools
import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import peers
from bench.latency import Setting, ask_client
from bench.samples import Row, p50, quantile, short, spread
from tests.support import containers
from tests.support.containers import ContainerUser
from tests.support.other_user import BECOME, closed_parent, interpreter_prefix
from tests.support.raw_client import RawClient, descendants

# Between two new sessions: a sandbox, or a container, is made ready and the last one's is taken down.
SANDBOX_PAUSE_MS = 600
CONTAINER_PAUSE_S = 3.0
SUM = "print(1+1)"
_numbers = itertools.count()


def _serve(setting: Setting, room: str, spares: int) -> list[str]:
    return [setting.binary, "serve", "--isolation", room, "--room-spares", str(spares)]


# --- warm cells ---------------------------------------------------------------------------------------


def warm_sandboxes(setting: Setting) -> list[Row]:
    """`1+1` in a warm sandbox and in a worker without walls, by turns; free and pinned."""
    commands = {room: _serve(setting, room, 1) for room in ("sandbox", "process")}
    return [_compare_cells(setting, commands, "sandbox", pinned) for pinned in (False, True)]


def _compare_cells(setting: Setting, commands: dict[str, list[str]], room: str, pinned: bool, variables: dict[str, str] | None = None) -> Row:
    """The median of the runs' medians: a run keeps the speed of the CPUs it was given (bench/survival.py)."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    options = ["--calls", "1500", "--idle-calls", "1", "--warm-up", "300", "--repeat", "1", *(["--pin", "0"] if pinned else [])]
    for turn in range(4 if setting.quick else 24):
        for name in sorted(commands, reverse=bool(turn % 2)):  # neither has the better place
            samples = ask_client(setting, "calls", commands[name], *options, variables=variables)
            found[name].append(p50(samples["sequential_us"]))
    ours, worker = p50(found[room]), p50(found["process"])
    where = "pinned to one CPU" if pinned else "unpinned"
    return Row(f"`1+1` in a warm {room}, {where}: median of the runs' p50, and between the quarters", _middle(found[room]),
               f"worker {_middle(found['process'])}", f"{ours / worker:.2f} ×", "≤ 1.3 ×", ours <= 1.3 * worker)  # fmt: skip


def _middle(medians: list[float]) -> str:
    return f"{short(p50(medians))} µs ({short(quantile(medians, 0.25))}–{short(quantile(medians, 0.75))})"


# --- new sandboxes ------------------------------------------------------------------------------------


def new_sandboxes(setting: Setting) -> list[Row]:
    """From the request for a session that is not there to its first result."""
    rows = []
    for spares, what, bar in ((1, "with a spare", 5), (0, "without spares", 60)):
        repeat = "10" if setting.quick else "40"
        times = ask_client(
            setting, "sessions", _serve(setting, "sandbox", spares), "--repeat", repeat, "--pause", str(SANDBOX_PAUSE_MS),
            "--warm-up", "2", "--warm-up-pause", str(SANDBOX_PAUSE_MS),
        )["first_result_us"]  # fmt: skip
        met = p50(times) <= bar * 1000
        rows.append(Row(f"new sandbox session → first result, {what}: p50/p90/p99", spread(times, "ms", 1e-3), bar=f"p50 ≤ {bar} ms", met=met))
    return rows


# --- containers ---------------------------------------------------------------------------------------


def _by(name: str, measure: Callable[[Setting, ContainerUser], list[Row]]) -> Callable[[Setting], list[Row]]:
    """The measure for "rootful" or "rootless", where that can be had."""

    def measure_it(setting: Setting) -> list[Row]:
        if reason := containers.missing(name):
            return [Row(f"containers, {name}", f"not measured: {reason}")]
        return measure(setting, containers.rootful() if name == "rootful" else containers.rootless())

    return measure_it


def _warm_containers(setting: Setting, user: ContainerUser) -> list[Row]:
    with _environment(user) as variables:
        commands = {room: _as(user, _serve(setting, room, 0)) for room in ("container", "process")}
        rows = [_compare_cells(setting, commands, "container", pinned, variables) for pinned in (False, True)]
    for row in rows:
        row.measure = f"{user.name}: {row.measure}"
    return rows


def _new_containers(setting: Setting, user: ContainerUser) -> list[Row]:
    """A session in a container of its own, and the same runtime, image and sum by hand, by turns."""
    found: dict[str, list[float]] = {name: [] for name in ("ours", "same", "same_end", "plain", "plain_end")}
    with _server(setting, user, 0) as client:
        _new_session(client)  # stays: its folders are what a container by hand mounts as well
        words = _run_command(client)
        same, plain = user.command(*_with_sum(words)), user.command(*_plain(words, user.image))
        _by_hand(same), _by_hand(plain)
        for _ in range(5 if setting.quick else 20):
            for name, command in (("same", same), ("plain", plain)):
                first, end = _by_hand(command)
                found[name].append(first)
                found[f"{name}_end"].append(end)
                time.sleep(CONTAINER_PAUSE_S / 3)
            found["ours"].append(_first_result(client))
            time.sleep(CONTAINER_PAUSE_S / 3)
    spared = _with_spares(setting, user)
    ours, same_p50, plain_p50 = (p50(found[name]) for name in ("ours", "same", "plain"))
    what = f"{user.name}: new container session → first result, without spares"
    return [
        Row(f"{what}: p50/p90/p99, against `podman run` with the same arguments, to its output", spread(found["ours"], "ms"),
            f"{spread(found['same'], 'ms')}; to its end {short(p50(found['same_end']))} ms", f"{ours / same_p50:.2f} ×", "≤ 1.3 ×", ours <= 1.3 * same_p50),
        Row(f"{what}, against `podman run --rm --network none IMAGE python3 -c \"{SUM}\"`", spread(found["ours"], "ms"),
            f"{spread(found['plain'], 'ms')}; to its end {short(p50(found['plain_end']))} ms", f"{ours / plain_p50:.2f} ×"),
        Row(f"{user.name}: new container session → first result, with a spare", spread(spared, "ms")),
    ]  # fmt: skip


def _with_spares(setting: Setting, user: ContainerUser) -> list[float]:
    times = []
    with _server(setting, user, 1) as client:
        _first_result(client)
        for _ in range(4 if setting.quick else 15):
            time.sleep(CONTAINER_PAUSE_S)
            times.append(_first_result(client))
    return times


def _as(user: ContainerUser, command: list[str]) -> list[str]:
    """A server of this user's, in the variables of _environment()."""
    return ["unshare", "--mount", "sh", "-c", BECOME, "sh", *command] if user.user else command


@contextmanager
def _environment(user: ContainerUser) -> Iterator[dict[str, str]]:
    """For a server of this user's: the image, and places of its own for what servers keep."""
    with tempfile.TemporaryDirectory(prefix="pyember-bench-", dir="/var/tmp") as name:
        folder = user.own(Path(name))
        variables = peers.clean_environment() | {
            "MCP_BRIDGE_IMAGE": user.image,
            "PYTHON_MCP_META": str(folder / "meta"),
            "PYEMBER_STATE_DIR": str(folder / "states"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYEMBER_NO_SUPERVISOR": "1",
        }
        if user.user:
            prefix, hold = interpreter_prefix(), folder / "hold"
            hold.mkdir()
            entry = pwd.getpwnam(user.user)
            numbers = {"USER_ID": str(entry.pw_uid), "GROUP_ID": str(entry.pw_gid), "GROUPS_TO_ENTER": ""}
            variables |= {**user.environment, **numbers, "PREFIX": prefix, "CLOSED": closed_parent(prefix), "HOLD": str(hold)}
        yield variables


@contextmanager
def _server(setting: Setting, user: ContainerUser, spares: int) -> Iterator[RawClient]:
    with _environment(user) as variables, RawClient(command=_as(user, _serve(setting, "container", spares)), variables=variables) as client:
        yield client


def _first_result(client: RawClient) -> float:
    """Milliseconds until a session that was not there has its first result."""
    session, seconds = _new_session(client)
    client.tool("close_session", session=session)
    return seconds * 1000


def _new_session(client: RawClient) -> tuple[str, float]:
    session = f"fresh-{next(_numbers)}"
    answer = client.tool("run_python", timeout=120, code="1+1", session=session)
    if answer.result != "2":
        raise RuntimeError(f"a new session in a container answered {answer}")
    return session, answer.seconds


def _run_command(client: RawClient) -> list[str]:
    """The runtime's command line as the server gave it."""
    return next(line for line in map(_command_line, descendants(client.pid)) if "--entrypoint" in line)


def _with_sum(words: list[str]) -> list[str]:
    """The same command with the sum in place of the worker."""
    at = words.index("--entrypoint")
    words[words.index("--name") + 1] += "-by-hand"
    return [*words[: at + 3], "-c", SUM]


def _plain(words: list[str], image: str) -> list[str]:
    """What a person types for code without a network; who may not raise limits has to say so."""
    limits = [word for at, word in enumerate(words) if "--ulimit" in words[max(0, at - 1) : at + 1]]
    return ["podman", "run", "--rm", "--network", "none", *limits, image, "python3", "-c", SUM]


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:  # it has ended since
        return []


def _by_hand(command: list[str]) -> tuple[float, float]:
    """Milliseconds until a command prints its result, and until it has ended."""
    begin = time.monotonic()
    with subprocess.Popen(command, env=dict(os.environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as run:
        line = run.stdout.readline()  # type: ignore[union-attr]
        first = time.monotonic() - begin
        _, errors = run.communicate()
    if line.strip() != b"2":
        raise RuntimeError(f"{' '.join(command)} printed {line!r}: {errors[-600:]!r}")
    return first * 1000, (time.monotonic() - begin) * 1000


MEASURES: dict[str, Callable[[Setting], list[Row]]] = {
    "new_sandboxes": new_sandboxes,
    "warm_sandboxes": warm_sandboxes,
    **{f"new_containers_{name}": _by(name, _new_containers) for name in ("rootful", "rootless")},
    **{f"warm_containers_{name}": _by(name, _warm_containers) for name in ("rootful", "rootless")},
}
