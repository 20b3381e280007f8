"""The investigation: files in, findings out. Knows no command line and no page; `read` is how replies are classed."""

# ruff: noqa: S608 (the statements are put together here; names and values from outside are quoted by export.py)

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.model.answer import Reading
from harness.triage.advice import advise
from harness.triage.causes import find_causes
from harness.triage.coded import code, mirrors
from harness.triage.columns import TITLES, Layout, check_mapped, lay_out
from harness.triage.export import Table, open_export, quote
from harness.triage.finding import NOT_MERGED, Cause, Condition, Denominator, FieldReport, Profile, Result, Standout
from harness.triage.marginal import marginals, report_fields, stand_out
from harness.triage.rest import Rest
from harness.triage.specimens import profiles
from harness.triage.statement import KEYS, Plan, fields_of, joined, meeting
from harness.triage.sweep import Scanned, Target, classify, gather, put_aside, session
from harness.triage.veil import Veil

UNTOLD = "bounces, of which the export does not say why"
WANTED = (
    "link_host",
    "redirect_host",
    "subject",
    "template",
    "version",
    "offer",
    "sending_ip",
    "envelope_sender",
    "attachment",
    "hour",
)
TELLING = {"reply", "code", "status", "bounce_category", "event"}  # what became of a message


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks: files, how to read them, which refusals, and within which limits."""

    files: tuple[Path, ...]
    merge: Path | None = None
    merge_on: str | None = None
    mapped: Mapping[str, str] | None = None
    said: Mapping[str, str] | None = None
    apple: tuple[str, ...] = ()
    target: Target = field(default_factory=Target)
    rate: float = 0.05
    memory: str = "600MB"
    spill: Path | None = None
    threads: int | None = None


def investigate(
    question: Question, read: Callable[[str], Reading], veil: Veil, fill: Callable[[Plan, Any, Path], Scanned] = gather
) -> Result:
    """Read the export and say what its failed rows have in common; `fill` may be another engine's scan.

    Raises:
        ConfigError: a file can't be read, or lacks what triage can't do without.
    """
    with (
        session(question.memory, question.spill, question.threads) as con,
        tempfile.TemporaryDirectory(prefix="harness-triage-", dir=question.spill) as scratch,
    ):
        plan = make_plan(question, con)
        scanned = fill(plan, con, Path(scratch))
        scanned = classify(scanned, read, question.target, events=plan.events, replies=plan.replies)
        return conclude(question, plan, scanned, veil)


def make_plan(question: Question, con: Any) -> Plan:
    """Look at the files and say how they are read.

    Raises:
        ConfigError: what can't be done without is missing.
    """
    wanted = dict(question.mapped or {})
    tables = [open_export(path, con) for path in question.files]
    merged = open_export(question.merge, con) if question.merge else None
    check_mapped(wanted, [t.sample for t in (*tables, *([merged] if merged else []))])
    laid = [(table, lay_out(table.sample, wanted, str(table.path))) for table in tables]
    telling = [layout for _, layout in laid if TELLING & set(layout.roles)]
    for table, layout in laid:
        _demand(table, layout, alone=layout in telling or not telling)
    merge = (merged, lay_out(merged.sample, wanted, str(merged.path), merge=True)) if merged else None
    fields = fields_of([layout for _, layout in (*laid, *([merge] if merge else []))])
    on = _merge_key(question, laid, merge, con) if merge else "recipient"
    keys = tuple(role for role in KEYS if all(role in layout.roles for _, layout in laid))
    if not keys and len(laid) > 1:
        raise ConfigError(
            f"{', '.join(str(table.path) for table, _ in laid)}: nothing to put the rows of one message together by; "
            "all files need a column of the recipient or of the message id: --map THEIRS=recipient or =message_id"
        )
    return Plan(tuple(laid), fields, merge, on, tuple(d.lower() for d in question.apple), question.said, keys)


def _demand(table: Table, layout: Layout, *, alone: bool) -> None:
    """Refuse a file without what can't be done without; beside files that tell, one that says `sent` is enough."""
    columns = table.sample.columns
    if any("@" in column for column in columns):
        raise ConfigError(f"{table.path}:1: the first line holds an address; expected the names of the columns")
    have = ", ".join(columns[:14])
    if not {"recipient", "recipient_domain"} & set(layout.roles):
        raise ConfigError(
            f"{table.path}: no column holds the recipient; name it: --map THEIRS=recipient (there are {have})"
        )
    if alone and not TELLING & set(layout.roles):
        raise ConfigError(
            f"{table.path}: no column says what became of a message; name it: --map THEIRS=event or =reply "
            f"(there are {have})"
        )


