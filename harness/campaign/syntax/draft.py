"""A draft: the Jinja2 template that a conversion writes, piece by piece, with what it notes on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.campaign.naming import identifier
from harness.errors import ConfigError

_OPENING = re.compile(r"\{(?=[{%#])")
_BRACE = '{{ "{" }}'
LONGEST_TAG = 80


@dataclass(frozen=True, slots=True)
class Converted:
    """A template that renders what the original rendered, and what the operator should know of it.

    `fields` are the merge fields that it asks for, items of a list as `list[].field`; `optional` those among them
    that may be missing, because only conditions, loops and defaults ask for them.
    """

    template: str
    syntax: str
    fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()


class Draft:
    """Collects literal text and Jinja2 code; text that Jinja2 would take for a tag is protected."""

    def __init__(self, source: str, name: str, *, html: bool, keep_unknown: bool, rows: Sequence[Mapping[str, object]]):
        self.source = source
        self.name = name
        self.html = html
        self.rows = rows  # sample merge rows: they tell what is a list, and which names an item has
        self._keep_unknown = keep_unknown
        self._chunks: list[tuple[bool, str]] = []
        self._fields: dict[str, bool] = {}
        self.lenient = False
        self._heads: dict[str, str] = {}  # as the template calls a field -> as the source does
        self._notes: dict[str, None] = {}

    @property
    def escape(self) -> str:
        """The filter that escapes for HTML where the original does; nothing in plain text."""
        return "|e" if self.html else ""

    def text(self, literal: str) -> None:
        """Write text as it stands."""
        if self._chunks and not self._chunks[-1][0]:
            self._chunks[-1] = (False, self._chunks[-1][1] + literal)
        else:
            self._chunks.append((False, literal))

    def code(self, jinja: str) -> None:
        """Write a tag."""
        self._chunks.append((True, jinja))

    @contextmanager
    def leniently(self) -> Iterator[None]:
        """Ask for fields that may be missing."""
        before, self.lenient = self.lenient, True
        yield
        self.lenient = before

    def field(self, name: str, needed: bool = True) -> None:
        """Remember a merge field that the template asks for."""
        head = name.partition(".")[0]
        other = self._heads.setdefault(identifier(head), head)
        if other != head:
            raise ConfigError(
                f"{self.name}: the fields {other!r} and {head!r} would both be {identifier(head)} in Jinja2; rename one"
            )
        self._fields[name] = self._fields.get(name, False) or (needed and not self.lenient)

    def note(self, text: str) -> None:
        """Remember something that the operator should know; once is enough."""
        self._notes[text] = None

    def line(self, at: int) -> int:
        """Return the line, from 1, of a place in the source."""
        return self.source.count("\n", 0, at) + 1

    def fail(self, at: int, tag: str, why: str) -> ConfigError:
        """Build the error for a tag that can't be converted."""
        return ConfigError(
            f"{self.name}:{self.line(at)}: {short(tag)} can't be converted: {why}; "
            "replace the tag, or keep it as literal text with --keep-unknown"
        )

    def unknown(self, at: int, tag: str, why: str) -> None:
        """Refuse a tag, or keep it as literal text where that was asked for.

        Raises:
            ConfigError: `keep_unknown` is off.
        """
        if not self._keep_unknown:
            raise self.fail(at, tag, why)
        self.text(tag)
        self.note(f"{self.name}:{self.line(at)}: {short(tag)} stays as literal text: {why}")

    def finish(self, syntax: str) -> Converted:
        """Put the template together."""
        made = []
        for number, (code, chunk) in enumerate(self._chunks):
            made.append(chunk if code else _protected(chunk, number + 1 < len(self._chunks)))
        template = "".join(made)
        if template.endswith(("\n", "\r")):
            template += "\n"  # Jinja2 takes one line end off the end of a template
        optional = frozenset(name for name, needed in self._fields.items() if not needed)
        return Converted(template, syntax, tuple(self._fields), tuple(self._notes), optional)


def _protected(text: str, before_code: bool) -> str:
    """Write every brace that would open a tag as an expression."""
    text = _OPENING.sub(lambda _: _BRACE, text)
    return text[:-1] + _BRACE if before_code and text.endswith("{") else text


def short(tag: str) -> str:
    """Cut a tag to what fits an error line, without what could steer a terminal."""
    flat = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(tag[: 10 * LONGEST_TAG].split()))
    return flat if len(flat) <= LONGEST_TAG else flat[: LONGEST_TAG - 1] + "…"


Convert = Callable[[Draft], None]
