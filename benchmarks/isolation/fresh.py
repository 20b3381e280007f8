"""Fresh problems of the same make, so that nothing is tuned to a file.

`python -m benchmarks.isolation.fresh --out FILE` writes them.

The classes and their regimes follow the README of the benchmark; some are shifted on purpose: a custom domain, wider
noise, values that one seed alone wears, a sender block that lets one message in twenty through, additive scores.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

SIZES = (6, 8, 10, 12, 16, 20, 24, 32, 32, 40, 48, 64)
SEEDS = (5, 6, 8, 10, 12, 15, 20)
DOMAINS = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com", "custom")
GROUPS = ("link", "link_host", "redirect", "image", "attachment", "section", "subject", "preheader", "from", "header")
ALL = {"type": "all"}
Problem = dict[str, Any]
Maker = Callable[[random.Random, Problem], None]


def problem(kind: str, number: int, key: str) -> Problem:
    """Make one problem of a class."""
    dice = random.Random(f"{key} {kind} {number}")
    tier, make = CLASSES[kind]
    n = dice.choice([size for size in SIZES if size >= (8 if kind in ("quad", "score") else 6)])
    merges = max(1, round(n * dice.uniform(0.1, 0.3)))
    groups = sorted((dice.choice(GROUPS) for _ in range(n - merges)), key=GROUPS.index) + ["merge"] * merges
    factors = [{"index": i, "id": f"{g}{i}", "group": g} for i, g in enumerate(groups)]
    count = dice.choice([size for size in SEEDS if size >= (8 if kind in SCOPED else 5)])
    if kind == "rare_sticky":
        count = dice.choice([12, 15, 20])
    seeds = [
        {
            "id": f"s{i}",
            "domain": DOMAINS[i] if i < len(DOMAINS) else dice.choice(DOMAINS),
            "values": {str(i): f"v{dice.randrange(4)}" for i, g in enumerate(groups) if g == "merge"},
        }
        for i in range(count)
    ]
    dice.shuffle(seeds)
    made: dict[str, Any] = {
        "id": f"{key}-{kind}-{number:02}",
        "class": kind,
        "tier": tier,
        "n": n,
        "factors": factors,
        "seeds": seeds,
        "budget": {"max_sends": 60 + 6 * n, "max_rejections": 40, "per_seed_soft": 40},
        "rng": dice.randrange(2**31),
        "hidden": {"f0": dice.choice([0, 0.005, 0.01]), "triggers": [], "dead": []},
        "truth": {"kind": "triggers", "triggers": [], "acceptable": []},
    }
    if count > 8 and dice.random() < 0.1 and kind != "rare_sticky":
        made["hidden"]["dead"] = [dice.choice(seeds)["id"]]
    make(dice, made)
    hidden = made["hidden"]["triggers"]
    if made["truth"]["kind"] == "triggers":
        made["truth"]["triggers"] = [
            {"factors": t["factors"], "scope": t["scope"]} for t in hidden if not t.get("unless")
        ]
    return made


def _add(dice: random.Random, made: Problem, sizes: list[int], fire: tuple[float, float] = (0.85, 1.0)) -> None:
    names = dice.sample(range(made["n"]), sum(sizes))
    for size in sizes:
        members, names = sorted(names[:size]), names[size:]
        made["hidden"]["triggers"].append({"factors": members, "fire": round(dice.uniform(*fire), 2), "scope": ALL})


def _plain(sizes: list[int], fire: tuple[float, float] = (0.85, 1.0), f0: tuple[float, ...] = ()) -> Maker:
    def make(dice: random.Random, made: Problem) -> None:
        _add(dice, made, sizes, fire)
        if f0:
            made["hidden"]["f0"] = dice.choice(f0)

    return make


def _domain(dice: random.Random, made: Problem) -> None:
    _add(dice, made, [1])
    present = sorted({seed["domain"] for seed in made["seeds"]})
    made["hidden"]["triggers"][0]["scope"] = {"type": "domain", "domains": [dice.choice(present)]}


def _value(dice: random.Random, made: Problem) -> None:
    field = dice.choice([f["index"] for f in made["factors"] if f["group"] == "merge"])
    value = dice.choice(made["seeds"])["values"][str(field)]
    scope = {"type": "value", "factor": field, "value": value}
    made["hidden"]["triggers"] = [{"factors": [field], "fire": round(dice.uniform(0.75, 1.0), 2), "scope": scope}]


def _rare_value(dice: random.Random, made: Problem) -> None:
    """Give one seed alone a value that is refused."""
    _value(dice, made)
    trigger = made["hidden"]["triggers"][0]
    for seed in made["seeds"]:
        seed["values"][str(trigger["factors"][0])] = f"v{dice.randrange(3)}"
    trigger["scope"]["value"] = "odd"
    dice.choice(made["seeds"])["values"][str(trigger["factors"][0])] = "odd"


def _sticky(low: float, high: float) -> Maker:
    def make(dice: random.Random, made: Problem) -> None:
        _add(dice, made, [1], (1.0, 1.0))
        scope = {"type": "sticky", "fraction": round(dice.uniform(low, high), 2)}
        made["hidden"]["triggers"][0]["scope"] = scope

    return make


def _none(dice: random.Random, made: Problem) -> None:
    made["hidden"]["f0"] = dice.choice([0, 0.005, 0.01, 0.02])
    made["truth"] = {"kind": "none", "triggers": [], "acceptable": []}


def _sender(prob: tuple[float, ...]) -> Maker:
    def make(dice: random.Random, made: Problem) -> None:
        if dice.random() < 0.5:
            _add(dice, made, [1])
        block = {"start": 0, "duration": None, "prob": dice.choice(prob), "text": dice.choice(["cs01", "distinct"])}
        made["hidden"]["block"] = block
        made["truth"] = {"kind": "sender_block", "triggers": [], "acceptable": []}

    return make


def _drift(dice: random.Random, made: Problem) -> None:
    _add(dice, made, [1], (0.8, 1.0))
    block: Problem = {"start": None, "prob": dice.choice([0.98, 1.0]), "text": dice.choice(["cs01", "distinct"])}
    block["duration"] = None if dice.random() < 0.55 else dice.randint(30, 60)
    if dice.random() < 0.4:
        block["start"] = dice.randint(5, 40)
    else:
        block["after_rejections"] = dice.randint(4, 9)
    made["hidden"]["block"] = block
    made["truth"]["acceptable"] = ["sender_block", "inconclusive"]


def _tight(dice: random.Random, made: Problem) -> None:
    _add(dice, made, [1])
    many, ticks = dice.randint(3, 5), dice.randint(25, 50)
    made["hidden"]["block"] = {"start": None, "after_rejections": many, "duration": ticks, "prob": 1.0, "text": "cs01"}
    made["truth"]["acceptable"] = ["sender_block", "inconclusive"]


def _rate(dice: random.Random, made: Problem) -> None:
    _add(dice, made, [dice.choice([1, 1, 2])], (0.72, 1.0))
    made["hidden"]["rate"] = {"burst": dice.choice([2, 4]), "window": dice.randint(10, 20), "p_random": 0.1}


def _artefact(dice: random.Random, made: Problem) -> None:
    _add(dice, made, [1, 1, 1])
    real, ghost, off = made["hidden"]["triggers"]
    ghost["unless"] = off["factors"]
    made["hidden"]["triggers"] = [real, ghost]


def _two_scoped(dice: random.Random, made: Problem) -> None:
    _add(dice, made, [1, 1])
    present = sorted({seed["domain"] for seed in made["seeds"]})
    relay = "privaterelay.appleid.com"
    scopes = ([relay], [name for name in present if name != relay])
    for trigger, domains in zip(made["hidden"]["triggers"], scopes, strict=True):
        trigger["scope"] = {"type": "domain", "domains": domains}


def _score(dice: random.Random, made: Problem) -> None:
    """Add points, as a content filter does, and refuse at a threshold: every minimal sum is a set of its own."""
    many = dice.randint(3, 5)
    names = sorted(dice.sample(range(made["n"]), many))
    points = {name: dice.randint(1, 4) for name in names}
    most = sum(points.values())
    threshold = dice.randint(max(2, most // 2), most)
    sets: list[tuple[int, ...]] = []
    for size in range(1, many + 1):
        for some in combinations(names, size):
            if sum(points[i] for i in some) >= threshold and not any(set(old) <= set(some) for old in sets):
                sets.append(some)
    made["hidden"]["triggers"] = [{"factors": list(some), "fire": 1.0, "scope": ALL} for some in sets]


SCOPED = ("domain_only", "value_only", "rare_value", "sticky", "two_scoped")
CLASSES: dict[str, tuple[str, Maker]] = {
    "single_det": ("base", _plain([1], (1.0, 1.0), (0.0,))),
    "single_noisy": ("base", _plain([1], (0.6, 0.95), (0.005, 0.01, 0.02))),
    "pair": ("base", _plain([2])),
    "two_independent": ("base", _plain([1, 1])),
    "triple": ("base", _plain([3])),
    "domain_only": ("base", _domain),
    "value_only": ("base", _value),
    "sticky": ("base", _sticky(0.35, 0.7)),
    "none": ("base", _none),
    "sender_block": ("base", _sender((0.95, 0.98, 1.0))),
    "drift": ("base", _drift),
    "rate_limit": ("base", _rate),
    "weak": ("hard", _plain([1], (0.3, 0.5), (0.0, 0.005))),
    "noisy_pair": ("hard", _plain([2], (0.6, 0.75), (0.01, 0.02, 0.03))),
    "three_independent": ("hard", _plain([1, 1, 1])),
    "quad": ("hard", _plain([4], (0.9, 1.0), (0.0, 0.005))),
    "artefact": ("hard", _artefact),
    "two_scoped": ("hard", _two_scoped),
    "rare_sticky": ("hard", _sticky(0.15, 0.25)),
    "tight_reputation": ("hard", _tight),
    "score": ("hard", _score),
    "rare_value": ("odd", _rare_value),
    "leaky_block": ("odd", _sender((0.95,))),
}


def fresh(key: str, each: int) -> list[Problem]:
    """Make so many problems of every class."""
    return [problem(kind, number, key) for kind in CLASSES for number in range(each)]


def main() -> int:
    """Write a file of fresh problems."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.isolation.fresh", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--key", default="fresh", help="another key, other problems")
    parser.add_argument("--each", type=int, default=12, help="problems of each class")
    options = parser.parse_args()
    problems = fresh(options.key, options.each)
    options.out.write_text(json.dumps({"format": "isolation-bench/1", "problems": problems}), encoding="utf-8")
    print(f"{len(problems)} problems in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
