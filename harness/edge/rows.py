"""Rows of the ledger put together as the nouns that they hold; reads only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from harness.edge.codec import from_json, moment
from harness.model.answer import Answer
from harness.model.record import Arrival, Attempt, Happening, RunFacts, RunRecord, TrialRecord
from harness.model.reply import Reply, Step
from harness.model.trial import Ask, State

_TRIAL = (
    "SELECT token, number, ask, variant, repetition, sha256, size, message_id, envelope_sender, recipient, domain, "
    "planned FROM trial "
)
_ATTEMPT = (
    "SELECT token, attempt.number, state, begun, content_at, answered, code, text, step, error, queue_id FROM attempt "
)


def read_run(db: sqlite3.Connection, run_id: str) -> RunRecord | None:
    """Read one run; None if there is none of this name."""
    row = db.execute("SELECT record, state, ended FROM run WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else _run(row)


def read_runs(db: sqlite3.Connection) -> list[RunRecord]:
    """Read all runs, oldest first."""
    return [_run(row) for row in db.execute("SELECT record, state, ended FROM run ORDER BY started, id")]


def read_facts(db: sqlite3.Connection, run: RunRecord) -> RunFacts:
    """Read a whole run; trials in sending order."""
    attempts = _by_token(
        db.execute(_ATTEMPT + "JOIN trial USING (token) WHERE run = ? ORDER BY attempt.number", (run.id,)), _attempt
    )
    answers = _by_token(
        db.execute("SELECT token, answer FROM answer WHERE run = ? AND token IS NOT NULL ORDER BY id", (run.id,)),
        lambda row: from_json(Answer, row[1]),
    )
    arrivals = _by_token(
        db.execute(
            "SELECT arrival.token, arrival, bytes FROM arrival JOIN trial USING (token) "
            "LEFT JOIN content ON content.sha256 = arrival.sha256 WHERE run = ? ORDER BY arrival.id",
            (run.id,),
        ),
        _arrival,
    )
    trials = [
        _trial(row, attempts.get(row[0], ()), answers.get(row[0], ()), arrivals.get(row[0], ()))
        for row in db.execute(_TRIAL + "WHERE run = ? ORDER BY number", (run.id,))
    ]
    return RunFacts(run, tuple(trials), _happenings(db, run), _unmatched(db, run), _findings(db, run))


def read_trial(db: sqlite3.Connection, token: str) -> TrialRecord | None:
    """Read one trial with its attempts; what came back later is left to `read_facts`."""
    row = db.execute(_TRIAL + "WHERE token = ?", (token,)).fetchone()
    if row is None:
        return None
    rows = db.execute(_ATTEMPT + "WHERE token = ? ORDER BY attempt.number", (token,))
    return _trial(row, [_attempt(found) for found in rows], (), ())


def _run(row: tuple[Any, ...]) -> RunRecord:
    values = json.loads(row[0]) | {"state": row[1], "ended": row[2]}
    return from_json(RunRecord, json.dumps(values))


def _by_token(rows: Iterable[tuple[Any, ...]], read: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(read(row))
    return found


def _attempt(row: tuple[Any, ...]) -> Attempt:
    _, number, state, begun, content_at, answered, code, text, step, error, queue_id = row
    return Attempt(
        number=number,
        state=State(state),
        begun=moment(begun),
        content_at=moment(content_at) if content_at else None,
        answered=moment(answered) if answered else None,
        reply=None if code is None else Reply(code, text, Step(step)),
        error=error,
        queue_id=queue_id,
    )


def _arrival(row: tuple[Any, ...]) -> Arrival:
    values = json.loads(row[1]) | {"content": None}
    arrival = from_json(Arrival, json.dumps(values))
    return Arrival(
        arrival.folder,
        arrival.seen,
        arrival.differences,
        arrival.changed_factors,
        arrival.authentication,
        content=row[2],
    )


def _trial(
    row: tuple[Any, ...], attempts: Iterable[Attempt], answers: Iterable[Answer], arrivals: Iterable[Arrival]
) -> TrialRecord:
    token, number, ask, variant, repetition, sha256, size, message_id, envelope_sender, recipient, domain, planned = row
    return TrialRecord(
        token=token,
        number=number,
        ask=from_json(Ask, ask),
        variant=variant,
        repetition=repetition,
        sha256=sha256,
        size=size,
        message_id=message_id,
        envelope_sender=envelope_sender,
        recipient=recipient,
        domain=domain,
        planned=moment(planned),
        attempts=tuple(attempts),
        answers=tuple(answers),
        arrivals=tuple(arrivals),
    )


def _happenings(db: sqlite3.Connection, run: RunRecord) -> tuple[Happening, ...]:
    rows = db.execute("SELECT at, kind, text, ticks FROM happening WHERE run = ? ORDER BY id", (run.id,))
    return tuple(Happening(moment(at), kind, text, ticks) for at, kind, text, ticks in rows)


def _unmatched(db: sqlite3.Connection, run: RunRecord) -> tuple[Answer, ...]:
    """Read what belongs to no trial: heard for this run, or for none and since this run began."""
    rows = db.execute(
        "SELECT answer FROM answer JOIN run ON run.id = ? WHERE token IS NULL "
        "AND (answer.run = run.id OR (answer.run IS NULL AND heard >= started)) ORDER BY answer.id",
        (run.id,),
    )
    return tuple(from_json(Answer, text) for (text,) in rows)


def _findings(db: sqlite3.Connection, run: RunRecord) -> tuple[dict[str, str], ...]:
    (text,) = db.execute("SELECT findings FROM run WHERE id = ?", (run.id,)).fetchone()
    return tuple(json.loads(text))
