"""Lift: the arithmetic, held against scipy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.triage.lift import Contrast, adjust, band, interval, log_tail, within_reach
from tests.shared import examples


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@settings(max_examples=examples(2000))
@given(st.data())
def test_the_tail_is_fishers(data: st.DataObject) -> None:
    total = data.draw(st.integers(2, 400))
    bad = data.draw(st.integers(1, total - 1))
    sent = data.draw(st.integers(1, total - 1))
    failed = data.draw(st.integers(max(0, sent + bad - total), min(sent, bad)))
    mine = float(np.exp(log_tail(ints(failed), ints(sent), bad, total)[0]))
    theirs = stats.fisher_exact(
        [[failed, sent - failed], [bad - failed, total - bad - sent + failed]], alternative="greater"
    ).pvalue
    if failed * total > sent * bad:
        assert np.isclose(mine, theirs, rtol=1e-6)
    else:
        assert mine == 1.0


def test_a_tail_far_beyond_what_a_float_holds_is_still_ordered() -> None:
    logs = log_tail(ints(90_000, 99_000), ints(100_000, 100_000), 120_000, 10_000_000)
    assert logs[1] < logs[0] < -100_000


@given(st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=60))
def test_corrected_p_is_benjamini_and_hochbergs(values: list[float]) -> None:
    mine = adjust(np.log(np.array(values)), len(values))
    assert np.allclose(mine, stats.false_discovery_control(values), rtol=1e-9)


def test_values_too_rare_to_show_anything_are_not_tested() -> None:
    """One row in a thousand fails: a value seen once can reach p = 0.001 at best, and a million of them are no test."""
    tests, limit = within_reach(ints(1, 5_000), ints(1_000_000, 20), 1_000, 1_000_000, 0.05)
    assert tests == 20
    assert limit < np.log(0.05 / 20) + 1e-9


@given(st.integers(0, 200), st.integers(1, 200))
def test_an_interval_holds_its_rate_and_narrows(failed: int, more: int) -> None:
    sent = failed + more
    low, high = interval(failed, sent)
    assert 0 <= low <= failed / sent <= high <= 1
    wide = interval(failed * 10, sent * 10)
    assert wide[1] - wide[0] < high - low


def test_bands_are_the_designs() -> None:
    assert [band(r) for r in (0.0049, 0.005, 0.02, 0.0201)] == ["watch", "investigate", "investigate", "pause"]


def test_lift_without_any_failure_elsewhere_has_no_upper_end() -> None:
    ratio, low, high = Contrast(100, 20, 900, 0).lift()
    assert ratio is None
    assert high is None
    assert low > 10


def test_lift_has_its_ratio_within_its_interval() -> None:
    contrast = Contrast(100, 20, 900, 9)
    ratio, low, high = contrast.lift()
    assert ratio is not None
    assert high is not None
    assert low < ratio == 20.0 < high
    assert np.isclose(contrast.explained, 19 / 29)
