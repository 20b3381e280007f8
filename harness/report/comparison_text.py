"""The comparison of two runs as it reads: on the terminal, as a page, as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from harness.model.comparison import Change, Compared, Comparison
from harness.model.verdict import Count
from harness.report.clean import ascii_only, clean
from harness.report.typeset import typeset

COLUMNS = ("", "before", "after", "change", "p, corrected")
MARKS = {Change.BETTER: "▼", Change.WORSE: "▲", Change.SAME: "=", Change.UNKNOWN: "?"}


def comparison_screen(comparison: Comparison, *, width: int = 100, ascii_: bool = False) -> str:
    """Return the comparison for a terminal: what else changed first, then rows, then the sentence."""
    width = max(width, 24)
    parts = [textwrap.fill(f"{clean(comparison.before)} (before) and {clean(comparison.after)} (after)", width)]
    parts.append(_others(comparison.others, width))
    for kind in ("factor", "domain"):
        rows = [row for row in comparison.rows if row.kind == kind]
        if rows:
            heading = "By factor" if kind == "factor" else "Production by Apple domain"
            parts.append(f"{textwrap.fill(heading, width)}\n{_table(rows, width)}")
    parts.append(textwrap.fill(clean(comparison.summary), width))
    whole = "\n\n".join(parts) + "\n"
    return ascii_only(whole) if ascii_ else whole


def comparison_page(comparisons: Sequence[Comparison], titles: Mapping[str, str] | None = None) -> str:
    """Return one page for a comparison, or for several against the same first run."""
    names = titles or {}
    shown = [
        {
            "before": clean(one.before),
            "after": clean(one.after),
            "others": [clean(other, 300) for other in one.others],
            "summary": clean(one.summary),
            "factors": [_shown(row, names) for row in one.rows if row.kind == "factor"],
            "domains": [_shown(row, names) for row in one.rows if row.kind == "domain"],
        }
        for one in comparisons
    ]
    return typeset("comparison.html.j2", {"comparisons": shown})


def comparison_object(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return comparisons as one JSON object."""
    return {
        "schema_version": 1,
        "comparisons": [
            {
                "before": one.before,
                "after": one.after,
                "others": list(one.others),
                "summary": one.summary,
                "rows": [_row_object(row) for row in one.rows],
            }
            for one in comparisons
        ],
    }


def _row_object(row: Compared) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "name": row.name,
        "before": {"sent": row.before.sent, "rejected": row.before.rejected, "verdict": row.before_says},
        "after": {"sent": row.after.sent, "rejected": row.after.rejected, "verdict": row.after_says},
        "p_value": row.p_value,
        "adjusted": row.adjusted,
        "change": row.change.value,
    }


def _others(others: Sequence[str], width: int) -> str:
    if not others:
        return textwrap.fill("What else changed: nothing that is on record.", width)
    lines = [textwrap.fill(f"- {clean(other, 300)}", width, subsequent_indent="  ") for other in others]
    return "\n".join(["What else changed:", *lines])


def _table(rows: Sequence[Compared], width: int) -> str:
    cells = [
        (clean(row.name, 200), _side(row.before, row.before_says), _side(row.after, row.after_says), *_result(row))
        for row in rows
    ]
    taken = max(len(" ".join(cell[1:])) for cell in cells) + 16
    made = tabulate(
        cells, COLUMNS, tablefmt="simple", disable_numparse=True, maxcolwidths=[max(18, width - taken), 22, 22]
    )
    if max(map(len, made.splitlines())) <= width:
        return made
    return "\n".join(textwrap.fill(f"{c[0]}: {c[1]}, then {c[2]}: {c[3]} (p {c[4]})", width) for c in cells)


def _side(count: Count, says: str) -> str:
    numbers = f"{count.rejected} of {count.sent}"
    return clean(says, 40) if says in (numbers, "no data", "not in this run") else f"{numbers} ({clean(says, 40)})"


def _result(row: Compared) -> tuple[str, str]:
    if row.adjusted is None:
        return row.change.value, "-"
    return row.change.value, f"{row.adjusted:.4f}" if row.adjusted >= 0.0001 else "<0.0001"


def _shown(row: Compared, titles: Mapping[str, str]) -> dict[str, str]:
    change, p_value = _result(row)
    return {
        "name": clean(row.name, 200),
        "title": clean(titles.get(row.name, ""), 160),
        "before": _side(row.before, row.before_says),
        "after": _side(row.after, row.after_says),
        "change": change,
        "mark": MARKS[row.change],
        "class": row.change.name.lower(),
        "p": p_value,
    }
