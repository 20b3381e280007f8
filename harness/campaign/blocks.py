"""Blocks of copy: paragraphs grouped between headings, the same numbers in HTML and text part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 10  # a ladder with more rungs of copy takes longer than it tells
FEW = 5
_MOST_GROUPS = 500  # neighbours are weighed against each other only up to here
_WORD = re.compile(r"\w{2,}")
_TINY = 3  # words: a paragraph of fewer is a label, and goes with what stands next to it


@dataclass(frozen=True, slots=True)
class Copy:
    """One paragraph as the grouping sees it."""

    words: tuple[str, ...]
    heading: bool = False


def copy_of(text: str, heading: bool = False) -> Copy:
    """Read a paragraph's words."""
    return Copy(tuple(word.lower() for word in _WORD.findall(text)), heading)


def group(paragraphs: Sequence[Copy]) -> list[int]:
    """Give every paragraph the number of its block, from 1."""
    if not paragraphs:
        return []
    starts = _starts_at_headings(paragraphs)
    if len(starts) < FEW:
        # A heading goes with what it stands above.
        starts = [0] + [number for number in range(1, len(paragraphs)) if not paragraphs[number - 1].heading]
    starts = starts[:: -(-len(starts) // _MOST_GROUPS)]
    sizes = [_size(paragraphs, start, end) for start, end in zip(starts, [*starts[1:], len(paragraphs)], strict=True)]
    while len(sizes) > 1 and (len(sizes) > MOST or min(sizes) < _TINY):
        smallest = min(range(len(sizes)), key=lambda number: (sizes[number], number))
        # A label belongs to what follows it, the last one to what it follows.
        drop = smallest + 1 if smallest + 1 < len(sizes) else smallest
        sizes[drop - 1] += sizes.pop(drop)
        starts.pop(drop)
    numbers = []
    block = 0
    for position in range(len(paragraphs)):
        block += position in starts
        numbers.append(block)
    return numbers


def _starts_at_headings(paragraphs: Sequence[Copy]) -> list[int]:
    starts = [0]
    for number, paragraph in enumerate(paragraphs):
        if number and paragraph.heading and not paragraphs[number - 1].heading:
            starts.append(number)
    return starts


def _size(paragraphs: Sequence[Copy], start: int, end: int) -> int:
    return sum(len(paragraph.words) for paragraph in paragraphs[start:end])


def align(blocks: Sequence[Sequence[str]], paragraphs: Sequence[Copy]) -> list[int]:
    """Give every paragraph of the text part the block, from 1, whose words it shares, in reading order."""
    if not blocks:
        return group(paragraphs)
    known = [frozenset(words) for words in blocks]
    common: dict[str, int] = {}
    for words in known:
        for word in words:
            common[word] = common.get(word, 0) + 1
    best = [0.0] * len(known)
    steps: list[list[int]] = []
    for paragraph in paragraphs:
        scores = [sum(1 / common[word] for word in paragraph.words if word in words) for words in known]
        step: list[int] = []
        top = 0
        row: list[float] = []
        for number, score in enumerate(scores):
            if best[number] > best[top]:
                top = number
            row.append(best[top] + score)
            step.append(top)
        best = row
        steps.append(step)
    if not paragraphs:
        return []
    chosen = [max(range(len(best)), key=lambda number: (best[number], -number))]
    for step in reversed(steps[1:]):
        chosen.append(step[chosen[-1]])
    return [number + 1 for number in reversed(chosen)]
