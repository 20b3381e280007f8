"""The rest: the kept rows that no cause found so far explains, counted anew under any condition."""

# ruff: noqa: S608 (the statements are put together here; values from outside are quoted by `where`)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.triage.columns import Field
from harness.triage.finding import Cause, Condition, Standout
from harness.triage.lift import Contrast
from harness.triage.marginal import Table, lists, table_of
from harness.triage.sweep import Scanned


@dataclass(slots=True)
class Rest:
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
            f"CREATE OR REPLACE TEMP TABLE rest AS SELECT CASE {which} END AS field, coalesce({value}) AS value, "
            f"sum(n) AS n, coalesce(sum(n) FILTER (failed), 0) AS k FROM kept WHERE {self.sql} AND {also} "
            f"GROUP BY GROUPING SETS ({sets})"
        )
        for i in lists(fields):
            con.execute(f"DELETE FROM rest WHERE field = {i}")
            con.execute(
                f"INSERT INTO rest SELECT {i}, value, sum(n), coalesce(sum(n) FILTER (failed), 0) FROM "
                f"(SELECT unnest(string_split(f{i}, ' ')) AS value, n, failed FROM kept WHERE {self.sql} AND "
                f"{also}) GROUP BY value"
            )
        found = con.execute("SELECT field, value, n, k FROM rest WHERE k > 0").fetchall()
        sizes = con.execute("SELECT n, count(*) FROM rest GROUP BY n").fetchall()
        totals = con.execute("SELECT coalesce(sum(n), 0), coalesce(sum(k), 0) FROM rest WHERE field = 0").fetchone()
        return table_of(found, sizes, int(totals[0]), int(totals[1]), rate)

    @property
    def sql(self) -> str:
        """The condition that such rows meet."""
        return " AND ".join(["true", *(f"NOT ({w})" for w in self.where)])

    def split(self, inside: str, also: str = "true") -> tuple[int, int, int, int]:
        """Return rows and failures of those that meet a condition, and of the others."""
        row = self.scanned.session.execute(
            f"SELECT coalesce(sum(n) FILTER ({inside}), 0), coalesce(sum(n) FILTER ({inside} AND failed), 0), "
            f"coalesce(sum(n) FILTER (NOT ({inside})), 0), coalesce(sum(n) FILTER (NOT ({inside}) AND failed), "
            "0) FROM kept "
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


def make_cause(
    rest: Rest,
    exact: dict[Condition, Standout],
    conditions: tuple[Condition, ...],
    top: Standout,
    same: tuple[Condition, ...],
) -> Cause:
    """Put a cause into numbers: exact ones over all rows where there are, else those of the sample."""
    fields = rest.scanned.fields
    whole = Rest(rest.scanned, [])
    left = Rest(rest.scanned, [*rest.where, where(fields, conditions)]).split("true")
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
