"""Versus: two runs compared, factor by factor and domain by domain, with what else changed said first.

A row is better or worse only where an exact two-sided test says so after Holm's correction for the number of rows
(Scandinavian Journal of Statistics 6, 1979). "Same" needs evidence too: both runs proved the factor a cause, or both
saw enough messages accepted. Everything else can't be told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model.comparison import Change, Compared, Comparison
from harness.model.outcome import Settled
from harness.model.record import RunFacts, TrialRecord
from harness.model.trial import Outcome
from harness.model.verdict import Count, Verdict

ALPHA = 0.05
SPELT = 3  # names that the sentence spells out
ENOUGH = 5  # clean messages on both sides below which "same" would be a guess

# What a digest of the run record is about, in the order in which it matters.
DIGESTS = {
    "template": "the template (subject, text or HTML)",
    "headers": "sender or headers",
    "attachments": "attachments",
    "plain": "the plain states",
    "merge": "merge values",
    "seeds": "the seeds",
}
RELAY_FACTS = ("name", "kind", "host", "port", "answers", "settle", "headers", "sending_ips")


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with what its facts mean."""

    facts: RunFacts
    settled: Mapping[str, Settled]
    verdict: Verdict


def versus(before: Judged, after: Judged) -> Comparison:
    """Compare two runs; the first is the earlier, or the one that the other is held against."""
    others = other_changes(before.facts, after.facts)
    rows = [*_factors(before, after), *_domains(before, after)]
    corrected = _judge(_correct(rows))
    titles = {factor.id: factor.title or factor.id for run in (before, after) for factor in run.facts.run.factors}
    summary = _summary(corrected, others, titles)
    return Comparison(before.facts.run.id, after.facts.run.id, others, corrected, summary)


def other_changes(before: RunFacts, after: RunFacts) -> tuple[str, ...]:
    """Name what else differs between two runs, because two runs that differ in two things prove neither."""
    old, new = before.run, after.run
    found = []
    if old.campaign != new.campaign:
        found.append(f"the campaign: {old.campaign}, then {new.campaign}")
    for key, words in DIGESTS.items():
        if key in old.digests and key in new.digests and old.digests[key] != new.digests[key]:
            found.append(words)
    for key in sorted(set(old.digests) & set(new.digests) - set(DIGESTS)):
        if old.digests[key] != new.digests[key]:
            found.append(key)
    relay = [key for key in RELAY_FACTS if old.relay_facts.get(key) != new.relay_facts.get(key)]
    if old.relay != new.relay or relay:
        found.append(f"the relay: {old.relay}, then {new.relay}" + (f" ({', '.join(relay)})" if relay else ""))
    if old.segment.name != new.segment.name:
        found.append(f"the segment: {old.segment.name}, then {new.segment.name}")
    if before.findings != after.findings:
        found.append("preflight findings")
    if old.version != new.version:
        found.append(f"the harness: {old.version}, then {new.version}")
    return tuple(found)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the chance of any false claim among them stays below the level."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = highest
    return adjusted


def exact_two_sided(before: Count, after: Count) -> float | None:
    """Return Boschloo's two-sided p-value for two rates; None where one of them has no data."""
    from scipy.stats import boschloo_exact, fisher_exact

    if not before.sent or not after.sent:
        return None
    table = [[before.rejected, after.rejected], [before.sent - before.rejected, after.sent - after.rejected]]
    value = float(boschloo_exact(table).pvalue)
    return min(1.0, value if value == value else float(fisher_exact(table)[1]))


def _factors(before: Judged, after: Judged) -> list[Compared]:
    names = list(dict.fromkeys(factor.id for run in (before, after) for factor in run.facts.run.factors))
    says = [{factor.id: factor.verdict for factor in run.verdict.factors} for run in (before, after)]
    return [
        Compared(
            kind="factor",
            name=name,
            before=_of_factor(before, name),
            after=_of_factor(after, name),
            before_says=says[0].get(name, "not in this run"),
            after_says=says[1].get(name, "not in this run"),
            p_value=None,
            adjusted=None,
            change=Change.UNKNOWN,
        )
        for name in names
    ]


