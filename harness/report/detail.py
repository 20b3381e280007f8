"""Details of the page: the distinct replies, the seeds' health, what was ruled out, the heat map's cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.answer import Kind, Level
from harness.model.outcome import DomainTally, Settled
from harness.model.record import TrialRecord
from harness.model.trial import Outcome
from harness.report.clean import clean
from harness.report.screen import share
from harness.report.told import Meaning, Told

ENOUGH = 5  # messages without a refusal below which a cell says nothing yet: 0 of 5 still allows 45 %
SHADES = ((0.5, 4), (0.3, 3), (0.1, 2), (0.0, 1))  # by the interval's lower end, so that one refusal of one is pale
MOST_REPLIES = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the heat map. `shade` is 1 to 4 by what is sure; 0 clean, -1 too little data, -2 not sent."""

    text: str
    tags: str
    shade: int
    censored: int


@dataclass(frozen=True, slots=True)
class DistinctReply:
    """One distinct reply: how often, in whose words, and what it is said to mean."""

    text: str
    count: int
    tag: str
    cause: str
    level: str
    outcome: str
    step: str
    host: str
    meaning: Meaning | None


@dataclass(frozen=True, slots=True)
class SeedHealth:
    """One seed: what it can be used for, and what came of it."""

    address: str
    domain: str
    sent: int
    counted: int
    refused: int
    state: str
    why: str


def cell(domain: DomainTally | None) -> Cell:
    """Say what a variant came to at one domain; what was not sent or is too little is never shown as good."""
    if domain is None or not domain.tally.sent:
        return Cell("–", "", -2, 0)
    counts = domain.tally
    tags = " ".join(clean(tag, 12) for tag in counts.tags)
    text = f"{counts.rejected}/{counts.counted}" if counts.counted else "0/0"
    if not counts.counted:
        return Cell(text, tags, -1, counts.censored)
    if not counts.rejected:
        return Cell(text, tags, 0 if counts.counted >= ENOUGH else -1, counts.censored)
    low = domain.low or 0.0
    return Cell(text, tags, next(shade for least, shade in SHADES if low >= least), counts.censored)


def distinct_replies(told: Told) -> tuple[DistinctReply, ...]:
    """Return the distinct answers with their meanings, the most frequent first."""
    groups: dict[tuple[str, Outcome], list[tuple[TrialRecord, Settled]]] = {}
    for trial in told.facts.trials:
        said = told.settled[trial.token]
        if said.words is not None:
            groups.setdefault((clean(said.words, 500), said.outcome), []).append((trial, said))
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0][0]))
    return tuple(_distinct(told, text, outcome, members) for (text, outcome), members in ranked[:MOST_REPLIES])


def _distinct(told: Told, text: str, outcome: Outcome, members: Sequence[tuple[TrialRecord, Settled]]) -> DistinctReply:
    trial, said = members[0]
    answer = next((one for one in trial.answers if one.reading.text == said.words), None)
    step = answer.step if answer else (trial.reply.step if trial.reply else None)
    return DistinctReply(
        text=text,
        count=len(members),
        tag=clean(said.tag or "", 20),
        cause=said.cause,
        level=said.level.value if said.level is not Level.NONE else "",
        outcome=outcome.value,
        step=step.value.replace("_", " ") if step else "",
        host=clean((answer.remote_mta or "") if answer else "", 80),
        meaning=told.meanings.get(said.tag or "") or told.meanings.get(said.cause),
    )


def health(told: Told) -> tuple[SeedHealth, ...]:
    """Return how usable each seed is; a seed that can't answer is named with the reason."""
    return tuple(_seed(told, seed.address, seed.domain) for seed in told.facts.run.segment.seeds)


def _seed(told: Told, address: str, domain: str) -> SeedHealth:
    trials = [trial for trial in told.facts.trials if trial.ask.seed == address]
    said = [told.settled[trial.token] for trial in trials]
    counted = sum(one.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.REJECTED) for one in said)
    refused = sum(one.outcome is Outcome.REJECTED for one in said)
    sent = sum(one.outcome not in (Outcome.PLANNED, Outcome.NOT_SENT) for one in said)
    spoilt = Counter(one.cause or "unknown" for one in said if one.outcome is Outcome.CENSORED)
    state, why = "usable", ""
    if any(answer.kind is Kind.SUPPRESSED for trial in trials for answer in trial.answers):
        state, why = "suppressed", "the provider drops what is sent to it; lift the suppression first"
    elif spoilt:
        cause, many = spoilt.most_common(1)[0]
        state, why = cause.replace("_", " "), f"{many} of {sent} messages say nothing about content"
    elif not sent:
        state, why = "not used", ""
    return SeedHealth(clean(address, 120), domain, sent, counted, refused, state, why)


def ruled_out(told: Told) -> tuple[tuple[str, str, str, str], ...]:
    """Return each factor with its words, verdict and the refusal rate that the data still allow."""
    titles = told.titles()
    return tuple(
        (
            clean(factor.id, 160),
            titles.get(factor.id, factor.id),
            factor.verdict,
            share(factor.upper_bound) if factor.upper_bound is not None else "",
        )
        for factor in told.verdict.factors
    )


def stray_answers(told: Told) -> tuple[tuple[str, str], ...]:
    """Return answers that belong to no message of this run: where they lie, and their words."""
    return tuple(
        (clean(answer.raw or answer.source.value, 120), clean(answer.reading.text, 300))
        for answer in told.facts.unmatched[:MOST_REPLIES]
    )


def relay_changes(told: Told) -> tuple[dict[str, object], ...]:
    """Return what the relay did to copies that were read back, each distinct change once, with where they arrived."""
    titles = told.titles()
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], Counter[str]] = {}
    for trial in told.facts.trials:
        for arrival in trial.arrivals:
            found.setdefault((arrival.differences, arrival.changed_factors), Counter())[arrival.folder] += 1
    return tuple(
        {
            "differences": [clean(one, 300) for one in differences[:20]],
            "factors": [titles.get(name, clean(name, 120)) for name in factors],
            "folders": ", ".join(f"{clean(folder, 40)} {many}" for folder, many in sorted(folders.items())),
        }
        for (differences, factors), folders in found.items()
    )
