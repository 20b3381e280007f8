"""Arrival: what a relay and a receiver made of a message, by comparing the copy that arrived with what was sent.

Trace headers are expected to be added (RFC 5321 section 4.4) and are no difference. A factor whose bytes did not
arrive as they were sent was not tested on this relay. Pure: both messages come as bytes.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header
from email.message import Message as Parsed
from html.parser import HTMLParser
from urllib.parse import urlsplit

from harness.model.factor import Factor
from harness.model.record import Arrival

_TRACE = frozenset(
    {
        *("received", "return-path", "delivered-to", "x-original-to", "envelope-to", "delivery-date", "x-received"),
        *("authentication-results", "received-spf", "dkim-signature", "status", "x-uid", "x-keywords"),
        *("arc-seal", "arc-message-signature", "arc-authentication-results"),
    }
)
_HEADER_KINDS = {"subject": "subject", "from-name": "from", "from": "from", "reply-to": "reply-to",
                 "message-id": "message-id"}  # fmt: skip
_URL_KINDS = ("link", "image", "pixel", "redirect", "swap")
_URL_IN_TEXT = re.compile(r"https?://[^\s<>\"']{1,2000}")
_URL_ATTRIBUTES = ("href", "src", "background", "action", "poster")
_LONGEST = 1_000_000  # characters of HTML that are searched for links
_MANY = 20  # differences shown; a longer list says no more


@dataclass(frozen=True)
class View:
    """A message as it reads, whatever its transfer encoding."""

    headers: dict[str, list[str]]
    text: str
    html: str
    urls: tuple[str, ...]
    files: dict[str, str]  # attachment name -> SHA-256 of what it decodes to
    encodings: tuple[tuple[str, str], ...]  # (content type, transfer encoding) of each leaf

    @classmethod
    def of(cls, content: bytes) -> View:
        """Read a message; anything that can't be decoded stands as it is."""
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        headers: dict[str, list[str]] = {}
        for name, value in message.items():
            headers.setdefault(name.lower(), []).append(_unfolded(str(value)))
        text, html = "", ""
        files: dict[str, str] = {}
        encodings: list[tuple[str, str]] = []
        for part in _leaves(message):
            kind, payload = part.get_content_type(), _payload(part)
            encodings.append((kind, str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()))
            title = part.get_filename()
            if title or kind not in ("text/plain", "text/html"):
                files[title or kind] = hashlib.sha256(payload).hexdigest()
            elif kind == "text/html":
                html += _decoded(payload, part)
            else:
                text += _decoded(payload, part)
        return cls(headers, text, html, tuple(_urls(text, html)), files, tuple(encodings))


@dataclass
class _Findings:
    """Differences in words, and which factors did not arrive as they were sent."""

    words: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def arrival(
    sent: bytes, received: bytes, factors: Iterable[Factor], folder: str, seen: datetime, envelope_sender: str = ""
) -> Arrival:
    """Compare a copy with what was sent; `factors` are those that were in production in it."""
    before, after = View.of(sent), View.of(received)
    found = _Findings()
    _compare_headers(before, after, found)
    _compare_bodies(before, after, found)
    for factor in factors:
        if _is_changed(factor, before, after, envelope_sender):
            found.changed.append(factor.id)
    told = after.headers.get("authentication-results") or [""]
    return Arrival(
        folder=folder,
        seen=seen,
        differences=_few(found.words),
        changed_factors=tuple(found.changed),
        authentication="\n".join(one for one in told if _owner(one) == _owner(told[0]))[:4000] or None,
        content=received,
    )


def _owner(results: str) -> str:
    """Return whose results these are: Apple writes a field for each method, and hosts on the way write theirs below."""
    return ".".join(results.partition(";")[0].strip().lower().split(".")[-2:])


def _compare_headers(before: View, after: View, found: _Findings) -> None:
    for name, values in before.headers.items():
        if name in _TRACE or name in ("content-type", "content-transfer-encoding", "mime-version"):
            continue
        now = after.headers.get(name)
        title = name.title().replace("Id", "ID") if name == "message-id" else name.title()
        if now is None:
            found.words.append(f"{title} is gone")
        elif [_plain(value) for value in values] != [_plain(value) for value in now][-len(values) :]:
            found.words.append(f"{title} replaced: {_short(now[-1])} instead of {_short(values[-1])}")
    added = [name for name in after.headers if name not in before.headers and name not in _TRACE]
    if added:
        found.words.append("headers added: " + ", ".join(name.title() for name in added[:_MANY]))


def _compare_bodies(before: View, after: View, found: _Findings) -> None:
    if before.encodings != after.encodings:
        now = dict(after.encodings)
        for kind, encoding in before.encodings:
            if kind in now and now[kind] != encoding:
                found.words.append(f"{kind}: transfer encoding {encoding} became {now[kind]}")
    gone, new = _moved(before.urls, after.urls)
    rewritten = list(zip(gone, new, strict=False))
    found.words.extend(f"link rewritten: {_short(old)} became {_short(now)}" for old, now in rewritten)
    found.words.extend(f"link removed: {_short(url)}" for url in gone[len(rewritten) :])
    found.words.extend(f"link or image added: {_short(url)}" for url in new[len(rewritten) :])
    for kind, one, other in (("text", before.text, after.text), ("HTML", before.html, after.html)):
        words = _text_change(kind, one, other, rewritten)
        if words:
            found.words.append(words)
    for name, digest in before.files.items():
        if name not in after.files:
            found.words.append(f"attachment {_short(name)} is gone")
        elif after.files[name] != digest:
            found.words.append(f"attachment {_short(name)} changed")


