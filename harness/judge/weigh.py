"""Weigh: the gate between what a search concludes and what a run may say.

A search may be wrong, lucky or cut short; so nothing is accused here that the fresh messages of the proof phase don't
show by themselves: parent and child, one factor apart, in shuffled blocks over the same seeds. A finding that fails
the gate becomes `inconclusive`, with what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judge.phrase import Phrases, RunWords
from harness.judge.proof import Evidenced, count, evidenced
from harness.judge.tally import upper_bound
from harness.model.contrast import CONFIRMED, strays, voided
from harness.model.factor import Factor
from harness.model.problem import Tester
from harness.model.trial import Observation, Outcome, Phase
from harness.model.verdict import Count, FactorVerdict, Finding, Scope, Trigger, Verdict, VerdictKind

RECIPIENT_REFUSALS = 2  # refusals at the named seeds that it takes to blame them
NOISE = 0.2  # refusals of the restored production, per acceptance, that still count as confirmed
WHOLE_PHASES = (Phase.REPRODUCE, Phase.LADDER)  # production is what they end in
UNUSABLE = frozenset({Outcome.CENSORED, Outcome.REJECTED})

EXIT_CODES = {
    VerdictKind.NONE: 0,
    VerdictKind.TRIGGER: 1,
    VerdictKind.INCONCLUSIVE: 3,
    VerdictKind.SENDER: 4,
    VerdictKind.RECIPIENT: 4,
}


@dataclass(frozen=True, slots=True)
class _Case:
    """What the weighing looks at."""

    finding: Finding
    factors: tuple[Factor, ...]
    observations: tuple[Observation, ...]
    phrases: Phrases
    seeds: Mapping[str, Tester]

    def within(self, scope: Scope) -> frozenset[str] | None:
        """Return the seeds that a scoped claim is about; None where it is about all."""
        if scope.type == "all":
            return None
        if scope.type == "recipients":
            return frozenset(scope.seeds)
        if not self.seeds:
            return None
        return frozenset(name for name, seed in self.seeds.items() if scope.holds(name, seed.domain, seed.values))

    def production(self) -> Count:
        """Count the messages that held everything; where there is none, those of the largest set sent."""
        whole = frozenset(factor.id for factor in self.factors)
        sound = self.sound()
        tries = [seen for seen in sound if seen.ask.factors == whole]
        if not tries:
            climbed = [seen for seen in sound if seen.ask.phase in WHOLE_PHASES]
            largest = max((seen.ask.factors for seen in climbed), key=len, default=whole)
            tries = [seen for seen in climbed if seen.ask.factors == largest]
        return count(tries)

    def sound(self) -> list[Observation]:
        """Leave out the seeds that refuse everything."""
        lost = strays(self.observations)
        return [seen for seen in self.observations if seen.ask.seed not in lost]

    def control(self) -> list[Observation]:
        return [seen for seen in self.observations if not seen.ask.factors]


def weigh(
    finding: Finding,
    factors: Sequence[Factor],
    observations: Sequence[Observation],
    *,
    seeds: Sequence[Tester] = (),
    words: RunWords | None = None,
) -> Verdict:
    """Turn a finding into the run's verdict, after its evidence was looked at.

    Args:
        seeds: with domain, merge values and the factors that their messages have at all; a scoped claim is weighed on
            its own seeds only, and a factor is not cleared by a seed whose message lacks it.
        words: names of run, campaign and segment for the commands of the next step.
    """
    phrases = Phrases(factors, words or RunWords())
    case = _Case(finding, tuple(factors), tuple(observations), phrases, {seed.id: seed for seed in seeds})
    match finding.kind:
        case VerdictKind.TRIGGER:
            verdict = _weigh_triggers(case)
        case VerdictKind.NONE:
            verdict = _weigh_none(case)
        case VerdictKind.SENDER:
            verdict = _weigh_sender(case)
        case VerdictKind.RECIPIENT:
            verdict = _weigh_recipient(case)
        case VerdictKind.INCONCLUSIVE:
            verdict = _inconclusive(case, finding.missing)
    stopped = finding.stopped or verdict.stopped
    whole = replace(verdict, stopped=stopped, notes=(*finding.notes, *verdict.notes))
    return replace(whole, factors=_factor_verdicts(case, whole))


def exit_code(verdict: Verdict) -> int:
    """Return the process exit code of a verdict (DESIGN section 7)."""
    if verdict.stopped and verdict.kind in (VerdictKind.NONE, VerdictKind.INCONCLUSIVE):
        return 4
    return EXIT_CODES[verdict.kind]


def _weigh_triggers(case: _Case) -> Verdict:
    told = [evidenced(names, scope, case.observations, case.within(scope)) for names, scope in case.finding.triggers]
    proved = [one for one in told if one.proved]
    short = [one for one in told if not one.proved]
    if not proved:
        more = sum(one.more for one in short) or case.finding.more
        missing = case.phrases.unproved(short, more) if short else "the search named no cause"
        return _inconclusive(case, missing, more)
    sets = [frozenset(one.factors) for one in told]
    triggers = tuple(_trigger(one, _confirmed(case, frozenset(one.factors), sets)) for one in proved)
    fix = case.finding.fix or tuple(dict.fromkeys(one.factors[0] for one in proved))
    notes = (case.phrases.unproved(short, sum(one.more for one in short)),) if short else ()
    missing = case.finding.missing
    return Verdict(
        VerdictKind.TRIGGER,
        case.phrases.triggers(triggers, fix, [_untested(case, trigger) for trigger in triggers]),
        case.phrases.after_triggers(triggers, fix),
        fix=fix,
        triggers=triggers,
        missing=missing,
        notes=(*notes, f"Still open: {missing}.") if missing else notes,
    )


def _untested(case: _Case, trigger: Trigger) -> int:
    """Count the seeds outside a claim about recipients that never had the trigger: they may be affected too."""
    if trigger.scope.type != "recipients":
        return 0
    names, void = frozenset(trigger.factors), voided(case.observations)
    had = {
        seen.ask.seed
        for place, seen in enumerate(case.observations)
        if seen.counted
        and place not in void
        and names <= seen.ask.factors
        and all(_worn(name, seen, case.seeds) for name in names)
    }
    return sum(seed not in had and seed not in trigger.scope.seeds for seed in case.seeds)


def _trigger(one: Evidenced, confirmed: bool) -> Trigger:
    return Trigger(
        factors=one.factors,
        scope=one.scope,
        with_=one.with_,
        without=one.without,
        p_value=one.p_value,
        e_value=one.e_value,
        confirmed_by_removal=confirmed,
        tag=one.tag,
        cause=one.cause,
    )


def _confirmed(case: _Case, names: frozenset[str], all_sets: Sequence[frozenset[str]]) -> bool:
    """Tell whether production without this trigger, and without the others, was accepted."""
    sets = (*all_sets, names)
    suspects = frozenset().union(*sets)
    # The ladder's last rungs are production without the suspects, and what needs them, too.
    spared = {factor.id for factor in case.factors if suspects & ({factor.id} | factor.needs)}
    rest = frozenset(factor.id for factor in case.factors) - spared
    restored = [
        seen
        for seen in case.sound()
        if (seen.ask.phase is Phase.RESTORE or (seen.ask.phase is Phase.LADDER and rest <= seen.ask.factors))
        and not any(one <= seen.ask.factors for one in sets)
    ]
    counts = count(restored)
    accepted = counts.sent - counts.rejected
    return accepted > 0 and counts.rejected <= NOISE * accepted


def _weigh_none(case: _Case) -> Verdict:
    counts = case.production()
    accepted = counts.sent - counts.rejected
    if not accepted or counts.rejected > NOISE * accepted:
        missing = case.finding.missing or case.phrases.production_open(counts)
        return _inconclusive(case, missing)
    bound = upper_bound(counts.rejected, counts.sent)
    return Verdict(VerdictKind.NONE, case.phrases.none(counts, bound), case.phrases.after_none())


def _weigh_sender(case: _Case) -> Verdict:
    controls = [seen for seen in case.control() if seen.counted]
    seeds = {seen.ask.seed for seen in case.control()}
    last = next((place for place, seen in enumerate(reversed(controls)) if seen.accepted), len(controls))
    refused = controls[len(controls) - last :]
    if len(refused) < min(CONFIRMED, len(seeds) or CONFIRMED) and not case.finding.stopped:
        return _inconclusive(case, case.finding.missing or case.phrases.control_open(len(refused)))
    summary = case.phrases.sender(refused, case.finding.stopped)
    return Verdict(VerdictKind.SENDER, summary, case.phrases.after_sender(), stopped=case.finding.stopped)


def _weigh_recipient(case: _Case) -> Verdict:
    named = {seed for _, scope in case.finding.triggers for seed in scope.seeds}
    if not named:
        named = {seen.ask.seed for seen in case.observations if seen.outcome in UNUSABLE}
    theirs = [seen for seen in case.observations if seen.ask.seed in named]
    others = count([seen for seen in case.observations if seen.ask.seed not in named])
    refused = [seen for seen in theirs if seen.outcome in UNUSABLE]
    if len(refused) < RECIPIENT_REFUSALS and any(seen.counted for seen in theirs):
        return _inconclusive(case, case.finding.missing or "refusals at the suspected recipients: there are too few")
    summary = case.phrases.recipient(sorted(named), theirs, others)
    return Verdict(VerdictKind.RECIPIENT, summary, case.phrases.after_recipient(sorted(named)))


def _inconclusive(case: _Case, missing: str, more: int | None = None) -> Verdict:
    more = more or case.finding.more
    summary = case.phrases.inconclusive(missing, case.finding, more)
    next_step = case.phrases.after_inconclusive(case.finding, more, case.observations)
    return Verdict(VerdictKind.INCONCLUSIVE, summary, next_step, missing=missing)


def _factor_verdicts(case: _Case, verdict: Verdict) -> tuple[FactorVerdict, ...]:
    blamed = [frozenset(trigger.factors) for trigger in verdict.triggers]
    triggers = frozenset().union(*blamed)
    suspects = {name for names, share in case.finding.suspects if share >= 0.05 for name in names}
    if verdict.kind is VerdictKind.INCONCLUSIVE:
        suspects |= {name for names, _ in case.finding.triggers for name in names}
    void = voided(case.observations)
    innocent = [
        seen
        for place, seen in enumerate(case.observations)
        if seen.counted and place not in void and not any(one <= seen.ask.factors for one in blamed)
    ]
    return tuple(
        FactorVerdict(
            factor.id, factor.stage.value, *_of_factor(factor.id, case, verdict, triggers, suspects, innocent)
        )
        for factor in case.factors
    )


def _of_factor(
    name: str,
    case: _Case,
    verdict: Verdict,
    triggers: frozenset[str],
    suspects: set[str],
    innocent: Sequence[Observation],
) -> tuple[str, float | None]:
    """Say what the run shows of one factor: a cause, clear with its bound, untested or open."""
    if name in triggers:
        return "trigger", None
    held = [seen for seen in innocent if name in seen.ask.factors and _worn(name, seen, case.seeds)]
    sent = any(name in seen.ask.factors for seen in case.observations if seen.counted)
    if not held:
        return ("inconclusive" if sent else "untested"), None
    counts = count(held)
    open_cause = verdict.kind is VerdictKind.INCONCLUSIVE and (counts.rejected or name in suspects)
    blocked = verdict.kind in (VerdictKind.SENDER, VerdictKind.RECIPIENT) and counts.rejected
    if open_cause or blocked or counts.rejected == counts.sent:
        return "inconclusive", None
    return "clear", upper_bound(counts.rejected, counts.sent)


def _worn(name: str, seen: Observation, seeds: Mapping[str, Tester]) -> bool:
    seed = seeds.get(seen.ask.values_of or seen.ask.seed)
    return seed is None or seed.wears is None or name in seed.wears
