"""An imported message as a campaign: production is its bytes, and places are cut out of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.campaign.layout import Findings, Layout
from harness.campaign.level import Level, literal
from harness.campaign.neutral import Neutral, note, subject
from harness.campaign.place import Place
from harness.campaign.rawtext import Based, RawText, read_text
from harness.campaign.rendering import Persona
from harness.campaign.urls import normal_redirects
from harness.campaign.wire import CRLF, LONGEST, Piece, Slot, Span, header_text
from harness.campaign.words import word_set
from harness.errors import ConfigError
from harness.model.campaign import Campaign
from harness.model.mime import Field, Part, read_part, readable

_SLOTS = {"to": "To", "date": "Date", "message-id": "Message-ID"}
# Fields that make the message what it is; they are in all variants.
_FIXED = word_set(
    "from sender cc mime-version content-type content-transfer-encoding content-disposition content-language content-id"
    " subject reply-to to date message-id"
)
_SHORTEST = 3  # characters of a merge value that is looked for in the text: shorter ones are everywhere


class MessageShop:
    """Makes the pieces of an imported message; all personas wear the same one."""

    def __init__(self, campaign: Campaign, personas: Sequence[Persona], asked: Sequence[str]):
        assert campaign.message is not None
        self._campaign = campaign
        self._asked = asked
        self._raw = campaign.message
        self._where = campaign.files.get("message", "message.eml")
        self._check()
        self.found = Findings()
        self.notes: list[str] = []
        self.states: dict[str, tuple[str, str]] = {}
        self.extra_needs: list[tuple[str, str]] = []
        swaps = {name: _hosts(name) for name in asked if name.startswith("swap:")}
        self._layout = Layout(normal_redirects(campaign.plain.redirects), note(campaign), swaps, self.found)
        self._values = self._known_values()
        self._whole = read_part(self._raw)
        self._texts: dict[int, tuple[Piece, ...]] = {}
        self._container: int | None = None
        self._lay_out()
        self._made = tuple(self._message())

    def pieces(self, persona: Persona) -> tuple[Piece, ...]:
        """Return the message's pieces."""
        return self._made

    def values(self, persona: Persona) -> Mapping[str, str]:
        """List the values of the recipient's row that the message shows."""
        return {f"merge:{name}": value for value, name in self._values.items() if f"merge:{name}" in self.found.seen}

    def is_given(self, name: str) -> bool:
        """Tell whether anybody brings a value for a merge factor; true for other factors."""
        return True

    def _check(self) -> None:
        if b"\0" in self._raw:
            raise ConfigError(f"{self._where}: holds NUL bytes, which SMTP does not carry (RFC 5321 section 4.5.2)")
        if re.search(rb"(?<!\r)\n|\r(?!\n)", self._raw):
            raise ConfigError(
                f"{self._where}: has line breaks that are not CRLF; import it again with `harness import`"
            )
        for number, line in enumerate(self._raw.split(CRLF), 1):
            if len(line) > LONGEST:
                self._long = number
                raise ConfigError(
                    f"{self._where}:{number}: {len(line)} bytes in one line; SMTP carries {LONGEST} (RFC 5322 section"
                    " 2.1.1), so no relay can have sent it like this: import it as it arrived"
                )

    def _known_values(self) -> dict[str, str]:
        """Map the values of the recipient's row to its fields, where one was given with --data."""
        if not self._campaign.profiles:
            return {}
        row = self._campaign.profiles[0].merge
        return {
            str(value): str(name)
            for name, value in row.items()
            if isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) >= _SHORTEST
        }

    # Text

    def _lay_out(self) -> None:
        """Find the places of the first text part and the first HTML part."""
        leaves = [part for part in self._whole.walk() if not part.children and not part.attached]
        chosen = {
            kind: next((part for part in leaves if part.kind == kind), None) for kind in ("text/plain", "text/html")
        }
        raw: dict[str, tuple[Part, RawText]] = {}
        for kind, part in chosen.items():
            if part is None:
                continue
            body = self._raw[part.body : part.end]
            text = read_text(body, part.encoding, part.parameters.get("charset", ""), kind == "text/html")
            if text is None:
                self.notes.append(
                    f"the {kind} part is in an encoding that can't be cut ({part.encoding}); it stays whole"
                )
            else:
                raw[kind] = part, text
        levels = {kind: literal(text.text) for kind, (_, text) in raw.items()}
        trees = self._layout.body(levels.get("text/plain"), levels.get("text/html"), self._merges)
        for kind, (part, text) in raw.items():
            made = text.pieces(trees["html" if kind == "text/html" else "text"])
            body = self._raw[part.body : part.end]
            self._texts[part.start] = (Based(made, body),) if text.encoding == "base64" else made
        if "text/plain" in raw and chosen["text/html"] is not None:
            self._container = chosen["text/html"].start

    def _merges(self, level: Level) -> list[Place]:
        """Find the recipient's values as whole words."""
        if not self._values:
            return []
        neutral = Neutral(self._campaign.plain.merge, [self._campaign.profiles[0].merge])
        longest = sorted(self._values, key=len, reverse=True)
        pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)")
        places: list[Place] = []
        for found in pattern.finditer(level.text):
            name = f"merge:{self._values[found[0]]}"
            self.found.seen.setdefault(name, found[0])
            places.append(Place(*found.span(), name, literal(str(neutral(self._values[found[0]])))))
        return places

    # Bytes

    def _message(self) -> list[Piece]:
        made: list[Piece] = []
        seen: set[str] = set()
        for one in self._whole.fields:
            made += self._field(one, seen)
        for key, name in _SLOTS.items():
            if key not in seen:
                made += self._slot(name, name.encode() + b": ")
        made.append(self._raw[self._whole.fields[-1].end if self._whole.fields else 0 : self._whole.body])
        made += self._body(self._whole)
        return made

    def _field(self, one: Field, seen: set[str]) -> list[Piece]:
        raw = self._raw[one.start : one.end]
        label, value = self._raw[one.start : one.value], self._raw[one.value : one.end]
        first = one.key not in seen
        seen.add(one.key)
        if one.key in _SLOTS:
            return self._slot(_SLOTS[one.key], label + b" ") if first else []
        if one.key == "from" and first:
            return self._author(label, value)
        if one.key == "subject" and first:
            plain = header_text(
                subject(self._campaign), "words" if not subject(self._campaign).isascii() else "raw", False
            )
            self.states["subject"] = subject(self._campaign), readable(value.decode("utf-8", "replace"))
            return [label, Span("subject", (value[:-2],), (b" " + plain.lstrip(),)), CRLF]
        if one.key == "reply-to" and "reply-to" in self._asked:
            return [Span("reply-to", (raw,))]
        if one.key in _FIXED:
            return [raw]
        self.states[f"header:{one.name}"] = "no such header", readable(value.decode("utf-8", "replace"))
        return [Span(f"header:{one.name}", (raw,))]

    def _slot(self, name: str, label: bytes) -> list[Piece]:
        made: tuple[Piece, ...] = (label, Slot(name), CRLF)
        return [Span("message-id", made)] if name == "Message-ID" and "message-id" in self._asked else list(made)

    def _author(self, label: bytes, value: bytes) -> list[Piece]:
        angle = value.rfind(b"<")
        name, address = (value[:angle], value[angle:]) if angle > 0 and value[:angle].strip() else (b"", value)
        made: list[Piece] = [label]
        if name:
            self.states["from-name"] = "the bare address", readable(value.decode("utf-8", "replace"))
            made.append(Span("from-name", (name,), (b" ",)))
        if "from" in self._asked:
            made.append(Span("from", (address,), (b"<" + self._campaign.envelope_sender.encode() + b">" + CRLF,)))
        else:
            made.append(address)
        return made

    def _body(self, part: Part) -> list[Piece]:
        if not part.children:
            return list(self._texts.get(part.start, (self._raw[part.body : part.end],)))
        made: list[Piece] = []
        at = part.body
        for child, (start, end) in zip(part.children, part.segments, strict=True):
            made.append(self._raw[at:start])
            content: list[Piece] = [
                self._raw[start : child.body], *self._body(child), self._raw[child.end : end]
            ]  # fmt: skip
            made += self._owned(part, child, content)
            at = end
        made.append(self._raw[at : part.end])
        return made

    def _owned(self, parent: Part, child: Part, content: list[Piece]) -> list[Piece]:
        """Give a part to the factor that it is: the HTML beside a text, or an attachment."""
        holds_html = self._container is not None and any(one.start == self._container for one in child.walk())
        if parent.kind == "multipart/alternative" and holds_html:
            return [Span("html", tuple(content))]
        if child.children or child.start in self._texts or (child.kind == "text/plain" and not child.attached):
            return content
        name = child.name or child.content_id or child.kind
        if child.content_id:
            self.extra_needs.append((f"image:cid:{child.content_id}", f"attachment:{name}"))
        return [Span(f"attachment:{name}", tuple(content))]


def _hosts(name: str) -> tuple[str, str]:
    old, _, new = name.removeprefix("swap:").partition(">")
    return old.lower(), new
