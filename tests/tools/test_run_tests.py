"""The test runner counts what suites report and never takes silence for success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "dev"))

import run_tests  # noqa: E402

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="1 != 2">details</failure></testcase>
<testcase classname="a" name="broken"><error message="no fixture"/></testcase>
<testcase classname="a" name="left out"><skipped message="needs root"/></testcase>
</testsuite></testsuites>"""

GREEN = '<testsuite><testcase classname="a" name="good"/></testsuite>'


def suite(tmp_path: Path, report: str | None, script: str = "") -> run_tests.Suite:
    """A suite whose command writes `report` and then does what `script` says."""
    path = tmp_path / "report.xml"
    write = f"open({str(path)!r}, 'w').write({report!r})\n" if report is not None else ""
    return run_tests.Suite("made up", [sys.executable, "-c", write + script], path)


def test_every_kind_of_outcome_is_counted(tmp_path: Path) -> None:
    outcome = run_tests.run(suite(tmp_path, REPORT, "raise SystemExit(1)"))
    assert (outcome.passed, outcome.failed, outcome.skipped) == (1, 2, 1)
    assert outcome.failures[0] == "a bad: 1 != 2"
    assert not outcome.problems


def test_a_green_suite_is_fine(tmp_path: Path) -> None:
    assert run_tests.run(suite(tmp_path, GREEN)).ok


@pytest.mark.parametrize(
    ("report", "script", "problem"),
    [
        (GREEN, "raise SystemExit(3)", "exit code 3 although no test failed"),
        (GREEN, "import os; os.kill(os.getpid(), 9)", "died of signal 9"),
        (None, "", "left no readable report"),
        ("<testsuite><testcase", "", "left no readable report"),
        ("<testsuite/>", "", "ran no test"),
    ],
)
def test_a_suite_that_says_nothing_or_ends_badly_fails(
    tmp_path: Path, report: str | None, script: str, problem: str
) -> None:
    outcome = run_tests.run(suite(tmp_path, report, script))
    assert not outcome.ok
    assert any(problem in line for line in outcome.problems), outcome.problems


def test_a_report_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(GREEN)
    assert not run_tests.run(suite(tmp_path, None)).ok


def test_a_suite_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "SUITE_DEADLINE", 0.3)
    outcome = run_tests.run(suite(tmp_path, GREEN, "import time; time.sleep(60)"))
    assert any("was stopped" in line for line in outcome.problems)


def test_a_second_lane_counts_like_the_first_and_loses_no_suite(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("first", "bad", "gone")]
    for place in places:
        place.mkdir()
    first, bad, gone = (suite(place, report, "") for place, report in zip(places, (GREEN, REPORT, GREEN), strict=True))
    bad.name, gone.name, gone.command = "bad", "gone", ["/nonexistent/program"]
    bad.beside = gone.beside = True
    first.name = "first"
    outcomes = run_tests.run_all([bad, gone, first], tmp_path)
    assert outcomes["first"].ok and outcomes["bad"].failed == 2
    assert any("could not be started" in line for line in outcomes["gone"].problems), outcomes


def test_the_last_line_sums_up_all_suites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = run_tests.Outcome(passed=2, failed=1, skipped=3)
    silent = run_tests.Outcome(problems=["ran no test"])
    assert not run_tests.summarize({"bad": bad, "silent": silent})
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 2 failed, 3 skipped"


def test_dev_alone_lists_every_verb() -> None:
    listing = subprocess.run([str(ROOT / "dev")], capture_output=True, text=True, check=True, timeout=60).stdout
    for verb in "demo build test asan tsan fuzz bench soak fmt tidy ci".split():
        assert f"\n  {verb} " in listing


def test_an_unknown_verb_is_an_error_that_names_it() -> None:
    done = subprocess.run([str(ROOT / "dev"), "fly"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "there is no verb 'fly'" in done.stderr
