"""channel.py, against a server of a few lines."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest
from call_server import CallServer, Frame
from mcp_runtime.code_mode.channel import CallError, Channel

PATIENCE = 30.0


def echo(server: CallServer, frame: Frame) -> None:
    server.give(frame["id"], frame.get("text"))


class Gathering:
    """Answers when so many have come: whoever asks one after the other waits for ever."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waiting: list[int] = []

    def __call__(self, server: CallServer, frame: Frame) -> None:
        self.waiting.append(frame["id"])
        if len(self.waiting) == self.count:
            for number in reversed(self.waiting):
                server.give(number, number)


def test_a_request_returns_the_value_and_asks_for_one_token() -> None:
    server = CallServer(echo)
    channel = Channel(server)
    assert [channel.request("say", text=text) for text in ("a", "ä\n", "")] == ["a", "ä\n", ""]
    assert [frame["op"] for frame in server.frames] == ["begin", "say", "say", "say"]
    assert server.opened == 1


def test_the_next_cell_gets_a_token_of_its_own() -> None:
    server = CallServer(echo)
    channel = Channel(server)
    channel.request("say", text="one")
    server.next_cell()
    assert channel.request("say", text="two") == "two"
    channel.new_cell()
    server.next_cell()
    assert channel.request("say", text="three") == "three"
    assert [frame["op"] for frame in server.frames].count("begin") == 3
    assert [frame["op"] for frame in server.frames].count("say") == 4  # one was refused


def test_many_with_an_old_token_are_sent_again_once_each() -> None:
    server = CallServer(echo)
    channel = Channel(server)
    channel.request("say", text="")
    server.next_cell()
    pending = [channel.submit("say", text=str(i)) for i in range(50)]
    assert [each.result() for each in pending] == [str(i) for i in range(50)]


def test_a_token_that_is_refused_twice_is_an_error() -> None:
    server = CallServer(lambda server, frame: server.refuse(frame["id"], "token"))
    with pytest.raises(CallError) as raised:
        Channel(server).request("say")
    assert raised.value.kind == "token"


def test_an_error_has_kind_message_and_result() -> None:
    server = CallServer(lambda server, frame: server.refuse(frame["id"], "tool", {"isError": True}))
    pending = Channel(server).submit("call")
    for _ in range(2):
        with pytest.raises(CallError) as raised:
            pending.result()
    assert (raised.value.kind, str(raised.value)) == ("tool", "it was tool")
    assert raised.value.result == {"isError": True}


def test_gathered_requests_are_under_way_together() -> None:
    channel = Channel(CallServer(Gathering(20)))

    async def all_of_them() -> list[Any]:
        async def one() -> Any:
            return await channel.submit("say")

        return await asyncio.wait_for(asyncio.gather(*[one() for _ in range(20)]), PATIENCE)

    assert len(set(asyncio.run(all_of_them()))) == 20


