"""Coded rows: the kept rows as whole numbers, so that they can be counted many times over under any condition.

Every cell of a field has a code; a field that holds lists (links of a mail) has codes of whole lists, and each of those
leads to its entries. Counting is then adding up by code.
"""

# ruff: noqa: S608 (the statements are put together here from positions of fields)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.triage.columns import Field
from harness.triage.finding import Condition
from harness.triage.lift import Ints, Texts

Mask = NDArray[np.bool_]
NOTHING = {"", "0", "no", "false", "none", "null", "n/a"}


@dataclass(frozen=True, slots=True)
class Column:
    """One field of the kept rows."""

    codes: NDArray[np.int32]  # of each row, what stands in its cell
    entries: Texts  # what a cell may hold
    cell: Ints | None = None  # lists only: of each entry of a cell, the cell ...
    entry: Ints | None = None  # ... and which entry it is
    cells: int = 0

    def count(self, weights: Ints, rows: Mask) -> Ints:
        """Add up the weights of some rows by entry."""
        by_cell = np.bincount(self.codes[rows], weights=weights[rows], minlength=self.cells)
        if self.cell is None or self.entry is None:
            return by_cell.astype(np.int64)
        return np.bincount(self.entry, weights=by_cell[self.cell], minlength=len(self.entries)).astype(np.int64)

    def cell_of(self, row: int) -> str:
        """Return what stands in a row's cell; not for lists."""
        return str(self.entries[self.codes[row]])

    def holds(self, value: str) -> Mask:
        """Tell of each row whether its cell holds a value."""
        entries = np.equal(self.entries, value).astype(bool)
        if self.cell is None or self.entry is None:
            return entries[self.codes]
        cells = np.zeros(self.cells, dtype=bool)
        cells[self.cell[entries[self.entry]]] = True
        return cells[self.codes]


@dataclass(frozen=True, slots=True)
class Coded:
    """The kept rows: a column for each field, how many rows each stands for, whether it failed, and a random number."""

    fields: tuple[Field, ...]
    columns: tuple[Column, ...]
    n: Ints
    failed: Mask
    delivered: Mask
    draw: NDArray[np.uint64]  # the same for all rows of one message
    row: Ints  # where it stands in the table `cut`

    def without(self, fields: Sequence[int]) -> Coded:
        """Return the rows with nothing in these fields."""
        nothing = Column(np.zeros(len(self.n), dtype=np.int32), np.array([""], dtype=object), cells=1)
        columns = tuple(nothing if i in fields else column for i, column in enumerate(self.columns))
        return replace(self, columns=columns)

    def holds(self, conditions: Sequence[Condition]) -> Mask:
        """Tell of each row whether it meets all conditions."""
        names = {field.name: i for i, field in enumerate(self.fields)}
        met = np.ones(len(self.n), dtype=bool)
        for condition in conditions:
            met &= self.columns[names[condition.field]].holds(condition.value)
        return met


def code(con: Any, fields: tuple[Field, ...]) -> Coded:
    """Read the table `kept` (f0, f1, ..., n, failed, key) into numbers."""
    entries = []
    for i in range(len(fields)):
        con.execute(f"DROP TYPE IF EXISTS cells{i}")
        con.execute(f"CREATE TEMP TYPE cells{i} AS ENUM (SELECT DISTINCT f{i} FROM kept ORDER BY 1)")
        entries.append(con.execute(f"SELECT unnest(enum_range(NULL::cells{i})) AS value").fetchnumpy()["value"])
    codes = ", ".join(f"enum_code(CAST(f{i} AS cells{i}))::INTEGER AS f{i}" for i in range(len(fields)))
    rows = con.execute(
        f"SELECT {codes}, n::BIGINT AS n, failed, outcome = 'v' AS delivered, hash(key, f0, 1) AS draw, row FROM kept "
        "WHERE outcome <> 's'"
    ).fetchnumpy()
    columns = tuple(
        _column(rows[f"f{i}"], cells, field) for i, (cells, field) in enumerate(zip(entries, fields, strict=True))
    )
    return Coded(fields, columns, rows["n"], rows["failed"], rows["delivered"], rows["draw"], rows["row"])


def mirrors(rows: Coded) -> list[int]:
    """Return the fields that only say once more what became of a message (is_blocked, a date of the failure).

    Only columns of no known name are meant: a link host that is always refused, and nothing else is, looks the same.
    """
    return [
        i
        for i, (field, column) in enumerate(zip(rows.fields, rows.columns, strict=True))
        if field.guessed
        and repeats_outcome(column.entries, *(column.count(rows.n, mask) for mask in (rows.delivered, rows.failed)))
    ]


def repeats_outcome(values: Texts, delivered: Ints, failed: Ints) -> bool:
    """Tell values, with their delivered and failed rows, that only repeat what became of a message.

    All delivered rows have one and the same value and no refused row has it; or all refused rows have nothing and
    every delivered row has something (the time of the delivery).
    """
    if not failed.any() or failed[delivered > 0].any():
        return False
    return np.count_nonzero(delivered) == 1 or {str(one).strip().lower() for one in values[failed > 0]} <= NOTHING


def _column(codes: NDArray[np.int32], cells: Texts, field: Field) -> Column:
    if not field.many:
        return Column(codes, cells, cells=len(cells))
    lists = [cell.split(" ") for cell in cells]
    known: dict[str, int] = {}
    entry = np.array([known.setdefault(one, len(known)) for cell in lists for one in cell], dtype=np.int64)
    cell = np.repeat(np.arange(len(cells)), [len(cell) for cell in lists])
    return Column(codes, np.array(list(known), dtype=object), cell, entry, len(cells))
