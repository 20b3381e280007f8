"""A small world that answers a search: factors, seeds, and a rule of what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from harness.model.answer import Evidence
from harness.model.factor import Factor, Stage
from harness.model.problem import Budget, Pause, Problem, Send, Stop, Tester
from harness.model.trial import Ask, Observation, Outcome
from harness.model.verdict import Finding
from harness.search import strategy

DOMAINS = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com")


def problem_with(
    count: int = 12,
    seeds: int = 8,
    needs: Mapping[str, Iterable[str]] | None = None,
    **changes: object,
) -> Problem:
    """Build factors f0, f1, … and seeds over the four Apple domains."""
    needs = needs or {}
    factors = tuple(
        Factor(f"f{i}", "link" if i % 3 else "text", Stage.LINK, frozenset(needs.get(f"f{i}", ())))
        for i in range(count)
    )
    testers = tuple(Tester(f"s{i}", DOMAINS[i % 4], {"f1": f"v{i % 3}"}) for i in range(seeds))
    settings: dict[str, object] = {"budget": Budget(refusals=None), "shuffle_key": "test", **changes}
    return Problem(factors, testers, **settings)  # type: ignore[arg-type]


Rule = Callable[[Ask, int], bool]


def holding(*sets: Iterable[str]) -> Rule:
    """Refuse a message that holds any of these sets."""
    wanted = [frozenset(names) for names in sets]
    return lambda ask, _: any(names <= ask.factors for names in wanted)


@dataclass
class World:
    """Plays a strategy to its end and keeps all that was asked."""

    problem: Problem
    refuses: Rule
    name: str = "adaptive"
    dead: frozenset[str] = frozenset()
    seen: list[Observation] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    most: int = 3000

    def play(self) -> Finding:
        """Answer until the search stops."""
        player = strategy(self.name)
        for _ in range(self.most):
            move = player.next(self.problem, self.seen, self.pauses)
            match move:
                case Stop(finding):
                    return finding
                case Pause():
                    self.pauses.append(move)
                case Send(asks):
                    self.seen += [self.answer(ask, len(self.seen) + i) for i, ask in enumerate(asks)]
        raise AssertionError("the search does not end")

    def answer(self, ask: Ask, number: int) -> Observation:
        """Say what one message comes to."""
        if ask.seed in self.dead:
            return Observation(ask, Outcome.CENSORED, "unknown_user", number=number)
        if self.refuses(ask, number):
            return Observation(ask, Outcome.REJECTED, "content_policy", Evidence.STRONG, "CS01", number=number)
        return Observation(ask, Outcome.ACCEPTED, "accepted", number=number)
