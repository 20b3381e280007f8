"""Anatomy: what a message consists of: headers, parts, links with the text people see. Reads bytes, asks nobody."""

from __future__ import annotations

import codecs
import html
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from harness.check.link import Link
from harness.model.mime import Part, body_of, mailboxes, read_part, readable
from harness.model.tag import RAW, Tag, Text, scan

# Where elements have URLs: attribute -> what is there. Some elements have something else there.
_ATTRIBUTES = {
    "href": "link", "src": "image", "background": "image", "poster": "image", "lowsrc": "image", "dynsrc": "image",
    "xlink:href": "image", "action": "form", "formaction": "form", "ping": "link", "data": "object",
}  # fmt: skip
_ELEMENTS = {
    ("link", "href"): "head", ("base", "href"): "base", ("script", "src"): "script", ("iframe", "src"): "frame",
    ("frame", "src"): "frame", ("embed", "src"): "object", ("input", "src"): "image",
}  # fmt: skip
_SETS = ("srcset", "imagesrcset")
# Between the URLs of a set: a width or density, a comma, blanks (HTML section 4.8.4.2.1). URLs may hold commas.
_CANDIDATES = re.compile(r"\s+[\d.]+[wxh]\s*(?:,|$)|,\s+|\s+")
_CSS_COMMENT = re.compile(r"/\*[\s\S]*?(?:\*/|\Z)")
_CSS = re.compile(r"(@import\s{0,9}[\"']|(?:@import\s{1,9})?url\(\s{0,9}[\"']?)([^\"')\s]{1,4000})", re.IGNORECASE)
_REFRESH = re.compile(r"\A[\s\d.]{1,20}[;,]\s{0,9}url\s{0,9}=\s{0,9}['\"]?([^'\"\s]+)", re.IGNORECASE)
_BARE = re.compile(r"(?:https?://|(?<![A-Za-z0-9@./_-])www\.(?=[\w-]+\.))[^\s<>\"'`|^)\[\]{}]{1,20000}", re.IGNORECASE)
_TRAILING = ".,;:!?*_~。、，！？"
_GLUED = re.compile(r"[a-z]{2,}(?=[^\x00-\x7f])", re.IGNORECASE)  # a top-level domain, then words
MOST_PACKED = 2_000  # names of an archive that are read
_EMPTY_LINE = re.compile(r"\n[ \t\r]*\n")
_ENDS = re.compile(r"[.!?|·•。！？\n]")
_NEAR = 160  # characters beside a link that may say what it is for
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])
_SMALL = 64  # pixels; a picture that is declared smaller is an icon
# Within a line of text; every other element begins or ends one.
_INLINE = frozenset(
    ["a", "abbr", "b", "bdi", "bdo", "big", "code", "em", "font", "i", "img", "ins", "label", "mark", "s", "small",
     "span", "strike", "strong", "sub", "sup", "tt", "u", "wbr"]
)  # fmt: skip
# Codecs of Python that are no charsets of mail; some take quadratic time.
_NO_CHARSETS = frozenset(["punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape"])
_URI_FIELDS = ("list-unsubscribe", "list-help", "list-subscribe", "list-post", "list-owner", "list-archive")
_MAILBOX_FIELDS = ("sender", "reply-to")


@dataclass(slots=True)
class Block:
    """What stands between two breaks of a page: words (those of alt texts, too), links, a picture, a heading."""

    words: str = ""
    links: list[Link] = field(default_factory=list)
    picture: bool = False
    heading: bool = False


class Attachment(NamedTuple):
    """A part that is no text: what it is called and, of a zip, what it holds."""

    name: str
    kind: str
    size: int
    packed: tuple[str, ...] = ()


@dataclass(slots=True)
class Anatomy:
    """A message taken apart. `features` are HTML elements and attributes that matter for display."""

    raw: bytes
    headers: list[tuple[str, str]]  # lower-case name, value on one line as it stands
    html: str = ""
    text: str = ""
    links: list[Link] = field(default_factory=list)
    features: dict[str, int] = field(default_factory=dict)
    words: str = ""  # what the HTML part says
    page: list[Block] = field(default_factory=list)  # the HTML part from top to bottom
    lines: list[Block] = field(default_factory=list)  # the text part: each URL with the lines that lead to it
    attachments: list[Attachment] = field(default_factory=list)
    content_ids: set[str] = field(default_factory=set)
    charsets: list[tuple[str, str]] = field(default_factory=list)  # type and what is wrong with its charset

    def header(self, name: str) -> str:
        """Return a header's value for people, "" if there is none."""
        found = self.all(name)
        return readable(found[0]) if found else ""

    def all(self, name: str) -> list[str]:
        """Return all values of a header, as they stand."""
        return [value for key, value in self.headers if key == name.lower()]

    def mailboxes(self, name: str) -> list[tuple[str, str]]:
        """Return a header's display names and addresses."""
        return [(readable(said), address) for value in self.all(name) for said, address in mailboxes(value)]

    def images(self) -> int:
        """Count the pictures that are there to be seen."""
        return self.features.get("img", 0) - self.features.get("pixel", 0)


