"""Split: binary splitting inside the refused production message, with the same proof as everywhere.

Simple and strong; the reference that the adaptive search has to beat.
"""

from __future__ import annotations

from harness.model.verdict import Finding
from harness.search.case import Case, conclude
from harness.search.control import open_with_control
from harness.search.desk import Desk, Halt, Step
from harness.search.isolate import find_by_splitting, isolate


def split(desk: Desk) -> Step[Finding]:
    """Control, production, and then halves of halves."""
    case = Case(desk)
    try:
        yield from open_with_control(desk)
        return (yield from isolate(desk, case, find_by_splitting))
    except Halt as halt:
        return conclude(case, halt)
