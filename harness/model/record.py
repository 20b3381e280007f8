"""What the ledger holds of a run: facts as they were, from which everything is computed anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.model.answer import Answer
from harness.model.factor import Factor
from harness.model.problem import Budget, Pause, Together
from harness.model.relay import Relay
from harness.model.reply import Reply
from harness.model.seed import Segment
from harness.model.trial import Ask, State
from harness.model.variant import Rung


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was planned. Times are aware UTC datetimes.

    `state` is running, waiting, finished, stopped or interrupted. `relay_facts` are the settings of the relay
    without secrets (name, kind, host, answers, settle). `digests` name what was run: SHA-256 of campaign files, of
    the segment, of the merge values, so that two runs can be compared. `verp_key` signs tokens of this run.
    """

    id: str
    campaign: str
    segment: Segment
    relay: str
    strategy: str
    state: str
    started: datetime
    ended: datetime | None
    factors: tuple[Factor, ...]
    ladder: tuple[Rung, ...]
    values: Mapping[str, Mapping[str, str]]  # seed or profile -> merge factor -> value shown
    wears: Mapping[str, tuple[str, ...]]
    budget: Budget
    shuffle_key: str
    transactional: bool
    answers: str  # session | bounces
    settle: float
    relay_facts: Mapping[str, object] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    envelope_sender: str = ""
    sender: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    together: tuple[Together, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    version: str = ""

    def went_through(self, relay: Relay) -> bool:
        """Tell this relay from another: a relay.yaml may have given its name to another host since."""
        return self.relay == relay.name and self.relay_facts.get("host", relay.host) == relay.host


@dataclass(frozen=True, slots=True)
class Attempt:
    """One SMTP transaction of a trial: marks, reply, transcript (secrets struck out)."""

    number: int
    state: State
    begun: datetime | None
    content_at: datetime | None
    answered: datetime | None
    reply: Reply | None
    error: str | None  # why there was no reply, in words
    queue_id: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A copy read back from a seed's mailbox: the folder, and how it differs from what was sent."""

    folder: str
    seen: datetime
    differences: tuple[str, ...]
    changed_factors: tuple[str, ...] = ()
    authentication: str | None = None  # Authentication-Results as received
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial with everything that was heard of it."""

    token: str
    number: int  # sending order within the run, from 0
    ask: Ask
    variant: str
    repetition: int
    sha256: str
    size: int
    message_id: str
    envelope_sender: str
    recipient: str
    domain: str
    planned: datetime
    attempts: tuple[Attempt, ...] = ()
    answers: tuple[Answer, ...] = ()  # DSNs and events that matched, in the order in which they were read
    arrivals: tuple[Arrival, ...] = ()

    @property
    def state(self) -> State:
        """The mark of the last attempt; PLANNED where there is none."""
        return self.attempts[-1].state if self.attempts else State.PLANNED

    @property
    def reply(self) -> Reply | None:
        """The last attempt's reply, if one was received."""
        return self.attempts[-1].reply if self.attempts else None

    @property
    def answered(self) -> datetime | None:
        """When the last reply came."""
        return self.attempts[-1].answered if self.attempts else None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something of the run that is no trial: a pause, a stop, a resume, a wait, with its sentence."""

    at: datetime
    kind: str  # pause | stop | resume | wait | note | reconnect
    text: str
    ticks: int = 0  # of a pause

    def as_pause(self) -> Pause:
        """The search's view of a pause that was taken."""
        return Pause(self.ticks, self.text)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A whole run as the ledger has it; trials in sending order."""

    run: RunRecord
    trials: tuple[TrialRecord, ...]
    happenings: tuple[Happening, ...] = ()
    unmatched: tuple[Answer, ...] = ()  # answers that belong to no trial, kept and shown
    findings: tuple[Mapping[str, str], ...] = ()  # preflight rows as they were when the run began
