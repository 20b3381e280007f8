"""Answers: one record for a session reply, a DSN and a provider event, read and classed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from harness.model.reply import Step


class Kind(StrEnum):
    """What an answer is of its message."""

    BOUNCE = "bounce"  # a permanent refusal; for a DSN mail whatever its action
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    SUPPRESSED = "suppressed"  # the provider never offered it to the receiver
    EXPIRED = "expired"
    AUTO_REPLY = "auto_reply"
    COMPLAINT = "complaint"
    MDN = "mdn"
    OTHER = "other"


class Source(StrEnum):
    """Where an answer came from."""

    SESSION = "session"
    DSN = "dsn"
    EVENT = "event"


class Level(StrEnum):
    """Whom a reply is about; it decides what a refusal may prove."""

    MESSAGE = "message"
    MESSAGE_OR_SENDER = "message_or_sender"
    AMBIGUOUS = "ambiguous"
    SENDER = "sender"
    INFRASTRUCTURE = "infrastructure"
    RECIPIENT = "recipient"
    TRANSPORT = "transport"
    NONE = "none"


class Evidence(StrEnum):
    """What a refusal of this class may show of the message."""

    STRONG = "strong"  # message level by itself
    CONDITIONAL = "conditional"  # only while an interleaved control is accepted
    NONE = "none"  # never; out of the denominator


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of one reply say, by the ordered rules of the catalogue.

    `cause` is our class (`content_policy`), `rule` the id of the rule that decided; `permanent`
    is None where nothing failed. `tag` is the provider's bracket tag, word for word.
    """

    code: int | None
    enhanced: str | None
    tag: str | None
    text: str  # whole, white space folded
    cause: str
    level: Level
    evidence: Evidence
    permanent: bool | None
    rule: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back about one message to one recipient.

    `trial` is our token as it came back (VERP, metadata, header, Message-ID); the ids beside it
    are for matching when it did not. `time` is UTC. `from_receiver` is False where relay or
    provider wrote the words. `raw` says where the bytes lie (file name, mailbox UID, row).
    """

    kind: Kind
    source: Source
    reading: Reading
    recipient: str | None = None
    original_recipient: str | None = None
    action: str | None = None
    step: Step | None = None
    time: datetime | None = None
    remote_mta: str | None = None
    provider: str | None = None
    provider_word: str | None = None
    from_receiver: bool | None = None
    trial: str | None = None
    envelope_recipient: str | None = None  # the address that the report itself was sent to (VERP)
    envelope_id: str | None = None
    message_id: str | None = None  # of the original message, without angle brackets
    queue_id: str | None = None
    sent_more_than_once: bool = False  # the relay says that copies may have gone out: unknown
    raw: str | None = None
