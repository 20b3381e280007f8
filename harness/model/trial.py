"""Trials: one variant sent once to one seed, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.answer import Evidence


class Phase(StrEnum):
    """Why a message is sent."""

    CONTROL = "control"
    REPRODUCE = "reproduce"
    LADDER = "ladder"
    SEARCH = "search"
    PROOF = "proof"
    SCOPE = "scope"
    RESTORE = "restore"  # production without the suspects
    CONTEXT = "context"  # a suspect alone back in the restored production, or alone on the control


class State(StrEnum):
    """How far a trial came; the journal's marks. It only ever moves forward."""

    PLANNED = "planned"
    SENDING = "sending"  # before MAIL
    CONTENT = "content"  # before the message bytes
    ANSWERED = "answered"  # a reply is recorded
    NOT_SENT = "not_sent"  # failed before the bytes, or found so after a crash
    UNKNOWN = "unknown"  # lost after the bytes


class Outcome(StrEnum):
    """What a trial came to (DESIGN section 5)."""

    PLANNED = "planned"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    PENDING = "pending"
    CENSORED = "censored"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Ask:
    """One message that the search wants sent: a closed set of factors to one seed.

    `values_of` names another seed (or profile) whose merge values the message wears. `arm` is
    "" or, within a proof, `child` or `parent:<factor id>`; `subject` names the set under proof, sorted.
    `block` numbers the shuffled block that interleaves it. `why` is the sentence that people read.
    """

    factors: frozenset[str]
    seed: str
    phase: Phase
    values_of: str | None = None
    arm: str = ""
    subject: tuple[str, ...] = ()
    block: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """An ask and what came of it, in sending order; all that search and judge know.

    `counted` says that the outcome is evidence about content: accepted, delivered or a refusal
    of a class that may be evidence. Censored, unknown, pending and unsent ones are not.
    `repetition` counts trials of the same (factors, seed, values_of) from 0; `at` is seconds since the run began.
    """

    ask: Ask
    outcome: Outcome
    cause: str = ""
    evidence: Evidence = Evidence.NONE
    tag: str | None = None
    repetition: int = 0
    at: float = 0.0
    number: int = 0

    @property
    def accepted(self) -> bool:
        """Accepted by the relay for Apple, or seen delivered."""
        return self.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED)

    @property
    def rejected(self) -> bool:
        """Refused with words that may be about the message."""
        return self.outcome is Outcome.REJECTED

    @property
    def counted(self) -> bool:
        """Part of the denominator."""
        return self.accepted or self.rejected
