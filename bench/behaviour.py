"""What a client sees that is more than one round trip: parallel sessions, memory, floods, stops."""

from __future__ import annotations

import hashlib
import re
import threading
import time

from bench.latency import Setting
from bench.samples import Row, p50, quantile, short
from tests.hostile.stoppable_code import C_CODE, LOOPS, STUBBORN_WAITS, WAITS
from tests.support.raw_client import CellAnswer, RawClient, proportional_memory

MEGABYTE = 1e6

CPU_BOUND = "import time\ntotal = 0\nfor n in range(6_000_000): total += n * n\ntotal"


def _start(setting: Setting, *arguments: str) -> RawClient:
    return RawClient(command=[setting.binary, "serve", *arguments], supervised=True)


def parallel_sessions(setting: Setting) -> list[Row]:
    """The same CPU-bound cell alone and in two sessions at once, by turns."""
    ratios = []
    with _start(setting) as client:
        for name in ("one", "two"):
            client.run("1+1", name)
        for _ in range(3 if setting.quick else 7):
            alone = client.run(CPU_BOUND, "one", wait=120).seconds
            begin = time.monotonic()
            both = [client.send_cell(CPU_BOUND, name) for name in ("one", "two")]
            for pending in both:
                CellAnswer(pending, 120)
            ratios.append(2 * alone / (time.monotonic() - begin))
    ratio = p50(ratios)
    return [Row("two CPU-bound sessions against one", f"{ratio:.2f} × the throughput", bar="≥ 1.7 ×", met=ratio >= 1.7)]


def idle_memory(setting: Setting) -> list[Row]:
    """PSS of the idle server, and what each further session adds, before and with an event loop."""
    count = 8
    with _start(setting) as client:
        client.request("server/discover")
        time.sleep(2.0)
        idle = _memory(client)
        client.run("x = 1\nx + 1", "first")
        base = _settled_memory(client)
        for n in range(count):
            client.run("x = 1\nx + 1", f"further-{n}")
        warm = (_settled_memory(client) - base) / count
        for n in range(count):
            client.run("import asyncio\nawait asyncio.sleep(0.01)", f"further-{n}")
        looped = (_settled_memory(client) - base) / count
    return [
        Row("memory of the idle server (PSS)", f"{idle / MEGABYTE:.1f} MB", bar="≤ 30 MB", met=idle <= 30 * MEGABYTE),
        Row("each further warm session, before await or import", f"{warm / MEGABYTE:.2f} MB", bar="≤ 4 MB", met=warm <= 4 * MEGABYTE),
        Row("each further session with its event loop", f"{looped / MEGABYTE:.2f} MB", bar="≤ 14 MB", met=looped <= 14 * MEGABYTE),
    ]


def _settled_memory(client: RawClient) -> int:
    time.sleep(1.5)  # spares are made again
    return _memory(client)


def _memory(client: RawClient) -> int:
    """Of the server and its supervisor."""
    return proportional_memory(client.pid) + proportional_memory(client.process.pid)


# --- 100 MB printed by one cell -------------------------------------------------------------------

FLOOD_LINES = 1_000_000
FLOOD = f"for n in range({FLOOD_LINES}): print(f'{{n:09d}} ' + 'x' * 89)"


def flood(setting: Setting) -> list[Row]:
    lines = FLOOD_LINES // 10 if setting.quick else FLOOD_LINES
    with _start(setting) as client:
        client.run("1+1", "flood")
        client.run("1+1", "beside")
        time.sleep(1.5)
        before = proportional_memory(client.pid)
        watch = _Watch(client)
        pending = client.send_cell(FLOOD.replace(str(FLOOD_LINES), str(lines)), "flood", timeout=300)
        answer = CellAnswer(pending, 310)
        grown_printing = watch.peak - before
        begin = time.monotonic()
        right, size = _read_back(client, answer, lines)
        read_seconds = time.monotonic() - begin
        watch.stop()
        grown = watch.peak - before
    mega = lines * 100 / MEGABYTE
    return [
        Row(f"{mega:.0f} MB printed by one cell: memory grows (printing; with reading back)",
            f"{grown_printing / MEGABYTE:.1f}; {grown / MEGABYTE:.1f} MB, printed in {answer.seconds:.2f} s",
            bar="≤ 32 MB", met=grown <= 32 * MEGABYTE),
        Row("every byte of it read through the link", f"{size:,} bytes in {read_seconds:.1f} s, {'equal' if right else 'NOT equal'}",
            bar="equal", met=right),
        Row("another session's `1+1` meanwhile: p50, worst", f"{short(p50(watch.answers))}, {short(max(watch.answers))} ms ({len(watch.answers)} calls)",
            bar="answered", met=watch.failed == 0),
    ]  # fmt: skip


