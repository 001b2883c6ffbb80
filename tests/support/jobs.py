"""Jobs, as a client of the server sees them."""

from __future__ import annotations

import time
from typing import Any

from tests.support.raw_client import RawClient

OVER = {"completed", "failed", "timed_out", "cancelled", "lost"}
DEADLINE = 60.0


def job_over(client: RawClient, job_id: str) -> dict[str, Any]:
    """The job when it is over, however it ended."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        answer = client.tool("py_job_status", DEADLINE, job_id=job_id, incremental=False)
        assert not answer.is_error, answer
        job: dict[str, Any] = answer.structured["job"]
        if job["status"] in OVER:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} does not end")
