"""Counts, exact intervals, bands, and how variants are placed among each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.judge.settle import settle_run
from harness.judge.tally import band, count, interval, tally, upper_bound
from harness.model.outcome import Settled
from harness.model.trial import Outcome, Phase
from tests.builders import OK, Play, factors, refuses
from tests.shared import examples
from tests.stories import ALL, NOW, read, trigger


@settings(max_examples=examples(400))
@given(st.integers(0, 60), st.integers(0, 60))
def test_intervals_are_clopper_and_pearsons(hits: int, misses: int) -> None:
    if not hits + misses:
        return
    expected = binomtest(hits, hits + misses).proportion_ci(0.95, "exact")
    assert interval(hits, hits + misses) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("counted", "bound"), [(8, 0.31), (20, 0.14), (50, 0.06)])
def test_clean_counts_still_allow_a_rate(counted: int, bound: float) -> None:
    assert upper_bound(0, counted) == pytest.approx(bound, abs=0.005)
    assert upper_bound(0, counted) == pytest.approx(1 - 0.05 ** (1 / counted))


def test_no_data_allows_everything() -> None:
    assert upper_bound(0, 0) == 1.0
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("rate", "name"),
    [(0, "watch"), (0.0049, "watch"), (0.005, "investigate"), (0.02, "investigate"), (0.0201, "pause"), (1, "pause")],
)
def test_bands_have_the_designed_edges(rate: float, name: str) -> None:
    assert band(rate) == name


@settings(max_examples=examples(500))
@given(st.lists(st.builds(Settled, st.sampled_from(Outcome), tag=st.sampled_from(["CS01", None]))))
def test_sent_is_the_sum_of_all_that_was_handed_over(said: list[Settled]) -> None:
    counts = count(said)
    parts = (counts.accepted, counts.delivered, counts.rejected, counts.censored, counts.pending, counts.unknown)
    assert counts.sent == sum(parts)
    assert counts.sent + counts.not_sent + counts.planned == len(said)
    assert sum(counts.tags.values()) == counts.rejected
    assert counts == count(said[::-1])


@pytest.mark.parametrize("story", ALL.values(), ids=ALL)
def test_variants_and_domains_add_up_to_the_totals(story) -> None:
    told = story()
    for group in (told.tallies.variants, told.tallies.domains):
        assert sum(row.tally.sent for row in group) == told.tallies.totals.sent
        assert sum(row.tally.rejected for row in group) == told.tallies.totals.rejected


def test_a_rung_is_placed_by_its_single_change() -> None:
    by_change = {row.change: row for row in trigger().tallies.variants}
    row = by_change["+link:https://go.partner.example/a"]
    assert row.stage == "link"
    assert row.parent in {other.id for other in by_change.values()}
    assert row.tally.tags == {"CS01": 16}
    assert set(row.domains) == {"icloud.com", "me.com", "mac.com", "privaterelay.appleid.com"}


def test_a_restored_variant_is_said_from_production() -> None:
    parts = factors("subject", "link:https://a.example/1")
    play = Play(parts, refuses("link:https://a.example/1"), strategy="adaptive")
    play.send(play.everything, Phase.REPRODUCE)
    play.send(frozenset({"subject"}), Phase.RESTORE)
    facts = play.facts()
    rows = tally(facts, settle_run(facts, now=NOW, read=read)).variants
    restored = next(row for row in rows if row.phases == ("restore",))
    assert (restored.parent, restored.change) == ("production", "-link:https://a.example/1")


def test_a_jump_of_many_factors_is_told_by_number() -> None:
    parts = factors(*(f"link:https://a.example/{number}" for number in range(9)))
    play = Play(parts, lambda held, seed: OK, strategy="adaptive")
    play.send(frozenset(), Phase.CONTROL)
    play.send(frozenset(part.id for part in parts[1:7]), Phase.SEARCH)
    facts = play.facts()
    rows = tally(facts, settle_run(facts, now=NOW, read=read)).variants
    assert [row.change for row in rows] == ["", "+6 factors"]
