"""Sending: planned trials through the relay, each journalled before it leaves and right after its answer.

At most once: a trial past its content mark is never sent again by itself, a 5xx is a result, and only a 4xx is tried
again, at most twice, later, with the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from harness.edge.ledger import Ledger
from harness.edge.relay import Connection, DeliveryError, Handover
from harness.errors import RelayError
from harness.model.record import Happening, RunFacts, RunRecord, TrialRecord
from harness.model.relay import Relay
from harness.model.reply import Reply
from harness.model.trial import State
from harness.run.conclude import Read, stopped_by
from harness.run.journal import Journal
from harness.run.pace import Hold, Left, back_off, hold, lookback, seed_hold
from harness.run.pool import Pool

__all__ = ["Delivery", "Listener", "Outgoing", "Pool", "deliver_trials", "retries_of", "unfinished"]

TOLD = 2.0  # seconds: shorter waits are the pace itself and are not announced
NOTED = 30.0  # seconds: longer waits are part of the run's story
LOST_IN_A_ROW = 3  # connections that closed before the message bytes: the relay does not want us


class Listener(Protocol):
    """Whoever shows how the sending goes."""

    def answered(self, trial: TrialRecord, reply: Reply | None, error: str | None) -> None:
        """One message was handed over, or was not."""

    def waits(self, what: str, until: datetime | None) -> None:
        """Nothing happens for a while, for this reason."""


class Outgoing(Protocol):
    """What sending needs of a run in hand."""

    # Read-only, so that any class with these fields will do.
    @property
    def run(self) -> RunRecord: ...  # noqa: D102
    @property
    def relay(self) -> Relay: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def read(self) -> Read: ...  # noqa: D102
    @property
    def listener(self) -> Listener: ...  # noqa: D102
    @property
    def now(self) -> Callable[[], datetime]: ...  # noqa: D102
    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]: ...  # noqa: D102
    @property
    def stopping(self) -> asyncio.Event: ...  # noqa: D102
    @property
    def max_wait(self) -> float: ...  # noqa: D102
    @property
    def pool(self) -> Pool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a step of sending ended: all done (until is None), or left until a moment, for a reason."""

    until: datetime | None = None
    why: str = ""


def unfinished(facts: RunFacts, retries: int) -> list[str]:
    """Return trials that are still to be sent, in order: never begun, or deferred with a try left."""
    return [trial.token for trial in facts.trials if trial.state is State.PLANNED or _may_retry(trial, retries)]


def retries_of(run: RunRecord, relay: Relay) -> int:
    """Return how often a deferred trial is tried again; a transactional run tries nothing again."""
    return 0 if run.transactional else min(2, relay.pace.retries)


async def deliver_trials(session: Outgoing, tokens: Sequence[str]) -> Delivery:
    """Send trials in this order, as fast as pace and caps allow, until all have an answer or must wait too long.

    When `session.stopping` is set, the transactions in hand are finished and no other begins. When the task is
    cancelled, connections are closed at once and what was in hand is journalled as unknown or not sent. A stop rule
    that a refusal fulfils ends the step at once; what is left stays planned.

    Raises:
        RelayError: the relay can't be reached, won't talk or closes all the time; what is left stays planned.
    """
    work = _Work(session, tokens)
    try:
        return await work.go()
    finally:
        await work.cancel()


def _may_retry(trial: TrialRecord, retries: int) -> bool:
    reply = trial.reply
    deferred = trial.state is State.ANSWERED and reply is not None and reply.transient
    return deferred and len(trial.attempts) <= retries


@dataclass(slots=True)
class _Entry:
    """One trial that is still to be sent."""

    trial: TrialRecord
    not_before: datetime | None = None


