"""JSON: the object that `harness run --json` and `harness report --json` print (DESIGN section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.model.outcome import DomainTally, Tally, VariantTally
from harness.model.verdict import Scope, Trigger
from harness.report.told import Told

SCHEMA_VERSION = 1


def run_object(told: Told) -> dict[str, Any]:
    """Return a run as one JSON object; keys are only ever added to a schema version."""
    run, verdict = told.facts.run, told.verdict
    return {
        "schema_version": SCHEMA_VERSION,
        "run": {
            "id": run.id,
            "campaign": run.campaign,
            "segment": run.segment.name,
            "relay": run.relay,
            "strategy": run.strategy,
            "state": run.state,
            "started": moment(run.started),
            "ended": moment(run.ended),
            "answers": run.answers,
        },
        "verdict": {
            "kind": verdict.kind.value,
            "summary": verdict.summary,
            "next_step": verdict.next_step,
            "fix": list(verdict.fix),
            "triggers": [_trigger(trigger) for trigger in verdict.triggers],
            "missing": verdict.missing,
            "stopped": verdict.stopped,
            "notes": list(told.notes()),
        },
        "totals": totals_object(told.tallies.totals),
        "domains": [_domain(domain) for domain in told.tallies.domains],
        "variants": [_variant(variant) for variant in told.tallies.variants],
        "factors": [
            {"id": factor.id, "stage": factor.stage, "verdict": factor.verdict, "upper_bound": factor.upper_bound}
            for factor in verdict.factors
        ],
    }


def totals_object(totals: Tally) -> dict[str, int]:
    """Return all counts; `sent` is the sum of all but `not_sent`."""
    return {
        "sent": totals.sent,
        "accepted": totals.accepted,
        "delivered": totals.delivered,
        "rejected": totals.rejected,
        "censored": totals.censored,
        "pending": totals.pending,
        "unknown": totals.unknown,
        "not_sent": totals.not_sent,
    }


def moment(at: datetime | None) -> str | None:
    """Write a time in UTC, to the second, as RFC 3339 does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def _trigger(trigger: Trigger) -> dict[str, Any]:
    return {
        "factors": list(trigger.factors),
        "tag": trigger.tag,
        "class": trigger.cause,
        "scope": scope_object(trigger.scope),
        "with": {"sent": trigger.with_.sent, "rejected": trigger.with_.rejected},
        "without": {"sent": trigger.without.sent, "rejected": trigger.without.rejected},
        "p_value": trigger.p_value,
        "e_value": trigger.e_value,
        "confirmed_by_removal": trigger.confirmed_by_removal,
    }


def scope_object(scope: Scope) -> dict[str, Any]:
    """Return for whom a trigger holds, with the keys of its type alone."""
    match scope.type:
        case "domain":
            return {"type": "domain", "domains": list(scope.domains)}
        case "value":
            return {"type": "value", "field": (scope.field or "").removeprefix("merge:"), "value": scope.value}
        case "recipients":
            return {"type": "recipients", "seeds": list(scope.seeds)}
    return {"type": scope.type}


def _domain(domain: DomainTally) -> Mapping[str, Any]:
    return {
        "domain": domain.domain,
        "sent": domain.tally.sent,
        "counted": domain.tally.counted,
        "rejected": domain.tally.rejected,
        "censored": domain.tally.censored,
        "rate": domain.rate,
        "low": domain.low,
        "high": domain.high,
        "band": domain.band,
    }


def _variant(variant: VariantTally) -> dict[str, Any]:
    counts = variant.tally
    return {
        "id": variant.id,
        "stage": variant.stage,
        "change": variant.change,
        "parent": variant.parent,
        "factors": list(variant.factors),
        "sent": counts.sent,
        "accepted": counts.passed,
        "rejected": counts.rejected,
        "censored": counts.censored,
        "pending": counts.pending,
        "unknown": counts.unknown,
        "tags": dict(counts.tags),
    }
