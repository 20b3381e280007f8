"""Markdown: the report for a ticket or a wiki; nothing from outside is live in it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.clean import clean
from harness.report.screen import DOMAIN_COLUMNS, domain_row, share, tags_line, totals_line
from harness.report.told import Told, acceptance

VARIANT_COLUMNS = ("stage", "variant", "the change", "sent", "accepted", "rejected", "censored", "tags")


def markdown(told: Told) -> str:
    """Return the whole report as GitHub-flavoured Markdown."""
    run, verdict = told.facts.run, told.verdict
    parts = [
        f"# {code(run.campaign)}: {verdict.kind.value}",
        f"**{words(verdict.summary)}**",
        *(f"Note: {words(note)}" for note in told.notes()),
        f"Next step: {words(verdict.next_step)}",
        "## What was sent",
        f"Run {code(run.id)}, segment {code(run.segment.name)}, relay {code(run.relay)}, strategy {run.strategy}, "
        f"{run.state}. {totals_line(told.tallies.totals)}. {acceptance(run.answers, run.settle)}.",
        table(VARIANT_COLUMNS, [_variant(told, place) for place in range(len(told.tallies.variants))]),
        "## By Apple domain",
        table(DOMAIN_COLUMNS, [domain_row(domain) for domain in told.tallies.domains]),
        "## Factors",
        table(("factor", "stage", "verdict", "could still be refused at"), _factors(told)),
    ]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a pipe table; every cell that is not a plain word or number is written as code."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(text: str) -> str:
    """Write text from outside as a code span, in which Markdown and HTML are dead."""
    safe = clean(text, 300).replace("`", "'").replace("|", "¦")
    return f"`{safe}`" if safe else ""


def words(text: str) -> str:
    """Write a sentence of ours, which may quote outside text: no HTML, link, image or emphasis comes alive."""
    escaped = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in ("\\", "*", "_", "[", "]", "!", "|"):
        escaped = escaped.replace(mark, "\\" + mark)
    return escaped.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def _cell(text: str) -> str:
    return text if all(part.isalnum() for part in text.replace("%", "").replace(".", "").split()) else code(text)


def _variant(told: Told, place: int) -> tuple[str, ...]:
    variant = told.tallies.variants[place]
    counts = variant.tally
    change = told.in_words(variant)
    numbers = (counts.sent, counts.passed, counts.rejected, counts.censored)
    return (variant.stage, variant.id, change, *map(str, numbers), tags_line(counts.tags))


def _factors(told: Told) -> list[tuple[str, ...]]:
    return [
        (factor.id, factor.stage, factor.verdict, f"up to {share(factor.upper_bound)}" if factor.upper_bound else "-")
        for factor in told.verdict.factors
    ]
