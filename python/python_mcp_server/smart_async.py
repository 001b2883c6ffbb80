"""Functions that answer in time: quick ones with their value, slow ones with the id of a job.

    from python_mcp_server.smart_async import create_progress_callback, get_job_status, smart_async

    @smart_async(timeout_env="MY_TIMEOUT", default_timeout=30.0)
    async def work(items: list[str], async_mode: bool = False, job_label: str | None = None):
        progress = create_progress_callback()
        for number, item in enumerate(items, start=1):
            await handle(item)
            progress(number, len(items), f"handled {item}")
        return {"handled": len(items)}

    await work(few)                    # {"handled": 3}
    await work(many)                   # {"job_id": "…", "status": "running", "message": "…"}
    await work(many, async_mode=True)  # {"job_id": "…", "status": "pending"}
    get_job_status("…")                # {"job": {"status": "running", "progress": {…}, …}}

Within its budget a function costs a task and touches no file. A job is written to
~/.python_mcp/meta/jobs.json, or to the folder given to initialize_state(), which several processes
may share; it is `failed` there when its process ends before it does.

A job is a task of the event loop in which it was started: it goes on while that loop runs, and is
cancelled when asyncio.run() ends. Sessions of pyember keep one loop from cell to cell and run it
while a cell awaits: `await asyncio.sleep(1)` lets jobs go on for a second, and a cancellation asked
for by a cell without await takes hold in the next one that awaits.

Standard library only; nothing here is imported by the server.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import math
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from ._job import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, STATUSES, Job, now
from ._state import END_WAIT, State, is_the_servers

__all__ = [
    "STATE",
    "cancel_job",
    "create_output_callback",
    "create_progress_callback",
    "current_job_id",
    "get_job_status",
    "initialize_state",
    "list_jobs",
    "prune_jobs",
    "smart_async",
    "update_job_output",
]

STATE = State()
os.register_at_fork(after_in_child=STATE.after_fork)
_opening = threading.Lock()

# The job that the running code belongs to, from the first moment of its task; None: no job.
current_job_id: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "current_job_id", default=None
)


def initialize_state(persistence_dir: str | os.PathLike[str] | None = None) -> None:
    """Keeps jobs in this folder and reads those that are there.

    The default is PYTHON_MCP_META, else ~/.python_mcp/meta, as it is for pyember's server; the
    first background job and the first look at jobs open it by themselves. Jobs that another process
    left unfinished when it ended become failed. A folder that can't be written is a warning in the
    log, not an error: jobs work without it.
    """
    folder = Path(persistence_dir) if persistence_dir is not None else _default_folder()
    STATE.open(folder.expanduser().absolute())


# --- the decorator --------------------------------------------------------------------------------


def smart_async(
    timeout_env: str = "SMART_ASYNC_TIMEOUT_SECONDS", default_timeout: float = 20.0
) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
    """Decorates an `async def` so that its callers wait no longer than a budget.

    The budget in seconds is read from the environment variable `timeout_env` at each call; without
    it, or when it is no number, it is `default_timeout`. 0 or less turns it off: the call then
    waits to the end. The keyword arguments `async_mode` and `job_label` are taken from each call
    and not passed on; the label is the function's name by default.

    Over budget, and with async_mode=True, the work goes on as a job. It is shielded: neither the
    time-out nor the cancellation of the caller reaches it; a caller that is cancelled leaves a job
    behind, which list_jobs() shows and cancel_job() ends. What the function raises within the
    budget reaches the caller; later it makes the job failed.
    """
    if not isinstance(timeout_env, str):
        raise TypeError(
            "smart_async was used without parentheses: it takes options, not the function. "
            "Write @smart_async() above the function."
        )

    def decorate(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        name = getattr(function, "__name__", type(function).__name__)
        if not _is_async(function):
            raise TypeError(
                f"smart_async can't decorate {name}: it is no `async def`, so it could not go on "
                "in the background. Make it one, and await asyncio.to_thread() for what blocks."
            )

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            in_background = kwargs.pop("async_mode", False)
            job = Job(label=str(kwargs.pop("job_label", None) or name))
            if in_background:
                _open_default_folder()
                _start(job, _begun(job, function, args, kwargs))
                STATE.adopt(job)
                return {"job_id": job.id, "status": PENDING}
            budget = _budget(timeout_env, default_timeout)
            return await _within(budget, job, _begun(job, function, args, kwargs))

        return wrapper

    return decorate


async def _within(budget: float | None, job: Job, work: Coroutine[Any, Any, Any]) -> Any:
    """The value of the work, or after the budget the description of the job it has become."""
    job.begin()
    STATE.try_out(job)
    task = _start(job, work)
    try:
        # Unlike wait_for(), this leaves the task alone, and a TimeoutError is the task's own.
        await asyncio.wait({task}, timeout=budget)
    except BaseException:
        if task.done() or _is_being_cancelled(task):
            STATE.end_trial(job)
        else:
            _into_background(job)
        raise
    if task.done():
        STATE.end_trial(job)
        return task.result()
    _into_background(job)
    return {
        "job_id": job.id,
        "status": RUNNING,
        "message": f"Task exceeded {budget}s time budget; running in background",
    }


def _start(job: Job, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Starts the task of a job in a context in which the job is known."""
    context = contextvars.copy_context()
    context.run(current_job_id.set, job.id)
    job.task = context.run(asyncio.get_running_loop().create_task, coroutine)
    return job.task


