"""Baselines: what people and textbooks do on the same problems, with the oracle alone.

`article` is the staged plan as it is followed by hand: one change a rung, so many copies, stop at the first bounce
and blame the last change, without a proof. `ddmin` and `ofat` end with the same e-value proof as the product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.isolation.oracle import BLOCKED, CS01, RATE, UNKNOWN, Oracle, grade
from harness.model.contrast import THRESHOLD, Block, e_value

PATIENCE = (2, 4, 8, 16, 32, 64, 128)
Names = tuple[int, ...]


class Bench:
    """An oracle with the transport that all baselines share: deferrals are retried, dead seeds dropped."""

    def __init__(self, problem: dict[str, Any], replica: int) -> None:
        self.oracle = Oracle(problem, replica)
        self.view = self.oracle.view
        self.seeds = [seed["id"] for seed in self.view["seeds"]]
        self.needs = self.view.get("needs", [])
        self.masked: set[int] = set()

    def send(self, variant: set[int], seed: str) -> bool | None:
        """Return whether it was refused; None where that says nothing."""
        for ticks in PATIENCE:
            heard = self.oracle.send(self.close(variant), seed)
            if heard.code != RATE:
                break
            self.oracle.wait(ticks)
        if heard.code == UNKNOWN and seed in self.seeds:
            self.seeds.remove(seed)
        return None if heard.code in (UNKNOWN, RATE) else heard.code in (CS01, BLOCKED)

    def close(self, variant: set[int]) -> set[int]:
        """Add what the members stand in."""
        closed = set(variant)
        while missing := {outer for inner, outer in self.needs if inner in closed} - closed:
            closed |= missing
        return closed

    def refused(self, variant: set[int], pool: list[str], tries: int) -> bool:
        """Send up to so many, stop at the first refusal."""
        return any(self.send(variant, pool[i % len(pool)]) for i in range(tries))


def article(bench: Bench, copies: int) -> dict[str, Any]:
    """Climb rung by rung, so many copies each; blame the change of the first rung that bounces."""
    variant: set[int] = set()
    for rung in [None, *range(bench.view["n"])]:
        variant = variant if rung is None else bench.close(variant | {rung})
        pool = (bench.seeds * copies)[:copies]
        if any(bench.send(variant, seed) for seed in pool):
            if rung is None:
                return {"kind": "sender_block"}
            return {"kind": "triggers", "triggers": [{"factors": [rung], "scope": {"type": "all"}}], "fix": [rung]}
    return {"kind": "none"}


def searched(find: Callable[[Bench, str, int], Names], tries: int) -> Callable[[Bench], dict[str, Any]]:
    """Wrap a search with control, reproduction, proof and masking."""

    def run(bench: Bench) -> dict[str, Any]:
        if all(bench.send(set(), bench.seeds[i % len(bench.seeds)]) for i in range(3)):
            return {"kind": "sender_block"}
        found: list[Names] = []
        while len(found) < 5:
            seed = _reproduce(bench, {names[-1] for names in found})
            if seed is None:
                break
            bench.masked = {names[-1] for names in found}
            names = find(bench, seed, tries)
            if not names or not _proved(bench, names, seed):
                return {"kind": "inconclusive"} if not found else _told(found)
            found.append(names)
        return _told(found) if found else {"kind": "none"}

    return run


def _told(found: list[Names]) -> dict[str, Any]:
    triggers = [{"factors": sorted(names), "scope": {"type": "all"}} for names in found]
    return {"kind": "triggers", "triggers": triggers, "fix": [names[-1] for names in found]}


def _whole(bench: Bench, masked: set[int]) -> set[int]:
    gone = set(masked)
    while more := {inner for inner, outer in bench.needs if outer in gone} - gone:
        gone |= more
    return set(range(bench.view["n"])) - gone


def _reproduce(bench: Bench, masked: set[int]) -> str | None:
    domains: dict[str, list[str]] = {}
    for seed in bench.view["seeds"]:
        domains.setdefault(seed["domain"], []).append(seed["id"])
    for turn in range(3):
        for pool in domains.values():
            seed = pool[turn % len(pool)]
            if bench.send(_whole(bench, masked), seed):
                return seed
    return None


def ddmin(bench: Bench, seed: str, tries: int) -> Names:
    """Zeller and Hildebrandt's minimisation of a refused set."""
    left = sorted(_whole(bench, bench.masked))
    parts = 2
    while len(left) > 1:
        size = -(-len(left) // parts)
        chunks = [left[i : i + size] for i in range(0, len(left), size)]
        smaller = next((c for c in chunks if bench.refused(set(c), [seed], tries)), None)
        if smaller is not None:
            left, parts = smaller, 2
            continue
        rest = next(
            (r for c in chunks if (r := [i for i in left if i not in c]) and _holds(bench, r, seed, tries)), None
        )
        if rest is not None and len(chunks) > 2:
            left, parts = rest, max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(2 * parts, len(left))
    return tuple(left)


def _holds(bench: Bench, names: list[int], seed: str, tries: int) -> bool:
    return bench.refused(set(names), [seed], tries)


def ofat(bench: Bench, seed: str, tries: int) -> Names:
    """One factor at a time: put back to plain whatever leaves it refused."""
    left = set(_whole(bench, bench.masked))
    for name in sorted(left, reverse=True):
        fewer = left - {name} - {inner for inner, outer in bench.needs if outer == name}
        if fewer and bench.refused(fewer, [seed], tries):
            left = fewer
    return tuple(sorted(left))


def _proved(bench: Bench, names: Names, seed: str) -> bool:
    blocks: dict[int, list[Block]] = {name: [] for name in names}
    for _ in range(14):
        child = bench.send(set(names), seed)
        for name in names:
            parent = bench.send(set(names) - {name}, seed)
            if child is not None and parent is not None:
                blocks[name].append(Block(1, parent, 1, child))
        worst = min(e_value(some) for some in blocks.values())
        if worst >= THRESHOLD:
            return True
        if worst < 0.05:
            return False
    return False


BASELINES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "ladder, 1 copy": lambda bench: article(bench, 1),
    "ladder, 3 copies": lambda bench: article(bench, 3),
    "ladder, 10 copies": lambda bench: article(bench, 10),
    "one at a time x3 + proof": searched(ofat, 3),
    "ddmin x1 + proof": searched(ddmin, 1),
    "ddmin x3 + proof": searched(ddmin, 3),
}


def row(name: str, problem: dict[str, Any], replica: int) -> dict[str, Any]:
    """Play one baseline on one problem."""
    bench = Bench(problem, replica)
    verdict = BASELINES[name](bench)
    stats = bench.oracle.stats()
    return {
        "tier": problem.get("tier", ""),
        "outcome": grade(problem, verdict, stats)["outcome"],
        "sends": stats["sends"] - stats["deferred"],
        "rejections": stats["rejections"],
    }
