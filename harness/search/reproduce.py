"""Reproduce: send a message until a seed refuses it, or until enough have accepted it to call it clean.

What "enough" is follows from a small model of who might be affected: everybody, one domain, the seeds that show one
merge value, or a part of the seeds for no visible reason. Each is ruled out by acceptances of seeds that it would
have refused, so a value that only one seed wears, or a domain with one seed, gets as many messages as it needs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness.model.trial import Ask, Phase
from harness.search.desk import NOISE, Desk, Factors, Step
from harness.search.prior import FIRES

EVERYBODY, DOMAIN, VALUE, PART = 0.62, 0.14, 0.12, 0.12  # who is affected, if there is a trigger
PARTS = (0.5, 0.35)  # shares of affected seeds; a smaller share than a third can't be ruled out by a small segment
SURE = 0.97
IDLE = 0.02  # share of the doubt that is left which a message must be able to show
VALUE_SEEN = 3  # messages that show a merge value before it is called clean
MOST_REPEATS = 14  # messages of one variant to one seed


@dataclass(frozen=True, slots=True)
class Clearance:
    """How likely it is that nothing is left, and which seed would most likely show it if something were."""

    clean: float
    seed: str | None
    expect: float  # chance of a refusal at that seed
    telling: float  # chance that it refuses for a cause
    owed: int = 0  # usable seeds that got none yet, or that alone show a value which was seen too little


def clearance(desk: Desk, target: Factors, prior: float) -> Clearance:
    """Weigh all counted messages of the target."""
    strays: dict[str, int] = {}
    counts: dict[str, list[int]] = {seed: [0, 0] for seed in desk.seeds}
    for place, seen in enumerate(desk.log):
        if not seen.counted or place in desk.void or seen.ask.values_of is not None:
            continue
        # What a seed accepted, it accepts with less in it too.
        if place in desk.stray:
            strays[seen.ask.seed] = strays.get(seen.ask.seed, 0) + (seen.ask.factors == target)
        elif seen.ask.factors == target or (seen.accepted and desk.shown(target, seen.ask.seed) <= seen.ask.factors):
            counts[seen.ask.seed][seen.rejected] += 1
    # A refusal that a search laid to chance speaks no more for a cause at its seed, but still for a weak one for all.
    seeds = [s for s in desk.open_to(target) if sum(counts[s]) < MOST_REPEATS]
    clean = prior
    for accepted, refused in counts.values():
        clean *= (1 - NOISE) ** accepted * NOISE**refused
    debts = _debts(desk, target, {seed: sum(count) for seed, count in counts.items()})
    total, expects = clean, dict.fromkeys(seeds, clean * NOISE)
    for weight, affected in _scopes(desk, target):
        for fire, share in FIRES:
            mass = (1 - prior) * weight * share
            nobody = mass if 0 < min(affected.values()) < 1 else 0.0  # a part of the seeds, but none of these
            chances = {seed: _chances(counts[seed], affected.get(seed, 0.0), fire) for seed in desk.seeds}
            if weight == EVERYBODY:
                mass *= ((1 - (1 - fire) * (1 - NOISE)) / NOISE) ** sum(strays.values())
            for seed, (likelihood, _) in chances.items():
                mass *= likelihood
                nobody *= _unaffected(counts[seed], affected.get(seed, 0.0)) if nobody else 0.0
            total += mass
            clean += nobody
            for seed in seeds:
                expects[seed] += mass * chances[seed][1]
    best = max(
        seeds,
        key=lambda s: (
            debts[s] if clean > SURE * total else 0,
            round(expects[s] / total, 9),
            -desk.used[s],
            desk.key("who", s),
        ),
        default=None,
    )
    owed = sum(bool(debts[seed]) for seed in seeds)
    expect = expects[best] / total if best else 0.0
    return Clearance(clean / total, best, expect, expect - NOISE, owed)


def reliability(desk: Desk, target: Factors, pool: Collection[str]) -> tuple[float, ...]:
    """Return how likely each strength of FIRES is by what seeds outside the pool answered to the target.

    Where many others accept what the pool refuses, it is not about them, or the trigger fires seldom.
    """
    counts: dict[str, list[int]] = {}
    for place, seen in enumerate(desk.log):
        if not seen.counted or place in desk.void or seen.ask.values_of is not None or seen.ask.seed in pool:
            continue
        if seen.ask.factors == target or (seen.accepted and desk.shown(target, seen.ask.seed) <= seen.ask.factors):
            counts.setdefault(seen.ask.seed, [0, 0])[seen.rejected] += 1
    masses = []
    for fire, share in FIRES:
        mass = 0.0
        for weight, affected in _scopes(desk, target):
            inside = math.prod(affected.get(seed, 0.0) for seed in pool)
            if inside:
                others = (_chances(count, affected.get(seed, 0.0), fire)[0] for seed, count in counts.items())
                mass += weight * inside * math.prod(others)
        masses.append(share * mass)
    total = sum(masses)
    return tuple(mass / total for mass in masses) if total else tuple(share for _, share in FIRES)


def _chances(count: list[int], affected: float, fire: float) -> tuple[float, float]:
    """Return how likely a seed's answers are, and a refusal of its next message."""
    accepted, refused = count
    hit = 1 - (1 - fire) * (1 - NOISE)
    inside = affected * (1 - hit) ** accepted * hit**refused
    outside = _unaffected(count, affected)
    whole = inside + outside
    return whole, (inside * hit + outside * NOISE) / whole if whole else NOISE


