"""Settle: what a trial came to, by its replies, bounces, events and arrivals.

Order does not matter: where answers contradict each other, a table ranks them. A copy seen in the seed's mailbox
outranks all words. A refusal outranks a claim of delivery, because a receiver may accept first and bounce later.
Words that are evidence about the message outrank words that are not. Last come a relay's doubts and delays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.outcome import Settled, span
from harness.model.record import RunFacts, RunRecord, TrialRecord
from harness.model.reply import Reply, Step
from harness.model.trial import Observation, Outcome, State

Read = Callable[[Reply], Reading]

DEFAULT_RETRIES = 2  # a 4xx is tried again at most twice (DESIGN section 5)
BEFORE_CONTENT = frozenset({Step.MAIL, Step.RCPT, Step.DATA})
BEFORE_MAIL = frozenset({Step.CONNECT, Step.HELO, Step.AUTH})
# Read by a person or complained about: the message is in the mailbox.
SEEN = frozenset({Kind.DELIVERED, Kind.MDN, Kind.COMPLAINT})
GOOD_ACTIONS = ("delivered", "relayed", "expanded")
UNSENT = {State.PLANNED: Outcome.PLANNED, State.NOT_SENT: Outcome.NOT_SENT}
ENDED = ("finished", "stopped")
RANKS = {Evidence.STRONG: 0, Evidence.CONDITIONAL: 1, Evidence.NONE: 2}


def settle(
    trial: TrialRecord,
    *,
    answers: str,
    settle: float,
    now: datetime,
    read: Read,
    retries: int = DEFAULT_RETRIES,
    closed: bool = False,
) -> Settled:
    """Say what a trial came to.

    Args:
        answers: `session` where the relay answers with Apple's own words, `bounces` where the truth comes later.
        settle: seconds of silence after which a queued message counts as accepted (`bounces`).
        read: the catalogue's reading of a reply.
        closed: the run is over, so that a deferred message is not tried again.
    """
    if trial.arrivals:
        arrival = trial.arrivals[0]
        note = f"seen in the seed's mailbox (folder {arrival.folder})"
        if any(answer.kind is Kind.BOUNCE for answer in trial.answers):
            note += ", although a bounce came too"
        return Settled(Outcome.DELIVERED, "accepted", note=note, since=arrival.seen)
    told = sorted(filter(None, map(_of_answer, trial.answers)), key=_rank)
    if told:
        return _with_contradiction(told)
    session = _of_session(trial, answers, retries, closed, read)
    if session.outcome is not Outcome.ACCEPTED or answers == "session":
        return session
    return _of_silence(trial, session, settle, now)


def settle_run(facts: RunFacts, *, now: datetime, read: Read) -> dict[str, Settled]:
    """Settle every trial of a run, by token; what follows a suppression of its seed proves nothing.

    Once a provider has put a seed on its suppression list, a later message to it is dropped unseen: silence and the
    relay's own words are no evidence then. Words of the receiver and an arrival still are.
    """
    run = facts.run
    settled: dict[str, Settled] = {}
    suppressed: dict[str, str] = {}
    for trial in sorted(facts.trials, key=lambda trial: trial.number):
        outcome = settle(
            trial,
            answers=run.answers,
            settle=run.settle,
            now=now,
            read=read,
            retries=retries_of(run),
            closed=run.state in ENDED,
        )
        if trial.ask.seed in suppressed and outcome.outcome is Outcome.ACCEPTED and run.answers == "bounces":
            note = f"seed suppressed by the provider since {suppressed[trial.ask.seed]}: silence shows nothing"
            outcome = replace(outcome, outcome=Outcome.CENSORED, cause="suppressed", level=Level.RECIPIENT, note=note)
        settled[trial.token] = outcome
        if any(answer.kind is Kind.SUPPRESSED for answer in trial.answers):
            suppressed.setdefault(trial.ask.seed, f"message {trial.number + 1}")
    return settled


def observe(facts: RunFacts, settled: Mapping[str, Settled]) -> tuple[Observation, ...]:
    """Turn a run's trials into what search and judge work on, in sending order."""
    return tuple(
        Observation(
            ask=trial.ask,
            outcome=settled[trial.token].outcome,
            cause=settled[trial.token].cause,
            evidence=settled[trial.token].evidence,
            tag=settled[trial.token].tag,
            repetition=trial.repetition,
            at=(_begun(trial) - facts.run.started).total_seconds(),
            number=trial.number,
        )
        for trial in sorted(facts.trials, key=lambda trial: trial.number)
    )


def retries_of(run: RunRecord) -> int:
    """Return how often a run tries a deferred message again."""
    said = run.options.get("retries", run.relay_facts.get("retries", DEFAULT_RETRIES))
    return said if isinstance(said, int) and said >= 0 else DEFAULT_RETRIES


def _begun(trial: TrialRecord) -> datetime:
    begun = trial.attempts[0].begun if trial.attempts else None
    return begun or trial.planned


