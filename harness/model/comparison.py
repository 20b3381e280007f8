"""Comparisons: what is better, worse, the same or can't be told between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.verdict import Count


class Change(StrEnum):
    """What became of one factor or domain from one run to the next."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNKNOWN = "can't tell"


@dataclass(frozen=True, slots=True)
class Compared:
    """One factor or domain in both runs, with what each run says of it and the exact test between them.

    `adjusted` is the p-value corrected for the number of rows (Holm), None where nothing could be tested.
    """

    kind: str  # factor | domain
    name: str
    before: Count
    after: Count
    before_says: str
    after_says: str
    p_value: float | None
    adjusted: float | None
    change: Change


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side. `others` are what else differs between them, most important first."""

    before: str
    after: str
    others: tuple[str, ...]
    rows: tuple[Compared, ...]
    summary: str
