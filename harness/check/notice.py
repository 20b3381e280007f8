"""Notices: what a check found, how bad it is, on what evidence, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad a finding is. `unknown` is "could not check", which is never "missing"."""

    FAIL = "fail"  # Apple is bound to refuse it, or the retest would measure nothing
    WARN = "warn"
    UNKNOWN = "unknown"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Notice:
    """One row of the table. `id` names the kind of finding (docs/check.md), `about` what it is about."""

    id: str
    grade: Grade
    about: str
    finding: str
    evidence: str = ""
    do: str = ""

    def row(self) -> dict[str, str]:
        """Return it as the ledger keeps it and the report shows it."""
        return {
            "severity": self.grade.value,
            "id": self.id,
            "what": self.finding,
            "where": self.about,
            "evidence": self.evidence,
            "advice": self.do,
        }


RANK = {grade: n for n, grade in enumerate(Grade)}


def worst_first(notices: list[Notice]) -> list[Notice]:
    """Order by grade, else as found."""
    return sorted(notices, key=lambda notice: RANK[notice.grade])


def stops(notices: list[Notice]) -> bool:
    """Tell whether anything must be put right before a retest (exit code 4)."""
    return any(notice.grade is Grade.FAIL for notice in notices)


def many(count: int, noun: str) -> str:
    """Say how many: `1 image`, `3,000 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
