"""The un-suppress list: whom an ESP has suppressed because of content refusals, as CSV for that ESP to lift.

Seeds come from the run, customers from the events of a production send. Who has another reason to be suppressed too
(the mailbox does not exist, a complaint) stays out: lifting that would only bounce, or annoy, again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from harness.model.answer import Answer, Evidence, Kind, Source
from harness.model.trial import Outcome
from harness.report.sheet import written
from harness.report.told import Told

COLUMNS = ("address", "provider", "class", "tag", "refused_at", "suppressed_at", "run", "reply")
GONE = ("unknown_user", "inactive_user", "bad_domain")
DELIVERABLE = Evidence.STRONG  # of a refusal: about the message, so that the address itself is good


@dataclass(slots=True)
class _Address:
    """What is known of one address."""

    refusal: Answer | None = None
    suppressed: Answer | None = None
    lost: bool = False


def unsuppress_csv(told: Told, customers: Iterable[Answer] = ()) -> str:
    """Return the addresses to lift: the run's seeds, then customers in the events of a production send."""
    return written(COLUMNS, [*_seeds(told), *_customers(customers)])


def _seeds(told: Told) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for seed in told.facts.run.segment.seeds:
        trials = [trial for trial in told.facts.trials if trial.ask.seed == seed.address]
        said = [told.settled[trial.token] for trial in trials]
        refused = next((one for one in said if one.outcome is Outcome.REJECTED), None)
        held = next((one for trial in trials for one in trial.answers if one.kind is Kind.SUPPRESSED), None)
        gone = any(one.cause in GONE for one in said)
        if refused is None or gone or not (held or refused.source is Source.EVENT):
            continue
        provider = (held.provider if held else None) or told.facts.run.relay
        times = (_time(refused.since), _time(held.time if held else None))
        words = (seed.address, provider, refused.cause, refused.tag or "")
        rows.append((*words, *times, told.facts.run.id, refused.words or ""))
    return rows


def _customers(answers: Iterable[Answer]) -> list[tuple[str, ...]]:
    """Gather by address: refused for content, and not known to be gone or to have complained."""
    known: dict[str, _Address] = {}
    for answer in answers:
        if not answer.recipient:
            continue
        address = known.setdefault(answer.recipient.lower(), _Address())
        if answer.kind is Kind.COMPLAINT or answer.reading.cause in GONE:
            address.lost = True
        elif answer.kind is Kind.SUPPRESSED:
            address.suppressed = address.suppressed or answer
        elif answer.kind is Kind.BOUNCE and answer.reading.evidence is DELIVERABLE:
            address.refusal = address.refusal or answer
    return [_row(name, one.refusal, one.suppressed) for name, one in known.items() if one.refusal and not one.lost]


def _row(name: str, refusal: Answer, suppressed: Answer | None) -> tuple[str, ...]:
    reading = refusal.reading
    times = (_time(refusal.time), _time(suppressed.time if suppressed else None))
    return (name, refusal.provider or "", reading.cause, reading.tag or "", *times, "", reading.text)


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
