"""Originals: the raw bounces and events of a trial, read from the ledger's file for an evidence archive."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_QUERY = "SELECT content.bytes FROM answer JOIN content USING (sha256) WHERE answer.token = ? ORDER BY answer.id"


def raw_answers(ledger: Path, token: str) -> list[bytes]:
    """Return what was read of one trial, word for word, in the order in which it was read."""
    with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return [bytes(raw) for (raw,) in db.execute(_QUERY, (token,))]
