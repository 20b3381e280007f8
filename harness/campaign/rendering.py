"""Rendering: a campaign's templates for one recipient, as levels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.campaign.level import Level, literal
from harness.campaign.marking import Marker
from harness.campaign.marks import RESERVED, Marks, read_marked
from harness.campaign.naming import aliased, identifier
from harness.campaign.neutral import Neutral
from harness.campaign.templating import FAULTS, MAX_RENDERED, MailEnvironment, explain, render
from harness.errors import ConfigError
from harness.model.campaign import Campaign


@dataclass(frozen=True, slots=True)
class Persona:
    """Whose merge values a message wears: a seed or a profile."""

    name: str
    merge: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Source:
    """One template of a campaign: what it makes, and where an error in it is."""

    part: str  # subject, from, reply-to, preheader, text, html, or header:<Name>
    where: str
    text: str


def settings_file(campaign: Campaign) -> str:
    """Return how errors call the campaign's own file."""
    return re.sub(r":\d+$", "", campaign.files.get("subject", "campaign.yaml"))


def sources(campaign: Campaign) -> list[Source]:
    """List a campaign's templates in the order in which their parts stand in the message."""
    settings = settings_file(campaign)

    def source(part: str, key: str, text: str | None) -> list[Source]:
        return [Source(part, campaign.files.get(key, f"{settings}: {key}"), text)] if text is not None else []

    return [
        *source("from", "from", campaign.sender),
        *source("reply-to", "reply_to", campaign.reply_to),
        *source("subject", "subject", campaign.subject),
        *(
            one
            for name, value in campaign.headers.items()
            for one in source(f"header:{name}", f"headers.{name}", value)
        ),
        *source("preheader", "preheader", campaign.preheader),
        *source("text", "text", campaign.text),
        *source("html", "html", campaign.html),
    ]


class Renderer:
    """Renders a campaign for one persona after the other; templates are compiled once."""

    def __init__(self, campaign: Campaign, personas: Sequence[Persona]):
        self._sources = sources(campaign)
        for source in self._sources:
            _refuse_reserved(source.text, source.where)
        texts = {**campaign.includes, **{source.where: source.text for source in self._sources}}
        rows = [aliased(persona.merge) for persona in personas]
        known = frozenset(name for row in rows for name in row)
        self._plain = MailEnvironment(texts)
        self._marks = Marks()
        self.neutral = Neutral(aliased(campaign.plain.merge), rows)
        constants = frozenset(self._plain.globals)
        names = {identifier(key): key for persona in personas for key in persona.merge if identifier(key) != key}
        named = {alias: key for alias, key in names.items() if all(alias not in persona.merge for persona in personas)}
        marker = Marker(self._marks, self.neutral, known, constants, named)
        self._marked = MailEnvironment(texts, marker)
        self.notes: list[str] = []

    def levels(self, persona: Persona) -> dict[str, Level]:
        """Render every template for a persona.

        Raises:
            ConfigError: a template is wrong or asks for what the persona has not.
        """
        for text in _texts(persona.merge):
            _refuse_reserved(text, f"a merge value of {persona.name}")
        worn = Persona(persona.name, aliased(persona.merge))
        return {source.part: self._level(source, worn) for source in self._sources}

    def _level(self, source: Source, persona: Persona) -> Level:
        if len(source.text) > MAX_RENDERED:
            raise ConfigError(
                f"{source.where}: grows beyond {MAX_RENDERED:,} characters; a message needs far less, so shorten it"
            )
        if not any(sign in source.text for sign in ("{{", "{%", "{#")) and "\n" not in source.text:
            return literal(source.text)
        try:
            plain = render(self._plain.get_template(source.where), persona.merge)
        except FAULTS as error:
            raise explain(error, source.where, persona.name, persona.merge) from error
        try:
            level = read_marked(render(self._marked.get_template(source.where), persona.merge), self._marks)
        except FAULTS:
            level = literal("")
        if level.production() == plain:
            return level
        note = f"{source.where}: its fields and sections can't be told apart by position; it is taken as it renders"
        if note not in self.notes:
            self.notes.append(note)
        return literal(plain)


def _texts(value: object) -> Iterator[str]:
    """Walk the texts of a merge row."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(str(key))
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _refuse_reserved(text: str, where: str) -> None:
    found = RESERVED.search(text)
    if found:
        raise ConfigError(
            f"{where}: holds the character U+{ord(found[0]):X}, which is no text (private use or half); remove it"
        )
