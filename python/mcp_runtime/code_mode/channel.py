"""The session's end of the calls channel: how code asks the server for something (docs/code-mode-wire.md).

Any thread of the session may ask, and any asyncio loop may wait; nothing here is tied to one. Whoever
waits reads for all the others: one thread at a time *leads*, that is, waits for the pipe, and hands on
what comes. Loops have the pipe among what they watch.

A stop may hit the session's own thread anywhere in here, but for the steps that move bytes between a
pipe and a buffer: those are never cut (native.stoppable), and never wait. So the stream stays whole,
whatever was stopped.
"""

from __future__ import annotations

import os
import select
from _collections import deque  # type: ignore[import-not-found]
from _json import encode_basestring_ascii, make_encoder
from _thread import allocate_lock, get_ident
from builtins import (
    BaseException,
    BlockingIOError,
    Exception,
    KeyboardInterrupt,
    LookupError,
    OSError,
    RecursionError,
    RuntimeError,
    TimeoutError,
    TypeError,
    ValueError,
    bool,
    bytearray,
    bytes,
    dict,
    float,
    int,
    len,
    list,
    max,
    memoryview,
    min,
    object,
    set,
    str,
    super,
    tuple,
    type,
)
from time import monotonic

from mcp_runtime.worker.quick_json import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from mcp_runtime.native_api import Native

    Progress = Callable[[float, float | None, str | None], object]

MAXIMUM_FRAME = 64 << 20  # limits::kMaximumCallFrame
_AT_ONCE = 1 << 16
_OF_LARGE = 1 << 20
_MOST_DECODED_EARLY = 1 << 16
# How long a thread may sleep before it looks by itself whether its answer was handed on.
_LOOK_SECONDS = 1.0
# A loop leaves an answer to the thread that leads, so often, before it reads itself.
_LEFT_TO_LEADER = 200
_ECANCELED = 125  # of a wait that a stop has ended, in the server's process