class _Watch:
    """Samples the server's memory and keeps another session busy, from threads of its own."""

    def __init__(self, client: RawClient) -> None:
        self.client, self.peak, self.answers, self.failed = client, 0, [], 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=job) for job in (self._memory, self._beside)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _memory(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, proportional_memory(self.client.pid))

    def _beside(self) -> None:
        while not self._stop.wait(0.005):
            answer = self.client.run("1+1", "beside")
            self.failed += answer.result != "2"
            self.answers.append(answer.seconds * 1000)


def _read_back(client: RawClient, answer: CellAnswer, lines: int) -> tuple[bool, int]:
    """Reads all of the output by the link the answer names; compares its hash with what was printed."""
    expected = hashlib.sha256()
    for n in range(lines):
        expected.update(f"{n:09d} {'x' * 89}\n".encode())
    link = next((block["uri"] for block in answer.content if block.get("type") == "resource_link"), None)
    if link is None:
        return False, 0
    got = hashlib.sha256()
    size = 0
    uri: str | None = link
    while uri:
        message = client.request("resources/read", {"uri": uri}, timeout=60)
        if "error" in message:
            return False, size
        for content in message["result"]["contents"]:
            data = content["text"].encode()
            got.update(data)
            size += len(data)
        uri = _next_part(link, message["result"]["contents"], size)
    return got.digest() == expected.digest(), size


def _next_part(link: str, contents: list[dict], size: int) -> str | None:
    """The URI of the part that follows; None at the end."""
    if not any(content["text"] for content in contents):
        return None
    base = re.sub(r"\?.*$", "", link)
    return f"{base}?offset={size}"


# --- stops ----------------------------------------------------------------------------------------

STOP_TIMEOUT = 0.1


def stops(setting: Setting) -> list[Row]:
    turns = 1 if setting.quick else 4
    loops = {**LOOPS, **STUBBORN_WAITS}
    return [
        _stops(setting, "stopping Python loops", loops, turns, "timed_out", 50),
        _stops(setting, "stopping waits", WAITS, turns, "timed_out", 50),
        _stops(setting, "stopping code in C", C_CODE, turns, "lost", 250),
    ]


def _stops(setting: Setting, measure: str, codes: dict[str, str], turns: int, status: str, bar_ms: float) -> Row:
    late: dict[str, list[float]] = {name: [] for name in codes}
    wrong: dict[str, str] = {}
    with _start(setting, "--max-sessions", "500") as client:
        for turn in range(turns):
            for number, (name, code) in enumerate(codes.items()):
                session = f"stop-{turn}-{number}"
                client.run("1+1", session)
                answer = client.run(code, session, timeout=STOP_TIMEOUT)
                late[name].append((answer.seconds - STOP_TIMEOUT) * 1000)
                if answer.status != status:
                    wrong[name] = answer.status or "no status"
                client.tool("close_session", session=session)
    every = [value for values in late.values() for value in values]
    slowest = max(late, key=lambda name: max(late[name]))
    p99 = quantile(every, 0.99)
    ours = f"p50 {short(p50(every))}, p99 {short(p99)} ms (slowest: {slowest}, {short(max(late[slowest]))} ms)"
    if wrong:
        ours += "; not as it should be: " + ", ".join(f"{name} {what}" for name, what in wrong.items())
    return Row(f"{measure}, after the deadline ({len(codes)} kinds)", ours, bar=f"p99 ≤ {bar_ms:.0f} ms", met=p99 <= bar_ms and not wrong)
