"""Levels: rendered source in which every merge output and every section is one placeholder character.

A level is the same text for all recipients as long as the template takes the same turns, so what is found in it
(links, images, blocks of copy) has the same name and number for every seed. A section holds a level of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

ATOM = "\U0010fff0"  # stands where a merge output or a section stands; which one is known by position


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge output: what it shows for every subset of its fields.

    `values` is indexed by a bit mask, bit i set where `fields[i]` is in production; the last one is
    production. A `joint` output has two values only: production where all fields are, plain otherwise.
    """

    fields: tuple[str, ...]
    values: tuple[str, ...]
    joint: bool = False

    @property
    def production(self) -> str:
        """What the template renders to."""
        return self.values[-1]

    @property
    def plain(self) -> str:
        """What is shown where none of its fields is in production."""
        return self.values[0]

    @property
    def form(self) -> str:
        """How it is written in an id: `{field}`, the same for all recipients."""
        return "{" + "+".join(self.fields) + "}"


@dataclass(frozen=True, slots=True)
class Section:
    """What a conditional or a loop rendered to."""

    name: str
    inner: Level

    @property
    def production(self) -> str:
        """What the template renders to."""
        return self.inner.production()

    @property
    def form(self) -> str:
        """How it is written in an id."""
        return "{" + self.name + "}"


Atom = Merge | Section


@dataclass(frozen=True, slots=True)
class Level:
    """Source text with its atoms by position."""

    text: str
    atoms: Mapping[int, Atom] = field(default_factory=dict)

    def production(self, start: int = 0, end: int | None = None) -> str:
        """Return what a span renders to."""
        return "".join(piece if isinstance(piece, str) else piece.production for piece in self.pieces(start, end))

    def form(self, start: int = 0, end: int | None = None) -> str:
        """Return a span with `{field}` where its atoms stand."""
        return "".join(piece if isinstance(piece, str) else piece.form for piece in self.pieces(start, end))

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[str | Atom]:
        """Walk a span: runs of literal text and atoms, in order."""
        stop = len(self.text) if end is None else end
        while start < stop:
            at = self.text.find(ATOM, start, stop)
            while at >= 0 and at not in self.atoms:
                at = self.text.find(ATOM, at + 1, stop)  # the character itself, in an imported message
            if at < 0:
                yield self.text[start:stop]
                return
            if at > start:
                yield self.text[start:at]
            yield self.atoms[at]
            start = at + 1

    def merges(self) -> Iterator[Merge]:
        """Walk all merge outputs, those inside sections too."""
        for atom in self.atoms.values():
            if isinstance(atom, Merge):
                yield atom
            else:
                yield from atom.inner.merges()


def literal(text: str) -> Level:
    """Make a level without atoms."""
    return Level(text)


def joined(parts: Iterable[str | Atom]) -> Level:
    """Put literal texts and atoms together."""
    pieces: list[str] = []
    atoms: dict[int, Atom] = {}
    size = 0
    for part in parts:
        if not isinstance(part, str):
            atoms[size] = part
        pieces.append(part if isinstance(part, str) else ATOM)
        size += len(pieces[-1])
    return Level("".join(pieces), atoms)