def _text_change(kind: str, sent: str, received: str, rewritten: list[tuple[str, str]]) -> str:
    """Say how a part changed beyond its links; "" where it did not."""
    one, other = _words(sent), _words(received)
    for old, new in rewritten:
        other = other.replace(new, old).replace(new.replace("&", "&amp;"), old.replace("&", "&amp;"))
    if one == other:
        return ""
    if not one:
        return f"{kind} part added"
    if not other:
        return f"{kind} part is gone"
    bare = _without_ends(one)
    if other.startswith(bare) and len(other) > len(one):
        extra = _without_ends(other)[len(bare) :].strip()
        return f"{kind} added at the end (a footer or pixel, {len(extra)} characters): {_short(extra)}"
    return f"{kind} part changed: {_first_difference(one, other)}"


def _is_changed(factor: Factor, before: View, after: View, envelope_sender: str) -> bool:
    """Tell whether a factor did not arrive as it was sent; what can't be seen in a copy is taken as unchanged."""
    kind, _, name = factor.id.partition(":")
    if kind in _HEADER_KINDS or kind == "header":
        header = _HEADER_KINDS.get(kind, name.lower())
        sent = [_plain(value) for value in before.headers.get(header, [])]
        return bool(sent) and sent != [_plain(value) for value in after.headers.get(header, [])][-len(sent) :]
    if kind == "envelope-sender":
        path = after.headers.get("return-path", [""])[0].strip("<> ").lower()
        return bool(path and envelope_sender) and path != envelope_sender.lower()
    if kind == "attachment":
        return name in before.files and after.files.get(name) != before.files[name]
    if kind in _URL_KINDS:
        sent_urls, there = _urls_of(kind, name, before), Counter(after.urls)
        return any(there[url] < count for url, count in sent_urls.items())
    if kind == "html":
        return bool(before.html) and not after.html
    production = _words(factor.production)
    views = [(_words(before.text), _words(after.text)), (_words(before.html), _words(after.html))]
    return any(len(production) > 2 and production in one and production not in other for one, other in views)


def _urls_of(kind: str, name: str, view: View) -> Counter[str]:
    """Return the sent URLs that are a factor's: itself, or those of its host."""
    exact = [url for url in view.urls if url == name]
    if exact:
        return Counter(exact)
    host = name.rpartition(">")[2] if kind == "swap" else _host(name) or name
    return Counter(url for url in view.urls if _host(url) == host.lower())


def _moved(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the URLs that are gone and those that are new, each in the order of the message."""
    gone, new = Counter(before), Counter(after)
    both = gone & new
    gone, new = gone - both, new - both
    return _in_order(before, gone), _in_order(after, new)


def _in_order(urls: tuple[str, ...], wanted: Counter[str]) -> list[str]:
    left, found = Counter(wanted), []
    for url in urls:
        if left[url] > 0:
            left[url] -= 1
            found.append(url)
    return found


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in _URL_ATTRIBUTES and value and value.strip().lower().startswith(("http:", "https:")):
                self.found.append(value.strip())


def _urls(text: str, html: str) -> Iterator[str]:
    links = _Links()
    links.feed(html[:_LONGEST])
    yield from links.found
    yield from (match[0].rstrip(".,;:)]") for match in _URL_IN_TEXT.finditer(text))


def _leaves(message: Parsed) -> Iterator[Parsed]:
    for part in message.walk():
        if not part.is_multipart() and part.get_content_maintype() != "multipart":
            yield part


def _payload(part: Parsed) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded(payload: bytes, part: Parsed) -> str:
    charset = str(part.get_content_charset() or "utf-8")
    try:
        return payload.decode(charset, "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")


def _plain(value: str) -> str:
    """Read a header's encoded words, so that another encoding of the same words is no change."""
    try:
        parts = decode_header(value)
        text = "".join(
            part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part for part, charset in parts
        )
    except (ValueError, LookupError, MessageError):
        text = value
    return _words(text)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _unfolded(value: str) -> str:
    return re.sub(r"\r?\n[ \t]", " ", value)


def _without_ends(html: str) -> str:
    """Drop the end tags of body and html, before which relays put their footers."""
    html = html.rstrip()
    while html.lower().endswith(("</html>", "</body>")):
        html = html[:-7].rstrip()
    return html


def _words(text: str) -> str:
    return " ".join(text.split())


def _first_difference(one: str, other: str) -> str:
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, place - 20)
    return f"{_short(other[start : start + 60])} instead of {_short(one[start : start + 60])}"


def _short(text: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 120 else text[:117] + "..."


def _few(words: list[str]) -> tuple[str, ...]:
    return tuple(words if len(words) <= _MANY else [*words[:_MANY], f"and {len(words) - _MANY} more differences"])