def _unaffected(count: list[int], affected: float) -> float:
    accepted, refused = count
    return (1 - affected) * (1 - NOISE) ** accepted * NOISE**refused


def _debts(desk: Desk, target: Factors, sent: dict[str, int]) -> dict[str, int]:
    """Count for each seed what only more messages to it could show: itself, and values seen too little."""
    shown: Counter[tuple[str, str]] = Counter()
    pairs = {s.id: [(name, value) for name, value in s.values.items() if name in target] for s in desk.problem.seeds}
    for seed, many in sent.items():
        for pair in pairs[seed]:
            shown[pair] += many
    return {seed: (not many) + sum(shown[pair] < VALUE_SEEN for pair in pairs[seed]) for seed, many in sent.items()}


def _scopes(desk: Desk, target: Factors) -> Iterable[tuple[float, dict[str, float]]]:
    """List who might be affected: a weight, and each seed's chance."""
    alive = [seed for seed in desk.seeds if seed not in desk.strays]
    yield EVERYBODY, dict.fromkeys(alive, 1.0)
    domains = sorted({desk.seeds[seed].domain for seed in alive})
    for domain in domains:
        yield DOMAIN / len(domains), {s: 1.0 for s in alive if desk.seeds[s].domain == domain}
    values = sorted({(name, value) for s in alive for name, value in desk.seeds[s].values.items() if name in target})
    for name, value in values:
        yield VALUE / len(values), {s: 1.0 for s in alive if desk.seeds[s].values.get(name) == value}
    for part in PARTS:
        yield PART / len(PARTS), dict.fromkeys(alive, part)


def reproduce(desk: Desk, target: Factors, prior: float, phase: Phase) -> Step[str | None]:
    """Send the target until a seed refuses it: that seed; None once it is clean, or nobody is left to ask.

    Production itself goes to every seed once before it is called clean: a filter may refuse it for one recipient
    in ten for no visible reason.
    """
    whole = "production" if target == desk.everything else "production without the suspects"
    while True:
        state = clearance(desk, target, prior)
        owed = phase is Phase.REPRODUCE and state.owed
        if state.seed is None or (not owed and (state.clean >= SURE or state.telling < IDLE * (1 - state.clean))):
            return None
        why = f"Is {whole} refused here? {state.clean:.0%} sure that it passes; this seed tells most."
        seen = yield from desk.ask(Ask(target, state.seed, phase, why=why), state.expect)
        if seen is not None and seen.rejected:
            return state.seed
