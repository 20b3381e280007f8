"""Mailgun: webhooks and the events API.

Source: documentation.mailgun.com (events, webhooks), github.com/mailgun/documentation source/api-events.rst.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.bounce.events.event import Event, Told, header, make, string, table, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "mailgun"
# Reasons of `failed` events that Mailgun gives without having asked the receiver.
_SUPPRESSED = ("suppress-bounce", "suppress-complaint", "suppress-unsubscribe", "espblock-suppressed")


def knows(event: Event) -> bool:
    """A webhook's `event-data`, or an event of the API with its log level."""
    return "event-data" in event or ("log-level" in event and "event" in event)


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event; code, enhanced code and message are apart."""
    data = table(event.get("event-data")) or event
    word, severity, reason = (string(data.get(key)) for key in ("event", "severity", "reason"))
    status = table(data.get("delivery-status"))
    headers = table(data.get("message")).get("headers")
    kind = _kind(word, severity, reason)
    # 498 (no MX) and 600 to 699 (given up, on its own list) are Mailgun's codes; no receiver gave them.
    own = string(status.get("code")) in ("498", "499") or string(status.get("code")).startswith("6")
    told = Told(
        NAME,
        kind,
        "/".join(part for part in (word, severity, reason) if part),
        recipient=data.get("recipient"),
        text=status.get("message") or status.get("description") or reason,
        code=None if own else status.get("code"),
        enhanced=status.get("enhanced-code"),
        time=time_of(data.get("timestamp")),
        mta=status.get("mx-host"),
        trial=token_in(data.get("user-variables"), headers),
        message_id=header(headers, "message-id"),
        sender=table(data.get("envelope")).get("sender"),
        queue_id=data.get("id"),
        own_words=own,
        settled=kind in (Kind.SUPPRESSED, Kind.COMPLAINT, Kind.OTHER, Kind.EXPIRED),
    )
    return (make(told, rules),)


def _kind(word: str, severity: str, reason: str) -> Kind:
    if word in ("failed", "bounced", "dropped"):
        if reason in _SUPPRESSED:
            return Kind.SUPPRESSED
        if reason == "old":
            return Kind.EXPIRED
        return Kind.DEFERRED if severity == "temporary" else Kind.BOUNCE
    kinds = {"delivered": Kind.DELIVERED, "complained": Kind.COMPLAINT, "rejected": Kind.SUPPRESSED}
    return kinds.get(word, Kind.OTHER)