class CallError(Exception):
    """The server's answer is an error, or there is none. `kind`: docs/code-mode-wire.md; `result`: of
    a tool that said isError, as it came; None otherwise."""

    def __init__(self, kind: str, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.result = result


class Pending:
    """A request that was sent: what comes of it is had by result(), or by await, any number of times."""

    __slots__ = (
        "__weakref__",
        "_body",
        "_channel",
        "_error",
        "_number",
        "_progress",
        "_raw",
        "_ready",
        "_renewed",
        "_token",
        "_value",
        "_wakers",
        "_watchers",
    )

    def __init__(self, channel: Channel, body: bytes, progress: Progress | None) -> None:
        self._channel = channel
        self._body = body  # the frame behind its token; kept to be sent again
        self._progress = progress
        self._number = 0
        self._token = b""  # with which it was sent
        self._renewed = False  # it was sent a second time, with another
        self._ready = False
        self._raw: bytes | None = None
        self._value: Any = None
        self._error: CallError | None = None
        self._wakers: list[Any] = []
        self._watchers: list[tuple[Any, Any]] = []

    def done(self) -> bool:
        """Whether result() returns or raises at once."""
        return self._ready

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the answer, in a way that a stop ends, and returns its value.

        Raises CallError; TimeoutError when `timeout` seconds are over, and the request goes on.
        """
        if not self._ready:
            self._channel._wait(self, timeout)
        return self._outcome()

    def cancel(self) -> bool:
        """Tells the server that nobody wants the answer, and makes an end of kind 'cancelled' of it.
        False: the answer is there already."""
        return self._channel._cancel(self)

    def __await__(self) -> Generator[Any, None, Any]:
        """Waits in any asyncio loop. Cancels the request when the waiting task is cancelled."""
        if not self._ready:
            future = self._channel._watch(self)
            try:
                yield from future
            except BaseException:
                self.cancel()
                raise
            finally:
                self._channel._unwatch(self, future)
        return self._outcome()

    def _outcome(self) -> Any:
        raw = self._raw
        if raw is not None:  # decoded here, where a stop may hit
            try:
                self._take(decode(raw))
            except (ValueError, LookupError) as error:
                self._error = CallError(
                    "internal",
                    f"The server's answer can't be read ({error}). Reset the session and call again.",
                )
            self._raw = None
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._value

    def _take(self, message: dict[str, Any]) -> None:
        if message["ok"]:
            self._value = message["value"]
            return
        error = message["error"]
        self._error = CallError(str(error["kind"]), str(error["message"]), error.get("result"))


class Channel:
    """The pipes of one session, and the requests that are under way. Made by attach()."""

    def __init__(self, native: Native, thread: int | None = None) -> None:
        self._native = native
        # The session's own, which alone can be stopped.
        self._thread = get_ident() if thread is None else thread
        self._lock = allocate_lock()  # held for steps that never wait
        self._calls = self._answers = -1
        self._arrival: Any = None  # a poll object for the answers, of whoever leads
        self._token = b""
        self._begin: Pending | None = None  # the request for a token
        self._held: list[Pending] = []  # that wait for one
        self._number = 0
        self._under_way: dict[int, Pending] = {}
        self._unsent: deque[memoryview] = deque()
        self._incoming = bytearray()
        self._leader = 0  # the thread that waits for the pipe
        self._left_to_leader = 0
        self._loops: dict[Any, int] = {}  # how many answers each of them waits for, if any
        # Those that watch the pipe: they go on for a while, for the next one to wait there.
        self._readers: set[Any] = set()
        self._followers: list[Any] = []
        self._told: list[tuple[Progress, list[Any]]] = []  # progress that was not handed on yet

    # --- asking ---

    def request(
        self, op: str, timeout: float | None = None, progress: Progress | None = None, **fields: Any
    ) -> Any:
        """Asks and waits; returns the value. `timeout`, in seconds, is the server's to keep.

        Raises CallError. A stop of the cell ends it, and the server is told that nobody waits.
        """
        pending = self.submit(op, timeout, progress, **fields)
        try:
            return pending.result()
        except BaseException:
            pending.cancel()
            raise

    def submit(
        self, op: str, timeout: float | None = None, progress: Progress | None = None, **fields: Any
    ) -> Pending:
        """Sends a request at once and returns without waiting for its answer.

        `progress` is called with (done, total, message), from whichever thread or loop reads. Raises
        CallError for what can't be sent: 'arguments' (no JSON), 'too_large', 'no_channel', 'lost'.
        """
        fields["op"] = op
        if timeout is not None:
            fields["timeout"] = timeout
        pending = Pending(self, _encoded(fields), progress)
        self._guarded(self._send_or_hold, pending)
        self._write_out()
        return pending

    def new_cell(self) -> None:
        """Another cell begins: what its code asks for needs another token. Cheap."""
        self._token = b""
        if self._leader == self._thread:  # a stop hit the moment in which it would have stepped back
            self._leader = 0

    def close(self, why: str = "its session has ended") -> None:
        """Ends every request as 'lost'. The next one opens the channel anew."""
        self._guarded(self._drop, why)

    def begin_again(self) -> None:
        """In the copy of a session, where other pipes are at the same numbers."""
        self._lock = allocate_lock()  # a thread that is not here may have held it
        self._thread = get_ident()
        self._leader = 0
        self._calls = self._answers = -1  # they are open, and others
        self._drop("the session is a copy of the one that asked")

    def leave_to_child(self) -> None:
        """In a child that the code has forked: the channel is its parent's."""
        self._lock = allocate_lock()
        self._calls = self._answers = -1
        self._native = _ChildNative()
        self._guarded(self._drop, "it belongs to the process that this one was forked from")

    # --- sending ---

    def _send_or_hold(self, pending: Pending) -> None:
        if self._calls < 0:
            self._open()
        if self._token:
            self._send(pending)
            return
        self._held.append(pending)
        if self._begin is None:
            self._begin = Pending(self, b'"op":"begin"}', None)
            self._send(self._begin)

    def _open(self) -> None:
        try:
            self._calls, self._answers = self._native.calls()
            self._arrival = select.poll()
            self._arrival.register(self._answers, select.POLLIN)
        except (OSError, RuntimeError) as error:
            raise CallError("no_channel", str(error)) from None

    def _send(self, pending: Pending) -> None:
        self._number = number = self._number + 1
        pending._number = number
        self._under_way[number] = pending
        if pending is self._begin:
            head = b'{"id":%d,' % number
        else:
            head = b'{"id":%d,"token":"%s",' % (number, self._token)
            pending._token = self._token
        self._put(head, pending._body)

    def _put(self, head: bytes, body: bytes) -> None:
        size = len(head) + len(body)
        self._unsent.append(memoryview(size.to_bytes(4, "little") + head + body))
        if len(self._unsent) == 1:
            self._write_some()

    def _write_some(self) -> None:
        """As much as the pipe takes now."""
        unsent = self._unsent
        try:
            while unsent:
                sent = _write(self._calls, unsent[0])
                if sent == len(unsent[0]):
                    unsent.popleft()
                else:
                    unsent[0] = unsent[0][sent:]
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop(f"the pipe to the server is closed ({error.strerror})")

    def _write_out(self) -> None:
        """Until nothing is left to be written. Reads meanwhile: the server may be waiting for that."""
        while self._unsent:
            waiting = select.poll()
            try:
                waiting.register(self._calls, select.POLLOUT)
                waiting.register(self._answers, select.POLLIN)
            except (OSError, ValueError):
                return
            self._poll(waiting, _LOOK_SECONDS)
            self._guarded(self._write_some)
            self._take_in(None)

    def _cancel(self, pending: Pending) -> bool:
        if pending._ready:
            return False
        return bool(self._guarded(self._drop_one, pending))

    def _drop_one(self, pending: Pending) -> bool:
        if pending._ready:
            return False
        if pending in self._held:
            self._held.remove(pending)
        elif self._under_way.pop(pending._number, None) is not None and self._calls >= 0:
            self._put(b'{"id":%d,"op":"cancel",' % (self._number + 1), b'"target":%d}' % pending._number)
            self._number += 1
        self._fail(pending, _cancelled())
        return True

    # --- waiting ---

    def _wait(self, pending: Pending, timeout: float | None) -> None:
        deadline = None if timeout is None else monotonic() + timeout
        waker: Any = None
        try:
            while not pending._ready:
                left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - monotonic())
                if left <= 0:
                    raise TimeoutError("the answer has not come yet")
                if self._guarded(self._lead):
                    # Whoever led before may have handed it on since.
                    if not pending._ready:
                        self._poll_answers(left)
                        self._read()
                    continue
                if waker is None:
                    waker = allocate_lock()
                    waker.acquire()
                    self._guarded(self._follow, pending, waker)
                waker.acquire(True, left)
        finally:
            self._guarded(self._step_back, pending, waker)

    def _lead(self) -> bool:
        if self._leader not in (0, get_ident()):
            return False
        self._leader = get_ident()
        return True

    def _follow(self, pending: Pending, waker: Any) -> None:
        pending._wakers.append(waker)
        self._followers.append(waker)
        if pending._ready or self._leader == 0:
            _release(waker)

    def _step_back(self, pending: Pending, waker: Any) -> None:
        if waker is not None:
            if waker in self._followers:
                self._followers.remove(waker)
            if waker in pending._wakers:
                pending._wakers.remove(waker)
        if self._leader == get_ident():
            self._leader = 0
        if self._leader == 0 and self._followers:
            _release(self._followers[0])

    def _poll_answers(self, seconds: float) -> None:
        waiting = self._arrival
        if waiting is not None:  # else it was dropped, and so was what is waited for
            self._poll(waiting, seconds)

    def _poll(self, waiting: Any, seconds: float) -> None:
        try:
            waiting.poll(max(1, int(seconds * 1000)))
        except OSError as error:
            if error.errno == _ECANCELED and self._native.stop_requested():
                raise KeyboardInterrupt from None
            raise

    def _watch(self, pending: Pending) -> Any:
        """A future of the running loop that is done when the request is."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        future = loop.create_future()
        self._guarded(self._add_watcher, pending, loop, future)
        if loop not in self._readers and self._answers >= 0:
            for ended in [each for each in self._readers if each.is_closed()]:
                self._readers.discard(ended)
            loop.add_reader(self._answers, self._readable, loop)
            self._readers.add(loop)
        return future

    def _add_watcher(self, pending: Pending, loop: Any, future: Any) -> None:
        if pending._ready:
            future.set_result(None)
            return
        pending._watchers.append((loop, future))
        self._loops[loop] = self._loops.get(loop, 0) + 1

    def _unwatch(self, pending: Pending, future: Any) -> None:
        self._guarded(self._remove_watcher, pending, future.get_loop(), future)

    def _remove_watcher(self, pending: Pending, loop: Any, future: Any) -> None:
        if (loop, future) not in pending._watchers:
            return
        pending._watchers.remove((loop, future))
        count = self._loops.get(loop, 0) - 1
        if count > 0:
            self._loops[loop] = count
        else:
            self._loops.pop(loop, None)

    def _readable(self, loop: Any) -> None:
        if loop not in self._loops:  # what comes is somebody else's
            self._readers.discard(loop)
            _forget_reader(loop, self._answers)
            return
        if self._leader not in (0, get_ident()) and self._left_to_leader < _LEFT_TO_LEADER:
            self._left_to_leader += 1  # that thread has been woken as well
            return
        self._read(loop)

    # --- receiving ---

    def _read(self, loop: Any = None) -> None:
        """Takes what is in the pipe and hands it on; `loop` is the one that runs here."""
        self._take_in(loop)
        if self._unsent:  # requests that had waited for their token
            self._write_out()

    def _take_in(self, loop: Any) -> None:
        self._guarded(self._read_some, loop)
        while self._told:
            try:
                report, arguments = self._told.pop(0)
                report(*arguments)
            except Exception:  # what the user's callback raises is nothing to whoever reads
                pass

    def _read_some(self, loop: Any) -> None:
        self._left_to_leader = 0
        incoming = self._incoming
        try:
            data = _read(self._answers, _AT_ONCE if len(incoming) < _AT_ONCE else _OF_LARGE)
        except BlockingIOError:
            return
        except OSError as error:
            if self._answers >= 0:
                self._drop(f"the pipe from the server is closed ({error.strerror})")
            return
        if not data:
            self._drop("the server has closed it")
            return
        incoming += data
        begin = 0
        while len(incoming) - begin >= 4:
            size = int.from_bytes(incoming[begin : begin + 4], "little")
            if size > MAXIMUM_FRAME:
                self._drop("what came from the server is no frame")
                return
            if len(incoming) - begin - 4 < size:
                break
            self._take_frame(bytes(incoming[begin + 4 : begin + 4 + size]), loop)
            begin += 4 + size
            if incoming is not self._incoming:
                return  # the channel was dropped
        if begin:
            del incoming[:begin]

    def _take_frame(self, frame: bytes, loop: Any) -> None:
        # The first members are in a fixed order: the text is decoded by whoever wants the value.
        end = frame.find(b",")
        try:
            number = int(frame[6:end])
        except ValueError:
            self._drop("what came from the server is no answer")
            return
        pending = self._under_way.get(number)
        if pending is None:  # cancelled
            return
        if frame.startswith(b'"progress"', end + 1):
            if pending._progress is not None:
                self._told.append((pending._progress, decode(frame)["progress"]))
            return
        del self._under_way[number]
        if pending is self._begin:
            self._begun(decode(frame))
        elif not (frame.startswith(b'"ok":false', end + 1) and self._asks_for_token(pending, frame)):
            pending._raw = frame
            self._finish(pending, loop)

    def _begun(self, answer: dict[str, Any]) -> None:
        self._begin = None
        held, self._held = self._held, []
        if answer["ok"]:
            self._token = answer["value"]["token"].encode("ascii")
            for pending in held:
                self._send(pending)
            return
        error = answer["error"]
        for pending in held:
            self._fail(pending, CallError(error["kind"], error["message"]))

    def _asks_for_token(self, pending: Pending, frame: bytes) -> bool:
        """A cell has begun since the token was given: once, another one is asked for."""
        if pending._renewed or len(frame) > _MOST_DECODED_EARLY:
            return False
        if decode(frame)["error"]["kind"] != "token":
            return False
        pending._renewed = True
        if pending._token == self._token:
            self._token = b""
        self._send_or_hold(pending)
        return True

    def _fail(self, pending: Pending, error: CallError) -> None:
        pending._error = error
        self._finish(pending, None)

    def _finish(self, pending: Pending, running: Any) -> None:
        pending._ready = True
        pending._body = b""
        for waker in pending._wakers:
            _release(waker)
        for loop, future in pending._watchers:
            if loop is running:
                if not future.done():
                    future.set_result(None)
                continue
            try:
                loop.call_soon_threadsafe(_set_done, future)
            except RuntimeError:  # it is closed
                pass

    def _drop(self, why: str) -> None:
        """The channel is of no use any more; what was under way ends."""
        lost, self._under_way = list(self._under_way.values()) + self._held, {}
        if self._begin in lost:
            lost.remove(self._begin)
        self._begin = None
        self._held = []
        self._token = b""
        self._arrival = None
        self._unsent.clear()
        self._incoming = bytearray()
        answers, self._answers = self._answers, -1
        calls, self._calls = self._calls, -1
        for loop in self._readers:
            if answers >= 0:
                _forget_reader(loop, answers)
        self._readers.clear()
        self._native.calls_lost(calls, answers)
        for pending in lost:
            self._fail(
                pending,
                CallError(
                    "lost",
                    f"The call was lost: the channel to the server has ended, because {why}. Look at "
                    "what it has done before you call again.",
                ),
            )

    # --- steps that are never cut ---

    def _guarded(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Does something that never waits, with the lock held and no stop in the middle of it."""
        own = get_ident() == self._thread
        stoppable = self._native.stoppable
        if own:
            stoppable(False)
        try:
            self._lock.acquire()
            try:
                return step(*arguments)
            finally:
                self._lock.release()
        finally:
            if own:
                stoppable(True)


