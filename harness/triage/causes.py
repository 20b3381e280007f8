"""Causes: values that failures have in common, told from those that only keep them company.

Works on the tables of `sweep`. The likeliest value is taken first; the rows that carry it are put aside, and what still stands out
among the rest is the next. A value that no longer does was a shadow of one before it (the URL of a bad host). Within a
value's rows a second one is looked for, and when singles leave much unexplained, all pairs of fields are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from harness.triage.columns import Field
from harness.triage.finding import Cause, Condition, FieldReport, Standout
from harness.triage.lift import Contrast, Floats, Ints, adjust, log_tail, testable
from harness.triage.sweep import Scanned

MOST = 12  # causes that are told apart; beyond that the list is the message
PAIRS_OF_RATE = 0.2  # of the false discovery rate; single values have the rest
PAIR_SHARE = 0.1  # of the failures left unexplained, from which pairs are looked at
PAIR_FIELDS = 16
PAIR_ROWS = 5  # a pair of values in fewer rows is not looked at
CANDIDATES = 30  # pairs that are tested, likeliest first
SCREEN = 6_000  # kept rows that choose pairs; where there are more, the others test them
# Of values that the very same rows have, the one of the field that comes first here is named.
RANKS = ("link_host", "redirect_host", "link", "image_host", "image", "attachment", "version", "template", "subject", "offer")
LAST = ("recipient_domain", "hour", "campaign", "envelope_sender", "from")


@dataclass(frozen=True, slots=True)
class Table:
    """Values of all fields with their counts, one entry a value that failed at least once."""

    fields: Ints
    values: list[str]
    sent: Ints
    failed: Ints
    all_sent: int
    all_failed: int
    tests: int
    limit: float

    def judged(self) -> tuple[Floats, Floats]:
        """Return log p and corrected p of every entry; those that could not be significant keep 1."""
        logs = log_tail(self.failed, self.sent, self.all_failed, self.all_sent)
        least = log_tail(np.minimum(self.sent, self.all_failed), self.sent, self.all_failed, self.all_sent)
        logs = np.where(least <= self.limit, logs, 0.0)
        return logs, adjust(logs, self.tests)


def marginals(scanned: Scanned, rate: float) -> tuple[Table, dict[int, int], int]:
    """Return the counts of every value of every field over all rows, values per field, and how many were looked at."""
    con = scanned.session
    sets = ", ".join(f"(f{i})" for i in range(len(scanned.fields)))
    which = " ".join(f"WHEN GROUPING(f{i}) = 0 THEN {i}" for i in range(len(scanned.fields)))
    value = ", ".join(f"f{i}" for i in range(len(scanned.fields)))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE failures AS SELECT CASE {which} END AS field, coalesce({value}) AS value, sum(n) AS n "  # noqa: S608
        f"FROM kept WHERE failed GROUP BY GROUPING SETS ({sets})"
    )
    for i in _lists(scanned.fields):
        con.execute(f"DELETE FROM failures WHERE field = {i}")
        con.execute(
            f"INSERT INTO failures SELECT {i}, value, sum(n) FROM "  # noqa: S608
            f"(SELECT unnest(string_split(f{i}, ' ')) AS value, n FROM kept WHERE failed) GROUP BY value"
        )
    found = con.execute(
        "SELECT f.field, f.value, sum(c.n) AS sent, any_value(f.n) AS failed FROM failures f JOIN counts c "
        "ON c.field = f.field AND coalesce(c.value, '') = f.value GROUP BY f.field, f.value"
    ).fetchall()
    sizes = con.execute("SELECT n, count(*) FROM counts GROUP BY n").fetchall()
    values = dict(con.execute("SELECT field, count(*) FROM counts GROUP BY field").fetchall())
    all_sent = int(con.execute("SELECT coalesce(sum(n), 0) FROM counts WHERE field = 0").fetchone()[0])
    all_failed = int(con.execute("SELECT coalesce(sum(n), 0) FROM kept WHERE failed").fetchone()[0])
    return _table(found, sizes, all_sent, all_failed, rate), values, sum(values.values())


def _table(found: Sequence[tuple[Any, ...]], sizes: Sequence[tuple[Any, ...]], all_sent: int, all_failed: int, rate: float) -> Table:
    tests, limit = testable(_ints([s for s, _ in sizes]), _ints([m for _, m in sizes]), all_failed, all_sent, rate)
    return Table(
        _ints([row[0] for row in found]),
        [row[1] or "" for row in found],
        _ints([row[2] for row in found]),
        _ints([row[3] for row in found]),
        all_sent,
        all_failed,
        tests,
        limit,
    )


def _ints(values: Sequence[Any]) -> Ints:
    return np.array([int(v) for v in values], dtype=np.int64)


def _lists(fields: Sequence[Field]) -> list[int]:
    return [i for i, field in enumerate(fields) if field.many]


def stand_out(table: Table, fields: Sequence[Field], rate: float) -> list[Standout]:
    """Return the values that stand out by themselves, likeliest first."""
    logs, adjusted = table.judged()
    hits = [int(i) for i in np.flatnonzero(adjusted <= rate)]
    hits.sort(key=lambda i: (logs[i], _rank(fields[table.fields[i]].name), -table.failed[i]))
    return [
        Standout(_condition(fields[table.fields[i]], table.values[i]), _contrast(table, i), float(np.exp(logs[i])), float(adjusted[i]))
        for i in hits
    ]


def _condition(field: Field, value: str) -> Condition:
    return Condition(field.name, field.title, value)


def _contrast(table: Table, i: int) -> Contrast:
    sent, failed = int(table.sent[i]), int(table.failed[i])
    return Contrast(sent, failed, table.all_sent - sent, table.all_failed - failed)


def _rank(name: str) -> int:
    if name in RANKS:
        return RANKS.index(name)
    return len(RANKS) + 1 + (LAST.index(name) + 1 if name in LAST else 0)


def report_fields(table: Table, fields: Sequence[Field], values: dict[int, int], rate: float, causes: Sequence[Cause]) -> list[FieldReport]:
    """Say of each field whether it says anything, with its best value."""
    logs, adjusted = table.judged()
    named = {c.field: c for cause in causes for c in cause.conditions}
    out = []
    for i, field in enumerate(fields):
        mine = np.flatnonzero(table.fields == i)
        best = None
        if mine.size:
            at = int(mine[np.argmin(logs[mine])])
            best = Standout(_condition(field, table.values[at]), _contrast(table, at), float(np.exp(logs[at])), float(adjusted[at]))
        hit = best is not None and best.q <= rate
        says = "cause" if field.name in named else "shadow" if hit and causes else "stands out" if hit else "nothing"
        out.append(FieldReport(field.name, field.title, values.get(i, 0), len(mine), says, best))
    return out


# ---- one after the other -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Rest:
    """The kept rows that no cause found so far explains."""

    scanned: Scanned
    where: list[str]

    def table(self, rate: float, also: str = "true") -> Table:
        """Count every value over these rows: failures all, delivered ones by sample."""
        con, fields = self.scanned.session, self.scanned.fields
        sets = ", ".join(f"(f{i})" for i in range(len(fields)))
        which = " ".join(f"WHEN GROUPING(f{i}) = 0 THEN {i}" for i in range(len(fields)))
        value = ", ".join(f"f{i}" for i in range(len(fields)))
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE rest AS SELECT CASE {which} END AS field, coalesce({value}) AS value, "  # noqa: S608
            f"sum(n) AS n, coalesce(sum(n) FILTER (failed), 0) AS k FROM kept WHERE {self.sql} AND {also} "
            f"GROUP BY GROUPING SETS ({sets})"
        )
        for i in _lists(fields):
            con.execute(f"DELETE FROM rest WHERE field = {i}")
            con.execute(
                f"INSERT INTO rest SELECT {i}, value, sum(n), coalesce(sum(n) FILTER (failed), 0) FROM "  # noqa: S608
                f"(SELECT unnest(string_split(f{i}, ' ')) AS value, n, failed FROM kept WHERE {self.sql} AND {also}) GROUP BY value"
            )
        found = con.execute("SELECT field, value, n, k FROM rest WHERE k > 0").fetchall()
        sizes = con.execute("SELECT n, count(*) FROM rest GROUP BY n").fetchall()
        totals = con.execute("SELECT coalesce(sum(n), 0), coalesce(sum(k), 0) FROM rest WHERE field = 0").fetchone()
        return _table(found, sizes, int(totals[0]), int(totals[1]), rate)

    @property
    def sql(self) -> str:
        """The condition that such rows meet."""
        return " AND ".join(["true", *(f"NOT ({w})" for w in self.where)])

    def split(self, inside: str, also: str = "true") -> tuple[int, int, int, int]:
        """Return rows and failures of those that meet a condition, and of the others."""
        row = self.scanned.session.execute(
            f"SELECT coalesce(sum(n) FILTER ({inside}), 0), coalesce(sum(n) FILTER ({inside} AND failed), 0), "  # noqa: S608
            f"coalesce(sum(n) FILTER (NOT ({inside})), 0), coalesce(sum(n) FILTER (NOT ({inside}) AND failed), 0) FROM kept "
            f"WHERE {self.sql} AND {also}"
        ).fetchone()
        return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def where(fields: Sequence[Field], conditions: Sequence[Condition]) -> str:
    """Write the rows that meet all conditions."""
    names = {field.name: i for i, field in enumerate(fields)}
    parts = []
    for condition in conditions:
        i, literal = names[condition.field], "'" + condition.value.replace("'", "''") + "'"
        many = fields[i].many
        parts.append(f"list_contains(string_split(f{i}, ' '), {literal})" if many else f"f{i} = {literal}")
    return " AND ".join(parts)


def find_causes(scanned: Scanned, table: Table, rate: float) -> list[Cause]:
    """Tell causes from their shadows, one after the other, likeliest first; then pairs where singles leave much unexplained."""
    fields, rest = scanned.fields, _Rest(scanned, [])
    pair_rate, rate = rate * PAIRS_OF_RATE, rate * (1 - PAIRS_OF_RATE)
    standing = stand_out(table, fields, rate)
    every = {s.condition: s for s in standing}
    causes: list[Cause] = []
    current, open_ = table, standing
    while open_ and len(causes) < MOST:
        top = open_[0]
        same = tuple(s.condition for s in open_[1:] if (s.contrast.sent, s.contrast.failed) == (top.contrast.sent, top.contrast.failed))
        conditions = _second(rest, top, rate) or (top.condition,)
        cause = _cause(rest, every, conditions, top, same)
        rest.where.append(where(fields, conditions))
        current = rest.table(rate)
        open_ = stand_out(current, fields, rate) if current.all_failed >= 3 else []
        causes.append(replace(cause, shadows=_shadows(standing, open_, [*causes, cause])))
        standing = [s for s in standing if s.condition in {o.condition for o in open_}]
    if current.all_failed >= max(8, PAIR_SHARE * table.all_failed) and len(causes) < MOST:
        causes += _pairs(rest, current, pair_rate)
    return causes


def _shadows(before: Sequence[Standout], after: Sequence[Standout], causes: Sequence[Cause]) -> tuple[Condition, ...]:
    """Return the values that stood out until the last cause was taken out."""
    still = {s.condition for s in after}
    named = {c for cause in causes for c in (*cause.conditions, *cause.same)}
    return tuple(s.condition for s in before if s.condition not in still and s.condition not in named)[:12]


def _cause(
    rest: _Rest, exact: dict[Condition, Standout], conditions: tuple[Condition, ...], top: Standout, same: tuple[Condition, ...]
) -> Cause:
    """Put a cause into numbers: exact ones over all rows where there are, else those of the sample."""
    fields = rest.scanned.fields
    whole = _Rest(rest.scanned, [])
    left = _Rest(rest.scanned, [*rest.where, where(fields, conditions)]).split("true")
    about = rest.scanned.one_in > 1
    if len(conditions) == 1 and conditions[0] in exact:
        contrast, about = exact[conditions[0]].contrast, False
    else:
        contrast = _weighed(whole.split(where(fields, conditions)), rest.scanned.one_in)
    sent = left[1] + (left[0] - left[1]) * rest.scanned.one_in
    return Cause(conditions, contrast, top.p, top.q, left[1], left[1] / sent if sent else 0.0, same, (), about)


def _weighed(split: tuple[int, int, int, int], one_in: int) -> Contrast:
    """Scale the delivered of a sample up to all."""
    n, k, others, others_k = split
    return Contrast(k + (n - k) * one_in, k, others_k + (others - others_k) * one_in, others_k)


def _second(rest: _Rest, top: Standout, rate: float) -> tuple[Condition, ...] | None:
    """Look within a value's rows for a second one without which the first is harmless."""
    fields = rest.scanned.fields
    first = where(fields, [top.condition])
    inner = rest.table(rate, also=first)
    if inner.all_failed == inner.all_sent:
        return None  # all of them failed: nothing can be told within
    for found in stand_out(inner, fields, rate / 5)[:5]:
        if found.condition.field == top.condition.field:
            continue
        second = where(fields, [found.condition])
        if found.contrast.others_failed * 5 > found.contrast.failed:
            continue  # the first fails without the second as well
        _, _, n, k = rest.split(first)
        alone = rest.split(f"({first}) AND NOT ({second})")
        other = rest.split(f"({second}) AND NOT ({first})")
        if _above(alone) or _above(other) or not k or not n:
            continue
        return (top.condition, found.condition)
    return None


