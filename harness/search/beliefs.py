"""Beliefs: how likely each cause is, given all messages and answers so far.

They are computed anew from the log each time: for a listed cause the likelihood depends only on how many messages
that would show it were refused and accepted, so one matrix product weighs them all. How strongly the trigger fires
and how often messages are refused without cause is unknown too, and is averaged over a small grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.search.prior import FIRES
from harness.search.space import Bits, Cause, Floats, Space

FIRE, FIRE_PRIOR = np.array(FIRES).T
STRAY = np.array([0.002, 0.01, 0.03])
STRAY_PRIOR = np.array([0.4, 0.4, 0.2])
GRID_FIRE = np.repeat(FIRE, len(STRAY))
GRID_STRAY = np.tile(STRAY, len(FIRE))
GRID_PRIOR = np.repeat(FIRE_PRIOR, len(STRAY)) * np.tile(STRAY_PRIOR, len(FIRE))
SHOWN = 1 - (1 - GRID_FIRE) * (1 - GRID_STRAY)  # chance of a refusal where the trigger is in the message
UNSHOWN = GRID_STRAY


@dataclass(frozen=True)
class Evidence:
    """Counted messages of one search: which changes each held, and whether it was refused."""

    variants: Bits
    refused: Bits


class Beliefs:
    """Weights over no cause and the listed causes, each joint with the noise grid."""

    def __init__(self, space: Space, evidence: Evidence, clean: float, fires: Sequence[float] = FIRE_PRIOR) -> None:
        self.space = space
        self.evidence = evidence
        self.clean = clean  # the weight of "no cause" beforehand
        grid_prior = np.repeat(np.asarray(fires), len(STRAY)) * np.tile(STRAY_PRIOR, len(FIRE))
        refused = evidence.refused
        shown = space.shown_by(evidence.variants)
        hits = refused.astype(np.float32) @ shown.astype(np.float32)
        passes = (~refused).astype(np.float32) @ shown.astype(np.float32)
        strays, rest = refused.sum() - hits, (~refused).sum() - passes
        logs = (
            np.outer(hits, np.log(SHOWN))
            + np.outer(passes, np.log1p(-SHOWN))
            + np.outer(strays, np.log(UNSHOWN))
            + np.outer(rest, np.log1p(-UNSHOWN))
        )
        self.joint = np.exp(logs) * grid_prior * (1 - clean) * space.prior[:, None]
        none = refused.sum() * np.log(UNSHOWN) + (~refused).sum() * np.log1p(-UNSHOWN)
        self.none_joint = np.exp(none) * grid_prior * clean
        total = self.joint.sum() + self.none_joint.sum()
        self.joint, self.none_joint = self.joint / total, self.none_joint / total
        self.mass = self.joint.sum(axis=1)
        self.none = float(self.none_joint.sum())

    def refusal(self, variant: Bits) -> float:
        """Return how likely a message is refused."""
        shown = self.space.shown_by(variant[None])[0]
        chances = np.where(shown[:, None], SHOWN, UNSHOWN)
        return float((self.joint * chances).sum() + self.none_joint @ UNSHOWN)

    def covered(self, variant: Bits) -> float:
        """Return how likely a message holds the trigger, if there is one."""
        shown = self.space.shown_by(variant[None])[0]
        return float(self.mass[shown].sum()) / max(1 - self.none, 1e-12)

    @property
    def marginals(self) -> Floats:
        """Return for each change how likely it is part of the cause."""
        shares: Floats = self.space.members.astype(np.float64) @ self.mass
        return shares

    @property
    def fire(self) -> float:
        """Return the mean chance that the trigger fires."""
        by_grid = self.joint.sum(axis=0)
        return float(by_grid @ GRID_FIRE / max(by_grid.sum(), 1e-300))

    @property
    def entropy(self) -> float:
        """Return how many bits are still open."""
        masses = np.concatenate([self.mass, [self.none]])
        masses = masses[masses > 1e-12]
        return float(-(masses * np.log2(masses)).sum())

    def top(self, many: int) -> list[tuple[Cause, float]]:
        """Return the likeliest listed causes."""
        order = np.argsort(-self.mass, kind="stable")[:many]
        return [(self.space.cause(int(i)), float(self.mass[i])) for i in order]

    def share(self, members: tuple[int, ...]) -> float:
        """Return how likely this very set is a trigger, alone or beside another."""
        return float(self.mass[self.space.numbers(frozenset(members))].sum())

    def singles(self) -> Floats:
        """Return for each change how likely it is a trigger by itself."""
        beside: Floats = self.space.members.astype(np.float64) @ (self.mass * self.space.eithers)
        return np.asarray(self.mass[: self.space.count] + beside)
