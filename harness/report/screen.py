"""The terminal: tables at any width, the verdict in one sentence, the next step."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from harness.model.outcome import DomainTally, Tally, VariantTally
from harness.model.verdict import Verdict
from harness.report.clean import ascii_only, clean
from harness.report.told import Told, acceptance

NARROWEST = 24
LEAST_CHANGE = 20  # columns that the change needs; below, rows are stacked instead
COLUMNS = ("stage", "variant", "the change", "sent", "accepted", "rejected", "censored", "tags")
SHORT_COLUMNS = ("stage", "variant", "the change", "sent", "acc.", "rej.", "cens.", "tags")
DOMAIN_COLUMNS = ("Apple domain", "sent", "counted", "rejected", "rate", "95 % interval", "band")
ALIGN = ("left", "left", "left", "right", "right", "right", "right", "left")
DOMAIN_ALIGN = ("left", "right", "right", "right", "right", "left", "left")
CHANGE = 2  # the column that takes what width is left
GAP = "  "
HEADINGS = ("stage", "variant", "the change", "Apple domain")


def screen(told: Told, *, width: int = 100, ascii_: bool = False) -> str:
    """Return the whole report for a terminal of this width, without colours or escapes."""
    width = max(width, NARROWEST)
    run, verdict = told.facts.run, told.verdict
    heading = f"Run {run.id}: {run.campaign} to {run.segment.name} through {run.relay}, {run.strategy}, {run.state}"
    parts = [
        _wrap(clean(heading), width),
        variants_table(told, width),
        domains_table(told.tallies.domains, width),
        _wrap(f"{totals_line(told.tallies.totals)}. {acceptance(run.answers, run.settle)}.", width),
        _wrap(f"Verdict: {_headed(verdict)}", width),
        *(_wrap(f"Note: {clean(note)}", width) for note in told.notes()),
        _wrap(f"Next step: {clean(verdict.next_step)}", width),
    ]
    whole = "\n\n".join(part for part in parts if part) + "\n"
    return ascii_only(whole) if ascii_ else whole


def _headed(verdict: Verdict) -> str:
    """Return the sentence with its kind before it, unless it begins with that word itself."""
    summary = clean(verdict.summary)
    kind = verdict.kind.value
    return summary if summary.lower().startswith(kind) else f"{kind.upper()}. {summary}"


def variants_table(told: Told, width: int) -> str:
    """Return one row for each variant: the change, and what it came to."""
    rows, last = [], ""
    for variant in told.tallies.variants:
        rows.append(_variant_row(told, variant, last))
        last = variant.id if not variant.tally.rejected else last
    if not rows:
        return "Nothing was sent."
    for columns in (COLUMNS, SHORT_COLUMNS):
        fixed = [max(len(row[place]) for row in (*rows, columns)) for place in range(len(columns)) if place != CHANGE]
        left = width - sum(fixed) - len(GAP) * (len(columns) - 1)
        if left >= LEAST_CHANGE:
            return _table(rows, columns, ALIGN, left)
    return _stacked(rows, COLUMNS, width)


def domains_table(domains: Sequence[DomainTally], width: int) -> str:
    """Return one row for each Apple domain: rate, exact interval and band; never a sum over domains."""
    rows = [domain_row(domain) for domain in domains]
    if not rows:
        return ""
    table = _table(rows, DOMAIN_COLUMNS, DOMAIN_ALIGN)
    if max(map(len, table.splitlines())) <= width:
        return table
    return _stacked(rows, DOMAIN_COLUMNS, width)


def domain_row(domain: DomainTally) -> tuple[str, ...]:
    """Return a domain's cells as words."""
    counts = domain.tally
    numbers = (clean(domain.domain, 60), str(counts.sent), str(counts.counted), str(counts.rejected))
    if domain.rate is None or domain.low is None or domain.high is None:
        return (*numbers, "-", "no data", "-")
    return (*numbers, share(domain.rate), f"{share(domain.low)} to {share(domain.high)}", domain.band or "-")


def totals_line(totals: Tally) -> str:
    """Say all counts of a run in one line; zero counts of rare outcomes are left out."""
    said = [f"{totals.accepted} accepted", f"{totals.rejected} rejected"]
    rare = {
        "delivered": totals.delivered,
        "censored": totals.censored,
        "pending": totals.pending,
        "unknown": totals.unknown,
        "not sent": totals.not_sent,
    }
    return f"{totals.sent} sent: " + ", ".join([*said, *(f"{many} {name}" for name, many in rare.items() if many)])


def tags_line(tags: Mapping[str, int]) -> str:
    """Write refusals by tag: `CS01 8, no tag 1`."""
    return ", ".join(f"{clean(tag, 20)} {many}" for tag, many in tags.items())


def share(value: float) -> str:
    """Write a share in percent, one decimal below ten."""
    if 0 < value < 0.0005:
        return "<0.1 %"
    return f"{value * 100:.0f} %" if value >= 0.0995 or value == 0 else f"{value * 100:.1f} %"


def _variant_row(told: Told, variant: VariantTally, last: str) -> tuple[str, ...]:
    """Return a variant's cells; its parent needs no name where it is the last accepted row above."""
    counts = variant.tally
    change = told.in_words(variant)
    if variant.parent == last:
        change = change.removesuffix(f", on {last}")
    numbers = (counts.sent, counts.passed, counts.rejected, counts.censored)
    return (variant.stage, variant.id, change, *map(str, numbers), tags_line(counts.tags))


def _table(
    rows: Sequence[Sequence[str]], columns: Sequence[str], align: Sequence[str], change_width: int | None = None
) -> str:
    """Lay out rows under their columns; plain characters, so that a pipe or a log reads it too."""
    widths = [change_width if place == CHANGE else None for place in range(len(columns))]
    body = tabulate(
        [columns, *rows], tablefmt="plain", disable_numparse=True, colalign=align, maxcolwidths=widths
    ).splitlines()
    return "\n".join([body[0], "-" * max(map(len, body)), *body[1:]])


def _stacked(rows: Sequence[Sequence[str]], columns: Sequence[str], width: int) -> str:
    """Write each row as a heading and a line of its other cells, for a terminal too narrow for columns."""
    heads = [place for place, name in enumerate(columns) if name in HEADINGS]
    blocks = []
    for row in rows:
        cells = ", ".join(f"{columns[place]} {cell}" for place, cell in enumerate(row) if cell and place not in heads)
        blocks.append(_wrap(" ".join(row[place] for place in heads), width) + "\n" + _wrap(cells, width, "  "))
    return "\n".join(blocks)


def _wrap(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False
    )
