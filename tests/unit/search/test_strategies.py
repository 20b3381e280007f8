"""All strategies come to the same truth in a world without chance, and keep to the rules on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.judge.weigh import exit_code, weigh
from harness.model.factor import close
from harness.model.problem import Budget, Send, Together
from harness.model.trial import Phase
from harness.model.verdict import VerdictKind
from harness.search import STRATEGIES, strategy
from tests.shared import examples
from tests.unit.search.builders import World, holding, problem_with

NEEDS = {"f4": ["f0"], "f5": ["f0", "f4"], "f9": ["f2"]}
every = pytest.mark.parametrize("name", STRATEGIES)


@every
@pytest.mark.parametrize("trigger", ["f0", "f3", "f7", "f11"])
def test_a_single_change_is_named(name: str, trigger: str) -> None:
    finding = World(problem_with(), holding([trigger]), name).play()
    assert finding.kind is VerdictKind.TRIGGER
    assert [names for names, _ in finding.triggers] == [(trigger,)]
    assert finding.fix == (trigger,)


@every
@pytest.mark.parametrize("pair", [("f0", "f1"), ("f2", "f9"), ("f10", "f11")])
def test_a_combination_is_named_whole(name: str, pair: tuple[str, str]) -> None:
    finding = World(problem_with(), holding(pair), name).play()
    assert [set(names) for names, _ in finding.triggers] == [set(pair)]
    assert len(finding.fix) == 1
    assert finding.fix[0] in pair


@every
def test_links_of_one_host_are_separate_triggers(name: str) -> None:
    finding = World(problem_with(), holding(["f1"], ["f4"], ["f7"]), name).play()
    assert {names for names, _ in finding.triggers} == {("f1",), ("f4",), ("f7",)}
    assert set(finding.fix) == {"f1", "f4", "f7"}


@every
def test_a_clean_campaign_has_no_trigger_and_reached_every_seed(name: str) -> None:
    world = World(problem_with(), holding(), name)
    finding = world.play()
    assert finding.kind is VerdictKind.NONE
    whole = frozenset(f.id for f in world.problem.factors)
    assert {seen.ask.seed for seen in world.seen if seen.ask.factors == whole} == {t.id for t in world.problem.seeds}
    assert "bound" in finding.notes[-1]


@every
def test_a_refused_sender_is_named_within_three_messages_and_no_production_goes_out(name: str) -> None:
    world = World(problem_with(), lambda ask, number: True, name)
    assert world.play().kind is VerdictKind.SENDER
    assert len(world.seen) == 3
    assert all(not seen.ask.factors for seen in world.seen)
    assert len({seen.ask.seed for seen in world.seen}) == 3


@every
def test_unknown_users_are_never_blamed_on_content(name: str) -> None:
    world = World(problem_with(), holding(), name, dead=frozenset({"s0", "s5"}))
    assert world.play().kind is VerdictKind.NONE
    assert Counter(seen.ask.seed for seen in world.seen)["s0"] <= 1


@every
def test_a_segment_of_dead_mailboxes_is_a_matter_of_recipients(name: str) -> None:
    world = World(problem_with(seeds=3), holding(["f1"]), name, dead=frozenset({"s0", "s1", "s2"}))
    assert world.play().kind is VerdictKind.RECIPIENT


@every
def test_a_need_is_not_blamed_for_what_stands_in_it(name: str) -> None:
    world = World(problem_with(needs=NEEDS), holding(["f5"]), name)
    finding = world.play()
    assert [names for names, _ in finding.triggers] == [("f5",)]
    assert finding.fix == ("f5",)


@every
@settings(max_examples=examples(150), deadline=None)
@given(st.sets(st.integers(0, 11), min_size=1, max_size=3), st.booleans())
def test_only_closed_sets_are_sent(name: str, members: set[int], together: bool) -> None:
    names = [f"f{i}" for i in members]
    world = World(problem_with(needs=NEEDS), holding(names) if together else holding(*[[n] for n in names]), name)
    world.play()
    by_id = {factor.id: factor for factor in world.problem.factors}
    assert all(close(seen.ask.factors, by_id) == seen.ask.factors for seen in world.seen)


@every
@settings(max_examples=examples(150), deadline=None)
@given(st.sets(st.integers(0, 11), min_size=1, max_size=3))
def test_what_is_found_is_refused_minimal_and_proved(name: str, members: set[int]) -> None:
    true = frozenset(f"f{i}" for i in members)
    world = World(problem_with(), holding(true), name)
    finding = world.play()
    assert [frozenset(names) for names, _ in finding.triggers] == [true]
    verdict = weigh(finding, world.problem.factors, world.seen, seeds=world.problem.seeds)
    assert verdict.kind is VerdictKind.TRIGGER
    assert verdict.triggers[0].e_value >= 20
    assert verdict.triggers[0].confirmed_by_removal


@every
def test_parents_of_a_proof_differ_from_the_child_by_one_factor_and_what_stands_in_it(name: str) -> None:
    world = World(problem_with(needs=NEEDS), holding(["f0", "f2"]), name)
    world.play()
    by_id = {factor.id: factor for factor in world.problem.factors}
    children = {seen.ask.block: seen.ask.factors for seen in world.seen if seen.ask.arm == "child"}
    parents = [seen.ask for seen in world.seen if seen.ask.arm.startswith("parent:")]
    assert parents
    for ask in parents:
        gone = children[ask.block] - ask.factors
        assert all(name == ask.arm[7:] or ask.arm[7:] in by_id[name].needs for name in gone)
        assert ask.arm[7:] in gone


@every
def test_a_transactional_message_goes_to_a_seed_once_per_variant(name: str) -> None:
    world = World(problem_with(count=5, seeds=16, transactional=True), holding(["f3"]), name)
    finding = world.play()
    sent = Counter((seen.ask.factors, seen.ask.seed) for seen in world.seen)
    assert max(sent.values()) == 1
    assert finding.kind in (VerdictKind.TRIGGER, VerdictKind.INCONCLUSIVE)
    if name == "adaptive":
        assert [names for names, _ in finding.triggers] == [("f3",)]


@every
def test_a_cap_of_messages_ends_the_run_with_what_is_missing(name: str) -> None:
    world = World(problem_with(budget=Budget(sends=9)), holding(["f3", "f8"]), name)
    finding = world.play()
    assert len(world.seen) <= 9
    assert finding.kind is VerdictKind.INCONCLUSIVE
    assert "9" in finding.missing
    assert finding.more is not None
    assert finding.more > 0


def test_an_inconclusive_adaptive_run_names_its_suspects() -> None:
    finding = World(problem_with(budget=Budget(sends=14)), holding(["f3", "f8"]), "adaptive").play()
    assert finding.kind is VerdictKind.INCONCLUSIVE
    assert 1 <= len(finding.suspects) <= 3
    assert all(0 < share <= 1 for _, share in finding.suspects)


@every
def test_seeds_keep_to_their_daily_cap(name: str) -> None:
    world = World(problem_with(budget=Budget(refusals=None, per_seed=10)), holding(["f7"]), name)
    world.play()
    assert max(Counter(seen.ask.seed for seen in world.seen).values()) <= 10


@every
def test_a_trigger_of_one_domain_is_scoped_to_it(name: str) -> None:
    relay = {"s3", "s7", "s11"}
    rule = holding(["f6"])
    world = World(problem_with(seeds=12), lambda ask, n: ask.seed in relay and rule(ask, n), name)
    ((names, scope),) = world.play().triggers
    assert names == ("f6",)
    assert scope.type == "domain"
    assert scope.domains == ("privaterelay.appleid.com",)


@every
def test_a_value_is_told_from_the_recipient_that_shows_it(name: str) -> None:
    world = World(problem_with(seeds=12), holding(), name)
    shown = {seed.id: seed.values["f1"] for seed in world.problem.seeds}
    world.refuses = lambda ask, n: "f1" in ask.factors and shown[ask.values_of or ask.seed] == "v2"
    ((names, scope),) = world.play().triggers
    assert names == ("f1",)
    assert (scope.type, scope.field, scope.value) == ("value", "f1", "v2")


@pytest.mark.parametrize("name", ["split", "adaptive"])
def test_what_only_a_half_plain_message_suffers_from_is_no_trigger(name: str) -> None:
    real = holding(["f8"])
    world = World(
        problem_with(), lambda ask, n: real(ask, n) or ("f2" in ask.factors and "f10" not in ask.factors), name
    )
    finding = world.play()
    assert [names for names, _ in finding.triggers] == [("f8",)]


@every
def test_a_block_of_the_sender_midway_is_waited_for_and_proves_nothing(name: str) -> None:
    rule = holding(["f4"])
    world = World(problem_with(), holding(), name)
    world.refuses = lambda ask, n: rule(ask, n) or (n >= 8 and not world.pauses)
    finding = world.play()
    assert world.pauses
    assert [names for names, _ in finding.triggers] == [("f4",)]


@every
def test_a_block_that_never_ends_is_laid_at_the_senders_door(name: str) -> None:
    rule = holding(["f4"])
    world = World(problem_with(), lambda ask, n: rule(ask, n) or n >= 4, name)
    finding = world.play()
    assert finding.kind is VerdictKind.SENDER
    assert finding.stopped
    assert len(world.seen) < 20


def test_a_scoring_filter_is_told_as_one() -> None:
    world = World(problem_with(), holding(["f1", "f4"], ["f4", "f7"], ["f1", "f7"]), "adaptive")
    finding = world.play()
    true = {frozenset(s) for s in (("f1", "f4"), ("f4", "f7"), ("f1", "f7"))}
    assert {frozenset(names) for names, _ in finding.triggers} <= true
    assert len(set(finding.fix) & {"f1", "f4", "f7"}) == 2
    assert any("adds scores" in note for note in finding.notes)


def test_adaptive_needs_far_fewer_messages_than_the_ladder() -> None:
    spent = {}
    for name in ("ladder", "adaptive"):
        world = World(problem_with(count=32), holding(["f19"]), name)
        world.play()
        spent[name] = (len(world.seen), sum(seen.rejected for seen in world.seen))
    assert spent["adaptive"][0] * 8 < spent["ladder"][0]
    assert spent["adaptive"][0] <= 22
    assert spent["adaptive"][1] <= 6


def test_the_ladder_keeps_the_order_of_the_factors() -> None:
    world = World(problem_with(count=6), holding(), "ladder")
    world.play()
    rungs = [seen.ask.factors for seen in world.seen if seen.ask.phase is Phase.LADDER and seen.ask.factors]
    assert [len(rung) for rung in dict.fromkeys(rungs)] == [1, 2, 3, 4, 5, 6]
    controls = [seen for seen in world.seen if seen.ask.phase is Phase.LADDER and not seen.ask.factors]
    assert len(controls) == 6


@every
def test_every_choice_has_its_sentence(name: str) -> None:
    world = World(problem_with(), holding(["f4"]), name)
    world.play()
    assert all(seen.ask.why.rstrip().endswith((".", "?")) for seen in world.seen)


@every
def test_batches_go_out_together_and_come_to_the_same_truth(name: str) -> None:
    world = World(problem_with(budget=Budget(refusals=None, batch=4)), holding(["f4"]), name)
    player, most = strategy(name), 0
    while isinstance(move := player.next(world.problem, world.seen, world.pauses), Send):
        most = max(most, len(move.asks))
        world.seen += [world.answer(ask, len(world.seen) + i) for i, ask in enumerate(move.asks)]
    assert 1 < most <= 4
    assert [names for names, _ in move.finding.triggers] == [("f4",)]  # type: ignore[union-attr]


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="ladder, split, adaptive"):
        strategy("guess")


@every
@pytest.mark.parametrize(
    ("budget", "option"), [(Budget(sends=9), "--max-sends"), (Budget(refusals=3), "--max-refusals")]
)
def test_a_cap_is_no_stop_rule_and_the_next_step_raises_it(name: str, budget: Budget, option: str) -> None:
    world = World(problem_with(budget=budget), holding(["f3", "f8"]), name)
    finding = world.play()
    assert not finding.stopped
    verdict = weigh(finding, world.problem.factors, world.seen, seeds=world.problem.seeds)
    assert exit_code(verdict) == 3
    assert f"{option} " in verdict.next_step
    cap = int(verdict.next_step.split(f"{option} ")[1].rstrip("`.").split("`")[0])
    assert cap > (budget.sends or budget.refusals or 0)
    assert f"{option.removeprefix('--max-')}" in verdict.missing.replace("messages", "sends")


@every
def test_seeds_that_had_their_share_are_no_stop_rule(name: str) -> None:
    finding = World(problem_with(budget=Budget(per_seed=2)), holding(["f3", "f8"]), name).play()
    assert finding.kind is VerdictKind.INCONCLUSIVE
    assert not finding.stopped
    assert "2 messages" in finding.missing


@every
def test_a_stop_rule_that_ends_a_search_stops_it(name: str) -> None:
    world = World(problem_with(), holding(["f3"]), name)
    player = strategy(name)
    for _ in range(6):
        move = player.next(world.problem, world.seen, ())
        assert isinstance(move, Send)
        world.seen += [world.answer(ask, len(world.seen) + i) for i, ask in enumerate(move.asks)]
    player.next(world.problem, world.seen, ())
    assert player.conclude("listed").stopped == "listed"


@every
@pytest.mark.parametrize("lonely", ["s0", "s3", "s7"])
def test_the_removal_of_a_value_that_one_seed_wears_is_confirmed_at_that_seed(name: str, lonely: str) -> None:
    world = World(problem_with(budget=Budget()), holding(), name)
    testers = tuple(replace(t, values={"f1": "rare" if t.id == lonely else t.id}) for t in world.problem.seeds)
    world.problem = replace(world.problem, seeds=testers)
    shown = {seed.id: seed.values["f1"] for seed in testers}
    world.refuses = lambda ask, n: "f1" in ask.factors and shown[ask.values_of or ask.seed] == "rare"
    finding = world.play()
    assert [(names, scope.value) for names, scope in finding.triggers] == [(("f1",), "rare")]
    restored = world.problem.factors
    verdict = weigh(finding, restored, world.seen, seeds=testers)
    assert verdict.triggers[0].confirmed_by_removal
    rest = frozenset(f.id for f in restored) - {"f1"}
    assert any(seen.accepted and seen.ask.factors == rest and seen.ask.seed == lonely for seen in world.seen)
    assert verdict.summary.count("rare") == 1


def test_a_pair_that_production_saw_together_is_found_with_fewer_messages() -> None:
    def sends(*together: Together) -> int:
        world = World(problem_with(24, together=together), holding({"f5", "f17"}), "adaptive")
        ((names, _),) = world.play().triggers
        assert names == ("f17", "f5")
        return len(world.seen)

    assert sends(Together(("f17", "f5"), 60.0)) < sends()
