"""Scope: for whom a proved trigger holds: everybody, some domains, one merge value, or some recipients.

A small Bayesian model over all messages that hold the trigger. Where it is not sure, one more message goes to the
seed that tells most; for a merge value that is the same seed wearing another's values, or the reverse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.model.trial import Ask, Observation, Phase
from harness.model.verdict import Scope
from harness.search.desk import NOISE, Desk, Factors, Step

FIRES = ((0.4, 0.10), (0.6, 0.15), (0.75, 0.15), (0.85, 0.15), (0.93, 0.20), (0.99, 0.25))
ALL, ONE_DOMAIN, ALL_BUT_ONE, MORE_DOMAINS, VALUE, PART = 0.62, 0.14, 0.05, 0.03, 0.12, 0.12
PARTS = (0.15, 0.35, 0.55, 0.75)
PART_MEAN = 0.45
AFFECTED = 0.55  # chance from which a new seed is worth a block of the proof
PRICE = 0.25  # of the refusal price: a probe's refusal is evidence too
SURE = 0.9
MOST_PROBES = 12


@dataclass(frozen=True, slots=True)
class Probe:
    """A message that could tell scopes apart: to whom, wearing whose values."""

    seed: str
    persona: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How likely each scope is; scopes of recipients get their seeds at the end."""

    shares: tuple[tuple[Scope, float], ...]  # likeliest first
    inside: tuple[tuple[str, float], ...]  # each seed's chance of being affected, if recipients it is