def _domains(before: Judged, after: Judged) -> list[Compared]:
    """Compare production by domain: rates over all messages would only compare what the searches chose to send."""
    names = sorted({trial.domain for run in (before, after) for trial in run.facts.trials})
    rows = []
    for name in names:
        old, new = _of_production(before, name), _of_production(after, name)
        says = [f"{one.rejected} of {one.sent}" if one.sent else "no data" for one in (old, new)]
        rows.append(Compared("domain", name, old, new, says[0], says[1], None, None, Change.UNKNOWN))
    return rows


def _of_factor(run: Judged, name: str) -> Count:
    """Count the messages that hold a factor, without those that another cause explains."""
    others = [frozenset(one.factors) for one in run.verdict.triggers if name not in one.factors]
    own = [frozenset(one.factors) for one in run.verdict.triggers if name in one.factors]

    def about(trial: TrialRecord) -> bool:
        held = trial.ask.factors
        if name not in held or any(cause <= held for cause in others):
            return False
        return not own or any(cause <= held for cause in own)

    return _count(run, about)


def _of_production(run: Judged, domain: str) -> Count:
    everything = frozenset(factor.id for factor in run.facts.run.factors)
    return _count(run, lambda trial: trial.domain == domain and trial.ask.factors == everything)


def _count(run: Judged, about: Callable[[TrialRecord], bool]) -> Count:
    outcomes = [run.settled[trial.token].outcome for trial in run.facts.trials if about(trial)]
    rejected = outcomes.count(Outcome.REJECTED)
    return Count(rejected + outcomes.count(Outcome.ACCEPTED) + outcomes.count(Outcome.DELIVERED), rejected)


def _correct(rows: Sequence[Compared]) -> list[Compared]:
    tested = [(row, exact_two_sided(row.before, row.after)) for row in rows]
    adjusted = iter(holm([value for _, value in tested if value is not None]))
    return [row if value is None else replace(row, p_value=value, adjusted=next(adjusted)) for row, value in tested]


def _judge(rows: Sequence[Compared]) -> tuple[Compared, ...]:
    return tuple(replace(row, change=_change(row)) for row in rows)


def _change(row: Compared) -> Change:
    if row.adjusted is None:
        return Change.UNKNOWN
    before, after = row.before.rejected / row.before.sent, row.after.rejected / row.after.sent
    if row.adjusted <= ALPHA:
        return Change.BETTER if after < before else Change.WORSE
    both_causes = row.before_says == row.after_says == "trigger"
    both_clean = not row.before.rejected and not row.after.rejected and min(row.before.sent, row.after.sent) >= ENOUGH
    return Change.SAME if both_causes or both_clean else Change.UNKNOWN


def _summary(rows: Sequence[Compared], others: Sequence[str], titles: Mapping[str, str]) -> str:
    said = []
    for change, word in ((Change.BETTER, "Better"), (Change.WORSE, "Worse")):
        names = [titles.get(row.name, row.name) for row in rows if row.change is change]
        if names:
            more = f" and {len(names) - SPELT} more" if len(names) > SPELT else ""
            said.append(f"{word}: {', '.join(names[:SPELT])}{more}.")
    same, unknown = (sum(row.change is change for row in rows) for change in (Change.SAME, Change.UNKNOWN))
    if not said:
        said.append("Nothing is shown to be better or worse.")
    said.append(f"The same: {same}; can't tell: {unknown}.")
    if len(others) > 1:
        said.append(f"Beware: {len(others)} things differ between these runs, so the change proves none of them.")
    elif others:
        said.append(f"The runs differ in one thing: {others[0]}.")
    else:
        said.append("Nothing else that is on record differs between these runs.")
    return " ".join(said)
