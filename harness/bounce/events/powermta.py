"""PowerMTA: accounting files, each row a delivery, a bounce or a deferral.

Source: the PowerMTA user's guide, "Accounting records". The header line names the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, string, time_of
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "powermta"
# d delivered, b bounced, t transient, tq too, rb remote bounce (a DSN that came later), f feedback loop.
_KINDS = {
    "d": Kind.DELIVERED,
    "b": Kind.BOUNCE,
    "rb": Kind.BOUNCE,
    "rs": Kind.BOUNCE,
    "t": Kind.DEFERRED,
    "tq": Kind.DEFERRED,
    "f": Kind.COMPLAINT,
}
_ZONE = re.compile(r"([+-]\d\d)(\d\d)$")


def knows(event: Event) -> bool:
    """The columns that every accounting file has."""
    return (
        "type" in event and "rcpt" in event and ("dsnStatus" in event or "timeLogged" in event or "dsnAction" in event)
    )


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one row."""
    word, category = string(event.get("type")), string(event.get("bounceCat"))
    kind = _KINDS.get(word, Kind.OTHER)
    text = string(event.get("dsnDiag"))
    status, _, comment = string(event.get("dsnStatus")).partition(" ")
    if kind is Kind.BOUNCE and (category == "message-expired" or (status[1:] == ".4.7" and not text)):
        kind = Kind.EXPIRED
    headers = {key[7:].lower(): value for key, value in event.items() if key.startswith("header_")}
    told = Told(
        NAME,
        kind,
        "/".join(part for part in (word, category) if part),
        recipient=event.get("rcpt"),
        original=string(event.get("orcpt")).rpartition(";")[2],
        text=text or comment.strip("() "),
        enhanced=None if text else status,
        time=time_of(_ZONE.sub(r"\1:\2", string(event.get("timeLogged")).strip())),
        mta=event.get("dsnMta"),
        trial=string(headers.get("x-retest-id")) or None,
        message_id=headers.get("message-id"),
        sender=event.get("orig"),
        envelope_id=event.get("envId"),
        action=string(event.get("dsnAction")).lower() or None,
        own_words=text.lower().startswith("x-"),
        settled=kind in (Kind.COMPLAINT, Kind.OTHER, Kind.EXPIRED),
    )
    return (make(told, rules),)
