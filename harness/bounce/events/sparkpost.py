"""SparkPost (Bird): webhooks and the events API.

Source: developers.sparkpost.com/api/webhooks and /api/events; bounce classes: support.sparkpost.com.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, other, string, table, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "sparkpost"
_KINDS = {
    "delivery": Kind.DELIVERED,
    "bounce": Kind.BOUNCE,
    "out_of_band": Kind.BOUNCE,
    "delay": Kind.DEFERRED,
    "policy_rejection": Kind.SUPPRESSED,
    "generation_rejection": Kind.SUPPRESSED,
    "generation_failure": Kind.SUPPRESSED,
    "spam_complaint": Kind.COMPLAINT,
}


def knows(event: Event) -> bool:
    """Webhooks wrap in `msys`; the events API has the customer's id beside the type."""
    return "msys" in event or ("customer_id" in event and "type" in event and "event_id" in event)


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event; `raw_reason` is verbatim, `reason` shortened and masked."""
    body = _body(event)
    word = string(body.get("type"))
    kind = _KINDS.get(word, Kind.OTHER)
    text = string(body.get("raw_reason") or body.get("reason"))
    internal = "[internal]" in text  # SparkPost's mark on replies that no receiver gave
    if internal and kind is Kind.BOUNCE and ("max time" in text or "5.4.7" in text):
        kind = Kind.EXPIRED
    if not body:
        return (other(NAME, "ping", rules),)
    told = Told(
        NAME,
        kind,
        "/".join(part for part in (word, string(body.get("bounce_class"))) if part),
        recipient=body.get("raw_rcpt_to") or body.get("rcpt_to"),
        text=text,
        code=body.get("error_code") if kind is not Kind.SUPPRESSED else None,
        time=time_of(body.get("timestamp")),
        mta=body.get("remote_addr") or body.get("ip_address"),
        trial=token_in(body.get("rcpt_meta")),
        sender=body.get("msg_from"),
        queue_id=body.get("message_id"),
        own_words=internal,
        settled=kind in (Kind.SUPPRESSED, Kind.COMPLAINT, Kind.OTHER, Kind.EXPIRED),
    )
    return (make(told, rules),)


def _body(event: Event) -> Event:
    if "msys" not in event:
        return event
    return next((table(group) for group in table(event["msys"]).values() if isinstance(group, dict)), {})
