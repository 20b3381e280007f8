"""What every provider's reader is made of: one raw event in, answers out, decided by the SMTP reply inside.

A provider's own word (`blocked`, `soft`, `Transient`) is kept and shown, and decides only where no reply
is told: the same Apple reply is soft at one provider and hard at the next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from harness.bounce.dsnfields import untyped
from harness.bounce.reply import fold, read_reply
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind, Level, Reading, Source

Event = Mapping[str, Any]

_LONGEST = 1000
_RETEST_ID = ("retest_id", "retest-id", "x-retest-id", "retestid")
_VERP = re.compile(r"[^@\s]*\+([^@\s+]{1,200})@")
_FRACTION = re.compile(r"\.(\d{1,9})\d*")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_SUCCESS = re.compile(r"(?:sent|ok|no error\.?|success(?:ful(?:ly)?)?|delivered)?[\s.]*(?:\((.*)\))?", re.IGNORECASE)
_NO_CAUSE = {
    Kind.DELIVERED: "accepted",
    Kind.COMPLAINT: "complaint",
    Kind.EXPIRED: "expired",
    Kind.DEFERRED: "temporary_other",
}
PERMANENT = {Kind.BOUNCE: True, Kind.SUPPRESSED: True, Kind.DEFERRED: False, Kind.EXPIRED: True}


class Reader(Protocol):
    """One provider: tells its events from others' by their shape, and reads one."""

    NAME: str

    def knows(self, event: Event) -> bool:
        """Tell whether an event has this provider's shape."""
        ...

    def read(self, event: Event, rules: Rules) -> Iterable[Answer]:
        """Read one event; any event of the provider gives at least one answer."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What one event says, as the provider's fields have it; `make` turns it into an answer."""

    provider: str
    kind: Kind  # by the provider's word
    word: str
    recipient: object = None
    text: object = None
    code: object = None
    enhanced: object = None
    time: datetime | None = None
    mta: object = None
    trial: str | None = None
    message_id: object = None
    sender: object = None  # the envelope sender, perhaps with our token
    queue_id: object = None
    envelope_id: object = None
    action: str | None = None  # where the provider has the field of RFC 3464
    original: object = None
    own_words: bool = False  # the provider wrote the text, though it may look like a reply
    settled: bool = False  # the word decides, whatever the reply says (suppressed, expired, complaint, other)


def make(told: Told, rules: Rules) -> Answer:
    """Turn what an event says into an answer; the reply's code decides between bounce, deferral and delivery."""
    text = untyped(fold(string(told.text)))
    reading = read_reply(
        _reply_in(text, told.kind), code=code_of(told.code), enhanced=enhanced_of(told.enhanced), rules=rules
    )
    answered = reading.code is not None or reading.enhanced is not None
    kind = told.kind if told.settled or not answered else _by_reply(reading, told.kind)
    if not answered or kind in (Kind.COMPLAINT, Kind.OTHER) or (kind is Kind.DELIVERED and reading.cause == "unknown"):
        reading = _by_word(reading, kind, rules)
    sender, message_id = line(told.sender), line(told.message_id).strip(" <>")
    return Answer(
        kind=kind,
        source=Source.EVENT,
        reading=replace(reading, text=text),
        recipient=line(told.recipient).strip(" <>").lower() or None,
        original_recipient=line(told.original).strip(" <>").lower() or None,
        action=told.action,
        time=told.time,
        remote_mta=line(told.mta).partition(" ")[0].rstrip(".").lower() or None,
        provider=told.provider,
        provider_word=line(told.word) or None,
        from_receiver=_from_receiver(kind, answered and not told.own_words, bool(text)),
        trial=line(told.trial) or token_of(sender, message_id),
        envelope_recipient=sender or None,
        envelope_id=line(told.envelope_id) or None,
        message_id=message_id or None,
        queue_id=line(told.queue_id) or None,
    )


def _reply_in(text: str, kind: Kind) -> str:
    """Return the reply that some write in brackets: `sent (250 2.0.0 Ok)`."""
    wrapped = _SUCCESS.fullmatch(text) if kind is Kind.DELIVERED else None
    return wrapped[1] if wrapped and wrapped[1] else text


