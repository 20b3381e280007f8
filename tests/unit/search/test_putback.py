"""A filter that adds scores refuses many small sets: what counts is the fix, and that nothing false is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.weigh import weigh
from harness.model.problem import Budget
from harness.model.trial import Ask
from harness.model.verdict import VerdictKind
from harness.search import STRATEGIES
from harness.search.space import Space
from tests.shared import examples
from tests.unit.search.builders import World, problem_with


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(1, 4), min_size=3, max_size=5), st.data())
def test_the_fix_makes_production_pass_behind_added_scores(points: list[int], data: st.DataObject) -> None:
    limit = data.draw(st.integers(max(points), sum(points)))
    scores = {f"f{2 * place}": many for place, many in enumerate(points)}
    world = World(problem_with(budget=Budget()), lambda ask, _: _sum(scores, ask.factors) >= limit, "adaptive")
    finding = world.play()
    verdict = weigh(finding, world.problem.factors, world.seen, seeds=world.problem.seeds)
    assert verdict.kind is VerdictKind.TRIGGER
    assert _sum(scores, frozenset(scores) - set(verdict.fix)) < limit
    assert set(verdict.fix) <= set(scores)
    for trigger in verdict.triggers:
        named = frozenset(trigger.factors)
        assert _sum(scores, named) >= limit
        assert all(_sum(scores, named - {name}) < limit for name in named)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_cap_that_leaves_no_room_for_a_second_search_still_gets_a_whole_fix(name: str) -> None:
    def refuses(ask: Ask, _: int) -> bool:
        return len(ask.factors & {"f1", "f4", "f7"}) >= 2

    world = World(problem_with(budget=Budget(sends=90)), refuses, name)
    finding = world.play()
    if name != "ladder":  # whose rungs alone take most of the cap
        assert len({"f1", "f4", "f7"} - set(finding.fix)) == 1
        assert not finding.missing


def test_a_smaller_focus_makes_larger_sets_no_likelier() -> None:
    wide, narrow = Space([1.0] * 12, frozenset(range(12))), Space([1.0] * 12, frozenset(range(3)))
    single, triple = frozenset([0]), frozenset([0, 1, 2])

    def odds(space: Space) -> float:
        (of_three,) = space.numbers(triple)
        return float(space.prior[of_three] / space.prior[space.numbers(single)[0]])

    assert odds(narrow) == pytest.approx(odds(wide))
    assert np.isclose(narrow.prior.sum(), 1)


def _sum(scores: dict[str, int], held: frozenset[str]) -> int:
    return sum(scores[name] for name in held & set(scores))
