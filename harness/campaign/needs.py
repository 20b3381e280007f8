"""Needs: in which other factors the places of a factor stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.campaign.place import rank
from harness.campaign.wire import Pick, Piece, Slot, Span


class Nesting:
    """Collects, over all personas, which factor stands in which."""

    def __init__(self) -> None:
        self.order: dict[str, None] = {}  # factors as they were met
        self._direct: dict[str, dict[str, None]] = {}
        self._effective: set[str] = set()

    def add(self, pieces: Iterable[Piece]) -> frozenset[str]:
        """Walk one message; return the factors that it wears."""
        worn: set[str] = set()
        self._walk(pieces, (), worn)
        return frozenset(worn)

    def _walk(self, pieces: Iterable[Piece], outer: tuple[str, ...], worn: set[str]) -> None:
        for piece in pieces:
            if isinstance(piece, Span):
                self._stand(piece.owner, outer, worn)
                if piece.inner != piece.plain:
                    self._effective.add(piece.owner)
                inner = outer if piece.owner in outer else (*outer, piece.owner)
                self._walk(piece.inner, inner, worn)
                self._walk(piece.plain, outer, worn)
            elif isinstance(piece, Pick):
                for bit, owner in enumerate(piece.owners):
                    self._stand(owner, outer, worn)
                    if owner not in self._effective and _matters(piece, bit):
                        self._effective.add(owner)
                if piece.inner:
                    self._walk(piece.inner, (*outer, *(one for one in piece.owners if one not in outer)), worn)
            elif not isinstance(piece, bytes | Slot):
                self._walk(piece.inner, outer, worn)

    def _stand(self, owner: str, outer: tuple[str, ...], worn: set[str]) -> None:
        worn.add(owner)
        self.order.setdefault(owner)
        own = self._direct.setdefault(owner, {})
        for other in outer:
            if other != owner:
                own.setdefault(other)

    def need(self, owner: str, other: str) -> None:
        """Say that a factor needs another for a reason that is not its place."""
        if owner in self.order and other in self.order:
            self._direct[owner].setdefault(other)

    def idle(self) -> frozenset[str]:
        """List factors that change nothing for anybody, and that no other factor needs."""
        wanted = {other for others in self._direct.values() for other in others}
        return frozenset(name for name in self.order if name not in self._effective and name not in wanted)

    def needs(self) -> dict[str, frozenset[str]]:
        """Return what every factor needs, transitively.

        Where two stand in each other, the inner kind needs the outer: whatever shows the outer's place in the inner
        one has both in production, so that place is always as rendered.
        """
        kept: dict[str, set[str]] = {name: set() for name in self.order}
        closed: dict[str, set[str]] = {name: set() for name in self.order}
        number = {name: position for position, name in enumerate(self.order)}
        edges = [(inner, outer) for inner, outers in self._direct.items() for outer in outers]
        edges.sort(key=lambda edge: (rank(edge[1]) if edge[1] != "html" else -1, number[edge[1]], number[edge[0]]))
        if self._sorted() is not None:
            kept = {name: set(self._direct[name]) for name in self.order}
        else:
            for inner, outer in edges:
                if not _reaches(kept, outer, inner):
                    kept[inner].add(outer)
        for name in _topological(kept) or ():
            closed[name] = set(kept[name]).union(*(closed[other] for other in kept[name]))
        return {name: frozenset(others) for name, others in closed.items()}

    def _sorted(self) -> list[str] | None:
        return _topological(self._direct)


def _matters(piece: Pick, bit: int) -> bool:
    """Tell whether a merge output shows something else with one of its fields than without it."""
    if piece.joint:
        return piece.texts[0] != piece.texts[-1]
    return any(text != piece.texts[mask | 1 << bit] for mask, text in enumerate(piece.texts) if not mask >> bit & 1)


def _topological(needs: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Order factors after what they need; None where they need each other in a circle."""
    waiting = {name: set(others) for name, others in needs.items()}
    wanted_by: dict[str, list[str]] = {}
    for name, others in waiting.items():
        for other in others:
            wanted_by.setdefault(other, []).append(name)
    ready = [name for name, others in waiting.items() if not others]
    done: list[str] = []
    while ready:
        name = ready.pop()
        done.append(name)
        for other in wanted_by.get(name, ()):
            waiting[other].discard(name)
            if not waiting[other]:
                ready.append(other)
    return done if len(done) == len(waiting) else None


def _reaches(needs: Mapping[str, set[str]], start: str, goal: str) -> bool:
    seen = {start}
    stack = [start]
    while stack:
        name = stack.pop()
        if name == goal:
            return True
        for other in needs[name]:
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return False
