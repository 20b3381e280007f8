"""A seed that refuses everything, the plain control too, says nothing of content and is told as what it is."""

from __future__ import annotations

import pytest

from harness.judge.weigh import exit_code, weigh
from harness.model.contrast import strays
from harness.model.problem import Budget
from harness.model.trial import Ask
from harness.model.verdict import VerdictKind
from harness.search import STRATEGIES
from tests.unit.search.builders import World, holding, problem_with

every = pytest.mark.parametrize("name", STRATEGIES)


@every
@pytest.mark.parametrize("stray", [f"s{i}" for i in range(8)])
def test_one_seed_that_refuses_everything_is_a_matter_of_its_recipient(name: str, stray: str) -> None:
    world = World(problem_with(budget=Budget()), lambda ask, _: ask.seed == stray, name)
    finding = world.play()
    verdict = weigh(finding, world.problem.factors, world.seen, seeds=world.problem.seeds)
    assert verdict.kind is VerdictKind.RECIPIENT
    assert exit_code(verdict) == 4
    assert stray in verdict.summary
    assert all(f"s{i}" not in verdict.summary for i in range(8) if f"s{i}" != stray)
    assert sum(seen.rejected for seen in world.seen) <= 6


@every
def test_a_domain_that_refuses_everything_is_named(name: str) -> None:
    world = World(problem_with(budget=Budget()), lambda ask, _: ask.seed in ("s1", "s5"), name)
    finding = world.play()
    assert finding.kind is VerdictKind.RECIPIENT
    assert any("all 2 seeds at me.com" in note for note in finding.notes)
    verdict = weigh(finding, world.problem.factors, world.seen, seeds=world.problem.seeds)
    assert "s1 and s5" in verdict.summary


@every
@pytest.mark.parametrize("lost", [{"s0"}, {"s3"}, {"s1", "s5"}])
def test_a_trigger_is_found_on_the_other_seeds(name: str, lost: set[str]) -> None:
    rule = holding(["f7"])
    world = World(problem_with(budget=Budget()), lambda ask, n: ask.seed in lost or rule(ask, n), name)
    finding = world.play()
    assert [names for names, _ in finding.triggers] == [("f7",)]
    verdict = weigh(finding, world.problem.factors, world.seen, seeds=world.problem.seeds)
    assert verdict.kind is VerdictKind.TRIGGER
    assert verdict.triggers[0].confirmed_by_removal
    left_out = " ".join(note for note in verdict.notes if "Left out" in note)
    assert strays(world.seen) <= lost
    assert all(seed in left_out for seed in strays(world.seen))


@every
def test_batches_find_a_stray_seed_too(name: str) -> None:
    world = World(problem_with(budget=Budget(batch=3)), lambda ask, _: ask.seed == "s2", name)
    assert world.play().kind is VerdictKind.RECIPIENT


@every
@pytest.mark.parametrize("start", range(4, 20, 3))
def test_a_block_of_the_sender_is_not_laid_at_a_seeds_door(name: str, start: int) -> None:
    rule = holding(["f4"])
    world = World(problem_with(), holding(), name)

    def refuses(ask: Ask, number: int) -> bool:
        return rule(ask, number) or (number >= start and len(world.pauses) < 2)

    world.refuses = refuses
    finding = world.play()
    assert [names for names, _ in finding.triggers] == [("f4",)]
    assert not any("Left out" in note for note in finding.notes)
