"""The ledger's tables: numbered migrations, each one step from the version before.

A migration is never changed once it is released; a new need is a new number. What must never happen is forbidden
here as well as in code: a second trial of one token or of one planned place, an attempt that goes back, a fourth
attempt, an attempt after a refusal, a message or an answer that changes.
"""

from __future__ import annotations

APPLICATION_ID = 0x52455453  # "RETS": another program's database is not taken for a ledger

MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE content (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE TABLE run (
        id TEXT PRIMARY KEY, relay TEXT NOT NULL, sandbox INTEGER NOT NULL, state TEXT NOT NULL,
        started TEXT NOT NULL, ended TEXT, record TEXT NOT NULL, findings TEXT NOT NULL
    );
    CREATE TABLE trial (
        token TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, number INTEGER NOT NULL,
        factors TEXT NOT NULL, seed TEXT NOT NULL, values_of TEXT NOT NULL, repetition INTEGER NOT NULL,
        ask TEXT NOT NULL, variant TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES content, size INTEGER NOT NULL,
        message_id TEXT NOT NULL, envelope_sender TEXT NOT NULL, recipient TEXT NOT NULL, domain TEXT NOT NULL,
        planned TEXT NOT NULL,
        UNIQUE (run, number), UNIQUE (run, factors, seed, values_of, repetition)
    );
    CREATE TABLE attempt (
        token TEXT NOT NULL REFERENCES trial, number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 3),
        state TEXT NOT NULL CHECK (state IN ('sending', 'content', 'answered', 'not_sent', 'unknown')),
        begun TEXT NOT NULL, content_at TEXT, answered TEXT, code INTEGER, text TEXT, step TEXT,
        error TEXT, queue_id TEXT, transcript TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (token, number)
    ) WITHOUT ROWID;
    CREATE INDEX attempt_begun ON attempt (begun);
    CREATE INDEX trial_recipient ON trial (recipient);
    CREATE INDEX trial_message_id ON trial (message_id);
    CREATE TABLE answer (
        id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, run TEXT REFERENCES run, token TEXT REFERENCES trial,
        heard TEXT NOT NULL, answer TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES content
    );
    CREATE INDEX answer_run ON answer (run);
    CREATE TABLE arrival (
        id INTEGER PRIMARY KEY, token TEXT NOT NULL REFERENCES trial, identity TEXT NOT NULL,
        arrival TEXT NOT NULL, sha256 TEXT REFERENCES content, UNIQUE (token, identity)
    );
    CREATE TABLE happening (
        id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES run, at TEXT NOT NULL, kind TEXT NOT NULL,
        text TEXT NOT NULL, ticks INTEGER NOT NULL
    );
    CREATE INDEX happening_run ON happening (run);

    CREATE TRIGGER attempt_begins BEFORE INSERT ON attempt BEGIN
        SELECT RAISE(ABORT, 'an attempt begins as sending') WHERE NEW.state <> 'sending';
        SELECT RAISE(ABORT, 'attempts are numbered without gaps')
            WHERE NEW.number <> 1 + (SELECT COUNT(*) FROM attempt WHERE token = NEW.token);
        SELECT RAISE(ABORT, 'only an answer of 4xx is tried again') WHERE EXISTS (
            SELECT 1 FROM attempt WHERE token = NEW.token AND (state <> 'answered' OR code NOT BETWEEN 400 AND 499));
    END;
    CREATE TRIGGER attempt_moves_forward BEFORE UPDATE ON attempt
        WHEN NOT (OLD.state = 'sending' AND NEW.state IN ('content', 'answered', 'not_sent')
               OR OLD.state = 'content' AND NEW.state IN ('answered', 'not_sent', 'unknown'))
    BEGIN SELECT RAISE(ABORT, 'an attempt only moves forward'); END;
    CREATE TRIGGER trial_stays BEFORE UPDATE ON trial BEGIN SELECT RAISE(ABORT, 'a trial never changes'); END;
    CREATE TRIGGER content_stays BEFORE UPDATE ON content BEGIN SELECT RAISE(ABORT, 'bytes never change'); END;
    CREATE TRIGGER answer_stays BEFORE UPDATE ON answer BEGIN SELECT RAISE(ABORT, 'an answer never changes'); END;
    """,
)