class _ChildNative:
    """Of a child that the code has forked."""

    def stoppable(self, on: bool, /) -> None:
        """There is nothing to be stopped."""

    def stop_requested(self) -> bool:
        """Nobody asks it."""
        return False

    def calls(self) -> tuple[int, int]:
        """Raises RuntimeError."""
        raise RuntimeError(
            "No MCP server can be called from here: this process was forked by the session's code, and "
            "the channel is the session's. Call before you fork, or use threads or asyncio instead."
        )

    def calls_lost(self, calls: int, answers: int) -> None:
        """They were not its own."""


# --- the session's one ------------------------------------------------------------------------------

_channel: Channel | None = None


def attach(native: Native, thread: int | None = None) -> None:
    """The session of this interpreter or process asks by this native's pipes; `thread` is its own, by
    default the one that calls. Does nothing when it does so already."""
    global _channel
    if _channel is None or _channel._native is not native:
        _channel = Channel(native, thread)


def channel() -> Channel:
    """The session's one, opened at its first request. Raises CallError ('no_channel') without one."""
    if _channel is None:
        raise CallError(
            "no_channel",
            "No MCP server can be called from here: this code does not run in a session of the server. "
            "Run it with run_python.",
        )
    return _channel


def attached() -> Channel | None:
    """The session's one, or None; for what ends or copies a session."""
    return _channel


