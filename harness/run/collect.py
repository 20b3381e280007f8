"""Collect: read what came back, match it to trials, write it down. Reading twice changes nothing."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from harness.bounce.rule import Rules
from harness.edge.config import Workspace
from harness.edge.inlet import Found, Inlet, Piece, Skipped
from harness.edge.ledger import Ledger
from harness.errors import ConfigError, HarnessError, MailboxError
from harness.model.answer import Answer, Evidence, Kind, Level, Reading, Source
from harness.model.record import RunRecord
from harness.model.relay import BounceSource, Relay
from harness.run.heard import is_settled, to_note
from harness.run.match import By, Index, Match, match
from harness.run.token import verify

CLOCK_MARGIN = timedelta(hours=1)  # clocks of servers differ; a mail is looked at rather once too often
FIRST_BACKOFF, MAX_BACKOFF = 5.0, 300.0  # seconds after a source failed
LISTENING = 30.0  # seconds between notes that a webhook is being served
Read = Callable[[Piece], list[Answer]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer that was read, the trial that it is about, and whether it is new."""

    answer: Answer
    match: Match
    new: bool
    place: str


@dataclass
class Gathered:
    """What a collection came to."""

    heard: list[Heard] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # sources that could not be read, in words
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)  # run -> verdict before, after

    @property
    def new(self) -> list[Heard]:
        """Those that were not known."""
        return [one for one in self.heard if one.new]

    @property
    def by(self) -> Counter[str]:
        """How many new answers were matched by what."""
        return Counter(one.match.by.value for one in self.new)


def reader_by(rules: Rules) -> Read:
    """Return how pieces are read by these rules (the workspace's own go first)."""
    from harness.bounce.dsn import read_mail
    from harness.bounce.events import read_events

    def read(piece: Piece) -> list[Answer]:
        if piece.provider is None:
            return read_mail(piece.raw, rules=rules)
        return read_events(piece.raw, piece.provider or None, rules=rules)

    return read


def read_piece(piece: Piece) -> list[Answer]:
    """Read the answers of one mail or event by the project's own rules."""
    from harness.bounce.rules import RULES

    return reader_by(RULES)(piece)


class LedgerBook:
    """The ledger as matching asks it; trials of the latest weeks are indexed when a weak name first comes up."""

    def __init__(self, ledger: Ledger, key: bytes) -> None:
        self._ledger = ledger
        self._key = key
        self._index: Index | None = None

    def run_of(self, token: str) -> str | None:
        """Return the run of a trial."""
        named = verify(token, self._key)
        if named is None:
            return None
        try:
            self._ledger.trial(token)
        except ConfigError:
            return None
        return named[0]

    def by_message_id(self, message_id: str) -> str | None:
        """Return the one trial with this Message-ID."""
        return self._whole().by_message_id(message_id)

    def by_queue_id(self, queue_id: str, recipient: str) -> str | None:
        """Return the one trial queued by this id for this recipient."""
        return self._whole().by_queue_id(queue_id, recipient)

    def forget(self) -> None:
        """Look at the ledger anew at the next question, for more may have been sent."""
        self._index = None

    def _whole(self) -> Index:
        if self._index is None:
            runs = self._ledger.runs()
            self._index = Index.of((run.id, trial) for run in runs for trial in self._ledger.facts(run.id).trials)
        return self._index


