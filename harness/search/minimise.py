"""Minimise: find a smallest refused set inside a refused one by splitting, several messages a test.

Deterministic splitting knows no noise, so a test is refused when any of a few messages is, and what it finds is a
suspicion that the proof has to confirm.
"""

from __future__ import annotations

from harness.model.trial import Ask, Phase
from harness.search.desk import Desk, Factors, Step
from harness.search.pool import Pool

TRIES = 3  # acceptances that clear a variant
MOST_MEMBERS = 7  # of a set that is worth a proof


def minimise(
    desk: Desk, target: Factors, pool: Pool, known: Factors = frozenset(), doubt: int = 0
) -> Step[tuple[str, ...]]:
    """Return a set inside the target of which no smaller prefix was refused, () if there is none.

    The factors are tried in the order of the ladder: the shortest refused prefix ends with a needed factor; that one
    is kept, and the prefix before it searched again, until what is kept is refused by itself. `doubt` counts
    how often a result was disproved: then a test takes more messages and more than one refusal. `known` members
    are taken as needed.
    """
    kept = desk.close(known)
    needed = set(known)
    rest = [f.id for f in desk.problem.factors if f.id in target and f.id not in kept]
    while True:
        if rest and needed and (yield from refused(desk, kept, pool, len(rest), doubt)):
            break
        if not rest:
            break
        low, high = 0, len(rest)  # the prefix of length low is accepted, that of length high refused
        while high - low > 1:
            half = (low + high) // 2
            trial = desk.close(kept | set(rest[:half])) & target
            if (yield from refused(desk, trial, pool, high - low, doubt)):
                high = half
            else:
                low = half
        needed.add(rest[high - 1])
        kept = desk.close(kept | {rest[high - 1]})
        rest = [name for name in rest[: high - 1] if name not in kept]
        if len(needed) > MOST_MEMBERS:
            return ()  # nothing was refused but the whole: a stray refusal, most likely
    return desk.core(frozenset(needed))


def refused(desk: Desk, variant: Factors, pool: Pool, suspects: int, doubt: int = 0) -> Step[bool]:
    """Tell whether a variant is refused by any of a few messages, old ones among them."""
    if not variant:
        return False
    enough, tries = 1 + doubt, TRIES + 2 * doubt
    for _ in range(3 * tries):
        sent, rejected = desk.tally(variant, pool)
        if rejected >= enough or sent - rejected >= tries:
            break
        desk.reserve(7, 3)
        why = f"{suspects} changes suspected; this message holds {len(variant)} in all: is it refused?"
        seed = yield from pool.take([variant])
        yield from desk.ask(Ask(variant, seed, Phase.SEARCH, why=why))
    sent, rejected = desk.tally(variant, pool)
    return rejected >= enough
