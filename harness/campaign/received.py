"""Received: from a message as it was found (rejected or delivered) to what production had sent.

A message that came back in a bounce is cut out of it first (`returned`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.campaign.words import word_set
from harness.errors import ConfigError
from harness.model.mime import mailboxes, read_fields, readable

# What hosts on the way put in, and what only they can: a new trial gets its own.
_TRANSPORT = word_set(
    "return-path received delivered-to x-original-to x-received received-spf authentication-results envelope-to"
    " apparently-to x-envelope-to x-envelope-from x-delivered-to x-forwarded-to x-forwarded-for bcc resent-to"
    " resent-from resent-cc resent-bcc resent-date resent-message-id resent-sender x-gm-message-state"
    " x-google-smtp-source"
)
_SIGNATURES = word_set("dkim-signature domainkey-signature x-google-dkim-signature x-apple-dkim-signature")
_SPAM = re.compile(r"(?:arc-|x-spam-|x-ms-exchange-|x-proofpoint-|x-apple-|x-forefront-|x-microsoft-antispam)")


@dataclass(frozen=True, slots=True)
class Received:
    """A message as production sends it."""

    content: bytes
    author: str | None
    envelope_sender: str | None
    notes: tuple[str, ...]


def read_received(file: str, raw: bytes) -> Received:
    """Take the transport's traces off a message.

    Raises:
        ConfigError: there is no message in it.
    """
    notes: list[str] = []
    content = _tidy(raw, notes)
    fields, body = read_fields(content, 0, len(content))
    if not fields or (body >= len(content) - 1 and not any(f.key == "from" for f in fields)):
        raise ConfigError(f"{file}: holds no message: header lines (From, Subject, …) were expected at its beginning")
    kept: list[bytes] = []
    gone: dict[str, None] = {}
    envelope: str | None = None
    author: str | None = None
    for one in fields:
        value = content[one.value : one.end].decode("utf-8", "replace")
        if one.key == "return-path" and envelope is None:
            envelope = _plain_address(value)
        if one.key in _TRANSPORT or one.key in _SIGNATURES or _SPAM.match(one.key):
            gone.setdefault(one.name)
            continue
        if one.key == "from" and author is None:
            author = " ".join(readable(value).split())
        kept.append(content[one.start : one.end])
    if author is None:
        raise ConfigError(f"{file}: the message has no From header; without an author there is nothing to retest")
    if gone:
        notes.append(f"taken out: {', '.join(gone)} (from the way that this copy went; trials make their own)")
    if any(name.lower() in _SIGNATURES for name in gone):
        notes.append("the old DKIM signature is gone; the relay signs, or set dkim in campaign.yaml")
    if envelope is None:
        envelope = _plain_address(author)
        notes.append(
            f"the envelope sender is not in the message: {envelope or 'nothing'} stands in; set yours in campaign.yaml"
        )
    notes.append("production is this message byte for byte, but for To, Date, Message-ID and the envelope's token")
    rest = content[body:] if content[body:] else b""
    return Received(b"".join(kept) + b"\r\n" + rest, author, envelope, tuple(notes))


def _plain_address(value: str) -> str | None:
    """Take the address out of a header value, without an earlier VERP token."""
    found = [address for _, address in mailboxes(value) if address.count("@") == 1]
    if not found or not found[0].isascii():
        return None
    local, _, domain = found[0].partition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def _tidy(raw: bytes, notes: list[str]) -> bytes:
    """Give every line the line break that SMTP has (RFC 5321 section 2.3.8)."""
    if re.match(rb">?From \S", raw):
        raw = raw[raw.find(b"\n") + 1 :]
    raw = raw.lstrip(b"\r\n")
    bare = len(re.findall(rb"(?<!\r)\n|\r(?!\n)", raw))
    if bare:
        if b"\r\n" in raw:
            notes.append(f"{bare} line breaks were not CRLF; SMTP allows no other, so they are CRLF now")
        raw = re.sub(rb"\r\n|\n|\r", b"\r\n", raw)
    if b"\0" in raw:
        raise ConfigError("the message holds NUL bytes, which SMTP does not carry (RFC 5321 section 4.5.2)")
    return raw
