"""A tolerant HTML scanner: tags, attributes and text by their offsets in the source, and nothing rewritten.

It reads as browsers do where mail is broken (stray `<`, unclosed quotes, attributes without value), and looks into
Outlook's conditional comments, because their links are links too. It runs in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z][^\s/>\"'=<]*")
_LEAD = re.compile(r"[\s/]*")
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s=>/\"'][^\s=>/]*)"
    r"(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s>\"'][^\s>]*)|(?P<none>)))?"
)
_CONDITION = re.compile(r"<!--\s*\[if[^\]>]*\]>(?P<revealed>\s*<!--\s*-->|\s*<!-->|\s*-->)?", re.IGNORECASE)
RAW = frozenset(("style", "script", "title", "textarea", "xmp"))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its whole span with the white space before it, and the span of its value."""

    name: str
    start: int
    end: int
    value_start: int
    value_end: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A start or end tag."""

    start: int
    end: int
    name: str
    attributes: tuple[Attribute, ...] = ()
    closing: bool = False
    conditional: bool = False  # in a comment that only Outlook reads

    def get(self, name: str) -> Attribute | None:
        """Find an attribute by name."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text between tags; `inside` names the element where it is raw (style, script, title)."""

    start: int
    end: int
    inside: str = ""
    conditional: bool = False


Token = Tag | Text


def scan(source: str) -> Iterator[Token]:
    """Walk HTML source as tags and texts; comments and declarations are skipped over."""
    at = 0
    size = len(source)
    conditional = False
    unclosed: set[str] = set()  # raw elements that no end tag follows any more
    while at < size:
        sign = source.find("<", at)
        if sign < 0:
            sign = size
        while sign < size and not _opens(source, sign):
            sign = source.find("<", sign + 1)
            sign = size if sign < 0 else sign
        if sign > at:
            yield Text(at, sign, conditional=conditional)
        if sign == size:
            return
        if source.startswith("<!--", sign):
            condition = _CONDITION.match(source, sign)
            if condition:
                conditional = not condition["revealed"]
                at = condition.end()
            else:
                at = _after(source, "-->", sign + 4 if source.startswith("<!-->", sign) is False else sign + 2)
        elif source.startswith(("<!", "<?"), sign):
            if source[sign : sign + 12].lower().startswith("<![endif]"):
                conditional = False
                end = source.find(">", sign)
                at = size if end < 0 else end + 1
            else:
                at = _after(source, ">", sign)
        else:
            tag = _tag(source, sign, conditional)
            yield tag
            at = tag.end
            if tag.name in RAW and not tag.closing and tag.name not in unclosed:
                found = _ENDS[tag.name].search(source, at)
                if found is None:
                    unclosed.add(tag.name)  # it ends at once, so that what follows is read
                elif found.start() > at:
                    yield Text(at, found.start(), tag.name, conditional)
                    at = found.start()


def _opens(source: str, at: int) -> bool:
    """Tell a tag, comment or declaration from a stray `<`."""
    following = source[at + 1 : at + 3]
    if not following:
        return False
    if following[0] == "/":
        return following[1:].isalpha() and following[1:].isascii()
    return following[0] in "!?" or (following[0].isascii() and following[0].isalpha())


def _after(source: str, end: str, start: int) -> int:
    found = source.find(end, start)
    return len(source) if found < 0 else found + len(end)


def _tag(source: str, start: int, conditional: bool) -> Tag:
    closing = source[start + 1] == "/"
    name = _NAME.match(source, start + 1 + closing)
    assert name is not None  # `_opens` saw a letter
    at = name.end()
    attributes: list[Attribute] = []
    while at < len(source) and source[at] != ">":
        lead = _LEAD.match(source, at)
        first = lead.end() if lead else at
        if source[first : first + 1] in ("", ">"):
            at = first
            continue
        found = _ATTRIBUTE.match(source, first)
        if not found:
            at = first + 1
            continue
        kind = next((kind for kind in ("double", "single", "bare") if found[kind] is not None), None)
        value = found.span(kind) if kind else (found.end(), found.end())
        attributes.append(Attribute(found["name"].lower(), at, found.end(), *value))
        at = found.end()
    end = min(at + 1, len(source))
    return Tag(start, end, name[0].lower(), tuple(attributes), closing, conditional)


_ENDS = {name: re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE) for name in RAW}
