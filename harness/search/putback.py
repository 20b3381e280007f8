"""Put back: what else must be plain for production to pass, where finding every trigger would cost too much.

A filter that adds scores refuses many small sets; the sender needs no list of them but a fix. From the largest message
that was accepted, the rest is brought back in halves; what is refused by itself on top of it stays plain.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.trial import Ask, Phase
from harness.search.case import Case
from harness.search.desk import Desk, Factors, Step
from harness.search.pool import Pool

LITTLE_SENDS, LITTLE_REFUSALS = 40, 8  # room in which another search and its proof hardly fit


def worth_a_list(desk: Desk, case: Case) -> bool:
    """Tell whether the next trigger is to be found: not where proved sets overlap, nor where little room is left."""
    sets = [frozenset(culprit.factors) for culprit in case.culprits]
    overlap = any(one & other for place, one in enumerate(sets) for other in sets[:place])
    return not sets or (not overlap and desk.room(LITTLE_SENDS, LITTLE_REFUSALS))


def put_back(desk: Desk, case: Case, target: Factors, pool: Pool) -> Step[None]:
    """Add to the case what must be plain besides its culprits, so that the rest of the target is accepted."""
    accepted = [
        s.ask.factors & target for s in desk.evidence() if s.accepted and s.ask.seed in pool and not s.ask.values_of
    ]
    kept = desk.without(max(accepted, key=len, default=frozenset()), desk.everything - target)
    rest = [factor.id for factor in desk.problem.factors if factor.id in target and factor.id not in kept]
    gone: list[str] = []
    yield from _bring_back(desk, pool, kept, rest, gone, known=True)
    case.put_back += gone


def _bring_back(
    desk: Desk, pool: Pool, kept: Factors, rest: Sequence[str], gone: list[str], known: bool = False
) -> Step[Factors]:
    """Return what is accepted of both together; what is not goes to `gone`. `known`: together they are refused."""
    rest = [name for name in rest if name not in kept and not desk.by_id[name].needs & set(gone)]
    whole = desk.close(kept | set(rest))
    if not rest:
        return kept
    if not known and not (yield from _refused(desk, pool, whole, len(rest))):
        return whole
    if len(rest) == 1:
        gone.append(rest[0])
        return kept
    half = len(rest) // 2
    kept = yield from _bring_back(desk, pool, kept, rest[:half], gone)
    return (yield from _bring_back(desk, pool, kept, rest[half:], gone))


def _refused(desk: Desk, pool: Pool, variant: Factors, many: int) -> Step[bool]:
    why = f"Several sets are refused: {many} more on top of what is accepted; does the message still pass?"
    while True:
        seed = yield from pool.take([variant])
        seen = yield from desk.ask(Ask(variant, seed, Phase.SEARCH, why=why))
        if seen is not None:
            return seen.rejected
