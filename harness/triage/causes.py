"""Causes: values that failures have in common, told from those that only keep them company.

Works on the rows that `sweep` kept. The likeliest value is taken first; the rows that carry it are put aside, and what
still stands out among the rest is the next. A value that no longer does was a shadow of one before it (the URL of a bad
host). Within a value's rows a second one is looked for, and when singles leave much unexplained, all pairs of fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.triage.coded import Mask
from harness.triage.couples import find_pairs, tail
from harness.triage.finding import Cause, Condition, Standout
from harness.triage.marginal import Table, stand_out
from harness.triage.rest import Rest, make_cause

MOST = 12  # causes that are told apart; beyond that the list is the message
PAIRS_OF_RATE = 0.2  # of the false discovery rate; single values have the rest
CLEARLY = np.log(0.01)  # log p from which a value without its partner fails more than the rest
FAR_BELOW = 0.1  # of what the pair fails more than the rest: so much more of one value alone counts for nothing
PAIR_SHARE = 0.1  # of the failures left unexplained, from which pairs are looked at


def find_causes(rest: Rest, table: Table, rate: float) -> list[Cause]:
    """Tell causes from their shadows, likeliest first; then look for pairs where singles leave much unexplained.

    Args:
        rest: all kept rows.
        table: the counts of every value over all rows.
        rate: the false discovery rate, of single values and pairs together.
    """
    fields = rest.rows.fields
    pair_rate, rate = rate * PAIRS_OF_RATE, rate * (1 - PAIRS_OF_RATE)
    standing = stand_out(table, fields, rate)
    every = {s.condition: s for s in standing}
    causes: list[Cause] = []
    current, open_ = table, standing
    while open_ and len(causes) < MOST:
        top = open_[0]
        same = tuple(
            s.condition
            for s in open_[1:]
            if (s.contrast.sent, s.contrast.failed) == (top.contrast.sent, top.contrast.failed)
        )
        conditions = _second(rest, top, rate) or (top.condition,)
        cause = make_cause(rest, every, conditions, top, same)
        rest = rest.without(rest.rows.holds(conditions))
        current = rest.table(rate)
        open_ = stand_out(current, fields, rate) if current.all_failed >= 3 else []
        causes.append(replace(cause, shadows=_shadows(standing, open_, [*causes, cause])))
        still = {s.condition for s in open_}
        standing = [s for s in standing if s.condition in still]
    if current.all_failed >= max(8, PAIR_SHARE * table.all_failed) and len(causes) < MOST:
        causes += find_pairs(rest, pair_rate)
    return causes


def _shadows(before: Sequence[Standout], after: Sequence[Standout], causes: Sequence[Cause]) -> tuple[Condition, ...]:
    """Return the values that stood out until the last cause was taken out."""
    still = {s.condition for s in after}
    named = {c for cause in causes for c in (*cause.conditions, *cause.same)}
    return tuple(s.condition for s in before if s.condition not in still and s.condition not in named)[:12]


def _second(rest: Rest, top: Standout, rate: float) -> tuple[Condition, ...] | None:
    """Look within a value's rows for a second one without which the first is harmless."""
    fields = rest.rows.fields
    first = rest.rows.holds([top.condition])
    inner = rest.within(first).table(rate)
    if inner.all_failed == inner.all_sent:
        return None  # all of them failed: nothing can be told within
    for found in stand_out(inner, fields, rate / 5)[:5]:
        if found.condition.field == top.condition.field:
            continue
        if _only_together(rest, first, rest.rows.holds([found.condition])):
            return (top.condition, found.condition)
    return None


def _only_together(rest: Rest, first: Mask, second: Mask) -> bool:
    """Tell whether each of two values alone fails about like the rows that have neither."""
    together = rest.contrast(first & second).rate
    for one, other in ((first, second), (second, first)):
        alone = rest.without(other)
        contrast = alone.contrast(one)
        if not contrast.sent:
            return False  # the one is never without the other: nothing shows that both are needed
        excess = contrast.rate - contrast.others_rate
        if tail(*alone.split(one)) < CLEARLY and excess > FAR_BELOW * (together - contrast.others_rate):
            return False
    return True