class Collector:
    """Writes down what sources yield; may be used by several threads."""

    def __init__(
        self, ledger: Ledger, now: Callable[[], datetime], read: Read = read_piece, relay: str | None = None
    ) -> None:
        """`relay` names the relay whose sources are read, so that complete readings are noted at its runs."""
        self._relay = relay
        self._listened: set[str] = set()  # runs that have nothing left to listen for
        self._ledger = ledger
        self._now = now
        self._read = read
        self._key = ledger.signing_key()
        self._book = LedgerBook(ledger, self._key)
        self._lock = threading.Lock()
        self.before_change: Callable[[str], None] = lambda run: None  # called before a run's first new answer

    def known(self, identity: str) -> bool:
        """Tell whether a mail or event was read to its end."""
        return self._ledger.heard(identity)

    def begin_pass(self) -> None:
        """Begin a new round of reading."""
        self._book.forget()

    def end_pass(self, begun: datetime) -> None:
        """Note at the relay's runs that every source was read from this moment on, where that settles a silence."""
        for run in self._ledger.runs() if self._relay else []:
            if run.relay != self._relay or run.answers != "bounces" or run.id in self._listened:
                continue
            facts = self._ledger.facts(run.id)
            note = to_note(facts, begun)
            if note is not None:
                self._ledger.happen(run.id, note)
            elif is_settled(facts):
                self._listened.add(run.id)

    def now(self) -> datetime:
        """Return the time."""
        return self._now()

    def take(self, piece: Piece) -> list[Heard]:
        """Read one mail or event and keep its answers; all are on the disk when this returns.

        The answer that bears the bare identity is written last, so that a mail counts as read only when all of it is.
        """
        with self._lock:
            answers = self._answers(piece)
            heard = []
            for number in reversed(range(len(answers))):
                identity = f"{piece.identity}#{number}" if number else piece.identity
                heard.append(self._keep(replace(answers[number], raw=piece.place), identity, piece))
            return heard[::-1]

    def _answers(self, piece: Piece) -> list[Answer]:
        try:
            return self._read(piece)
        except HarnessError as error:
            return [_unreadable(piece, str(error))]
        except Exception as error:  # one poisonous mail must not hide those behind it; its bytes are kept
            return [_unreadable(piece, f"{type(error).__name__}: {error}")]

    def _keep(self, answer: Answer, identity: str, piece: Piece) -> Heard:
        found = match(answer, self._key, self._book)
        if found.token is not None and found.run is not None and not self._ledger.heard(identity):
            self.before_change(found.run)
        run = found.run if found.token is not None else None
        new = self._ledger.hear(run, answer, found.token, identity, piece.raw, self._now())
        return Heard(answer, found, new, piece.place)


def gather(collector: Collector, inlets: Sequence[Inlet]) -> Gathered:
    """Read every source once. A source that fails doesn't keep the others from being read."""
    gathered, begun = Gathered(), collector.now()
    collector.begin_pass()
    for inlet in inlets:
        try:
            for found in inlet.read(collector.known):
                _sort_in(gathered, found, collector)
        except MailboxError as error:
            gathered.failed.append(str(error))
    if inlets and not gathered.failed:
        collector.end_pass(begun)
    return gathered


def watch(
    collector: Collector,
    inlets: Sequence[Inlet],
    stop: threading.Event,
    every: float = 60.0,
    posted: queue.SimpleQueue[list[Heard]] | None = None,
) -> Iterator[tuple[str, Gathered]]:
    """Read the sources again and again, each in a thread of its own, and yield what was found, by source.

    A source that fails is tried again, after longer and longer pauses. What webhooks took (it is in the ledger
    already) comes through `posted`, so that telling of it keeps no provider waiting.
    """
    rounds: Rounds = queue.Queue(maxsize=8)
    read_at: dict[int, datetime | None] = {id(inlet): None for inlet in inlets}
    noted = collector.now() if posted is not None else None
    for inlet in inlets:
        threading.Thread(target=_follow, args=(inlet, collector, rounds, stop, every), daemon=True).start()
    while not stop.is_set():
        while posted is not None and not posted.empty():
            yield "webhook", Gathered(heard=posted.get())
        if not inlets and noted is not None and (collector.now() - noted).total_seconds() >= LISTENING:
            noted = collector.now()
            collector.end_pass(noted)
        try:
            one = rounds.get(timeout=0.2)
        except queue.Empty:
            continue
        gathered = Gathered(failed=[str(one.found)] if isinstance(one.found, MailboxError) else [])
        for found in [] if isinstance(one.found, MailboxError) else one.found:
            _sort_in(gathered, found, collector)
        one.done.set()
        if gathered.heard or gathered.skipped or gathered.failed:
            yield one.inlet.name, gathered
        read_at[id(one.inlet)] = None if gathered.failed else one.begun or read_at[id(one.inlet)]
        moments = [at for at in read_at.values() if at is not None]
        if one.begun and len(moments) == len(read_at):
            collector.end_pass(min(moments))


