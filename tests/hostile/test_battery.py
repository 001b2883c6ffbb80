"""The battery of hostile cells, once over: the server outlives it, answers all, and nobody else notices.

Each category runs in both rooms, with what is expected there.
"""

from __future__ import annotations

import itertools
import sys
import unittest
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.battery import Battery, Report  # noqa: E402
from tests.hostile.cells import CELLS, cells_in  # noqa: E402

# Ten times the bar that the soak is held to.
MARGIN = 2.5


CATEGORIES = list(dict.fromkeys(cell.category for cell in CELLS))
# Cells that hang are most of the time, so several categories run beside each other in workers. In
# the server's own process they do not: there a deadline needs the CPU that others would spin on.
WORKER_LANES = 4


def run_category(room: str, category: str) -> Report:
    return Battery(cells_in(room, category), MARGIN, room).run()


class Categories(unittest.TestCase):
    """One test for each category, each against a server of its own."""

    def check(self, report: Report, category: str) -> None:
        self.assertEqual(report.cells, len(cells_in("", category)))
        self.assertGreater(report.bystander_calls, 0)
        self.assertEqual([f"{p.cell}: {p.what}" for p in report.problems], [])


class HostileCells(Categories):
    """In the server's own process: what the guards of the embedding hold."""


class HostileCellsInWorkers(Categories):
    """In processes of their own: a cell may end its session, and nothing else."""

    reports: dict[str, Future[Report]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.lanes = ThreadPoolExecutor(WORKER_LANES)
        cls.reports = {name: cls.lanes.submit(run_category, "process", name) for name in CATEGORIES}

    @classmethod
    def tearDownClass(cls) -> None:
        cls.lanes.shutdown(cancel_futures=True)


def _add_tests(category: str) -> None:
    def in_process(self: HostileCells) -> None:
        self.check(run_category("inprocess", category), category)

    def in_worker(self: HostileCellsInWorkers) -> None:
        self.check(self.reports[category].result(), category)

    setattr(HostileCells, f"test_{category}", in_process)
    setattr(HostileCellsInWorkers, f"test_{category}", in_worker)


for _category in CATEGORIES:
    _add_tests(_category)


class BatteryItself(unittest.TestCase):
    """The battery's own shape."""

    def test_it_holds_at_least_forty_cells_with_names_of_their_own(self) -> None:
        self.assertGreaterEqual(len(CELLS), 40)
        self.assertEqual(len({cell.name for cell in CELLS}), len(CELLS))

    def test_cells_of_a_category_stand_together(self) -> None:
        groups = [key for key, _ in itertools.groupby(CELLS, key=lambda cell: cell.category)]
        self.assertGreaterEqual(len(groups), 15)


if __name__ == "__main__":
    unittest.main()
