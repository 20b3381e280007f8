"""Run the isolation benchmark: `python -m benchmarks.isolation --problems FILE`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a choice is to be timed on one core; numpy reads it at import

from benchmarks.isolation import baselines
from benchmarks.isolation.oracle import load
from benchmarks.isolation.play import Game
from benchmarks.isolation.table import comparison, summary

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Play problems, print the table, write the rows."""
    options = _options()
    problems = [p for path in options.problems for p in load(path)]
    if options.classes:
        problems = [
            p
            for p in problems
            if p["class"] in options.classes.split(",") or p.get("tier") in options.classes.split(",")
        ]
    if options.sizes:
        problems = [p for p in problems if str(p["n"]) in options.sizes.split(",")]
    problems = problems[: options.limit]
    replicas = range(options.first_replica, options.first_replica + options.replicas)
    games = [Game(p, r, options.strategy, options.refusal_price, options.batch) for p in problems for r in replicas]
    rows = []
    for row in _played(games, options.jobs):
        rows.append(row)
        if options.verbose and row["outcome"] != "correct":
            print(row, file=sys.stderr)
        if sys.stderr.isatty():
            print(f"\r{len(rows)}/{len(games)}", end="", file=sys.stderr)
    print(summary(rows, {p["id"]: p for p in problems}))
    if options.baselines:
        names = list(baselines.BASELINES)
        compared = {name: [baselines.row(name, p, r) for p in problems for r in replicas] for name in names}
        split = [Game(p, r, "split", options.refusal_price).play() for p in problems for r in replicas]
        print()
        print(comparison({**compared, "binary splitting + proof": split, options.strategy: rows}))
    if options.json:
        Path(options.json).write_text(json.dumps(rows), encoding="utf-8")
    return 0


def _played(games: list[Game], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        yield from map(Game.play, games)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(Game.play, games, chunksize=2)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.isolation", description=__doc__)
    add = parser.add_argument
    add("--problems", nargs="+", default=[str(HERE / "problems.json")], help="problem files")
    add("--strategy", default="adaptive", help="adaptive, split or ladder")
    add("--replicas", type=int, default=1)
    add("--first-replica", type=int, default=0)
    add("--classes", help="only these classes or tiers, comma separated")
    add("--sizes", help="only problems with so many factors, comma separated")
    add("--limit", type=int, help="only the first so many problems")
    add("--jobs", type=int, default=1, help="processes")
    add("--batch", type=int, default=1, help="messages chosen before any answer comes")
    add("--refusal-price", type=float, default=8.0, help="accepted messages that one refusal is worth")
    add("--json", help="write one object per problem and replica to this file")
    add("--baselines", action="store_true", help="also play ddmin, one at a time, splitting and the ladder by hand")
    add("--verbose", action="store_true", help="print each run that is not right to stderr")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
