"""A search is a function of what was observed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.answer import Evidence
from harness.model.problem import Budget, Send, Stop
from harness.model.trial import Outcome
from harness.model.verdict import VerdictKind
from harness.search import STRATEGIES, strategy
from tests.shared import examples
from tests.unit.search.builders import World, holding, problem_with

every = pytest.mark.parametrize("name", STRATEGIES)


@every
@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_a_fresh_strategy_fed_with_the_same_past_moves_the_same_way(name: str, data: st.DataObject) -> None:
    members = data.draw(st.sets(st.integers(0, 7), max_size=2))
    world = World(problem_with(count=8), holding([f"f{i}" for i in members]) if members else holding(), name)
    player = strategy(name)
    while not isinstance(move := player.next(world.problem, world.seen, world.pauses), Stop):
        assert isinstance(move, Send)
        if data.draw(st.integers(0, 9)) == 0:
            fresh = strategy(name)
            assert fresh.next(world.problem, world.seen, world.pauses) == move
            assert fresh.belief() == player.belief()
        world.seen += [world.answer(ask, len(world.seen) + i) for i, ask in enumerate(move.asks)]
    assert strategy(name).next(world.problem, world.seen, world.pauses) == move


@every
def test_a_batch_cut_short_goes_on_with_the_messages_that_were_not_sent(name: str) -> None:
    world = World(problem_with(budget=Budget(refusals=None, batch=5)), holding(["f3"]), name)
    player = strategy(name)
    while isinstance(move := player.next(world.problem, world.seen, world.pauses), Send):
        if len(move.asks) > 2:
            break
        world.seen += [world.answer(ask, len(world.seen) + i) for i, ask in enumerate(move.asks)]
    assert isinstance(move, Send)
    world.seen += [world.answer(ask, len(world.seen) + i) for i, ask in enumerate(move.asks[:2])]
    rest = strategy(name).next(world.problem, world.seen, world.pauses)
    assert rest == Send(move.asks[2:])


@every
@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_a_late_bounce_starts_the_search_anew_and_wastes_few_messages(name: str, data: st.DataObject) -> None:
    world = World(problem_with(count=8), holding(["f5"]), name)
    world.play()
    cut = data.draw(st.integers(1, len(world.seen)))
    at = data.draw(st.integers(0, cut - 1))
    changed = [*world.seen[:cut]]
    changed[at] = replace(changed[at], outcome=Outcome.REJECTED, evidence=Evidence.STRONG)
    again = World(world.problem, world.refuses, name, seen=changed)
    finding = again.play()
    assert finding.kind is not VerdictKind.NONE
    first = strategy(name)
    first.next(world.problem, world.seen[:cut], [])
    assert first.next(world.problem, changed, []) == strategy(name).next(world.problem, changed, [])


@every
def test_a_search_that_is_ended_from_outside_says_what_it_has(name: str) -> None:
    world = World(problem_with(), holding(["f3"], ["f9"]), name)
    player = strategy(name)
    while isinstance(move := player.next(world.problem, world.seen, world.pauses), Send):
        world.seen += [world.answer(ask, len(world.seen) + i) for i, ask in enumerate(move.asks)]
        if any(seen.ask.phase == "restore" for seen in world.seen) or len(world.seen) > 60:
            break
    finding = player.conclude("listed")
    assert finding.stopped == "listed"
    assert finding.kind in (VerdictKind.TRIGGER, VerdictKind.INCONCLUSIVE)
    assert player.conclude("again") == finding


@every
def test_answers_that_are_no_evidence_are_asked_for_again(name: str) -> None:
    world = World(problem_with(), holding(["f3"]), name)
    plain = world.answer

    def answer(ask, number):  # type: ignore[no-untyped-def]
        seen = plain(ask, number)
        return replace(seen, outcome=Outcome.UNKNOWN) if number % 5 == 2 else seen

    world.answer = answer  # type: ignore[method-assign]
    finding = world.play()
    assert [names for names, _ in finding.triggers] == [("f3",)]
