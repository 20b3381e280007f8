"""Amazon SES: event publishing and feedback notifications, as SNS, SQS, EventBridge or a file deliver them.

Source: docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html and
notification-contents.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.bounce.events.event import Event, Told, each, header, items, other, string, table, time_of, token_in
from harness.bounce.rule import Rules
from harness.model.answer import Answer, Kind

NAME = "ses"
# Sub types of a bounce that SES made up itself, out of its own list, without asking the receiver.
_SUPPRESSED = ("suppressed", "onaccountsuppressionlist", "unsubscribedrecipient")
_RECIPIENTS = {"complaint": "complainedRecipients", "deliverydelay": "delayedRecipients", "bounce": "bouncedRecipients"}


def knows(event: Event) -> bool:
    """The `mail` object beside an event or notification type, or an SNS envelope."""
    if "mail" in event and ("eventType" in event or "notificationType" in event):
        return True
    if string(event.get("source")) == "aws.ses" or (event.get("EventSource") == "aws:sns" and "Sns" in event):
        return True
    return "TopicArn" in event and "Type" in event


def read(event: Event, rules: Rules) -> Iterable[Answer]:
    """Read one event, in its SNS or EventBridge envelope or bare."""
    inner = _unwrap(event)
    mail = table(inner.get("mail"))
    if "mail" not in inner:
        return (
            other(
                NAME, string(event.get("Type") or event.get("detail-type")), rules, time=time_of(event.get("Timestamp"))
            ),
        )
    word = string(inner.get("eventType") or inner.get("notificationType"))
    return each(_told(inner, mail, word), rules)


def _unwrap(event: Event) -> Event:
    for _ in range(3):
        if "Sns" in event:
            event = table(event["Sns"])
        elif "Message" in event and "mail" not in event:
            event = table(event["Message"])
        elif "detail" in event and "mail" not in event:
            event = table(event["detail"])
    return event


def _told(event: Event, mail: Event, word: str) -> Iterator[Told]:
    low = word.replace(" ", "").lower()
    body = table(event.get({"deliverydelay": "deliveryDelay", "renderingfailure": "failure"}.get(low, low)))
    rows = items(body.get(_RECIPIENTS.get(low, "")))
    if not rows:
        rows = items(body.get("recipients")) or items(mail.get("destination")) or [""]
    for row in rows:
        fields = table(row)
        kind, settled = _kind(low, body)
        sub = string(body.get("bounceSubType") or body.get("delayType") or body.get("complaintSubType"))
        type_ = string(body.get("bounceType") or body.get("complaintFeedbackType"))
        yield Told(
            NAME,
            kind,
            "/".join(part for part in (word, type_, sub) if part),
            recipient=fields.get("emailAddress") if fields else row,
            text=fields.get("diagnosticCode")
            or body.get("smtpResponse")
            or body.get("reason")
            or body.get("errorMessage"),
            enhanced=None if fields.get("diagnosticCode") else fields.get("status"),
            action=_action(fields),
            time=time_of(body.get("timestamp")) or time_of(mail.get("timestamp")),
            mta=body.get("remoteMtaIp"),
            trial=token_in(mail.get("tags")) or header(mail.get("headers"), "x-retest-id") or None,
            message_id=table(mail.get("commonHeaders")).get("messageId") or header(mail.get("headers"), "message-id"),
            sender=mail.get("source"),
            queue_id=mail.get("messageId"),
            settled=settled,
        )


def _action(fields: Event) -> str | None:
    action = string(fields.get("action")).lower()
    return action if action in ("failed", "delayed", "delivered", "relayed", "expanded") else None


def _kind(word: str, body: Event) -> tuple[Kind, bool]:
    """Return the kind by SES's own words, and whether they settle it."""
    if word == "bounce":
        if string(body.get("bounceSubType")).lower() in _SUPPRESSED:
            return Kind.SUPPRESSED, True
        return (Kind.DEFERRED if string(body.get("bounceType")).lower() == "transient" else Kind.BOUNCE), False
    if word == "reject":
        return Kind.SUPPRESSED, True
    plain = {"delivery": Kind.DELIVERED, "deliverydelay": Kind.DEFERRED, "complaint": Kind.COMPLAINT}
    return plain.get(word, Kind.OTHER), word not in ("delivery", "deliverydelay")
