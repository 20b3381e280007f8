"""The story of a run: choose, send, collect, judge, again until there is a verdict.

Everything that matters is in the ledger before it is done: a run that dies at any line goes on from there with
`--resume`, and sends nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Protocol

from harness.campaign.expand import Expansion
from harness.edge.ledger import Ledger
from harness.errors import MailboxError
from harness.model.campaign import Campaign
from harness.model.problem import Pause, Send, Stop
from harness.model.record import Happening, RunRecord, TrialRecord
from harness.model.relay import Relay
from harness.model.reply import Reply
from harness.model.trial import Ask
from harness.model.variant import Identity, Message, variant_id
from harness.run.conclude import Conclusion, Mind, Read, conclude, stopped_by
from harness.run.pool import Pool
from harness.run.sending import Delivery, deliver_trials, retries_of, unfinished
from harness.run.stamp import stamp
from harness.run.token import make_token

POLL = 5.0  # seconds between two looks at the bounces
DEAF = 5  # readings in a row that failed: nobody listens any more
LONGEST_LEAP = 900.0  # a wait for a cap longer than this is left to `--resume`


class Listener(Protocol):
    """Whoever shows how a run goes."""

    def chosen(self, said: Conclusion, asks: Sequence[Ask]) -> None:
        """A step begins: these will be sent, and this is how things stand."""

    def answered(self, trial: TrialRecord, reply: Reply | None, error: str | None) -> None:
        """One message was handed over, or was not."""

    def waits(self, what: str, until: datetime | None) -> None:
        """Nothing happens for a while, for this reason."""


@dataclass
class Session:
    """A run in hand: what it is made of, and the outside things that it needs."""

    run: RunRecord
    campaign: Campaign
    expansion: Expansion
    relay: Relay
    ledger: Ledger
    read: Read
    listener: Listener
    collect: Callable[[], Awaitable[list[str]]]  # read the relay's bounces once; returns what could not be read
    sign: Callable[[bytes], bytes] | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    max_wait: float = LONGEST_LEAP
    mind: Mind = field(default_factory=Mind)
    pool: Pool = field(default_factory=Pool)  # connections, kept between steps

    def conclude(self) -> Conclusion:
        """Say what the facts mean now."""
        return conclude(self.ledger.facts(self.run.id), now=self.now(), read=self.read, mind=self.mind)


async def retest(session: Session) -> Conclusion:
    """Drive a run until its strategy stops, a stop rule ends it, or it is interrupted or left waiting.

    Raises:
        RelayError: the relay can't be reached or refuses to talk to us; the run stays and can be resumed.
    """
    ledger, run = session.ledger, session.run
    with ledger.own(run.id):
        ledger.set_state(run.id, "running")
        ledger.recover(run.id, session.now())
        state = "interrupted"
        try:
            state = await _go_on(session)
        finally:
            await session.pool.close()
            if state == "interrupted":
                ledger.set_state(run.id, state)
        ended = session.now() if state in ("finished", "stopped") else None
        ledger.set_state(run.id, state, ended)
    return session.conclude()


async def _go_on(session: Session) -> str:
    """Take steps until the run is over; returns the state that it is left in."""
    left = await _deliver(session, _unsent(session))
    while True:
        if left:
            return left
        facts = session.ledger.facts(session.run.id)
        reason = stopped_by(facts, session.read)
        if reason:
            _happen(session, "stop", reason)
            return "stopped"
        await _hear(session)
        if session.stopping.is_set():
            return "interrupted"
        said = session.conclude()
        match said.move:
            case Stop(finding):
                if finding.stopped:
                    _happen(session, "stop", finding.stopped)
                    return "stopped"
                return "finished"
            case Pause(ticks, why):
                left = await _pause(session, ticks, why)
            case Send(asks):
                session.listener.chosen(said, asks)
                left = await _deliver(session, [_plan(session, ask).token for ask in asks])


def _plan(session: Session, ask: Ask) -> TrialRecord:
    """Build one message to the byte and write it into the ledger, before anything is sent."""
    ledger, run = session.ledger, session.run
    now = session.now()
    token = make_token(ledger.signing_key(), run.id, ledger.next_number(run.id))
    identity = Identity(token, format_datetime(now), ask.seed)
    message = build(session, ask, identity)
    seed = run.segment.seed(ask.seed)
    variant = variant_id(ask.factors, frozenset(factor.id for factor in run.factors))
    return ledger.plan(run.id, ask, variant, message, token, seed.domain, now)


def build(session: Session, ask: Ask, identity: Identity) -> Message:
    """Make the final bytes of one ask: variant, the relay's own headers, signature."""
    seed = session.run.segment.seed(ask.seed)
    message = session.expansion.message(ask.factors, seed, identity, ask.values_of)
    message = stamp(message, session.relay, identity.token)
    if session.sign is not None:
        message = replace(message, content=session.sign(message.content))
    return message


