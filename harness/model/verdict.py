"""Verdicts: what a run shows of its factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class VerdictKind(StrEnum):
    """DESIGN section 6."""

    TRIGGER = "trigger"
    NONE = "none"
    SENDER = "sender"
    RECIPIENT = "recipient"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a trigger holds: `all`, `domain`, `value` (of a merge field) or `recipients`."""

    type: str = "all"
    domains: tuple[str, ...] = ()
    field: str | None = None
    value: str | None = None
    seeds: tuple[str, ...] = ()

    def holds(self, seed: str, domain: str, values: Mapping[str, str]) -> bool:
        """Tell whether a message to this seed, showing these merge values, is one that the claim is about."""
        match self.type:
            case "domain":
                return domain in self.domains
            case "value":
                return values.get(self.field or "") == self.value
            case "recipients":
                return seed in self.seeds
            case _:
                return True


@dataclass(frozen=True, slots=True)
class Count:
    """Refused of sent, counted trials only."""

    sent: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the search concludes, before the judge has weighed it.

    `triggers` are minimal sets with their scopes; `alternatives` notes that any `threshold` of a
    larger set suffice (scoring filters). `fix` is what to put back to plain. `missing` says in
    words what an inconclusive run lacks, `more` how many messages more would decide, `suspects`
    the most probable causes with their probabilities.
    """

    kind: VerdictKind
    triggers: tuple[tuple[tuple[str, ...], Scope], ...] = ()
    fix: tuple[str, ...] = ()
    missing: str = ""
    more: int | None = None
    suspects: tuple[tuple[tuple[str, ...], float], ...] = ()
    notes: tuple[str, ...] = ()
    stopped: str = ""  # the stop rule that ended the run, in words


@dataclass(frozen=True, slots=True)
class Trigger:
    """One proved cause. `e_value` may be looked at at any time; `p_value` is the exact test."""

    factors: tuple[str, ...]
    scope: Scope
    with_: Count
    without: Count
    p_value: float
    e_value: float
    confirmed_by_removal: bool
    tag: str | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class FactorVerdict:
    """`trigger`, `clear` (with the highest refusal rate that the data still allow), `untested` or `inconclusive`."""

    id: str
    stage: str
    verdict: str
    upper_bound: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run's answer, in words and numbers."""

    kind: VerdictKind
    summary: str
    next_step: str
    fix: tuple[str, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    factors: tuple[FactorVerdict, ...] = field(default=())
    missing: str = ""
    stopped: str = ""
    notes: tuple[str, ...] = ()
