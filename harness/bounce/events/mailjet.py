"""Mailjet: event webhooks.

Source: dev.mailjet.com/email/guides/webhooks. `blocked` events were never offered to the receiver.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, string, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "mailjet"
_KINDS = {"sent": Kind.DELIVERED, "bounce": Kind.BOUNCE, "blocked": Kind.SUPPRESSED, "spam": Kind.COMPLAINT}


def knows(event: Event) -> bool:
    """`mj_campaign_id` or the message's GUID beside `event`."""
    return "event" in event and any(
        key in event for key in ("mj_campaign_id", "Message_GUID", "mj_contact_id", "mj_list_id")
    )


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event; `comment` holds the reply of a bounce, `smtp_reply` that of a delivery."""
    word = string(event.get("event"))
    kind = _KINDS.get(word, Kind.OTHER)
    if kind is Kind.BOUNCE and event.get("hard_bounce") is False and not event.get("comment"):
        kind = Kind.DEFERRED
    custom = string(event.get("CustomID"))
    told = Told(
        NAME,
        kind,
        "/".join(part for part in (word, string(event.get("error_related_to")), string(event.get("error"))) if part),
        recipient=event.get("email"),
        text=event.get("comment") or event.get("smtp_reply") or event.get("error"),
        time=time_of(event.get("time")),
        trial=token_in(event.get("Payload")) or custom or None,
        queue_id=event.get("MessageID"),
        settled=kind in (Kind.SUPPRESSED, Kind.COMPLAINT, Kind.OTHER),
    )
    return (make(told, rules),)
