"""The ledger's file: how it is opened, brought to this version's tables, and how its faults are told."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.edge.tables import APPLICATION_ID, MIGRATIONS
from harness.errors import ConfigError

_BUSY_SECONDS = 30.0  # how long a writer waits for another; a commit takes milliseconds


def open_database(path: Path) -> sqlite3.Connection:
    """Open a ledger's file, making its tables where there are none.

    Raises:
        ConfigError: the file is damaged, is no ledger, or comes from a newer harness.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
        try:
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say in one line what SQLite could not do."""
    try:
        yield
    except sqlite3.IntegrityError as refusal:
        raise ValueError(f"{path}: {refusal}") from None
    except sqlite3.DatabaseError as failure:
        raise ConfigError(
            f"{path}: the ledger can't be used: {failure}; "
            "check the disk, or move the file away and restore it from a backup"
        ) from None
    except OSError as failure:
        raise ConfigError(f"{path}: {failure.strerror or failure}") from None


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Set the file's modes and bring its tables to this version; a reader of a current ledger takes no lock."""
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA foreign_keys=ON")
    if _version(db, path) == len(MIGRATIONS):
        return
    _use_wal(db)
    db.execute("BEGIN IMMEDIATE")  # two processes may open a new ledger at once: look again under the lock
    try:
        for number, script in enumerate(MIGRATIONS[_version(db, path) :], 1 + _version(db, path)):
            for statement in _statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={number}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch the file to WAL; SQLite does not wait here for another process that does the same."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as busy:
            if "locked" not in str(busy) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _version(db: sqlite3.Connection, path: Path) -> int:
    """Return the number of the last migration that the file has seen."""
    owner, version = one(db, "PRAGMA application_id"), one(db, "PRAGMA user_version")
    if owner != APPLICATION_ID and (owner or version or one(db, "SELECT COUNT(*) FROM sqlite_master")):
        raise ConfigError(f"{path}: this SQLite file belongs to another program; move it away")
    if version > len(MIGRATIONS):
        raise ConfigError(
            f"{path}: the ledger has schema {version}, made by a newer harness (this one knows {len(MIGRATIONS)}); "
            "update the harness"
        )
    return version


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; a trigger's body holds semicolons of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def one(db: sqlite3.Connection, query: str, *values: object) -> int:
    """Return the one number that a query gives."""
    return int(db.execute(query, values).fetchone()[0])
