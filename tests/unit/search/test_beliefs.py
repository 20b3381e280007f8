"""Beliefs are Bayes' rule, computed fast; the space holds each cause once; choices are closed, cheap and telling."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search.beliefs import GRID_PRIOR, SHOWN, UNSHOWN, Beliefs, Evidence
from harness.search.choose import candidates, choose
from harness.search.space import SAMPLE, Space
from tests.shared import examples


def evidence(rows: list[set[int]], refused: list[bool], count: int) -> Evidence:
    variants = np.zeros((len(rows), count), dtype=bool)
    for place, row in enumerate(rows):
        variants[place, sorted(row)] = True
    return Evidence(variants, np.array(refused, dtype=bool))


def same(rows):  # type: ignore[no-untyped-def]
    return rows


messages = st.lists(st.tuples(st.sets(st.integers(0, 5)), st.booleans()), max_size=12)


@settings(max_examples=examples(300), deadline=None)
@given(messages, st.floats(0.01, 0.9))
def test_beliefs_are_what_bayes_rule_says(told: list[tuple[set[int], bool]], clean: float) -> None:
    space = Space([1.0, 3.0, 4.0, 1.0, 1.5, 0.5], frozenset(range(6)))
    beliefs = Beliefs(space, evidence([row for row, _ in told], [hit for _, hit in told], 6), clean)
    masses = []
    for number in range(len(space.prior)):
        cause = space.cause(number)
        likelihood = GRID_PRIOR.copy()
        for row, hit in told:
            held = [member in row for member in cause.members]
            shown = any(held) if cause.either else all(held)
            chance = SHOWN if shown else UNSHOWN
            likelihood = likelihood * (chance if hit else 1 - chance)
        masses.append((1 - clean) * space.prior[number] * likelihood.sum())
    none = clean * sum(
        GRID_PRIOR[i] * np.prod([UNSHOWN[i] if hit else 1 - UNSHOWN[i] for _, hit in told])
        for i in range(len(GRID_PRIOR))
    )
    total = sum(masses) + none
    assert beliefs.none == pytest.approx(none / total, rel=1e-6)
    assert beliefs.mass == pytest.approx(np.array(masses) / total, rel=1e-5, abs=1e-12)


def test_a_space_lists_every_cause_once_and_its_weights_sum_to_one() -> None:
    space = Space([1.0] * 9, frozenset(range(9)))
    causes = [space.cause(number) for number in range(len(space.prior))]
    assert len(set(causes)) == len(causes) == (2**9 - 1) + 36
    assert space.prior.sum() == pytest.approx(1)
    assert [cause.members for cause in causes[:9]] == [(i,) for i in range(9)]


def test_a_set_with_something_that_another_member_stands_in_is_no_cause_of_its_own() -> None:
    stands_in = np.zeros((4, 4), dtype=bool)
    stands_in[1, 0] = stands_in[2, 0] = True
    space = Space([1.0] * 4, frozenset(range(4)), stands_in)
    members = [set(space.cause(number).members) for number in range(len(space.prior))]
    assert not any(some >= {0, 1} or some >= {0, 2} for some in members)
    assert {0, 3} in members
    assert {1, 2, 3} in members


def test_of_too_many_sets_a_sample_stands_for_all_the_same_one_each_time() -> None:
    one, two = (Space([1.0] * 40, frozenset(range(40))) for _ in range(2))
    fours = [c for c in (one.cause(i).members for i in range(len(one.prior))) if len(c) == 4]
    assert 0 < len(fours) <= SAMPLE
    assert (one.members == two.members).all()
    assert len({c for c in (one.cause(i).members for i in range(len(one.prior))) if len(c) == 3}) == 9880


@given(st.sets(st.integers(0, 7), min_size=1, max_size=3))
@settings(max_examples=examples(100), deadline=None)
def test_a_set_counts_as_a_trigger_alone_or_beside_another(wanted: set[int]) -> None:
    space = Space([1.0] * 8, frozenset(range(8)))
    found = [space.cause(number) for number in space.numbers(frozenset(wanted))]
    assert all(set(c.members) == wanted or (c.either and wanted <= set(c.members)) for c in found)
    assert len(found) == (8 if len(wanted) == 1 else 1)


def test_a_refusal_halves_what_is_open_where_refusals_cost_nothing_more() -> None:
    beliefs = Beliefs(Space([1.0] * 16, frozenset(range(16))), evidence([set(range(16))], [True], 16), 1e-6)
    (choice,) = choose(beliefs, 0.0, same, np.random.default_rng(0))
    assert 0.35 < choice.refusal < 0.65
    assert choice.bits > 0.6


def test_a_dear_refusal_makes_the_next_message_smaller() -> None:
    beliefs = Beliefs(Space([1.0] * 16, frozenset(range(16))), evidence([set(range(16))], [True], 16), 1e-6)
    chances = [choose(beliefs, price, same, np.random.default_rng(0))[0].refusal for price in (0.0, 8.0, 40.0)]
    assert chances[0] > chances[1] >= chances[2]


@settings(max_examples=examples(100), deadline=None)
@given(messages)
def test_candidates_and_choices_are_closed(told: list[tuple[set[int], bool]]) -> None:
    def close(rows):  # type: ignore[no-untyped-def]
        closed = rows.copy()
        closed[:, 0] |= rows[:, 3]
        closed[:, 1] |= rows[:, 4]
        return closed

    rows = [row | ({0} if 3 in row else set()) | ({1} if 4 in row else set()) for row, _ in told]
    beliefs = Beliefs(Space([1.0] * 6, frozenset(range(6))), evidence(rows, [hit for _, hit in told], 6), 0.2)
    draw = np.random.default_rng(1)
    for row in candidates(beliefs, close, draw):
        assert (close(row[None])[0] == row).all()
    for choice in choose(beliefs, 8.0, close, draw, 3):
        assert (close(choice.variant[None])[0] == choice.variant).all()
        assert choice.variant.any()


def test_messages_of_one_batch_ask_different_things() -> None:
    beliefs = Beliefs(Space([1.0] * 24, frozenset(range(24))), evidence([set(range(24))], [True], 24), 1e-6)
    chosen = choose(beliefs, 1.0, same, np.random.default_rng(0), 4)
    assert len({choice.variant.tobytes() for choice in chosen}) == len(chosen) == 4


TIMED = """
import time
from statistics import median
import numpy as np
from harness.search.beliefs import Beliefs, Evidence
from harness.search.choose import choose
from harness.search.space import Space

space = Space([1.0] * 64, frozenset(range(64)))
rows = np.zeros((3, 64), dtype=bool)
rows[0], rows[1, :20], rows[2, 10:40] = True, True, True
told = Evidence(rows, np.array([True, False, False]))
took = []
for turn in range(9):
    began = time.process_time()
    choose(Beliefs(space, told, 0.01), 8.0, lambda row: row, np.random.default_rng(turn))
    took.append(time.process_time() - began)
print(len(space.prior), median(took))
"""


def test_a_choice_among_64_changes_and_2000_pairs_takes_under_50_ms_on_one_core() -> None:
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run([sys.executable, "-c", TIMED], env=alone, capture_output=True, text=True, check=True).stdout
    causes, seconds = told.split()
    assert int(causes) > 64 + 2016 + 2016
    assert float(seconds) < 0.05
