"""A contrast: what parent and child came to, block by block, and the e-value of it.

Parent and child are one factor apart (with what stands in it), sent interleaved to the same seeds. The e-value is a
test martingale for 2x2 data (Turner and Gruenwald, arXiv 2106.02693): under "both arms are refused alike" its
expectation never exceeds 1, so it may be looked at after every block, and 1/e is an anytime-valid p-value.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from harness.model.trial import Observation, Phase

PARENT_RATE = 0.01  # what the alternative bets a parent is refused at
CAUTIOUS_RATE = 0.5  # the bet on a child to a seed that had refused nothing before; made before its block begins
CHILD_RATES = ((0.30, 0.15), (0.50, 0.15), (0.70, 0.15), (0.85, 0.20), (0.97, 0.35))  # rate, weight


@dataclass(frozen=True, slots=True)
class Block:
    """Counts of one shuffled block: refused of sent, in each arm."""

    parent_sent: int
    parent_rejected: int
    child_sent: int
    child_rejected: int
    cautious: bool = False  # on a seed that had refused nothing before: whether it is affected at all was open


def e_value(blocks: Sequence[Block]) -> float:
    """Return the evidence that the child is refused and the parent is not; 1.0 for no data."""
    total = 0.0
    for rate, weight in CHILD_RATES:
        log = 0.0
        for block in blocks:
            sent = block.parent_sent + block.child_sent
            if not block.parent_sent or not block.child_sent:
                continue  # a half block contrasts nothing
            bet = CAUTIOUS_RATE if block.cautious else rate
            null = (block.parent_sent * PARENT_RATE + block.child_sent * bet) / sent
            log += _bernoulli(block.parent_rejected, block.parent_sent, PARENT_RATE)
            log += _bernoulli(block.child_rejected, block.child_sent, bet)
            log -= _bernoulli(block.parent_rejected + block.child_rejected, sent, null)
        total += weight * math.exp(min(log, 700.0))
    return total


def _bernoulli(hits: int, sent: int, rate: float) -> float:
    return hits * math.log(rate) + (sent - hits) * math.log1p(-rate)


THRESHOLD = 20.0  # e-value that each member of a claim needs
CONFIRMED = 2  # refused controls in a row that show that the sender is refused, whatever the content


def threshold(
    observations: Sequence[Observation], subject: tuple[str, ...], seeds: Container[str] | None = None
) -> float:
    """Return the e-value that each member of a set must reach.

    A false claim needs one member that is not needed, and its own e-value must be reached by chance: so each member
    needs what a single change needs, however many there are. That the set was accepted once (at one of `seeds`, None:
    any; or within a larger message at a seed that refused it) tells of a trigger that fires only sometimes. Then a
    single change easily looks like a set, since what lacks the others was accepted by luck; a set of k must then
    reach k times as much.
    """
    if len(subject) == 1:
        return THRESHOLD
    own = [seen for seen in observations if seen.counted and seen.ask.values_of is None]
    wholes = {seen.ask.factors for seen in own if seen.ask.subject == subject and seen.ask.arm == "child"}
    showing = {seen.ask.seed for seen in own if seen.rejected and seen.ask.factors in wholes}
    failed = any(
        seen.ask.seed in showing or (seen.ask.factors in wholes and (seeds is None or seen.ask.seed in seeds))
        for seen in own
        if seen.accepted and any(whole <= seen.ask.factors for whole in wholes)
    )
    return THRESHOLD * (len(subject) if failed else 1)


def voided(observations: Sequence[Observation]) -> frozenset[int]:
    """Return the positions of refusals that fell into a block of the sender and prove nothing of content.

    A block is a run of refusals, with no acceptance among them, that holds two refused control checks. The
    controls that stand in a proof are no checks: they were not sent on suspicion, and a refused one must count.
    Refusals at seeds that refuse everything prove nothing of content either.
    """
    void = _refused_sender(observations)
    lost = _strays(observations, void)
    return frozenset(void | {p for p, seen in enumerate(observations) if seen.rejected and seen.ask.seed in lost})


def strays(observations: Sequence[Observation]) -> frozenset[str]:
    """Return the seeds that refuse everything, the plain control twice among it, while others accept.

    What they refuse follows the recipient, not the content.
    """
    return _strays(observations, _refused_sender(observations))


def _strays(observations: Sequence[Observation], void: Container[int]) -> frozenset[str]:
    checks: dict[str, int] = {}
    accepting: set[str] = set()
    for position, seen in enumerate(observations):
        if seen.accepted:
            accepting.add(seen.ask.seed)
        elif seen.rejected and position not in void and seen.ask.phase is Phase.CONTROL and not seen.ask.factors:
            checks[seen.ask.seed] = checks.get(seen.ask.seed, 0) + 1
    if not accepting:
        return frozenset()
    return frozenset(seed for seed, many in checks.items() if many >= CONFIRMED and seed not in accepting)


def _refused_sender(observations: Sequence[Observation]) -> set[int]:
    void: set[int] = set()
    run: list[int] = []
    checks = 0
    for position, seen in enumerate(observations):
        if not seen.counted:
            continue
        if seen.accepted:
            run, checks = [], 0
            continue
        run.append(position)
        checks += seen.ask.phase is Phase.CONTROL and not seen.ask.factors
        if checks >= CONFIRMED:
            void.update(run)
    return void


def blocks_of(
    observations: Sequence[Observation], subject: tuple[str, ...], factor: str, seeds: Container[str] | None = None
) -> tuple[Block, ...]:
    """Collect the blocks that contrast a set with the same set without one factor.

    Only fresh messages of a proof count. A block that a refusal of the sender cut through is left out whole;
    `seeds` restricts the contrast to the seeds that a scoped claim is about.
    """
    void = voided(observations)
    counts: dict[int, list[int]] = {}
    spoilt: set[int] = set()
    refused_before: set[str] = set()
    cautious: dict[int, bool] = {}
    for position, seen in enumerate(observations):
        ask = seen.ask
        if ask.phase is Phase.PROOF:
            cautious.setdefault(ask.block, ask.seed not in refused_before)
        if seen.rejected and position not in void and ask.factors:
            refused_before.add(ask.seed)
        if ask.phase is not Phase.PROOF or ask.subject != subject or (seeds is not None and ask.seed not in seeds):
            continue
        if position in void:
            spoilt.add(ask.block)
        elif seen.counted and ask.arm in ("child", f"parent:{factor}"):
            cell = counts.setdefault(ask.block, [0, 0, 0, 0])
            arm = 2 if ask.arm == "child" else 0
            cell[arm] += 1
            cell[arm + 1] += seen.rejected
    return tuple(
        Block(cell[0], cell[1], cell[2], cell[3], cautious[block])
        for block, cell in sorted(counts.items())
        if block not in spoilt
    )