def settle_scope(desk: Desk, names: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> Step[Scope]:
    """Find for whom a set holds, with a few messages more where what is known leaves it open."""
    for _ in range(MOST_PROBES):
        reading = read_scope(desk, names, others)
        if reading.shares[0][1] >= SURE or not desk.room(1, 1):
            break
        probe = _choose(desk, names, reading)
        if probe is None:
            break
        yield from _send(desk, names, probe)
    return _told(desk, names, others)


def told_scope(desk: Desk, names: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> Scope:
    """Return the likeliest scope by what is known, without asking."""
    return _told(desk, names, others)


def read_scope(desk: Desk, names: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> Reading:
    """Weigh every scope by all messages that hold this trigger and no other."""
    seen = _evidence(desk, names, others)
    by_seed: dict[str, list[Observation]] = {}
    for one in seen:
        by_seed.setdefault(one.ask.seed, []).append(one)
    masses: dict[Scope, float] = {}
    affected: dict[str, float] = dict.fromkeys(by_seed, 0.0)
    for scope, weight in _candidates(desk, names):
        masses[scope] = weight * sum(
            share * math.prod(_likelihood(one, fire if _holds(desk, scope, one.ask) else 0.0) for one in seen)
            for fire, share in FIRES
        )
    part = Scope("recipients")
    masses[part] = 0.0
    for fire, share in FIRES:
        for size in PARTS:
            inside = {s: size * math.prod(_likelihood(o, fire) for o in obs) for s, obs in by_seed.items()}
            outside = {s: (1 - size) * math.prod(_likelihood(o, 0.0) for o in obs) for s, obs in by_seed.items()}
            mass = PART * share / len(PARTS) * math.prod(inside[s] + outside[s] for s in by_seed)
            masses[part] += mass
            for s in by_seed:
                affected[s] += mass * inside[s] / (inside[s] + outside[s])
    total = sum(masses.values())
    shares = sorted(((scope, mass / total) for scope, mass in masses.items()), key=lambda pair: -pair[1])
    chances = {s: mass / masses[part] for s, mass in affected.items()}
    return Reading(tuple(shares), tuple(sorted(chances.items())))


def likely_affected(desk: Desk, names: tuple[str, ...], child: Factors, known: Sequence[str]) -> str | None:
    """Return the seed whose answer would tell most of those that are more likely affected than not; None if none is."""
    reading = read_scope(desk, names, ())
    domains = {desk.seeds[seed].domain for seed in known}
    best: tuple[float, str] | None = None
    for seed in desk.wearing(child, desk.open_to(child)):
        if seed in known:
            continue
        chance = _chance(desk, reading, Ask(child, seed, Phase.SCOPE))
        rank = chance + 0.001 * (desk.seeds[seed].domain in domains) + 1e-5 * desk.used[seed]
        if chance >= AFFECTED and (best is None or rank < best[0]):
            best = (rank, seed)
    return best[1] if best else None


def _chance(desk: Desk, reading: Reading, ask: Ask) -> float:
    inside = dict(reading.inside)
    return sum(
        share * (inside.get(ask.seed, PART_MEAN) if scope.type == "recipients" else _holds(desk, scope, ask))
        for scope, share in reading.shares
    )


def _evidence(desk: Desk, names: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> list[Observation]:
    held = frozenset(names)
    rivals = [frozenset(other) for other in others if frozenset(other) != held]
    return [
        seen
        for seen in desk.evidence()
        if held <= desk.shown(seen.ask.factors, seen.ask.seed)
        and not (seen.rejected and any(rival <= seen.ask.factors for rival in rivals))
    ]


def _likelihood(seen: Observation, fire: float) -> float:
    chance = 1 - (1 - fire) * (1 - NOISE)
    return chance if seen.rejected else 1 - chance


def _holds(desk: Desk, scope: Scope, ask: Ask) -> bool:
    persona = desk.seeds[ask.values_of] if ask.values_of in desk.seeds else desk.seeds[ask.seed]
    return scope.holds(ask.seed, desk.seeds[ask.seed].domain, persona.values)


def _candidates(desk: Desk, names: tuple[str, ...]) -> list[tuple[Scope, float]]:
    domains = sorted({desk.seeds[s].domain for s in desk.seeds if s not in desk.dead})
    scopes = [(Scope(), ALL)]
    sizes = {size: list(combinations(domains, size)) for size in range(1, len(domains))}
    for size, sets in sizes.items():
        weight = ONE_DOMAIN if size == 1 else ALL_BUT_ONE if size == len(domains) - 1 else MORE_DOMAINS
        scopes += [(Scope("domain", domains=some), weight / len(sets)) for some in sets]
    values = sorted(
        {
            (name, value)
            for t in desk.problem.seeds
            for name, value in t.values.items()
            if name in names and t.id not in desk.dead
        }
    )
    scopes += [(Scope("value", field=name, value=value), VALUE / len(values)) for name, value in values]
    return scopes


def _choose(desk: Desk, names: tuple[str, ...], reading: Reading) -> Probe | None:
    """Choose the message whose answer leaves the scope least open; refusals cost as the budget says."""
    child = desk.close(names)
    chances = dict(reading.inside)
    fire = 0.9
    best, most = None, 1e-3
    seeds = desk.wearing(child, desk.open_to(child))
    personas = seeds if any(name in t.values for t in desk.problem.seeds for name in names) else []
    for seed in seeds:
        for persona in dict.fromkeys([seed, *personas]):
            ask = Ask(child, seed, Phase.SCOPE, values_of=None if persona == seed else persona)
            expects = []
            for scope, share in reading.shares:
                if scope.type == "recipients":
                    expects.append((share, NOISE + (fire - NOISE) * chances.get(seed, PART_MEAN)))
                else:
                    expects.append((share, fire if _holds(desk, scope, ask) else NOISE))
            chance = sum(share * expect for share, expect in expects)
            gain = _entropy(chance) - sum(share * _entropy(expect) for share, expect in expects)
            worth = gain / (1 + PRICE * desk.problem.budget.refusal_price * chance) * (1 if persona == seed else 0.98)
            worth *= 1 - 1e-4 * desk.used[seed]
            if worth > most:
                best, most = Probe(seed, persona), worth
    return best


def _entropy(chance: float) -> float:
    return -sum(p * math.log2(p) for p in (chance, 1 - chance) if p > 0)


def _send(desk: Desk, names: tuple[str, ...], probe: Probe) -> Step[None]:
    child: Factors = desk.close(names)
    if probe.seed == probe.persona:
        why = f"For whom does {' with '.join(names)} hold? This seed was not asked, or not often enough."
        ask = Ask(child, probe.seed, Phase.SCOPE, subject=names, why=why)
    else:
        why = f"Does refusal follow the value or the recipient? The same seed wears the values of {probe.persona}."
        ask = Ask(child, probe.seed, Phase.SCOPE, values_of=probe.persona, subject=names, why=why)
    yield from desk.ask(ask, 0.5)


def _told(desk: Desk, names: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> Scope:
    reading = read_scope(desk, names, others)
    scope = reading.shares[0][0]
    if scope.type != "recipients":
        return scope
    return Scope("recipients", seeds=tuple(seed for seed, chance in reading.inside if chance >= 0.5))
