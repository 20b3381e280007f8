"""The proof, one for all strategies: parent and child one factor apart, in shuffled blocks, by fresh messages.

The child holds the suspected set; each parent lacks one member of it, with what stands in that member. Two parents
go out for each child of a single factor, so that the proof costs accepted messages rather than refusals. The e-value
may be looked at after every message; each member of a set of k is a claim of its own and needs k times the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.model.contrast import Block, blocks_of, e_value, threshold
from harness.model.trial import Ask, Phase
from harness.model.verdict import Scope
from harness.search.desk import NOISE, Desk, Factors, Step
from harness.search.pool import Pool
from harness.search.scope import likely_affected

HOPELESS = 0.05  # an e-value below which the suspicion is given up
MOST_BLOCKS = 40
RATIOS = (1, 2)  # parents to a child
CHILD_EXPECTED = 0.85


@dataclass(frozen=True, slots=True)
class Claim:
    """A suspected set in its context: what child and parents hold."""

    subject: tuple[str, ...]
    child: Factors
    parents: tuple[tuple[str, Factors], ...]


def claim(desk: Desk, names: Collection[str], context: Factors = frozenset()) -> Claim:
    """Lay out child and parents of a set, on the plain copy or on a context that is accepted without it."""
    subject = tuple(sorted(names))
    child = desk.close(context | frozenset(subject))
    return Claim(subject, child, tuple((name, desk.without(child, [name])) for name in subject))


def evidence_for(desk: Desk, subject: tuple[str, ...], seeds: Collection[str] | None = None) -> float:
    """Return the e-value of the weakest member, on the seeds that a scoped claim is about."""
    return min(e_value(blocks_of(desk.log, subject, name, seeds)) for name in subject)


def proved(desk: Desk, subject: tuple[str, ...], scope: Scope | None = None) -> bool:
    """Tell whether the proof phase shows that every member is needed, on the seeds that a scoped claim is about."""
    within = _within(desk, scope)
    patterned = within if scope and scope.type != "recipients" else None
    return evidence_for(desk, subject, within) >= threshold(desk.log, subject, patterned)


def _within(desk: Desk, scope: Scope | None) -> frozenset[str] | None:
    if scope is None or scope.type == "all":
        return None
    return frozenset(s.id for s in desk.problem.seeds if scope.holds(s.id, s.domain, s.values))


def prove(
    desk: Desk,
    wanted: Claim,
    pool: Pool,
    doubtful: Callable[[], bool] | None = None,
    expect: Callable[[Factors], float] | None = None,
    scope: Scope | None = None,
) -> Step[bool]:
    """Send blocks until the claim is proved, or is given up: then False.

    `doubtful` is asked between messages whether what is known by now speaks against going on; a block left open
    is finished first when the suspicion comes back. `expect` says how likely a refusal is. `scope` says whom
    the claim is about; None for all.
    """
    doubtful = doubtful or (lambda: evidence_for(desk, wanted.subject) < HOPELESS)
    opened: list[int] = []
    while not proved(desk, wanted.subject, scope):
        if len(opened) >= MOST_BLOCKS:
            return False
        block, asks = _open_block(desk, wanted) or (yield from _new_block(desk, wanted, pool))
        opened.append(block)
        before = len(desk.log)
        expected = [(ask, expect(ask.factors) if expect else _expected(ask)) for ask in asks]
        yield from _send_block(desk, expected, doubtful)
        pool.admit(seen.ask.seed for seen in desk.log[before:] if seen.rejected and seen.ask.factors)
        if not proved(desk, wanted.subject, scope) and doubtful():
            return False
    return True


def _send_block(desk: Desk, asks: list[tuple[Ask, float]], doubtful: Callable[[], bool]) -> Step[None]:
    if desk.problem.budget.batch > 1:
        yield from desk.ask_all(asks)
        return
    for ask, expect in asks:
        seen = yield from desk.ask(ask, expect)
        if seen is None or doubtful():
            return  # looked at again: asked anew, left open, or the block is spoilt


def _expected(ask: Ask) -> float:
    return CHILD_EXPECTED if ask.arm == "child" else NOISE


def _ratio(desk: Desk, wanted: Claim) -> int:
    """Choose how many parents of each member go out for a child: what completes the proof at the least cost."""
    if desk.problem.transactional:
        return 1
    size, price = len(wanted.subject), desk.problem.budget.refusal_price
    done = min((blocks_of(desk.log, wanted.subject, name) for name in wanted.subject), key=e_value)

    def cost(ratio: int) -> float:
        return _blocks_left(done, ratio, threshold(desk.log, wanted.subject)) * (1 + size * ratio + price)

    return min(RATIOS, key=lambda ratio: (cost(ratio), ratio))


def _blocks_left(done: Sequence[Block], ratio: int, need: float) -> int:
    for more in range(1, MOST_BLOCKS):
        if e_value([*done, *[Block(ratio, 0, 1, 1)] * more]) >= need:
            return more
    return MOST_BLOCKS


def _arms(wanted: Claim, ratio: int) -> list[tuple[str, Factors]]:
    parents = [(f"parent:{name}", factors) for name, factors in wanted.parents for _ in range(ratio)]
    return [("child", wanted.child), *parents]


def _new_block(desk: Desk, wanted: Claim, pool: Pool) -> Step[tuple[int, list[Ask]]]:
    ratio = _ratio(desk, wanted)
    seed = yield from _seed(desk, wanted, pool, ratio)
    arms = _arms(wanted, ratio)
    block = desk.next_block(arms)
    first = not any(seen.ask.subject == wanted.subject and seen.ask.phase is Phase.PROOF for seen in desk.log)
    # The very first message is the child: if the suspicion is wrong, one message shows it.
    order = [arms[0], *desk.shuffled(arms[1:], "block", block)] if first else desk.shuffled(arms, "block", block)
    return block, [_ask(wanted, arm, factors, seed, block) for arm, factors in order]


def _open_block(desk: Desk, wanted: Claim) -> tuple[int, list[Ask]] | None:
    """Find a block of this claim that still lacks messages, and what it lacks."""
    void = desk.void
    sent: dict[int, list[tuple[str, Factors, str]]] = {}
    spoilt: set[int] = set()
    for place, seen in enumerate(desk.log):
        ask = seen.ask
        if ask.phase is Phase.PROOF and ask.subject == wanted.subject:
            sent.setdefault(ask.block, [])
            if seen.counted:
                sent[ask.block].append((ask.arm, ask.factors, ask.seed))
            if place in void or ask.seed not in desk.alive():
                spoilt.add(ask.block)
    for block, had in sorted(sent.items()):
        left = list(desk.plans.get(block, ()))
        if block in spoilt or not had or any((arm, held) not in left for arm, held, _ in had):
            continue
        for arm, factors, _ in had:
            left.remove((arm, factors))
        if left:
            seed = had[0][2]
            return block, [_ask(wanted, arm, factors, seed, block) for arm, factors in desk.shuffled(left, block)]
    return None


def _seed(desk: Desk, wanted: Claim, pool: Pool, ratio: int) -> Step[str]:
    """Choose the block's seed: one that refused before, or, where that costs no block more, one that is new.

    A block on a seed of another domain that shows other values says for whom the trigger holds at no price.
    """
    had = [seen for seen in desk.log if seen.ask.phase is Phase.PROOF and seen.ask.subject == wanted.subject]
    bold = len({seen.ask.seed for seen in had}) == 1 and not any(s.accepted for s in had if s.ask.arm == "child")
    if bold and not desk.problem.transactional and _spare(desk, wanted, ratio):
        fresh = likely_affected(desk, wanted.subject, wanted.child, [*pool, *(seen.ask.seed for seen in had)])
        if fresh is not None:
            return fresh
    domains = {desk.seeds[seen.ask.seed].domain for seen in had}
    variants = [factors for _, factors in _arms(wanted, ratio)]
    return (yield from pool.take(variants, avoid=[seed for seed in pool if desk.seeds[seed].domain in domains]))


def _spare(desk: Desk, wanted: Claim, ratio: int) -> bool:
    """Tell whether a cautious block now would need no more blocks than a bold one, if all goes as suspected."""
    done = min((blocks_of(desk.log, wanted.subject, name) for name in wanted.subject), key=e_value)
    need = threshold(desk.log, wanted.subject)
    bold, cautious = Block(ratio, 0, 1, 1), Block(ratio, 0, 1, 1, cautious=True)
    for more in range(1, MOST_BLOCKS):
        if e_value([*done, *[bold] * more]) >= need:
            return e_value([*done, cautious, *[bold] * (more - 1)]) >= need
    return False


def _ask(wanted: Claim, arm: str, factors: Factors, seed: str, block: int) -> Ask:
    whole = " with ".join(wanted.subject) if len(wanted.subject) < 3 else f"{len(wanted.subject)} suspects"
    if arm == "child":
        why = f"Proof: the message with {whole}; its pairs without go to the same seed."
    else:
        why = f"Proof: the same message without {arm.removeprefix('parent:')} alone; it should be accepted."
    return Ask(factors, seed, Phase.PROOF, arm=arm, subject=wanted.subject, block=block, why=why)
