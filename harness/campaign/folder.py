"""A folder campaign: templates, headers and attachments, made into pieces for one persona after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.campaign.layout import Findings, Layout, cut, simple, with_preheader
from harness.campaign.level import Level
from harness.campaign.message import Assembly, addresses, check_header, check_name, field_modes, split_author
from harness.campaign.naming import aliased
from harness.campaign.neutral import look_up, note, subject
from harness.campaign.place import Branch, Node
from harness.campaign.rendering import Persona, Renderer, settings_file
from harness.campaign.totext import Texts
from harness.campaign.urls import normal_redirects
from harness.campaign.wire import Piece
from harness.errors import ConfigError
from harness.model.campaign import Campaign


class FolderShop:
    """Makes the pieces of a campaign's message."""

    def __init__(self, campaign: Campaign, personas: Sequence[Persona], asked: Sequence[str]):
        self._campaign = campaign
        self._asked = asked
        self._where = settings_file(campaign)
        self._check()
        self._rows = [aliased(persona.merge) for persona in personas]
        self._renderer = Renderer(campaign, personas)
        self.found = Findings()
        swaps = {name: _hosts(name) for name in asked if name.startswith("swap:")}
        self._layout = Layout(normal_redirects(campaign.plain.redirects), note(campaign), swaps, self.found)
        self._texts = Texts()
        self._levels = {persona.name: self._render(persona) for persona in personas}
        heads = [_heads(levels) for levels in self._levels.values()]
        modes = field_modes(heads, {"subject": subject(campaign)})
        self._assembly = Assembly(campaign, modes, asked)
        self.notes = self._renderer.notes
        self.states = self._states()
        self.extra_needs = [
            (f"image:cid:{one.content_id}", f"attachment:{one.name}") for one in campaign.attachments if one.content_id
        ]

    def pieces(self, persona: Persona) -> tuple[Piece, ...]:
        """Make one persona's message."""
        levels = self._levels[persona.name]
        parts = self._layout.body(levels["text"], levels.get("html"))
        return self._assembly.message(self._fields(levels), parts)

    def is_given(self, name: str) -> bool:
        """Tell whether anybody brings a value for a merge factor; true for other factors."""
        field = name.removeprefix("merge:")
        return field == name or any(look_up(row, field) is not None for row in self._rows)

    def values(self, persona: Persona) -> Mapping[str, str]:
        """List what the merge factors show in a persona's message."""
        shown: dict[str, dict[str, None]] = {}
        fields: dict[str, None] = {}
        for level in self._levels[persona.name].values():
            for merge in level.merges():
                fields.update(dict.fromkeys(merge.fields))
                if len(merge.fields) == 1:
                    shown.setdefault(merge.fields[0], {})[merge.production] = None
        values: dict[str, str] = {}
        worn = aliased(persona.merge)
        for name in fields:
            row = look_up(worn, name)
            own = shown.get(name)
            values[f"merge:{name}"] = " | ".join(own) if own else str(row)
        return values

    def _check(self) -> None:
        campaign = self._campaign
        for name in campaign.headers:
            check_name(name, self._where)
        check_header(subject(campaign), self._where, "plain.subject", "the control")
        check_header(campaign.envelope_sender, self._where, "envelope_sender", "all seeds")
        if campaign.envelope_sender.count("@") != 1 or not campaign.envelope_sender.isascii():
            raise ConfigError(f"{self._where}: envelope_sender {campaign.envelope_sender!r} is not one plain address")
        names = [one.name for one in campaign.attachments]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{self._where}: two attachments are called {name!r}; rename one")
        if campaign.html is None and campaign.text is None:
            raise ConfigError(f"{self._where}: has neither html nor text; name at least one template")

    def _render(self, persona: Persona) -> dict[str, Level]:
        levels = self._renderer.levels(persona)
        for part, level in levels.items():
            if part not in ("text", "html", "preheader"):
                levels[part] = level = _trimmed(level)
                self._check_value(part, level, persona.name)
        preheader = levels.pop("preheader", None)
        if "html" in levels:
            if preheader is not None:
                levels["html"] = with_preheader(levels["html"], self._layout.page("html", levels["html"]), preheader)
            if "text" not in levels:
                levels["text"] = self._texts.text_of(levels["html"])
        return levels

    def _check_value(self, part: str, level: Level, persona: str) -> None:
        key = part.removeprefix("header:")
        where = self._campaign.files.get(key, self._where)
        for value in (level.production(), *(value for merge in level.merges() for value in merge.values)):
            check_header(value, where, key, persona)
        if part in ("from", "reply-to"):
            found = addresses(level.production())
            if len(found) != 1 or found[0].count("@") != 1 or not found[0].isascii():
                raise ConfigError(f"{where}: {key} for {persona} must be one address, not {level.production()[:80]!r}")

    def _fields(self, levels: Mapping[str, Level]) -> list[tuple[str, tuple[Node, ...]]]:
        """List the header fields in their one order."""
        made: list[tuple[str, tuple[Node, ...]]] = [("From", self._author(levels["from"])), ("To", ())]
        if "reply-to" in levels:
            nodes = simple(levels["reply-to"])
            made.append(("Reply-To", (Branch("reply-to", nodes),) if "reply-to" in self._asked else nodes))
        made.append(("Subject", (Branch("subject", simple(levels["subject"]), (subject(self._campaign),)),)))
        made += [("Date", ()), ("Message-ID", ())]
        for part, level in levels.items():
            if part.startswith("header:"):
                made.append((part.removeprefix("header:"), (Branch(part, simple(level)),)))
        return made

    def _author(self, level: Level) -> tuple[Node, ...]:
        start, end = split_author(level)
        name = (Branch("from-name", simple(cut(level, start, end))),) if end else ()
        address = simple(cut(level, end, len(level.text)))
        if "from" in self._asked:
            bare = self._campaign.envelope_sender
            address = (Branch("from", address, (f"<{bare}>" if end else bare,)),)
        return (*name, *address)

    def _states(self) -> dict[str, tuple[str, str]]:
        campaign = self._campaign
        return {
            "subject": (subject(campaign), campaign.subject),
            "from-name": ("the bare address", campaign.sender),
        } | {f"header:{name}": ("no such header", value) for name, value in campaign.headers.items()}


def _heads(levels: Mapping[str, Level]) -> dict[str, Level]:
    return {part: level for part, level in levels.items() if part not in ("text", "html")}


def _hosts(name: str) -> tuple[str, str]:
    old, _, new = name.removeprefix("swap:").partition(">")
    return old.lower(), new


def _trimmed(level: Level) -> Level:
    """Drop the line breaks that YAML and files leave at the ends of a one-line value."""
    start, end = 0, len(level.text)
    while end > start and level.text[end - 1] in "\r\n":
        end -= 1
    while start < end and level.text[start] in "\r\n":
        start += 1
    return cut(level, start, end)
