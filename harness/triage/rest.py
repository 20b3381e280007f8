"""The rest: the kept rows that no cause found so far explains, counted anew under any condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.triage.coded import Coded, Mask
from harness.triage.finding import Cause, Condition, Standout
from harness.triage.lift import Contrast
from harness.triage.marginal import Table, make_table


@dataclass(slots=True)
class Rest:
    """The kept rows that no cause found so far explains; of delivered messages they hold one in `one_in`."""

    rows: Coded
    one_in: int
    open: Mask

    @classmethod
    def whole(cls, rows: Coded, one_in: int) -> Rest:
        """Begin with all rows."""
        return cls(rows, one_in, np.ones(len(rows.n), dtype=bool))

    def without(self, mask: Mask) -> Rest:
        """Return the rest that is left when some rows are put aside."""
        return Rest(self.rows, self.one_in, self.open & ~mask)

    def within(self, mask: Mask) -> Rest:
        """Return what of the rest has something."""
        return Rest(self.rows, self.one_in, self.open & mask)

    def table(self, rate: float) -> Table:
        """Count every value over these rows: failures all, delivered ones by sample."""
        rows = self.rows
        sent = [column.count(rows.n, self.open) for column in rows.columns]
        failed = [column.count(rows.n, self.open & rows.failed) for column in rows.columns]
        bad = [np.flatnonzero(counts) for counts in failed]
        entries = (
            np.repeat(np.arange(len(bad)), [at.size for at in bad]),
            np.concatenate([column.entries[at] for column, at in zip(rows.columns, bad, strict=True)]),
            np.concatenate([counts[at] for counts, at in zip(sent, bad, strict=True)]),
            np.concatenate([counts[at] for counts, at in zip(failed, bad, strict=True)]),
        )
        every = np.concatenate(sent)
        sizes, many = np.unique(every[every > 0], return_counts=True)
        return make_table(entries, sizes, many, self.total, rate)

    @property
    def total(self) -> tuple[int, int]:
        """Rows, and how many of them failed."""
        return int(self.rows.n[self.open].sum()), int(self.rows.n[self.open & self.rows.failed].sum())

    def split(self, inside: Mask) -> tuple[int, int, int, int]:
        """Return rows and failures of those that have something, and of the others."""
        return (*self.within(inside).total, *self.without(inside).total)

    def contrast(self, inside: Mask) -> Contrast:
        """Set those that have something against the others, the delivered of a sample scaled up to all."""
        n, k, others, others_k = self.split(inside)
        return Contrast(k + (n - k) * self.one_in, k, others_k + (others - others_k) * self.one_in, others_k)


def make_cause(
    rest: Rest,
    exact: dict[Condition, Standout],
    conditions: tuple[Condition, ...],
    top: Standout,
    same: tuple[Condition, ...],
) -> Cause:
    """Put a cause into numbers: exact ones over all rows where there are, else those of the sample."""
    having = rest.rows.holds(conditions)
    left, left_failed = rest.without(having).total
    about = rest.one_in > 1
    if len(conditions) == 1 and conditions[0] in exact:
        contrast, about = exact[conditions[0]].contrast, False
    else:
        contrast = Rest.whole(rest.rows, rest.one_in).contrast(having)
    sent = left_failed + (left - left_failed) * rest.one_in
    return Cause(conditions, contrast, top.p, top.q, left_failed, left_failed / sent if sent else 0.0, same, (), about)
