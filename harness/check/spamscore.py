"""The spam score: what SpamAssassin's rules say of each rung of the ladder, and what each rung changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.check.notice import Grade, Notice
from harness.errors import RelayError

LEAST = 0.1  # points; a rule of less is not told


@dataclass(frozen=True, slots=True)
class Score:
    """One message's score: the sum, the limit, and what each rule gave."""

    total: float
    threshold: float
    rules: tuple[tuple[str, float, str], ...]  # name, points, what it says


def spam_notices(rungs: Sequence[tuple[str, Callable[[], bytes]]], score: Callable[[bytes], Score]) -> list[Notice]:
    """Have each rung scored; after the first that has no answer nobody is asked any more."""
    scores: list[tuple[str, Score]] = []
    for rung, make in rungs:
        try:
            scores.append((rung, score(make())))
        except RelayError as silence:
            left = len(rungs) - len(scores)
            unknown = Notice(
                "spam-score",
                Grade.UNKNOWN,
                f"{rung} and {left - 1} more" if left > 1 else rung,
                "the spam score could not be checked",
                str(silence),
                "Put that right, or take spamd out of check.yaml.",
            )
            return [*score_notices(scores), unknown]
    return [*score_notices(scores), *(_graded("production", one) for _, one in scores[-1:])]


def score_notices(scores: Sequence[tuple[str, Score]]) -> list[Notice]:
    """Compare rungs in ladder order: the first is graded; each other says what it adds and removes."""
    out = [_graded(rung, score) for rung, score in scores[:1]]
    for (_, before), (rung, score) in pairwise(scores):
        had, has = {name for name, _, _ in before.rules}, {name for name, _, _ in score.rules}
        added = _listed([rule for rule in score.rules if rule[0] not in had])
        gone = ", ".join(name for name, points, _ in before.rules if name not in has and abs(points) >= LEAST)
        changes = "; ".join(filter(None, (added, f"no longer {gone}" if gone else "")))
        grade = Grade.NOTE if changes else Grade.OK
        out.append(Notice("spam-score", grade, rung, _sum(score), changes or f"no rule of {LEAST} points more or less"))
    return out


def _graded(about: str, score: Score) -> Notice:
    """Say what a whole message comes to, and by which rules."""
    grade = Grade.FAIL if score.total >= score.threshold else Grade.WARN if score.total >= 2.0 else Grade.NOTE
    listed = _listed(score.rules)
    grade = Grade.OK if score.total < 1.0 and not listed else grade
    do = "Aim below 2; the rung that adds a rule names what to change." if grade in (Grade.FAIL, Grade.WARN) else ""
    return Notice("spam-score", grade, about, _sum(score), listed or f"no rule of {LEAST} points", do)


def _sum(score: Score) -> str:
    return f"SpamAssassin {round(score.total, 1) + 0.0:.1f} of {score.threshold:.1f}"


def _listed(rules: Sequence[tuple[str, float, str]]) -> str:
    told = [rule for rule in rules if abs(rule[1]) >= LEAST]
    return "; ".join(f"{points:+.1f} {name}" + (f" ({text})" if text else "") for name, points, text in told)
