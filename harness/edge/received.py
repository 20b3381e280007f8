"""A message as a content filter sees it: decoded text, links, images, attachments, headers.

Each view is computed when first asked for. It reads hostile bytes: every expression here is linear, and what can't be
decoded is replaced, never raised.
"""

from __future__ import annotations

import email
import email.errors
import email.message
import hashlib
import html
import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from functools import cached_property, lru_cache
from urllib.parse import urlsplit

_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
_NAME = re.compile(r"<\s*([A-Za-z][A-Za-z0-9:]*)")
_ADDRESS_ATTRIBUTE = re.compile(
    r"\b(href|src|background)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+))", re.IGNORECASE
)
_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\"()\s]+)", re.IGNORECASE)
_BARE_URL = re.compile(r"https?://[^\s<>\"'\\^`{|}]+", re.IGNORECASE)
_IMAGE_TAGS = frozenset({"img", "image", "v:image", "v:fill", "input"})
_SPACE = re.compile(r"\s+")
_LATE_ENCODED = re.compile(r"=\?[^?\s]{1,40}\?[bqBQ]\?[^?\s]*\?=")


class Received:
    """One received message, its views computed once."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @cached_property
    def mail(self) -> email.message.Message:
        """The parsed message."""
        return email.message_from_bytes(self.content)

    @cached_property
    def subject(self) -> str:
        """The decoded Subject."""
        return next(iter(self.header("subject")), "")

    def header(self, name: str) -> list[str]:
        """Return the decoded values of a header field, unfolded."""
        return [_decoded(str(value)) for value in self.mail.get_all(name, [])]

    @cached_property
    def parts(self) -> list[tuple[str, str]]:
        """Type and decoded text of every text part that is no attachment."""
        found = []
        for part in self._leaves():
            if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
                payload = part.get_payload(decode=True)
                raw = payload if isinstance(payload, bytes) else b""
                found.append((part.get_content_type(), _charset(raw, str(part.get_param("charset", "utf-8")))))
        return found

    @cached_property
    def attachments(self) -> list[str]:
        """Names of the parts that have one."""
        names = (part.get_filename() for part in self._leaves())
        return [_decoded(name) for name in names if name]

    @cached_property
    def source(self) -> str:
        """The decoded HTML source."""
        return "\n".join(text for kind, text in self.parts if kind == "text/html")

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The words that people read, folded: once with tags gone, once with a space for each."""
        plain = "\n".join(text for kind, text in self.parts if kind != "text/html")
        visible = _without_elements(self.source.replace("\0", " "), ("style", "script"))
        marked = html.unescape(_TAG.sub("\0", visible)).casefold()
        before = f"{self.subject}\n{plain}\n".replace("\0", " ").casefold()
        return tuple(" ".join((before + marked.replace("\0", gap)).split()) for gap in ("", " "))

    @cached_property
    def links(self) -> list[str]:
        """Addresses that a click leads to, in HTML and plain text."""
        found = [url for tag, url in self._addresses if tag not in _IMAGE_TAGS]
        for kind, text in self.parts:
            if kind != "text/html":
                found += _BARE_URL.findall(text)
        return found

    @cached_property
    def images(self) -> list[str]:
        """Addresses that are loaded as pictures."""
        found = [url for tag, url in self._addresses if tag in _IMAGE_TAGS]
        return found + [html.unescape(url) for url in _CSS_URL.findall(self.source)]

    @cached_property
    def link_hosts(self) -> frozenset[str]:
        """Host names of the links."""
        return frozenset(_host(url) for url in self.links) - {""}

    @cached_property
    def essence(self) -> str:
        """A digest of what is said, without what differs between two trials of one variant (token, date)."""
        said = [self.subject, *(text for _, text in self.parts), *self.attachments]
        return hashlib.sha256("\0".join(said).encode("utf-8", "replace")).hexdigest()

    @cached_property
    def _addresses(self) -> list[tuple[str, str]]:
        return [found for tag in _TAG.findall(self.source) for found in _addresses_of(tag)]

    def _leaves(self) -> Iterator[email.message.Message]:
        return (part for part in self.mail.walk() if not part.is_multipart())


@lru_cache(maxsize=4096)  # a run says the same thing over and over
def _addresses_of(tag: str) -> tuple[tuple[str, str], ...]:
    """Return the addresses that a tag names, each with what it is for."""
    name = _NAME.match(tag)
    if name is None:
        return ()
    return tuple(
        (
            "img" if kind.lower() == "background" else name[1].lower(),
            html.unescape(double or single or bare).strip(),
        )
        for kind, double, single, bare in _ADDRESS_ATTRIBUTE.findall(tag)
    )


@lru_cache(maxsize=4096)
def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:  # no address at all, such as http://[
        return ""


def _charset(raw: bytes, name: str) -> str:
    try:
        return raw.decode(name, "replace")
    except (LookupError, ValueError):  # no such charset, or no name at all (a NUL)
        return raw.decode("utf-8", "replace")


def _decoded(value: str) -> str:
    """Decode RFC 2047 words; a broken one stays as it is."""
    value = _SPACE.sub(" ", value).strip()
    if not _LATE_ENCODED.search(value):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, email.errors.MessageError):
        return value


def _without_elements(source: str, names: tuple[str, ...]) -> str:
    """Cut elements out with all that they hold; one that never ends goes to the end."""
    for name in names:
        kept, position, low = [], 0, source.lower()
        while (begin := low.find(f"<{name}", position)) >= 0:
            kept.append(source[position:begin])
            end = low.find(f"</{name}", begin)
            position = len(source) if end < 0 else end
            if end >= 0:
                position = low.find(">", end) + 1 or len(source)
        source = "".join([*kept, source[position:]])
    return source
