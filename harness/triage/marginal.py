"""Marginals: every value of every field over all rows, and which of them stand out by themselves."""

# ruff: noqa: S608 (the statements are put together here; values from outside are quoted by `where`)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.triage.columns import Field
from harness.triage.finding import Cause, Condition, FieldReport, Standout
from harness.triage.lift import Contrast, Floats, Ints, Texts, adjust, log_tail, within_reach
from harness.triage.statement import MOST_SETS
from harness.triage.sweep import Scanned

# Of values that the very same rows have, the one of the field that comes first here is named.
RANKS = (
    "link_host",
    "redirect_host",
    "link",
    "image_host",
    "image",
    "attachment",
    "version",
    "template",
    "subject",
    "offer",
)
LAST = ("recipient_domain", "hour", "campaign", "envelope_sender", "from")


@dataclass(frozen=True, slots=True)
class Table:
    """Values of all fields with their counts, one entry a value that failed at least once."""

    fields: Ints
    values: Texts
    sent: Ints
    failed: Ints
    all_sent: int
    all_failed: int
    tests: int
    limit: float

    def judged(self) -> tuple[Floats, Floats]:
        """Return log p and corrected p of every entry; what could not be significant is not tested and keeps 1."""
        least = log_tail(np.minimum(self.sent, self.all_failed), self.sent, self.all_failed, self.all_sent)
        tested = least <= self.limit
        logs, adjusted = np.zeros(len(least)), np.ones(len(least))
        logs[tested] = log_tail(self.failed[tested], self.sent[tested], self.all_failed, self.all_sent)
        adjusted[tested] = adjust(logs[tested], self.tests)
        return logs, adjusted


def marginals(scanned: Scanned, rate: float) -> tuple[Table, dict[int, int], int]:
    """Return the counts of every value of every field over all rows, values per field, and how many were looked at."""
    con = scanned.session
    con.execute("CREATE OR REPLACE TEMP TABLE failures (field INTEGER, value VARCHAR, n HUGEINT)")
    for first in range(0, len(scanned.fields), MOST_SETS):
        some = range(first, min(first + MOST_SETS, len(scanned.fields)))
        which = " ".join(f"WHEN GROUPING(f{i}) = 0 THEN {i}" for i in some)
        con.execute(
            f"INSERT INTO failures SELECT CASE {which} END, coalesce({', '.join(f'f{i}' for i in some)}), sum(n) "
            f"FROM kept WHERE failed GROUP BY GROUPING SETS ({', '.join(f'(f{i})' for i in some)})"
        )
    for i in lists(scanned.fields):
        con.execute(f"DELETE FROM failures WHERE field = {i}")
        con.execute(
            f"INSERT INTO failures SELECT {i}, value, sum(n) FROM "
            f"(SELECT unnest(string_split(f{i}, ' ')) AS value, n FROM kept WHERE failed) GROUP BY value"
        )
    found = con.execute(
        "SELECT f.field::BIGINT AS field, f.value, sum(c.n)::BIGINT AS sent, any_value(f.n)::BIGINT AS failed "
        "FROM failures f JOIN counts c ON c.field = f.field AND coalesce(c.value, '') = f.value "
        "GROUP BY f.field, f.value ORDER BY f.field, f.value"
    ).fetchnumpy()
    sizes = con.execute("SELECT n, count(*) FROM counts GROUP BY n").fetchall()
    values = dict(con.execute("SELECT field, count(*) FROM counts GROUP BY field").fetchall())
    for field, rows, many in _others(con):  # values of wide fields that no bounce has, of their mean size
        sizes.append((max(1, round(rows / many)), many))
        values[field] = values.get(field, 0) + many
    all_sent = int(con.execute("SELECT coalesce(sum(n), 0) FROM counts WHERE field = 0").fetchone()[0])
    all_failed = int(con.execute("SELECT coalesce(sum(n), 0) FROM kept WHERE failed").fetchone()[0])
    table = make_table(
        (found["field"], found["value"], found["sent"], found["failed"]), ints([n for n, _ in sizes]),
        ints([many for _, many in sizes]), (all_sent, all_failed), rate
    )  # fmt: skip
    return table, values, sum(values.values())


def _others(con: Any) -> list[tuple[int, int, int]]:
    there = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'others'").fetchone()[0]
    if not there:
        return []
    return [(int(i), int(n), int(many)) for i, n, many in con.execute("SELECT field, n, many FROM others").fetchall()]


def make_table(
    entries: tuple[Ints, Texts, Ints, Ints], sizes: Ints, many: Ints, total: tuple[int, int], rate: float
) -> Table:
    """Put counts and the number of tests together.

    Args:
        entries: field, value, sent and failed of every value that failed at least once.
        sizes: the sizes that values have, those that never failed among them.
        many: how many values have each size.
        total: sent and failed over all rows.
        rate: the false discovery rate.
    """
    sent, failed = total
    return Table(*entries, sent, failed, *within_reach(sizes, many, failed, sent, rate))


def ints(values: Sequence[Any]) -> Ints:
    """Make an array of counts."""
    return np.array([int(v) for v in values], dtype=np.int64)


def lists(fields: Sequence[Field]) -> list[int]:
    """Return the positions of fields whose value is a list."""
    return [i for i, field in enumerate(fields) if field.many]


def stand_out(table: Table, fields: Sequence[Field], rate: float) -> list[Standout]:
    """Return the values that stand out by themselves, likeliest first."""
    logs, adjusted = table.judged()
    hits = [int(i) for i in np.flatnonzero(adjusted <= rate)]
    hits.sort(key=lambda i: (logs[i], _rank(fields[int(table.fields[i])].name), -table.failed[i]))
    return [
        Standout(
            condition_of(fields[int(table.fields[i])], table.values[i]),
            _contrast(table, i),
            float(np.exp(logs[i])),
            float(adjusted[i]),
        )
        for i in hits
    ]


def condition_of(field: Field, value: str) -> Condition:
    """Say that a field has a value."""
    return Condition(field.name, field.title, value)


def _contrast(table: Table, i: int) -> Contrast:
    sent, failed = int(table.sent[i]), int(table.failed[i])
    return Contrast(sent, failed, table.all_sent - sent, table.all_failed - failed)


def _rank(name: str) -> int:
    if name in RANKS:
        return RANKS.index(name)
    return len(RANKS) + 1 + (LAST.index(name) + 1 if name in LAST else 0)


def report_fields(
    table: Table, fields: Sequence[Field], values: dict[int, int], rate: float, causes: Sequence[Cause]
) -> list[FieldReport]:
    """Say of each field whether it says anything, with its best value."""
    logs, adjusted = table.judged()
    named = {c.field: c for cause in causes for c in cause.conditions}
    out = []
    for i, field in enumerate(fields):
        mine = np.flatnonzero(table.fields == i)
        best = None
        if mine.size:
            at = int(mine[np.argmin(logs[mine])])
            best = Standout(
                condition_of(field, table.values[at]),
                _contrast(table, at),
                float(np.exp(logs[at])),
                float(adjusted[at]),
            )
        hit = best is not None and best.q <= rate
        says = "cause" if field.name in named else "shadow" if hit and causes else "stands out" if hit else "nothing"
        out.append(FieldReport(field.name, field.title, values.get(i, 0), len(mine), says, best))
    return out
