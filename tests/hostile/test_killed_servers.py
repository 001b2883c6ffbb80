"""Servers killed under load: a dozen of what `./dev soak` does 200 times in each era."""

from __future__ import annotations

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hostile.killed_servers import KilledServers  # noqa: E402


class Killed(unittest.TestCase):
    """Every request is answered exactly once, and nothing is lost that is not said to be."""

    def check(self, era: str) -> None:
        report = KilledServers(12, era, random.randrange(1 << 32)).run()
        self.assertEqual(report.problems, [], f"seed {report.seed}")
        self.assertGreaterEqual(report.kills, 12)
        self.assertGreater(report.statuses["completed"], 50)

    def test_in_the_modern_era(self) -> None:
        self.check("modern")

    def test_after_a_handshake(self) -> None:
        self.check("handshake")


if __name__ == "__main__":
    unittest.main()
