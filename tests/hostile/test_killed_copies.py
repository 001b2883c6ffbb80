"""Processes killed while sessions fork and go back: some dozens of what `./dev soak` does with more."""

from __future__ import annotations

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.killed_copies import KilledCopies


class KilledCopiesTest(unittest.TestCase):
    def test_each_call_is_answered_rightly_and_nothing_is_left_over(self) -> None:
        report = KilledCopies(100, random.randrange(1 << 32)).run()
        self.assertEqual(report.problems, [], f"{report}")
        self.assertGreater(report.forked, 0)
        self.assertGreater(report.undone, 0)


if __name__ == "__main__":
    unittest.main()
