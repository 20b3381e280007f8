"""The text part where the campaign has none: what the HTML says, with the URL behind each link."""

from __future__ import annotations

import html
import re

from harness.campaign.level import Atom, Level, Merge, Section, joined, literal
from harness.campaign.markup import BLOCKS
from harness.campaign.scan import Tag, Text, scan
from harness.campaign.urls import is_link

_SPACE = re.compile(r"[ \t\r\n\f\u00a0\u200b-\u200d\u034f\ufeff\u00ad]+")
_MARKUP = re.compile(r"</?[A-Za-z!]")


class _Writer:
    """Lays out text and carries atoms along."""

    def __init__(self) -> None:
        self.parts: list[str | Atom] = []
        self.breaks = 0  # newlines that are due before the next word
        self.space = False
        self.started = False

    def add(self, part: str | Atom) -> None:
        if self.started and self.breaks:
            self.parts.append("\n" * self.breaks)
        elif self.started and self.space:
            self.parts.append(" ")
        self.breaks = 0
        self.space = False
        self.started = True
        self.parts.append(part)

    def words(self, text: str) -> None:
        folded = _SPACE.sub(" ", html.unescape(text))
        if folded.startswith(" "):
            self.space = True
        if folded.strip():
            self.add(folded.strip())
            self.space = folded.endswith(" ")

    def level(self) -> Level:
        return joined(self.parts)


def to_text(page: Level, skip: tuple[int, int] = (0, 0)) -> Level:
    """Write HTML as text; `skip` is the span of a hidden preheader."""
    writer = _Writer()
    links: list[tuple[int, int] | None] = []
    for token in scan(page.text):
        if skip[0] <= token.start < skip[1] or token.conditional:
            continue
        if isinstance(token, Text):
            if not token.inside:
                _text(page, token.start, token.end, writer)
            continue
        _tag(page, token, writer, links)
    return writer.level()


def _text(page: Level, start: int, end: int, writer: _Writer) -> None:
    for piece in page.pieces(start, end):
        if isinstance(piece, str):
            writer.words(piece)
        elif isinstance(piece, Section):
            inner = to_text(piece.inner)
            if inner.text:
                if _MARKUP.search(piece.inner.text):
                    writer.breaks = max(writer.breaks, 1)
                writer.add(Section(piece.name, inner))
                if _MARKUP.search(piece.inner.text):
                    writer.breaks = 1
        else:
            writer.add(Merge(piece.fields, tuple(map(_value, piece.values)), piece.joint))


def _value(value: str) -> str:
    if _MARKUP.search(value):
        return to_text(literal(value)).production()
    return html.unescape(value)


def _tag(page: Level, tag: Tag, writer: _Writer, links: list[tuple[int, int] | None]) -> None:
    if tag.name == "br":
        writer.breaks = min(writer.breaks + 1, 2)
    elif tag.name in BLOCKS and tag.name not in ("td", "th", "caption"):
        writer.breaks = max(writer.breaks, 1 if tag.name in ("tr", "li", "div", "tbody", "table") else 2)
        if tag.name == "li" and not tag.closing:
            writer.add("-")
            writer.space = True
    elif tag.name in ("td", "th"):
        writer.space = True
    elif tag.name == "img" and (alt := tag.get("alt")):
        _text(page, alt.value_start, alt.value_end, writer)
    elif tag.name == "a" and not tag.closing:
        href = tag.get("href")
        span = (href.value_start, href.value_end) if href else None
        links.append(span if span and is_link(page.text[span[0] : span[1]]) else None)
    elif tag.name == "a" and links:
        span = links.pop()
        if span:
            _link(page, span, writer)


def _link(page: Level, span: tuple[int, int], writer: _Writer) -> None:
    """Write the URL in brackets after the words that it was behind."""
    writer.space = True
    writer.add("(")
    for piece in page.pieces(*span):
        if isinstance(piece, str):
            writer.add(html.unescape(piece.strip()))
        elif isinstance(piece, Merge):
            writer.add(Merge(piece.fields, tuple(map(html.unescape, piece.values)), piece.joint))
        else:
            writer.add(piece)
    writer.add(")")