async def _begun(
    job: Job, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    STATE.alter(job, Job.begin)
    return await function(*args, **kwargs)


def _is_being_cancelled(task: asyncio.Task[Any]) -> bool:
    """Whether more than the caller is cancelled: the loop ends. 3.10 can't tell."""
    return sys.version_info >= (3, 11) and task.cancelling() > 0


def _into_background(job: Job) -> None:
    _open_default_folder()
    STATE.adopt(job)


def _budget(variable: str, default: float) -> float | None:
    """Seconds; None: no limit."""
    try:
        seconds = float(os.environ[variable])
    except (KeyError, ValueError):
        seconds = float(default)
    if math.isnan(seconds):
        seconds = float(default)
    return seconds if 0 < seconds < math.inf else None


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 (its kind is asked, not whether it is there)
    )


# --- what a job tells of itself -------------------------------------------------------------------


def create_progress_callback() -> Callable[..., None]:
    """A function (current, total, message=None) that records how far the running job is.

    It belongs to the job whose code creates it and may be called from any thread. Outside a job,
    and after its end, it does nothing. What is reported within the budget is there when the
    function turns into a background job.
    """
    created_in = current_job_id.get()

    def report(current: int, total: int, message: str | None = None) -> None:
        progress: dict[str, Any] = {"current": current, "total": total}
        if message is not None:
            progress["message"] = message
        job = _callers_job(created_in)
        if job is not None:
            STATE.alter(job, lambda job: setattr(job, "progress", progress))

    return report


def create_output_callback() -> Callable[..., None]:
    """A function (stdout="", stderr="") that appends to the running job's output."""
    created_in = current_job_id.get()

    def write(stdout: str = "", stderr: str = "") -> None:
        job = _callers_job(created_in)
        if job is not None:
            _append(job, stdout, stderr)

    return write


def update_job_output(job_id: str, stdout: str = "", stderr: str = "") -> None:
    """Appends to the output of a job of this process that is not over; nothing otherwise."""
    job = STATE.find_own(job_id)
    if job is not None:
        _append(job, stdout, stderr)


def _callers_job(job_id: str | None) -> Job | None:
    job_id = job_id or current_job_id.get()
    return STATE.find_own(job_id) if job_id is not None else None


def _append(job: Job, stdout: str, stderr: str) -> None:
    def append(job: Job) -> None:
        if stdout:
            job.stdout.append(stdout)
        if stderr:
            job.stderr.append(stderr)

    if stdout or stderr:
        STATE.alter(job, append)


# --- looking at jobs, and ending them -------------------------------------------------------------


def get_job_status(job_id: str, incremental: bool = False) -> dict[str, Any]:
    """{"job": …}, or {"error": …} for an id that is not known.

    While the job runs its output is there too, as partial_stdout and partial_stderr; with
    `incremental` also what is new since the last such call, as new_stdout and new_stderr.
    """
    job = _find(job_id)
    if job is None:
        return _not_found(job_id)
    with STATE._lock:
        members = job.members()
        if job.status != RUNNING:
            return {"job": members}
        members["partial_stdout"] = job.stdout.text()
        members["partial_stderr"] = job.stderr.text()
        if not incremental:
            return {"job": members}
        members["new_stdout"] = job.stdout.new_text()
        members["new_stderr"] = job.stderr.new_text()
    return {"job": members, "incremental": True}


