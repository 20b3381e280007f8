"""Simulate: play a problem against invented triggers, to see beforehand what a run would cost.

The answers come from the invention and from a keyed hash, so a simulation comes out the same each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from harness.model.answer import Evidence
from harness.model.problem import Pause, Problem, Stop
from harness.model.trial import Ask, Observation, Outcome
from harness.model.verdict import Finding, VerdictKind
from harness.search import strategy
from harness.search.prior import weight_of

FIRE = 0.95  # how reliably an invented trigger fires
STRAY = 0.005
SHARES = (("one change", 0.60), ("two together", 0.17), ("either of two", 0.10), ("nothing", 0.13))
MOST_MOVES = 5_000  # a search that asks more than that has lost its way


@dataclass(frozen=True, slots=True)
class Invention:
    """A made-up cause: each set of factors is a trigger of its own."""

    name: str
    triggers: tuple[frozenset[str], ...] = ()
    fire: float = FIRE
    stray: float = STRAY
    key: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """What one game cost, and whether its finding was the whole truth, part of it, open or wrong."""

    sends: int
    refusals: int
    result: str  # right | part | open | wrong
    finding: Finding


@dataclass(frozen=True, slots=True)
class Forecast:
    """One strategy's games against one sort of cause."""

    strategy: str
    cause: str
    games: int
    right: float
    wrong: float
    sends: tuple[float, float, float]  # median, mean, 90th percentile
    refusals: tuple[float, float, float]


def play(problem: Problem, name: str, invention: Invention) -> Played:
    """Play one game to its end."""
    player = strategy(name)
    seen: list[Observation] = []
    pauses: list[Pause] = []
    counts: dict[tuple[frozenset[str], str, str | None], int] = {}
    for _ in range(MOST_MOVES):
        move = player.next(problem, seen, pauses)
        if isinstance(move, Stop):
            refusals = sum(one.rejected for one in seen)
            return Played(len(seen), refusals, _graded(problem, invention, move.finding), move.finding)
        if isinstance(move, Pause):
            pauses.append(move)
            continue
        for ask in move.asks:
            key = (ask.factors, ask.seed, ask.values_of)
            counts[key] = counts.get(key, -1) + 1
            seen.append(_answer(problem, invention, ask, counts[key], len(seen)))
    raise RuntimeError(f"{name} did not come to an end")


def _answer(problem: Problem, invention: Invention, ask: Ask, repetition: int, number: int) -> Observation:
    wears = next(seed.wears for seed in problem.seeds if seed.id == ask.seed)
    held = ask.factors if wears is None else ask.factors & wears
    draws = _draws(invention.key, *sorted(ask.factors), ask.seed, ask.values_of, repetition)
    refused = next(draws) < invention.stray
    for trigger in invention.triggers:
        refused |= next(draws) < invention.fire and trigger <= held
    if not refused:
        return Observation(ask, Outcome.ACCEPTED, "accepted", repetition=repetition, number=number)
    return Observation(
        ask, Outcome.REJECTED, "content_policy", Evidence.STRONG, "CS01", repetition=repetition, number=number
    )


def _draws(*parts: object) -> Iterator[float]:
    raw = "\x1f".join(str(part) for part in parts).encode()
    count = 0
    while True:
        digest = hashlib.blake2b(raw, digest_size=8, salt=count.to_bytes(8)).digest()
        yield int.from_bytes(digest) / 2**64
        count += 1


def _graded(problem: Problem, invention: Invention, finding: Finding) -> str:
    told = {frozenset(names) for names, _ in finding.triggers}
    true = set(invention.triggers)
    if finding.kind is VerdictKind.TRIGGER:
        return "wrong" if told - true else "right" if told == true else "part"
    if finding.kind is VerdictKind.NONE:
        return "wrong" if true else "right"
    return "wrong" if finding.kind is VerdictKind.SENDER else "open"


def inventions(problem: Problem, games: int, fire: float = FIRE, stray: float = STRAY) -> list[Invention]:
    """Invent causes as likely as the search thinks them: more often a link host or redirect than a subject."""
    found = []
    for number in range(games):
        draws = _draws(problem.shuffle_key, "invention", number)
        share, name = next(draws), SHARES[-1][0]
        for candidate, weight in SHARES:
            if share < weight:
                name = candidate
                break
            share -= weight
        names = [_drawn(problem, next(draws)) for _ in range(2)]
        if name != "nothing" and not _apart(problem, *names):
            name = "one change"
        triggers: dict[str, tuple[frozenset[str], ...]] = {
            "one change": (frozenset(names[:1]),),
            "two together": (frozenset(names),),
            "either of two": (frozenset(names[:1]), frozenset(names[1:])),
            "nothing": (),
        }
        found.append(Invention(name, triggers[name], fire, stray, f"{problem.shuffle_key} game {number}"))
    return found


def _drawn(problem: Problem, share: float) -> str:
    weights = [weight_of(problem, factor) for factor in problem.factors]
    left = share * sum(weights)
    for factor, weight in zip(problem.factors, weights, strict=True):
        left -= weight
        if left < 0:
            return factor.id
    return problem.factors[-1].id


def _apart(problem: Problem, one: str, other: str) -> bool:
    """Tell whether two factors are different and neither stands in the other."""
    needs = {factor.id: factor.needs for factor in problem.factors}
    return one != other and one not in needs[other] and other not in needs[one]


def forecast(problem: Problem, names: Sequence[str], invented: Sequence[Invention]) -> list[Forecast]:
    """Play every invention with every strategy; one row per strategy and sort of cause, and one for all."""
    free = replace(problem, budget=replace(problem.budget, per_seed=None))  # a cap a day spreads a run over days
    rows = []
    for name in names:
        played = [(invention.name, play(free, name, invention)) for invention in invented]
        causes = [cause for cause, _ in SHARES if any(cause == told for told, _ in played)]
        causes += sorted({told for told, _ in played} - set(causes))
        for cause in causes:
            rows.append(_row(name, cause, [game for told, game in played if told == cause]))
        if len(causes) > 1:
            rows.append(_row(name, "all", [game for _, game in played]))
    return rows


def _row(name: str, cause: str, games: Sequence[Played]) -> Forecast:
    return Forecast(
        name,
        cause,
        len(games),
        fmean(game.result == "right" for game in games),
        fmean(game.result == "wrong" for game in games),
        _spread([game.sends for game in games]),
        _spread([game.refusals for game in games]),
    )


def _spread(values: Sequence[int]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return float(median(ordered)), fmean(ordered), float(ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)])
