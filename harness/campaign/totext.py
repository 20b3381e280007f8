"""The text part where the campaign has none: what the HTML says, with the URL behind each link.

How a page reads as text is worked out once for all recipients whose template took the same turns; their values are
filled in after.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from harness.campaign.level import Atom, Level, Merge, Section, joined, literal
from harness.campaign.markup import BLOCKS, read_page
from harness.campaign.urls import is_link
from harness.model.tag import Tag, Text, scan

_SPACE = re.compile(r"[ \t\r\n\f\u00a0\u200b-\u200d\u034f\ufeff\u00ad]+")
_MARKUP = re.compile(r"</?[A-Za-z!]")


@dataclass(frozen=True, slots=True)
class _Hole:
    """An atom of the page: where it stands there, how its values are written, how a section's inside reads."""

    position: int
    write: Callable[[str], str]
    inner: tuple[str | _Hole, ...] = ()


_Plan = tuple[str | _Hole, ...]


class Texts:
    """Writes pages as text."""

    def __init__(self) -> None:
        self._plans: dict[tuple[object, ...], _Plan] = {}

    def text_of(self, page: Level) -> Level:
        """Write a page as text; a hidden preheader is left out."""
        key = _key(page)
        if key not in self._plans:
            hidden = next((spot for spot in read_page(page).spots if spot.kind == "preheader"), None)
            self._plans[key] = _plan(page, (hidden.start, hidden.end) if hidden else (0, 0))
        return _filled(self._plans[key], page)


def _key(page: Level) -> tuple[object, ...]:
    sections = tuple(_key(atom.inner) for atom in page.atoms.values() if isinstance(atom, Section))
    return page.text, tuple(isinstance(atom, Section) for atom in page.atoms.values()), sections


def _filled(plan: _Plan, page: Level) -> Level:
    parts: list[str | Atom] = []
    for part in plan:
        if isinstance(part, str):
            parts.append(part)
            continue
        atom = page.atoms[part.position]
        if isinstance(atom, Merge):
            parts.append(Merge(atom.fields, tuple(map(part.write, atom.values)), atom.joint))
        else:
            parts.append(Section(atom.name, _filled(part.inner, atom.inner)))
    return joined(parts)


class _Writer:
    """Lays out text."""

    def __init__(self) -> None:
        self.parts: list[str | _Hole] = []
        self.breaks = 0  # newlines that are due before the next word
        self.space = False
        self.started = False

    def add(self, part: str | _Hole) -> None:
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


def _plan(page: Level, skip: tuple[int, int] = (0, 0)) -> _Plan:
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
    return tuple(writer.parts)


def _text(page: Level, start: int, end: int, writer: _Writer) -> None:
    at = start
    for piece in page.pieces(start, end):
        if isinstance(piece, str):
            writer.words(piece)
            at += len(piece)
            continue
        if isinstance(piece, Merge):
            writer.add(_Hole(at, _value))
        elif inner := _plan(piece.inner):
            block = _MARKUP.search(piece.inner.text) is not None
            writer.breaks = max(writer.breaks, 1) if block else writer.breaks
            writer.add(_Hole(at, str, inner))
            writer.breaks = 1 if block else 0
        at += 1


def _value(value: str) -> str:
    if _MARKUP.search(value):
        return "".join(part for part in _plan(literal(value)) if isinstance(part, str))
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
    at = span[0]
    for piece in page.pieces(*span):
        if isinstance(piece, str):
            writer.add(html.unescape(piece.strip()))
            at += len(piece)
            continue
        inner = tuple(_plan(piece.inner)) if isinstance(piece, Section) else ()
        writer.add(_Hole(at, html.unescape, inner))
        at += 1
    writer.add(")")
