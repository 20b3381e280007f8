"""KumoMTA: log records, from its log files or its webhooks.

Source: docs.kumomta.com/reference/log_record.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, header, items, make, string, table, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind
from harness.model.reply import Step

NAME = "kumomta"
_KINDS = {
    "Delivery": Kind.DELIVERED,
    "Bounce": Kind.BOUNCE,
    "AdminBounce": Kind.SUPPRESSED,
    "OOB": Kind.BOUNCE,
    "Expiration": Kind.EXPIRED,
    "TransientFailure": Kind.DEFERRED,
    "Feedback": Kind.COMPLAINT,
    "Rejection": Kind.SUPPRESSED,
}
STEPS = {
    ".": Step.CONTENT,
    "DATA": Step.DATA,
    "MAIL": Step.MAIL,
    "RCPT": Step.RCPT,
    "EHLO": Step.HELO,
    "HELO": Step.HELO,
}


def knows(event: Event) -> bool:
    """A log record: `type`, and the reply as a table."""
    return "type" in event and isinstance(event.get("response"), dict) and ("queue" in event or "recipient" in event)


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one record; code, enhanced code and words are apart."""
    word = string(event.get("type"))
    kind = _KINDS.get(word, Kind.OTHER)
    reply = table(event.get("response"))
    enhanced = table(reply.get("enhanced_code"))
    recipient = event.get("recipient")
    if isinstance(recipient, list):
        recipient = items(recipient)[0] if recipient else None
    told = Told(
        NAME,
        kind,
        word,
        recipient=recipient,
        text=reply.get("content"),
        code=reply.get("code"),
        enhanced=".".join(string(enhanced.get(key)) for key in ("class", "subject", "detail")) if enhanced else None,
        time=time_of(event.get("event_time")) or time_of(event.get("timestamp")),
        mta=table(event.get("peer_address")).get("name"),
        trial=token_in(event.get("meta"), event.get("headers")),
        message_id=header(event.get("headers"), "message-id"),
        sender=event.get("sender"),
        queue_id=event.get("id"),
        own_words=string(reply.get("content")).startswith("KumoMTA internal"),
        settled=kind in (Kind.SUPPRESSED, Kind.COMPLAINT, Kind.OTHER, Kind.EXPIRED),
    )
    return (make(told, rules),)
