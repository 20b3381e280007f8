"""The envelope on the wire: MAIL and RCPT with the parameters that the relay offers and the message needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.variant import Message

_PROHIBITED = re.compile(r"[\x00-\x20<>\x7f]")


class EnvelopeError(Exception):
    """The relay can't carry this message as it is."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The two commands of an envelope."""

    mail: bytes
    rcpt: bytes


def xtext(text: str) -> str:
    """Encode a parameter's value (RFC 3461 section 4): `+`, `=` and all that is not printable ASCII as +XX."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else "".join(f"+{b:02X}" for b in c.encode()) for c in text)


def commands(
    message: Message, offered: Mapping[str, str], *, dsn: bool, notify: str, envelope_id: str | None
) -> Commands:
    """Write MAIL and RCPT for one message.

    Args:
        message: final bytes with their envelope.
        offered: EHLO keywords in lower case, each with its parameters.
        dsn: ask for delivery reports where the relay offers that.
        notify: when to report, such as `SUCCESS,FAILURE,DELAY`.
        envelope_id: comes back in reports as Original-Envelope-Id.

    Raises:
        EnvelopeError: an address can't stand in an envelope, or the relay lacks what the message needs.
    """
    sender, recipient = message.envelope_sender, message.recipient
    mail, rcpt = [], []
    if "size" in offered:
        mail.append(f"SIZE={len(message.content)}")
    if not message.content.isascii():
        _need(offered, "8bitmime", "the message holds bytes above 127")
        mail.append("BODY=8BITMIME")
    head = message.content.partition(b"\r\n\r\n")[0]
    if not (sender.isascii() and recipient.isascii() and head.isascii()):
        _need(offered, "smtputf8", "an address or header is not ASCII")
        mail.append("SMTPUTF8")
    if dsn and "dsn" in offered:
        mail.append("RET=HDRS")
        if envelope_id:
            mail.append(f"ENVID={xtext(envelope_id)}")
        rcpt.append(f"NOTIFY={notify}")
        rcpt.append(f"ORCPT={_original(recipient)}")
    return Commands(_line("MAIL FROM", sender, mail), _line("RCPT TO", recipient, rcpt))


def _original(recipient: str) -> str:
    # RFC 6533 section 3 has utf-8-addr-xtext for addresses that are not ASCII.
    if recipient.isascii():
        return f"rfc822;{xtext(recipient)}"
    escaped = "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in recipient)
    return f"utf-8;{xtext(escaped)}"


def _line(verb: str, address: str, parameters: list[str]) -> bytes:
    if _PROHIBITED.search(address):
        raise EnvelopeError(f"{address!r} can't stand in an envelope")
    return " ".join([f"{verb}:<{address}>", *parameters]).encode()


def _need(offered: Mapping[str, str], keyword: str, why: str) -> None:
    if keyword not in offered:
        raise EnvelopeError(f"{why}, and the relay does not offer {keyword.upper()}")


# How relays name the message that they took, the more telling first. Each row: pattern, an answer seen in the wild.
QUEUE_IDS = (
    (re.compile(r"queued as ([A-Za-z0-9._/-]{4,80})", re.I), "2.0.0 Ok: queued as 4ABCDEF012"),
    (re.compile(r"\bInternalId=(\d{4,40})"), "2.6.0 <a@shop.example> [InternalId=123456, Hostname=x] Queued mail"),
    (re.compile(r"\bids?[=:]\s*<?([A-Za-z0-9._@/-]{4,100})", re.I), "OK id=1rAbCd-0000xY-1z"),
    (re.compile(r"\bqp (\d{3,12})\b"), "ok 1700000000 qp 12345"),
    (
        re.compile(r"\b([A-Za-z0-9]{10,20}) Message accepted for delivery", re.I),
        "2.0.0 3AKC1xyz012345 Message accepted for delivery",
    ),
    (re.compile(r"^(?:2\.\d\.\d )?Ok:? ([0-9A-Za-z][0-9A-Za-z._-]{15,100})$", re.I), "Ok 0100018c0ffee123-abcd-000000"),
    (re.compile(r"^(?:2\.\d\.\d )?OK ([0-9A-F]{2}/[0-9A-F-]{8,60})", re.I), "2.0.0 OK 48/00-12345-ABCDEF65"),
)


def queue_id(text: str) -> str | None:
    """Find the relay's own id of a message in its final reply."""
    folded = " ".join(text.split())[:1000]
    for pattern, _ in QUEUE_IDS:
        found = pattern.search(folded)
        if found:
            return found[1].rstrip(".")
    return None
