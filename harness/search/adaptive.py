"""Adaptive: a Bayesian search for the trigger, then the same proof as everywhere.

It keeps a weight for every cause it can think of, sends the message whose answer tells most per cost, and starts a
proof as soon as one set stands out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from harness.model.problem import Belief
from harness.model.trial import Ask, Phase
from harness.model.verdict import Finding
from harness.search.beliefs import Beliefs, Evidence
from harness.search.case import Case, conclude
from harness.search.choose import Choice, choose
from harness.search.control import open_with_control
from harness.search.desk import Desk, Factors, Halt, Step
from harness.search.isolate import PRIOR_RESTORED, find_by_splitting, isolate
from harness.search.pool import Pool
from harness.search.prior import weight_of
from harness.search.proof import claim, prove, proved
from harness.search.reproduce import clearance, reliability
from harness.search.space import Bits, Space

WORTH_A_TRY = 0.05  # a set that is sent by itself anyway is sent as the first message of its proof
WORTH_A_PROOF = 0.3  # the first proof message is a good search message too
SINGLE_SURE = 0.8
SURE = 0.97
DOUBTFUL = 0.5
COVERED = 0.75
CLEAN = 0.9
FORESEEN = 0.02
WEAK = 0.6  # a trigger that fires less often deserves a warning
MOST_STEPS = 90
MOST_FAILURES = 3


def adaptive(desk: Desk) -> Step[Finding]:
    """Control, production, and then whatever tells most."""
    case = Case(desk)
    try:
        yield from open_with_control(desk)
        return (yield from isolate(desk, case, find_by_belief, foresee))
    except Halt as halt:
        return conclude(case, halt)


@dataclass
class Hunt:
    """One search inside one refused target, on seeds that refuse it."""

    desk: Desk
    case: Case
    target: Factors
    pool: Pool
    prior: float

    def __post_init__(self) -> None:
        factors = [self.desk.by_id[name] for name in self.desk.order if name in self.target]
        self.names = [factor.id for factor in factors]
        self.place = {name: place for place, name in enumerate(self.names)}
        self.weights = [weight_of(self.desk.problem, factor) for factor in factors]
        self.needs = [[self.place[need] for need in factor.needs if need in self.place] for factor in factors]
        self.stands_in = np.zeros((len(self.names), len(self.names)), dtype=bool)
        for place, needs in enumerate(self.needs):
            self.stands_in[place, needs] = True
        self.everything = frozenset(range(len(self.names)))
        self.likelier = {
            frozenset(self.place[name] for name in one.factors): one.weight
            for one in self.desk.problem.together
            if set(one.factors) <= self.target
        }
        self._spaces: dict[frozenset[int], Space] = {}

    def bits(self, factors: Factors) -> Bits:
        """Return a set as a row."""
        row = np.zeros(len(self.names), dtype=bool)
        row[[self.place[name] for name in factors if name in self.place]] = True
        return row

    def row(self, places: frozenset[int]) -> Bits:
        """Return places as a row."""
        row = np.zeros(len(self.names), dtype=bool)
        row[sorted(places)] = True
        return row

    def factors(self, row: Bits) -> Factors:
        """Return a row as a set."""
        return frozenset(self.names[i] for i in np.flatnonzero(row))

    def close(self, rows: Bits) -> Bits:
        """Add needs to rows."""
        closed = rows.copy()
        for place, needs in enumerate(self.needs):
            if needs:
                closed[:, needs] |= rows[:, [place]]
        return closed

    def evidence(self) -> Evidence:
        """Collect the messages that tell of this target: to these seeds, and not refused for a known culprit."""
        rows, refused = [], []
        for seen in self.desk.evidence():
            if seen.ask.seed not in self.pool or seen.ask.values_of is not None:
                continue
            shown = self.desk.shown(seen.ask.factors, seen.ask.seed)
            if seen.rejected and self.case.explains(shown):
                continue
            rows.append(self.bits(shown))
            refused.append(seen.rejected)
        variants = np.array(rows, dtype=bool).reshape(len(rows), len(self.names))
        return Evidence(variants, np.array(refused, dtype=bool))

    def beliefs(self) -> Beliefs:
        """Weigh all causes, seen from the smallest refused set that most likely holds the trigger."""
        evidence = self.evidence()
        fires = reliability(self.desk, self.target, self.pool)
        wide = Beliefs(self._space(self.everything), evidence, self._clean(evidence, fires), fires)
        refused = np.unique(evidence.variants[evidence.refused], axis=0)
        for row in sorted(refused, key=lambda row: int(row.sum())):
            focus = frozenset(int(i) for i in np.flatnonzero(row))
            if focus and focus != self.everything and wide.covered(row) >= COVERED:
                return Beliefs(self._space(focus), evidence, wide.clean, fires)
        return wide

    def _clean(self, evidence: Evidence, fires: Sequence[float]) -> float:
        """Return the weight of "no cause" before the evidence such that it comes out right after the target's own."""
        whole = evidence.variants.all(axis=1)
        own = Evidence(evidence.variants[whole], evidence.refused[whole])
        after = min(max(clearance(self.desk, self.target, self.prior).clean, 1e-9), 1 - 1e-9)
        alike = Beliefs(self._space(self.everything), own, 0.5, fires).none
        alike = min(max(alike, 1e-12), 1 - 1e-12)
        odds = after / (1 - after) * (1 - alike) / alike
        return odds / (1 + odds)

    def _space(self, focus: frozenset[int]) -> Space:
        if focus not in self._spaces:
            if len(self._spaces) > 40:
                self._spaces.clear()
            self._spaces[focus] = Space(self.weights, focus, self.stands_in, self.likelier)
        return self._spaces[focus]


