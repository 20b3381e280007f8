"""Prose: the paragraphs and bare URLs of a text part, each by its span."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.campaign.level import ATOM, Level, Section
from harness.campaign.markup import Page, Paragraph, Spot
from harness.campaign.urls import addresses

_GAP = re.compile(r"\n[ \t\r]*\n\s*")
_BRACKETS = {"(": ")", "<": ">", "[": "]"}


def read_prose(level: Level) -> Page:
    """Find links and paragraphs of a text.

    The space before a run goes with it, so that copy that is cut leaves no hole.
    """
    page = Page()
    links = list(_links(level))
    page.spots = links
    ends = [gap.start() for gap in _GAP.finditer(level.text)] + [len(level.text)]
    at = 0
    remaining = iter([*links, None])
    link = next(remaining)
    for end in ends:
        paragraph = Paragraph()
        while link is not None and link.start < end:
            _run(level, paragraph, at, link.start)
            at = link.end
            link = next(remaining)
        at = _run(level, paragraph, at, max(at, end))
        if paragraph.runs:
            page.paragraphs.append(paragraph)
    return page


def _run(level: Level, paragraph: Paragraph, start: int, end: int) -> int:
    """Add a run; sections at its ends stay outside of it. Return where the next one may begin."""
    text = level.text
    after = start  # the last section of the span
    for at in range(end - 1, start - 1, -1):
        if isinstance(level.atoms.get(at), Section):
            after = max(after, at + 1)
            if text[at + 1 : end].strip():
                if not text[start:at].strip():
                    start = at + 1
                continue
            end = at
    while end > start and text[end - 1].isspace():
        end -= 1
    if not text[start:end].strip():
        return after
    paragraph.runs.append((start, end))
    paragraph.words += " " + text[start:end].replace(ATOM, "")
    return end


def _links(level: Level) -> Iterator[Spot]:
    """Find bare URLs, and URLs that a merge field brings whole between brackets: `( {url} )`."""
    text = level.text
    last = 0
    for start, end in addresses(level, 0, len(text)):
        if start < last:
            continue
        whole = _bracketed(text, start, end)
        yield Spot("link", *whole, (start, end), visible=True)
        last = whole[1]


def _bracketed(text: str, start: int, end: int) -> tuple[int, int]:
    """Take the brackets around a URL and the white space before them along."""
    before, after = start, end
    while before > 0 and text[before - 1] in " \t":
        before -= 1
    while after < len(text) and text[after] in " \t":
        after += 1
    if before and after < len(text) and _BRACKETS.get(text[before - 1]) == text[after]:
        start, end = before - 1, after + 1
    while start > 0 and text[start - 1].isspace():
        start -= 1
    return start, end
