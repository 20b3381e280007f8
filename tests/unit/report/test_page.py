"""The page as a file: small, in order, self-contained; and Markdown in which nothing is live."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from harness.model.answer import Kind
from harness.model.outcome import DomainTally, Tally
from harness.model.record import Arrival
from harness.model.reply import Reply, Step
from harness.model.verdict import Finding, VerdictKind
from harness.report.detail import cell, health
from harness.report.markdown import markdown
from harness.report.page import page
from harness.report.rungs import removals, shown_rungs
from harness.report.timeline import timeline
from harness.report.typeset import stylesheet
from tests.builders import answer, attempt, reading
from tests.stories import ALL, PARTNER, forty, hostile, nothing, pair, stopped, told, trigger

ORDER = (
    *("A change is refused", "The ladder", "Confirmed by removal", "Refused of sent, by variant", "What changed"),
    *("Timeline", "The replies", "What was ruled out", "Seed health", "Before anything was sent", "Next step"),
    "How to read this page",
)


def test_forty_variants_to_twelve_seeds_stay_below_300_kilobytes() -> None:
    story = forty()
    assert len(story.tallies.variants) >= 40
    assert len(page(story).encode()) < 300_000


def test_sections_stand_in_the_designed_order() -> None:
    text = page(trigger())
    places = [text.index(words) for words in ORDER]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ALL)
def test_a_page_refers_to_nothing_outside(name: str) -> None:
    text = page(ALL[name]())
    assert not re.search(r"<(?:script|link|iframe|object|embed|form|base)\b", text)
    assert re.findall(r'(?:href|src)="([^"]*)"', text) == ["#main"]
    assert "url(" not in stylesheet()
    assert "@import" not in stylesheet()


def test_the_policy_admits_this_style_sheet_by_hash_and_nothing_else() -> None:
    text = page(trigger())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:" in text.replace("&#39;", "'")
    assert 'style="' not in text


def test_the_first_failing_edge_is_ringed_and_removal_stands_beside() -> None:
    rungs = shown_rungs(trigger())
    (ringed,) = (rung for rung in rungs if rung.ringed)
    assert ringed.change == "+ link to go.partner.example/a"
    assert ringed.state == "refused"
    assert [rung.state for rung in rungs[: rungs.index(ringed)]] == ["accepted"] * rungs.index(ringed)
    (removal,) = removals(trigger())
    assert removal.state == "accepted"


def test_an_adaptive_run_shows_what_its_answer_rests_on() -> None:
    assert [rung.state for rung in shown_rungs(pair())] == ["accepted", "accepted", "accepted", "refused"]


@pytest.mark.parametrize(
    ("counts", "low", "shade"),
    [
        (Tally(), None, -2),
        (Tally(sent=1, censored=1), None, -1),
        (Tally(sent=1, accepted=1), 0.0, -1),
        (Tally(sent=4, accepted=4), 0.0, -1),
        (Tally(sent=5, accepted=5), 0.0, 0),
        (Tally(sent=1, rejected=1), 0.025, 1),
        (Tally(sent=8, rejected=8), 0.63, 4),
    ],
)
def test_a_cell_is_never_good_on_too_little_data(counts: Tally, low: float | None, shade: int) -> None:
    assert cell(DomainTally("icloud.com", counts, None, low, None, None)).shade == shade


def test_seed_health_says_why_a_seed_is_no_use() -> None:
    states = {seed.address.partition("@")[0]: seed.state for seed in health(stopped())}
    assert states["seed-01"] == "usable"
    assert states["seed-02"] == "unknown user"
    assert states["seed-03"] == "mailbox full"


def test_the_timeline_has_a_mark_for_every_message_and_its_deferrals() -> None:
    story = nothing()
    drawn = timeline(story)
    rings = drawn.count('class="t-ok"') + drawn.count('class="t-ok t-control"')
    assert rings == len(story.facts.trials)
    first = story.facts.trials[0]
    later = attempt(Reply(451, "4.7.1 later", Step.CONTENT), first.attempts[0].begun or first.planned)
    trials = (replace(first, attempts=(later, replace(first.attempts[0], number=2))), *story.facts.trials[1:])
    facts = replace(story.facts, trials=trials)
    assert timeline(told(facts, Finding(VerdictKind.NONE))).count("t-late") == 1


def test_late_answers_and_rewritten_copies_are_said() -> None:
    story = nothing()
    ended = story.facts.run.ended
    assert ended is not None
    late = answer(Kind.BOUNCE, reading(), time=ended.replace(hour=12))
    copy = Arrival("Junk", ended, ("the relay put its tracking link in front of 3 links",), (PARTNER,))
    first, second, *rest = story.facts.trials
    facts = replace(
        story.facts,
        trials=(replace(first, answers=(late,)), replace(second, arrivals=(copy,)), *rest),
        unmatched=(late,),
    )
    again = told(facts, Finding(VerdictKind.INCONCLUSIVE))
    text = page(again)
    assert "1 answer came after the run had ended" in text
    assert "What the relay changed" in text
    assert "Untestable on this relay, which rewrites it: link to go.partner.example/a" in text
    assert "Junk 1" in text
    assert "1 answers that belong to no message of this run" in text
    assert "1 answer came after the run had ended" in markdown(again)


def test_pasted_commands_are_quoted() -> None:
    text = page(hostile())
    command = re.search(r'<code class="command">(harness run .*?)</code>', text)
    assert command
    assert command[1].startswith("harness run &#39;spring&lt;script&gt;")


def test_nothing_is_live_in_markdown() -> None:
    text = markdown(hostile())
    assert "<script" not in re.sub(r"`[^`]*`", "", text)
    assert "<img" not in re.sub(r"`[^`]*`", "", text)
    assert not re.search(r"\x1b|\u202e", text)
    assert "](" not in text
    assert "https://" not in re.sub(r"`[^`]*`", "", text)
    assert len(text) < 40_000
