"""The digest: a result as tables of texts, for the terminal and the page, and as one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.triage.advice import POSTPONED, sentence
from harness.triage.finding import Cause, Condition, Denominator, Result, Standout
from harness.triage.lift import Contrast, interval, standing

SCHEMA = 1
REASON_HEADERS = ("Apple domain", "class", "tag", "how", "messages")
CAUSE_HEADERS = (
    "what refused rows have in common",
    "refused",
    "rate with",
    "rate without",
    "lift (95 %)",
    "corrected p",
    "explains",
    "left",
)
FIELD_HEADERS = ("field", "values", "says", "most over-represented", "refused", "corrected p")


def percent(share: float) -> str:
    """Write a share, with more digits where it is small."""
    return f"{share:.2%}" if share < 0.1 else f"{share:.1%}"


def small(p: float) -> str:
    """Write a p."""
    return "< 1e-300" if p < 1e-300 else f"{p:.2g}"


def counted(many: int, of: str) -> str:
    """Write a number and what it counts."""
    return f"{many:,} {of}" if many == 1 else f"{many:,} {of}s"


def lift_words(contrast: Contrast) -> str:
    """Write how many times the others' rate, with the interval."""
    ratio, low, high = contrast.lift()
    if ratio is None or high is None:
        return f"all of them (above {low:.1f})"
    return f"{ratio:.1f} ({low:.1f} to {high:.1f})"


def domain_headers(result: Result) -> tuple[str, ...]:
    """The heads of `domain_row`."""
    counted = ("sent", "delivered", "deferred", "bounced", "refused", result.target)
    return ("Apple domain", *counted, "rate", "95 % interval", "band")


def domain_row(row: Denominator) -> list[str]:
    """One domain as cells; the band is of the refusals that are looked into, and of all where that is another."""
    low, high = interval(row.failed, row.sent)
    counted = (row.sent, row.delivered, row.deferred, row.bounced, row.refused, row.failed)
    ours, every = standing(row.failed, row.sent), standing(row.refused, row.sent)
    return [
        row.domain,
        *(f"{n:,}" for n in counted),
        percent(row.failed / row.sent) if row.sent else "",
        f"{percent(low)} to {percent(high)}",
        ours if row.refused <= row.failed or every == ours else f"{ours} ({every} for all refused)",
    ]


def quiet(result: Result) -> bool:
    """Tell whether all is well: next to nothing refused for whatever reason, and nothing held back."""
    total = result.total
    return standing(total.refused, total.sent) == "watch" and not total.failed and not _held_back(total)


def badge(result: Result) -> str:
    """Say in a few words what was found."""
    if result.causes:
        return f"{counted(len(result.causes), 'cause')} to test"
    if result.total.failed:
        return "no field says which"
    return f"no {result.target}" + ("" if quiet(result) else ", but not all is well")


def reason_rows(result: Result, most: int = 8) -> list[list[str]]:
    """The classes and tags of each domain, commonest first."""
    rows = []
    for domain in result.domains:
        for (cause, tag, how), count in list(domain.reasons.items())[:most]:
            rows.append([domain.domain, cause, tag, how, f"{count:,}"])
    return rows


def cause_row(cause: Cause) -> list[str]:
    """One cause as cells."""
    c, about = cause.contrast, "about " if cause.about else ""
    return [cause.words, f"{c.failed:,} of "
                         f"{about}{c.sent:,}", percent(c.rate), percent(c.others_rate), lift_words(c), small(cause.q),
            percent(c.explained), f"{cause.left:,} ({percent(cause.left_rate)})"]  # fmt: skip


def company(cause: Cause) -> list[str]:
    """Say what can't be told apart from a cause, and what stood out only because of it."""
    out = []
    if cause.same:
        out.append(
            f"Can't be told apart from {cause.words}: {', '.join(c.words for c in cause.same[:5])} (the same rows)."
        )
    if cause.shadows:
        out.append(f"Stands out only because of {cause.words}: {', '.join(c.words for c in cause.shadows[:5])}.")
    return out


def field_rows(result: Result) -> list[list[str]]:
    """What every field says."""
    rows = []
    for field in result.fields:
        best = field.best
        says = {
            "cause": "a cause",
            "shadow": "stands out with a cause",
            "stands out": "stands out",
            "nothing": "nothing",
        }[field.says]
        if best is None or field.says == "nothing":
            rows.append([field.title, f"{field.values:,}", says, "", "", ""])
            continue
        c = best.contrast
        rows.append(
            [
                field.title,
                f"{field.values:,}",
                says,
                best.condition.value or "(empty)",
                f"{c.failed:,} of {c.sent:,}",
                small(best.q),
            ]
        )
    return rows