def _merge_key(question: Question, laid: Sequence[tuple[Table, Layout]], merge: tuple[Table, Layout], con: Any) -> str:
    """Choose what the merge file is joined by: the message id where ids of both files meet, else the recipient."""
    choices = [question.merge_on] if question.merge_on else list(KEYS)
    there = [role for role in choices if role in merge[1].roles and all(role in layout.roles for _, layout in laid)]
    if not there:
        raise ConfigError(
            f"{merge[0].path}: nothing to join it by; both files need a column of {' or '.join(choices)}: --map "
            "THEIRS=recipient or =message_id"
        )
    return next((role for role in there[:-1] if con.execute(meeting(laid[0], merge, role)).fetchone()[0]), there[-1])


def conclude(question: Question, plan: Plan, scanned: Scanned, veil: Veil) -> Result:
    """Put the counts into words and numbers."""
    rows = code(scanned.session, scanned.fields)
    telling = mirrors(rows)
    if telling:
        scanned = put_aside(scanned, telling)
        rows = rows.without(telling)
    table, values, looked = marginals(scanned, question.rate)
    causes = find_causes(Rest.whole(rows, scanned.one_in), table, question.rate)
    single_rate = question.rate * 0.8
    standouts = stand_out(table, scanned.fields, single_rate)
    total, domains = denominators(scanned)
    files = tuple(str(path) for path in question.files)
    products = [layout.product for _, layout in plan.tables if layout.product]
    worn, lacking = profiles(scanned.session, rows, causes, plan, veil)
    result = Result(
        files, products[0] if products else None, question.target.words if plan.replies else UNTOLD, total, domains,
        tuple(causes), tuple(standouts), tuple(report_fields(table, scanned.fields, values, single_rate, causes)),
        looked, table.tests, question.rate,
        profiles=worn, replies=_replies(scanned, veil),
        missing=tuple(_missing(plan)), notes=(*_notes(plan, scanned), *lacking), sampled=scanned.one_in,
        asked=question.target.names,
    )  # fmt: skip
    return hide(replace(result, advice=advise(result)), veil)


def denominators(scanned: Scanned) -> tuple[Denominator, tuple[Denominator, ...]]:
    """Count what became of what was sent, per Apple domain and over all."""
    con = scanned.session
    sent = {
        row[0]: int(row[1])
        for row in con.execute("SELECT value, sum(n) FROM counts WHERE field = 0 GROUP BY value").fetchall()
    }
    found = con.execute(
        "SELECT f0, outcome, cause, tag, failed, sum(n) FROM kept WHERE outcome <> 'v' GROUP BY ALL"
    ).fetchall()

    def row(name: str, of: Sequence[tuple[Any, ...]], count: int) -> Denominator:
        by = {letter: sum(int(r[5]) for r in of if r[1] == letter) for letter in "bds"}
        reasons: dict[tuple[str, str, str], int] = {}
        for _, outcome, cause, tag, _, n in of:
            key = (cause, tag, {"b": "bounced", "d": "deferred", "s": "suppressed"}[outcome])
            reasons[key] = reasons.get(key, 0) + int(n)
        failed = sum(int(r[5]) for r in of if r[4])
        ordered = dict(sorted(reasons.items(), key=lambda item: -item[1]))
        return Denominator(name, count, count - by["b"] - by["d"], by["b"], by["d"], by["s"], failed, ordered)

    domains = tuple(
        row(d, [r for r in found if r[0] == d], n) for d, n in sorted(sent.items(), key=lambda item: -item[1])
    )
    return row("all Apple domains", found, sum(sent.values())), domains


