"""The problem that a search works on, its budget, and the moves that it can make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from harness.model.factor import Factor
from harness.model.trial import Ask, Observation
from harness.model.verdict import Finding


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps of a run; None means no cap of that sort.

    `refusal_price` is how many accepted messages one refusal is worth (1 when seeds are scarce,
    20 when reputation is); `batch` how many asks a step may choose before answers come.
    """

    sends: int | None = None
    refusals: int | None = 40
    per_seed: int | None = None
    refusal_price: float = 8.0
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Tester:
    """A seed as the search sees it: where it counts, and what its message holds.

    `values` maps a merge factor's id to the value that this seed's message shows; `wears` are the
    factors that exist in its message at all (a conditional section may be missing for a seed; a
    factor it does not wear proves nothing there).
    """

    __test__: ClassVar[bool] = False  # pytest takes a class of this name for tests otherwise

    id: str
    domain: str
    values: Mapping[str, str] = field(default_factory=dict)
    wears: frozenset[str] | None = None  # None: all


@dataclass(frozen=True, slots=True)
class Together:
    """Factors that production saw refused together, and how many times likelier than others that makes the set."""

    factors: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Problem:
    """All that is known before the first message.

    Factors come in ladder order. `weights` are prior weights by factor id (from a triage's suspects or
    edited by the user), 1.0 where absent beyond the default for the kind; `together` is the same for sets. `repeat` is
    how many seeds a ladder rung goes to (None: all). `transactional` allows one message per (variant, seed), none after
    a refusal of that pair.
    """

    factors: tuple[Factor, ...]
    seeds: tuple[Tester, ...]
    budget: Budget = Budget()
    shuffle_key: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    together: tuple[Together, ...] = ()
    transactional: bool = False
    repeat: int | None = None
    exact_first: bool = False  # `run --exact`: production to the own seeds first


@dataclass(frozen=True, slots=True)
class Send:
    """Send these, in this order; more than one only where the batch allows."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass before the next step (a suspected block), `ticks` in units of the pace's gap."""

    ticks: int
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The search has its answer, or no more may be sent."""

    finding: Finding


Move = Send | Pause | Stop


@dataclass(frozen=True, slots=True)
class Belief:
    """How things stand, for progress and report: the likeliest causes and what is left open."""

    top: tuple[tuple[tuple[str, ...], float], ...] = ()
    none: float = 0.0
    sender: float = 0.0
    entropy_bits: float = 0.0


class Strategy(Protocol):
    """The one door of the search: given all that is known, what to send next.

    A strategy is a deterministic function of the problem and the observations so far (with the pauses
    already taken); it may keep what it computed for a prefix of them, and a fresh one fed with the
    same observations must move the same way: that is how a run resumes and how a report is made anew.
    Observations whose outcome changes later (a late bounce) mean a fresh start from the whole list.
    """

    def next(self, problem: Problem, observations: Sequence[Observation], pauses: Sequence[Pause]) -> Move:
        """Choose the next move. Every ask of earlier `Send` moves stands in the observations."""
        ...

    def belief(self) -> Belief:
        """Say how things stood at the last call of `next`."""
        ...
