"""The battery of hostile cells, once over: the server outlives it, answers all, and nobody else notices."""

from __future__ import annotations

import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.battery import Battery, Report  # noqa: E402
from tests.hostile.cells import CELLS  # noqa: E402

# Ten times the bar that the soak is held to.
MARGIN = 2.5


class HostileCells(unittest.TestCase):
    """One test for each category, each against a server of its own."""

    def outlive(self, category: str) -> Report:
        cells = [cell for cell in CELLS if cell.category == category]
        self.assertTrue(cells, f"no cells in category {category}")
        report = Battery(cells, MARGIN).run()
        self.assertEqual(report.cells, len(cells))
        self.assertGreater(report.bystander_calls, 0)
        self.assertEqual([f"{p.cell}: {p.what}" for p in report.problems], [])
        return report


def _test_for(category: str) -> object:
    def test(self: HostileCells) -> None:
        self.outlive(category)

    return test


for _category in dict.fromkeys(cell.category for cell in CELLS):
    setattr(HostileCells, f"test_{_category}", _test_for(_category))


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