def _replies(scanned: Scanned, veil: Veil) -> tuple[tuple[str, str, int], ...]:
    rows = scanned.session.execute(
        "SELECT cause, text, sum(n) AS many FROM kept WHERE outcome = 'b' GROUP BY cause, text ORDER BY many "
        "DESC, text LIMIT 12"
    ).fetchall()
    return tuple((cause, veil.text(text)[:300], int(n)) for cause, text, n in rows)


def _missing(plan: Plan) -> list[str]:
    have = {"link_host" if field.name.endswith(" host") else field.name for field in plan.fields}
    return [*([] if plan.replies else ["reply"]), *(TITLES[name] for name in WANTED if name not in have)]


def _notes(plan: Plan, scanned: Scanned) -> list[str]:
    notes = list(scanned.notes)
    con = scanned.session
    for table, layout in plan.tables:
        if layout.product:
            notes.append(f"{table.path.name}: read as an export of {layout.product}")
    if scanned.one_in > 1:
        notes.append(
            f"causes were told apart on all refused rows and one in {scanned.one_in} of the delivered; rates and "
            "lifts are over all rows"
        )
    for table, layout in plan.tables:
        if not TELLING & set(layout.roles):
            notes.append(f"{table.path.name}: says nothing of what became of a message; its rows count as sent")
        left = (*layout.ignored, *table.left)
        if left:
            more = f" and {len(left) - 12} more" if len(left) > 12 else ""
            notes.append(f"{table.path.name}: not compared: {', '.join(left[:12])}{more}")
    if not plan.keyed:
        notes.append("no recipient or message id: rows said twice are counted twice")
    if plan.merge:
        listed = [i for i, field in enumerate(plan.fields) if any(f.name == field.name for f in plan.merge[1].fields)]
        if listed:
            empty = " AND ".join(f"f{i} IN ('', {quote(NOT_MERGED)})" for i in listed)
            lone, every = con.execute(
                f"SELECT coalesce(sum(n) FILTER ({empty}), 0), coalesce(sum(n), 0) FROM cut"
            ).fetchone()
            key = joined(plan, *plan.merge)
            twice = con.execute(f"SELECT count(*) - count(DISTINCT {key}) FROM {plan.merge[0].sql}").fetchone()[0]
            if twice:
                words = plan.merge_on.replace("_", " ")
                notes.append(
                    f"{plan.merge[0].path.name}: {twice:,} rows name a {words} again; one row of each was taken"
                )
            if lone:
                notes.append(
                    f"{plan.merge[0].path.name}: nothing merged was found for {lone} of {every} rows looked at"
                )
    return notes


def hide(result: Result, veil: Veil) -> Result:
    """Veil every address in what is shown."""

    def condition(c: Condition) -> Condition:
        return replace(c, value=veil.text(c.value))

    def standout(s: Standout) -> Standout:
        return replace(s, condition=condition(s.condition))

    def cause(c: Cause) -> Cause:
        return replace(
            c,
            conditions=tuple(map(condition, c.conditions)),
            same=tuple(map(condition, c.same)),
            shadows=tuple(map(condition, c.shadows)),
        )

    def report(f: FieldReport) -> FieldReport:
        return replace(f, best=standout(f.best) if f.best else None)

    return replace(
        result,
        causes=tuple(map(cause, result.causes)),
        standouts=tuple(map(standout, result.standouts)),
        fields=tuple(map(report, result.fields)),
        advice=tuple(replace(a, why=veil.text(a.why)) for a in result.advice),
        profiles=tuple(Profile(p.name, {k: veil.text(v) for k, v in p.merge.items()}) for p in result.profiles),
    )
