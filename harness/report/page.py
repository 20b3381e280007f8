"""The page: one self-contained HTML file without script, request or anything live from outside.

Every value passes `clean` (no controls, bounded length) and jinja2's autoescape.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from harness.model.contrast import THRESHOLD
from harness.model.outcome import VariantTally
from harness.model.verdict import VerdictKind
from harness.report.clean import clean, clean_keeping_spaces
from harness.report.detail import cell, distinct_replies, health, relay_changes, ruled_out, stray_answers
from harness.report.glossary import GLOSSARY, TITLES
from harness.report.letter import TO, letter
from harness.report.rungs import removals, shown_rungs
from harness.report.screen import domain_row, share, tags_line, totals_line
from harness.report.timeline import timeline
from harness.report.told import Difference, Told, acceptance
from harness.report.typeset import typeset

LETTER_FOR = {VerdictKind.TRIGGER: "esp", VerdictKind.SENDER: "esp", VerdictKind.RECIPIENT: "esp"}
DIFF_LINES = 60
RAW = "raw bytes"  # parts of a difference that are folded away: engineers open them
FINDING_COLUMNS = ("severity", "id", "what", "where", "advice")


def page(told: Told) -> str:
    """Return the report page of a run."""
    return typeset("page.html.j2", _context(told))


def _context(told: Told) -> dict[str, Any]:
    run, verdict = told.facts.run, told.verdict
    audience = LETTER_FOR.get(verdict.kind)
    return {
        "run": {
            "id": clean(run.id),
            "campaign": clean(run.campaign, 120),
            "segment": clean(run.segment.name, 120),
            "relay": clean(run.relay, 120),
            "strategy": run.strategy,
            "state": run.state,
            "started": run.started.strftime("%Y-%m-%d %H:%M"),
            "ended": run.ended.strftime("%H:%M") if run.ended else "",
            "version": clean(run.version),
        },
        "verdict": _verdict(told),
        "totals": totals_line(told.tallies.totals),
        "acceptance": acceptance(run.answers, run.settle),
        "ladder_words": _ladder_words(told),
        "ring_word": "refused: the trigger" if verdict.triggers else "first refused",
        "rungs": [_rung(rung) for rung in shown_rungs(told)],
        "removals": [_rung(rung) for rung in removals(told)],
        "variants": [_variant(told, variant) for variant in told.tallies.variants],
        "domains": [{"name": clean(one.domain, 60), "row": domain_row(one)} for one in told.tallies.domains],
        "heat": _heat(told),
        "differences": [_difference(one) for one in told.differences],
        "no_difference": _no_difference(told),
        "pictures": [
            {"caption": clean(one.caption, 200), "data": base64.b64encode(one.png).decode()} for one in told.pictures
        ],
        "picture_note": clean(told.picture_note, 300),
        "timeline": Markup(timeline(told)),  # svg.py's own drawing; its texts are escaped there
        "happenings": _happenings(told),
        "trials": _trials(told),
        "replies": distinct_replies(told),
        "strays": stray_answers(told),
        "copies": relay_changes(told),
        "ruled": ruled_out(told),
        "thoughts": _thoughts(told),
        "seeds": health(told),
        "findings": _findings(told.facts.findings),
        "commands": _commands(told),
        "letter": letter(told, audience) if audience else "",
        "letter_to": TO[audience] if audience else "",
        "glossary": GLOSSARY,
        "digests": [(clean(name, 40), clean(str(value), 16)[:16]) for name, value in run.digests.items()],
    }


def _verdict(told: Told) -> dict[str, Any]:
    verdict = told.verdict
    mark, title = TITLES[verdict.kind]
    return {
        "kind": verdict.kind.value,
        "mark": mark,
        "title": title,
        "summary": clean(verdict.summary),
        "notes": [clean(note) for note in told.notes()],
        "next_step": clean(verdict.next_step),
        "numbers": _numbers(told),
    }


def _numbers(told: Told) -> list[tuple[str, str, str]]:
    """Return the few numbers that carry the verdict: name, value, hint."""
    found: list[tuple[str, str, str]] = []
    for trigger in told.verdict.triggers[:2]:
        found += [
            ("refused with it", f"{trigger.with_.rejected} of {trigger.with_.sent}", ""),
            ("refused without it", f"{trigger.without.rejected} of {trigger.without.sent}", ""),
            ("e-value", _e_value(trigger.e_value), f"at least {THRESHOLD:.0f} is needed"),
            ("confirmed by removal", "yes" if trigger.confirmed_by_removal else "not yet", ""),
        ]
    totals = told.tallies.totals
    if not found:
        found = [("refused of counted", f"{totals.rejected} of {totals.counted}", "")]
    return [*found, ("messages sent", str(totals.sent), f"{totals.censored} censored" if totals.censored else "")]


def _e_value(value: float) -> str:
    return f"{value:,.0f}" if value < 1e9 else f"{value:.1e}"


def _ladder_words(told: Told) -> str:
    if told.facts.run.strategy == "ladder":
        return "From the neutral note upwards, each step adds one single change to the step before."
    return (
        "What the answer rests on: the neutral note, the accepted and the refused message of each proof, production. "
        "The search's other messages are in the map below."
    )


def _rung(rung: Any) -> dict[str, Any]:
    return {
        "stage": rung.stage,
        "change": clean(rung.change, 300),
        "marks": rung.marks,
        "counts": rung.counts,
        "tags": tags_line(rung.counts.tags),
        "ringed": rung.ringed,
        "state": rung.state,
    }


def _variant(told: Told, variant: VariantTally) -> dict[str, Any]:
    return {
        "id": variant.id,
        "stage": variant.stage,
        "change": clean(told.in_words(variant), 300),
        "counts": variant.tally,
        "tags": tags_line(variant.tally.tags),
    }


def _heat(told: Told) -> list[dict[str, Any]]:
    domains = [one.domain for one in told.tallies.domains]
    return [
        {
            "change": clean(told.in_words(variant), 160),
            "cells": [cell(variant.domains.get(domain)) for domain in domains],
        }
        for variant in told.tallies.variants
    ]


def _difference(difference: Difference) -> dict[str, Any]:
    to = f", as sent to {clean(difference.seed, 120)}" if difference.seed else ""
    shown = [{"name": clean(name, 80), "old": _lines(old), "new": _lines(new)} for name, old, new in difference.parts]
    return {
        "title": f"{clean(difference.parent, 120)}, and {clean(difference.child, 120)}{to}",
        "proof": clean(difference.proof, 600),
        "parts": [part for part in shown if not str(part["name"]).startswith(RAW)],
        "raw": [part for part in shown if str(part["name"]).startswith(RAW)],
    }


def _lines(lines: Sequence[str]) -> list[str]:
    kept = [clean_keeping_spaces(line) for line in lines[:DIFF_LINES]]
    left = len(lines) - DIFF_LINES
    return [*kept, f"… ({left:,} more lines)"] if left > 0 else kept


def _no_difference(told: Told) -> str:
    if told.verdict.triggers:
        return "The two messages are not at hand here; harness diff shows them side by side."
    return "Nothing to set side by side: no pair of messages was proved to differ in one change that is refused."


def _happenings(told: Told) -> list[dict[str, str]]:
    return [
        {"at": event.at.strftime("%H:%M:%S"), "kind": clean(event.kind, 20), "text": clean(event.text, 300)}
        for event in told.facts.happenings
    ]


def _trials(told: Told) -> list[dict[str, Any]]:
    rows = []
    for trial in told.facts.trials:
        said = told.settled[trial.token]
        begun = trial.attempts[0].begun if trial.attempts else None
        rows.append(
            {
                "number": trial.number + 1,
                "at": (begun or trial.planned).strftime("%H:%M:%S"),
                "seed": clean(trial.ask.seed.partition("@")[0], 40),
                "variant": trial.variant,
                "phase": trial.ask.phase.value,
                "outcome": said.outcome.value + (f" {clean(said.tag, 12)}" if said.tag else ""),
            }
        )
    return rows


def _thoughts(told: Told) -> list[dict[str, Any]]:
    return [
        {
            "number": thought.number + 1,
            "why": clean(thought.why, 300),
            "likeliest": ", ".join(f"{clean(name, 80)} {share(mass)}" for name, mass in thought.likeliest),
        }
        for thought in told.thoughts
    ]


def _findings(findings: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    if not findings:
        return {}
    names = list(dict.fromkeys(key for finding in findings for key in finding))
    columns = sorted(names, key=lambda name: FINDING_COLUMNS.index(name) if name in FINDING_COLUMNS else len(names) + 9)
    rows = [[clean(str(finding.get(name, "")), 400) for name in columns] for finding in findings]
    return {"columns": [clean(name, 40) for name in columns], "rows": rows}


def _commands(told: Told) -> list[str]:
    """Return the commands of the next step; names are quoted, for people paste them into a shell."""
    run, campaign, segment = told.facts.run, _quoted(told.facts.run.campaign), _quoted(told.facts.run.segment.name)
    evidence = f"harness evidence {run.id} --for esp"
    match told.verdict.kind:
        case VerdictKind.INCONCLUSIVE:
            return [f"harness run --resume {run.id}"]
        case VerdictKind.NONE:
            return [f"harness run {campaign} --segment {segment}"]
        case VerdictKind.TRIGGER:
            return [f"harness run {campaign} --segment {segment}", evidence]
    return [f"harness check {campaign}", evidence]


def _quoted(name: str) -> str:
    return shlex.quote(clean(name, 200))
