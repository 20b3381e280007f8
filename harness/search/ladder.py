"""Ladder: the staged plan that people follow by hand, with a proof for whatever it suspects.

One factor comes back at a time, in the ladder's order, on all seeds in shuffled blocks with the control among them.
A refused rung is proved against its parent; the suspect goes back to plain, and the ladder goes on.
"""

from __future__ import annotations

from harness.model.factor import Factor
from harness.model.trial import Ask, Phase
from harness.model.verdict import Finding
from harness.search.case import Case, conclude
from harness.search.control import open_with_control
from harness.search.desk import NOISE, Desk, Factors, Halt, Step, Stray
from harness.search.isolate import PRIOR_CLEAN, accuse, find_by_splitting, isolate
from harness.search.minimise import minimise
from harness.search.pool import Pool
from harness.search.proof import Claim, claim, evidence_for, prove
from harness.search.reproduce import reproduce

RUNG_EXPECTED = 0.05
WEAK = 0.2  # an e-value below which a refused rung was a stray refusal
ALONE_REFUSED, ALONE_ACCEPTED, ALONE_MOST = 2, 3, 8


def ladder(desk: Desk) -> Step[Finding]:
    """Control, then rung by rung to production without the suspects."""
    case = Case(desk)
    try:
        yield from open_with_control(desk)
        if desk.problem.exact_first:
            yield from _exact_first(desk)
        current: Factors = frozenset()
        for factor in desk.problem.factors:
            rung = desk.close(current | {factor.id})
            if rung & (desk.everything - case.target()) or rung == current:
                continue  # it stands in something that was put back to plain
            yield from _climb(desk, case, factor, current, rung)
            current = desk.without(rung, case.fix)
        return (yield from isolate(desk, case, find_by_splitting))
    except Halt as halt:
        return conclude(case, halt)


def _exact_first(desk: Desk) -> Step[None]:
    while True:
        try:
            yield from reproduce(desk, desk.everything, PRIOR_CLEAN, Phase.REPRODUCE)
            return
        except Stray:
            continue  # without that seed


def _climb(desk: Desk, case: Case, factor: Factor, parent: Factors, rung: Factors) -> Step[None]:
    """Send one rung to the segment; stop at a refusal that is proved."""
    block = desk.next_block()
    for ask, expect in _messages(desk, factor, rung, block):
        if ask.seed not in desk.alive():
            continue
        try:
            if (yield from _step(desk, case, factor, parent, ask, expect)):
                return
        except Stray:
            continue  # that seed is out of it; the others still get the rung


def _step(desk: Desk, case: Case, factor: Factor, parent: Factors, ask: Ask, expect: float) -> Step[bool]:
    """Send one message of a rung; True if it was refused and that is proved."""
    rung = ask.factors
    seen = yield from desk.ask(ask, expect)
    if seen is None or seen.accepted or not rung:
        return False
    pool = Pool(desk, rung, [ask.seed])
    wanted = Claim((factor.id,), rung, ((factor.id, parent),))
    if not (yield from prove(desk, wanted, pool, lambda: 0 < evidence_for(desk, (factor.id,)) < WEAK)):
        return False
    names = yield from _whole(desk, factor.id, rung, pool)
    if names:
        yield from accuse(desk, case, names, pool)
    return bool(names)


def _messages(desk: Desk, factor: Factor, rung: Factors, block: int) -> list[tuple[Ask, float]]:
    """Lay out one shuffled block: the rung to each seed, and the control to one."""
    seeds = desk.shuffled(desk.open_to(rung), "rung", factor.id)
    seeds = [seed for seed in seeds if factor.id in desk.shown(rung, seed)][: _share(desk)]
    plain: Factors = frozenset()
    controls = sorted(desk.open_to(plain), key=lambda seed: (desk.used[seed], desk.key("control", factor.id, seed)))
    why = f"Next rung: the last accepted message plus {factor.title or factor.id}."
    asks = [(Ask(rung, seed, Phase.LADDER, block=block, why=why), RUNG_EXPECTED) for seed in seeds]
    why = "The control among the others: is the sender still heard?"
    asks += [(Ask(plain, seed, Phase.LADDER, block=block, why=why), NOISE) for seed in controls[:1]]
    return desk.shuffled(asks, "among", factor.id)


def _share(desk: Desk) -> int:
    """Return how many seeds a rung goes to; a transactional proof needs seeds that the rung left alone."""
    few = max(1, len(desk.alive()) // 4) if desk.problem.transactional else len(desk.seeds)
    return min(desk.problem.repeat or few, few)


def _whole(desk: Desk, name: str, rung: Factors, pool: Pool) -> Step[tuple[str, ...]]:
    """Return the suspect where it is refused by itself, else the whole combination that it is part of; () if none."""
    if (yield from _alone(desk, name, pool)):
        return (name,)
    for doubt in range(2):
        names = yield from minimise(desk, rung, pool, known=frozenset([name]), doubt=doubt)
        if len(names) > 1 and (yield from prove(desk, claim(desk, names), pool)):
            return names
    return ()


def _alone(desk: Desk, name: str, pool: Pool) -> Step[bool]:
    """Add the suspect, with what it stands in, to the plain copy."""
    variant = desk.close([name])
    why = f"Is {name} refused by itself, or only together with others?"
    for _ in range(ALONE_MOST):
        sent, rejected = desk.tally(variant, pool)
        if rejected >= ALONE_REFUSED or sent - rejected >= ALONE_ACCEPTED + rejected:
            break
        seed = yield from pool.take([variant])
        yield from desk.ask(Ask(variant, seed, Phase.CONTEXT, subject=(name,), why=why), 0.7)
    sent, rejected = desk.tally(variant, pool)
    return rejected >= min(ALONE_REFUSED, max(sent, 1)) and 2 * rejected >= sent
