"""What a trial came to, by replies, silence, bounces, events and arrivals."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bounce.reply import read_reply
from harness.judge.settle import observe, settle, settle_run
from harness.model.answer import Answer, Evidence, Kind, Level, Source
from harness.model.outcome import Settled, span
from harness.model.record import Arrival, TrialRecord
from harness.model.reply import Reply, Step
from harness.model.trial import Ask, Outcome, Phase, State
from tests.builders import CS01, OK, REFUSED, START, Play, answer, attempt, factors, reading, trial
from tests.shared import examples
from tests.stories import read

ASK = Ask(frozenset({"subject"}), "seed-01@seeds.example", Phase.SEARCH)
LATER = START + timedelta(hours=1)


def settled(record: TrialRecord, answers: str = "session", now=LATER, **options: object) -> Settled:
    return settle(record, answers=answers, settle=900.0, now=now, read=read, **options)  # type: ignore[arg-type]


def of(reply: Reply, **options: object) -> Settled:
    return settled(trial(ASK, attempt(reply)), **options)  # type: ignore[arg-type]


def test_a_250_in_session_is_accepted_and_never_called_delivered() -> None:
    said = of(OK)
    assert said.outcome is Outcome.ACCEPTED
    assert "relay answered" in said.note


def test_a_content_refusal_is_rejected_with_its_tag() -> None:
    said = of(REFUSED)
    assert (said.outcome, said.tag, said.evidence) == (Outcome.REJECTED, "CS01", Evidence.STRONG)


@pytest.mark.parametrize(
    "words",
    [
        "5.1.1 unknown user: seed-01@seeds.example",
        "5.2.2 Mailbox over quota",
        "5.7.1 [HME1] Your message was rejected due to failed SPF and DKIM authentication",
        "5.7.1 Service unavailable; Client host [192.0.2.8] blocked using zen.spamhaus.org",
        "5.3.0 something nobody knows",
    ],
)
def test_words_that_say_nothing_of_content_are_censored(words: str) -> None:
    assert of(Reply(550, words, Step.CONTENT)).outcome is Outcome.CENSORED


def test_sender_level_words_count_only_while_the_control_passes() -> None:
    said = of(Reply(554, "5.7.1 [HM08] Message rejected due to local policy.", Step.CONTENT))
    assert (said.outcome, said.evidence) == (Outcome.REJECTED, Evidence.CONDITIONAL)


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT])
def test_content_words_before_the_content_was_seen_are_weaker(step: Step) -> None:
    assert of(Reply(554, CS01, step)).evidence is Evidence.CONDITIONAL


@pytest.mark.parametrize("step", [Step.CONNECT, Step.HELO, Step.AUTH])
def test_a_refused_connection_is_about_no_message(step: Step) -> None:
    assert of(Reply(554, CS01, step)).outcome is Outcome.CENSORED


def test_a_deferral_is_pending_until_its_retries_are_spent() -> None:
    later = Reply(451, "4.7.1 try again later", Step.CONTENT)
    tries = [attempt(later, number=number) for number in (1, 2, 3)]
    assert settled(trial(ASK, *tries[:1])).outcome is Outcome.PENDING
    assert settled(trial(ASK, *tries[:2])).outcome is Outcome.PENDING
    assert settled(trial(ASK, *tries)).outcome is Outcome.CENSORED
    assert settled(trial(ASK, *tries[:1]), retries=0).outcome is Outcome.CENSORED
    assert settled(trial(ASK, *tries[:1]), closed=True).outcome is Outcome.CENSORED


def test_a_deferral_that_passes_at_the_second_try_is_accepted() -> None:
    later = attempt(Reply(451, "4.7.1 try again later", Step.CONTENT))
    assert settled(trial(ASK, later, attempt(OK, number=2))).outcome is Outcome.ACCEPTED


def test_silence_shorter_than_the_settle_time_is_not_an_acceptance() -> None:
    record = trial(ASK, attempt(OK))
    answered = record.answered
    assert answered is not None
    early = settled(record, "bounces", now=answered + timedelta(seconds=899))
    late = settled(record, "bounces", now=answered + timedelta(seconds=900))
    assert early.outcome is Outcome.PENDING
    assert late.outcome is Outcome.ACCEPTED
    assert late.note == "no bounce within 15 min"


def bounced(*answers: Answer, answers_mode: str = "bounces", **options: object) -> Settled:
    return settled(trial(ASK, attempt(OK), answers=answers), answers_mode, **options)  # type: ignore[arg-type]


def test_a_bounce_overrides_silence() -> None:
    said = bounced(answer(Kind.BOUNCE, reading()))
    assert (said.outcome, said.tag, said.source) == (Outcome.REJECTED, "CS01", Source.DSN)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Kind.DELIVERED, Outcome.DELIVERED),
        (Kind.MDN, Outcome.DELIVERED),
        (Kind.DEFERRED, Outcome.PENDING),
        (Kind.EXPIRED, Outcome.CENSORED),
        (Kind.SUPPRESSED, Outcome.CENSORED),
        (Kind.AUTO_REPLY, Outcome.ACCEPTED),
        (Kind.OTHER, Outcome.ACCEPTED),
    ],
)
def test_each_kind_of_answer_settles_as_designed(kind: Kind, outcome: Outcome) -> None:
    calm = reading("accepted", Evidence.NONE, tag=None, permanent=None, level=Level.NONE)
    assert bounced(answer(kind, calm)).outcome is outcome


def test_a_bounce_of_a_temporary_failure_is_censored() -> None:
    assert bounced(answer(Kind.BOUNCE, reading(permanent=False))).outcome is Outcome.CENSORED


def test_a_relay_that_may_have_sent_twice_leaves_the_trial_unknown() -> None:
    twice = answer(Kind.BOUNCE, reading(), sent_more_than_once=True)
    assert bounced(twice).outcome is Outcome.UNKNOWN
    assert bounced(twice, answer(Kind.BOUNCE, reading())).outcome is Outcome.REJECTED


def test_the_relays_own_words_are_no_evidence_about_apple() -> None:
    own = answer(Kind.BOUNCE, reading("other_policy", Evidence.CONDITIONAL, tag=None), from_receiver=False)
    assert bounced(own).outcome is Outcome.CENSORED
    refused_at_once = trial(ASK, attempt(Reply(550, "5.7.1 Message content rejected", Step.CONTENT)))
    assert settled(refused_at_once, "bounces").outcome is Outcome.CENSORED


def test_a_refusal_outranks_a_claim_of_delivery_in_either_order() -> None:
    both = (answer(Kind.DELIVERED, reading("accepted", Evidence.NONE)), answer(Kind.BOUNCE, reading()))
    for order in (both, both[::-1]):
        said = bounced(*order)
        assert said.outcome is Outcome.REJECTED
        assert "another answer says delivered" in said.note


def test_a_copy_in_the_mailbox_outranks_all_words() -> None:
    arrival = Arrival("Junk", START, ())
    record = trial(ASK, attempt(OK), answers=(answer(Kind.BOUNCE, reading()),), arrivals=(arrival,))
    said = settled(record, "bounces")
    assert said.outcome is Outcome.DELIVERED
    assert "Junk" in said.note
    assert "although a bounce came" in said.note


def test_a_lost_answer_is_unknown_until_evidence_resolves_it() -> None:
    lost = trial(ASK, attempt(None, state=State.UNKNOWN))
    assert settled(lost).outcome is Outcome.UNKNOWN
    assert settled(replace(lost, answers=(answer(Kind.BOUNCE, reading()),))).outcome is Outcome.REJECTED
    assert settled(replace(lost, arrivals=(Arrival("INBOX", START, ()),))).outcome is Outcome.DELIVERED


def test_states_before_the_answer_are_told_apart() -> None:
    assert settled(trial(ASK)).outcome is Outcome.PLANNED
    assert settled(trial(ASK, attempt(None, state=State.NOT_SENT))).outcome is Outcome.NOT_SENT
    assert settled(trial(ASK, attempt(None, state=State.SENDING))).outcome is Outcome.PENDING


def test_silence_after_a_suppression_proves_nothing() -> None:
    play = Play(factors("subject"), lambda held, seed: OK, answers="bounces")
    first, second = play.run.segment.seeds[:2]
    play.send(frozenset(), Phase.CONTROL, to=[first, second, first, first])
    trials = list(play.facts().trials)
    words = read_reply("suppressed")
    trials[0] = replace(trials[0], answers=(answer(Kind.SUPPRESSED, words, Source.EVENT),))
    trials[3] = replace(trials[3], answers=(answer(Kind.DELIVERED, reading("accepted", Evidence.NONE)),))
    said = settle_run(replace(play.facts(), trials=tuple(trials)), now=LATER, read=read)
    outcomes = [said[one.token].outcome for one in trials]
    assert outcomes == [Outcome.CENSORED, Outcome.ACCEPTED, Outcome.CENSORED, Outcome.DELIVERED]


def test_observations_stand_in_sending_order_with_seconds_since_the_start() -> None:
    play = Play(factors("subject"), lambda held, seed: REFUSED if held else OK)
    play.send(frozenset(), Phase.CONTROL, to=play.run.segment.seeds[:1])
    play.send(play.everything, Phase.REPRODUCE, to=play.run.segment.seeds[:1])
    facts = play.facts()
    facts = replace(facts, trials=facts.trials[::-1])
    seen = observe(facts, settle_run(facts, now=LATER, read=read))
    assert [one.number for one in seen] == [0, 1]
    assert [one.at for one in seen] == [10.0, 20.0]
    assert [one.rejected for one in seen] == [False, True]


ANSWERS = st.lists(
    st.builds(
        lambda kind, evidence, permanent, twice, tag: answer(
            kind, reading(evidence=evidence, permanent=permanent, tag=tag), sent_more_than_once=twice
        ),
        st.sampled_from(Kind),
        st.sampled_from(Evidence),
        st.sampled_from([True, False, None]),
        st.booleans(),
        st.sampled_from(["CS01", "HM08", None]),
    ),
    max_size=5,
)


@settings(max_examples=examples(1000))
@given(ANSWERS, st.randoms(use_true_random=False))
def test_the_order_of_reading_never_matters(answers: list[Answer], chance) -> None:
    """Bounces, events and mailboxes are read whenever they are read."""
    shuffled = list(answers)
    chance.shuffle(shuffled)
    assert bounced(*answers) == bounced(*shuffled)


@pytest.mark.parametrize(("seconds", "words"), [(45, "45 s"), (900, "15 min"), (7200, "2 h"), (90, "90 s")])
def test_spans_are_said_as_people_do(seconds: float, words: str) -> None:
    assert span(seconds) == words
