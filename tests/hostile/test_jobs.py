"""Jobs under stress, in a short form; `./dev soak` and `./dev bench` run the long one."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.jobs import (  # noqa: E402
    OVER,
    TICKS,
    all_over,
    exit_code,
    flood,
    gone,
    job_of,
    kill_servers,
    printing,
    runner_processes,
    server,
    start_job,
    statuses,
    stop_all,
    streams,
    tool,
    until,
    world,
)

LONG = TICKS.format(lines=100_000, pause=0.01, job=1, code=0)


class ManyJobs(unittest.TestCase):
    def test_jobs_at_once_all_complete_and_lose_no_byte(self) -> None:
        report = flood(25)
        self.assertEqual(report.problems, [])
        self.assertEqual((report.complete, report.bytes_lost), (25, 0))
        self.assertLessEqual(report.grown, 64_000_000)


class Kills(unittest.TestCase):
    def test_a_server_killed_again_and_again_loses_no_job(self) -> None:
        report = kill_servers(jobs=6, kills=6, lines=300)
        self.assertEqual(report.problems, [])
        self.assertEqual((report.kills, report.adopted), (6, 6))

    def test_a_job_whose_keeper_is_killed_is_over_and_leaves_no_process(self) -> None:
        # The worker ends the run and writes that down; the server may see the keeper's end first.
        self._kill_parts(["keeper"], "cancelled", "failed")

    def test_a_job_whose_worker_is_killed_fails_and_leaves_no_process(self) -> None:
        self._kill_parts(["worker"], "failed")

    def test_a_job_whose_whole_runner_is_killed_fails_and_leaves_no_process(self) -> None:
        self._kill_parts(["keeper", "worker"], "failed")

    def _kill_parts(self, parts: list[str], *statuses: str) -> None:
        """Kills parts of a job's runner (docs/runner.md); the job ends, and so does its script."""
        with world() as place, server(place) as client:
            job_id = start_job(client, place, LONG)
            printing(client, job_id)
            processes = runner_processes(place, job_id)
            stop_all(processes[part] for part in parts)
            job = until(lambda: (j := job_of(client, job_id))["status"] in OVER and j, "the end of the job", 30)
            self.assertIn(job["status"], statuses)
            self.assertEqual(bool(job["error"]), job["status"] == "failed")
            for each in processes.values():
                gone(each)
            self.assertTrue(streams(client, job_id)[0].startswith("1 0\n"))

    def test_a_job_whose_runner_is_killed_while_no_server_runs_is_failed_later(self) -> None:
        with world() as place:
            client = server(place)
            job_id = start_job(client, place, LONG)
            printing(client, job_id)
            processes = runner_processes(place, job_id)
            os.kill(client.pid, signal.SIGKILL)
            client.process.wait()
            stop_all([processes["keeper"], processes["worker"]])
            for each in processes.values():
                gone(each)
            with server(place) as later:
                job = until(lambda: (j := job_of(later, job_id))["status"] in OVER and j, "the end of the job", 30)
                self.assertEqual((job["status"], bool(job["error"])), ("failed", True))
                self.assertTrue(streams(later, job_id)[0].startswith("1 0\n"))

    def test_a_child_that_is_killed_ends_its_job_with_the_signal(self) -> None:
        with world() as place, server(place) as client:
            job_id = start_job(client, place, LONG)
            printing(client, job_id)
            os.kill(runner_processes(place, job_id)["child"], signal.SIGKILL)
            all_over(client, [job_id], 30)
            self.assertEqual(exit_code(client, job_id), str(-signal.SIGKILL))

    def test_a_job_goes_on_after_its_server_ended_in_good_order(self) -> None:
        with world() as place:
            with server(place) as client:
                job_id = start_job(client, place, TICKS.format(lines=200, pause=0.01, job=3, code=3))
                printing(client, job_id)
            with server(place) as later:
                all_over(later, [job_id], 60)
                self.assertEqual(exit_code(later, job_id), "3")
                self.assertEqual(streams(later, job_id)[0].splitlines()[-1], "3 199")


class TwoServers(unittest.TestCase):
    def test_two_servers_on_one_store_do_each_other_no_harm(self) -> None:
        with world() as place, server(place) as first:
            mine = start_job(first, place, TICKS.format(lines=150, pause=0.01, job=1, code=1))
            printing(first, mine)
            with server(place) as second:
                self.assertEqual(statuses(second).get(mine), "running")
                other = start_job(second, place, TICKS.format(lines=150, pause=0.01, job=2, code=2))
                for client in (first, second):
                    all_over(client, [mine, other], 60)
                    self.assertEqual([exit_code(client, each) for each in (mine, other)], ["1", "2"])
                    self.assertEqual(streams(client, mine)[0].splitlines()[-1], "1 149")
            self.assertTrue(first.alive())
            self._listed_in_the_file(place, {mine, other})

    def test_a_server_that_starts_leaves_the_jobs_of_one_that_runs_alone(self) -> None:
        with world() as place, server(place) as first:
            job_id = start_job(first, place, LONG)
            printing(first, job_id)
            for _ in range(3):
                with server(place) as visitor:
                    self.assertEqual(statuses(visitor)[job_id], "running")
            self.assertEqual(statuses(first)[job_id], "running")
            self.assertEqual(tool(first, "kill_job", job_id=job_id)["status"], "killed")

    def _listed_in_the_file(self, place, ids: set[str]) -> None:
        file = place.store / "jobs.json"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            entries = json.loads(file.read_text())
            if {entry["id"] for entry in entries if entry["status"] in OVER} >= ids:
                return
            time.sleep(0.1)
        self.fail(f"jobs.json holds {[(entry['id'], entry['status']) for entry in entries]}")


if __name__ == "__main__":
    unittest.main()
