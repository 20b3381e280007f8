"""Layout: which factor owns which place of a part, and what stands there when it is plain."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from harness.campaign.blocks import align, copy_of, group
from harness.campaign.level import ATOM, Atom, Level, Merge, Section, joined, literal
from harness.campaign.markup import Page, Paragraph, Spot, read_page
from harness.campaign.place import NOTHING, Branch, Choice, Node, Place, nest, nodes
from harness.campaign.prose import read_prose
from harness.campaign.urls import Destination, destination, host_of, is_address
from harness.model.tag import Text, scan

_SETTLED = re.compile(r"https?://[^/{}]+/", re.IGNORECASE)
_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(slots=True)
class Findings:
    """What the layouts of all personas came across, by factor id, in reading order."""

    hosts: dict[str, dict[str, None]] = field(default_factory=dict)  # link -> hosts that it leads to
    seen: dict[str, str] = field(default_factory=dict)  # factor -> how it looked in production, first seen
    plain: dict[str, str] = field(default_factory=dict)


class Layout:
    """Lays out one persona's text and HTML levels."""

    def __init__(self, redirects: Mapping[str, str], note: str, swaps: Mapping[str, tuple[str, str]], found: Findings):
        self._redirects = redirects
        self._note = note
        self._swaps = swaps  # factor id -> (old host, new host)
        self._found = found
        self._pages: dict[tuple[str, str, str], Page] = {}
        self._numbers: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[list[int], list[int]]] = {}
        self._known: dict[str, Destination] = {}  # by URL as written, where no field can change where it leads
        self._links: dict[str, str] = {}  # what a URL looks like to readers -> the link's name

    def body(
        self, text: Level | None, markup: Level | None, more: Callable[[Level], list[Place]] | None = None
    ) -> dict[str, tuple[Node, ...]]:
        """Lay out the text part and the HTML part of one message together; `more` finds places of its own."""
        pages = {
            part: self.page(part, level) for part, level in (("html", markup), ("text", text)) if level is not None
        }
        made: dict[str, tuple[Node, ...]] = {}
        if not pages:
            return made
        numbers = self._blocks(pages)
        for part, level in (("html", markup), ("text", text)):
            if level is None:
                continue
            page = pages[part]
            places = self._places(part, _in_urls(level, page.spots), page.spots, "")
            places = [_worded(place, page, numbers[part]) for place in places]
            places += self._copy(part, page, numbers[part])
            places += more(level) if more else []
            made[part] = nest(_in_urls(level, page.spots), places, partial(self._atom, part))
        return made

    def page(self, part: str, level: Level) -> Page:
        """Read a level of a part; levels that are written alike are read once."""
        atoms = "".join(
            "s" if isinstance(atom, Section) else "u" if is_address(atom.production) else "m"
            for atom in level.atoms.values()
        )
        key = part, level.text, atoms
        if key not in self._pages:
            self._pages[key] = read_page(level) if part == "html" else read_prose(level)
        return self._pages[key]

    # Copy

    def _blocks(self, pages: Mapping[str, Page]) -> dict[str, list[int]]:
        """Number the paragraphs of both parts so that the same copy has the same number."""
        leading = pages["html"].paragraphs if "html" in pages else pages["text"].paragraphs
        other = pages["text"].paragraphs if "html" in pages and "text" in pages else []
        key = tuple(p.words for p in leading), tuple(p.words for p in other)
        if key not in self._numbers:
            copies = [copy_of(p.words, p.heading) for p in leading if not p.title]
            first = group(copies)
            blocks: list[list[str]] = [[] for _ in range(max(first, default=0))]
            for number, copy in zip(first, copies, strict=True):
                blocks[number - 1].extend(copy.words)
            known = iter(first)
            numbers = [1 if p.title else next(known) for p in leading]
            self._numbers[key] = numbers, align(blocks, [copy_of(p.words) for p in other])
        first, second = self._numbers[key]
        return {"html": first, "text": second} if "html" in pages else {"text": first}

    def _copy(self, part: str, page: Page, numbers: Sequence[int]) -> list[Place]:
        note = html.escape(self._note, quote=False).replace("\n", "<br>\n") if part == "html" else self._note
        spot = _note_paragraph(page.paragraphs, numbers)
        places: list[Place] = []
        for position, (paragraph, number) in enumerate(zip(page.paragraphs, numbers, strict=True)):
            for order, (start, end) in enumerate(paragraph.runs):
                plain = literal(note) if position == spot and order == 0 else NOTHING
                places.append(Place(start, end, f"text:{number}", plain))
            self._found.seen.setdefault(f"text:{number}", "")
            if len(self._found.seen[f"text:{number}"]) < 60:
                self._found.seen[f"text:{number}"] += paragraph.words
        if spot is None:
            self._found.seen.setdefault("text:1", "")
            gap = "\n\n" if part == "text" else ""
            places.append(Place(page.body, page.body, "text:1", literal(note + gap)))
        return places

    # Links, images, styles

    def _places(self, part: str, level: Level, spots: Sequence[Spot], section: str) -> list[Place]:
        places: list[Place] = []
        styles = 0
        for spot in sorted(spots, key=lambda spot: spot.visible):
            match spot.kind:
                case "link":
                    places += self._link(part, level, spot)
                case "style":
                    styles += 1
                    name = f"style:{section}{styles}"
                    self._found.seen.setdefault(name, level.form(spot.start, min(spot.end, spot.start + 60)))
                    places.append(Place(spot.start, spot.end, name))
                case "preheader":
                    words = re.sub(r"<[^>]*>|\s+", " ", level.form(spot.start, spot.end)).strip()
                    self._found.seen.setdefault("preheader", words)
                    places.append(Place(spot.start, spot.end, "preheader"))
                case _:
                    places.append(self._image(level, spot))
        return places

    def _link(self, part: str, level: Level, spot: Spot) -> list[Place]:
        assert spot.url is not None
        start, end = spot.url
        where = self._destination(level.form(start, end), level.production(start, end), spot.visible)
        name = f"link:{where.name}"
        self._found.hosts.setdefault(name, {}).setdefault(where.host)
        self._found.seen.setdefault(name, level.form(start, end))
        places = [Place(spot.start, spot.end, name)]
        if where.target and spot.start <= start < end <= spot.end:
            owner = f"redirect:{host_of(level.production(start, end))}"
            self._found.seen.setdefault(owner, level.form(start, end))
            self._found.plain.setdefault(owner, where.target)
            places.append(Place(start, end, owner, _direct(part, where.target, level, start, end)))
        for owner, (old, new) in self._swaps.items():
            at = level.text.lower().find(old, start, end)
            if where.host == old and at >= 0 and spot.start <= start:
                places.append(Place(at, at + len(old), owner, literal(new)))
        return places

    def _destination(self, form: str, value: str, visible: bool) -> Destination:
        known = self._known.get(form)
        if known is None or self._redirects:
            known = destination(form, value, self._redirects)
            if _SETTLED.match(form):
                self._known[form] = known
        where = known
        key = re.sub(r"^(?:https?://)?(?:www\.)?", "", where.name).rstrip("/")
        if not visible:
            self._links.setdefault(key, where.name)
            self._links.setdefault(where.name, where.name)
        elif key in self._links and where.name not in self._links:
            return Destination(self._links[key], where.host, where.tracker, where.target)
        return where

    def _image(self, level: Level, spot: Spot) -> Place:
        assert spot.url is not None
        name = f"{spot.kind}:{html.unescape(level.form(*spot.url).strip())}"
        self._found.seen.setdefault(name, level.form(*spot.url))
        plain = cut(level, *spot.alt) if spot.alt else literal(spot.plain)
        self._found.plain.setdefault(name, plain.production())
        return Place(spot.start, spot.end, name, plain)

    # Atoms

    def _atom(self, part: str, atom: Atom) -> Node:
        if isinstance(atom, Section):
            self._found.seen.setdefault(f"section:{atom.name}", atom.inner.form()[:80])
            page = self.page(part, atom.inner)
            level = _in_urls(atom.inner, page.spots)
            places = self._places(part, level, page.spots, f"{atom.name}.")
            return Branch(f"section:{atom.name}", nest(level, places, partial(self._atom, part)))
        inner: tuple[Node, ...] = ()
        if part == "html" and ("<" in atom.production or "//" in atom.production) and " " in atom.production.strip():
            level = literal(atom.production)
            places = self._places(part, level, read_page(level).spots, f"{atom.form}.")
            inner = nest(level, places, choice) if places else ()
        made = choice(atom)
        # A link in a value can't be cut from what stands in for the value: there only the words are left.
        texts = (*map(_words, made.texts[:-1]), made.texts[-1]) if inner else made.texts
        return Choice(made.owners, texts, made.joint, inner)


