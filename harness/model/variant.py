"""Variants: a campaign with a set of factors in production, and the message that it makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from harness.model.factor import Stage

CONTROL = "control"
PRODUCTION = "production"


def variant_id(factors: frozenset[str], everything: frozenset[str]) -> str:
    """Name a set of factors: `control`, `production`, or ten hex digits of its content."""
    if not factors:
        return CONTROL
    if factors == everything:
        return PRODUCTION
    return "v" + hashlib.sha256("\n".join(sorted(factors)).encode()).hexdigest()[:9]


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder: a variant and the single change from its parent."""

    variant: str
    parent: str | None
    stage: Stage
    change: str  # "+link:https://…", "" for the control
    factors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one trial's message from another's; every field has one shape and length.

    `token` goes into the VERP envelope sender and, with the campaign's domain, the Message-ID;
    `date` is an RFC 5322 date-time, always with a two digit day.
    """

    token: str
    date: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Message:
    """Final bytes (CRLF, ready for DATA, dots not stuffed) with their envelope."""

    envelope_sender: str
    recipient: str
    message_id: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the final bytes."""
        return hashlib.sha256(self.content).hexdigest()
