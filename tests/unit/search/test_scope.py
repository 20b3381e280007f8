"""For whom a trigger holds, and when production counts as clean."""

from __future__ import annotations

import pytest

from harness.judge.weigh import weigh
from harness.model.answer import Evidence
from harness.model.problem import Budget, Tester
from harness.model.trial import Ask, Observation, Outcome, Phase
from harness.model.verdict import Finding, Scope, VerdictKind
from harness.search import STRATEGIES
from harness.search.desk import Desk
from harness.search.reproduce import SURE, clearance
from harness.search.scope import read_scope, told_scope
from tests.unit.search.builders import World, holding, problem_with


def desk_after(*told: tuple[str, bool], phase: Phase = Phase.SCOPE, factors: str = "f1", seeds: int = 8) -> Desk:
    desk = Desk(problem_with(seeds=seeds))
    for seed, refused in told:
        outcome = Outcome.REJECTED if refused else Outcome.ACCEPTED
        held = desk.everything if factors == "all" else frozenset([factors])
        desk.log.append(Observation(Ask(held, seed, phase), outcome))
    return desk


def test_refusals_in_every_domain_are_for_all() -> None:
    desk = desk_after(("s0", True), ("s1", True), ("s2", True), ("s3", True))
    assert told_scope(desk, ("f1",), ()).type == "all"


def test_refusals_in_one_domain_only_are_for_that_domain() -> None:
    desk = desk_after(("s3", True), ("s7", True), *((f"s{i}", False) for i in (0, 1, 2, 4, 5, 6)))
    scope = told_scope(desk, ("f2",), ())
    assert scope.type == "all", "f1 was sent, so nothing is known of f2"
    scope = told_scope(desk, ("f1",), ())
    assert (scope.type, scope.domains) == ("domain", ("privaterelay.appleid.com",))


def test_refusals_without_a_pattern_are_of_recipients() -> None:
    desk = desk_after(*((f"s{i}", refused) for i, refused in enumerate([1, 0, 0, 1, 1, 0, 0, 0] * 2) for i in (i % 8,)))
    scope = told_scope(desk, ("f2",), ())
    desk = desk_after(
        *((f"s{i}", bool(refused)) for _ in range(3) for i, refused in enumerate([1, 0, 0, 1, 1, 0, 0, 0])),
        factors="f2",
    )
    scope = told_scope(desk, ("f2",), ())
    assert scope.type == "recipients"
    assert set(scope.seeds) == {"s0", "s3", "s4"}


def test_shares_of_scopes_sum_to_one() -> None:
    reading = read_scope(desk_after(("s0", True), ("s1", False)), ("f1",), ())
    assert sum(share for _, share in reading.shares) == pytest.approx(1)


def test_another_trigger_in_the_message_explains_a_refusal() -> None:
    desk = desk_after(("s0", True), ("s1", True), ("s2", True), factors="all")
    with_other = read_scope(desk, ("f1",), [("f5",)])
    prior = read_scope(desk_after(), ("f1",), ())
    assert dict(with_other.shares) == pytest.approx(dict(prior.shares))


def test_production_is_not_clean_before_every_seed_had_it() -> None:
    desk = desk_after(*((f"s{i}", False) for i in range(7) for _ in range(3)), factors="all")
    state = clearance(desk, desk.everything, 0.25)
    assert state.owed
    assert state.seed == "s7"


def test_a_value_that_one_seed_alone_shows_is_owed_three_messages() -> None:
    desk = desk_after(*((f"s{i}", False) for i in range(8)), factors="all")
    odd = [Tester(s.id, s.domain, {"f1": "odd" if s.id == "s6" else "v"}) for s in desk.problem.seeds]
    desk.seeds = {seed.id: seed for seed in odd}
    desk.problem = problem_with(seeds=8).__class__(desk.problem.factors, tuple(odd))
    assert clearance(desk, desk.everything, 0.25).owed == 1
    desk.log += [desk.log[6], desk.log[6]]
    assert clearance(desk, desk.everything, 0.25).owed == 0


def test_acceptances_make_clean_and_a_refusal_unmakes_it() -> None:
    told = [(f"s{i}", False) for i in range(8) for _ in range(3)]
    clean = clearance(desk_after(*told, factors="all"), problem_set(), 0.25)
    stained = clearance(desk_after(*told, ("s2", True), factors="all"), problem_set(), 0.25)
    assert clean.clean >= SURE
    assert stained.clean < SURE


def problem_set() -> frozenset[str]:
    return frozenset(factor.id for factor in problem_with().factors)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("affected", [("s3", "s5"), ("s0", "s7"), ("s2",)])
def test_only_affected_recipients_are_told_and_only_is_said_of_tested_seeds(
    name: str, affected: tuple[str, ...]
) -> None:
    rule = holding(["f7"])
    problem = problem_with(budget=Budget())
    world = World(problem, lambda ask, n: ask.seed in affected and rule(ask, n), name)
    finding = world.play()
    ((names, scope),) = finding.triggers
    assert names == ("f7",)
    assert scope.type == "recipients"
    assert set() < set(scope.seeds) <= set(affected)
    verdict = weigh(finding, problem.factors, world.seen, seeds=problem.seeds)
    tested = {seen.ask.seed for seen in world.seen if "f7" in seen.ask.factors}
    assert (" only:" in verdict.summary) == (tested >= {t.id for t in problem.seeds})


def test_seeds_that_never_had_the_trigger_are_not_called_unaffected() -> None:
    problem = problem_with()
    proof = [("child", {"f7"}), ("parent:f7", set()), ("parent:f7", set())] * 4
    seen = [
        Observation(
            Ask(frozenset(held), "s3", Phase.PROOF, arm=arm, subject=("f7",), block=place // 3),
            Outcome.REJECTED if held else Outcome.ACCEPTED,
            evidence=Evidence.STRONG if held else Evidence.NONE,
            repetition=place,
        )
        for place, (arm, held) in enumerate(proof)
    ]
    seen.append(Observation(Ask(frozenset({"f7"}), "s4", Phase.SCOPE), Outcome.ACCEPTED))
    claim = Finding(VerdictKind.TRIGGER, ((("f7",), Scope("recipients", seeds=("s3",))),), ("f7",))
    verdict = weigh(claim, problem.factors, seen, seeds=problem.seeds)
    assert "for s3 (6 other seeds not tested with it)" in verdict.summary
    assert "only" not in verdict.summary
