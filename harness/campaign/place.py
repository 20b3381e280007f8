"""Places: spans of source that a factor owns, and the tree that they make."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.campaign.level import Atom, Level, literal

NOTHING = literal("")
# Which place is the outer one where two have the same span.
_ORDER = ("text", "preheader", "link", "redirect", "image", "pixel", "style", "swap", "merge")


@dataclass(frozen=True, slots=True)
class Place:
    """A span of a level that is either as rendered or as `plain` says; equal ends insert.

    What stands in plainly may itself be another factor's: the words for an image are copy of its block.
    """

    start: int
    end: int
    owner: str
    plain: Level = NOTHING
    plain_owner: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A place with what stands in it."""

    owner: str
    inner: tuple[Node, ...]
    plain: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A merge output: which of its texts is shown depends on which of its fields are in production.

    `inner` is the production text as a tree, where places stand in it.
    """

    owners: tuple[str, ...]
    texts: tuple[str, ...]
    joint: bool
    inner: tuple[Node, ...] = ()


Node = str | Branch | Choice
AtomMaker = Callable[[Atom], Node]


def rank(owner: str) -> int:
    """Order kinds from outer to inner."""
    kind = owner.partition(":")[0]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


@dataclass(slots=True)
class _Open:
    place: Place
    children: list[_Open]


def nest(level: Level, places: Iterable[Place], atom: AtomMaker) -> tuple[Node, ...]:
    """Build the tree of a level's places; where two overlap the later one is split.

    `atom` makes the node of a merge or a section.
    """
    root = _Open(Place(0, len(level.text), ""), [])
    queue = [(p.start, p.end > p.start, -p.end, rank(p.owner), number, p) for number, p in enumerate(places)]
    heapq.heapify(queue)
    stack = [root]
    number = len(queue)
    while queue:
        place = heapq.heappop(queue)[-1]
        while len(stack) > 1 and stack[-1].place.end <= place.start:
            stack.pop()
        limit = stack[-1].place.end
        if place.end > limit:
            number += 1
            rest = Place(limit, place.end, place.owner)
            heapq.heappush(queue, (limit, True, -rest.end, rank(rest.owner), number, rest))
            place = replace(place, end=limit)
        node = _Open(place, [])
        stack[-1].children.append(node)
        if place.end > place.start:
            stack.append(node)
    return _close(level, root, atom)


def _close(level: Level, node: _Open, atom: AtomMaker) -> tuple[Node, ...]:
    made: list[Node] = []
    at = node.place.start
    for child in node.children:
        made.extend(nodes(level, atom, at, child.place.start))
        plain = tuple(nodes(child.place.plain, atom))
        if child.place.plain_owner and plain:
            plain = (Branch(child.place.plain_owner, plain),)
        made.append(Branch(child.place.owner, _close(level, child, atom), plain))
        at = child.place.end
    made.extend(nodes(level, atom, at, node.place.end))
    return tuple(made)


def nodes(level: Level, atom: AtomMaker, start: int = 0, end: int | None = None) -> Iterable[Node]:
    """Walk a span as nodes, without places."""
    for piece in level.pieces(start, end):
        yield piece if isinstance(piece, str) else atom(piece)
