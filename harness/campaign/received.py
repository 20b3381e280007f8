"""Received: from a message as it was found (rejected, delivered, or in a bounce) to what production had sent."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from dataclasses import dataclass
from email.utils import getaddresses

from harness.campaign.mime import Part, read_fields, read_part, readable
from harness.campaign.words import word_set
from harness.errors import ConfigError

# What hosts on the way put in, and what only they can: a new trial gets its own.
_TRANSPORT = word_set(
    "return-path received delivered-to x-original-to x-received received-spf authentication-results envelope-to"
    " apparently-to x-envelope-to x-envelope-from x-delivered-to x-forwarded-to x-forwarded-for bcc resent-to"
    " resent-from resent-cc resent-bcc resent-date resent-message-id resent-sender x-gm-message-state"
    " x-google-smtp-source"
)
_SIGNATURES = word_set("dkim-signature domainkey-signature x-google-dkim-signature x-apple-dkim-signature")
_SPAM = re.compile(r"(?:arc-|x-spam-|x-ms-exchange-|x-proofpoint-|x-apple-|x-forefront-|x-microsoft-antispam)")
# The lines after which bounces without MIME quote the message (Exim, qmail, Postfix's old form).
_COPY = re.compile(
    rb"^-{2,} ?(?:This is a copy of (?:your message|the message|the headers)|Below this line is a copy of the message"
    rb"|Original message follows)[^\n]*\r?\n\s*",
    re.MULTILINE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as production sends it; `headers_only` where the bounce returned no more."""

    content: bytes
    author: str | None
    envelope_sender: str | None
    notes: tuple[str, ...]
    headers_only: bool = False


def read_received(file: str, raw: bytes) -> Received:
    """Take the transport's traces off a message, or off the one that a bounce returns.

    Raises:
        ConfigError: there is no message in it.
    """
    notes: list[str] = []
    content, headers_only = _returned(_tidy(raw, notes), notes)
    content = _tidy(content, notes)
    fields, body = read_fields(content, 0, len(content))
    if not fields or (body >= len(content) - 1 and not headers_only and not any(f.key == "from" for f in fields)):
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
    return Received(b"".join(kept) + b"\r\n" + rest, author, envelope, tuple(notes), headers_only)


def _plain_address(value: str) -> str | None:
    """Take the address out of a header value, without an earlier VERP token."""
    found = [address for _, address in getaddresses([value]) if address.count("@") == 1]
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


def _returned(raw: bytes, notes: list[str]) -> tuple[bytes, bool]:
    """Find the message that a bounce returns; the message itself where it is no bounce."""
    whole = read_part(raw)
    report = whole.kind == "multipart/report" or _from_mailer(raw, whole)
    if not report:
        return raw, False
    parts = list(whole.walk())
    for part in parts:
        if part.kind in ("message/rfc822", "message/global") or part.kind.startswith("message/rfc822"):
            notes.append("taken from the bounce: the message that it returns")
            return _body(raw, part), False
    for part in parts:
        if part.kind in ("text/rfc822-headers", "message/global-headers"):
            notes.append(
                "the bounce returns only the headers: the body (text, HTML, images, attachments) is missing;"
                " put it into body.txt.j2, or import the message itself from the ESP or the sent folder"
            )
            return _body(raw, part), True
    for part in parts:
        if part.kind == "text/plain" and not part.children:
            text = _body(raw, part)
            found = _COPY.search(text)
            if found:
                copied = text[found.end() :]
                notes.append("taken from the bounce: the copy of the message in its text")
                inner_fields, inner_body = read_fields(copied, 0, len(copied))
                return copied, bool(inner_fields) and not copied[inner_body:].strip()
    return raw, False


def _from_mailer(raw: bytes, whole: Part) -> bool:
    """Tell a bounce that is no multipart/report: nobody's envelope, or a mailer's name."""
    for one in whole.fields:
        value = raw[one.value : one.end].strip().lower()
        if one.key == "return-path" and value == b"<>":
            return True
        if one.key == "from" and (b"mailer-daemon" in value or b"postmaster@" in value):
            return True
        if one.key in ("x-failed-recipients", "auto-submitted") and (one.key[0] == "x" or b"auto-replied" in value):
            return True
    return False


def _body(raw: bytes, part: Part) -> bytes:
    content = raw[part.body : part.end]
    if part.encoding == "base64":
        try:
            return base64.b64decode(content)
        except binascii.Error:
            return content
    return quopri.decodestring(content) if part.encoding == "quoted-printable" else content