def list_jobs(status_filter: str | None = None, limit: int = 50) -> dict[str, Any]:
    """{"jobs": […], "total": …, "returned": …}, the newest first, other processes' included.

    `total` counts what matches the filter; `limit` says how many of those are returned.
    """
    if status_filter is not None and status_filter not in STATUSES:
        raise ValueError(
            f"status_filter {status_filter!r} is no status of a job. "
            f"Use one of {', '.join(STATUSES)}, or leave it out."
        )
    _look()
    with STATE._lock:
        jobs = [job for job in STATE.jobs.values() if status_filter in (None, job.status)]
        jobs.sort(key=lambda job: job.created_at, reverse=True)
        shown = [job.members() for job in jobs[: max(limit, 0)]]
    return {"jobs": shown, "total": len(jobs), "returned": len(shown)}


def cancel_job(job_id: str) -> dict[str, Any]:
    """Cancels a job of this process: it is cancelled at once, and CancelledError ends its task."""
    job = _find(job_id)
    if job is None:
        return _not_found(job_id)
    with STATE._lock:
        if job.is_over:
            message = f"Job {job_id} is not running (status: {job.status})"
            return {"error": message, "job_id": job_id}
        if job.foreign or job.task is None:
            return _belongs_elsewhere(job)
        task = job.task
        job.end(CANCELLED)
    _cancel(task)
    STATE.changed(job, END_WAIT)
    return {
        "job_id": job_id,
        "status": CANCELLED,
        "message": f"Job {job_id} was cancelled",
    }


def prune_jobs(
    keep_completed: bool = True, keep_failed: bool = True, max_age_hours: float = 24
) -> dict[str, int]:
    """Removes jobs that are over and were created longer ago than that; 0 hours: however new.

    Completed jobs go when keep_completed is false, failed and cancelled ones when keep_failed is.
    Those of pyember's server stay: its tool py_prune_jobs removes them.
    """
    unwanted: set[str] = set()
    if not keep_completed:
        unwanted.add(COMPLETED)
    if not keep_failed:
        unwanted.update((FAILED, CANCELLED))
    _look()
    try:
        cutoff = now() - timedelta(hours=max(max_age_hours, 0))
    except OverflowError:
        return {"removed": 0, "remaining": len(STATE.jobs)}
    removed = STATE.forget(lambda job: job.status in unwanted and job.created_at <= cutoff)
    return {"removed": removed, "remaining": len(STATE.jobs)}


def _find(job_id: str) -> Job | None:
    """A job of this process, settled; otherwise one of another, as the file has it."""
    STATE.flush_if_due()
    job = STATE.jobs.get(job_id)
    if job is not None and not job.foreign:
        STATE.settle(job)
        return job
    _look()
    return STATE.jobs.get(job_id)


def _look() -> None:
    _open_default_folder()
    STATE.settle_all()
    STATE.flush_if_due()
    STATE.refresh()


def _cancel(task: asyncio.Task[Any]) -> None:
    loop = task.get_loop()
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    try:
        if here:
            task.cancel()
        else:
            loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:  # the loop is closed: nothing runs any more
        pass


def _not_found(job_id: str) -> dict[str, Any]:
    return {"error": f"Job {job_id} not found"}


def _belongs_elsewhere(job: Job) -> dict[str, Any]:
    how = "Cancel it there."
    if is_the_servers(job.record):
        how = "Use the server's tool py_cancel_job, or the command `pyember jobs cancel`."
    return {
        "error": f"Job {job.id} can't be cancelled here: it runs in another process or session, "
        f"which alone reaches it. {how}",
        "job_id": job.id,
    }


def _default_folder() -> Path:
    named = os.environ.get("PYTHON_MCP_META")
    return Path(named) if named else Path.home() / ".python_mcp" / "meta"


def _open_default_folder() -> None:
    if STATE.persistence_dir is None:
        with _opening:
            if STATE.persistence_dir is None:
                initialize_state()
