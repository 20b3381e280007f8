"""Returned: the message that a bounce brings back, cut out of it byte for byte.

A bounce carries it as a MIME part (RFC 3462), as header lines only, or in its own text under a line that says so.
Whether a mail is a bounce at all is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from harness.model.mime import Part, body_of, mailboxes, read_fields, read_part

_WHOLE = ("message/rfc822", "message/global", "message/partial")
_HEADERS = ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
# What only stands in a message's own header; a bounce's prose has lines with a colon too.
_TELLING = frozenset(["received", "message-id", "mime-version", "content-type", "return-path", "date", "subject", "to"])
_MAILBOX_LINE = re.compile(rb"\A>?From [^\n]{1,400}\n")  # what an mbox file puts before each message
_LEAST = 3
_TRIES = 500  # places in a text that may begin a header; a bounce has a handful
_SHORTENED = re.compile(
    rb"only the first [^\n]{1,40} (?:are|is) included|message (?:was|has been) truncated", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a bounce brings back.

    `headers_only`: the body did not come back. `shortened`: it did, but not whole. `envelope_sender` is the address
    that the bounce itself was sent to, which is whose message it is (RFC 5321 section 4.5.5).
    """

    content: bytes
    headers_only: bool = False
    shortened: bool = False
    envelope_sender: str | None = None


def letter_in(raw: bytes) -> Letter | None:
    """Find the message that a bounce brings back; None if there is none in it."""
    raw = _MAILBOX_LINE.sub(b"", raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"), count=1)
    whole = read_part(raw)
    inner = [part for part in whole.walk() if part is not whole]
    found = _part(raw, inner, _WHOLE) or _part(raw, inner, _HEADERS) or _quoted(raw, whole)
    if found is None:
        return None
    fields, body = read_fields(found, 0, len(found))
    if not any(field.key == "from" for field in fields):
        return None
    bare = not found[body:].strip()
    return Letter(found, bare, not bare and (_unclosed(found) or bool(_SHORTENED.search(raw))), _addressee(raw, whole))


def _part(raw: bytes, parts: list[Part], kinds: tuple[str, ...]) -> bytes | None:
    for part in parts:
        if part.kind in kinds:
            return body_of(raw, part).lstrip(b"\r\n")
    return None


def _quoted(raw: bytes, whole: Part) -> bytes | None:
    """Find the copy in a bounce's text: from the first paragraph that is a message header."""
    for part in whole.walk():
        if part.kind == "text/plain" and not part.children:
            text = body_of(raw, part)
            for start in islice(_paragraphs(text), _TRIES):
                fields, _ = read_fields(text, start, len(text))
                names = {field.key for field in fields}
                if "from" in names and len(names & _TELLING) >= _LEAST:
                    return text[start:]
    return None


def _paragraphs(text: bytes) -> Iterator[int]:
    """List where lines begin that a header could begin with: at the start, after an empty line or after a rule."""
    before = b""
    at = 0
    while at < len(text):
        end = text.find(b"\n", at) + 1 or len(text)
        line = text[at:end].strip()
        ends = not before or not re.match(rb"[!-9;-~]+[ \t]*:.", before)  # a header does not begin inside of a header
        if ends and re.match(rb"[!-9;-~]{1,76}[ \t]*:", text[at:end]):
            yield at
        before = line
        at = end


def _unclosed(message: bytes) -> bool:
    """Tell a multipart without its closing boundary: the rest is missing."""
    whole = read_part(message)
    boundary = whole.parameters.get("boundary", "")
    if not whole.kind.startswith("multipart/") or not boundary:
        return False
    return b"--" + boundary.encode("latin-1", "replace") + b"--" not in message[whole.body :]


def _addressee(raw: bytes, whole: Part) -> str | None:
    """Return the address that the bounce was sent to, without an earlier token."""
    for wanted in ("x-original-to", "delivered-to", "to"):
        for field in whole.fields:
            if field.key == wanted:
                value = raw[field.value : field.end].decode("latin-1")
                found = [one for _, one in mailboxes(value) if one.count("@") == 1 and one.isascii()]
                if found:
                    local, _, domain = found[0].partition("@")
                    return f"{local.partition('+')[0] or local}@{domain}"
    return None
