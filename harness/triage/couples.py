"""Couples: pairs of values that are refused only together, looked for where single values leave much unexplained."""

# ruff: noqa: S608 (the statements are put together here; values from outside are quoted by `where`)

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from harness.triage.finding import Cause, Standout
from harness.triage.lift import Contrast, adjust, log_tail
from harness.triage.marginal import Table, condition_of, ints, lists
from harness.triage.rest import Rest, make_cause, where

MOST = 12
PAIR_FIELDS = 16
PAIR_ROWS = 5  # a pair of values in fewer rows is not looked at
CANDIDATES = 30  # pairs that are tested, likeliest first
SCREEN = 4_000  # kept rows that choose pairs; where there are more, the others test them


def find_pairs(rest: Rest, table: Table, rate: float) -> list[Cause]:
    """Look at all pairs of fields among rows that no single value explains.

    Both halves must be needed: within either value's rows the other one must matter (the larger p of the two
    counts). Where there are many rows, some choose the pairs and the others test them.
    """
    con, fields = rest.scanned.session, rest.scanned.fields
    many = set(lists(fields))
    counted = ", ".join(f"approx_count_distinct(f{i})" for i in range(len(fields)))
    distinct = con.execute(f"SELECT {counted} FROM kept WHERE {rest.sql}").fetchone()
    usable = [i for i, count in enumerate(distinct) if 1 < count <= 5_000 and i not in many][:PAIR_FIELDS]
    if len(usable) < 2:
        return []
    parted = table.all_sent > 2 * SCREEN
    share = max(2, table.all_sent // SCREEN) if parted else 1
    half = f"hash(key, f0, 1) % {share} = 0" if parted else "true"
    found, looked = _pair_counts(rest, usable, half, parted=parted)
    tested = []
    for i, j, a, b in found:
        conditions = (condition_of(fields[i], a), condition_of(fields[j], b))
        first, second = (where(fields, [c]) for c in conditions)
        tested.append((_needed(rest, first, second, f"NOT ({half})" if parted else "true"), conditions))
    logs = np.array([t for t, _ in tested])
    corrected = adjust(logs, len(tested) if parted else looked)
    hits = sorted((float(logs[n]), n) for n in range(len(tested)) if corrected[n] <= rate)
    out: list[Cause] = []
    for log, n in hits[:MOST]:
        conditions = tested[n][1]
        if out and _tail(*rest.split(where(fields, conditions))) > np.log(rate / len(tested)):
            continue  # a shadow of a pair before it
        top = Standout(conditions[0], Contrast(0, 0, 0, 0), float(np.exp(log)), float(corrected[n]))
        out.append(make_cause(rest, {}, conditions, top, ()))
        rest.where.append(where(fields, conditions))
    return out


def _needed(rest: Rest, first: str, second: str, also: str) -> float:
    """Return the log p of "both are needed": within either value's rows the other must matter, so the larger of two."""
    groups = ("a AND b", "a AND NOT b", "b AND NOT a")
    counts = ", ".join(f"coalesce(sum(n) FILTER ({g}), 0), coalesce(sum(n) FILTER ({g} AND failed), 0)" for g in groups)
    row = rest.scanned.session.execute(
        f"SELECT {counts} FROM (SELECT n, failed, {first} AS a, {second} AS b FROM kept WHERE {rest.sql} AND {also}) "
        "WHERE a OR b"
    ).fetchone()
    n, k, only_a, fails_a, only_b, fails_b = (int(v) for v in row)
    return max(_tail(n, k, only_a, fails_a), _tail(n, k, only_b, fails_b))


def _tail(n: int, k: int, others: int, others_k: int) -> float:
    return float(log_tail(ints([k]), ints([n]), k + others_k, n + others)[0]) if n else 0.0


def _pair_counts(
    rest: Rest, usable: Sequence[int], half: str, *, parted: bool
) -> tuple[list[tuple[int, int, str, str]], int]:
    """Count the pairs of values; return those worth a test, and how many were looked at."""
    con = rest.scanned.session
    pairs = list(combinations(usable, 2))
    which = " ".join(f"WHEN GROUPING(f{i}) = 0 AND GROUPING(f{j}) = 0 THEN {n}" for n, (i, j) in enumerate(pairs))
    sets = ", ".join(f"(f{i}, f{j})" for i, j in pairs)
    listed = ", ".join(f"f{i}" for i in usable)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE paired AS SELECT CASE {which} END AS pair, {listed}, sum(n) AS n, "
        f"coalesce(sum(n) FILTER (failed), 0) AS k FROM kept WHERE {rest.sql} AND {half} GROUP BY GROUPING SETS "
        f"({sets})"
    )
    totals = con.execute("SELECT coalesce(sum(n), 0), coalesce(sum(k), 0) FROM paired WHERE pair = 0").fetchone()
    looked = int(con.execute(f"SELECT count(*) FROM paired WHERE n >= {PAIR_ROWS}").fetchone()[0])
    rows = con.execute(f"SELECT pair, {listed}, n, k FROM paired WHERE n >= {PAIR_ROWS} AND k >= 2").fetchall()
    if not rows:
        return [], looked
    logs = log_tail(ints([r[-1] for r in rows]), ints([r[-2] for r in rows]), int(totals[1]), int(totals[0]))
    limit = np.log(1 / looked if parted else 0.01)  # a choice on part of the rows need let through one by chance
    order = [int(n) for n in np.argsort(logs, kind="stable") if logs[n] < limit][:CANDIDATES]
    column = {f: n + 1 for n, f in enumerate(usable)}
    out = []
    for n in order:
        i, j = pairs[rows[n][0]]
        out.append((i, j, rows[n][column[i]] or "", rows[n][column[j]] or ""))
    return out, looked