def find_by_belief(desk: Desk, case: Case, target: Factors, pool: Pool, prior: float) -> Step[tuple[str, ...] | None]:
    """Send what tells most until a set stands out, and prove it; () where nothing seems to be there after all."""
    hunt = Hunt(desk, case, target, pool, prior)
    steps = 0
    refuted: set[tuple[str, ...]] = set()
    while steps < MOST_STEPS and len(refuted) < MOST_FAILURES:
        beliefs = hunt.beliefs()
        desk.belief = _belief(desk, hunt, beliefs)
        if beliefs.none >= CLEAN:
            return ()
        names, share = suspect(hunt, beliefs)
        if share >= WORTH_A_PROOF and names not in refuted:
            wanted = claim(desk, names)
            if not proved(desk, wanted.subject):
                doubtful = partial(_doubtful, hunt, names)
                ok = yield from prove(desk, wanted, pool, doubtful, partial(_expected, hunt, beliefs))
                if not ok and not doubtful():
                    refuted.add(names)  # all blocks that a proof may take did not do
                continue
            if share >= SURE:
                if beliefs.fire < WEAK:
                    case.notes.append(
                        f"{' with '.join(names)} is refused only part of the time (about {beliefs.fire:.0%}): "
                        "what was accepted may still be refused another time."
                    )
                return names
        steps += 1
        yield from _look(hunt, beliefs, refuted)
    inside = hunt.factors(hunt.row(hunt.beliefs().space.focus))
    return (yield from find_by_splitting(desk, case, desk.close(inside), pool, prior))


def foresee(desk: Desk, case: Case, target: Factors) -> Pool | None:
    """Return the seeds that refused parts of the target for no known culprit, if that is no chance."""
    seeds: dict[str, None] = {}
    for seen in desk.evidence():
        shown = desk.shown(seen.ask.factors, seen.ask.seed)
        if seen.rejected and shown <= target and not case.explains(shown):
            seeds[seen.ask.seed] = None
    pool = Pool(desk, target, [seed for seed in desk.alive() if seed in seeds])
    if not len(pool) or Hunt(desk, case, target, pool, PRIOR_RESTORED).beliefs().none > FORESEEN:
        return None
    return pool