def dissect(raw: bytes) -> Anatomy:
    """Take a message apart; whatever it holds, never raises."""
    whole = read_part(raw)
    headers = [(one.key, " ".join(raw[one.value : one.end].decode("utf-8", "replace").split())) for one in whole.fields]
    anatomy = Anatomy(raw, headers)
    anatomy.links += _header_links(anatomy)
    for part in whole.walk():
        if part.content_id:
            anatomy.content_ids.add(part.content_id)
        if not part.children:
            _part(anatomy, part)
    page = _read(anatomy.html)
    anatomy.features, anatomy.words, anatomy.page = page.features, page.words, page.blocks
    anatomy.lines = _text_blocks(anatomy.text)
    anatomy.links += [*page.links, *(link for block in anatomy.lines for link in block.links)]
    return anatomy


def _part(anatomy: Anatomy, part: Part) -> None:
    body = body_of(anatomy.raw, part)
    text, wrong = _decoded(body, part.parameters.get("charset", "")) if part.kind.startswith("text/") else ("", "")
    names = list(dict.fromkeys(name for name in (part.name, part.parameters.get("name")) if name))
    shown = not part.attached and all(name.lower().endswith((".txt", ".htm", ".html")) for name in names)
    if shown and part.kind in ("text/plain", "text/html"):
        anatomy.charsets += [(part.kind, wrong)] if wrong else []
        if part.kind == "text/html":
            anatomy.html += text
        else:
            anatomy.text += text
        return
    packed = _packed(body)
    anatomy.attachments += [Attachment(name, part.kind, len(body), packed) for name in names or [""]]
    if part.kind == "text/x-amp-html":
        anatomy.links += [Link(link.url, "amp") for link in _read(text).links]
    elif part.kind == "text/calendar":
        anatomy.links += _bare(re.sub(r"\r?\n[ \t]", "", text), "calendar")  # RFC 5545 section 3.1


def _packed(body: bytes) -> tuple[str, ...]:
    """Read the names in a zip's directory (APPNOTE section 4.3.12); nothing is unpacked."""
    if not body.startswith(b"PK"):
        return ()
    found = islice(re.finditer(rb"PK\x01\x02[\s\S]{24}([\s\S]{2})[\s\S]{16}", body), MOST_PACKED)
    names = (body[one.end() : one.end() + min(int.from_bytes(one[1], "little"), 300)] for one in found)
    return tuple(name.decode("utf-8", "replace") for name in names)


def _decoded(content: bytes, charset: str) -> tuple[str, str]:
    """Decode a body, and say what is wrong with its charset."""
    try:
        name = codecs.lookup(charset or "us-ascii").name
        b"a".decode(name, "replace")
    except (LookupError, UnicodeError, ValueError):
        name = "unknown"
    if name == "unknown" or name in _NO_CHARSETS:
        return content.decode("utf-8", "replace"), f"{charset[:40]} is no charset that readers know"
    try:
        return content.decode(name), ""
    except UnicodeError:
        wrong = f"its bytes are not {charset[:40]}" if charset else "letters beyond ASCII, and no charset is named"
    try:
        return content.decode("utf-8"), wrong
    except UnicodeError:
        return content.decode(name, "replace"), wrong


def _header_links(anatomy: Anatomy) -> Iterator[Link]:
    for name in _URI_FIELDS:
        for value in anatomy.all(name):
            yield from (Link(uri.strip(), name) for uri in re.findall(r"<([^<>]*)>", value))
    for name in _MAILBOX_FIELDS:
        yield from (Link(f"mailto:{address}", name) for _, address in anatomy.mailboxes(name) if "@" in address)


