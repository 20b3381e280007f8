"""The space of causes: which sets of changes might be the trigger, each as a row of a matrix.

A row names its members and how many of them a message must hold to be refused: all members of a combination, any one
of two independent triggers. So "which causes would this message show" is one matrix product for many messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations
from math import comb

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

# How likely it is that the cause is one change, two together, either of two, three together, or more together.
SINGLE, PAIR, EITHER, TRIPLE, FOUR = 0.60, 0.17, 0.10, 0.07, 0.005
MORE = 0.5  # each further order is half as likely as the one before
HIGHEST = 6  # beyond, sets are listed only where the focus is small
MOST_FOR_PAIRS = 100  # changes of which all pairs are listed, inside the focus or not
MOST_LISTED = 12_000  # sets of one order; of more, a sample stands for all
SAMPLE = 2_000
MOST_FOR_ALL = 11  # members of a refused set of which every combination is listed


@dataclass(frozen=True)
class Cause:
    """One hypothesis: these members, and whether any one of them suffices."""

    members: tuple[int, ...]
    either: bool = False


class Space:
    """All causes over n changes, seen from a refused set `focus` (positions) that most likely holds the trigger.

    The first n causes are the single changes, in order. Of the larger sets inside the focus a sample is kept where
    they are too many: it shows which changes can be left out, and the focus shrinks until all fit.
    """

    def __init__(
        self,
        weights: Sequence[float],
        focus: frozenset[int],
        stands_in: Bits | None = None,
        likelier: Mapping[frozenset[int], float] | None = None,
    ) -> None:
        self.count = len(weights)
        self.focus = focus
        self._stands_in = np.zeros((self.count, self.count), dtype=bool) if stands_in is None else stands_in
        self._weights = np.sqrt(np.asarray(weights, dtype=np.float64))
        self._families = [
            (share, kept, either)
            for share, members, either in self._list_families()
            if len(kept := members[self._apart(members)])
        ]
        shares = [
            share * self._inside(members.shape[1]) * self._spread(members) for share, members, _ in self._families
        ]
        prior = np.concatenate(shares)
        for members, times in (likelier or {}).items():
            prior[[number for number in self.numbers(members) if not self.cause(number).either]] *= times
        self.prior: Floats = prior / prior.sum()

    def _list_families(self) -> Iterator[tuple[float, npt.NDArray[np.intp], bool]]:
        """List prior mass, members and kind of each family."""
        everything = list(range(self.count))
        inside = sorted(self.focus)
        yield SINGLE, _sets(everything, 1), False
        pairs = everything if self.count <= MOST_FOR_PAIRS else inside
        if len(pairs) >= 2:
            yield PAIR, _sets(pairs, 2), False
            yield EITHER, _sets(pairs, 2), True
        highest = len(inside) if len(inside) <= MOST_FOR_ALL else HIGHEST
        for order in range(3, min(highest, len(inside)) + 1):
            yield (TRIPLE if order == 3 else FOUR * MORE ** (order - 4)), _sets(inside, order), False

    def _apart(self, members: npt.NDArray[np.intp]) -> Bits:
        """Drop sets in which one member stands in another: no message tells them from the set without it."""
        fit = np.ones(len(members), dtype=bool)
        for one, other in permutations(range(members.shape[1]), 2):
            fit &= ~self._stands_in[members[:, one], members[:, other]]
        return fit

    def _spread(self, members: npt.NDArray[np.intp]) -> Floats:
        masses: Floats = self._weights[members].prod(axis=1)
        shares: Floats = masses / masses.sum()
        return shares

    def _inside(self, order: int) -> float:
        """Return which share of an order's prior lies inside the focus.

        For triples that is their share of all triples by weight. Larger sets are so many that their share would be next
        to nothing; half of the fall, in logarithms, finds them with fewer messages and accuses no more often.
        """
        if order <= 2 and self.count <= MOST_FOR_PAIRS:
            return 1.0
        share = _sums(self._weights[sorted(self.focus)], order) / _sums(self._weights, order)
        return share if order <= 3 else math.sqrt(share)

    def cause(self, number: int) -> Cause:
        """Return a cause by its number."""
        for _, members, either in self._families:
            if number < len(members):
                return Cause(tuple(int(i) for i in members[number]), either)
            number -= len(members)
        raise IndexError(number)

    def numbers(self, wanted: frozenset[int]) -> list[int]:
        """Return the numbers of the causes in which this set is a trigger, alone or beside another."""
        found, start = [], 0
        for _, members, either in self._families:
            inside = np.isin(members, sorted(wanted)).sum(axis=1)
            if either:
                hits = inside >= 1 if len(wanted) == 1 else np.zeros(len(members), dtype=bool)
            else:
                hits = (inside == len(wanted)) & (members.shape[1] == len(wanted))
            found += [start + int(i) for i in np.flatnonzero(hits)]
            start += len(members)
        return found

    @cached_property
    def members(self) -> npt.NDArray[np.float32]:
        """Membership, one column per cause."""
        matrix = np.zeros((self.count, len(self.prior)), dtype=np.float32)
        start = 0
        for _, members, _ in self._families:
            columns = np.arange(start, start + len(members))
            matrix[members, columns[:, None]] = 1
            start += len(members)
        return matrix

    @cached_property
    def needed(self) -> npt.NDArray[np.float32]:
        """How many members a message must hold."""
        counts = [np.full(len(m), 1 if either else m.shape[1]) for _, m, either in self._families]
        return np.concatenate(counts).astype(np.float32)

    @cached_property
    def eithers(self) -> Bits:
        """Which causes are either of two."""
        return np.concatenate([np.full(len(members), either) for _, members, either in self._families])

    def shown_by(self, variants: Bits, columns: npt.NDArray[np.intp] | None = None) -> Bits:
        """Tell for each variant and cause whether the message would show it."""
        members, needed = self.members, self.needed
        if columns is not None:
            members, needed = members[:, columns], needed[columns]
        return np.asarray(variants.astype(np.float32) @ members >= needed)


def _sums(weights: Floats, order: int) -> float:
    """Sum the products of all sets of an order (the elementary symmetric polynomial)."""
    sums = np.zeros(order + 1)
    sums[0] = 1.0
    for weight in weights:
        sums[1:] += weight * sums[:-1]
    return float(sums[order])


def _sets(places: Sequence[int], order: int) -> npt.NDArray[np.intp]:
    """List the sets of one order, or draw a sample of them, the same one each time."""
    if comb(len(places), order) <= MOST_LISTED:
        return np.array(list(combinations(places, order)), dtype=np.intp).reshape(-1, order)
    draw = np.random.default_rng([order, *places])
    ranks = draw.random((SAMPLE, len(places))).argsort(axis=1, kind="stable")[:, :order]
    return np.unique(np.sort(np.asarray(places, dtype=np.intp)[ranks], axis=1), axis=0)
