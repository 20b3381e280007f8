"""Outcomes in numbers: what each trial came to, and the counts that judge and report share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.model.answer import Evidence, Level, Source
from harness.model.trial import Outcome


@dataclass(frozen=True, slots=True)
class Settled:
    """What one trial came to by all that is known of it, and why in words.

    `words` are the reply, DSN or event that decided; None where silence or a mark did. `since` is when.
    """

    outcome: Outcome
    cause: str = ""
    level: Level = Level.NONE
    evidence: Evidence = Evidence.NONE
    tag: str | None = None
    note: str = ""
    since: datetime | None = None
    source: Source | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of trials. `sent` is all that was handed over: planned and not sent ones are no part of it."""

    sent: int = 0
    accepted: int = 0
    delivered: int = 0
    rejected: int = 0
    censored: int = 0
    pending: int = 0
    unknown: int = 0
    not_sent: int = 0
    planned: int = 0
    tags: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        """Accepted by the relay or seen delivered."""
        return self.accepted + self.delivered

    @property
    def counted(self) -> int:
        """The denominator: censored, pending and unknown trials say nothing about content."""
        return self.passed + self.rejected


@dataclass(frozen=True, slots=True)
class DomainTally:
    """One Apple domain: the refusal rate among counted trials with its exact 95 % interval.

    Rate, bounds and band are None where nothing was counted.
    """

    domain: str
    tally: Tally
    rate: float | None
    low: float | None
    high: float | None
    band: str | None


@dataclass(frozen=True, slots=True)
class VariantTally:
    """One variant of a run: how it differs from its parent, and what it came to, in all and by domain."""

    id: str
    stage: str
    change: str
    parent: str | None
    factors: tuple[str, ...]
    tally: Tally
    domains: Mapping[str, DomainTally]
    phases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tallies:
    """All counts of a run: totals, variants in ladder or sending order, domains by name."""

    totals: Tally
    variants: tuple[VariantTally, ...]
    domains: tuple[DomainTally, ...]


def span(seconds: float) -> str:
    """Say a length of time as people do: 45 s, 15 min, 2 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