def detach() -> None:
    """The session has ended."""
    global _channel
    ended, _channel = _channel, None
    if ended is not None:
        ended.close()


# --- frames -----------------------------------------------------------------------------------------

_read = os.read
_write = os.write


def _encoded(fields: dict[str, Any]) -> bytes:
    """A frame behind its token. Raises CallError when it can't be one."""
    try:
        text = "".join(_pieces(fields, 0))
    except (TypeError, ValueError, RecursionError) as error:
        raise CallError(
            "arguments",
            f"Nothing was sent: the arguments can't be written as JSON ({error}). Use str, int, float, "
            "bool, None, lists and dicts with text keys.",
        ) from None
    body = text[1:].encode("ascii")
    if len(body) > MAXIMUM_FRAME - 256:
        raise CallError(
            "too_large",
            f"Nothing was sent: the call has {len(body)} bytes of JSON, and {MAXIMUM_FRAME - 256} are the "
            "most. Send the data in parts, or as a file.",
        )
    return body


def _unknown(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is no type of JSON's")


def _pieces(value: Any, level: int) -> Any:
    # Its own dictionary of what it is in the middle of: that is how a cycle is found.
    encoder = make_encoder({}, _unknown, encode_basestring_ascii, None, ":", ",", False, False, False)
    return encoder(value, level)


def _cancelled() -> CallError:
    return CallError(
        "cancelled",
        "The call was cancelled before its answer came. The server was told; what it has done already "
        "stays done.",
    )


def _release(waker: Any) -> None:
    try:
        waker.release()
    except RuntimeError:  # it has been woken already
        pass


def _set_done(future: Any) -> None:
    if not future.done():
        future.set_result(None)


def _forget_reader(loop: Any, descriptor: int) -> None:
    try:
        loop.remove_reader(descriptor)
    except Exception:
        pass
