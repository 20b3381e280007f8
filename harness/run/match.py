"""Matching: to which trial an answer belongs, and by what it was recognised.

Signed things come first: a token in the VERP address, the ENVID, the provider's metadata, a header or the
Message-ID proves itself. What only the ledger can confirm (a whole Message-ID, the relay's queue id with the recipient)
count where no token came back at all; beside a token that is not ours it counts for nothing, since whoever made
that up can make up the rest. Pure: the ledger's side comes as a `Book`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from harness.model.answer import Answer, Source
from harness.model.record import TrialRecord
from harness.run.token import find_token, verify

K = TypeVar("K", bound=Hashable)


class By(StrEnum):
    """What tied an answer to a trial, or why nothing did."""

    VERP = "verp"
    ENVID = "envid"
    METADATA = "metadata"
    HEADER = "header"
    MESSAGE_ID = "message_id"
    QUEUE_ID = "queue_id"
    NOTHING = "nothing"
    FORGED = "forged"  # it bears a token that this workspace never signed
    UNKNOWN_TRIAL = "unknown_trial"  # our token, but the ledger has no such trial


@dataclass(frozen=True, slots=True)
class Match:
    """The trial that an answer is about; `token` and `run` are None where it is about none of ours."""

    by: By
    token: str | None = None
    run: str | None = None


class Book(Protocol):
    """What the ledger is asked: which trial goes by this name."""

    def run_of(self, token: str) -> str | None:
        """Return the run of a trial, None if there is no such trial."""
        ...

    def by_message_id(self, message_id: str) -> str | None:
        """Return the one trial with this Message-ID (without brackets, lower case)."""
        ...

    def by_queue_id(self, queue_id: str, recipient: str) -> str | None:
        """Return the one trial that the relay queued by this id for this recipient (both lower case)."""
        ...


@dataclass(frozen=True)
class Index:
    """A book made of trials in memory. A name that several trials share stands for none of them."""

    runs: Mapping[str, str] = field(default_factory=dict)  # token -> run
    message_ids: Mapping[str, str | None] = field(default_factory=dict)
    queue_ids: Mapping[tuple[str, str], str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, trials: Iterable[tuple[str, TrialRecord]]) -> Index:
        """Index trials, each with its run's id."""
        runs: dict[str, str] = {}
        message_ids: dict[str, str | None] = {}
        queue_ids: dict[tuple[str, str], str | None] = {}
        for run, trial in trials:
            runs[trial.token] = run
            _put(message_ids, bare(trial.message_id), trial.token)
            for attempt in trial.attempts:
                if attempt.queue_id:
                    _put(queue_ids, (attempt.queue_id.lower(), trial.recipient.lower()), trial.token)
        return cls(runs, message_ids, queue_ids)

    def run_of(self, token: str) -> str | None:
        """Return the run of a trial."""
        return self.runs.get(token)

    def by_message_id(self, message_id: str) -> str | None:
        """Return the one trial with this Message-ID."""
        return self.message_ids.get(message_id)

    def by_queue_id(self, queue_id: str, recipient: str) -> str | None:
        """Return the one trial queued by this id for this recipient."""
        return self.queue_ids.get((queue_id, recipient))


def match(answer: Answer, key: bytes, book: Book) -> Match:
    """Find the trial that an answer is about: signed carriers first, then what the ledger can confirm."""
    shaped = False
    for by, text in _carriers(answer):
        token, looks = find_token(text, key)
        shaped = shaped or looks
        if token is not None:
            return _known(token, by, key, book)
    if shaped:
        return Match(By.FORGED)
    token = book.by_message_id(bare(answer.message_id)) if answer.message_id else None
    if token is not None:
        return _known(token, By.MESSAGE_ID, key, book)
    for recipient in (answer.original_recipient, answer.recipient):
        if answer.queue_id and recipient:
            token = book.by_queue_id(answer.queue_id.lower(), recipient.lower())
            if token is not None:
                return _known(token, By.QUEUE_ID, key, book)
    return Match(By.NOTHING)


def _carriers(answer: Answer) -> Iterable[tuple[By, str]]:
    """Yield where a token may stand, most trusted first."""
    trial = By.METADATA if answer.source is Source.EVENT else By.HEADER
    for by, text in (
        (By.VERP, answer.envelope_recipient),
        (By.ENVID, answer.envelope_id),
        (trial, answer.trial),
        (By.MESSAGE_ID, answer.message_id),
    ):
        if text:
            yield by, text


def _known(token: str, by: By, key: bytes, book: Book) -> Match:
    run = book.run_of(token)
    if run is None:
        named = verify(token, key)
        return Match(By.UNKNOWN_TRIAL, None, named[0] if named else None)
    return Match(by, token, run)


def _put(table: dict[K, str | None], key: K, token: str) -> None:
    """Enter a key; one that two trials share belongs to none."""
    table[key] = token if table.get(key, token) == token else None


def bare(message_id: str) -> str:
    """Return a Message-ID without brackets, in lower case."""
    return message_id.strip().removeprefix("<").removesuffix(">").lower()
