"""Pairs: the two messages that prove a trigger, and the smallest message that is still refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.outcome import Settled
from harness.model.record import RunFacts, TrialRecord
from harness.model.trial import Outcome, Phase
from harness.model.verdict import Verdict

PASSED = (Outcome.ACCEPTED, Outcome.DELIVERED)


@dataclass(frozen=True, slots=True)
class Pair:
    """One accepted and one refused message to the same seed in the same block, one factor apart."""

    factor: str
    parent: TrialRecord
    child: TrialRecord


def proved_pairs(facts: RunFacts, settled: Mapping[str, Settled], verdict: Verdict) -> tuple[Pair, ...]:
    """Return a pair for each factor of each proved trigger, the first that shows it."""
    pairs = []
    for trigger in verdict.triggers:
        subject = tuple(sorted(trigger.factors))
        proof = [one for one in facts.trials if one.ask.phase is Phase.PROOF and one.ask.subject == subject]
        refused = [one for one in proof if one.ask.arm == "child" and settled[one.token].outcome is Outcome.REJECTED]
        for name in trigger.factors:
            passed = [one for one in proof if one.ask.arm == f"parent:{name}" and settled[one.token].outcome in PASSED]
            found = _matched(refused, passed)
            if found:
                pairs.append(Pair(name, *found))
    return tuple(pairs)


def smallest_refused(facts: RunFacts, settled: Mapping[str, Settled]) -> TrialRecord | None:
    """Return the refused message with the fewest things in production; None where nothing was refused."""
    refused = [one for one in facts.trials if settled[one.token].outcome is Outcome.REJECTED]
    return min(refused, key=lambda one: (len(one.ask.factors), one.number), default=None)


def first_refused(facts: RunFacts, settled: Mapping[str, Settled]) -> TrialRecord | None:
    """Return the refused message with the most in production: the one that a customer would have got."""
    refused = [one for one in facts.trials if settled[one.token].outcome is Outcome.REJECTED]
    return min(refused, key=lambda one: (-len(one.ask.factors), one.number), default=None)


def _matched(refused: list[TrialRecord], passed: list[TrialRecord]) -> tuple[TrialRecord, TrialRecord] | None:
    """Pair by block and seed; by seed alone, and then at all, where a block was cut short."""
    for same in (_block_and_seed, _seed):
        for child in refused:
            for parent in passed:
                if same(child) == same(parent):
                    return parent, child
    return (passed[0], refused[0]) if passed and refused else None


def _block_and_seed(trial: TrialRecord) -> tuple[object, ...]:
    return trial.ask.block, trial.ask.seed, trial.ask.values_of


def _seed(trial: TrialRecord) -> tuple[object, ...]:
    return trial.ask.seed, trial.ask.values_of