def test_threads_wait_together_and_one_reads_for_all() -> None:
    channel = Channel(CallServer(Gathering(10)))
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(channel.request("say"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(set(found)) == 10


def test_a_loop_and_threads_wait_together() -> None:
    channel = Channel(CallServer(echo))

    async def both() -> None:
        def ask() -> int:
            return sum(channel.request("say", text=1) for _ in range(200))

        async def wait() -> int:
            return sum([await channel.submit("say", text=1) for _ in range(200)])

        threads = [asyncio.to_thread(ask) for _ in range(3)]
        assert await asyncio.wait_for(asyncio.gather(wait(), wait(), *threads), PATIENCE) == [200] * 5

    asyncio.run(both())


def test_a_request_is_awaited_in_another_loop_than_it_was_made_for() -> None:
    channel = Channel(CallServer(echo))
    pending = channel.submit("say", text="x")

    async def wait() -> Any:
        return await pending

    assert [asyncio.run(wait()), asyncio.run(wait()), pending.result()] == ["x", "x", "x"]


def test_large_frames_go_both_ways_at_once() -> None:
    channel = Channel(CallServer(echo))
    text = "0123456789" * 400_000
    pending = [channel.submit("say", text=text) for _ in range(4)]
    assert all(each.result() == text for each in pending)


def test_progress_is_handed_on_before_the_answer() -> None:
    def answer(server: CallServer, frame: Frame) -> None:
        server.tell(frame["id"], 1, 2, "half")
        server.tell(frame["id"], 2, None, None)
        server.give(frame["id"], "done")

    told: list[Any] = []
    channel = Channel(CallServer(answer))
    assert channel.request("call", progress=lambda *values: told.append(values)) == "done"
    assert told == [(1, 2, "half"), (2, None, None)]


def test_what_progress_raises_hurts_nobody() -> None:
    def answer(server: CallServer, frame: Frame) -> None:
        server.tell(frame["id"], 1, None, None)
        server.give(frame["id"], "done")

    channel = Channel(CallServer(answer))
    assert channel.request("call", progress=lambda *_: 1 / 0) == "done"


def test_a_wait_with_a_timeout_leaves_the_request_alone() -> None:
    server = CallServer(lambda server, frame: None)
    channel = Channel(server)
    pending = channel.submit("call")
    with pytest.raises(TimeoutError):
        pending.result(0.05)
    server.give(2, "late")
    assert pending.result() == "late"


def test_a_cancelled_task_tells_the_server() -> None:
    server = CallServer(lambda server, frame: None)
    channel = Channel(server)

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_awaited(channel.submit("call")), 0.05)

    asyncio.run(give_up())
    server.answer = echo
    assert channel.request("say", text="next") == "next"
    assert [(frame["op"], frame.get("target")) for frame in server.frames] == [
        ("begin", None), ("call", None), ("cancel", 2), ("say", None)]


async def _awaited(pending: Any) -> Any:
    return await pending


def test_a_cancelled_request_is_an_error_and_its_answer_is_dropped() -> None:
    server = CallServer(lambda server, frame: None)
    channel = Channel(server)
    pending = channel.submit("call")
    with pytest.raises(TimeoutError):
        pending.result(0.05)
    assert pending.cancel() and not pending.cancel()
    with pytest.raises(CallError, match="cancelled"):
        pending.result()
    late = server.frames[-1]["id"]
    server.answer = lambda server, frame: (server.give(late, "late"), server.give(frame["id"], "new"))
    assert channel.request("say") == "new"


def test_what_is_no_json_is_not_sent() -> None:
    channel = Channel(CallServer(echo))
    circle: list[Any] = []
    circle.append(circle)
    for value in (object(), float("nan"), {1, 2}, circle, b"bytes"):
        with pytest.raises(CallError) as raised:
            channel.submit("say", text=value)
        assert raised.value.kind == "arguments"
    assert channel.request("say", text="still") == "still"


def test_a_server_that_hangs_up_ends_what_waits_and_the_next_request_opens_anew() -> None:
    server = CallServer(lambda server, frame: server.hang_up())
    channel = Channel(server)
    with pytest.raises(CallError) as raised:
        channel.request("call")
    assert raised.value.kind == "lost"
    server.answer = echo
    assert channel.request("say", text="again") == "again"
    assert server.opened == 2


@pytest.mark.parametrize(
    "junk", [b"\xff\xff\xff\xff", b"\3\0\0\0{,}", b'\x08\0\0\0{"id":x,}'])
def test_what_is_no_frame_ends_the_channel(junk: bytes) -> None:
    server = CallServer(lambda server, frame: server.send_bytes(junk))
    with pytest.raises(CallError) as raised:
        Channel(server).request("call")
    assert raised.value.kind == "lost"


def test_an_answer_that_is_no_json_is_an_error_of_its_own() -> None:
    server = CallServer(lambda server, frame: server.send('{"id":2,"ok":true,"value":]}'))
    channel = Channel(server)
    with pytest.raises(CallError) as raised:
        channel.request("call")
    assert raised.value.kind == "internal"
    server.answer = echo
    assert channel.request("say", text="on") == "on"


def test_closed_descriptors_are_an_error_and_others_are_opened() -> None:
    server = CallServer(echo)
    channel = Channel(server)
    channel.request("say")
    calls, answers = channel._calls, channel._answers
    os.close(calls)
    os.close(answers)
    server.calls_lost = lambda *_: None  # type: ignore[method-assign,assignment]
    with pytest.raises(CallError) as raised:
        channel.request("say")
    assert raised.value.kind == "lost"
    assert channel.request("say", text="on") == "on"


def test_in_a_forked_child_nothing_can_be_called() -> None:
    channel = Channel(CallServer(echo))
    channel.request("say")
    pid = os.fork()
    if pid == 0:
        channel.leave_to_child()
        try:
            channel.request("say")
        except CallError as error:
            os._exit(7 if error.kind == "no_channel" else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert channel.request("say", text="here") == "here"


def test_a_copy_begins_with_nothing_under_way() -> None:
    server = CallServer(lambda server, frame: None)
    channel = Channel(server)
    pending = channel.submit("call")
    channel.begin_again()
    with pytest.raises(CallError) as raised:
        pending.result()
    assert raised.value.kind == "lost"
    server.answer = echo
    assert channel.request("say", text="anew") == "anew"


class StoppedAnywhere(CallServer):
    """Raises a stop at the end of the n-th step that must not be cut, as a worker's native does."""

    def __init__(self) -> None:
        super().__init__(echo)
        self.left = -1
        self._thread = threading.get_ident()

    def stoppable(self, on: bool, /) -> None:
        if on and threading.get_ident() == self._thread and self.left >= 0:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("after", range(12))
def test_a_stop_leaves_the_channel_whole(after: int) -> None:
    server = StoppedAnywhere()
    channel = Channel(server)
    large = "x" * 300_000
    channel.request("say", text="first")
    server.left = after
    try:
        channel.request("say", text=large)
    except KeyboardInterrupt:
        pass
    server.left = -1
    assert channel.request("say", text=large) == large
    assert not channel._under_way

