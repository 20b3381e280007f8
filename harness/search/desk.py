"""The desk: what a search has asked, what came of it, and what it may still ask.

Strategies are written as generators that yield moves and are handed the observations; all of them work at one desk,
so that caps, dead seeds, closed sets and the watch for a refused sender are the same for all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Sequence
from functools import cached_property
from typing import TypeVar

from harness.model.contrast import CONFIRMED, strays, voided
from harness.model.factor import close
from harness.model.problem import Belief, Move, Pause, Problem, Send
from harness.model.trial import Ask, Observation, Outcome, Phase

T = TypeVar("T")
Item = TypeVar("Item")
Step = Generator[Move, tuple[Observation, ...], T]
Factors = frozenset[str]

# Causes after which a mailbox is no tester any more; other censored answers may be bad luck.
RECIPIENT_CAUSES = frozenset({"unknown_user", "inactive_user", "mailbox_full", "relay_rejected"})
STRIKES = 3  # uncounted answers in a row after which a seed is given up
# The sender's state is a hidden switch: how often it flips, and how a refused sender looks.
SWITCHES = 0.004  # per message
BLOCK_REFUSES = 0.97
NOISE = 0.01  # refusals without cause
SUSPICIOUS = 0.10  # chance of a refused sender at which a control is worth its price
CLEARED = 0.05
PAUSE_TICKS = 40
PAUSES = 3
SUSPECT_SEED = 2  # refusals without any acceptance after which a seed is asked for the plain control
UNEXPECTED = 0.1  # a refusal less likely than this needs no second one
MOST_CHECKS = 6


class Halt(Exception):
    """The search can't go on: a cap, a refused sender, no testers left. `kind` is one of the names below."""

    SENDER = "sender"
    BUDGET = "budget"
    SEEDS = "seeds"
    STOP = "stop"

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Stray(Exception):
    """A seed refuses even the plain control, which others accept: it is left out, and the step begun anew."""


