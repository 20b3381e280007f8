"""The proof of one suspected set: what its fresh, interleaved messages show, and how much is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

from harness.model.contrast import Block, blocks_of, e_value, threshold, voided
from harness.model.trial import Observation, Phase
from harness.model.verdict import Count, Scope

CHILD = "child"
MOST_BLOCKS = 40  # beyond so many more blocks "how many sends" is no useful answer


@dataclass(frozen=True, slots=True)
class Evidenced:
    """A suspected set with what the proof phase shows of it.

    `with_` counts the child's messages, `without` all parents'. E-value and p-value are those of the weakest member:
    every factor of the set must be shown to be needed.
    """

    factors: tuple[str, ...]
    scope: Scope
    with_: Count
    without: Count
    e_value: float
    p_value: float
    needed: float  # the e-value that each factor must reach
    more: int
    tag: str | None
    cause: str

    @property
    def proved(self) -> bool:
        """Every factor of the set is shown to be needed."""
        return self.e_value >= self.needed


def evidenced(
    factors: tuple[str, ...],
    scope: Scope,
    observations: Sequence[Observation],
    seeds: Container[str] | None = None,
) -> Evidenced:
    """Look at the proof of one set; the search's messages chose it, so they may not prove it too.

    Args:
        seeds: those that a scoped claim is about; None for all.
    """
    subject = tuple(sorted(factors))
    void = voided(observations)
    proof = [
        seen
        for place, seen in enumerate(observations)
        if seen.counted
        and place not in void
        and seen.ask.phase is Phase.PROOF
        and seen.ask.subject == subject
        and (seeds is None or seen.ask.seed in seeds)
    ]
    child = [seen for seen in proof if seen.ask.arm == CHILD]
    arms = {name: [seen for seen in proof if seen.ask.arm == f"parent:{name}"] for name in subject}
    blocks = {name: blocks_of(observations, subject, name, seeds) for name in subject}
    needed = threshold(observations, subject, None if scope.type == "recipients" else seeds)
    tags = Counter((seen.tag, seen.cause) for seen in child if seen.rejected)
    tag, cause = tags.most_common(1)[0][0] if tags else (None, "")
    return Evidenced(
        factors=tuple(factors),
        scope=scope,
        with_=count(child),
        without=count([seen for name in subject for seen in arms[name]]),
        e_value=min((e_value(blocks[name]) for name in subject), default=1.0),
        p_value=max((exact(count(child), count(arms[name])) for name in subject), default=1.0),
        needed=needed,
        more=max((missing(blocks[name], needed) for name in subject), default=0) * (len(subject) + 1),
        tag=tag,
        cause=cause,
    )


def exact(with_: Count, without: Count) -> float:
    """Return the one-sided exact p-value that refusals are no more frequent with than without.

    Boschloo's test, uniformly more powerful than Fisher's; Fisher's where scipy's Boschloo finds no number.
    """
    from scipy.stats import boschloo_exact, fisher_exact  # half a second of import that most reports don't need

    if not with_.sent or not without.sent:
        return 1.0
    table = [
        [with_.rejected, without.rejected],
        [with_.sent - with_.rejected, without.sent - without.rejected],
    ]
    value = float(boschloo_exact(table, alternative="greater").pvalue)
    if value != value:  # NaN: both columns alike throughout
        value = float(fisher_exact(table, alternative="greater")[1])
    return min(1.0, value)


def missing(blocks: Sequence[Block], needed: float) -> int:
    """Return how many blocks more would prove it if all of them come out as the suspicion says."""
    more = list(blocks)
    for added in range(MOST_BLOCKS):
        if e_value(more) >= needed:
            return added
        more.append(Block(1, 0, 1, 1, True))  # on seeds not heard of yet: rather a message too many than too few
    return MOST_BLOCKS


def count(seen: Sequence[Observation]) -> Count:
    """Count the refused among those that are evidence."""
    counted = [one for one in seen if one.counted]
    return Count(len(counted), sum(one.rejected for one in counted))
