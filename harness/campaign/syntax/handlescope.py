"""Scopes of Mustache and Handlebars: where a name is looked up inside of loops, groups and sections.

A name is looked up in the innermost item first, then outward (mustache(5)). Jinja2 has no such search, so it is settled
when the template is converted, by sample rows; without them the template asks the item first, then the scope around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.campaign.syntax.draft import Draft
from harness.campaign.syntax.spelling import ATTRIBUTES, fresh, is_name, member, optional, quote, singular, top

_SEGMENT = re.compile(r"\[([^\]]*)\]|([^./\[\]]+)")
_LOOP = {"@index": "loop.index0", "@first": "loop.first", "@last": "loop.last"}


@dataclass(slots=True)
class Frame:
    """One scope: how its value is written, and which names it has as far as is known."""

    value: str
    shown: str  # the path by which notes and errors call it
    samples: Sequence[object] = ()
    target: str = ""
    over: str = ""
    key: str = ""
    names: Mapping[str, str] = field(default_factory=dict)  # block parameters

    def has(self, name: str) -> bool | None:
        """Tell whether a value of this scope has a name; None if that differs or can't be known."""
        if not self.samples:
            return None
        having = [isinstance(sample, Mapping) and name in sample for sample in self.samples]
        return all(having) if all(having) or not any(having) else None


class Scope:
    """The scopes that are open at a place of the source."""

    def __init__(self, draft: Draft, outside: frozenset[str]):
        self.draft = draft
        self.outside = outside
        self.frames: list[Frame] = []
        self._words = " ".join(re.findall(r"\{\{.*?\}\}", draft.source))

    def look(self, word: str) -> str | None:
        """Write the look-up of a path; None if it is no path."""
        frames = self.frames
        while word.startswith(("../", "..")):
            word = word[3:] or "this"
            frames = frames[:-1]
        if word.startswith("@root"):
            frames, word = [], word[6:] or "this"
        if word.startswith("@"):
            if word == "@key" and frames:
                return frames[-1].key or None
            return _LOOP.get(word) if frames and frames is self.frames else None
        own = word in (".", "this") or word.startswith(("this.", "this/", "./"))
        if own:
            word = word.removeprefix("this").lstrip("./")
        parts = split(word)
        if parts is None or (not parts and not own):
            return None
        if own and frames:
            return self._inside(frames[-1].value, parts, sure=True)
        if own:
            return self._inside(top(parts[0]), parts[1:]) if parts else None
        return self._search(frames, parts)

    def _search(self, frames: Sequence[Frame], parts: list[str]) -> str:
        first = parts[0]
        found: list[Frame | str] = []
        for frame in reversed(frames):
            if first in frame.names:
                found.append(frame.names[first])
                break
            has = frame.has(first)
            if has is not False:
                found.append(frame)
                self.draft.field(f"{frame.shown}.{'.'.join(parts)}")
            if has:
                break
        else:
            if not found or first in self.outside:
                self.draft.field(".".join(parts))
            found.append(top(first))
        text = ""
        for place in reversed(found):
            text = place if isinstance(place, str) else _or(place, first, text)
        if len(parts) > 1 and ("|" in text or " " in text):
            text = f"({text})"
        return self._inside(text, parts[1:])

    def _inside(self, base: str, parts: Sequence[str], sure: bool = False) -> str:
        return optional(base, parts, sure) if self.draft.lenient else member(base, parts)

    def samples(self, word: str) -> list[object]:
        """Collect what the sample rows have at a path."""
        parts = split(word.removeprefix("this.").removeprefix("@root.")) or []
        for frame in reversed(self.frames):
            found = [value for sample in frame.samples if (value := _walk(sample, parts)) is not None]
            if found:
                return found
        return [value for row in self.draft.rows if (value := _walk(row, parts)) is not None]

    def shape(self, word: str, uses_item: bool) -> str:
        """Tell what a section's value is: `list`, `group`, `condition`, or nothing if that can't be known."""
        shapes = {_shape(sample) for sample in self.samples(word)}
        if len(shapes) == 1:
            return shapes.pop()
        return "list" if uses_item and not shapes else ""

    def item_frame(self, word: str, value: str, names: Sequence[str], keyed: bool) -> Frame:
        """Open a loop."""
        samples = self.samples(word)
        groups = bool(samples) and all(isinstance(sample, Mapping) for sample in samples)
        target = names[0] if names and is_name(names[0]) else self._variable(singular(word))
        frame = Frame(target, f"{word}[]", _items(samples), target)
        over = f"{value}|default([])"
        if keyed or groups:
            frame.key = names[1] if len(names) > 1 and is_name(names[1]) else self._variable("key")
            frame.target = f"{frame.key}, {target}"
            over = f"({value}|default({{}})).items()"
        elif len(names) > 1 and is_name(names[1]):
            frame.names = {names[1]: "loop.index0"}
        frame.over = over
        if names:
            frame.names = {**frame.names, names[0]: target}
        return frame

    def group_frame(self, word: str, value: str) -> Frame:
        """Enter a group: what stands inside is looked up in it."""
        return Frame(value, word, self.samples(word))

    def any_frame(self, word: str, value: str) -> Frame:
        """Open a section of which only the rendering can tell what it is."""
        lenient = f"{value}|default([])"
        target = self._variable(singular(word))
        many = f"{lenient} is sequence and {lenient} is not string and {lenient} is not mapping"
        over = f"({lenient} if {many} else [{value}] if {lenient} else [])"
        return Frame(target, f"{word}[]", (), target, over)

    def _variable(self, wanted: str) -> str:
        taken = " ".join(frame.target for frame in self.frames)
        return fresh(wanted.rpartition(".")[2], f"{self._words} {taken}")


def split(word: str) -> list[str] | None:
    """Split a path into its names; `[a b]` is one of them. None if there is anything else in it."""
    parts: list[str] = []
    at = 0
    while at < len(word):
        segment = _SEGMENT.match(word, at)
        if not segment:
            return None
        parts.append(segment[1] if segment[1] is not None else segment[2])
        at = segment.end()
        if at < len(word) and word[at] in "./" and at + 1 < len(word):
            at += 1
    return None if re.search(r"[=\"'|()]", word) else parts


def _or(frame: Frame, name: str, other: str) -> str:
    """Look a name up in a value that may not have it."""
    inner = member(frame.value, [name])
    if not other:
        return inner
    if name in ATTRIBUTES:  # text has a `title` too, and that is a method
        return f"({inner} if {frame.value} is mapping and {quote(name)} in {frame.value} else {other})"
    return f"{inner}|default({other})"


def _walk(value: object, parts: Sequence[str]) -> object:
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _shape(value: object) -> str:
    return "list" if isinstance(value, list) else "group" if isinstance(value, Mapping) else "condition"


def _items(samples: Sequence[object]) -> list[object]:
    items: list[object] = []
    for sample in samples:
        if isinstance(sample, list):
            items += sample
        elif isinstance(sample, Mapping):
            items += sample.values()
    return items
