"""What a worker answers. Bounded here, so that no session is lost over a long answer."""

from __future__ import annotations

from builtins import bytes, dict, int, len, list, str, tuple, type

from mcp_runtime.worker.quick_json import encode, quote
from mcp_runtime.worker.wire import MAXIMUM_BODY, MAXIMUM_HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcp_runtime.worker.wire import Wire

# Notices and displays of one cell that are sent.
MAXIMUM_ITEMS = 1024
_NOTICE_CHARACTERS = 2_000
_NOTICES_CHARACTERS = 40_000


def done(wire: Wire, cell: int, outcome: tuple[Any, ...], plain: bool, memory: int | None) -> None:
    """Sends what came of a cell: (status, result, error, notices[, displays])."""
    status, result, error, notices = outcome[:4]
    displays = outcome[4] if len(outcome) > 4 else None
    if error is None and not notices and not displays:
        # The usual answer, put together by hand: half the time of the encoder.
        wire.write(
            f'{{"op":"done","cell":{cell},"status":{status},'
            f'"result":{"null" if result is None else quote(result)},'
            f'"error":null,"notices":[],"displays":[],"plain":{"true" if plain else "false"}'
            f"{'' if memory is None else _memory(memory)}}}"
        )
        return
    told = _bounded_notices(notices or ())
    sizes, bodies = _bodies(displays or (), told)
    header: dict[str, Any] = {
        "op": "done",
        "cell": cell,
        "status": status,
        "result": result,
        "error": error,
        "notices": told,
        "displays": sizes,
        "plain": plain,
    }
    if memory is not None:
        header["memory"] = memory
    wire.write(encode(header), tuple(bodies))


def names(wire: Wire, ticket: int, entries: list[tuple[str, str, str, str]]) -> None:
    """Sends a listing of the namespace; the last ones are left out when there are too many."""
    begin = f'{{"op":"names","ticket":{ticket},"names":['
    room = MAXIMUM_HEADER - len(begin) - 2
    rows: list[str] = []
    for entry in entries:
        row = encode(entry)
        room -= len(row) + 1
        if room < 0:
            break
        rows.append(row)
    wire.write(f"{begin}{','.join(rows)}]}}")


def _memory(count: int) -> str:
    return f',"memory":{count}'


def _bounded_notices(notices: tuple[str, ...]) -> list[str]:
    told: list[str] = []
    room = _NOTICES_CHARACTERS
    for notice in notices:
        text = notice if len(notice) <= _NOTICE_CHARACTERS else notice[:_NOTICE_CHARACTERS] + "…"
        room -= len(text)
        if room < 0 or len(told) >= MAXIMUM_ITEMS - 2:
            told.append(f"{len(notices) - len(told):,} more notices were left out.")
            break
        told.append(text)
    return told


def _bodies(displays: tuple[Any, ...], told: list[str]) -> tuple[list[Any], list[bytes]]:
    sizes: list[Any] = []
    bodies: list[bytes] = []
    room = MAXIMUM_BODY
    left_out = 0
    for kind, data in displays:
        body = data.encode("utf-8", "backslashreplace") if type(data) is str else bytes(data)
        if len(body) > room or len(sizes) >= MAXIMUM_ITEMS:
            left_out += 1
            continue
        room -= len(body)
        sizes.append((kind, len(body)))
        bodies.append(body)
    if left_out:
        told.append(
            f"{left_out:,} of the cell's pictures and texts were left out of the answer, which "
            f"holds at most {MAXIMUM_ITEMS} of them and {MAXIMUM_BODY >> 20} MB. Show fewer at a "
            "time, or write them to files."
        )
    return sizes, bodies
