"""Findings: what triage has to say of an export, as small frozen values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.triage.lift import Contrast

# Classes about the recipient or the way there; every other bounce is about the sender or the message.
OF_RECIPIENT = frozenset({
    "unknown_user", "inactive_user", "mailbox_full", "recipient_refused", "bad_domain", "suppressed",
    "network_error", "server_error", "temporary_other", "expired",
})  # fmt: skip
OF_SENDER = frozenset({
    "reputation", "auth_failure", "dmarc_failure", "sender_rejected", "sending_behaviour", "ip_blocklist",
    "reverse_dns",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Denominator:
    """One Apple domain, or all of them: what became of what was sent there.

    `reasons` maps (class, tag, how: bounced or deferred) to rows. `failed` are the refusals that are looked into: those
    that may be about content, unless others were asked for.
    """

    domain: str
    sent: int
    delivered: int
    bounced: int
    deferred: int
    suppressed: int
    failed: int
    reasons: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """All that was refused for what sender or message are, looked into or not."""
        return self.bounced - self.bounced_for(OF_RECIPIENT)

    def bounced_for(self, causes: Collection[str]) -> int:
        """Count the bounces of some classes."""
        return sum(n for (cause, _, how), n in self.reasons.items() if cause in causes and how == "bounced")


NOT_MERGED = "(not in the merge file)"  # the value of a merged field in rows that the merge file does not have


@dataclass(frozen=True, slots=True)
class Condition:
    """One field having one value; `value` is "" where the row has none."""

    field: str
    title: str
    value: str

    @property
    def words(self) -> str:
        """How people read it."""
        return f"{self.title}: {self.value or '(empty)'}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One value, or a pair of them, that failures have in common when all found before it are taken out.

    `q` is the p after correction for everything that was looked at. `same` are values that the very same
    rows have (they can't be told apart), `shadows` values that stood out only because of this one. `about`
    says that the numbers of rows come from a sample.
    """

    conditions: tuple[Condition, ...]
    contrast: Contrast
    p: float
    q: float
    left: int  # failures without it and all found before it
    left_rate: float
    same: tuple[Condition, ...] = ()
    shadows: tuple[Condition, ...] = ()
    about: bool = False

    @property
    def words(self) -> str:
        """How people read it."""
        return " and ".join(condition.words for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Standout:
    """One value that stands out by itself, before causes are told from their shadows."""

    condition: Condition
    contrast: Contrast
    p: float
    q: float


@dataclass(frozen=True, slots=True)
class FieldReport:
    """What one field says. `says` is "nothing" where no value of it stands out."""

    name: str
    title: str
    values: int
    looked_at: int
    says: str
    best: Standout | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What was merged for one failed recipient; the address is a keyed hash."""

    name: str
    merge: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Advice:
    """A pattern that the findings fit, and what to do."""

    pattern: str
    why: str
    do: str


@dataclass(frozen=True, slots=True)
class Result:
    """All that triage found."""

    files: tuple[str, ...]
    product: str | None
    target: str  # which refusals count as failed, in words
    total: Denominator
    domains: tuple[Denominator, ...]
    causes: tuple[Cause, ...]
    standouts: tuple[Standout, ...]
    fields: tuple[FieldReport, ...]
    looked_at: int
    tested: int
    rate: float  # the false discovery rate that was held
    advice: tuple[Advice, ...] = ()
    profiles: tuple[Profile, ...] = ()
    replies: tuple[tuple[str, str, int], ...] = ()  # class, folded text, rows
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()  # the classes and tags that were asked for; none: what may be about content
    sampled: int = 1  # one in so many delivered rows was looked at for causes and pairs

    @property
    def about(self) -> str:
        """Say whom the refusals that are looked into are about: content, sender or recipient."""
        classes = {cause for cause, tag, _ in self.total.reasons if {cause, tag} & set(self.asked)}
        if classes and classes <= OF_RECIPIENT:
            return "recipient"
        return "sender" if classes and classes <= OF_SENDER else "content"

    @property
    def explained(self) -> float:
        """Share of the refusals that would not have been without all causes, each at its others' rate."""
        return min(1.0, sum(cause.contrast.explained for cause in self.causes))
