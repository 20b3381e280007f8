"""The benchmark's tables."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, median
from typing import Any

from tabulate import tabulate

from benchmarks.isolation.oracle import bound

OUTCOMES = ("correct", "partial", "acceptable", "abstain", "wrong_accusation", "false_clear", "false_block")
HEADS = (
    *("class", "runs", "right", "part", "accept", "inconcl", "wrong", "f.clear", "f.block"),
    "sends med/mean/p90",
    "refusals med/mean/p90",
    "rounds",
    "scope",
    "fix",
    "unclosed",
    "bound",
    "ms/choice",
    "ms max",
)


def summary(rows: list[dict[str, Any]], problems: dict[str, dict[str, Any]]) -> str:
    """Lay out one line per class, one per tier, and one for all."""
    classes = sorted({row["class"] for row in rows}, key=lambda name: (_tier(rows, name), name))
    lines = [_line(name, [row for row in rows if row["class"] == name], problems) for name in classes]
    for tier in sorted({row["tier"] for row in rows}):
        lines.append(_line(f"= {tier}", [row for row in rows if row["tier"] == tier], problems))
    if len(lines) > 2:
        lines.append(_line("= all", rows, problems))
    return tabulate(lines, headers=HEADS, stralign="right")


def comparison(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Lay out one line per method and tier."""
    lines = []
    for name, told in rows.items():
        for tier in sorted({row["tier"] for row in told}):
            some = [row for row in told if row["tier"] == tier]
            shares = [f"{100 * fmean(row['outcome'] == kind for row in some):.1f}" for kind in OUTCOMES]
            spread = [_spread(row[key] for row in some) for key in ("sends", "rejections")]
            lines.append([name, tier, len(some), *shares, *spread])
    return tabulate(lines, headers=["method", "tier", *HEADS[1:11]], stralign="right")


def _tier(rows: list[dict[str, Any]], name: str) -> str:
    return next(row["tier"] for row in rows if row["class"] == name)


def _line(name: str, rows: list[dict[str, Any]], problems: dict[str, dict[str, Any]]) -> list[Any]:
    shares = [f"{100 * fmean(row['outcome'] == kind for row in rows):.1f}" for kind in OUTCOMES]
    bounds = [found["search_sends"] for row in rows if (found := bound(problems[row["id"]]))]
    return [
        name,
        len(rows),
        *shares,
        _spread(row["sends"] for row in rows),
        _spread(row["rejections"] for row in rows),
        f"{fmean(row['rounds'] for row in rows):.1f}",
        _share(row["scope_ok"] for row in rows),
        _share(row["fix_ok"] for row in rows),
        sum(row["unclosed"] for row in rows),
        f"{fmean(bounds):.1f}" if bounds else "",
        f"{fmean(row['ms_per_choice'] for row in rows):.2f}",
        f"{max(row['ms_slowest'] for row in rows):.0f}",
    ]


def _spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{median(ordered):.0f}/{fmean(ordered):.1f}/{ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)]:.0f}"


def _share(flags: Iterable[bool | None]) -> str:
    told = [flag for flag in flags if flag is not None]
    return f"{100 * fmean(told):.0f}" if told else ""