def _from_receiver(kind: Kind, answered: bool, worded: bool) -> bool | None:
    """Tell whose words these are; None where there are none."""
    if kind in (Kind.SUPPRESSED, Kind.EXPIRED):
        return False
    if kind in (Kind.COMPLAINT, Kind.OTHER):
        return False if worded else None
    return answered if answered or worded else None


def _by_reply(reading: Reading, fallback: Kind) -> Kind:
    digit = str(reading.code)[0] if reading.code else (reading.enhanced or "")[:1]
    if fallback is Kind.DEFERRED and digit == "5" and not reading.code:
        return fallback
    return {"2": Kind.DELIVERED, "4": Kind.DEFERRED, "5": Kind.BOUNCE}.get(digit, fallback)


def _by_word(reading: Reading, kind: Kind, rules: Rules) -> Reading:
    """Read an event that tells no reply: its text may still name the cause, else its kind is all there is."""
    name = _NO_CAUSE.get(kind, "unknown" if kind is Kind.OTHER else reading.cause)
    cause = rules.causes[name]
    permanent = PERMANENT.get(kind)
    if name == reading.cause and name != "unknown":
        return replace(reading, permanent=permanent)
    level = Level.NONE if kind in (Kind.OTHER, Kind.COMPLAINT) else cause.level
    return replace(
        reading, cause=name, level=level, evidence=cause.evidence, permanent=permanent, rule=f"event-{kind.value}"
    )


def line(value: object) -> str:
    """Return a value as one line of bearable length, "" for what is none."""
    return " ".join(string(value)[:_LONGEST].split())


def string(value: object) -> str:
    """Return a value as text, "" for what is none."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def table(value: object) -> Event:
    """Return a value as a table; a text may hold one as JSON, anything else is an empty one."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value[:1] == "{":
        try:
            found = json.loads(value[:65536])
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def items(value: object) -> list[Any]:
    """Return a value as a list."""
    return value if isinstance(value, list) else []


def code_of(value: object) -> int | None:
    """Return a reply code that stands in a field of its own."""
    text = string(value).strip()
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() and text[0] in "245" else None


def enhanced_of(value: object) -> str | None:
    """Return an enhanced status that stands in a field of its own."""
    text = string(value).strip().partition(" ")[0]
    return text if _ENHANCED.fullmatch(text) else None


def time_of(value: object) -> datetime | None:
    """Read a time: seconds or milliseconds since 1970, or an ISO 8601 text; UTC where none says otherwise."""
    text = string(value).strip()
    try:
        number = float(text)
    except ValueError:
        return _iso(text)
    if not 0 < number < 1e14:
        return None
    return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)


def _iso(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(_FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text[:64]))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def token_in(*places: object) -> str | None:
    """Find our id in metadata, custom fields or headers."""
    for place in places:
        found = table(place)
        for key, value in found.items():
            if isinstance(key, str) and key.lower() in _RETEST_ID:
                if isinstance(value, list):
                    value = value[0] if value else ""
                if string(value).strip():
                    return string(value).strip()
    return None


def token_of(sender: str, message_id: str) -> str | None:
    """Find our id in the envelope sender's VERP part, else in the Message-ID."""
    verp = _VERP.match(sender.strip(" <>")[:400])
    if verp:
        return verp[1]
    local, at, _ = message_id.strip(" <>")[:400].rpartition("@")
    return local if at and local else None


def header(headers: object, name: str) -> str:
    """Return a header from a table, or from a list of name and value."""
    if isinstance(headers, Mapping):
        for key, value in headers.items():
            if isinstance(key, str) and key.lower() == name:
                return string(value if not isinstance(value, list) else (value[0] if value else ""))
    for item in items(headers):
        if isinstance(item, Mapping) and string(item.get("name")).lower() == name:
            return string(item.get("value"))
    return ""


def other(provider: str, word: str, rules: Rules, **known: Any) -> Answer:
    """Make the answer of an event that says nothing of delivery: an open, a click, a subscription."""
    return make(Told(provider, Kind.OTHER, word, settled=True, **known), rules)


def each(values: Iterable[Told], rules: Rules) -> Iterator[Answer]:
    """Make an answer of each."""
    for told in values:
        yield make(told, rules)
