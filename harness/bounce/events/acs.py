"""Azure Communication Services: delivery reports through Event Grid.

Source: learn.microsoft.com/azure/event-grid/communication-services-email-events.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, other, string, table, time_of
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "acs"
_DELIVERY = "Microsoft.Communication.EmailDeliveryReportReceived"
_KINDS = {
    "delivered": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
    "bounced": Kind.BOUNCE,
    "failed": Kind.BOUNCE,
    "filteredspam": Kind.BOUNCE,
    "quarantined": Kind.BOUNCE,
    "suppressed": Kind.SUPPRESSED,
}


def knows(event: Event) -> bool:
    """Event Grid's own schema, or CloudEvents, of a communication service."""
    return string(event.get("eventType") or event.get("type")).startswith("Microsoft.Communication.")


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one delivery report."""
    data = table(event.get("data"))
    name = string(event.get("eventType") or event.get("type"))
    status = string(data.get("status"))
    details = table(data.get("deliveryStatusDetails"))
    when = time_of(data.get("deliveryAttemptTimeStamp")) or time_of(event.get("eventTime") or event.get("time"))
    message_id = data.get("internetMessageId")
    if name != _DELIVERY:
        word = name.rpartition(".")[2]
        return (other(NAME, word, rules, recipient=data.get("recipient"), time=when, message_id=message_id),)
    kind = _KINDS.get(status.lower(), Kind.OTHER)
    told = Told(
        NAME,
        kind,
        status,
        recipient=data.get("recipient"),
        text=details.get("statusMessage"),
        time=when,
        mta=details.get("recipientMailServerHostName"),
        message_id=message_id,
        queue_id=data.get("messageId"),
        settled=kind in (Kind.SUPPRESSED, Kind.OTHER),
    )
    return (make(told, rules),)
