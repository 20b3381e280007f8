"""Two runs compared: corrected, honest about few messages, and with what else changed first."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from harness.judge.versus import Judged, holm, other_changes, versus
from harness.model.comparison import Change
from harness.model.trial import Phase
from harness.model.verdict import Finding, VerdictKind
from harness.report.told import Told
from tests.builders import OK, START, Play, refuses
from tests.shared import examples
from tests.stories import PARTNER, PARTS, comparison, nothing, told, trigger


def judged(story: Told) -> Judged:
    return Judged(story.facts, story.settled, story.verdict)


def test_a_fixed_cause_is_better_and_a_new_one_worse() -> None:
    old, new = judged(trigger()), judged(nothing())
    forth = {row.name: row for row in versus(old, new).rows}
    back = {row.name: row for row in versus(new, old).rows}
    assert forth[PARTNER].change is Change.BETTER
    assert back[PARTNER].change is Change.WORSE
    assert forth["subject"].change is Change.SAME
    assert forth[PARTNER].adjusted is not None
    assert forth[PARTNER].p_value is not None
    assert forth[PARTNER].adjusted >= forth[PARTNER].p_value


def test_few_messages_can_not_tell() -> None:
    def small(receiver) -> Told:
        play = Play(PARTS, receiver)
        play.send(play.everything, Phase.REPRODUCE, to=play.run.segment.seeds[:2])
        return told(play.facts(), Finding(VerdictKind.INCONCLUSIVE))

    rows = versus(judged(small(refuses(PARTNER))), judged(small(lambda held, seed: OK))).rows
    assert {row.change for row in rows} == {Change.UNKNOWN}


def test_what_else_changed_comes_first_and_two_changes_prove_neither() -> None:
    story = trigger()
    run = replace(story.facts.run, relay="esp", digests={**story.facts.run.digests, "merge": "z"}, version="0.2.0")
    before = replace(story.facts, run=replace(story.facts.run, digests={**story.facts.run.digests, "merge": "y"}))
    after = replace(story.facts, run=run, findings=())
    assert other_changes(before, after) == (
        "merge values",
        "the relay: sandbox, then esp",
        "preflight findings",
        "the harness: 0.1.0, then 0.2.0",
    )
    both = versus(replace(judged(story), facts=before), replace(judged(story), facts=after))
    assert "4 things differ" in both.summary
    assert "proves none of them" in both.summary


def test_one_change_is_named_as_the_one_difference() -> None:
    assert comparison().others == ("the template (subject, text or HTML)",)
    assert "differ in one thing" in comparison().summary


def test_production_is_compared_by_domain_and_not_all_messages() -> None:
    """Rates over all messages would compare what two searches chose to send."""
    play = Play(PARTS, refuses(PARTNER), id="later", started=START + timedelta(days=1))
    play.send(play.everything, Phase.REPRODUCE)
    rows = {
        row.name: row
        for row in versus(judged(trigger()), judged(told(play.facts(), Finding(VerdictKind.INCONCLUSIVE)))).rows
    }
    assert rows["icloud.com"].before.sent == 0
    assert (rows["icloud.com"].after.sent, rows["icloud.com"].after.rejected) == (2, 2)
    assert rows["icloud.com"].change is Change.UNKNOWN


@settings(max_examples=examples(500))
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holms_correction_is_monotone_and_at_least_as_strict_as_benjamini_hochberg(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ranked = [adjusted[place] for place in sorted(range(len(p_values)), key=lambda i: p_values[i])]
    assert ranked == sorted(ranked)
    assert all(a >= f - 1e-9 for a, f in zip(adjusted, false_discovery_control(p_values), strict=True))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]
