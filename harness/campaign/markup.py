"""Markup: the links, images, pixels, styles, hidden preheader and copy of HTML source, each by its span."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.campaign.level import ATOM, Level, Section
from harness.campaign.urls import addresses, is_link
from harness.campaign.words import word_set
from harness.model.tag import Attribute, Tag, Text, Token, scan

BLOCKS = word_set(
    "address article aside blockquote body button caption center dd div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 head header hr html li main nav ol option p pre section table tbody td "
    "tfoot th thead title tr ul"
)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]{0,500}>", re.I)
_MOST_HIDDEN = 20  # hidden elements that are looked into before the first words
_PREHEADERS = word_set("preheader preheader-text preheadertext preview preview-text previewtext")
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|max-height\s*:\s*0|font-size\s*:\s*[01]p"
    r"|opacity\s*:\s*0(?![.\d])",
    re.I,
)
_TINY = re.compile(r"(?:^|[;\s])(width|height)\s*:\s*[01](?:px)?(?=\s*(?:;|$|!))", re.I)
_GONE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_CSS_URL = re.compile(r"url\(\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^)\"'\s]*))\s*\)", re.I)
_CSS_PROPERTY = re.compile(r"[-\w]+(?=\s*:[^:;{}]*$)")
_PICTURED = frozenset(
    ("background", "background-image", "list-style", "list-style-image", "content", "border-image", "cursor")
)
_EMPTY = re.compile(
    r"(?:\s|&(?:nbsp|zwnj|zwj|shy);|&#0*(?:160|8203|8204|847|173|65279);|&#x0*(?:a0|200b|200c|34f|feff);"
    r"|[\u00a0\u200b-\u200d\u034f\ufeff\u00ad])+",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Spot:
    """One span of interest. `url` is the span of its URL, `alt` of the text that stands in for it."""

    kind: str  # link | image | pixel | style | preheader
    start: int
    end: int
    url: tuple[int, int] | None = None
    alt: tuple[int, int] | None = None
    plain: str = ""
    visible: bool = False  # a bare URL that people read


@dataclass(slots=True)
class Paragraph:
    """Copy between two block boundaries: the spans of its runs of text."""

    runs: list[tuple[int, int]] = field(default_factory=list)
    heading: bool = False
    conditional: bool = False
    title: bool = False  # of the page: read in tabs, never in the letter
    words: str = ""


@dataclass(slots=True)
class Page:
    """What is found in one level of HTML."""

    spots: list[Spot] = field(default_factory=list)
    paragraphs: list[Paragraph] = field(default_factory=list)
    body: int = 0  # where the content of the body begins


def read_page(level: Level) -> Page:
    """Find all of a level; what sections hold is found in their own levels."""
    return _Reader(level).read()


class _Reader:
    def __init__(self, level: Level):
        self._level = level
        self._source = level.text
        self._page = Page()
        self._tokens: list[Token] = list(scan(level.text))
        self._links: list[tuple[int, int] | None] = []  # URL spans of the `<a>` that are open
        self._paragraph = Paragraph()
        self._heading = 0
        self._style: int | None = None

    def read(self) -> Page:
        self._body()
        skip = self._preheader()
        last = max((number for number, token in enumerate(self._tokens) if self._is_copy(token)), default=-1)
        for number, token in enumerate(self._tokens):
            if isinstance(token, Text):
                if not skip[0] <= token.start < skip[1]:
                    self._text(token)
            else:
                self._tag(token, number > last)
        self._flush()
        return self._page

    def _is_copy(self, token: Token) -> bool:
        return isinstance(token, Text) and not token.inside and not _is_empty(self._source[token.start : token.end])

    def _body(self) -> None:
        """Find where the content begins: after `<body>`, or after the head of a page that has no such tag."""
        doctype = _DOCTYPE.match(self._source)
        self._page.body = doctype.end() if doctype else 0
        for token in self._tokens:
            if isinstance(token, Tag) and not token.conditional:
                if token.name == "body" and not token.closing:
                    self._page.body = token.end
                    return
                if (token.name == "html" and not token.closing) or (token.name == "head" and token.closing):
                    self._page.body = token.end

    def _preheader(self) -> tuple[int, int]:
        """Find hidden text that comes before any that is seen (what the inbox shows after the subject)."""
        looked = 0
        for number, token in enumerate(self._tokens):
            if token.start < self._page.body:
                continue
            if looked == _MOST_HIDDEN:
                break
            if self._is_copy(token):
                break
            if isinstance(token, Tag) and not token.closing and not token.conditional and self._hides(token):
                looked += 1
                end = self._element_end(number)
                inside = self._tokens[number + 1 : end]
                if any(self._is_copy(each) for each in inside) and end < len(self._tokens):
                    span = token.start, self._tokens[end].end
                    self._page.spots.append(Spot("preheader", *span))
                    return span
        return 0, 0

    def _hides(self, tag: Tag) -> bool:
        style, css = tag.get("style"), tag.get("class")
        if style and _HIDDEN.search(self._value(style)):
            return True
        named = bool(css) and not _PREHEADERS.isdisjoint(self._value(css).lower().split())
        return named or tag.get("hidden") is not None

    def _element_end(self, number: int) -> int:
        """Find the token that closes an element; past the end where none does."""
        name = self._tokens[number].name  # type: ignore[union-attr]
        depth = 0
        for at in range(number, len(self._tokens)):
            token = self._tokens[at]
            if isinstance(token, Tag) and token.name == name:
                depth += -1 if token.closing else 1
                if depth == 0:
                    return at
        return len(self._tokens)

    def _value(self, attribute: Attribute | None) -> str:
        return self._source[attribute.value_start : attribute.value_end] if attribute else ""

    # Copy

    def _text(self, token: Text) -> None:
        if token.inside in ("style", "textarea", "xmp"):
            if token.inside == "style":
                self._css(token.start, token.end)
            return
        spans = list(self._visible_urls(token.start, token.end))
        if token.inside == "script":
            return
        if token.inside == "title":
            self._flush()
        at = token.start
        for start, end in [*spans, (token.end, token.end)]:
            self._run(at, start, token)
            at = end
        if token.inside == "title":
            self._paragraph.title = True
            self._flush()

    def _run(self, start: int, end: int, token: Text) -> None:
        """Add one run of copy, without the white space and the sections at its ends."""
        source = self._source
        while start < end and (source[start].isspace() or self._is_section(start)):
            start += 1
        while end > start and (source[end - 1].isspace() or self._is_section(end - 1)):
            end -= 1
        if start < end and not _is_empty(source[start:end]):
            self._paragraph.runs.append((start, end))
            self._paragraph.words += " " + source[start:end].replace(ATOM, "")
            self._paragraph.conditional |= token.conditional
            self._paragraph.heading |= self._heading > 0

    def _is_section(self, at: int) -> bool:
        return isinstance(self._level.atoms.get(at), Section)

    def _flush(self) -> None:
        if self._paragraph.runs:
            self._page.paragraphs.append(self._paragraph)
        self._paragraph = Paragraph()

    def _visible_urls(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        for first, stop in addresses(self._level, start, end):
            self._page.spots.append(Spot("link", first, stop, (first, stop), visible=True))
            yield first, stop

    # Tags

    def _tag(self, tag: Tag, after_copy: bool) -> None:
        if tag.name in BLOCKS or tag.name.startswith("v:"):
            self._flush()
        if tag.name in HEADINGS:
            self._heading = 0 if tag.closing else 1
        if tag.name == "a":
            self._anchor(tag)
        if tag.closing:
            if tag.name == "style" and self._style is not None:
                self._page.spots.append(Spot("style", self._style, tag.end))
                self._style = None
            return
        if tag.name == "style":
            self._style = tag.start
        if tag.name == "link":
            self._linked(tag)
        elif tag.name in ("img", "source", "v:image", "v:imagedata") or (tag.name == "input" and tag.get("src")):
            self._image(tag, after_copy)
        elif tag.name != "a":
            self._attribute_link(tag)
        if tag.name.startswith("v:") and tag.name not in ("v:image", "v:imagedata"):
            self._attribute_image(tag.get("src"))
        self._attribute_image(tag.get("background"))
        self._attribute_image(tag.get("poster"))
        style = tag.get("style")
        if style and "url(" in self._value(style).lower():
            self._css(style.value_start, style.value_end)

    def _anchor(self, tag: Tag) -> None:
        if tag.closing:
            url = self._links.pop() if self._links else None
            if url:
                self._page.spots.append(Spot("link", tag.start, tag.end, url))
            return
        href = tag.get("href")
        linked = href is not None and is_link(self._value(href))
        self._links.append((href.value_start, href.value_end) if href and linked else None)
        if href and linked:
            self._page.spots.append(Spot("link", tag.start, tag.end, (href.value_start, href.value_end)))

    def _attribute_link(self, tag: Tag) -> None:
        for name in ("href", "action", "cite", "longdesc"):
            attribute = tag.get(name)
            if attribute and tag.name != "base" and is_link(self._value(attribute)):
                span = attribute.value_start, attribute.value_end
                self._page.spots.append(Spot("link", attribute.start, attribute.end, span))

    def _linked(self, tag: Tag) -> None:
        relation = self._value(tag.get("rel")).lower()
        if "stylesheet" in relation or "preload" in relation or "preconnect" in relation:
            self._page.spots.append(Spot("style", tag.start, tag.end))
        else:
            self._attribute_link(tag)

    # Images

    def _image(self, tag: Tag, after_copy: bool) -> None:
        source = tag.get("src") or tag.get("href")
        candidates = list(self._candidates(tag.get("srcset")))
        if source is not None and self._value(source).strip():
            url = source.value_start, source.value_end
        elif candidates:
            url = candidates[0][1]
        else:
            return
        alt = tag.get("alt")
        text = (alt.value_start, alt.value_end) if alt and not _is_empty(self._value(alt) or " ") else None
        if self._is_pixel(tag, url, text, after_copy):
            self._page.spots.append(Spot("pixel", tag.start, tag.end, url))
            return
        self._page.spots.append(Spot("image", tag.start, tag.end, url, text))
        own = self._source[url[0] : url[1]].strip()
        for (start, end), span in candidates:
            if self._source[span[0] : span[1]] != own:
                self._page.spots.append(Spot("image", start, end, span))

    def _is_pixel(self, tag: Tag, url: tuple[int, int], alt: tuple[int, int] | None, after_copy: bool) -> bool:
        """Tell what counts opens from what is looked at."""
        address = self._source[url[0] : url[1]].strip().lower()
        if address.startswith(("cid:", "data:")) or tag.name not in ("img", "input"):
            return False
        style = self._value(tag.get("style"))
        sizes = {name: self._value(tag.get(name)).strip().rstrip("px") for name in ("width", "height")}
        tiny = {found[1].lower() for found in _TINY.finditer(style)}
        if all(sizes[name] in ("0", "1") or name in tiny for name in ("width", "height")):
            return True
        if _GONE.search(style) and self._source.count("{", *url) == 0:
            return alt is None
        return after_copy and alt is None and "?" in address and not any(sizes.values())

    def _candidates(self, srcset: Attribute | None) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Walk a srcset: each candidate's whole span with its comma, and the span of its URL."""
        if srcset is None:
            return
        previous = srcset.value_start
        for found in re.finditer(r"([^\s,][^\s]*[^\s,])(?:\s+[\d.]+[wxh])?\s*(?:,|$)", self._value(srcset)):
            start = srcset.value_start + found.start(1)
            yield (previous, srcset.value_start + found.end()), (start, srcset.value_start + found.end(1))
            previous = srcset.value_start + found.end()

    def _attribute_image(self, attribute: Attribute | None) -> None:
        if attribute and self._value(attribute).strip():
            span = attribute.value_start, attribute.value_end
            self._page.spots.append(Spot("image", attribute.start, attribute.end, span))

    def _css(self, start: int, end: int) -> None:
        """Find pictures in CSS; fonts and imported sheets stay part of the style."""
        for found in _CSS_URL.finditer(self._source, start, end):
            group = next(number for number in (1, 2, 3) if found[number] is not None)
            before = self._source[max(start, found.start() - 200) : found.start()]
            declared = _CSS_PROPERTY.search(re.split("[;{}]", before)[-1])
            if found[group] and declared and declared[0].lower() in _PICTURED and not found[group].startswith("data:"):
                self._page.spots.append(Spot("image", found.start(), found.end(), found.span(group), plain="none"))


def _is_empty(text: str) -> bool:
    return not text or _EMPTY.fullmatch(text) is not None
