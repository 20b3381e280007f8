"""The e-value is fair: where child and parent are refused alike, its expectation never exceeds one."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.contrast import THRESHOLD, Block, blocks_of, e_value, threshold, voided
from harness.model.trial import Ask, Observation, Outcome, Phase
from tests.shared import examples

rates = st.floats(0.0, 1.0)


@settings(max_examples=examples(200), deadline=None)
@given(rates, st.integers(1, 3), st.booleans(), st.booleans())
def test_its_expectation_is_at_most_one_if_both_arms_are_refused_alike(
    rate: float, ratio: int, first: bool, second: bool
) -> None:
    outcomes = list(product(range(ratio + 1), range(2)))
    weights = {
        (parents, child): _choose(ratio, parents)
        * rate ** (parents + child)
        * (1 - rate) ** (ratio + 1 - parents - child)
        for parents, child in outcomes
    }
    expected = sum(
        weights[a] * weights[b] * e_value([Block(ratio, a[0], 1, a[1], first), Block(ratio, b[0], 1, b[1], second)])
        for a, b in product(outcomes, outcomes)
    )
    assert expected <= 1 + 1e-9


def _choose(n: int, k: int) -> int:
    from math import comb

    return comb(n, k)


def test_two_blocks_of_two_parents_prove_a_factor_and_a_pair_alike() -> None:
    assert e_value([Block(2, 0, 1, 1)] * 2) >= THRESHOLD
    assert e_value([Block(2, 0, 1, 1), Block(2, 0, 1, 1, cautious=True)]) >= THRESHOLD
    assert e_value([Block(1, 0, 1, 1)] * 3) >= THRESHOLD
    assert e_value([Block(2, 0, 1, 1)]) < THRESHOLD


def test_a_set_that_was_accepted_once_needs_more_evidence_and_a_single_change_does_not() -> None:
    def child(names: tuple[str, ...], outcome: Outcome) -> Observation:
        return Observation(Ask(frozenset(names), "s1", Phase.PROOF, arm="child", subject=names, block=1), outcome)

    def accepted(names: set[str], seed: str) -> Observation:
        return Observation(Ask(frozenset(names), seed, Phase.SEARCH), Outcome.ACCEPTED)

    pair, single = ("a", "b"), ("a",)
    refused = child(pair, Outcome.REJECTED)
    assert threshold([refused, accepted({"a"}, "s1")], pair) == THRESHOLD
    assert threshold([refused, child(pair, Outcome.ACCEPTED)], pair) == 2 * THRESHOLD
    assert threshold([refused, accepted({"a", "b"}, "s2")], pair) == 2 * THRESHOLD
    assert threshold([refused, accepted({"a", "b"}, "s2")], pair, {"s1"}) == THRESHOLD
    assert threshold([refused, accepted({"a", "b", "c"}, "s1")], pair) == 2 * THRESHOLD
    assert threshold([refused, accepted({"a", "b", "c"}, "s2")], pair) == THRESHOLD
    assert threshold([child(single, Outcome.ACCEPTED)], single) == THRESHOLD


def test_a_cautious_block_loses_little_if_the_seed_is_not_affected() -> None:
    bold = e_value([Block(2, 0, 1, 1)] * 2 + [Block(2, 0, 1, 0)])
    cautious = e_value([Block(2, 0, 1, 1)] * 2 + [Block(2, 0, 1, 0, cautious=True)])
    assert cautious > 2 * bold
    assert cautious > 0.8 * e_value([Block(2, 0, 1, 1)] * 2)


def test_half_a_block_contrasts_nothing() -> None:
    assert e_value([Block(0, 0, 1, 1), Block(2, 0, 0, 0)]) == pytest.approx(1)


def saw(refused: bool, phase: Phase, factors: str = "", **ask: object) -> Observation:
    outcome = Outcome.REJECTED if refused else Outcome.ACCEPTED
    return Observation(Ask(frozenset(factors), "s1", phase, **ask), outcome)  # type: ignore[arg-type]


def test_a_confirmed_block_of_the_sender_voids_the_refusals_since_the_last_acceptance() -> None:
    seen = [
        saw(True, Phase.SEARCH, "ab"),
        saw(False, Phase.SEARCH, "a"),
        saw(True, Phase.SEARCH, "b"),
        saw(True, Phase.CONTROL),
        saw(True, Phase.CONTROL),
        saw(True, Phase.SEARCH, "b"),
        saw(False, Phase.CONTROL),
        saw(True, Phase.SEARCH, "b"),
    ]
    assert voided(seen) == {2, 3, 4, 5}


def test_refused_parents_are_no_control_checks() -> None:
    """Else a proof whose parent is the plain copy could never fail."""
    seen = [saw(True, Phase.PROOF, arm="parent:a", subject=("a",), block=1) for _ in range(4)]
    assert voided(seen) == frozenset()


def test_a_block_that_a_refused_sender_cut_through_is_left_out_whole() -> None:
    def proof(block: int, refused: tuple[bool, bool, bool]) -> list[Observation]:
        about = {"subject": ("a",), "block": block}
        arms = (("a", "child"), ("", "parent:a"), ("", "parent:a"))
        return [
            saw(hit, Phase.PROOF, factors, arm=arm, **about) for hit, (factors, arm) in zip(refused, arms, strict=True)
        ]

    block = [saw(True, Phase.CONTROL), saw(True, Phase.CONTROL), saw(False, Phase.CONTROL)]
    seen = [*proof(1, (True, False, False)), *proof(2, (True, True, True)), *block, *proof(3, (True, False, False))]
    counted = blocks_of(seen, ("a",), "a")
    assert [(b.parent_sent, b.parent_rejected, b.child_sent, b.child_rejected) for b in counted] == [(2, 0, 1, 1)] * 2
    assert [b.cautious for b in counted] == [True, False]
    assert blocks_of(seen, ("a",), "a", seeds={"s2"}) == ()
