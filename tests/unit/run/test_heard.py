"""Silence counts for as long as somebody listened, and no longer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from harness.model.record import Attempt, RunFacts, TrialRecord
from harness.model.reply import Reply, Step
from harness.model.trial import State
from harness.run.heard import KIND, is_settled, listened_until, silence_until, to_note
from tests.builders import factors, run_record
from tests.unit.run.builders import NOON, a_trial

QUEUED = Reply(250, "queued", Step.CONTENT)
MINUTE = timedelta(minutes=1)


def sent_at(minute: int, reply: Reply | None = QUEUED, state: State = State.ANSWERED) -> TrialRecord:
    at = NOON + minute * MINUTE
    return a_trial(f"t{minute}", attempts=(Attempt(1, state, at, at, at, reply, None),))


def facts(*trials: TrialRecord, answers: str = "bounces", state: str = "running") -> RunFacts:
    run = run_record(factors("subject"), answers=answers, settle=600.0, started=NOON, state=state)
    return RunFacts(run, trials)


def heard(before: RunFacts, minute: float) -> RunFacts:
    """Read every source at some minute, and note it where it must be noted."""
    note = to_note(before, NOON + minute * MINUTE)
    return before if note is None else replace(before, happenings=(*before.happenings, note))


def test_time_alone_makes_no_silence() -> None:
    run = facts(sent_at(1))
    assert silence_until(run, NOON + 60 * MINUTE) == NOON
    assert silence_until(facts(sent_at(1), answers="session"), NOON + 60 * MINUTE) == NOON + 60 * MINUTE


@pytest.mark.parametrize(("minute", "noted"), [(2, False), (10.9, False), (11, True), (30, True)])
def test_a_reading_is_noted_when_it_settles_something(minute: float, noted: bool) -> None:
    run = heard(facts(sent_at(1)), minute)
    assert bool(run.happenings) is noted
    assert silence_until(run, NOON + 60 * MINUTE) == (NOON + minute * MINUTE if noted else NOON)


def test_readings_without_news_are_not_noted() -> None:
    run = facts(sent_at(1), sent_at(2))
    for tenth in range(0, 1000):
        run = heard(run, tenth / 10)
    assert [event.kind for event in run.happenings] == [KIND, KIND]  # one for each message
    assert listened_until(run) == NOON + 12 * MINUTE


def test_a_reading_never_counts_beyond_now() -> None:
    run = heard(facts(sent_at(1)), 30)
    assert silence_until(run, NOON + 20 * MINUTE) == NOON + 20 * MINUTE


def test_messages_in_doubt_are_listened_for_and_refused_ones_are_not() -> None:
    refused = sent_at(1, Reply(554, "no", Step.CONTENT))
    assert to_note(facts(refused), NOON + 30 * MINUTE) is None
    assert to_note(facts(sent_at(1, None, State.UNKNOWN)), NOON + 30 * MINUTE) is not None
    assert to_note(facts(sent_at(1), answers="session"), NOON + 30 * MINUTE) is None


def test_a_run_is_settled_when_it_is_over_and_all_was_listened_to() -> None:
    run = facts(sent_at(1), sent_at(5), state="finished")
    assert not is_settled(run)
    assert not is_settled(heard(run, 12))
    assert is_settled(heard(run, 15))
    assert not is_settled(heard(facts(sent_at(1)), 15))  # more may be sent
    assert is_settled(facts(sent_at(1), answers="session"))
