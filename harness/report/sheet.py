"""Sheets: CSV for spreadsheets, one row for each trial."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from harness.model.answer import Source
from harness.model.outcome import Settled
from harness.model.record import TrialRecord
from harness.report.clean import clean
from harness.report.told import Told

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a cell that begins so
TRIAL_COLUMNS = (
    *("run", "number", "variant", "stage", "parent", "phase", "arm", "block", "repetition"),
    *("seed", "domain", "values_of", "outcome", "class", "level", "tag", "code", "reply", "note"),
    *("sent_at", "answered_at", "attempts", "message_id", "sha256", "bytes", "factors", "why"),
)


def trials_csv(told: Told) -> str:
    """Return one row for each trial, planned ones too, in sending order."""
    places = {variant.id: variant for variant in told.tallies.variants}
    rows = []
    for trial in told.facts.trials:
        said, placed = told.settled[trial.token], places[trial.variant]
        ask, first = trial.ask, trial.attempts[0] if trial.attempts else None
        rows.append(
            (
                *(told.facts.run.id, trial.number, trial.variant, placed.stage, placed.parent or "", ask.phase.value),
                *(ask.arm, ask.block, trial.repetition, ask.seed, trial.domain, ask.values_of or ""),
                *(said.outcome.value, said.cause, said.level.value, said.tag or "", _code(trial, said)),
                *(said.words or "", said.note, _time(first.begun if first else None), _time(trial.answered)),
                *(len(trial.attempts), trial.message_id, trial.sha256, trial.size, " ".join(placed.factors), ask.why),
            )
        )
    return written(TRIAL_COLUMNS, rows)


def written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write rows as CSV (RFC 4180) in which no cell can be a formula."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return sheet.getvalue()


def _cell(value: object) -> str:
    text = clean(str(value))
    return f"'{text}" if text.startswith(FORMULA) else text


def _code(trial: TrialRecord, said: Settled) -> str:
    if said.source is Source.SESSION and trial.reply is not None:
        return str(trial.reply.code)
    codes = [answer.reading.code for answer in trial.answers if answer.reading.text == said.words]
    return str(codes[0]) if codes and codes[0] else ""


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="milliseconds") if at else ""
