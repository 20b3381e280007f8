"""The proof of one suspected set: what its fresh, interleaved messages show, and how much is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.contrast import Block, e_value
from harness.model.trial import Observation, Phase
from harness.model.verdict import Count, Scope

E_NEEDED = 20.0  # for each factor of the set; 1/20 bounds the chance of a false accusation at any look
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
    more: int
    tag: str | None
    cause: str

    @property
    def proved(self) -> bool:
        """The e-value reaches what a set of this size needs."""
        return self.e_value >= E_NEEDED * len(self.factors)


def evidenced(factors: tuple[str, ...], scope: Scope, observations: Sequence[Observation]) -> Evidenced:
    """Look at the proof of one set; search messages chose it, so they may not prove it too."""
    subject = tuple(sorted(factors))
    proof = [
        seen
        for seen in observations
        if seen.counted and seen.ask.phase is Phase.PROOF and tuple(sorted(seen.ask.subject)) == subject
    ]
    child = [seen for seen in proof if seen.ask.arm == CHILD]
    arms = {name: [seen for seen in proof if seen.ask.arm == f"parent:{name}"] for name in subject}
    blocks = {name: _blocks(child, arms[name]) for name in subject}
    weakest = min((e_value(blocks[name]) for name in subject), default=1.0)
    tags = Counter((seen.tag, seen.cause) for seen in child if seen.rejected)
    tag, cause = tags.most_common(1)[0][0] if tags else (None, "")
    return Evidenced(
        factors=tuple(factors),
        scope=scope,
        with_=_count(child),
        without=_count([seen for name in subject for seen in arms[name]]),
        e_value=weakest,
        p_value=max((exact(_count(child), _count(arms[name])) for name in subject), default=1.0),
        more=sum(_missing(blocks[name], E_NEEDED * len(subject)) for name in subject),
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


def _blocks(child: Sequence[Observation], parent: Sequence[Observation]) -> list[Block]:
    numbers = sorted({seen.ask.block for seen in (*child, *parent)})
    return [
        Block(*_pair(parent, number), *_pair(child, number))
        for number in numbers  # a block without one of its arms is left out by e_value itself
    ]


def _pair(seen: Sequence[Observation], number: int) -> tuple[int, int]:
    counts = _count([one for one in seen if one.ask.block == number])
    return counts.sent, counts.rejected


def _missing(blocks: Sequence[Block], needed: float) -> int:
    """Return how many messages more would prove it if all of them come out as the suspicion says."""
    more = list(blocks)
    for added in range(MOST_BLOCKS):
        if e_value(more) >= needed:
            return added * 2
        more.append(Block(1, 0, 1, 1))
    return MOST_BLOCKS * 2


def _count(seen: Sequence[Observation]) -> Count:
    return Count(len(seen), sum(one.rejected for one in seen))
