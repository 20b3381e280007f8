"""Choose: the message that tells most per cost, or several at once.

What a message tells is the expected drop of uncertainty about the cause; what it costs is one message, and more
where it is likely to be refused. Candidates are random and sorted subsets of the refused set in focus, improved by
switching single changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.search.beliefs import SHOWN, UNSHOWN, Beliefs
from harness.search.space import Bits, Floats

HEAVIEST = 3000  # causes that a choice looks at
DENSITIES = (0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
DRAWS = 6
CLIMBERS, CLIMBS = 3, 8
NEGLIGIBLE = 0.002  # changes less likely than this stay as they are in random candidates
SAME = 1e-9

Close = Callable[[Bits], Bits]


@dataclass(frozen=True)
class Choice:
    """A message worth sending: what it holds, how likely it is refused, what it tells in bits."""

    variant: Bits
    refusal: float
    bits: float
    worth: float


class Chooser:
    """Scores candidates against beliefs; earlier messages of the same batch are taken as sent, answers unknown."""

    def __init__(self, beliefs: Beliefs, price: float) -> None:
        self.space = beliefs.space
        self.price = price
        order = np.argsort(-beliefs.mass, kind="stable")[:HEAVIEST]
        self.columns = order[beliefs.mass[order] > 1e-9]
        joint = beliefs.joint[self.columns]
        rows = np.vstack([joint, beliefs.none_joint[None]])
        rows /= rows.sum()
        # One layer per combination of answers that the batch may have by then.
        self.layers = [rows]

    def scores(self, variants: Bits) -> tuple[Floats, Floats, Floats]:
        """Return worth, bits and chance of refusal of each candidate."""
        shown = self._shown(variants)
        bits = np.zeros(len(variants))
        refusal = np.zeros(len(variants))
        for rows in self.layers:
            mass = rows.sum(axis=1)
            whole = mass.sum()
            with np.errstate(divide="ignore", invalid="ignore"):
                hit = np.where(mass > 0, rows @ SHOWN / mass, 0.0)
                miss = np.where(mass > 0, rows @ UNSHOWN / mass, 0.0)
            chance = shown @ (mass * (hit - miss)) + mass @ miss
            left = shown @ (mass * (_entropy(hit) - _entropy(miss))) + mass @ _entropy(miss)
            bits += whole * _entropy(chance / whole) - left
            refusal += chance
        return np.maximum(bits, 0) / (1 + self.price * refusal), bits, refusal

    def _shown(self, variants: Bits) -> Floats:
        listed = self.space.shown_by(variants, self.columns).astype(np.float64)
        return np.hstack([listed, np.zeros((len(variants), 1))])

    def take(self, variant: Bits) -> None:
        """Count a message as sent: split what is known by its two possible answers."""
        shown = self._shown(variant[None])[0][:, None]
        refused = shown * SHOWN + (1 - shown) * UNSHOWN
        self.layers = [part for rows in self.layers for part in (rows * refused, rows * (1 - refused))]
        self.layers = [rows for rows in self.layers if rows.sum() > 1e-3]


def _entropy(chance: Floats) -> Floats:
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    result: Floats = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return result


def choose(beliefs: Beliefs, price: float, close: Close, draw: np.random.Generator, many: int = 1) -> list[Choice]:
    """Choose the messages to send next, best first."""
    chooser = Chooser(beliefs, price)
    pool = candidates(beliefs, close, draw)
    chosen: list[Choice] = []
    while len(chosen) < many:
        best = _climb(chooser, pool, sorted(beliefs.space.focus), close)
        if best is None or (chosen and best.worth < SAME):
            break
        chosen.append(best)
        chooser.take(best.variant)
    return chosen


def candidates(beliefs: Beliefs, close: Close, draw: np.random.Generator) -> Bits:
    """Lay out candidates: subsets of the focus at random, by order and by likelihood, around likely causes."""
    space = beliefs.space
    n = space.count
    focus = np.zeros(n, dtype=bool)
    focus[sorted(space.focus)] = True
    marginals = beliefs.marginals
    likely = np.flatnonzero(focus & (marginals > NEGLIGIBLE))
    found: list[Bits] = [focus]
    for density in DENSITIES:
        for _ in range(DRAWS):
            variant = np.zeros(n, dtype=bool)
            variant[likely[draw.random(len(likely)) < density]] = True
            found.append(variant)
    for ordered in (likely, likely[np.argsort(-marginals[likely], kind="stable")]):
        for end in range(1, len(ordered)):
            variant = np.zeros(n, dtype=bool)
            variant[ordered[:end]] = True
            found.append(variant)
    for cause, mass in beliefs.top(12):
        if mass < 1e-4:
            continue
        alone = np.zeros(n, dtype=bool)
        alone[list(cause.members)] = True
        found.append(alone & focus)
        found.append(focus & ~alone)
        for member in cause.members:
            variant = focus.copy()
            variant[member] = False
            found.append(variant)
    closed = close(np.array(found)) if found else np.zeros((0, n), dtype=bool)
    whole = closed.sum(axis=1)
    return np.unique(closed[(whole > 0) & (whole <= focus.sum())], axis=0)


def _climb(chooser: Chooser, pool: Bits, focus: list[int], close: Close) -> Choice | None:
    if not len(pool):
        return None
    worth, bits, refusal = chooser.scores(pool)
    starts = np.argsort(-worth, kind="stable")[:CLIMBERS]
    best = [Choice(pool[i], float(refusal[i]), float(bits[i]), float(worth[i])) for i in starts]
    for _ in range(CLIMBS):
        flips = np.repeat(np.array([choice.variant for choice in best]), len(focus), axis=0)
        for row in range(len(flips)):
            place = focus[row % len(focus)]
            flips[row, place] = not flips[row, place]
        flips = close(flips)
        flips = flips[flips.any(axis=1)]
        if not len(flips):
            break
        worth, bits, refusal = chooser.scores(flips)
        order = np.argsort(-worth, kind="stable")[:CLIMBERS]
        if worth[order[0]] <= best[0].worth + SAME:
            break
        new = [Choice(flips[i], float(refusal[i]), float(bits[i]), float(worth[i])) for i in order]
        best = sorted([*best, *new], key=lambda choice: -choice.worth)[:CLIMBERS]
    return _plainest(chooser, best[0], close)


def _plainest(chooser: Chooser, choice: Choice, close: Close) -> Choice:
    """Put back to plain whatever tells nothing: the closer to the control, the easier to read."""
    held = np.flatnonzero(choice.variant)
    if len(held) < 2:
        return choice
    fewer = np.repeat(choice.variant[None], len(held), axis=0)
    fewer[np.arange(len(held)), held] = False
    worth, _, _ = chooser.scores(fewer)
    idle = held[worth >= choice.worth - SAME]
    if not len(idle):
        return choice
    variant = choice.variant.copy()
    variant[idle] = False
    variant = close(variant[None])[0]
    if not variant.any():
        return choice
    worth, bits, refusal = chooser.scores(variant[None])
    if worth[0] < choice.worth - SAME:
        return choice
    return Choice(variant, float(refusal[0]), float(bits[0]), float(worth[0]))
