"""A run in hand for tests of sending: a ledger, a relay, a listener that remembers, and a clock that can leap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.bounce.reply import read_reply
from harness.edge.ledger import Ledger
from harness.model.record import RunRecord, TrialRecord
from harness.model.relay import Pace, Relay, Tls
from harness.model.reply import Reply
from harness.model.trial import Ask, Phase
from harness.model.variant import Message
from harness.run.conclude import Read
from harness.run.pool import Pool
from harness.run.sending import Delivery, deliver_trials, retries_of, unfinished
from tests.integration.ledger_nouns import a_run

QUICK = Pace(gap=0.0, jitter=0.0, per_hour=None, avoid_top_of_hour=False, backoff=0.05)


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.replies: list[tuple[str, int | None]] = []
        self.waited: list[str] = []
        self.on_answer: Callable[[], None] = lambda: None

    def answered(self, trial: TrialRecord, reply: Reply | None, error: str | None) -> None:
        self.replies.append((trial.recipient, reply.code if reply else None))
        self.on_answer()

    def waits(self, what: str, until: datetime | None) -> None:
        self.waited.append(what)


class Leaping:
    """A clock that a sleep moves forward at once."""

    def __init__(self, start: datetime) -> None:
        self.at = start

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@dataclass
class InHand:
    """What sending needs of a run."""

    run: RunRecord
    relay: Relay
    ledger: Ledger
    read: Read = lambda reply: read_reply(reply.text, code=reply.code)
    listener: Heard = field(default_factory=Heard)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    max_wait: float = 900.0
    pool: Pool = field(default_factory=Pool)

    async def deliver(self, tokens: list[str]) -> Delivery:
        """Send one step, and close the connections."""
        try:
            return await deliver_trials(self, tokens)
        finally:
            await self.pool.close()

    def left(self) -> list[str]:
        """Return what a resumed run would send."""
        return unfinished(self.ledger.facts(self.run.id), retries_of(self.run, self.relay))


def in_hand(folder: Path, port: int, run: RunRecord | None = None, **relay: object) -> InHand:
    """Make a run with a ledger of its own and a relay on loopback."""
    ledger = Ledger.open(folder / "ledger.sqlite")
    run = run or a_run()
    ledger.create_run(run)
    settings = {"tls": Tls.NONE, "pace": QUICK, "timeout": 5.0, "content_timeout": 5.0} | relay
    kind = str(settings.pop("kind", "smtp"))
    return InHand(run, Relay("esp", kind, port=port, **settings), ledger)  # type: ignore[arg-type]


def plan(session: InHand, *recipients: str, header: str = "", domain: str = "icloud.com") -> list[str]:
    """Plan one trial for each recipient; returns the tokens."""
    tokens = []
    for recipient in recipients:
        number = session.ledger.next_number(session.run.id)
        token = f"{session.ledger.path.parent.name[-20:].replace('_', '-')}-{session.run.id}-{number:04d}"
        content = (
            f"From: Shop <news@shop.test>\r\nTo: {recipient}\r\nSubject: A note\r\nMessage-ID: <{token}@shop.test>\r\n"
            f"{header}\r\nHello {number}\r\n"
        ).encode()
        message = Message(f"bounce+{token}@bounce.test", recipient, f"{token}@shop.test", content)
        ask = Ask(frozenset({f"f{number}"}), recipient, Phase.SEARCH)
        session.ledger.plan(session.run.id, ask, "v", message, token, domain, session.now())
        tokens.append(token)
    return tokens
