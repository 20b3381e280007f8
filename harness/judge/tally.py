"""Tally: how many of what, by variant and by Apple domain, with exact intervals.

Intervals are Clopper and Pearson's (Biometrika 26, 1934): they hold at any sample size, which with eight seeds is
the only honest choice. Censored, pending and unknown trials are counted apart and never in a denominator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from scipy.special import betaincinv

from harness.model.factor import Factor, Stage
from harness.model.outcome import DomainTally, Settled, Tallies, Tally, VariantTally
from harness.model.record import RunFacts, TrialRecord
from harness.model.trial import Ask, Outcome, Phase
from harness.model.variant import CONTROL, PRODUCTION, Rung

BANDS = ((0.005, "watch"), (0.02, "investigate"))  # shares of refused, "pause" above (DESIGN section 7)
CONFIDENCE = 0.95
SPELT = 3  # a change of more factors than this is given by its number


def interval(hits: int, counted: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided interval of a rate; (0, 1) where nothing was counted."""
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, counted - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, counted - hits, 1 - tail)) if hits < counted else 1.0
    return low, high


def upper_bound(hits: int, counted: int, confidence: float = CONFIDENCE) -> float:
    """Return the highest rate that the data still allow (one-sided exact bound); 1.0 for no data."""
    return float(betaincinv(hits + 1, counted - hits, confidence)) if hits < counted else 1.0


def band(rate: float) -> str:
    """Name the band of a refusal rate: watch, investigate or pause."""
    for limit, name in BANDS:
        if rate < limit or (rate == limit and name == "investigate"):
            return name
    return "pause"


def count(settled: Iterable[Settled]) -> Tally:
    """Count outcomes, and the tags of the refusals among them."""
    outcomes: Counter[Outcome] = Counter()
    tags: Counter[str] = Counter()
    for one in settled:
        outcomes[one.outcome] += 1
        if one.outcome is Outcome.REJECTED:
            tags[one.tag or "no tag"] += 1
    unsent = outcomes[Outcome.PLANNED] + outcomes[Outcome.NOT_SENT]
    return Tally(
        sent=outcomes.total() - unsent,
        accepted=outcomes[Outcome.ACCEPTED],
        delivered=outcomes[Outcome.DELIVERED],
        rejected=outcomes[Outcome.REJECTED],
        censored=outcomes[Outcome.CENSORED],
        pending=outcomes[Outcome.PENDING],
        unknown=outcomes[Outcome.UNKNOWN],
        not_sent=outcomes[Outcome.NOT_SENT],
        planned=outcomes[Outcome.PLANNED],
        tags=dict(sorted(tags.items())),
    )


def tally(facts: RunFacts, settled: Mapping[str, Settled]) -> Tallies:
    """Count a run whole, by variant and by domain."""
    return Tallies(
        totals=count(settled[trial.token] for trial in facts.trials),
        variants=_variants(facts, settled),
        domains=_domains(facts.trials, settled),
    )


def _domains(trials: Sequence[TrialRecord], settled: Mapping[str, Settled]) -> tuple[DomainTally, ...]:
    return tuple(
        _of_domain(domain, count(settled[trial.token] for trial in trials if trial.domain == domain))
        for domain in sorted({trial.domain for trial in trials})
    )


def _of_domain(domain: str, counts: Tally) -> DomainTally:
    if not counts.counted:
        return DomainTally(domain, counts, None, None, None, None)
    rate = counts.rejected / counts.counted
    low, high = interval(counts.rejected, counts.counted)
    return DomainTally(domain, counts, rate, low, high, band(rate))


def _variants(facts: RunFacts, settled: Mapping[str, Settled]) -> tuple[VariantTally, ...]:
    """One row for each variant of which a trial exists: the ladder's in its order, then the others as sent."""
    by_id: dict[str, list[TrialRecord]] = {}
    for trial in sorted(facts.trials, key=lambda trial: trial.number):
        by_id.setdefault(trial.variant, []).append(trial)
    order = {rung.variant: place for place, rung in enumerate(facts.run.ladder)}
    names = sorted(by_id, key=lambda name: order.get(name, len(order) - (name != PRODUCTION)))
    sets = {name: by_id[name][0].ask.factors for name in by_id}
    placing = _Placing(facts.run.factors, facts.run.ladder, sets, {name: by_id[name][0].ask for name in by_id})
    return tuple(_of_variant(name, by_id[name], settled, placing) for name in names)


def _of_variant(
    name: str, trials: Sequence[TrialRecord], settled: Mapping[str, Settled], placing: _Placing
) -> VariantTally:
    parent, change = placing.change(name)
    return VariantTally(
        id=name,
        stage=placing.stage(name),
        change=change,
        parent=parent,
        factors=placing.ordered(name),
        tally=count(settled[trial.token] for trial in trials),
        domains={row.domain: row for row in _domains(trials, settled)},
        phases=tuple(sorted({trial.ask.phase.value for trial in trials})),
    )


class _Placing:
    """Places a variant among the others: its stage, its parent and what differs from it."""

    def __init__(
        self,
        factors: Sequence[Factor],
        ladder: Sequence[Rung],
        sets: Mapping[str, frozenset[str]],
        asks: Mapping[str, Ask],
    ) -> None:
        self._order = {factor.id: place for place, factor in enumerate(factors)}
        self._stages = {factor.id: factor.stage for factor in factors}
        self._rungs = {rung.variant: rung for rung in ladder}
        self._sets = {CONTROL: frozenset[str](), PRODUCTION: frozenset(self._order), **sets}
        self._asks = asks

    def stage(self, name: str) -> str:
        if name in self._rungs:
            return self._rungs[name].stage.value
        stages = [self._stages.get(factor, Stage.PRODUCTION) for factor in self._sets[name]]
        return max(stages, key=lambda stage: stage.rank, default=Stage.CONTROL).value

    def ordered(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self._sets[name], key=lambda factor: (self._order.get(factor, len(self._order)), factor)))

    def change(self, name: str) -> tuple[str | None, str]:
        """Name the nearest variant that was sent, and the difference from it; production's parent is what leads up."""
        if name == CONTROL:
            return None, ""
        rung, restored = self._rungs.get(name), self._asks[name].phase is Phase.RESTORE
        if rung and not restored and (rung.parent is None or rung.parent in self._sets):
            return rung.parent, rung.change
        parent = PRODUCTION if restored and name != PRODUCTION else self._nearest(name)
        return parent, self._difference(self._sets[parent], self._sets[name])

    def _nearest(self, name: str) -> str:
        here = self._sets[name]
        below = [other for other in self._sets if other != name and self._sets[other] < here]
        return min(below, key=lambda other: (len(here - self._sets[other]), other), default=CONTROL)

    def _difference(self, old: frozenset[str], new: frozenset[str]) -> str:
        changed = sorted(old ^ new, key=lambda factor: (self._order.get(factor, len(self._order)), factor))
        if len(changed) <= SPELT:
            return " ".join(f"{'+' if factor in new else '-'}{factor}" for factor in changed)
        gone, come = len(old - new), len(new - old)
        return " ".join(f"{sign}{many} factors" for sign, many in (("+", come), ("-", gone)) if many)
