"""The decorator: budgets, what is passed on, what is shielded."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import threading
import uuid
from typing import Any

import pytest

from python_mcp_server.smart_async import (
    STATE,
    cancel_job,
    current_job_id,
    get_job_status,
    list_jobs,
    smart_async,
)
from smart_jobs import until_over


@smart_async(timeout_env="TEST_TIMEOUT", default_timeout=0.05)
async def finish_after(seconds: float, value: Any = "done", *, async_mode: bool = False, job_label: str | None = None) -> Any:
    """Waits."""
    await asyncio.sleep(seconds)
    return value


@smart_async(timeout_env="TEST_TIMEOUT", default_timeout=0.05)
async def raise_after(seconds: float, error: BaseException) -> None:
    await asyncio.sleep(seconds)
    raise error


def test_the_budget_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setenv("TEST_TIMEOUT", "30")
        assert await finish_after(0.1) == "done"
        monkeypatch.setenv("TEST_TIMEOUT", "0.01")
        answer = await finish_after(0.1)
        assert answer["message"] == "Task exceeded 0.01s time budget; running in background"

    asyncio.run(main())


@pytest.mark.parametrize("text", ["", "soon", "nan", "1,5"])
def test_a_budget_that_is_no_number_is_the_default(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TIMEOUT", text)
    assert asyncio.run(finish_after(10.0))["message"].startswith("Task exceeded 0.05s")


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "inf"])
def test_a_budget_of_zero_is_turned_off(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TIMEOUT", text)
    assert asyncio.run(finish_after(0.2)) == "done"
    assert not STATE.jobs


def test_the_default_variable_and_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = inspect.signature(smart_async).parameters
    assert {name: each.default for name, each in parameters.items()} == {
        "timeout_env": "SMART_ASYNC_TIMEOUT_SECONDS", "default_timeout": 20.0,
    }  # fmt: skip

    @smart_async()
    async def work() -> None:
        await asyncio.sleep(5)

    monkeypatch.setenv("SMART_ASYNC_TIMEOUT_SECONDS", "0.02")
    assert asyncio.run(work())["status"] == "running"


def test_the_wrapper_looks_like_the_function_and_keeps_two_arguments_to_itself() -> None:
    assert finish_after.__name__ == "finish_after"
    assert finish_after.__doc__ == "Waits."
    assert list(inspect.signature(finish_after).parameters) == ["seconds", "value", "async_mode", "job_label"]
    assert inspect.iscoroutinefunction(finish_after)

    @smart_async()
    async def everything(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert asyncio.run(everything(1, async_mode=False, job_label="x", other=2)) == ((1,), {"other": 2})


def test_ids_are_uuids_of_version_4() -> None:
    async def main() -> None:
        job_id = (await finish_after(0, async_mode=True))["job_id"]
        assert str(uuid.UUID(job_id)) == job_id
        assert uuid.UUID(job_id).version == 4

    asyncio.run(main())


def test_an_exception_within_the_budget_is_the_callers() -> None:
    error = LookupError("in time")
    with pytest.raises(LookupError) as caught:
        asyncio.run(raise_after(0.0, error))
    assert caught.value is error
    assert not STATE.jobs


def test_a_timeout_error_of_the_function_is_not_taken_for_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TIMEOUT", "30")
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(raise_after(0.0, asyncio.TimeoutError()))


def test_an_exception_without_a_message_is_named() -> None:
    async def main() -> None:
        job = await until_over((await raise_after(0.1, KeyError()))["job_id"])
        assert (job["status"], job["error"]) == ("failed", "KeyError")

    asyncio.run(main())


def test_nobody_hears_that_an_exception_was_never_retrieved() -> None:
    heard: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
        await until_over((await raise_after(0.1, ValueError("late")))["job_id"])
        STATE.jobs.clear()
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert not heard


def test_wrong_arguments_are_the_callers_error_and_in_async_mode_the_jobs() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="nonsense"):
            await finish_after(0, nonsense=1)
        job = await until_over((await finish_after(0, nonsense=1, async_mode=True))["job_id"])
        assert job["status"] == "failed"
        assert "nonsense" in job["error"]

    asyncio.run(main())


def test_a_caller_that_is_cancelled_leaves_a_job_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TIMEOUT", "30")

    async def main() -> None:
        caller = asyncio.ensure_future(finish_after(0.2))
        await asyncio.sleep(0.05)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        (job,) = list_jobs()["jobs"]
        assert job["status"] == "running"
        assert (await until_over(job["id"]))["result"] == "done"

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 does not tell that a task is being cancelled")
def test_a_loop_that_ends_within_the_budget_leaves_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TIMEOUT", "30")

    async def main() -> None:
        asyncio.ensure_future(finish_after(10.0))
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert not STATE.jobs


def test_a_loop_that_ends_cancels_its_jobs() -> None:
    async def main() -> str:
        job_id: str = (await finish_after(10.0))["job_id"]
        return job_id

    job = get_job_status(asyncio.run(main()))["job"]
    assert job["status"] == "cancelled"
    assert "event loop" in job["error"]


def test_cancelling_reaches_the_code_of_the_job() -> None:
    ended: list[str] = []

    @smart_async()
    async def tidy(async_mode: bool = False) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            ended.append("tidied")
        return "never"

    async def main() -> None:
        job_id = (await tidy(async_mode=True))["job_id"]
        await asyncio.sleep(0)
        cancel_job(job_id)
        await asyncio.sleep(0.02)
        assert ended == ["cancelled", "tidied"]
        assert get_job_status(job_id)["job"]["error"] is None

    asyncio.run(main())


def test_a_job_that_returns_a_value_after_it_was_cancelled_stays_cancelled() -> None:
    @smart_async()
    async def stubborn(async_mode: bool = False) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            pass
        return "all the same"

    async def main() -> None:
        job_id = (await stubborn(async_mode=True))["job_id"]
        await asyncio.sleep(0)
        cancel_job(job_id)
        await asyncio.sleep(0.02)
        job = get_job_status(job_id)["job"]
        assert (job["status"], job["result"]) == ("cancelled", None)

    asyncio.run(main())


def test_a_job_is_cancelled_before_its_first_step() -> None:
    async def main() -> None:
        job_id = (await finish_after(30.0, async_mode=True))["job_id"]
        assert cancel_job(job_id)["status"] == "cancelled"
        await asyncio.sleep(0.02)
        assert get_job_status(job_id)["job"]["started_at"] is None

    asyncio.run(main())


def test_a_job_is_cancelled_from_another_thread() -> None:
    async def main() -> None:
        job_id = (await finish_after(30.0))["job_id"]
        answer = await asyncio.get_running_loop().run_in_executor(None, cancel_job, job_id)
        assert answer["status"] == "cancelled"
        await asyncio.sleep(0.02)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_what_can_not_be_cancelled_says_why() -> None:
    async def main() -> None:
        assert cancel_job("no such id") == {"error": "Job no such id not found"}
        job_id = (await finish_after(0, async_mode=True))["job_id"]
        await until_over(job_id)
        assert cancel_job(job_id) == {
            "error": f"Job {job_id} is not running (status: completed)", "job_id": job_id,
        }  # fmt: skip

    asyncio.run(main())


def test_the_id_of_the_job_is_known_to_its_code_and_to_nobody_else() -> None:
    @smart_async(default_timeout=0.05)
    async def tell(async_mode: bool = False) -> str | None:
        await asyncio.sleep(0.1)
        return current_job_id.get()

    async def main() -> None:
        for async_mode in (True, False):
            job_id = (await tell(async_mode=async_mode))["job_id"]
            assert current_job_id.get() is None
            assert (await until_over(job_id))["result"] == job_id

    asyncio.run(main())


def test_a_decorated_function_may_call_another_one() -> None:
    async def main() -> None:
        @smart_async()
        async def outer() -> Any:
            return current_job_id.get(), await finish_after(0.1)

        before, inner = await outer()
        assert inner["status"] == "running"
        assert inner["job_id"] != before
        assert (await until_over(inner["job_id"]))["status"] == "completed"

    asyncio.run(main())


def test_jobs_of_two_loops_in_two_threads() -> None:
    ends: list[str] = []

    async def main() -> None:
        ends.append((await until_over((await finish_after(0.1))["job_id"]))["status"])

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ends == ["completed", "completed"]


@pytest.mark.parametrize("wrong", [print, lambda: None, 3], ids=["builtin", "lambda", "number"])
def test_what_can_not_be_decorated_says_what_to_do(wrong: Any) -> None:
    with pytest.raises(TypeError, match="no `async def`.*asyncio.to_thread"):
        smart_async()(wrong)


def test_the_decorator_without_parentheses_says_what_to_write() -> None:
    async def work() -> None: ...

    with pytest.raises(TypeError, match=r"@smart_async\(\)"):
        smart_async(work)  # type: ignore[arg-type]


def test_an_unknown_filter_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="pending, running, completed, failed, cancelled"):
        list_jobs(status_filter="finished")