def _of_answer(answer: Answer) -> Settled | None:
    """Settle by one DSN or event; None where it decides nothing (a vacation note, a stray mail)."""
    reading = answer.reading
    if answer.kind in SEEN:
        return _told(answer, Outcome.DELIVERED, f"{answer.source} says {answer.kind}", cause="accepted")
    if answer.kind is Kind.SUPPRESSED:
        return _told(answer, Outcome.CENSORED, "suppressed by the provider, never offered to Apple", cause="suppressed")
    # A delivery report is of kind bounce whatever it reports; its action says which (RFC 3464 section 2.3.3).
    if answer.kind is Kind.BOUNCE and answer.action in GOOD_ACTIONS:
        return _told(answer, Outcome.DELIVERED, f"a delivery report says {answer.action}", cause="accepted")
    if answer.sent_more_than_once:
        return _told(answer, Outcome.UNKNOWN, "the relay says that it may have been sent more than once")
    if answer.kind is Kind.DEFERRED or (answer.kind is Kind.BOUNCE and answer.action == "delayed"):
        return _told(answer, Outcome.PENDING, "delayed; the relay still tries")
    if answer.kind is Kind.EXPIRED or (answer.kind is Kind.BOUNCE and reading.permanent is False):
        return _told(answer, Outcome.CENSORED, "the relay gave up after temporary failures")
    if answer.kind is not Kind.BOUNCE:
        return None
    if reading.evidence is Evidence.NONE:
        return _told(answer, Outcome.CENSORED, f"{_words(reading)}: no evidence about content")
    if answer.from_receiver is False and reading.tag is None:
        return _told(answer, Outcome.CENSORED, "refused in the relay's own words, not Apple's")
    return _weaker_before_content(_told(answer, Outcome.REJECTED, f"{answer.source}: {_words(reading)}"), answer.step)


def _of_session(trial: TrialRecord, answers: str, retries: int, closed: bool, read: Read) -> Settled:
    reply = trial.reply
    if trial.state in UNSENT:
        return Settled(UNSENT[trial.state], note=(trial.attempts[-1].error or "") if trial.attempts else "")
    if trial.state is State.UNKNOWN:
        error = trial.attempts[-1].error or "no answer came"
        return Settled(Outcome.UNKNOWN, note=f"lost after the message bytes ({error}); never sent again by itself")
    if reply is None:
        return Settled(Outcome.PENDING, note="being sent")
    reading = read(reply)
    said = Settled(
        Outcome.ACCEPTED,
        reading.cause,
        reading.level,
        reading.evidence,
        reading.tag,
        since=trial.answered,
        source=Source.SESSION,
        words=f"{reply.code} {reply.text}",
    )
    if reply.positive:
        return replace(said, note="the relay answered for Apple", evidence=Evidence.NONE, level=Level.NONE)
    if not reply.permanent:
        return _deferred(said, len(trial.attempts), retries, closed)
    if reading.evidence is Evidence.NONE or reply.step in BEFORE_MAIL:
        note = f"{_words(reading)}: no evidence about content"
        return replace(said, outcome=Outcome.CENSORED, evidence=Evidence.NONE, note=note)
    if answers == "bounces" and reading.tag is None:
        note = "refused in the relay's own words, not Apple's"
        return replace(said, outcome=Outcome.CENSORED, evidence=Evidence.NONE, note=note)
    return _weaker_before_content(replace(said, outcome=Outcome.REJECTED, note=_words(reading)), reply.step)


def _deferred(said: Settled, attempts: int, retries: int, closed: bool) -> Settled:
    if attempts > retries or closed:
        note = f"deferred {attempts} time{'s' * (attempts != 1)} and never accepted"
        return replace(said, outcome=Outcome.CENSORED, evidence=Evidence.NONE, note=note)
    return replace(said, outcome=Outcome.PENDING, note=f"deferred; tried again later (attempt {attempts})")


def _of_silence(trial: TrialRecord, session: Settled, settle: float, now: datetime) -> Settled:
    if trial.answered is None:
        return replace(session, outcome=Outcome.PENDING, note="queued by the relay")
    if now - trial.answered < timedelta(seconds=settle):
        note = f"queued by the relay; silence counts after {span(settle)}"
        return replace(session, outcome=Outcome.PENDING, note=note)
    since = trial.answered + timedelta(seconds=settle)
    return replace(session, note=f"no bounce within {span(settle)}", since=since)


def _weaker_before_content(said: Settled, step: Step | None) -> Settled:
    """Words about content that come before the content was seen can't be strong evidence."""
    if step in BEFORE_CONTENT and said.evidence is Evidence.STRONG:
        return replace(said, evidence=Evidence.CONDITIONAL, note=f"{said.note} (before the message was seen)")
    return said


def _told(answer: Answer, outcome: Outcome, note: str, cause: str = "") -> Settled:
    reading = answer.reading
    evidence = reading.evidence if outcome is Outcome.REJECTED else Evidence.NONE
    words = f"{reading.text}" or answer.provider_word
    return Settled(
        outcome, cause or reading.cause, reading.level, evidence, reading.tag, note, answer.time, answer.source, words
    )


def _rank(said: Settled) -> tuple[int, int, str, str, str, str]:
    """Order answers by what they decide; ties go by words, so that reading order never matters."""
    place = (Outcome.REJECTED, Outcome.CENSORED, Outcome.DELIVERED, Outcome.UNKNOWN, Outcome.PENDING)
    rest = f"{said.cause} {said.source} {said.since}"
    tagged = "" if said.tag else "-"
    return place.index(said.outcome), RANKS[said.evidence], tagged, said.words or "", said.note, rest


def _with_contradiction(told: list[Settled]) -> Settled:
    first = told[0]
    others = sorted({said.outcome.value for said in told} - {first.outcome.value, Outcome.PENDING.value})
    return replace(first, note=f"{first.note}; another answer says {', '.join(others)}") if others else first


def _words(reading: Reading) -> str:
    return f"{reading.cause} [{reading.tag}]" if reading.tag else reading.cause