async def _deliver(session: Session, tokens: Sequence[str]) -> str:
    """Hand trials over, waiting as pace and caps ask; returns the state to leave the run in, "" to go on."""
    left = list(tokens)
    while left:
        result: Delivery = await deliver_trials(session, left)
        if session.stopping.is_set():
            return "interrupted"
        if result.until is None:
            return ""
        if (result.until - session.now()).total_seconds() > session.max_wait:
            _happen(session, "wait", f"{result.why}, until {result.until:%Y-%m-%d %H:%M} UTC")
            return "waiting"
        await _wait(session, result.why, result.until)
        left = _unsent(session)
    return ""


async def _hear(session: Session) -> None:
    """Where answers come as bounces, read them until nothing is pending any more.

    Raises:
        MailboxError: a source can't be read time and again; without it silence would mean nothing.
    """
    if session.run.answers != "bounces":
        return
    deaf = 0
    while not session.stopping.is_set():
        failures = await session.collect()
        deaf = deaf + 1 if failures else 0
        for failure in failures:
            session.listener.waits(failure, None)
        if deaf >= DEAF:
            raise MailboxError(f"{failures[0]}; put it right, then `harness run --resume {session.run.id}`")
        said = session.conclude()
        if not said.pending:
            return
        reason = stopped_by(said.facts, session.read)
        if reason:
            return
        begun = [trial.answered for trial in said.facts.trials if trial.token in said.pending and trial.answered]
        latest = max(begun, default=session.now())
        until = latest + timedelta(seconds=session.run.settle)
        rest = (until - session.now()).total_seconds()
        session.listener.waits(f"bounces of {len(said.pending)} messages", until)
        await _sleep(session, min(POLL, max(0.2, session.run.settle / 10), rest if rest > 0 else 1.0))


async def _pause(session: Session, ticks: int, why: str) -> str:
    gap = session.relay.pace.gap
    session.ledger.happen(session.run.id, Happening(session.now(), "pause", why, ticks))
    await _wait(session, why, session.now() + timedelta(seconds=gap * ticks))
    return "interrupted" if session.stopping.is_set() else ""


async def _wait(session: Session, why: str, until: datetime) -> None:
    session.listener.waits(why, until)
    rest = (until - session.now()).total_seconds()
    if rest > 1:
        session.ledger.set_state(session.run.id, "waiting")
    await _sleep(session, rest)
    session.ledger.set_state(session.run.id, "running")


async def _sleep(session: Session, seconds: float) -> None:
    """Sleep, but wake when the operator wants to stop."""
    if seconds <= 0:
        return
    stop = asyncio.ensure_future(session.stopping.wait())
    nap = asyncio.ensure_future(session.sleep(seconds))
    _, unfinished = await asyncio.wait({stop, nap}, return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()


def _unsent(session: Session) -> list[str]:
    """Return trials that are still to be sent, in order: never begun, or deferred with a try left."""
    facts = session.ledger.facts(session.run.id)
    return unfinished(facts, retries_of(session.run, session.relay))


def _happen(session: Session, kind: str, text: str) -> None:
    session.ledger.happen(session.run.id, Happening(session.now(), kind, text))
