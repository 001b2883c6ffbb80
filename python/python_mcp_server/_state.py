"""The jobs this process knows, and when they are written down. One State: smart_async.STATE.

Our own jobs live here as objects that nothing replaces; what the jobs file says is taken over for
foreign jobs alone. So a status read can never turn a running job into a stale copy of itself.

Writing: a change makes a job dirty. Dirty jobs are written at once when the last write is a quarter
of a second old, else when it will be: by a timer in the event loop of the job, or by the next call
that looks, whichever comes first. There is no thread for it, for sessions of pyember must be free
to end. The end of a job is written in the same or the next turn of its loop, and at exit all
that is left.

Locks: `_lock` guards the attributes and is never held while a file is touched; `_file_lock` keeps
the writes in order. Functions may be called from any thread.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _owner
from ._job import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, Job, now, to_text
from ._jobs_file import Busy, JobsFile

WRITE_PERIOD = 0.25  # seconds between two writes of progress and output
END_WAIT = 0.2  # seconds the end of a job, which is reported in an event loop, waits for the lock
EXIT_WAIT = 2.0  # at exit, and when a state is loaded, where nobody is kept waiting
KEPT_JOBS = 500  # jobs that are over in the file; the oldest of more are forgotten

RESTARTED = "Server restarted while job was running"
ENDED = "The process ended while job was running"
LOOP_CLOSED = "The event loop was closed while job was running"
OUTSIDE = "The task was cancelled by its event loop or by other code, not by cancel_job()"

_log = logging.getLogger("python_mcp_server")


class State:
    """See above. `jobs` holds what is known, by id; `persistence_dir` is None before it is used."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.persistence_dir: Path | None = None
        self._file: JobsFile | None = None
        self._trials: dict[str, Job] = {}  # within their budget: known to callbacks alone
        self._dirty: set[str] = set()
        self._forgotten: set[str] = set()  # to be taken out of the file
        self._last_write = 0.0
        self._timers: set[asyncio.AbstractEventLoop] = set()  # loops that have one set
        self._ends_soon: set[asyncio.AbstractEventLoop] = set()  # loops about to write ends
        self._complained = ""
        self._lock = threading.RLock()
        self._file_lock = threading.Lock()
        self._exit_registered = False

    # --- where jobs are kept ----------------------------------------------------------------------

    def open(self, directory: Path) -> None:
        """Keeps jobs in `directory` from now on, and takes over what is there.

        Jobs that a process left there when it ended become failed. Jobs of ours that are not over
        go on and move along.
        """
        self.flush(EXIT_WAIT)
        with self._lock:
            if self._file is None or directory != self.persistence_dir:
                live = {job.id: job for job in self._own() if not job.is_over}
                self.jobs.clear()  # the same dictionary: callers may hold STATE.jobs
                self.jobs.update(live)
                for job in live.values():
                    job.written = False
                self._dirty, self._forgotten = set(live), set()
                self.persistence_dir, self._file = directory, JobsFile(directory)
            if not self._exit_registered:
                self._exit_registered = True
                atexit.register(self._at_exit)
        self.refresh(EXIT_WAIT, judge_silent=True)
        self.flush(EXIT_WAIT)

    def refresh(self, wait: float = END_WAIT, *, judge_silent: bool = False) -> None:
        """Takes over what other processes wrote since the last look, and judges what runs there.

        Jobs whose process is gone become failed; with judge_silent those too that name no process.
        """
        self._read()
        if any([self._is_orphan(job.record, judge_silent) for job in list(self.jobs.values())]):

            def change(records: list[Any]) -> list[Any]:
                return [_failed(r) if self._is_orphan(r, judge_silent) else r for r in records]

            self._update(change, wait)
            self._read()

    def _read(self) -> None:
        with self._file_lock:
            records = self._file.read() if self._file is not None else None
        with self._lock:
            if records is not None:
                self._take_over(records)
            else:
                self._write_all_again()

    def _write_all_again(self) -> None:
        """The file is gone, or what is in it is no list of jobs."""
        for job in self._own():
            job.written = False
            self._dirty.add(job.id)

    def _take_over(self, records: list[Any]) -> None:
        found = {record["id"]: record for record in records if _is_record(record)}
        for name, record in found.items():
            job = self.jobs.get(name)
            if name in self._forgotten or (job is not None and not job.foreign):
                continue
            if job is None:
                self.jobs[name] = Job.from_record(record)
            elif job.record is not record:
                job.update_from(record)
        for job in list(self.jobs.values()):
            if job.id not in found and (job.foreign or _was_pruned(job, self._dirty)):
                del self.jobs[job.id]

    def _is_orphan(self, record: Any, judge_silent: bool) -> bool:
        if not _is_record(record) or record.get("status") not in (PENDING, RUNNING):
            return False
        job = self.jobs.get(record["id"])
        if (job is not None and not job.foreign) or is_the_servers(record):
            return False
        alive = _owner.is_alive(record.get("owner"))
        return judge_silent if alive is None else not alive

    # --- own jobs ---------------------------------------------------------------------------------

    def try_out(self, job: Job) -> None:
        """Makes a job known to its callbacks, and to nobody else."""
        with self._lock:
            self._trials[job.id] = job

    def end_trial(self, job: Job) -> None:
        with self._lock:
            self._trials.pop(job.id, None)

    def adopt(self, job: Job) -> None:
        """Lists a job from now on; its task is settled when it ends."""
        with self._lock:
            self._trials.pop(job.id, None)
            self.jobs[job.id] = job
        if job.task is not None:
            job.task.add_done_callback(lambda task: self._on_task_done(job, task.get_loop()))
        self.changed(job)

    def find_own(self, job_id: str) -> Job | None:
        """A job of this process, within its budget or in the background."""
        with self._lock:
            job = self._trials.get(job_id) or self.jobs.get(job_id)
        return None if job is None or job.foreign else job

    def alter(self, job: Job, change: Callable[[Job], None]) -> None:
        """Changes a job that is not over."""
        with self._lock:
            if job.is_over:
                return
            change(job)
            listed = job.id in self.jobs
        if listed:
            self.changed(job)

    def settle(self, job: Job) -> None:
        """Makes the end of a job's task the end of the job, if it has come."""
        if self._settle(job):
            self.changed(job, END_WAIT)

    def _settle(self, job: Job) -> bool:
        with self._lock:
            task = job.task
            if task is None:
                return False
            if not task.done():
                if job.is_over or not task.get_loop().is_closed():
                    return False
                job.end(FAILED, error=LOOP_CLOSED)
            elif task.cancelled():
                job.end(CANCELLED, error=OUTSIDE)
            else:
                error = task.exception()  # also tells asyncio that somebody has looked
                if error is None:
                    job.end(COMPLETED, result=task.result())
                else:
                    job.end(FAILED, error=str(error) or type(error).__name__)
            job.task = None
            return True

    def _on_task_done(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        if not self._settle(job):
            return
        with self._lock:
            self._dirty.add(job.id)
            self._ends_soon = {each for each in self._ends_soon if not each.is_closed()}
            if loop in self._ends_soon:
                return
            self._ends_soon.add(loop)
        # Many jobs that end in one turn of the loop are one write: renaming takes milliseconds.
        loop.call_soon(self._write_ends, loop)

    def _write_ends(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._ends_soon.discard(loop)
        self.flush(END_WAIT, loop)

    def settle_all(self) -> None:
        with self._lock:
            unsettled = [job for job in self._own() if job.task is not None]
        for job in unsettled:
            self.settle(job)

    def forget(self, chosen: Callable[[Job], bool]) -> int:
        """Removes the jobs that are over and chosen, here and in the file; how many."""
        with self._lock:
            over = [job for job in self.jobs.values() if job.is_over and chosen(job)]
            names = [job.id for job in over if not is_the_servers(job.record)]
            for name in names:
                del self.jobs[name]
            self._dirty.difference_update(names)
            self._forgotten.update(names)
        if names:
            self.flush(EXIT_WAIT)
        return len(names)

    def _own(self) -> list[Job]:
        return [job for job in self.jobs.values() if not job.foreign]

    # --- writing ----------------------------------------------------------------------------------

    def changed(self, job: Job, wait: float | None = None) -> None:
        """Has a job written soon; with `wait` now."""
        with self._lock:
            if self._file is None:
                return
            self._dirty.add(job.id)
            left = self._last_write + WRITE_PERIOD - time.monotonic()
        if wait is not None:
            self.flush(wait, _loop_of(job))
        elif left <= 0:
            self.flush(0, _loop_of(job))
        else:
            self._write_later(_loop_of(job), left)

    def flush(self, wait: float, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Writes what is dirty. What can't be written stays so, and `loop` tries again."""
        dirty: set[str] = set()
        forgotten: set[str] = set()
        written = False
        try:  # a stop may land anywhere
            with self._lock:
                dirty, self._dirty = self._dirty, set()
                forgotten, self._forgotten = self._forgotten, set()
                own = [self.jobs[name] for name in dirty if name in self.jobs]
                owner = _owner.this_process()
                fresh = {each.id: each.to_record(owner) for each in own if not each.foreign}
                if fresh or forgotten:
                    self._last_write = time.monotonic()
            if fresh or forgotten:
                written = self._update(_merger(fresh, forgotten), wait)
        finally:
            if not written:
                with self._lock:
                    self._dirty.update([name for name in dirty if name in self.jobs])
                    self._forgotten.update(forgotten)
        if written:
            for each in own:
                each.written = True
        elif fresh:
            self._write_later(loop, WRITE_PERIOD)

    def flush_if_due(self) -> None:
        with self._lock:
            due = bool(self._dirty) and (
                bool(self._ends_soon) or time.monotonic() >= self._last_write + WRITE_PERIOD
            )
        if due:
            self.flush(0)

    def _update(self, change: Callable[[list[Any]], list[Any]], wait: float) -> bool:
        with self._file_lock:
            if self._file is None:
                return False
            try:
                went_on = self._file.update(change, wait)
            except Busy:
                return False
            except OSError as error:
                self._complain(error)
                return False
        self._complained = ""
        if not went_on:
            with self._lock:
                self._write_all_again()
        return True

    def _complain(self, error: OSError) -> None:
        if str(error) != self._complained:
            self._complained = str(error)
            _log.warning(
                "Jobs can't be written to %s: %s. They go on, and are lost when this process ends; "
                "make the folder writable, or name another with initialize_state(folder).",
                self.persistence_dir, error,
            )  # fmt: skip

    def _write_later(self, loop: asyncio.AbstractEventLoop | None, delay: float) -> None:
        """A loop that has stopped does not fire its timer: each loop has one of its own."""
        with self._lock:
            self._timers = {each for each in self._timers if not each.is_closed()}
            if loop is None or loop in self._timers:
                return
            self._timers.add(loop)
        try:
            if loop is _running_loop():
                loop.call_later(delay, self._on_timer, loop)
            else:
                loop.call_soon_threadsafe(loop.call_later, delay, self._on_timer, loop)
        except RuntimeError:  # the loop is closed
            pass

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._timers.discard(loop)
            left = self._last_write + WRITE_PERIOD - time.monotonic()
            if not self._dirty:
                return
        if left > 0.01:  # something else was written meanwhile
            self._write_later(loop, left)
        else:
            self.flush(0, loop)

    def after_fork(self) -> None:
        """In a process forked from ours: the jobs stayed with the parent, and so did its locks."""
        directory, self.jobs = self.persistence_dir, {}
        registered = self._exit_registered
        self.__init__()  # type: ignore[misc]
        self._exit_registered = registered
        if directory is not None:
            self.persistence_dir, self._file = directory, JobsFile(directory)

    def _at_exit(self) -> None:
        """Called when the process, or a session of pyember, ends."""
        self.settle_all()
        with self._lock:
            for job in self._own():
                if not job.is_over:
                    job.end(FAILED, error=ENDED)
                    self._dirty.add(job.id)
        self.flush(EXIT_WAIT)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _loop_of(job: Job) -> asyncio.AbstractEventLoop | None:
    return job.task.get_loop() if job.task is not None else _running_loop()


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("id"), str)


def is_the_servers(record: dict[str, Any] | None) -> bool:
    """Jobs of pyember's server survive it, and it alone judges and removes them."""
    return record is not None and isinstance(record.get("tool"), str)


def _failed(record: dict[str, Any]) -> dict[str, Any]:
    failed = {
        **record,
        "status": FAILED,
        "completed_at": to_text(now()),
        "error": RESTARTED,
        "partial_stdout": "",
        "partial_stderr": "",
    }
    failed.pop("owner", None)
    return failed


def _was_pruned(job: Job, dirty: set[str]) -> bool:
    """Whether a job that is not in the file was taken out of it by another process."""
    return job.is_over and job.written and job.id not in dirty


def _merger(
    fresh: dict[str, dict[str, Any]], forgotten: set[str]
) -> Callable[[list[Any]], list[Any]]:
    """Puts our records among those of the file, whose members we don't know they keep."""

    def merge(records: list[Any]) -> list[Any]:
        new = dict(fresh)
        merged: list[Any] = []
        for record in records:
            name = record["id"] if _is_record(record) else None
            if name in forgotten:
                continue
            ours = new.pop(name, None) if name is not None else None
            merged.append(record if ours is None else _with_unknown(ours, record))
        return _bounded(merged + list(new.values()))

    return merge


def _with_unknown(ours: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    unknown = {name: value for name, value in record.items() if name not in ours}
    unknown.pop("owner", None)  # written while a job runs, and taken out when it is over
    return {**ours, **unknown}


def _bounded(records: list[Any]) -> list[Any]:
    over = [
        record
        for record in records
        if _is_record(record)
        and record.get("status") not in (PENDING, RUNNING)
        and not is_the_servers(record)
    ]
    if len(over) <= KEPT_JOBS:
        return records
    oldest = {id(record) for record in over[: len(over) - KEPT_JOBS]}
    return [record for record in records if id(record) not in oldest]