def _bare(text: str, kind: str) -> list[Link]:
    """Find the URLs that stand in a text, each with the words of its sentence."""
    spans = list(_urls(text))
    near = _beside(text, [(start, end) for start, end, _ in spans])
    return [Link(url, kind, near=beside) for (_, _, url), beside in zip(spans, near, strict=True)]


def _urls(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _BARE.finditer(text):
        url = _trimmed(match[0])
        if not url.endswith("//"):
            yield match.start(), match.start() + len(url), url


def _text_blocks(text: str) -> list[Block]:
    """Return each URL of a text part with the words of its line and of the lines before it, back to an empty one."""
    blocks, begun = [], 0
    for link, (start, end, _) in zip(_bare(text, "text"), list(_urls(text)), strict=True):
        before = _EMPTY_LINE.split(text[begun:start])[-1]
        after, *more = _EMPTY_LINE.split(text[end : end + _NEAR], maxsplit=1)
        after = after if more and not _BARE.search(after) else after.partition("\n")[0]
        blocks.append(Block(" ".join(f"{before} {after}".split()), [link]))
        begun = end
    return blocks


def _trimmed(url: str) -> str:
    """Take off a bare URL what belongs to the sentence around it; Chinese and Japanese leave no blank before that."""
    url = url.rstrip(_TRAILING)
    authority = Link(url, "text").authority
    ending = authority.rpartition(".")[2]
    glued = _GLUED.match(ending)
    return url[: url.index(authority) + len(authority) - len(ending) + glued.end()] if glued else url


def _beside(text: str, spans: list[tuple[int, int]]) -> Iterator[str]:
    """Return for each span the words before and after it, up to the sentence's ends or the next span."""
    for number, (start, end) in enumerate(spans):
        first = max(spans[number - 1][1] if number else 0, start - _NEAR)
        last = min(spans[number + 1][0] if number + 1 < len(spans) else len(text), end + _NEAR)
        before = _ENDS.split(text[first:start])[-1]
        after = _ENDS.split(text[end:last], maxsplit=1)[0]
        yield " ".join(f"{before} {after}".split())


def css_urls(style: str) -> Iterator[tuple[str, str]]:
    """Yield (URL, kind) of what a style sheet loads: images and fonts, and other style sheets."""
    for how, url in _CSS.findall(_CSS_COMMENT.sub(" ", style)):
        yield url, "css" if how.startswith("@") else "image"


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.read(page)
    return reader


class _Reader:
    """Reads a page once: links, words, and what matters for display."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.features: dict[str, int] = {}
        self.words = ""
        self._said: list[str] = []
        self._length = 0
        self.blocks: list[Block] = []
        self._opened: tuple[str, int, int] | None = None  # URL, where in the words and in the alt texts it began
        self._spots: list[tuple[str, str, int, int]] = []  # URL, kind, first and last place in the words
        self._alts: dict[int, list[str]] = {}
        self._others: list[tuple[int, Link]] = []  # links without words, by their place in the words
        self._pictures: list[tuple[int, str]] = []  # place in the words, and alt text
        self._headings: list[int] = []

    def read(self, page: str) -> None:
        """Read it all."""
        raw = ""  # the element whose raw text must come next
        for token in scan(page):
            if raw and not (token.inside == raw if isinstance(token, Text) else token.closing and token.name == raw):
                self._count(f"unclosed {raw}")
            raw = ""
            if isinstance(token, Text):
                self._text(page[token.start : token.end], token)
            else:
                raw = token.name if token.name in RAW and not token.closing else ""
                self._tag(page, token)
        if raw:
            self._count(f"unclosed {raw}")
        self._finish()
        said = "".join(self._said)
        self.words = " ".join(said.split())
        near = _beside(said, [(start, end) for _, _, start, end in self._spots])
        placed = list(self._others)
        for number, ((url, kind, start, end), beside) in enumerate(zip(self._spots, near, strict=True)):
            alt = " ".join(self._alts.get(number, ()))
            words = said[start:end]
            link = Link(url, kind, " ".join(words.split()) if kind == "link" else "", f"{beside} {alt}".strip())
            placed.append((start + len(words) - len(words.lstrip()), link))
            self.links.append(link)
        self.blocks = self._blocks(said, placed)

    def _blocks(self, said: str, links: list[tuple[int, Link]]) -> list[Block]:
        """Lay out the page by its breaks; what holds nothing is left out."""
        words = said.split("\n")
        starts = [0]
        for one in words:
            starts.append(starts[-1] + len(one) + 1)
        blocks = [Block() for _ in words]
        shown = [[one] for one in words]

        def at(place: int) -> int:
            return bisect_right(starts, place, hi=len(blocks)) - 1

        for place, link in sorted(links, key=lambda one: one[0]):
            blocks[at(place)].links.append(link)
        for place, alt in self._pictures:
            blocks[at(place)].picture = True
            shown[at(place)].append(alt)
        for place in self._headings:
            blocks[at(place)].heading = True
        for block, pieces in zip(blocks, shown, strict=True):
            block.words = " ".join(" ".join(pieces).split())
        return [block for block in blocks if block.words or block.links or block.picture]

    def _count(self, feature: str) -> None:
        self.features[feature] = self.features.get(feature, 0) + 1

    def _say(self, words: str) -> None:
        self._said.append(words)
        self._length += len(words)

    def _text(self, source: str, token: Text) -> None:
        if token.inside == "style":
            self._load(source, "outlook" if token.conditional else "")
        elif not token.conditional and token.inside not in ("script", "title"):
            words = re.sub(r"\s+", " ", html.unescape(source))
            if self._opened is None:
                here = self._length
                self._spots += [(url, "text", here + start, here + end) for start, end, url in _urls(words)]
            self._say(words)

    def _load(self, style: str, kind: str) -> None:
        self.links += [Link(url, kind or own) for url, own in css_urls(style)]

    def _tag(self, page: str, tag: Tag) -> None:
        if tag.name == "a" and not tag.conditional:
            self._finish()  # nobody nests links; one that was not closed ends where the next begins
        if tag.name not in _INLINE and not tag.conditional:
            self._say("\n")
        if tag.closing:
            return
        if tag.name in _HEADINGS and not tag.conditional:
            self._headings.append(self._length)
        given: dict[str, str] = {}
        for one in tag.attributes:
            given.setdefault(one.name, html.unescape(page[one.value_start : one.value_end]).strip())
        for name, value in given.items():
            self._attribute(tag, name, value, given)
        if not tag.conditional:
            self._display(tag.name, given)

    def _attribute(self, tag: Tag, name: str, value: str, given: dict[str, str]) -> None:
        if not value and (tag.name, name) != ("a", "href"):
            return
        if name in _SETS:
            urls = [url.strip(",") for url in _CANDIDATES.split(value)]
            self.links += [Link(url, "outlook" if tag.conditional else "image") for url in urls if url]
        elif name == "style":
            self._load(value, "outlook" if tag.conditional else "")
        elif tag.name == "meta" and name == "content" and given.get("http-equiv", "").lower() == "refresh":
            for url in _REFRESH.findall(value):
                self._place(Link(url, "link"))
        elif name in _ATTRIBUTES and (name != "data" or tag.name == "object"):
            kind = _ELEMENTS.get((tag.name, name), _ATTRIBUTES[name])
            if kind == "head" and "stylesheet" in given.get("rel", "").lower():
                kind = "css"
            if tag.conditional:
                self.links.append(Link(value, "outlook"))
            elif tag.name == "a" and name == "href":
                self._opened = (value, self._length, len(self._spots))
            elif kind == "link":
                self._place(Link(value, kind, given.get("alt", "")))
            else:
                self.links.append(Link(value, kind, given.get("alt", "")))

    def _place(self, link: Link) -> None:
        self.links.append(link)
        self._others.append((self._length, link))

    def _display(self, name: str, given: dict[str, str]) -> None:
        if name != "script" or "json" not in given.get("type", ""):  # structured data is no program
            self._count(name)
        for _ in (one for one in given if one.startswith("on")):
            self._count("on*")
        if name == "base" and given.get("href"):
            self._count("base href")
        if name == "img":
            sides = [given.get(side, "").removesuffix("px") for side in ("width", "height")]
            if sides in (["1", "1"], ["0", "0"]):
                self._count("pixel")
            if not any(re.fullmatch("[0-9]{1,9}", side) and int(side) < _SMALL for side in sides):
                self._pictures.append((self._length, given.get("alt", "")))
            if "alt" not in given:
                self._count("img without alt")
            elif self._opened:
                self._alts.setdefault(self._opened[2], []).append(given["alt"])

    def _finish(self) -> None:
        if self._opened:
            self._spots.append((self._opened[0], "link", self._opened[1], self._length))
            self._opened = None
