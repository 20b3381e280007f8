"""Redact: take seed addresses, merge values and credentials out of what leaves the house; message ids stay.

Works on text and on whole messages. A message's parts are decoded first, for a value that is split by quoted-printable
or hidden in base64 would survive a search of the raw bytes. A redacted copy is therefore not byte for byte what was
sent; its checksum in the ledger names the original.
"""

from __future__ import annotations

import json
import quopri
import re
from collections.abc import Iterable, Mapping
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message as Mail
from html import escape
from urllib.parse import quote, quote_plus

from harness.model.record import RunFacts

SHORTEST = 2  # a single letter names nobody, and would tear holes into every word
SHORTEST_NUMBER = 4
PER_PATTERN = 400
# What could log somebody in: SASL lines of a dialogue, and headers or settings that carry keys.
_CREDENTIALS = (
    (re.compile(r"(?im)^([CS>: -]{0,8}AUTH [A-Z0-9-]{1,20})[ \t]+[^\r\n]{1,4000}$"), r"\1 [credentials]"),
    (
        re.compile(r"(?i)\b(api[-_]?key|password|secret)(\"?[ \t]{0,3}[:=][ \t]{0,3}\"?)[^\s,;\"]{1,500}"),
        r"\1\2[credentials]",
    ),
    (re.compile(r"(?i)\b(bearer|basic)[ \t]{1,3}[A-Za-z0-9+/=._~-]{8,2000}"), r"\1 [credentials]"),
)
KEPT_HEADERS = frozenset({"message-id", "date", "in-reply-to", "references", "mime-version", "content-type"})


class Redactor:
    """Knows what must not leave, and takes it out of text and messages."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Take the words to hide, each with what is put in its place."""
        forms: dict[str, str] = {}
        for word, mark in words.items():
            for form in _forms(word):
                forms.setdefault(form.lower(), mark)
        self._marks = forms
        ordered = sorted(forms, key=len, reverse=True)  # the longest first, so that no shorter one cuts it
        self._patterns = [
            re.compile("|".join(map(_bounded, ordered[start : start + PER_PATTERN])), re.IGNORECASE)
            for start in range(0, len(ordered), PER_PATTERN)
        ]

    def text(self, text: str) -> str:
        """Redact plain text."""
        for pattern in self._patterns:
            text = pattern.sub(lambda found: self._marks.get(found[0].lower(), "[redacted]"), text)
        for pattern, mark in _CREDENTIALS:
            text = pattern.sub(mark, text)
        return text

    def message(self, raw: bytes) -> bytes:
        """Redact a message whole: header fields, and every text part in its decoded form.

        Other parts (images, attachments) may hold anything, so they are replaced by a note of their size.
        """
        mail = message_from_bytes(raw, policy=policy.compat32)
        for part in mail.walk():
            self._headers(part)
            if part.is_multipart():
                continue
            if part.get_content_maintype() == "text":
                _set_text(part, self.text(_decoded(part)))
            else:
                size = len(part.get_payload(decode=True) or b"")
                _set_text(part, f"[part of {size} bytes left out]\r\n")
        return _crlf(mail.as_bytes())

    def _headers(self, part: Mail) -> None:
        fields = [(name, _readable(value)) for name, value in part.raw_items()]
        for name in {name for name, _ in fields}:
            del part[name]
        for name, value in fields:
            kept = name.lower() in KEPT_HEADERS or name.lower().startswith("content-")
            part[name] = value if kept else _header(self.text(value))


def redactor(facts: RunFacts, credentials: Iterable[str] = ()) -> Redactor:
    """Make the redactor of a run: its seeds, every merge value that its messages may show, and given credentials."""
    words: dict[str, str] = {}
    for number, seed in enumerate(facts.run.segment.seeds, 1):
        words[seed.address] = f"seed-{number:02}.redacted@{seed.address.rpartition('@')[2]}"
        _collect(words, seed.merge)
    for shown in facts.run.values.values():
        for name, value in shown.items():
            _add(words, name.removeprefix("merge:"), value)
    for trial in facts.trials:
        words.setdefault(trial.recipient, f"seed.redacted@{trial.recipient.rpartition('@')[2]}")
    for secret in credentials:
        if len(secret) >= SHORTEST:
            words[secret] = "[credentials]"
    return Redactor(words)


def _collect(words: dict[str, str], merge: Mapping[str, object]) -> None:
    for name, value in merge.items():
        _add(words, name, value)


def _add(words: dict[str, str], name: str, value: object) -> None:
    if isinstance(value, Mapping):
        _collect(words, {f"{name}.{key}": inner for key, inner in value.items()})
    elif isinstance(value, list | tuple):
        for inner in value:
            _add(words, name, inner)
    elif not isinstance(value, bool):
        text = str(value).strip()
        if len(text) >= (SHORTEST_NUMBER if text.replace(".", "").isdigit() else SHORTEST):
            words.setdefault(text, f"[{name}]")


def _forms(word: str) -> tuple[str, ...]:
    """Return how a word may stand in HTML, a URL, JSON or CSV."""
    return (
        word,
        escape(word),
        escape(word, quote=False),
        quote(word),
        quote(word, safe=""),
        quote_plus(word),
        json.dumps(word, ensure_ascii=False)[1:-1],
        json.dumps(word)[1:-1],
        word.replace('"', '""'),
    )


def _bounded(word: str) -> str:
    """Match a word only as a whole: `Bo` is a name, in `Bonus` it is none."""
    start = r"(?<!\w)" if word[:1].isalnum() else ""
    end = r"(?!\w)" if word[-1:].isalnum() else ""
    return f"{start}{re.escape(word)}{end}"


def _decoded(part: Mail) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return str(part.get_payload())
    charset = part.get_content_charset() or "utf-8"
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("latin-1")


def _set_text(part: Mail, text: str) -> None:
    """Put redacted text in as UTF-8, quoted-printable."""
    kind = part.get_content_type()
    for name in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
        del part[name]
    part["Content-Type"] = f'{kind if kind.startswith("text/") else "text/plain"}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(_quoted(text))


def _quoted(text: str) -> str:
    return quopri.encodestring(text.replace("\r\n", "\n").encode("utf-8", "replace")).decode("ascii")


def _readable(value: object) -> str:
    folded = " ".join(str(value).split())
    try:
        return str(make_header(decode_header(folded)))
    except (LookupError, UnicodeError, ValueError):
        return folded


def _header(value: str) -> str:
    """Keep a header on one line, whatever came out of decoding."""
    return " ".join(value.split())


def _crlf(raw: bytes) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", raw)
