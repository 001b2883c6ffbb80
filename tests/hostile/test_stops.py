"""Every runaway is stopped: loops and waits with the session intact, code in C at its cost."""

from __future__ import annotations

import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.stoppable_code import C_CODE, LOOPS, STUBBORN_WAITS, WAITS  # noqa: E402
from tests.support.raw_client import RawClient, cpu_seconds  # noqa: E402

TIMEOUT = 0.4
# What the answer may take beyond its timeout: ten times the bar for the wait, and for C.
MARGIN = 2.5


class Stops(unittest.TestCase):
    client: RawClient

    @classmethod
    def setUpClass(cls) -> None:
        cls.client = RawClient(["serve", "--max-sessions", "200"])

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()

    def stop(self, name: str, code: str) -> tuple[str, object]:
        """Runs code that never ends in a fresh session holding x; returns the session and answer."""
        session = name.replace(" ", "-")
        self.assertEqual(self.client.run("x = 41\nx", session).result, "41")
        answer = self.client.run(code, session, timeout=TIMEOUT)
        self.assertLess(answer.seconds, TIMEOUT + MARGIN, f"{name}: answered late: {answer}")
        return session, answer

    def stopped_intact(self, name: str, code: str) -> None:
        session, answer = self.stop(name, code)
        self.assertEqual(answer.status, "timed_out", f"{name}: {answer}")
        after = self.client.run("x + 1", session)
        self.assertEqual((after.status, after.result), ("completed", "42"), f"{name}: {after}")
        self.client.tool("close_session", session=session)

    def test_python_loops_stop_with_the_session_intact(self) -> None:
        for name, code in LOOPS.items():
            with self.subTest(name):
                self.stopped_intact(name, code)

    def test_waits_wake_with_the_session_intact(self) -> None:
        for name, code in WAITS.items():
            with self.subTest(name):
                self.stopped_intact(name, code)

    def test_waits_that_swallow_the_stop_are_left_all_the_same(self) -> None:
        for name, code in STUBBORN_WAITS.items():
            with self.subTest(name):
                self.stopped_intact(name, code)

    def test_code_in_c_costs_the_session_and_the_next_call_says_so(self) -> None:
        for name, code in C_CODE.items():
            with self.subTest(name):
                session, answer = self.stop(name, code)
                self.assertEqual(answer.status, "lost", f"{name}: {answer}")
                after = self.client.run("'x' in globals()", session)
                self.assertEqual((after.status, after.result), ("completed", "False"), f"{name}: {after}")
                self.assertIn("lost", " ".join(after.notices), f"{name}: the next call does not say that the state is gone")
                self.client.tool("close_session", session=session)
        before = cpu_seconds(self.client.pid)
        time.sleep(1.0)
        self.assertLess(cpu_seconds(self.client.pid) - before, 0.5, "a parked thread burns CPU")

    def test_an_interrupted_with_lock_never_runs_its_body(self) -> None:
        run = self.client.run
        run("import threading\nlock = threading.Lock()\nlock.acquire()\nran = []", "with-lock")
        answer = run("with lock:\n    ran.append(1)", "with-lock", timeout=TIMEOUT)
        self.assertEqual(answer.status, "timed_out", answer)
        after = run("ran, lock.locked()", "with-lock")
        self.assertEqual(after.result, "([], True)", after)

    def test_interrupt_session_stops_what_runs_and_leaves_what_waits(self) -> None:
        client = self.client
        client.run("x = 1", "interrupted")
        running = client.send_cell("while True: pass", "interrupted", timeout=60)
        queued = client.send_cell("x + 1", "interrupted")
        time.sleep(0.3)
        client.tool("interrupt_session", session="interrupted")
        stopped = running.wait(10)["result"]["structuredContent"]
        self.assertEqual(stopped["status"], "interrupted", stopped)
        self.assertEqual(queued.wait(10)["result"]["structuredContent"]["result"], "2")

    def test_cancelling_the_request_stops_the_cell(self) -> None:
        client = self.client
        client.run("x = 1", "cancelled")
        running = client.send_cell("while True: pass", "cancelled", timeout=60)
        time.sleep(0.3)
        client.notify("notifications/cancelled", {"requestId": running.id, "reason": "test"})
        after = client.run("x + 1", "cancelled", wait=10)
        self.assertEqual(after.result, "2", after)


if __name__ == "__main__":
    unittest.main()
