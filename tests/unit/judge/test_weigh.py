"""The gate: no accusation without proof, and every kind of verdict in plain words."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.settle import observe, settle_run
from harness.judge.weigh import exit_code, weigh
from harness.model import problem
from harness.model.answer import Evidence
from harness.model.record import RunFacts
from harness.model.reply import Reply, Step
from harness.model.trial import Ask, Observation, Outcome, Phase
from harness.model.verdict import Finding, Scope, Verdict, VerdictKind
from tests.builders import OK, REFUSED, Play, factors, refuses
from tests.shared import examples
from tests.stories import NOW, PARTNER, PARTS, read
from tests.stories import pair as pair_story
from tests.stories import trigger as trigger_story

FOUND = Finding(VerdictKind.TRIGGER, (((PARTNER,), Scope()),), (PARTNER,))


def judged(facts: RunFacts, finding: Finding) -> Verdict:
    return weigh(finding, facts.run.factors, observe(facts, settle_run(facts, now=NOW, read=read)))


def proved(cause: str = PARTNER, parts=PARTS, *, restore: bool = True) -> Play:
    play = Play(parts, refuses(cause))
    play.prove(cause, frozenset({"subject", cause}))
    if restore:
        play.send(play.everything - {cause}, Phase.RESTORE)
    return play


def test_a_proved_single_change_is_one_plain_sentence_with_its_numbers() -> None:
    verdict = judged(proved().facts(), FOUND)
    assert re.fullmatch(
        r"Adding the link host go\.partner\.example \(link to go\.partner\.example/a\) triggers CS01: 8 of 8 refused with "
        r"it, 0 of 8 without \(e-value [\d,]+; exact p < 0\.0001\)\. Production without it is accepted\.",
        verdict.summary,
    )
    assert verdict.triggers[0].confirmed_by_removal
    assert exit_code(verdict) == 1


def test_a_trigger_whose_removal_was_not_seen_to_pass_says_so() -> None:
    verdict = judged(proved(restore=False).facts(), FOUND)
    assert not verdict.triggers[0].confirmed_by_removal
    assert "not confirmed yet" in verdict.summary


def test_a_refused_production_without_it_is_no_confirmation() -> None:
    play = proved(restore=False)
    play._receiver = lambda held, seed: REFUSED
    play.send(play.everything - {PARTNER}, Phase.RESTORE)
    assert not judged(play.facts(), FOUND).triggers[0].confirmed_by_removal


def test_without_fresh_proof_messages_a_finding_is_inconclusive_and_says_what_is_missing() -> None:
    play = Play(PARTS, refuses(PARTNER))
    for rung in play.run.ladder:
        play.send(rung.factors, Phase.LADDER)
    verdict = judged(play.facts(), FOUND)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert not verdict.triggers
    assert "suspected but not proved" in verdict.summary
    assert "more sends would decide" in verdict.summary
    assert exit_code(verdict) == 3


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8), st.data())
def test_no_trigger_is_ever_told_below_the_threshold(outcomes: list[tuple[bool, bool]], data: st.DataObject) -> None:
    """Whatever came of a proof, an accusation has its e-value, and its numbers are those of the proof."""
    found = []
    for block, (parent, child) in enumerate(outcomes):
        for arm, held, rejected in (
            (f"parent:{PARTNER}", frozenset[str](), parent),
            ("child", frozenset({PARTNER}), child),
        ):
            ask = Ask(held, f"seed-{block}", Phase.PROOF, arm=arm, subject=(PARTNER,), block=block)
            outcome = Outcome.REJECTED if rejected else Outcome.ACCEPTED
            found.append(Observation(ask, outcome, "content_policy", Evidence.STRONG, "CS01"))
    verdict = weigh(FOUND, PARTS, found)
    if verdict.kind is VerdictKind.TRIGGER:
        told = verdict.triggers[0]
        assert told.e_value >= 20
        assert told.with_.rejected == sum(child for _, child in outcomes)
        assert told.without.rejected == sum(parent for parent, _ in outcomes)
    else:
        assert verdict.kind is VerdictKind.INCONCLUSIVE
        assert not verdict.triggers


def test_factors_are_cleared_with_the_rate_that_is_still_possible() -> None:
    verdicts = {factor.id: factor for factor in trigger_story().verdict.factors}
    assert verdicts[PARTNER].verdict == "trigger"
    assert verdicts["subject"].verdict == "clear"
    last = verdicts["header:List-Unsubscribe"]
    assert last.verdict == "clear"
    assert last.upper_bound == pytest.approx(1 - 0.05 ** (1 / 16))


def test_what_was_only_ever_sent_with_the_cause_is_not_cleared() -> None:
    play = proved(restore=False)
    play.send(play.everything, Phase.REPRODUCE)
    verdicts = {factor.id: factor.verdict for factor in judged(play.facts(), FOUND).factors}
    assert verdicts["preheader"] == "inconclusive"
    assert verdicts["subject"] == "clear"


def test_what_was_never_sent_is_untested() -> None:
    verdicts = {factor.id: factor.verdict for factor in judged(proved(restore=False).facts(), FOUND).factors}
    assert verdicts["preheader"] == "untested"


def test_a_seed_whose_message_lacks_a_section_clears_nothing_of_it() -> None:
    parts = factors("subject", "section:picks")
    everything = frozenset({"subject", "section:picks"})
    accepted = [
        Observation(Ask(everything, f"seed-{number}", Phase.REPRODUCE), Outcome.ACCEPTED) for number in range(4)
    ]
    seeds = [problem.Tester(f"seed-{number}", "icloud.com", wears=frozenset({"subject"})) for number in range(4)]
    bare = {one.id: one for one in weigh(Finding(VerdictKind.NONE), parts, accepted, seeds=seeds).factors}
    assert bare["section:picks"].verdict == "inconclusive"
    assert bare["subject"].upper_bound == pytest.approx(1 - 0.05 ** (1 / 4))


def test_nothing_refused_is_said_with_its_bound_and_never_as_certainty() -> None:
    play = Play(PARTS, lambda held, seed: OK)
    play.send(play.everything, Phase.LADDER)
    verdict = judged(play.facts(), Finding(VerdictKind.NONE))
    assert verdict.kind is VerdictKind.NONE
    assert "accepted 8 of 8 times" in verdict.summary
    assert "up to 31 % is still possible" in verdict.summary
    assert exit_code(verdict) == 0


def test_none_without_an_accepted_production_is_inconclusive() -> None:
    play = Play(PARTS, refuses(PARTNER))
    play.send(frozenset(), Phase.CONTROL)
    assert judged(play.facts(), Finding(VerdictKind.NONE)).kind is VerdictKind.INCONCLUSIVE
    play.send(play.everything, Phase.LADDER)
    assert judged(play.facts(), Finding(VerdictKind.NONE)).kind is VerdictKind.INCONCLUSIVE


def test_a_refused_control_blames_the_sender_whatever_the_tag() -> None:
    play = Play(PARTS, lambda held, seed: REFUSED)
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:3])
    verdict = judged(play.facts(), Finding(VerdictKind.SENDER))
    assert verdict.kind is VerdictKind.SENDER
    assert "the control" in verdict.summary
    assert "3 of 3" in verdict.summary
    assert exit_code(verdict) == 4


def test_one_refused_control_or_one_that_passed_since_blames_nobody() -> None:
    play = Play(PARTS, lambda held, seed: REFUSED)
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:1])
    play._receiver = lambda held, seed: OK
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[1:2])
    assert judged(play.facts(), Finding(VerdictKind.SENDER)).kind is VerdictKind.INCONCLUSIVE


def test_a_stop_rule_ends_with_code_four() -> None:
    finding = Finding(VerdictKind.INCONCLUSIVE, missing="a listing", stopped="the sending IP is on a blocklist")
    verdict = judged(Play(PARTS, refuses()).facts(), finding)
    assert exit_code(verdict) == 4
    assert "put right" in verdict.next_step.lower()


def test_recipients_are_named_with_both_sides_of_the_contrast() -> None:
    play = Play(PARTS, lambda held, seed: REFUSED if seed == "seed-02@seeds.example" else OK)
    play.send(frozenset(), Phase.CONTROL)
    play.send(play.everything, Phase.REPRODUCE)
    finding = Finding(VerdictKind.RECIPIENT, (((), Scope("recipients", seeds=("seed-02@seeds.example",))),))
    verdict = judged(play.facts(), finding)
    assert verdict.kind is VerdictKind.RECIPIENT
    assert "2 of 2 refused there, 0 of 14 at the other seeds" in verdict.summary


def test_seeds_that_can_not_be_used_are_a_recipient_matter() -> None:
    play = Play(PARTS, lambda held, seed: Reply(550, "5.1.1 unknown user", Step.RCPT))
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:2])
    verdict = judged(play.facts(), Finding(VerdictKind.RECIPIENT))
    assert verdict.kind is VerdictKind.RECIPIENT
    assert "unknown_user" in verdict.summary


def test_a_pair_is_said_together_with_the_weaker_numbers() -> None:
    verdict = pair_story().verdict
    assert "together triggers CS01" in verdict.summary
    assert "0 of 12 with one of them missing" in verdict.summary
    assert verdict.triggers[0].e_value >= 40


def test_all_links_of_a_host_are_told_as_the_host() -> None:
    links = ("link:https://go.partner.example/a", "link:https://go.partner.example/b")
    parts = factors("subject", *links)
    play = Play(parts, lambda held, seed: REFUSED if held & set(links) else OK)
    for link in links:
        play.prove(link, frozenset({"subject", link}))
    play.send(frozenset({"subject"}), Phase.RESTORE)
    finding = Finding(VerdictKind.TRIGGER, tuple(((link,), Scope()) for link in links), links)
    verdict = judged(play.facts(), finding)
    assert verdict.summary.startswith(
        "Adding the link host go.partner.example (each of its 2 links by itself) triggers"
    )
    assert "Put the link host go.partner.example back to plain" in verdict.next_step


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope("domain", ("icloud.com", "me.com")), "at icloud.com and me.com only"),
        (Scope("recipients", seeds=("seed-01@seeds.example",)), "for seed-01@seeds.example (7 other seeds not tested"),
        (Scope("value", field="merge:first_name", value="Bo"), "the value 'Bo' into the merge field first_name"),
    ],
)
def test_scopes_are_said_in_the_sentence(scope: Scope, words: str) -> None:
    cause = "merge:first_name" if scope.type == "value" else PARTNER
    finding = Finding(VerdictKind.TRIGGER, (((cause,), scope),), (cause,))
    everywhere = replace(finding)
    play = proved(cause)
    facts = play.facts()
    seen = observe(facts, settle_run(facts, now=NOW, read=read))
    seeds = [problem.Tester(seed.address, "icloud.com", {"merge:first_name": "Bo"}) for seed in facts.run.segment.seeds]
    if scope.type == "recipients":
        seen = tuple(replace(one, ask=replace(one.ask, seed=scope.seeds[0])) for one in seen)
    assert words in weigh(everywhere, PARTS, seen, seeds=seeds).summary


def test_an_unproved_second_trigger_is_a_note_and_no_accusation() -> None:
    finding = replace(FOUND, triggers=(*FOUND.triggers, (("subject",), Scope())))
    verdict = judged(proved().facts(), finding)
    assert [one.factors for one in verdict.triggers] == [(PARTNER,)]
    assert "the production subject is suspected but not proved" in verdict.notes[0]
