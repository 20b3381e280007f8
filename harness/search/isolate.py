"""Isolate: the loop that all strategies share, from a refused production message to production that passes.

Reproduce, find a set, prove it, see for whom it holds, put it back to plain, and go on until production without all
culprits is accepted. Strategies differ in how they find the set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.model.trial import Ask, Phase
from harness.model.verdict import Finding
from harness.search.case import Case, Culprit, conclude
from harness.search.desk import Desk, Factors, Step, Stray
from harness.search.minimise import minimise, refused
from harness.search.pool import Pool
from harness.search.proof import claim, prove, proved
from harness.search.putback import put_back, worth_a_list
from harness.search.reproduce import SURE, clearance, reproduce
from harness.search.scope import settle_scope, told_scope

Find = Callable[[Desk, Case, Factors, Pool, float], Step[tuple[str, ...] | None]]

Foresee = Callable[[Desk, Case, Factors], Pool | None]

PRIOR_CLEAN = 0.25  # that production passes, before anything was seen
PRIOR_RESTORED = 0.8  # that production without the culprits passes
FAILURES = 3  # searches without a proof before the run gives up
MOST_CULPRITS = 12
MOST_RETURNS = 6  # times that a refusal looked like a stray one after all


def isolate(desk: Desk, case: Case, find: Find, foresee: Foresee | None = None) -> Step[Finding]:
    """Go on until production without the culprits is accepted, and conclude.

    `foresee` may say from earlier messages which seeds will refuse the rest too, so that it need not be sent.
    """
    state = _State()
    while len(case.culprits) < MOST_CULPRITS:
        try:
            finding = yield from _turn(desk, case, find, foresee, state)
        except Stray:
            continue  # the seed is out of it now
        if finding is not None:
            return finding
    return conclude(case)


@dataclass
class _State:
    """How often a search came to nothing."""

    failures: int = 0
    returns: int = 0
    puts_back: int = 0


def _turn(desk: Desk, case: Case, find: Find, foresee: Foresee | None, state: _State) -> Step[Finding | None]:
    case.restored = False
    target = case.target()
    prior = PRIOR_RESTORED if case.culprits or state.failures else PRIOR_CLEAN
    phase = Phase.RESTORE if case.culprits else Phase.REPRODUCE
    pool = foresee(desk, case, target) if foresee and case.culprits else None
    seed = None if pool else (yield from reproduce(desk, target, prior, phase))
    if pool is None and seed is None:
        seed = yield from confirm_removal(desk, case, target)
    if pool is None and seed is None:
        case.restored = clearance(desk, target, prior).clean >= SURE
        if not (yield from drop_artefacts(desk, case)) and not (yield from prove_again(desk, case)):
            return conclude(case, missing=_unclear(desk, case))
        return None
    if pool is None:
        assert seed is not None
        pool = showing(desk, target, seed)
    if not worth_a_list(desk, case) and state.puts_back < FAILURES:
        state.puts_back += 1
        yield from put_back(desk, case, target, pool)
        return None
    names = yield from find(desk, case, target, pool, prior)
    if names == ():
        acquit(desk, target, pool)
    if names:
        yield from accuse(desk, case, names, pool)
        return None
    state.failures += names is None
    state.returns += 1
    if state.failures >= FAILURES or state.returns > MOST_RETURNS:
        return conclude(case, missing="no suspected set could be proved; the refusals may have no single cause")
    return None


def confirm_removal(desk: Desk, case: Case, target: Factors) -> Step[str | None]:
    """Send the restored production to a seed of each scope that had it not yet; the seed where it is refused.

    Other seeds may have accepted all of production: that clears what is left, but shows nothing of the removal.
    """
    for culprit in case.culprits:
        within = [s for s in desk.seeds if culprit.scope.holds(s, desk.seeds[s].domain, desk.seeds[s].values)]
        had = [seen for seen in desk.evidence() if seen.ask.factors == target and seen.ask.seed in within]
        if any(seen.accepted and seen.ask.phase in (Phase.RESTORE, Phase.LADDER) for seen in had):
            continue
        seeds = desk.open_to(target, [s for s in culprit.seeds if s in within]) or desk.open_to(target, within)
        if not seeds:
            continue
        why = f"Production without {' with '.join(case.fix)} goes to a seed that refused it: is it accepted there now?"
        seen = yield from desk.ask(Ask(target, desk.pick(target, seeds), Phase.RESTORE, why=why), 1 - PRIOR_RESTORED)
        if seen is not None and seen.rejected:
            return seen.ask.seed
    return None


def acquit(desk: Desk, target: Factors, pool: Pool) -> None:
    """Note that the refusals that began a search have no cause in the message after all."""
    desk.stray |= {
        place
        for place, seen in enumerate(desk.log)
        if seen.rejected and seen.ask.factors == target and seen.ask.seed in pool
    }


def showing(desk: Desk, target: Factors, seed: str) -> Pool:
    """Return the seeds that refused a message before: only they can show what causes it."""
    refused = {seen.ask.seed for seen in desk.evidence() if seen.rejected and seen.ask.factors == target}
    held = desk.shown(target, seed)
    return Pool(desk, target, [s for s in desk.seeds if s in refused and desk.shown(target, s) == held])


def accuse(desk: Desk, case: Case, names: tuple[str, ...], pool: Pool) -> Step[None]:
    """Add a proved set to the case, after finding out for whom it holds."""
    culprit = Culprit(names, told_scope(desk, names, case.others(names)), tuple(pool))
    case.culprits.append(culprit)  # proved: it stays in the verdict even if a cap ends the run while its scope is open
    while True:
        try:
            scope = yield from settle_scope(desk, names, case.others(names))
            known = Culprit(names, scope, tuple(pool))
            case.culprits[case.culprits.index(culprit)] = culprit = known
            if not (yield from prove_within(desk, known)):
                case.culprits.remove(known)
            return
        except Stray:
            continue  # weighed without it


def prove_within(desk: Desk, culprit: Culprit) -> Step[bool]:
    """Make sure that the proof holds on the seeds that the claim is about; True if it does."""
    if proved(desk, culprit.factors, culprit.scope):
        return True
    wanted, scope = claim(desk, culprit.factors), culprit.scope
    within = [s.id for s in desk.problem.seeds if scope.holds(s.id, s.domain, s.values)]
    seeds = [seed for seed in culprit.seeds if seed in within] or within or list(culprit.seeds)
    return (yield from prove(desk, wanted, Pool(desk, wanted.child, seeds), scope=scope))


def find_by_splitting(
    desk: Desk, case: Case, target: Factors, pool: Pool, prior: float
) -> Step[tuple[str, ...] | None]:
    """Split, prove, and split again with more messages a test where the proof fails."""
    del case, prior
    for doubt in range(FAILURES):
        names = yield from minimise(desk, target, pool, doubt=doubt)
        if names and (yield from prove(desk, claim(desk, names), pool)):
            return names
        if not (yield from refused(desk, target, pool, len(target), doubt=1)):
            return ()  # what began the search was a stray refusal
    return None


def prove_again(desk: Desk, case: Case) -> Step[bool]:
    """Repeat proofs that a refusal of the sender cut through later; True if one failed and was dropped."""
    for culprit in list(case.culprits):
        if not (yield from prove_within(desk, culprit)):
            case.culprits.remove(culprit)
            return True
    return False


def drop_artefacts(desk: Desk, case: Case) -> Step[bool]:
    """Send each culprit alone in the restored production, and drop those that are accepted there.

    Some refusals befall only half-plain messages; what production does not suffer from is no trigger. True if one
    was dropped.
    """
    for culprit in list(case.culprits):
        context = desk.close(case.target() | frozenset(culprit.factors))
        if not (yield from _refused_in(desk, context, culprit)):
            case.culprits.remove(culprit)
            case.artefacts.append(culprit.factors)
            case.notes.append(
                f"{' with '.join(culprit.factors)} is refused in a half-plain message but accepted in production: "
                "not a trigger of this campaign."
            )
            return True
    return False


def _refused_in(desk: Desk, context: Factors, culprit: Culprit) -> Step[bool]:
    pool = [seed for seed in culprit.seeds if seed in desk.open_to(context)]
    _, rejected = desk.tally(context, culprit.seeds)
    if rejected or not pool:
        return True
    for _ in range(_tries(desk, culprit)):
        why = f"Is {' with '.join(culprit.factors)} refused in production too, or only in a half-plain message?"
        ask = Ask(context, desk.pick(context, pool), Phase.CONTEXT, subject=culprit.factors, why=why)
        seen = yield from desk.ask(ask, 0.8)
        if seen is not None and seen.rejected:
            return True
    return False


def _tries(desk: Desk, culprit: Culprit) -> int:
    """Return how many acceptances in a row the trigger would show once in fifty times."""
    sent, rejected = desk.tally(desk.close(culprit.factors), culprit.seeds)
    fire = min((rejected + 0.5) / (sent + 1), 0.9)
    return min(max(4, math.ceil(math.log(0.02) / math.log(1 - fire))), 10)


def _unclear(desk: Desk, case: Case) -> str:
    if case.restored or case.culprits:
        return ""
    cap = desk.problem.budget.per_seed
    return "more acceptances of production" + (f" (each seed may get {cap} messages a day)" if cap else "")
