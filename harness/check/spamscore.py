"""The spam score: what SpamAssassin's rules say of each rung of the ladder, and which rung adds what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.check.notice import Grade, Notice
from harness.errors import RelayError


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
                "Start spamd, or take spamd out of check.yaml.",
            )
            return [*score_notices(scores), unknown]
    return score_notices(scores)


def score_notices(scores: Sequence[tuple[str, Score]]) -> list[Notice]:
    """Compare rungs in ladder order: the last is production; each says which rules it added."""
    out = []
    before: Score | None = None
    for rung, score in scores:
        had = {name for name, _, _ in before.rules} if before else set()
        added = [(name, points, text) for name, points, text in score.rules if name not in had and abs(points) >= 0.1]
        if added or before is None or score is scores[-1][1]:
            listed = "; ".join(f"{points:+.1f} {name}" + (f" ({text})" if text else "") for name, points, text in added)
            grade = Grade.FAIL if score.total >= score.threshold else Grade.WARN if score.total >= 2.0 else Grade.NOTE
            grade = Grade.OK if score.total < 1.0 and not listed else grade
            out.append(Notice("spam-score", grade, rung, f"SpamAssassin {score.total:.1f} of "
                                                         f"{score.threshold:.1f}", listed or "no rule more than "
                                                             "the rung before",
                              "Aim below 2; a rule that a rung adds names what to "
                              "change." if grade in (Grade.FAIL, Grade.WARN) else ""))  # fmt: skip
        before = score
    return out