class Desk:
    """One search's papers. Everything in it follows from the problem and the observations."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.by_id = {factor.id: factor for factor in problem.factors}
        self.order = {factor.id: place for place, factor in enumerate(problem.factors)}
        self.everything: Factors = frozenset(self.by_id)
        self.seeds = {seed.id: seed for seed in problem.seeds}
        self.log: list[Observation] = []
        self.used: Counter[str] = Counter()
        self.dead: set[str] = set()
        self.sends = self.refusals = 0
        self.blocked = 0.02  # how likely it is that the sender itself is refused now
        self.belief = Belief()
        self.strays: frozenset[str] = frozenset()  # seeds that refuse everything
        self.stray: set[int] = set()  # positions of refusals that a search found to have no cause in the message
        self._strikes: Counter[str] = Counter()
        self._went: set[tuple[Factors, str]] = set()
        self.plans: dict[int, list[tuple[str, Factors]]] = {}  # what each block of a proof is to hold: arm and factors
        self._void: tuple[int, frozenset[int]] = (0, frozenset())
        self.watching = True  # whether a suspicious run of refusals sends a control

    # -- sets ------------------------------------------------------------------------------------------------------
    @cached_property
    def dependants(self) -> dict[str, Factors]:
        """For each factor, those that stand in it."""
        return {name: frozenset(f.id for f in self.problem.factors if name in f.needs) for name in self.by_id}

    def close(self, factors: Iterable[str]) -> Factors:
        """Add to a set all that its members stand in."""
        return close(frozenset(factors), self.by_id)

    def without(self, factors: Factors, names: Iterable[str]) -> Factors:
        """Put names back to plain, with all that stands in them."""
        left = set(factors)
        for name in names:
            left -= self.dependants[name] | {name}
        return frozenset(left)

    def core(self, factors: Factors) -> tuple[str, ...]:
        """Drop the members that others of the set merely stand in, and sort the rest."""
        stood_in = {need for name in factors for need in self.by_id[name].needs}
        return tuple(sorted(factors - stood_in))

    def shown(self, factors: Factors, seed: str) -> Factors:
        """Return the factors that this seed's message can hold at all."""
        wears = self.seeds[seed].wears
        return factors if wears is None else factors & wears

    def wearing(self, factors: Factors, pool: Iterable[str]) -> list[str]:
        """Keep the seeds whose message holds all of these factors."""
        return [seed for seed in pool if self.shown(factors, seed) == factors]

    # -- seeds -----------------------------------------------------------------------------------------------------
    def alive(self, pool: Iterable[str] | None = None) -> list[str]:
        """Return the seeds that can still be sent to, in the segment's order."""
        cap = self.problem.budget.per_seed
        names = self.seeds if pool is None else pool
        return [name for name in names if name not in self.dead and (cap is None or self.used[name] < cap)]

    def open_to(self, factors: Factors, pool: Iterable[str] | None = None) -> list[str]:
        """Return the seeds that may get this variant: transactional mail goes to a seed once per variant."""
        alive = self.alive(pool)
        if not self.problem.transactional:
            return alive
        return [seed for seed in alive if (factors, seed) not in self._went]

    def pick(self, factors: Factors, pool: Iterable[str] | None = None, avoid: Collection[str] = ()) -> str:
        """Choose the least used seed that may get this variant, others than `avoid` first.

        Raises:
            Halt: none may.
        """
        seeds = self.open_to(factors, pool)
        if not seeds:
            raise Halt(Halt.SEEDS, self.no_seed())
        return min(seeds, key=lambda seed: (seed in avoid, self.used[seed], self.key("pick", seed, len(self.log))))

    def no_seed(self) -> str:
        """Say why nobody is left to ask."""
        if len(self.dead) == len(self.seeds):
            return "no seed of the segment takes mail"
        if self.problem.budget.per_seed is not None:
            return f"every usable seed has had its {self.problem.budget.per_seed} messages"
        return "every usable seed has had this message once"

    def domains(self, pool: Iterable[str] | None = None) -> dict[str, list[str]]:
        """Group usable seeds by domain."""
        groups: dict[str, list[str]] = {}
        for seed in self.alive(pool):
            groups.setdefault(self.seeds[seed].domain, []).append(seed)
        return groups

    # -- chance that can be replayed -------------------------------------------------------------------------------
    def key(self, *parts: object) -> bytes:
        """Return a hash that orders things at random, the same way in each replay of a run."""
        raw = "\x1f".join(str(part) for part in (self.problem.shuffle_key, *parts))
        return hashlib.blake2b(raw.encode(), digest_size=8).digest()

    def shuffled(self, items: Sequence[Item], *parts: object) -> list[Item]:
        """Shuffle by the run's key."""
        return [items[i] for i in sorted(range(len(items)), key=lambda i: self.key(*parts, i))]

    def next_block(self, plan: Sequence[tuple[str, Factors]] = ()) -> int:
        """Number a new shuffled block, and keep what it is to hold."""
        number = len(self.plans) + 1
        self.plans[number] = list(plan)
        return number

    # -- evidence --------------------------------------------------------------------------------------------------
    @property
    def void(self) -> frozenset[int]:
        """Positions of refusals that fell into a block of the sender."""
        if self._void[0] != len(self.log):
            self._void = (len(self.log), voided(self.log))
        return self._void[1]

    def evidence(self) -> list[Observation]:
        """Return what counts: answered, about content, and not while the sender was refused."""
        void = self.void
        return [seen for place, seen in enumerate(self.log) if seen.counted and place not in void]

    def tally(self, factors: Factors, pool: Collection[str]) -> tuple[int, int]:
        """Count this variant's messages to these seeds: sent, refused."""
        seen = [s for s in self.evidence() if s.ask.factors == factors and s.ask.seed in pool and not s.ask.values_of]
        return len(seen), sum(one.rejected for one in seen)

    # -- asking ----------------------------------------------------------------------------------------------------
    def room(self, sends: int, refusals: int) -> bool:
        """Tell whether so much more fits into the caps."""
        budget = self.problem.budget
        fits = budget.sends is None or self.sends + sends <= budget.sends
        return fits and (budget.refusals is None or self.refusals + refusals <= budget.refusals)

    def reserve(self, sends: int, refusals: int) -> None:
        """Make sure that a proof still fits.

        Raises:
            Halt: it does not.
        """
        budget = self.problem.budget
        if not self.room(sends, refusals):
            hit = "messages" if budget.sends is not None and self.sends + sends > budget.sends else "refusals"
            cap = budget.sends if hit == "messages" else budget.refusals
            raise Halt(Halt.BUDGET, f"the cap of {cap} {hit} leaves no room for a proof")

    def ask(self, ask: Ask, expect: float = 0.5) -> Step[Observation | None]:
        """Send one message; None where the answer is no evidence.

        Raises:
            Stray: its seed turned out to refuse everything.

        `expect` is how likely a refusal is if the sender is fine: what the watch for a refused sender goes by.
        """
        answers = yield from self.ask_all([(ask, expect)])
        return answers[0]

    def ask_all(self, asks: Sequence[tuple[Ask, float]]) -> Step[list[Observation | None]]:
        """Send several messages, as many at a time as the batch allows; None for each that is no evidence."""
        size = max(self.problem.budget.batch, 1)
        places: list[int] = []
        for start in range(0, len(asks), size):
            part = asks[start : start + size]
            self._check_caps(len(part))
            seen = yield Send(tuple(ask for ask, _ in part))
            for (_, expect), one in zip(part, seen, strict=True):
                places.append(len(self.log))
                self._record(one, expect)
            if self.watching:
                yield from self._check_seeds(part, seen)
            if self.watching and self.blocked >= SUSPICIOUS and seen[-1].rejected:
                yield from self.check_sender()
        void = self.void
        return [self.log[place] if self.log[place].counted and place not in void else None for place in places]

    def _check_caps(self, many: int) -> None:
        budget = self.problem.budget
        if budget.sends is not None and self.sends + many > budget.sends:
            raise Halt(Halt.BUDGET, f"the cap of {budget.sends} messages is reached")
        if budget.refusals is not None and self.refusals >= budget.refusals:
            raise Halt(Halt.BUDGET, f"the cap of {budget.refusals} refusals is reached")

    def _record(self, seen: Observation, expect: float) -> None:
        seed = seen.ask.seed
        self.log.append(seen)
        self.used[seed] += 1
        self.sends += 1
        self._went.add((seen.ask.factors, seed))
        if seen.counted:
            self._strikes[seed] = 0
            self.refusals += seen.rejected
            self._watch(seen, expect)
            return
        self._strikes[seed] += 1
        lost = seen.outcome is Outcome.CENSORED and seen.cause in RECIPIENT_CAUSES
        if lost or self._strikes[seed] >= STRIKES:
            self.dead.add(seed)
            if len(self.dead) == len(self.seeds):
                raise Halt(Halt.SEEDS, self.no_seed())

    def _watch(self, seen: Observation, expect: float) -> None:
        before = self.blocked + (1 - self.blocked) * SWITCHES
        fair = min(max(expect, NOISE), 1 - NOISE)
        bad, good = (BLOCK_REFUSES, fair) if seen.rejected else (1 - BLOCK_REFUSES, 1 - fair)
        self.blocked = before * bad / (before * bad + (1 - before) * good)

    def _check_seeds(self, asks: Sequence[tuple[Ask, float]], seen: Sequence[Observation]) -> Step[None]:
        """Send the plain control to seeds that have refused all that they got.

        Raises:
            Stray: one refuses that too, twice, while others accept it.
        """
        for (ask, expect), one in zip(asks, seen, strict=True):
            if not (ask.factors and one.rejected):
                continue
            theirs = [old for old in self.log if old.counted and old.ask.seed == ask.seed]
            domain = self.seeds[ask.seed].domain
            warned = expect <= UNEXPECTED or any(self.seeds[stray].domain == domain for stray in self.strays)
            if not any(old.accepted for old in theirs) and len(theirs) >= (1 if warned else SUSPECT_SEED):
                yield from self._check_seed(ask.seed)

    def _check_seed(self, seed: str) -> Step[None]:
        plain: Factors = frozenset()
        why = "This seed has refused all that it got: does it accept the plain control?"
        for _ in range(MOST_CHECKS):
            if seed not in self.open_to(plain):
                return
            # A refusal raises the suspicion of the sender too: a control goes elsewhere before this one is repeated.
            yield from self.ask(Ask(plain, seed, Phase.CONTROL, why=why), NOISE)
            if any(old.accepted and old.ask.seed == seed for old in self.log):
                return
            self.strays = strays(self.log)
            if seed in self.strays:
                self.dead.add(seed)
                raise Stray(seed)

    def check_sender(self) -> Step[None]:
        """Send plain controls until the sender is cleared; pause where it is refused.

        Raises:
            Halt: it stays refused.
        """
        self.watching = False
        try:
            for pause in range(PAUSES + 1):
                enough = 1 if pause else CONFIRMED  # once confirmed, one refused control says that it lasts
                refused = yield from self._controls_refused(enough)
                if refused < enough:
                    return
                if pause < PAUSES:
                    yield Pause(PAUSE_TICKS, "the plain control is refused too: wait until the sender is heard again")
                    self.blocked = 0.5
        finally:
            self.watching = True
        raise Halt(Halt.SENDER, "the plain control is refused, and still is after three pauses")

    def _controls_refused(self, enough: int) -> Step[int]:
        refused = 0
        while self.blocked >= CLEARED and refused < enough:
            yield from self.ask(self._control_ask(), NOISE)
            refused += self.log[-1].rejected  # the log itself: what is void as evidence of content tells of the sender
        return refused

    def _control_ask(self) -> Ask:
        plain: Factors = frozenset()
        recent = {seen.ask.seed for seen in self.log[-1:]}
        recent |= {seen.ask.seed for seen in self.log if seen.rejected}
        recent -= {seen.ask.seed for seen in self.log[:-1] if seen.accepted}
        why = "Several refusals in a row: a plain control shows whether the sender itself is refused now."
        return Ask(plain, self.pick(plain, avoid=recent), Phase.CONTROL, why=why)
