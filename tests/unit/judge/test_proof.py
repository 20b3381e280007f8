"""What a proof shows: only its own fresh messages, the weakest member, and what is missing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import barnard_exact, fisher_exact

from harness.judge.proof import evidenced, exact, missing
from harness.model.answer import Evidence
from harness.model.contrast import THRESHOLD, e_value
from harness.model.trial import Ask, Observation, Outcome, Phase
from harness.model.verdict import Count, Scope
from tests.shared import examples

T = "link:https://go.partner.example/a"


def seen(
    held: frozenset[str], arm: str, block: int, rejected: bool, *, phase: Phase = Phase.PROOF, subject: tuple[str, ...]
) -> Observation:
    outcome = Outcome.REJECTED if rejected else Outcome.ACCEPTED
    ask = Ask(held, f"seed-{block}", phase, arm=arm, subject=subject, block=block)
    return Observation(
        ask, outcome, "content_policy" if rejected else "", Evidence.STRONG, "CS01" if rejected else None
    )


def separated(blocks: int, subject: tuple[str, ...] = (T,)) -> list[Observation]:
    whole = frozenset(subject)
    found = []
    for block in range(blocks):
        found += [seen(whole - {name}, f"parent:{name}", block, False, subject=subject) for name in subject]
        found.append(seen(whole, "child", block, True, subject=subject))
    return found


def test_separated_blocks_prove_a_single_change() -> None:
    shown = evidenced((T,), Scope(), separated(8))
    assert shown.proved
    assert (shown.with_, shown.without) == (Count(8, 8), Count(8, 0))
    assert shown.p_value < 0.001
    assert (shown.tag, shown.cause) == ("CS01", "content_policy")


def test_messages_of_the_search_may_not_prove_what_they_chose() -> None:
    search = [
        seen(one.ask.factors, one.ask.arm, one.ask.block, one.rejected, phase=Phase.SEARCH, subject=(T,))
        for one in separated(8)
    ]
    shown = evidenced((T,), Scope(), search)
    assert not shown.proved
    assert shown.with_ == Count()
    assert shown.p_value == 1.0


def test_the_proof_of_another_set_does_not_count() -> None:
    assert not evidenced((T,), Scope(), separated(8, ("link:https://other.example/",))).proved


def test_every_member_of_a_set_must_be_shown_to_be_needed() -> None:
    """The second factor's parent is refused too: that factor isn't needed, however clear the first is."""
    pair = ("a", "b")
    found = []
    for block in range(12):
        found.append(seen(frozenset(pair), "child", block, True, subject=pair))
        found.append(seen(frozenset({"b"}), "parent:a", block, False, subject=pair))
        found.append(seen(frozenset({"a"}), "parent:b", block, True, subject=pair))
    shown = evidenced(pair, Scope(), found)
    assert not shown.proved
    assert shown.p_value > 0.2


def test_a_pair_that_was_accepted_once_needs_twice_the_evidence() -> None:
    pair = ("a", "b")
    four = separated(4, pair)
    once = Observation(Ask(frozenset(pair), "seed-9", Phase.SCOPE, subject=pair), Outcome.ACCEPTED)
    assert evidenced(pair, Scope(), four).needed == 20
    assert evidenced(pair, Scope(), four).proved
    assert evidenced(pair, Scope(), [*four, once]).needed == 40


def test_censored_and_pending_messages_are_no_part_of_a_proof() -> None:
    found = separated(2)
    lost = [Observation(one.ask, Outcome.CENSORED) for one in separated(8)]
    assert evidenced((T,), Scope(), [*found, *lost]).with_ == Count(2, 2)


def test_a_scoped_claim_is_weighed_on_its_own_seeds() -> None:
    elsewhere = [seen(frozenset({T}), "child", block, False, subject=(T,)) for block in range(20, 26)] + [
        seen(frozenset(), f"parent:{T}", block, False, subject=(T,)) for block in range(20, 26)
    ]
    found = [*separated(5), *elsewhere]
    inside = frozenset(f"seed-{block}" for block in range(5))
    assert evidenced((T,), Scope("domain", ("icloud.com",)), found, inside).proved
    assert evidenced((T,), Scope(), found).e_value < evidenced((T,), Scope(), found, inside).e_value


def test_missing_says_how_many_blocks_would_do() -> None:
    blocks = missing([], THRESHOLD)
    assert 2 <= blocks <= 4
    assert evidenced((T,), Scope(), separated(blocks)).proved
    assert not evidenced((T,), Scope(), separated(blocks - 1)).proved


@settings(max_examples=examples(100))
@given(st.integers(1, 8), st.integers(1, 8), st.data())
def test_the_exact_test_is_never_above_fishers(with_sent: int, without_sent: int, data: st.DataObject) -> None:
    """Boschloo's test is uniformly more powerful; and no test of this kind may fall below the separated bound."""
    with_ = Count(with_sent, data.draw(st.integers(0, with_sent)))
    without = Count(without_sent, data.draw(st.integers(0, without_sent)))
    table = [[with_.rejected, without.rejected], [with_.sent - with_.rejected, without.sent - without.rejected]]
    fisher = float(fisher_exact(table, alternative="greater")[1])
    assert 0 <= exact(with_, without) <= fisher + 1e-9


def test_known_p_values() -> None:
    assert exact(Count(3, 3), Count(3, 0)) == pytest.approx(1 / 64)
    assert exact(Count(2, 2), Count(4, 0)) == pytest.approx(0.022, abs=0.0005)
    assert exact(Count(), Count(4, 0)) == 1.0
    assert barnard_exact([[3, 0], [0, 3]], alternative="greater").pvalue == pytest.approx(1 / 64, abs=1e-3)


@settings(max_examples=examples(300))
@given(st.lists(st.booleans(), min_size=2, max_size=24))
def test_an_e_value_ignores_blocks_without_both_arms(outcomes: list[bool]) -> None:
    from harness.model.contrast import Block

    half = [Block(1, int(one), 0, 0) for one in outcomes]
    assert e_value(half) == pytest.approx(1.0)
