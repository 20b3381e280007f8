"""The journal of one transaction: its marks, each made once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from harness.edge.ledger import Ledger
from harness.edge.relay import Handover
from harness.edge.scribe import Scribe
from harness.model.record import Attempt, TrialRecord
from harness.model.trial import State


class Journal:
    """What a connection tells of one message, written down for its trial."""

    def __init__(self, scribe: Scribe, ledger: Ledger, trial: TrialRecord, now: Callable[[], datetime]) -> None:
        self._scribe, self._ledger, self._now = scribe, ledger, now
        self._token, self._number = trial.token, len(trial.attempts) + 1
        self.begun: datetime | None = None
        self.content_at: datetime | None = None
        self._beginning: asyncio.Future[None] | None = None
        self._marking: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Mark `sending`. The commit runs beside MAIL and RCPT, which nobody could count as sending."""
        if self.begun is None:
            at = self.begun = self._now()
            self._beginning = self._scribe.write(lambda: self._ledger.begin(self._token, at))

    def announce(self) -> None:
        """Give the `content` mark to write, and don't wait for it yet."""
        if self.content_at is None and self.begun is not None:
            at = self.content_at = self._now()
            self._marking = self._scribe.write(lambda: self._ledger.content(self._token, at), now=True)

    async def content(self) -> None:
        """Mark `content`, and wait until it is on the disk."""
        self.announce()
        if self._beginning is not None and self._marking is not None:
            await self._beginning
            await self._marking

    def record(self, taken: Handover) -> tuple[Attempt, asyncio.Future[None]]:
        """Write down the answer; the future is done when it is on the disk."""
        at, reply = self._now(), taken.reply
        written = self._scribe.write(
            lambda: self._ledger.record(self._token, reply, taken.queue_id, taken.transcript, at),
            now=not reply.positive,
        )
        attempt = Attempt(self._number, State.ANSWERED, self.begun, self.content_at, at, reply, None, taken.queue_id)
        return attempt, written

    async def fail(self, state: State, error: str, transcript: str) -> None:
        """Write down that there was no answer."""
        at = self._now()
        await asyncio.shield(
            self._scribe.write(lambda: self._ledger.fail(self._token, state, error, transcript, at), now=True)
        )
