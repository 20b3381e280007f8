"""The pool: seeds that refuse the message under search. Only they can show what causes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from harness.model.trial import Ask, Phase
from harness.search.desk import Desk, Factors, Halt, Step

MOST_ASKED = 3  # messages to a seed that might join; a weak trigger may miss it


class Pool(Collection[str]):
    """Seeds that refused `target`; more are asked to join where these have had their share of messages."""

    def __init__(self, desk: Desk, target: Factors, seeds: Sequence[str]) -> None:
        self.desk = desk
        self.target = target
        self.seeds = list(seeds)
        self._asked: Counter[str] = Counter()

    def __contains__(self, seed: object) -> bool:
        return seed in self.seeds

    def __iter__(self) -> Iterator[str]:
        return iter(self.seeds)

    def __len__(self) -> int:
        return len(self.seeds)

    def admit(self, seeds: Iterable[str]) -> None:
        """Let seeds join that refused what is suspected."""
        self.seeds += [seed for seed in dict.fromkeys(seeds) if seed not in self.seeds]

    def take(self, variants: Sequence[Factors], avoid: Collection[str] = ()) -> Step[str]:
        """Choose a seed that may get all of these variants, and let another join where none may.

        Raises:
            Halt: nobody is left.
        """
        while not (fit := self._fit(variants)):
            yield from self._widen(variants)
        return self.desk.pick(variants[0], fit, avoid=[seed for seed in fit if seed in avoid])

    def _fit(self, variants: Sequence[Factors]) -> list[str]:
        """Return members that may get all variants; a proof's block stays with one seed, so it must have room."""
        cap = self.desk.problem.budget.per_seed
        fit = [seed for seed in self.seeds if cap is None or self.desk.used[seed] + len(variants) <= cap]
        for variant in variants:
            fit = self.desk.open_to(variant, fit)
        return fit

    def _widen(self, variants: Sequence[Factors]) -> Step[None]:
        desk = self.desk
        held = desk.shown(self.target, self.seeds[0]) if self.seeds else self.target
        others = [s for s in desk.alive() if s not in self.seeds and self._asked[s] < MOST_ASKED]
        others = [s for s in others if desk.shown(self.target, s) == held]
        if not others:
            raise Halt(Halt.SEEDS, desk.no_seed())
        if desk.problem.transactional:  # a refused message must not be repeated: trust that seeds are alike
            self.seeds += others
            return
        known = {desk.seeds[seed].domain for seed in self.seeds}
        known |= {desk.seeds[s].domain for s in others if self._asked[s]}
        seed = min(others, key=lambda s: (self._asked[s], desk.seeds[s].domain not in known, desk.used[s]))
        self._asked[seed] += 1
        why = "The seeds that refuse it have had their share of messages: does this one refuse it too?"
        seen = yield from desk.ask(Ask(self.target, seed, Phase.REPRODUCE, why=why), 0.7)
        if seen is not None and seen.rejected:
            self.seeds.append(seed)
        elif seen is None and desk.log[-1].rejected:
            self._asked[seed] -= 1
