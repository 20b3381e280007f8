"""Delivery status fields (RFC 3464, RFC 6533): what a report says of each recipient, field by field.

Real ones leave out blank lines, put fields in any order, invent actions and address types. This module
reads the fields and judges nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Field names, and that a line may continue on the next (RFC 3464 section 2.1). Some write a blank before the colon.
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,40})[ \t]*:[ \t]*(.*)")
_OF_REPORT = frozenset(
    (
        "reporting-mta",
        "original-envelope-id",
        "dsn-gateway",
        "received-from-mta",
        "arrival-date",
        "x-postfix-queue-id",
        "x-original-message-id",
    )
)
_OF_RECIPIENT = frozenset(
    (
        *("final-recipient", "original-recipient", "action", "status", "remote-mta", "diagnostic-code"),
        *("last-attempt-date", "final-log-id", "will-retry-until", "x-actual-recipient", "x-display-name"),
        *("x-supplementary-info", "localized-error-description"),
    )
)
_ADDRESS = re.compile(
    r"<?((?:\"[^\"]{1,64}\"|[^\s<>()\[\],;:\"@（）：，。；、「」]{1,128})@[^\s<>()\[\],;:\"@（）：，。；、「」]{1,255})>?"
)
_REPLY = re.compile(r"[245]\d\d[ -]")
_UTF8 = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_TYPE = re.compile(r"[A-Za-z][\w/.-]{0,30}\s*;\s*")
# What mailers write where RFC 3464 section 2.3.3 knows five words.
_ACTIONS = {
    "failure": "failed",
    "fail": "failed",
    "expired": "failed",
    "deferred": "delayed",
    "delay": "delayed",
    "deliverable": "delivered",
    "success": "delivered",
    "hard": "failed",
}
_MAX_VALUE = 20000
_MAX_RECIPIENTS = 5000
ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")


@dataclass(slots=True)
class Said:
    """What a report says about one recipient; everything but the recipient may be missing."""

    recipient: str = ""
    original: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote: str = ""
    when: str = ""
    extra: str = ""  # words beside the diagnostic: a status comment, Exchange's supplementary field


@dataclass(slots=True)
class Status:
    """A whole report: its own fields, and each recipient's."""

    fields: dict[str, str]
    recipients: list[Said]


def address_of(value: str) -> str:
    """Return the address in a field, lower case, its type and brackets taken off; "" if there is none."""
    if "\\x{" in value:  # utf-8-addr-xtext (RFC 6533 section 3)
        value = _UTF8.sub(lambda match: _char(match[1]), value)
    found = _ADDRESS.search(value)
    return found[1].lower().strip("'.") if found else ""


def _char(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def untyped(value: str) -> str:
    """Take the `smtp;` or `dns;` off a field."""
    found = _TYPE.match(value)
    return value[found.end() :] if found else value


def read_status(text: str) -> Status:
    """Read the fields of a delivery-status part, or of a text that has them in it."""
    report: dict[str, str] = {}
    groups: list[dict[str, str]] = []
    group: dict[str, str] = {}
    fresh = True
    last: tuple[dict[str, str], str] | None = None
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and line.strip():
            if last and len(last[0][last[1]]) < _MAX_VALUE:
                last[0][last[1]] += " " + line.strip()
            continue
        if not line.strip():
            fresh, last = True, None
            continue
        found = _FIELD.match(line)
        name = found[1].lower() if found else ""
        if not found or (name not in _OF_REPORT and name not in _OF_RECIPIENT):
            last = None
            continue
        if name in _OF_REPORT:
            report.setdefault(name, found[2].strip())
            last = (report, name)
            continue
        if name in group or (fresh and group and _complete(group)):
            groups.append(group)
            group = {}
        fresh = False
        group[name] = found[2].strip()
        last = (group, name)
    groups.append(group)
    said = (_said(one) for one in groups[:_MAX_RECIPIENTS])
    return Status(
        report, list({(one.recipient, one.action, one.diagnostic): one for one in said if one.recipient}.values())
    )


def _complete(group: dict[str, str]) -> bool:
    """A blank line ends a recipient's fields only once it has been named and something said of it."""
    return ("final-recipient" in group or "original-recipient" in group) and len(group) > 1


def _said(group: dict[str, str]) -> Said:
    final, original = group.get("final-recipient", ""), group.get("original-recipient", "")
    status, _, comment = group.get("status", "").partition(" ")
    diagnostic = untyped(group.get("diagnostic-code", ""))
    if not diagnostic and _REPLY.match(group.get("status", "")):  # some write the whole reply there
        diagnostic = group["status"]
    action = group.get("action", "").lower().split(" ")[0].strip(";.()")
    return Said(
        recipient=address_of(final) or address_of(original) or address_of(group.get("x-actual-recipient", "")),
        original=address_of(original),
        action=_ACTIONS.get(action, action if action in ACTIONS else ""),
        status=status,
        diagnostic=diagnostic,
        remote=untyped(group.get("remote-mta", "")).split(" ")[0].strip("[];,."),
        when=group.get("last-attempt-date", ""),
        extra=f"{comment} {group.get('x-supplementary-info', '')}".strip(),
    )
