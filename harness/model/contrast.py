"""A contrast: what parent and child came to, block by block, and the e-value of it.

Parent and child are one factor apart (with what stands in it), sent interleaved to the same seeds. The e-value is a
test martingale for 2x2 data (Turner and Gruenwald, arXiv 2106.02693): under "both arms are refused alike" its
expectation never exceeds 1, so it may be looked at after every block, and 1/e is an anytime-valid p-value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PARENT_RATE = 0.02  # what the alternative bets a parent is refused at
CHILD_RATES = ((0.55, 0.10), (0.70, 0.15), (0.80, 0.20), (0.90, 0.25), (0.97, 0.30))  # rate, weight


@dataclass(frozen=True, slots=True)
class Block:
    """Counts of one shuffled block: refused of sent, in each arm."""

    parent_sent: int
    parent_rejected: int
    child_sent: int
    child_rejected: int


def e_value(blocks: Sequence[Block]) -> float:
    """Return the evidence that the child is refused and the parent is not; 1.0 for no data."""
    total = 0.0
    for rate, weight in CHILD_RATES:
        log = 0.0
        for block in blocks:
            sent = block.parent_sent + block.child_sent
            if not block.parent_sent or not block.child_sent:
                continue  # a half block contrasts nothing
            null = (block.parent_sent * PARENT_RATE + block.child_sent * rate) / sent
            log += _bernoulli(block.parent_rejected, block.parent_sent, PARENT_RATE)
            log += _bernoulli(block.child_rejected, block.child_sent, rate)
            log -= _bernoulli(block.parent_rejected + block.child_rejected, sent, null)
        total += weight * math.exp(min(log, 700.0))
    return total


def _bernoulli(hits: int, sent: int, rate: float) -> float:
    return hits * math.log(rate) + (sent - hits) * math.log1p(-rate)
