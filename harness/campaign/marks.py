"""Marks: the characters around every output and section of a marked rendering, and how they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.campaign.level import ATOM, Atom, Level, Merge, Section

FIRST = 0xF0000  # openers: one character per marked place of the template
LAST = 0xFFFFD
NEXT = "\U0010fffa"  # between the alternatives of an output
CLOSE = "\U0010fffb"
_MARKER = re.compile(f"[{chr(FIRST)}-{chr(LAST)}{NEXT}{CLOSE}]")
# What no source and no value may hold: the markers, and halves of characters, which are no text.
RESERVED = re.compile(f"[{chr(FIRST)}-{chr(LAST)}{NEXT}{CLOSE}{ATOM}\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Mark:
    """What an opener character stands for: a merge over fields, or a section by name."""

    fields: tuple[str, ...] = ()
    joint: bool = False
    section: str | None = None


@dataclass(slots=True)
class Marks:
    """The marks of one campaign's templates; a mark is known by its place in the list."""

    table: list[Mark] = field(default_factory=list)
    numbers: dict[Mark, int] = field(default_factory=dict)

    def opener(self, mark: Mark) -> str:
        """Return the character that opens a mark."""
        number = self.numbers.setdefault(mark, len(self.table))
        if number == len(self.table):
            self.table.append(mark)
        return chr(FIRST + number)


def read_marked(rendered: str, marks: Marks) -> Level:
    """Read a marked rendering into levels, and drop the markers."""
    return _Reader(rendered, marks).level()


class _Reader:
    def __init__(self, rendered: str, marks: Marks):
        self._text = rendered
        self._marks = marks
        self._at = 0

    def level(self) -> Level:
        pieces: list[str] = []
        atoms: dict[int, Atom] = {}
        size = 0
        while self._at < len(self._text):
            start = self._at
            end = self._skip()
            pieces.append(self._text[start:end])
            size += end - start
            if end == len(self._text) or self._text[end] in (CLOSE, NEXT):
                break
            mark = self._marks.table[ord(self._text[end]) - FIRST]
            self._at = end + 1
            atom: Atom = Section(mark.section, self.level()) if mark.section is not None else self._merge(mark)
            self._at += 1  # the closer
            atoms[size] = atom
            pieces.append(ATOM)
            size += 1
        return Level("".join(pieces), atoms)

    def _merge(self, mark: Mark) -> Merge:
        values: list[str] = []
        while True:
            values.append(self.level().production())
            if self._text[self._at] == CLOSE:
                return Merge(mark.fields, tuple(values), mark.joint)
            self._at += 1

    def _skip(self) -> int:
        """Move to the next marker character."""
        found = _MARKER.search(self._text, self._at)
        self._at = found.start() if found else len(self._text)
        return self._at
