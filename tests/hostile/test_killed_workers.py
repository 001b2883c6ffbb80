"""Workers killed in the middle of their cells: a few dozen of what `./dev soak` does with 500."""

from __future__ import annotations

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.killed_workers import KILLS, KilledWorkers  # noqa: E402


class Killed(unittest.TestCase):
    """Every call is answered with its reason, and nothing is left over."""

    def test_each_call_is_answered_with_its_reason_and_nothing_is_left_over(self) -> None:
        report = KilledWorkers(len(KILLS) + 12, random.randrange(1 << 32)).run()
        self.assertEqual(report.problems, [], f"seed {report.seed}; {report.before} before, {report.after} after")
        self.assertGreaterEqual(report.kills, len(KILLS) + 12)
        self.assertGreater(report.zygote_kills, 1)

    def test_every_kind_has_a_name_of_its_own(self) -> None:
        self.assertEqual(len({kill.name for kill in KILLS}), len(KILLS))


if __name__ == "__main__":
    unittest.main()