def reply_rows(result: Result) -> list[list[str]]:
    """What the refusing side said, commonest first."""
    return [[cause, text, f"{count:,}"] for cause, text, count in result.replies]


def headline(result: Result) -> str:
    """Say the finding in one sentence."""
    total = result.total
    if not total.sent:
        return "No row of this export is for an Apple recipient."
    share = f"{total.failed:,} of {total.sent:,} messages to Apple ({percent(total.failed / total.sent)})"
    if not total.failed:
        said = f"No {result.target}: 0 of {total.sent:,} messages to Apple, {total.bounced:,} other bounces."
    elif not result.causes:
        said = f"{share} are {result.target}, and no field of the export says which."
    else:
        said = f"{share} are {result.target}. {sentence(result.causes[0])[:1].upper()}{sentence(result.causes[0])[1:]}."
    return f"{said}{_refused_besides(total)}{_held_back(total)}"


def _refused_besides(total: Denominator) -> str:
    """Say how many were refused in all, where others than those that are looked into make a difference."""
    if total.refused <= total.failed or standing(total.refused, total.sent) == standing(total.failed, total.sent):
        return ""
    return f" In all, {total.refused:,} ({percent(total.refused / total.sent)}) were refused."


def _held_back(total: Denominator) -> str:
    if total.deferred <= POSTPONED * total.sent:
        return ""
    return f" {total.deferred:,} ({percent(total.deferred / total.sent)}) are deferred."


def method(result: Result) -> str:
    """Say what the p values are worth."""
    return (
        f"{result.looked_at:,} values were looked at, {result.tested:,} of them are frequent enough to be "
        "tested. Exact one-sided tests, "
        f"corrected so that at most {result.rate:.0%} of what is named here is named by chance (Benjamini and "
        "Hochberg)."
    )


def as_json(result: Result) -> dict[str, Any]:
    """Return the result as one JSON object."""
    return {
        "schema_version": SCHEMA,
        "files": list(result.files),
        "product": result.product,
        "target": result.target,
        "summary": headline(result),
        "total": _denominator(result.total),
        "domains": [_denominator(row) for row in result.domains],
        "causes": [_cause(cause) for cause in result.causes],
        "standouts": [_standout(one) for one in result.standouts],
        "fields": [
            {
                "field": f.name,
                "title": f.title,
                "values": f.values,
                "says": f.says,
                "best": _standout(f.best) if f.best else None,
            }
            for f in result.fields
        ],
        "looked_at": result.looked_at,
        "tested": result.tested,
        "false_discovery_rate": result.rate,
        "advice": [asdict(one) for one in result.advice],
        "replies": [{"class": cause, "text": text, "messages": count} for cause, text, count in result.replies],
        "missing": list(result.missing),
        "notes": list(result.notes),
    }


def _denominator(row: Denominator) -> dict[str, Any]:
    low, high = interval(row.failed, row.sent)
    rate = row.failed / row.sent if row.sent else 0.0
    return {
        "domain": row.domain,
        "sent": row.sent,
        "delivered": row.delivered,
        "bounced": row.bounced,
        "deferred": row.deferred,
        "suppressed": row.suppressed,
        "refused": row.refused,
        "failed": row.failed,
        "rate": rate,
        "low": low,
        "high": high,
        "band": standing(row.failed, row.sent),
        "refused_band": standing(row.refused, row.sent),
        "reasons": [
            {"class": cause, "tag": tag or None, "how": how, "messages": n}
            for (cause, tag, how), n in row.reasons.items()
        ],
    }


def _contrast(c: Contrast) -> dict[str, Any]:
    ratio, low, high = c.lift()
    return {
        "sent": c.sent,
        "failed": c.failed,
        "rate": c.rate,
        "others_sent": c.others_sent,
        "others_failed": c.others_failed,
        "others_rate": c.others_rate,
        "lift": ratio,
        "lift_low": low,
        "lift_high": high,
        "explained": c.explained,
    }


def _condition(c: Condition) -> dict[str, str]:
    return {"field": c.field, "title": c.title, "value": c.value}


def _standout(s: Standout) -> dict[str, Any]:
    return {**_condition(s.condition), **_contrast(s.contrast), "p_value": s.p, "corrected_p": s.q}


def _cause(c: Cause) -> dict[str, Any]:
    return {
        "conditions": [_condition(one) for one in c.conditions],
        **_contrast(c.contrast),
        "p_value": c.p,
        "corrected_p": c.q,
        "left": c.left,
        "left_rate": c.left_rate,
        "same": [_condition(one) for one in c.same],
        "shadows": [_condition(one) for one in c.shadows],
        "estimated": c.about,
    }
