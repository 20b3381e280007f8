"""The ledger: the one durable record of runs, trials, replies and bounces (SQLite, WAL, synchronous=FULL).

It keeps facts and never an outcome. Every method that writes has committed to the disk when it returns. Many
processes may read while one writes; one process at a time owns a run (`own`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from harness.edge.codec import moment, stamp, to_json
from harness.edge.database import explained, one, open_database
from harness.edge.owner import owned
from harness.edge.rows import read_facts, read_run, read_runs, read_trial
from harness.edge.secret import is_reference
from harness.errors import ConfigError
from harness.model.answer import Answer
from harness.model.record import Arrival, Happening, RunFacts, RunRecord, TrialRecord
from harness.model.reply import Reply
from harness.model.seed import Segment
from harness.model.trial import Ask, State
from harness.model.variant import Message

_INSERT_TRIAL = f"INSERT INTO trial VALUES ({', '.join('?' * 16)})"  # noqa: S608


class Sent(NamedTuple):
    """One transaction of the past, for pace and caps."""

    at: datetime
    domain: str
    address: str


class Ledger:
    """One open ledger file. Safe to use from several threads; each call is one transaction."""

    def __init__(self, path: Path, db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._reader = reader
        self._lock, self._reading_lock = threading.RLock(), threading.RLock()
        self._joint: sqlite3.Connection | None = None  # the transaction that several marks share

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Ledger:
        """Open a ledger, making the file and its tables where there are none.

        Raises:
            ConfigError: the file is damaged, is no ledger, comes from a newer harness, or is not there (create=False).
        """
        path = Path(path)
        if not create and not path.exists():
            raise ConfigError(f"{path}: there is no ledger yet; `harness run` makes one")
        return cls(path, open_database(path), open_database(path))

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._reading_lock:
            self._db.close()
            self._reader.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- runs ----------------------------------------------------------------

    def create_run(self, run: RunRecord, findings: Sequence[Mapping[str, str]] = ()) -> None:
        """Write down a run before its first message; mailbox passwords stay behind."""
        kept = replace(run, segment=_without_secrets(run.segment))
        sandbox = run.relay_facts.get("kind") == "sandbox"
        with self._writing() as db:
            if read_run(db, run.id) is not None:
                raise ConfigError(f"{self.path}: there is a run {run.id!r} already; give the new one another name")
            db.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    run.relay,
                    sandbox,
                    run.state,
                    stamp(run.started),
                    stamp(run.ended) if run.ended else None,
                    to_json(kept),
                    to_json([dict(row) for row in findings]),
                ),
            )

    def set_state(self, run_id: str, state: str, ended: datetime | None = None) -> None:
        """Note how a run stands: running, waiting, finished, stopped or interrupted."""
        with self._writing() as db:
            self._known(db, run_id)
            db.execute(
                "UPDATE run SET state = ?, ended = ? WHERE id = ?", (state, stamp(ended) if ended else None, run_id)
            )

    def happen(self, run_id: str, happening: Happening) -> None:
        """Add a pause, stop, resume or wait to a run's story."""
        row = (run_id, stamp(happening.at), happening.kind, happening.text, happening.ticks)
        with self._writing() as db:
            db.execute("INSERT INTO happening (run, at, kind, text, ticks) VALUES (?, ?, ?, ?, ?)", row)

    def runs(self) -> list[RunRecord]:
        """Return all runs, oldest first."""
        with self._reading() as db:
            return read_runs(db)

    def run(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises:
            ConfigError: there is none of this name.
        """
        with self._reading() as db:
            return self._known(db, run_id)

    def facts(self, run_id: str) -> RunFacts:
        """Return all that is known of a run, as one consistent view."""
        with self._reading() as db:
            return read_facts(db, self._known(db, run_id))

    def own(self, run_id: str) -> AbstractContextManager[None]:
        """Own a run for as long as the block lasts; the kernel ends it when the process dies.

        Raises:
            ConfigError: another process owns it; its pid is in the message.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}", run_id):
            raise ConfigError(f"{run_id!r} is no name of a run; `harness status` lists them")
        return owned(self.path.with_name(f"{run_id}.lock"), f"run {run_id}")

    # -- trials --------------------------------------------------------------

    def next_number(self, run_id: str) -> int:
        """Return the number that the next trial of a run gets, for its token."""
        with self._reading() as db:
            return int(one(db, "SELECT COALESCE(MAX(number) + 1, 0) FROM trial WHERE run = ?", run_id))

    def plan(
        self, run_id: str, ask: Ask, variant: str, message: Message, token: str, domain: str, at: datetime
    ) -> TrialRecord:
        """Write down one trial with its final bytes, before anything of it is sent.

        Raises:
            ValueError: the token, or this place of the plan, is taken already.
        """
        factors = hashlib.sha256("\n".join(sorted(ask.factors)).encode()).hexdigest()
        key = (run_id, factors, ask.seed, ask.values_of or "")
        with self._writing() as db:
            same = "SELECT COUNT(*) FROM trial WHERE run = ? AND factors = ? AND seed = ? AND values_of = ?"
            repetition = int(one(db, same, *key))
            number = int(one(db, "SELECT COALESCE(MAX(number) + 1, 0) FROM trial WHERE run = ?", run_id))
            self._keep(db, message.content)
            row = (
                *(token, run_id, number, *key[1:], repetition, to_json(ask), variant, message.sha256),
                *(len(message.content), message.message_id, message.envelope_sender, message.recipient),
                *(domain, stamp(at)),
            )
            try:
                db.execute(_INSERT_TRIAL, row)
            except sqlite3.IntegrityError as refusal:
                raise ValueError(f"trial {token}: {refusal}") from None
            return self._trial(db, token)

    def begin(self, token: str, at: datetime) -> int:
        """Mark that a transaction begins, before MAIL; returns the attempt's number.

        Raises:
            ValueError: the trial was answered for good, is in doubt, or was tried three times.
        """
        statement = (
            "INSERT INTO attempt (token, number, state, begun) "
            "SELECT ?, COUNT(*) + 1, 'sending', ? FROM attempt WHERE token = ? RETURNING number"
        )
        with self._lock, explained(self.path):
            try:
                # All rows are fetched, for a statement that is not at its end has not committed.
                ((number,),) = self._db.execute(statement, (token, stamp(at), token)).fetchall()
            except sqlite3.IntegrityError as refusal:
                raise ValueError(f"trial {token} can't be sent (again): {refusal}") from None
        return int(number)

    def content(self, token: str, at: datetime) -> None:
        """Mark that the message bytes follow: from here on a lost answer means unknown."""
        self._mark(token, State.CONTENT, {"content_at": stamp(at)})

    def record(self, token: str, reply: Reply, queue_id: str | None, transcript: str, at: datetime) -> None:
        """Write down the relay's answer, right after it came."""
        values = {"code": reply.code, "text": _text(reply.text), "step": reply.step.value, "answered": stamp(at)}
        values |= {"queue_id": queue_id, "transcript": _text(transcript)}
        self._mark(token, State.ANSWERED, values)

    def fail(self, token: str, state: State, error: str, transcript: str, at: datetime) -> None:
        """Write down that there was no answer: NOT_SENT before the message bytes, UNKNOWN after them."""
        if state not in (State.NOT_SENT, State.UNKNOWN):
            raise ValueError(f"{state.value} is no way to fail")
        values = {"error": _text(error), "transcript": _text(transcript), "answered": stamp(at)}
        self._mark(token, state, values)

    def recover(self, run_id: str, at: datetime) -> list[TrialRecord]:
        """Settle what a dead process left open, for the one who owns the run now; sends nothing.

        Past the content mark a trial becomes `unknown`, before it `not_sent`; neither is sent again by itself.
        """
        changes = {
            State.SENDING: (State.NOT_SENT, "the process ended before the message bytes were sent"),
            State.CONTENT: (State.UNKNOWN, "the process ended while the message was handed over"),
        }
        settled = []
        with self._writing() as db:
            rows = db.execute(
                "SELECT token, state FROM attempt JOIN trial USING (token) WHERE run = ? "
                "AND state IN ('sending', 'content') ORDER BY trial.number",
                (run_id,),
            ).fetchall()
            for token, state in rows:
                after, error = changes[State(state)]
                self._move(db, token, after, {"error": error, "answered": stamp(at)})
                settled.append(self._trial(db, token))
        return settled

    def write_together(self, marks: Sequence[Callable[[], object]]) -> list[Exception | None]:
        """Make several marks in one durable commit; returns for each what went wrong with it, or None.

        Where one is refused nothing of the commit stays, and each is made by itself.
        """
        with self._lock:
            if len(marks) > 1:
                try:
                    with self._writing() as self._joint:
                        for mark in marks:
                            mark()
                    return [None] * len(marks)
                except Exception:  # found out below, one by one
                    pass
                finally:
                    self._joint = None
            return [_attempted(mark) for mark in marks]

    def trial(self, token: str) -> TrialRecord:
        """Return one trial with its attempts."""
        with self._reading() as db:
            return self._trial(db, token)

    def trials(self, tokens: Sequence[str]) -> list[TrialRecord]:
        """Return trials with their attempts, in this order."""
        with self._reading() as db:
            return [self._trial(db, token) for token in tokens]

    def parcel(self, trial: TrialRecord) -> Message:
        """Return a trial's final bytes with their envelope, as they were planned."""
        return Message(trial.envelope_sender, trial.recipient, trial.message_id, self.message(trial.sha256))

    def message(self, name: str) -> bytes:
        """Return stored bytes by token or SHA-256."""
        with self._reading() as db:
            found = db.execute("SELECT bytes FROM content WHERE sha256 = ?", (name,)).fetchone()
            if found is None:
                by_token = "SELECT bytes FROM content JOIN trial USING (sha256) WHERE token = ?"
                found = db.execute(by_token, (name,)).fetchone()
        if found is None:
            raise ConfigError(f"{self.path}: no message is stored under {name!r}")
        content: bytes = found[0]
        return content

    def transcripts(self, token: str) -> list[str]:
        """Return the dialogue of each attempt, secrets struck out."""
        with self._reading() as db:
            rows = db.execute("SELECT transcript FROM attempt WHERE token = ? ORDER BY number", (token,))
            return [text for (text,) in rows]

    # -- what comes back -----------------------------------------------------

    def hear(
        self, run_id: str | None, answer: Answer, token: str | None, identity: str, raw: bytes, at: datetime
    ) -> bool:
        """Keep an answer with its raw words; False if this identity was read before.

        An answer that belongs to no trial (token None) is kept as well.
        """
        with self._writing() as db:
            if db.execute("SELECT 1 FROM answer WHERE identity = ?", (identity,)).fetchone():
                return False
            sha256 = self._keep(db, raw)
            db.execute(
                "INSERT INTO answer (identity, run, token, heard, answer, sha256) VALUES (?, ?, ?, ?, ?, ?)",
                (identity, run_id, token, stamp(at), to_json(answer), sha256),
            )
            return True

    def heard(self, identity: str) -> bool:
        """Tell whether an identity was read before."""
        with self._reading() as db:
            return db.execute("SELECT 1 FROM answer WHERE identity = ?", (identity,)).fetchone() is not None

    def arrive(self, token: str, arrival: Arrival) -> bool:
        """Keep a copy that was read back from a seed's mailbox; False if the same was read before."""
        content = arrival.content or b""
        identity = f"{arrival.folder}:{hashlib.sha256(content).hexdigest()}"
        with self._writing() as db:
            if db.execute("SELECT 1 FROM arrival WHERE token = ? AND identity = ?", (token, identity)).fetchone():
                return False
            sha256 = self._keep(db, content) if arrival.content is not None else None
            text = to_json(replace(arrival, content=None))
            db.execute(
                "INSERT INTO arrival (token, identity, arrival, sha256) VALUES (?, ?, ?, ?)",
                (token, identity, text, sha256),
            )
            return True

    def raw(self, identity: str) -> bytes:
        """Return the raw bytes of an answer by its identity."""
        with self._reading() as db:
            sha256 = db.execute("SELECT sha256 FROM answer WHERE identity = ?", (identity,)).fetchone()
        if sha256 is None:
            raise ConfigError(f"{self.path}: no answer is stored under {identity!r}")
        return self.message(sha256[0])

    # -- caps over all runs --------------------------------------------------

    def sent_today(self, address: str, day: date) -> int:
        """Count messages that were handed over for an address on a UTC day, over all runs.

        One that was refused before its bytes reached nobody; what went to a sandbox does not count.
        """
        query = (
            "SELECT COUNT(*) FROM attempt JOIN trial USING (token) JOIN run ON run.id = trial.run WHERE NOT sandbox "
            "AND recipient = ? COLLATE NOCASE AND begun >= ? AND begun < ? "
            "AND (content_at IS NOT NULL AND attempt.state <> 'not_sent' OR attempt.state = 'sending')"
        )
        first, after = f"{day.isoformat()}T", f"{(day + timedelta(days=1)).isoformat()}T"
        with self._reading() as db:
            return int(one(db, query, address, first, after))

    def sent_since(self, at: datetime, relay: str) -> list[Sent]:
        """Return the transactions through a relay since a moment, over all runs, oldest first."""
        query = (
            "SELECT begun, domain, recipient FROM attempt JOIN trial USING (token) JOIN run ON run.id = trial.run "
            "WHERE begun >= ? AND relay = ? AND attempt.state <> 'not_sent' ORDER BY begun"
        )
        with self._reading() as db:
            rows = db.execute(query, (stamp(at), relay))
            return [Sent(moment(begun), domain, address) for begun, domain, address in rows]

    def signing_key(self) -> bytes:
        """Return the workspace's key that signs tokens, making it at the first call."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES ('signing_key', ?)", (secrets.token_bytes(32),))
            return bytes(db.execute("SELECT value FROM meta WHERE name = 'signing_key'").fetchone()[0])

    # -- inside --------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction that is durable when the block ends, or is part of a joint one."""
        with self._lock, explained(self.path):
            if self._joint is not None:
                yield self._joint
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Give one consistent view. No reader waits for a commit: while one goes on, it reads by another connection."""
        free = self._lock.acquire(blocking=False)
        db, lock = (self._db, self._lock) if free else (self._reader, self._reading_lock)
        if not free:
            lock.acquire()
        try:
            with explained(self.path):
                db.execute("BEGIN")
                try:
                    yield db
                finally:
                    db.execute("ROLLBACK")
        finally:
            lock.release()

    def _known(self, db: sqlite3.Connection, run_id: str) -> RunRecord:
        run = read_run(db, run_id)
        if run is None:
            raise ConfigError(f"{self.path}: no run is called {run_id!r}; `harness status` lists them")
        return run

    def _trial(self, db: sqlite3.Connection, token: str) -> TrialRecord:
        trial = read_trial(db, token)
        if trial is None:
            raise ConfigError(f"{self.path}: no trial has the token {token!r}")
        return trial

    def _keep(self, db: sqlite3.Connection, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        db.execute("INSERT OR IGNORE INTO content VALUES (?, ?)", (sha256, content))
        return sha256

    def _mark(self, token: str, state: State, values: Mapping[str, object]) -> None:
        # One statement is a transaction of its own, and the quickest one.
        with self._lock, explained(self.path):
            self._move(self._db, token, state, values)

    def _move(self, db: sqlite3.Connection, token: str, state: State, values: Mapping[str, object]) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        last = "(SELECT MAX(number) FROM attempt WHERE token = ?)"
        try:
            changed = db.execute(
                f"UPDATE attempt SET state = ?, {columns} WHERE token = ? AND number = {last}",  # noqa: S608
                (state.value, *values.values(), token, token),
            ).rowcount
        except sqlite3.IntegrityError as refusal:
            raise ValueError(f"trial {token} can't become {state.value}: {refusal}") from None
        if changed != 1:
            raise ValueError(f"trial {token} can't become {state.value}: it was never begun")


def _attempted(mark: Callable[[], object]) -> Exception | None:
    try:
        mark()
    except Exception as failure:  # told to the one who made this mark
        return failure
    return None


def _text(text: str) -> str:
    """Keep bytes that are no UTF-8 (surrogates in a reply's text) as what SQLite can store."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _without_secrets(segment: Segment) -> Segment:
    """Drop mailbox passwords; references to them may stay, they say only where to look."""
    seeds = []
    for seed in segment.seeds:
        if seed.mailbox is not None and not is_reference(seed.mailbox.password):
            seed = replace(seed, mailbox=replace(seed.mailbox, password=""))
        seeds.append(seed)
    return replace(segment, seeds=tuple(seeds))
