"""Anatomy: what a message consists of: headers, parts, links with the text people see. Reads bytes, asks nobody."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from html.parser import HTMLParser
from urllib.parse import SplitResult, urlsplit

_BARE = re.compile(r"https?://[^\s<>\"')\]]{1,2000}", re.IGNORECASE)
_HIDDEN = ("script", "style", "title", "head", "template")


@dataclass(frozen=True, slots=True)
class Link:
    """One URL of the message: where it stands (link, image, text, css) and what people read there."""

    url: str
    kind: str
    text: str = ""

    @property
    def parts(self) -> SplitResult:
        """The URL's parts; an empty host where it can't be parsed."""
        try:
            return urlsplit(self.url)
        except ValueError:
            return urlsplit("")

    @property
    def host(self) -> str:
        """The host, lower case, as it is written."""
        try:
            return (self.parts.hostname or "").rstrip(".")
        except ValueError:
            return ""


@dataclass(slots=True)
class Anatomy:
    """A message taken apart. `features` are HTML elements and attributes that matter for display."""

    raw: bytes
    message: EmailMessage
    html: str = ""
    text: str = ""
    links: list[Link] = field(default_factory=list)
    features: dict[str, int] = field(default_factory=dict)
    words: str = ""  # what the HTML part says
    attachments: list[tuple[str, str, int]] = field(default_factory=list)  # name, type, bytes

    def header(self, name: str) -> str:
        """Return a header's value, "" if there is none or it can't be read."""
        try:
            return str(self.message.get(name, "") or "")
        except (ValueError, IndexError, AttributeError, TypeError):
            return ""

    def all(self, name: str) -> int:
        """Count how often a header stands there."""
        return sum(1 for key in self.message if key.lower() == name.lower())


class _Reader(HTMLParser):
    """Walks the HTML part once."""

    def __init__(self, into: Anatomy) -> None:
        super().__init__(convert_charrefs=True)
        self.into = into
        self.said: list[str] = []
        self._hidden = 0
        self._open: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, images and what may not be shown."""
        given = {name: value or "" for name, value in attrs}
        features = self.into.features
        features[tag] = features.get(tag, 0) + 1
        for name in given:
            if name.startswith("on"):
                features["on*"] = features.get("on*", 0) + 1
        if tag in _HIDDEN:
            self._hidden += 1
        if tag == "a":
            self.finish()  # nobody nests links; one that was not closed ends here
        if tag == "area" and given.get("href"):
            self.into.links.append(Link(given["href"].strip(), "link", given.get("alt", "")))
        elif tag == "a" and given.get("href"):
            self._open = (given["href"].strip(), [])
        if tag in ("img", "source", "video", "audio", "iframe", "embed", "input") and given.get("src"):
            self.into.links.append(Link(given["src"].strip(), "image", given.get("alt", "")))
        if given.get("background"):
            self.into.links.append(Link(given["background"].strip(), "image"))
        if tag == "link" and given.get("href"):
            self.into.links.append(Link(given["href"].strip(), "css"))
        if tag == "base" and given.get("href"):
            features["base href"] = 1
        if tag == "img":
            sizes = [given.get(k, "").removesuffix("px") for k in ("width", "height")]
            if sizes in (["1", "1"], ["0", "0"]):
                features["pixel"] = features.get("pixel", 0) + 1
            if "alt" not in given:
                features["img without alt"] = features.get("img without alt", 0) + 1
        for url in re.findall(r"url\(\s*['\"]?(https?://[^'\")\s]+)", given.get("style", "")):
            self.into.links.append(Link(url, "image"))

    def handle_endtag(self, tag: str) -> None:
        """Close what was open."""
        if tag in _HIDDEN and self._hidden:
            self._hidden -= 1
        if tag == "a":
            self.finish()

    def finish(self) -> None:
        """Note the link that is open."""
        if self._open:
            self.into.links.append(Link(self._open[0], "link", " ".join("".join(self._open[1]).split())))
            self._open = None

    def handle_data(self, data: str) -> None:
        """Collect what people read."""
        if not self._hidden:
            self.said.append(data)
            if self._open:
                self._open[1].append(data)


def dissect(raw: bytes) -> Anatomy:
    """Take a message apart; whatever it holds, never raises."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    anatomy = Anatomy(raw, message)
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        content = content if isinstance(content, bytes) else b""
        kind, name = part.get_content_type(), _file_name(part)
        if name or kind not in ("text/plain", "text/html"):
            anatomy.attachments.append((name, kind, len(content)))
        elif kind == "text/html":
            anatomy.html += _decode(part, content)
        else:
            anatomy.text += _decode(part, content)
    reader = _Reader(anatomy)
    try:
        reader.feed(anatomy.html)
        reader.close()
        reader.finish()
    except (AssertionError, ValueError):
        anatomy.features["unreadable"] = 1
    anatomy.words = " ".join("".join(reader.said).split())
    anatomy.links += [Link(url.rstrip(".,;:!?"), "text") for url in _BARE.findall(anatomy.text)]
    return anatomy


def _file_name(part: EmailMessage) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        return "?"


def _decode(part: EmailMessage, content: bytes) -> str:
    try:
        return content.decode(part.get_content_charset() or "utf-8", errors="replace")
    except LookupError:
        return content.decode("utf-8", errors="replace")