def _above(split: tuple[int, int, int, int]) -> bool:
    """Tell whether the rows of a condition fail clearly more than all others do."""
    n, k, others, others_k = split
    if not n:
        return False
    base = others_k / others if others else 0.0
    return k > 3 and k / n > 5 * base


def _pairs(rest: _Rest, table: Table, rate: float) -> list[Cause]:
    """Look at all pairs of fields among rows that no single value explains.

    Both halves must be needed: within either value's rows the other one must matter (the larger p of the two
    counts). Where there are many rows, some choose the pairs and the others test them.
    """
    con, fields = rest.scanned.session, rest.scanned.fields
    many = set(_lists(fields))
    distinct = [con.execute(f"SELECT approx_count_distinct(f{i}) FROM kept WHERE {rest.sql}").fetchone()[0] for i in range(len(fields))]  # noqa: S608
    usable = [i for i, count in enumerate(distinct) if 1 < count <= 5_000 and i not in many][:PAIR_FIELDS]
    if len(usable) < 2:
        return []
    parted = table.all_sent > 2 * SCREEN
    share = max(2, table.all_sent // SCREEN) if parted else 1
    half = f"hash(key, f0, 1) % {share} = 0" if parted else "true"
    found, looked = _pair_counts(rest, usable, half, parted=parted)
    tested = []
    for i, j, a, b in found:
        conditions = (_condition(fields[i], a), _condition(fields[j], b))
        tested.append((_needed(rest, *(where(fields, [c]) for c in conditions), f"NOT ({half})" if parted else "true"), conditions))
    logs = np.array([t for t, _ in tested])
    corrected = adjust(logs, len(tested) if parted else looked)
    hits = sorted((float(logs[n]), n) for n in range(len(tested)) if corrected[n] <= rate)
    out: list[Cause] = []
    for log, n in hits[:MOST]:
        conditions = tested[n][1]
        if out and _tail(*rest.split(where(fields, conditions))) > np.log(rate / len(tested)):
            continue  # a shadow of a pair before it
        top = Standout(conditions[0], Contrast(0, 0, 0, 0), float(np.exp(log)), float(corrected[n]))
        out.append(_cause(rest, {}, conditions, top, ()))
        rest.where.append(where(fields, conditions))
    return out


def _needed(rest: _Rest, first: str, second: str, also: str) -> float:
    """Return the log p of "both are needed": within either value's rows the other one must matter, so the larger of two."""
    row = rest.scanned.session.execute(
        f"SELECT {', '.join(f'coalesce(sum(n) FILTER ({w}), 0)' for w in (f'a AND b', 'a AND b AND failed', 'a AND NOT b', 'a AND NOT b AND failed', 'b AND NOT a', 'b AND NOT a AND failed'))} "  # noqa: S608
        f"FROM (SELECT n, failed, {first} AS a, {second} AS b FROM kept WHERE {rest.sql} AND {also}) WHERE a OR b"
    ).fetchone()
    n, k, only_a, fails_a, only_b, fails_b = (int(v) for v in row)
    return max(_tail(n, k, only_a, fails_a), _tail(n, k, only_b, fails_b))


def _tail(n: int, k: int, others: int, others_k: int) -> float:
    return float(log_tail(_ints([k]), _ints([n]), k + others_k, n + others)[0]) if n else 0.0


def _pair_counts(rest: _Rest, usable: Sequence[int], half: str, *, parted: bool) -> tuple[list[tuple[int, int, str, str]], int]:
    """Count the pairs of values; return those worth a test, and how many were looked at."""
    con = rest.scanned.session
    pairs = list(combinations(usable, 2))
    which = " ".join(
        f"WHEN GROUPING(f{i}) = 0 AND GROUPING(f{j}) = 0 THEN {n}" for n, (i, j) in enumerate(pairs)
    )
    sets = ", ".join(f"(f{i}, f{j})" for i, j in pairs)
    listed = ", ".join(f"f{i}" for i in usable)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE paired AS SELECT CASE {which} END AS pair, {listed}, sum(n) AS n, "  # noqa: S608
        f"coalesce(sum(n) FILTER (failed), 0) AS k FROM kept WHERE {rest.sql} AND {half} GROUP BY GROUPING SETS ({sets})"
    )
    totals = con.execute("SELECT coalesce(sum(n), 0), coalesce(sum(k), 0) FROM paired WHERE pair = 0").fetchone()
    looked = int(con.execute(f"SELECT count(*) FROM paired WHERE n >= {PAIR_ROWS}").fetchone()[0])
    rows = con.execute(f"SELECT pair, {listed}, n, k FROM paired WHERE n >= {PAIR_ROWS} AND k >= 2").fetchall()  # noqa: S608
    if not rows:
        return [], looked
    logs = log_tail(_ints([r[-1] for r in rows]), _ints([r[-2] for r in rows]), int(totals[1]), int(totals[0]))
    limit = np.log(1 / looked if parted else 0.01)  # a choice on part of the rows need let through one by chance
    order = [int(n) for n in np.argsort(logs, kind="stable") if logs[n] < limit][:CANDIDATES]
    column = {f: n + 1 for n, f in enumerate(usable)}
    out = []
    for n in order:
        i, j = pairs[rows[n][0]]
        out.append((i, j, rows[n][column[i]] or "", rows[n][column[j]] or ""))
    return out, looked
