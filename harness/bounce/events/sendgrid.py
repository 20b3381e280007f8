"""Twilio SendGrid: the event webhook.

Source: twilio.com/docs/sendgrid/for-developers/tracking-events/event.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, string, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "sendgrid"
_KINDS = {
    "delivered": Kind.DELIVERED,
    "bounce": Kind.BOUNCE,
    "blocked": Kind.BOUNCE,
    "deferred": Kind.DEFERRED,
    "dropped": Kind.SUPPRESSED,
    "spamreport": Kind.COMPLAINT,
}


def knows(event: Event) -> bool:
    """`sg_event_id` is on every event; `smtp-id` with `event` on old ones."""
    return "sg_event_id" in event or "sg_message_id" in event or ("smtp-id" in event and "event" in event)


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event. `reason` holds the reply of bounces and drops, `response` that of the others."""
    word = string(event.get("event"))
    kind = _KINDS.get(word, Kind.OTHER)
    text = event.get("reason") or event.get("response")
    type_ = string(event.get("type"))
    if kind is Kind.BOUNCE and type_ == "expired":
        kind = Kind.EXPIRED
    told = Told(
        NAME,
        kind,
        "/".join(part for part in (word, type_) if part),
        recipient=event.get("email"),
        text=text,
        enhanced=event.get("status") if kind is not Kind.OTHER else None,
        time=time_of(event.get("timestamp")),
        trial=token_in(event, event.get("unique_args"), event.get("custom_args")),
        message_id=event.get("smtp-id"),
        queue_id=event.get("sg_message_id"),
        settled=kind in (Kind.SUPPRESSED, Kind.COMPLAINT, Kind.OTHER, Kind.EXPIRED),
    )
    return (make(told, rules),)