def _words(markup: str) -> str:
    """Leave the text of HTML without its tags."""
    return "".join(markup[token.start : token.end] for token in scan(markup) if isinstance(token, Text))


def choice(atom: Atom) -> Choice:
    """Make the node of a merge output."""
    assert isinstance(atom, Merge)
    return Choice(tuple(f"merge:{name}" for name in atom.fields), atom.values, atom.joint)


def simple(level: Level) -> tuple[Node, ...]:
    """Make nodes of a level in which no places are looked for (subject, header fields)."""

    def node(atom: Atom) -> Node:
        if isinstance(atom, Section):
            return Branch(f"section:{atom.name}", simple(atom.inner))
        return choice(atom)

    return tuple(nodes(level, node))


def cut(level: Level, start: int, end: int) -> Level:
    """Take a span of a level as a level of its own."""
    return Level(level.text[start:end], {at - start: atom for at, atom in level.atoms.items() if start <= at < end})


def _in_urls(level: Level, spots: Sequence[Spot]) -> Level:
    """Take the spaces out of plain values that stand in URLs."""
    changed: dict[int, Atom] = {}
    inside = sorted(spot.url for spot in spots if spot.url)
    for start, end in inside:
        at = level.text.find(ATOM, start, end)
        while at >= 0:
            atom = level.atoms.get(at)
            if isinstance(atom, Merge) and re.search(r"\s", atom.plain):
                changed[at] = Merge(atom.fields, (re.sub(r"\s+", "-", atom.plain), *atom.values[1:]), atom.joint)
            at = level.text.find(ATOM, at + 1, end)
    return Level(level.text, {**level.atoms, **changed}) if changed else level


