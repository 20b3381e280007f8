"""Couples: pairs of values that are refused only together, looked for where single values leave much unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from harness.triage.coded import Mask
from harness.triage.finding import Cause, Condition, Standout
from harness.triage.lift import Contrast, adjust, log_tail
from harness.triage.marginal import condition_of, ints
from harness.triage.rest import Rest, make_cause

MOST = 12
PAIR_FIELDS = 16
PAIR_VALUES = 5_000  # a field of more values forms no pairs
PAIR_ROWS = 5  # a pair of values in fewer rows is not looked at
CANDIDATES = 30  # pairs that are tested, likeliest first
SCREEN = 4_000  # kept rows that choose pairs; where there are more, the others test them


def find_pairs(rest: Rest, rate: float) -> list[Cause]:
    """Look at all pairs of fields among rows that no single value explains.

    Both halves must be needed: within either value's rows the other one must matter (the larger p of the two
    counts). Where there are many rows, some choose the pairs and the others test them.
    """
    rows = rest.rows
    usable = _usable(rest)
    if len(usable) < 2:
        return []
    share = max(2, rest.total[0] // SCREEN)
    parted = rest.total[0] > 2 * SCREEN
    chooses = rows.draw % np.uint64(share) == 0
    found, looked = _candidates(rest.within(chooses) if parted else rest, usable, parted=parted)
    tests = rest.without(chooses) if parted else rest
    logs = np.array([_needed(tests, *(rows.holds([c]) for c in pair)) for pair in found])
    corrected = adjust(logs, len(found) if parted else looked)
    out: list[Cause] = []
    for at in np.argsort(logs, kind="stable"):
        if corrected[at] > rate or len(out) == MOST:
            break
        pair, having = found[at], rows.holds(found[at])
        if out and tail(*rest.split(having)) > np.log(rate / len(found)):
            continue  # a shadow of a pair before it
        top = Standout(pair[0], Contrast(0, 0, 0, 0), float(np.exp(logs[at])), float(corrected[at]))
        out.append(make_cause(rest, {}, pair, top, ()))
        rest = rest.without(having)
    return out


def _usable(rest: Rest) -> list[int]:
    """Return the fields that can form pairs: of one value a row, and not too many of them."""
    there = [
        i
        for i, (field, column) in enumerate(zip(rest.rows.fields, rest.rows.columns, strict=True))
        if not field.many and 1 < np.count_nonzero(column.count(rest.rows.n, rest.open)) <= PAIR_VALUES
    ]
    return there[:PAIR_FIELDS]


def _needed(rest: Rest, first: Mask, second: Mask) -> float:
    """Return the log p of "both are needed": within either value's rows the other must matter, so the larger of two."""
    return max(tail(*rest.within(first).split(second)), tail(*rest.within(second).split(first)))


def tail(n: int, k: int, others: int, others_k: int) -> float:
    """Return the log p that the first rows fail no more than the others."""
    return float(log_tail(ints([k]), ints([n]), k + others_k, n + others)[0]) if n else 0.0


def _candidates(rest: Rest, usable: Sequence[int], *, parted: bool) -> tuple[list[tuple[Condition, Condition]], int]:
    """Count the pairs of values; return those worth a test, likeliest first, and how many were looked at."""
    rows = rest.rows
    n, failed = rows.n[rest.open], rows.failed[rest.open]
    codes = {i: np.unique(rows.columns[i].codes[rest.open], return_inverse=True) for i in usable}
    counted: list[tuple[int, int, int, int, int, int]] = []  # fields, their codes, rows, failures
    looked = 0
    for i, j in combinations(usable, 2):
        (left, a), (right, b) = codes[i], codes[j]
        both, at = np.unique(a.astype(np.int64) * len(right) + b, return_inverse=True)
        sent = np.bincount(at, weights=n).astype(np.int64)
        bad = np.bincount(at, weights=n * failed).astype(np.int64)
        looked += int(np.count_nonzero(sent >= PAIR_ROWS))
        counted += [
            (i, j, int(left[both[p] // len(right)]), int(right[both[p] % len(right)]), int(sent[p]), int(bad[p]))
            for p in np.flatnonzero((sent >= PAIR_ROWS) & (bad >= 2))
        ]
    if not counted:
        return [], looked
    every, all_failed = rest.total
    logs = log_tail(ints([c[5] for c in counted]), ints([c[4] for c in counted]), all_failed, every)
    limit = np.log(1 / looked if parted else 0.01)  # a choice on part of the rows need let through one by chance
    best = [counted[p] for p in np.argsort(logs, kind="stable") if logs[p] < limit][:CANDIDATES]

    def condition(field: int, cell: int) -> Condition:
        return condition_of(rows.fields[field], rows.columns[field].entries[cell])

    return [(condition(i, a), condition(j, b)) for i, j, a, b, _, _ in best], looked
