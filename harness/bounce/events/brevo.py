"""Brevo (Sendinblue): transactional webhooks.

Source: developers.brevo.com/docs/transactional-webhooks.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, make, string, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "brevo"
_KINDS = {
    "delivered": Kind.DELIVERED,
    "hard_bounce": Kind.BOUNCE,
    "soft_bounce": Kind.DEFERRED,
    "deferred": Kind.DEFERRED,
    "blocked": Kind.SUPPRESSED,
    "error": Kind.SUPPRESSED,
    "invalid_email": Kind.SUPPRESSED,
    "invalid": Kind.SUPPRESSED,
    "spam": Kind.COMPLAINT,
    "complaint": Kind.COMPLAINT,
}


def knows(event: Event) -> bool:
    """`message-id` and `ts_event` beside `event`; nobody else writes them so."""
    return "event" in event and any(key in event for key in ("ts_event", "X-Mailin-custom", "ts_epoch"))


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event; `reason` holds the reply, a delivery tells none."""
    word = string(event.get("event"))
    kind = _KINDS.get(word.replace("Bounce", "_bounce").lower(), Kind.OTHER)
    told = Told(
        NAME,
        kind,
        word,
        recipient=event.get("email"),
        text=event.get("reason"),
        time=time_of(event.get("ts_event") or event.get("ts") or event.get("ts_epoch")),
        trial=token_in(event.get("X-Mailin-custom")) or _plain(event.get("X-Mailin-custom")),
        message_id=event.get("message-id"),
        settled=kind in (Kind.SUPPRESSED, Kind.COMPLAINT, Kind.OTHER),
    )
    return (make(told, rules),)


def _plain(value: object) -> str | None:
    """Take a custom header that is no JSON for the id itself."""
    text = string(value).strip()
    return text if text and text.replace("-", "").isalnum() else None