def _direct(part: str, target: str, level: Level, start: int, end: int) -> Level:
    """Write where a tracked URL leads, with the fields that it takes along."""
    own: dict[str, Atom] = {}
    for piece in level.pieces(start, end):
        if isinstance(piece, Merge):
            own.setdefault("+".join(piece.fields), piece)
    parts: list[str | Atom] = []
    for number, piece in enumerate(_FIELD.split(target)):
        if number % 2 and piece in own:
            parts.append(own[piece])
        else:
            words = "{" + piece + "}" if number % 2 else piece
            parts.append(html.escape(words) if part == "html" else words)
    return joined(parts)


def _worded(place: Place, page: Page, numbers: Sequence[int]) -> Place:
    """Give the words that stand in for an image to the block of copy that it stands in."""
    if not place.owner.startswith("image:") or not place.plain.text or place.plain.text == "none":
        return place
    block = 1
    for paragraph, number in zip(page.paragraphs, numbers, strict=True):
        if paragraph.runs[0][0] > place.start:
            break
        block = number
    return replace(place, plain_owner=f"text:{block}")


def _note_paragraph(paragraphs: Sequence[Paragraph], numbers: Sequence[int]) -> int | None:
    """Choose the paragraph of the first block in which the note stands: its longest one that is no heading."""
    own = [position for position, number in enumerate(numbers) if number == 1 and not paragraphs[position].title]
    if not own:
        return None

    def size(position: int) -> tuple[bool, int]:
        paragraph = paragraphs[position]
        return not (paragraph.conditional or paragraph.heading), len(paragraph.words)

    return max(own, key=size)


_HIDE = "display:none;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"


def with_preheader(markup: Level, page: Page, preheader: Level) -> Level:
    """Put the campaign's preheader first into the body, hidden, unless the HTML says it there already."""
    hidden = next((spot for spot in page.spots if spot.kind == "preheader"), None)
    words = preheader.production().strip()
    if not words or (hidden and words in html.unescape(markup.production(hidden.start, hidden.end))):
        return markup
    parts: list[str | Atom] = [f'<div class="preheader" style="{_HIDE}">']
    for piece in preheader.pieces():
        if isinstance(piece, str):
            parts.append(html.escape(piece, quote=False))
        elif isinstance(piece, Merge):
            values = tuple(html.escape(value, quote=False) for value in piece.values)
            parts.append(Merge(piece.fields, values, piece.joint))
        else:
            parts.append(piece)
    return joined([*markup.pieces(0, page.body), *parts, "</div>", *markup.pieces(page.body)])