class _Work:
    """One step of sending: what waits, what is under way, what left before."""

    def __init__(self, session: Outgoing, tokens: Sequence[str]) -> None:
        self.session, self.ledger, self.relay = session, session.ledger, session.relay
        self.retries = retries_of(session.run, session.relay)
        self.waiting = [self._entry(trial) for trial in session.ledger.trials(tokens)]
        self.running: set[asyncio.Task[None]] = set()
        since = session.now() - lookback(self.relay.pace)
        self.past = [Left(at, domain) for at, domain, _ in self.ledger.sent_since(since, self.relay.name)]
        self.quiet_until: datetime | None = None  # the relay said 421: nothing leaves before
        for entry in self.waiting:
            self._keep_quiet(entry.trial)
        self.halted = False
        self.scribe = session.pool.scribe(session.ledger, session.relay.pace.connections)
        self.writing: list[asyncio.Future[None]] = []  # answers on their way to the disk

    async def go(self) -> Delivery:
        while not self.session.stopping.is_set() and not self.halted:
            entry, held = self._choose()
            if entry is not None and len(self.running) < self.relay.pace.connections:
                self._leave(entry)
                if self.relay.pace.connections == 1:
                    await self._send(entry)
                else:
                    self.running.add(asyncio.create_task(self._send(entry)))
                continue
            if not self.running:
                if held is None:
                    return Delivery()
                if (held.until - self.session.now()).total_seconds() > self.session.max_wait:
                    return Delivery(held.until, held.why)
            await self._wait(held if entry is None else None)
        await self._finish()
        return Delivery()

    async def cancel(self) -> None:
        """End what is under way: its connection is closed and its end journalled by its own task."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        self.scribe.flush()
        await asyncio.gather(*self.writing)

    def _entry(self, trial: TrialRecord) -> _Entry:
        if trial.state is State.PLANNED:
            return _Entry(trial)
        answered = trial.answered or self.session.now()
        return _Entry(trial, back_off(self.relay.pace, len(trial.attempts), answered))

    # -- choosing --

    def _choose(self) -> tuple[_Entry | None, Hold | None]:
        """Return the first entry that may leave now, or else the shortest hold; neither where nothing waits."""
        now, shortest = self.session.now(), None
        for entry in self.waiting:
            held = self._hold(entry, now)
            if held is None:
                return entry, None
            if shortest is None or held.until < shortest.until:
                shortest = held
            if not self._own_hold(entry, now):
                break  # the relay's pace holds all alike, and order is part of the experiment
        return None, shortest

    def _hold(self, entry: _Entry, now: datetime) -> Hold | None:
        held = self._own_hold(entry, now)
        if self.quiet_until is not None and self.quiet_until > now:
            quiet = Hold(self.quiet_until, "the relay asked to slow down (421)")
            held = max((found for found in (held, quiet) if found), key=lambda found: found.until)
        trial = entry.trial
        key = f"{self.session.run.shuffle_key}\0{trial.number}\0{len(trial.attempts)}"
        paced = hold(self.relay.pace, now, self.past, trial.domain, key)
        return max((found for found in (held, paced) if found), key=lambda found: found.until, default=None)

    def _own_hold(self, entry: _Entry, now: datetime) -> Hold | None:
        if entry.not_before is not None and entry.not_before > now:
            return Hold(entry.not_before, f"{entry.trial.recipient} was deferred and is tried again")
        if self.relay.kind == "sandbox":
            return None
        address, today = entry.trial.recipient, now.astimezone(UTC).date()
        return seed_hold(now, self.ledger.sent_today(address, today), self.session.run.segment.daily_cap, address)

    # -- waiting --

    async def _wait(self, held: Hold | None) -> None:
        """Wait until something is answered, the hold is over, or the operator wants to stop."""
        self.scribe.flush()
        session, ledger, run = self.session, self.ledger, self.session.run.id
        rest = None if held is None else (held.until - session.now()).total_seconds()
        announced = held is not None and rest is not None and rest > TOLD
        if held is not None and announced:
            session.listener.waits(held.why, held.until)
            if rest is not None and rest > NOTED:
                text = f"{held.why}, until {held.until:%Y-%m-%d %H:%M:%S} UTC"
                ledger.happen(run, Happening(session.now(), "wait", text))
            ledger.set_state(run, "waiting")
        ours: list[asyncio.Future[bool]] = [asyncio.ensure_future(session.stopping.wait())]
        if rest is not None:
            ours.append(asyncio.ensure_future(_nap(session.sleep, rest)))
        try:
            awaited: list[asyncio.Future[Any]] = [*ours, *self.running]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in ours:
                event.cancel()
        if announced:
            ledger.set_state(run, "running")
        await self._reap()

    async def _finish(self) -> None:
        """Let the transactions in hand come to their end."""
        if self.running:
            await asyncio.wait(self.running)
            await self._reap()

    async def _reap(self) -> None:
        done = {task for task in self.running if task.done()}
        self.running -= done
        # All of them are looked at, so that none is left to complain later; the first one's error is raised.
        failures = [task.exception() for task in done if not task.cancelled()]
        for failure in filter(None, failures):
            raise failure

    # -- one trial --

    def _leave(self, entry: _Entry) -> None:
        self.waiting.remove(entry)
        self.past.append(Left(self.session.now(), entry.trial.domain))

    async def _send(self, entry: _Entry) -> None:
        """Take one trial through one transaction and write down what came of it."""
        session, trial = self.session, entry.trial
        journal = Journal(self.scribe, self.ledger, trial, session.now)
        connection: Connection | None = None
        try:
            connection = await session.pool.borrow(self.relay, self._reconnects)
            message = self.ledger.parcel(trial)
            taken = await connection.deliver(message, journal=journal, envelope_id=trial.token)
        except DeliveryError as failure:
            await self._failed(trial, journal, failure)
        except BaseException:
            if journal.begun is not None and connection is not None:
                state = State.UNKNOWN if connection.content_begun else State.NOT_SENT
                connection.abort()
                with contextlib.suppress(ValueError):  # it was the ledger that refused to begin
                    await journal.fail(state, "the sending was broken off", "")
            raise
        else:
            session.pool.lost = 0
            await self._answered(trial, journal, taken)
        if connection is not None:
            session.pool.give_back(connection)

    async def _failed(self, trial: TrialRecord, journal: Journal, failure: DeliveryError) -> None:
        if failure.reply is not None and not failure.after_content:
            await self._turned_away(trial, journal, failure, failure.reply)
            return
        if journal.begun is None:
            raise failure
        state = State.UNKNOWN if failure.after_content else State.NOT_SENT
        await journal.fail(state, str(failure), failure.transcript)
        self.session.listener.answered(self.ledger.trial(trial.token), None, str(failure))
        self.session.pool.lost = 0 if failure.after_content else self.session.pool.lost + 1
        if self.session.pool.lost >= LOST_IN_A_ROW:
            times = f"{LOST_IN_A_ROW} times in a row"
            raise RelayError(f"{failure} ({times}); check the relay, then use --resume") from None
        self._heed_stop_rules()

    async def _turned_away(self, trial: TrialRecord, journal: Journal, failure: DeliveryError, reply: Reply) -> None:
        """Keep a refusal to talk: its words are an answer to this trial. The last try's ends the run."""
        journal.begin()
        after = await self._answered(trial, journal, Handover(reply, None, failure.transcript))
        if reply.transient and not _may_retry(after, self.retries):
            raise RelayError(f"{failure}; wait, then use --resume") from None

    async def _answered(self, trial: TrialRecord, journal: Journal, taken: Handover) -> TrialRecord:
        """Write down an answer. The commit of an acceptance may run beside the next MAIL; a refusal is waited for."""
        reply = taken.reply
        attempt, written = journal.record(taken)
        after = replace(trial, attempts=(*trial.attempts, attempt))
        self.session.listener.answered(after, reply, None)
        if reply.positive:
            self.writing = [*(future for future in self.writing if not future.done()), written]
            return after
        await asyncio.shield(written)
        if _may_retry(after, self.retries):
            self.waiting.append(self._entry(after))
        self._keep_quiet(after)
        self._heed_stop_rules()
        return after

    def _keep_quiet(self, trial: TrialRecord) -> None:
        """Let nothing leave for a while after a 421, whichever message it was said to."""
        if trial.reply is not None and trial.reply.code == 421 and trial.answered is not None:
            until = back_off(self.relay.pace, len(trial.attempts), trial.answered)
            self.quiet_until = max(until, self.quiet_until or until)

    def _heed_stop_rules(self) -> None:
        if stopped_by(self.ledger.facts(self.session.run.id), self.session.read):
            self.halted = True

    def _reconnects(self, text: str) -> None:
        self.ledger.happen(self.session.run.id, Happening(self.session.now(), "reconnect", text))


async def _nap(sleep: Callable[[float], Awaitable[None]], seconds: float) -> bool:
    await sleep(max(0.0, seconds))
    return True
