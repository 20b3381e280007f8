"""Rungs: the ladder as it is shown, whatever the strategy was.

A ladder run shows its rungs. A search that jumps shows what its answer rests on: the control, each parent that was
accepted, the child that was refused, production; the rest of its messages is in the heat map. Beside the ladder
stands the confirmation by removal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.model.outcome import Tally, VariantTally
from harness.model.trial import Outcome, Phase
from harness.model.variant import CONTROL, PRODUCTION
from harness.report.told import Told

BESIDE = frozenset({Phase.RESTORE.value, Phase.CONTEXT.value})  # shown beside the ladder, or in the map alone
SPELT = 4  # things that production lacks by name; above, by their number
MOST_MARKS = 24  # marks of single messages that one rung shows; above, the counts alone
MARKS = {
    Outcome.ACCEPTED: "ok",
    Outcome.DELIVERED: "ok",
    Outcome.REJECTED: "no",
    Outcome.CENSORED: "out",
    Outcome.PENDING: "wait",
    Outcome.UNKNOWN: "lost",
}


@dataclass(frozen=True, slots=True)
class ShownRung:
    """One rung of the picture: the change in words, its counts, a mark for each message, and whether it is ringed."""

    variant: str
    stage: str
    change: str
    counts: Tally
    marks: tuple[str, ...]
    ringed: bool
    state: str  # accepted | refused | mixed | open


def shown_rungs(told: Told) -> tuple[ShownRung, ...]:
    """Return the rungs of the ladder's picture from the control upwards; the first failing edge is ringed."""
    children = _proving(told, "child")
    proved = children | _proving(told, "parent")
    variants = [variant for variant in told.tallies.variants if _on_ladder(told, variant, proved)]
    ringed = children or {next((one.id for one in variants if one.tally.rejected), "")}
    if told.facts.run.strategy != "ladder":
        variants.sort(key=lambda variant: (len(variant.factors), variant.id in ringed))
    shown = {variant.id for variant in variants}
    rungs = (_shown(told, variant, variant.id in ringed) for variant in variants)
    return tuple(
        replace(rung, change=rung.change.removesuffix(_on(variant, shown)))
        for rung, variant in zip(rungs, variants, strict=True)
    )


def _on(variant: VariantTally, shown: set[str]) -> str:
    """Return the words that name a parent, which need not be read where the parent stands above."""
    return f", on {variant.parent}" if variant.parent in shown else ""


def removals(told: Told) -> tuple[ShownRung, ...]:
    """Return the variants that confirm by removal: production without the triggers."""
    restored = [variant for variant in told.tallies.variants if Phase.RESTORE.value in variant.phases]
    return tuple(replace(_shown(told, variant, False), change=_without(told, variant)) for variant in restored)


def _without(told: Told, variant: VariantTally) -> str:
    """Say what production lacks in a variant."""
    titles = told.titles()
    gone = [titles[factor.id] for factor in told.facts.run.factors if factor.id not in variant.factors]
    return f"without {', '.join(gone)}" if len(gone) <= SPELT else f"without {len(gone)} changes"


def _on_ladder(told: Told, variant: VariantTally, proved: set[str]) -> bool:
    phases = set(variant.phases)
    if told.facts.run.strategy == "ladder":
        return bool(phases - BESIDE)
    if variant.id in (CONTROL, PRODUCTION) or variant.id in proved:
        return bool(phases)
    return not told.verdict.triggers and bool(phases & {Phase.REPRODUCE.value, Phase.PROOF.value})


def _proving(told: Told, arm: str) -> set[str]:
    """Return the variants that stand in one arm of the proofs that carry the verdict."""
    proved = {tuple(sorted(trigger.factors)) for trigger in told.verdict.triggers}
    trials = told.facts.trials
    return {one.variant for one in trials if one.ask.arm.startswith(arm) and one.ask.subject in proved}


def _shown(told: Told, variant: VariantTally, ringed: bool) -> ShownRung:
    counts = variant.tally
    marks = [
        MARKS[told.settled[trial.token].outcome]
        for trial in told.facts.trials
        if trial.variant == variant.id and told.settled[trial.token].outcome in MARKS
    ]
    return ShownRung(
        variant.id,
        variant.stage,
        told.in_words(variant),
        counts,
        tuple(marks) if len(marks) <= MOST_MARKS else (),
        ringed,
        state_of(counts),
    )


def state_of(counts: Tally) -> str:
    """Name what counts show; `open` where nothing counts."""
    states: Mapping[tuple[bool, bool], str] = {
        (True, True): "mixed",
        (True, False): "accepted",
        (False, True): "refused",
        (False, False): "open",
    }
    return states[bool(counts.passed), bool(counts.rejected)]