@dataclass(frozen=True)
class _Round:
    """Part of one reading of a source; `begun` is set on its last part, when all of it was found."""

    inlet: Inlet
    found: list[Found] | MailboxError
    begun: datetime | None = None
    done: threading.Event = field(default_factory=threading.Event)


Rounds = queue.Queue[_Round]


def _follow(
    inlet: Inlet,
    collector: Collector,
    rounds: Rounds,
    stop: threading.Event,
    every: float,
) -> None:
    """Read one source for ever, in portions that are bounded in memory."""
    skipped: set[str] = set()
    pause = FIRST_BACKOFF
    while not stop.is_set():
        begun = collector.now()
        collector.begin_pass()
        try:
            for portion in _portions(inlet.read(collector.known), skipped):
                _hand_over(_Round(inlet, portion), rounds, stop)
        except MailboxError as error:
            _hand_over(_Round(inlet, error), rounds, stop)
            stop.wait(pause)
            pause = min(pause * 2, MAX_BACKOFF)
            continue
        _hand_over(_Round(inlet, [], begun), rounds, stop)
        pause = FIRST_BACKOFF
        inlet.wait(every)
    inlet.close()


def _hand_over(one: _Round, rounds: Rounds, stop: threading.Event) -> None:
    """Wait until what was found is written down: only then the source knows what is known."""
    rounds.put(one)
    while not one.done.wait(0.2) and not stop.is_set():
        pass


def _portions(found: Iterable[Found], skipped: set[str], most: int = 20) -> Iterator[list[Found]]:
    """Cut a reading into small lists; what was skipped is told of once."""
    portion: list[Found] = []
    for one in found:
        if isinstance(one, Skipped):
            if one.place in skipped:
                continue
            skipped.add(one.place)
        portion.append(one)
        if len(portion) == most:
            yield portion
            portion = []
    if portion:
        yield portion


def _sort_in(gathered: Gathered, found: Found, collector: Collector) -> None:
    if isinstance(found, Skipped):
        gathered.skipped.append(found)
    else:
        gathered.heard.extend(collector.take(found))


def inlets_of(workspace: Workspace, relay: Relay, since: datetime | None) -> list[Inlet]:
    """Make the relay's sources ready to be read; nothing is opened yet. Webhooks are served, not read.

    Raises:
        ConfigError: a secret is missing.
    """
    earliest = since - CLOCK_MARGIN if since else None
    return [
        _inlet(workspace, workspace.unlock_source(relay, source), earliest)
        for source in relay.bounces
        if source.kind != "webhook"
    ]


def _inlet(workspace: Workspace, source: BounceSource, since: datetime | None) -> Inlet:
    from harness.edge.feed import EventFolder
    from harness.edge.mailbox import EmlFolder, Maildir, Mbox

    path = workspace.path(source.path)
    if source.kind == "maildir":
        return Maildir(path, source.folder, since)
    if source.kind == "mbox":
        return Mbox(path)
    if source.kind == "eml":
        return EmlFolder(path)
    if source.kind == "events":
        return EventFolder(path, source.provider)
    from harness.edge.imap import ImapInlet, Login

    login = Login(
        source.host, source.username, source.password, source.port, source.tls.value, source.auth, source.ca_file
    )
    return ImapInlet(login, source.folder, since)


def begin_of(runs: Iterable[RunRecord], relay: str) -> datetime | None:
    """Return when the first run through a relay began: no earlier mail can be about a trial of it."""
    return min((run.started for run in runs if run.relay == relay), default=None)


def _unreadable(piece: Piece, why: str) -> Answer:
    """Make the answer that stands for something that can't be read: it is kept, shown, and proves nothing."""
    reading = Reading(None, None, None, f"can't be read: {why}"[:500], "unknown", Level.NONE, Evidence.NONE, None, "")
    source = Source.DSN if piece.provider is None else Source.EVENT
    return Answer(Kind.OTHER, source, reading, provider=piece.provider or None)


def unmatched(gathered: Gathered) -> list[Heard]:
    """Return the new answers that belong to no trial here, forged ones among them."""
    return [one for one in gathered.new if one.match.token is None]


def forged(gathered: Gathered) -> list[Heard]:
    """Return the new answers that bear a token which this workspace never signed."""
    return [one for one in gathered.new if one.match.by is By.FORGED]
