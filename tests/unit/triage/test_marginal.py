"""Marginals: what stands out by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.triage.columns import Field, Form
from harness.triage.marginal import Table, ints, make_table, stand_out

FIELDS = (Field("merge:name", Form.PLAIN, "name"), Field("link_host", Form.PLAIN, "host"))


def counted(
    found: list[tuple[int, str, int, int]], sizes: dict[int, int], total: tuple[int, int], rate: float
) -> Table:
    """Make a table of rows (field, value, sent, failed)."""
    fields, values, sent, failed = zip(*found, strict=True)
    entries = (ints(fields), np.array(values, dtype=object), ints(sent), ints(failed))
    return make_table(entries, ints(list(sizes)), ints(list(sizes.values())), total, rate)


@given(st.integers(3, 3_000), st.floats(0.01, 0.2))
def test_values_that_fail_no_more_than_the_rest_never_stand_out_however_many_they_are(many: int, rate: float) -> None:
    """Each of many names fails once in two, as all rows do; two hosts are the only values that could show anything."""
    found = [(0, f"name {i}", 2, 1) for i in range(many)] + [(1, "a.example", many, many // 2)]
    table = counted(found, {2: many, many: 2}, (2 * many, many), rate)
    assert stand_out(table, FIELDS, rate) == []
    logs, corrected = table.judged()
    assert np.all(logs == 0.0)
    assert np.all(corrected == 1.0)


def test_a_value_that_fails_more_stands_out_among_thousands_that_do_not() -> None:
    found = [(0, f"name {i}", 10, 1) for i in range(3_000)] + [(1, "a.example", 3_000, 2_000)]
    table = counted(found, {10: 3_000, 3_000: 10}, (30_000, 3_000), 0.05)
    assert [one.condition.value for one in stand_out(table, FIELDS, 0.05)] == ["a.example"]