def suspect(hunt: Hunt, beliefs: Beliefs) -> tuple[tuple[str, ...], float]:
    """Return the set that stands out most, and how likely it is a trigger."""
    singles = beliefs.singles()
    best = int(np.argmax(singles))
    if singles[best] >= SINGLE_SURE:
        return (hunt.names[best],), float(singles[best])
    (cause, mass), *_ = beliefs.top(1)
    if cause.either:
        best = max(cause.members, key=lambda i: (singles[i], -i))
        return (hunt.names[best],), float(singles[best])
    names = hunt.desk.core(frozenset(hunt.names[i] for i in cause.members))
    share = beliefs.share(cause.members)
    return tuple(sorted(names)), max(share, mass)


def _doubtful(hunt: Hunt, names: tuple[str, ...]) -> bool:
    beliefs = hunt.beliefs()
    hunt.desk.belief = _belief(hunt.desk, hunt, beliefs)
    return beliefs.share(tuple(hunt.place[name] for name in names)) < DOUBTFUL


def _expected(hunt: Hunt, beliefs: Beliefs, factors: Factors) -> float:
    return beliefs.refusal(hunt.bits(factors))


def _look(hunt: Hunt, beliefs: Beliefs, refuted: set[tuple[str, ...]]) -> Step[None]:
    """Send what tells most; where that is a suspected set by itself, send it as the first message of its proof."""
    desk = hunt.desk
    draw = np.random.default_rng(int.from_bytes(desk.key("draw", len(desk.log))))
    budget = desk.problem.budget
    chosen = choose(beliefs, budget.refusal_price, hunt.close, draw, max(budget.batch, 1))
    if not chosen:
        raise Halt(Halt.BUDGET, "no message would tell more")
    desk.reserve(6 + len(chosen), 3)
    alone = desk.core(hunt.factors(chosen[0].variant))
    likely = beliefs.share(tuple(hunt.place[name] for name in alone))
    if (
        len(chosen) == 1
        and not proved(desk, alone)
        and likely > WORTH_A_TRY
        and alone not in refuted
        and desk.close(alone) == hunt.factors(chosen[0].variant)
    ):
        yield from prove(
            desk, claim(desk, alone), hunt.pool, partial(_doubtful, hunt, alone), partial(_expected, hunt, beliefs)
        )
        return
    asks: list[tuple[Ask, float]] = []
    for choice in chosen:
        variant = hunt.factors(choice.variant)
        seed = yield from hunt.pool.take([variant], avoid=[ask.seed for ask, _ in asks])
        asks.append((Ask(variant, seed, Phase.SEARCH, why=_sentence(hunt, beliefs, choice)), choice.refusal))
    yield from desk.ask_all(asks)


def _sentence(hunt: Hunt, beliefs: Beliefs, choice: Choice) -> str:
    suspects = np.flatnonzero(beliefs.marginals > 0.01)
    held = int(choice.variant[suspects].sum())
    of = "1 change" if len(suspects) == 1 else f"{len(suspects)} changes"
    if choice.bits > 0.8:
        gain = "either answer about halves what is open"
    elif choice.refusal < 0.4:
        gain = f"most likely accepted, and worth {choice.bits:.1f} bits"
    else:
        gain = f"worth {choice.bits:.1f} bits"
    return f"{of} suspected; this message holds {held} of them; {gain}."


def _belief(desk: Desk, hunt: Hunt, beliefs: Beliefs) -> Belief:
    top = []
    for cause, mass in beliefs.top(5):
        names = tuple(sorted(hunt.names[i] for i in cause.members))
        top.append((names, mass))
    return Belief(tuple(top), beliefs.none, desk.blocked, beliefs.entropy)
