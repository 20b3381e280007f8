"""The crash test in short; `python -m tests.crash.crash` does two hundred runs and more."""

from tests.crash.crash import crash_runs
from tests.crash.victim import POINTS


def test_runs_that_are_killed_anywhere_send_nothing_twice_and_lose_no_answer() -> None:
    tally = crash_runs(8, "short")
    assert tally.violations == []
    assert tally.runs == 8
    assert tally.killed.total() >= 7
    assert tally.kept > 80
    assert set(tally.killed) <= {*POINTS, "at a random moment"}
