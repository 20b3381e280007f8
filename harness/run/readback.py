"""Read accepted copies back from the seeds' own mailboxes, inbox and junk, and note what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message as Parsed
from email.parser import BytesHeaderParser

from harness.edge.imap import ImapInlet, Login
from harness.edge.inlet import Piece
from harness.edge.ledger import Ledger
from harness.errors import MailboxError
from harness.model.factor import Factor
from harness.model.record import Arrival, RunFacts, TrialRecord
from harness.model.seed import Mailbox, Seed
from harness.model.trial import State
from harness.run.arrival import arrival
from harness.run.collect import CLOCK_MARGIN
from harness.run.match import bare
from harness.run.token import find_token

Unlock = Callable[[Mailbox], Mailbox]


@dataclass
class ReadBack:
    """What was found in the seeds' mailboxes."""

    arrivals: list[tuple[TrialRecord, Arrival]] = field(default_factory=list)  # new ones
    failed: list[str] = field(default_factory=list)


def read_back(ledger: Ledger, facts: RunFacts, unlock: Unlock, now: Callable[[], datetime]) -> ReadBack:
    """Look for the copies of a run that no one has seen yet, wherever a seed names its mailbox.

    Messages are found by the signed token in any header (Message-ID, Return-Path, X-Retest-Id), or by their whole
    Message-ID. A mailbox that can't be read doesn't keep the others from being read.
    """
    key, found = ledger.signing_key(), ReadBack()
    for seed in facts.run.segment.seeds:
        wanted = {trial.token: trial for trial in facts.trials if _may_have_arrived(trial, seed)}
        if seed.mailbox is None or not wanted:
            continue
        try:
            mailbox = unlock(seed.mailbox)
            for trial, folder, raw in _copies(mailbox, wanted, key, facts.run.started, found):
                in_production = [factor for factor in facts.run.factors if factor.id in trial.ask.factors]
                sent = ledger.message(trial.sha256)
                copy = _compared(sent, raw, in_production, folder, now(), trial)
                if ledger.arrive(trial.token, copy):
                    found.arrivals.append((trial, copy))
        except MailboxError as error:
            found.failed.append(f"mailbox of {seed.address}: {error}")
    return found


def _may_have_arrived(trial: TrialRecord, seed: Seed) -> bool:
    """Every trial that may have gone out and was not refused in session; `unknown` ones above all."""
    if trial.ask.seed != seed.address or trial.arrivals or trial.state in (State.PLANNED, State.NOT_SENT):
        return False
    return trial.reply is None or trial.reply.positive


def _copies(
    mailbox: Mailbox, wanted: dict[str, TrialRecord], key: bytes, since: datetime, found: ReadBack
) -> Iterator[tuple[TrialRecord, str, bytes]]:
    login = Login(mailbox.host, mailbox.username, mailbox.password, mailbox.port, mailbox.tls, mailbox.auth,
                  mailbox.ca_file)  # fmt: skip
    for folder in dict.fromkeys((mailbox.folder, mailbox.junk)):
        inlet = ImapInlet(login, folder, since - CLOCK_MARGIN, part="HEADER")
        try:
            heads = [piece for piece in inlet.read(lambda identity: False) if isinstance(piece, Piece)]
            for head in heads:
                trial = _trial_of(head.raw, wanted, key)
                whole = inlet.whole(head.identity) if trial is not None else None
                if trial is not None and whole is not None:
                    yield trial, folder, whole
        except MailboxError as error:
            if folder == mailbox.folder:
                raise
            found.failed.append(f"junk folder: {error}")
        finally:
            inlet.close()


def _trial_of(head: bytes, wanted: dict[str, TrialRecord], key: bytes) -> TrialRecord | None:
    parsed: Parsed = BytesHeaderParser().parsebytes(head)
    for _, value in parsed.items():
        token, _ = find_token(str(value), key)
        if token in wanted:
            return wanted[token]
    message_id = bare(str(parsed.get("Message-ID", "")))
    same = [trial for trial in wanted.values() if message_id and bare(trial.message_id) == message_id]
    return same[0] if len(same) == 1 else None


def _compared(
    sent: bytes, raw: bytes, factors: Sequence[Factor], folder: str, seen: datetime, trial: TrialRecord
) -> Arrival:
    try:
        return arrival(sent, raw, factors, folder, seen, trial.envelope_sender)
    except RecursionError:
        return Arrival(folder, seen, ("nested too deeply to be compared",), content=raw)
