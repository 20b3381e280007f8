"""Postmark: bounce, delivery and spam complaint webhooks, and the bounce API.

Source: postmarkapp.com/developer/webhooks/bounce-webhook, delivery-webhook, spam-complaint-webhook.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, string, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "postmark"
_RECORDS = ("Bounce", "Delivery", "SpamComplaint", "Open", "Click", "SubscriptionChange", "Inbound")
_TYPES = {
    "Transient": Kind.DEFERRED,
    "SoftBounce": Kind.DEFERRED,
    "DnsError": Kind.DEFERRED,
    "SpamComplaint": Kind.COMPLAINT,
    "ManuallyDeactivated": Kind.SUPPRESSED,
    "InboundError": Kind.OTHER,
    "AutoResponder": Kind.AUTO_REPLY,
    "AddressChange": Kind.AUTO_REPLY,
    "ChallengeVerification": Kind.OTHER,
    "OpenRelayTest": Kind.OTHER,
    "Subscribe": Kind.OTHER,
    "Unsubscribe": Kind.OTHER,
}


def knows(event: Event) -> bool:
    """`RecordType` is on every webhook; the bounce API leaves it out but has `TypeCode`."""
    return event.get("RecordType") in _RECORDS or ("TypeCode" in event and "BouncedAt" in event)


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event; `Details` holds the reply."""
    record, type_ = string(event.get("RecordType")) or "Bounce", string(event.get("Type"))
    kind = _kind(record, type_)
    told = Told(
        NAME,
        kind,
        "/".join(part for part in (record, type_) if part),
        recipient=event.get("Email") or event.get("Recipient"),
        text=event.get("Details") or (event.get("Description") if record == "Bounce" else None),
        time=time_of(
            event.get("BouncedAt") or event.get("DeliveredAt") or event.get("ReceivedAt") or event.get("ChangedAt")
        ),
        trial=token_in(event.get("Metadata")),
        queue_id=event.get("MessageID"),
        settled=kind not in (Kind.BOUNCE, Kind.DEFERRED, Kind.DELIVERED),
    )
    return (make(told, rules),)


def _kind(record: str, type_: str) -> Kind:
    if record == "Bounce":
        return _TYPES.get(type_, Kind.BOUNCE)
    return {"Delivery": Kind.DELIVERED, "SpamComplaint": Kind.COMPLAINT}.get(record, Kind.OTHER)
