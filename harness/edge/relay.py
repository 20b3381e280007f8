"""Delivery through a relay: one message at a time, step by step, with every reply kept.

aiosmtplib's `sendmail` and `data` are not used, for they can lose a 554, hide whether the message bytes had been
sent, and take a late reply for the next message's. Here a refusal is data and silence is an error, and after silence
the connection is never used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import aiosmtplib

from harness.edge.envelope import EnvelopeError, commands, queue_id
from harness.edge.line import CLOSING_TIMEOUT, SILENCE, DeliveryError, Line, folded
from harness.errors import ConfigError, RelayError
from harness.model.relay import Answers, Relay
from harness.model.reply import Reply, Step
from harness.model.variant import Message

__all__ = ["Connection", "DeliveryError", "Handover", "Journal"]


QUICK = 0.001  # seconds; a relay that answers faster is on this machine or beside it


@dataclass(frozen=True, slots=True)
class Handover:
    """What the relay answered to one message: a refusal is an answer too."""

    reply: Reply
    queue_id: str | None
    transcript: str


class Journal(Protocol):
    """Who writes down how far a message came. Both may be called again for the same message, and then do nothing."""

    def begin(self) -> None:
        """MAIL comes next; this mark must be durable before that of the content."""

    def announce(self) -> None:
        """The message bytes come within a millisecond, unless DATA is refused: begin to write the mark."""

    async def content(self) -> None:
        """The message bytes come next, as soon as this mark is durable."""


class Connection(Line):
    """One connection to a relay, opened when it is needed and opened again when the relay closed it."""

    def __init__(self, relay: Relay, tell: Callable[[str], None] | None = None) -> None:
        super().__init__(relay)
        self.carried = 0  # messages that this connection has taken to an answer
        self.content_begun = False  # of the message in hand, or the last one
        self._tell = tell or (lambda text: None)
        self._dirty = False  # a refused envelope is still open on the relay's side

    async def open(self) -> None:
        """Connect, protect the line, say hello, log in; errors as in `Line.open`."""
        self.carried, self._dirty = 0, False
        await super().open()

    async def deliver(self, message: Message, *, journal: Journal, envelope_id: str | None = None) -> Handover:
        """Hand over one message and return what the relay answered, a refusal too.

        The journal's `begin` is called before MAIL, `content` right before the message bytes. A connection that
        the relay closed before our envelope was taken (idle, too many errors) is replaced, once, by a new one.

        Raises:
            DeliveryError: there was no answer. Before `journal.begin`: the relay can't be reached or won't talk.
            RelayError: the relay can't carry this message, or can't be logged in to; nothing was begun.
        """
        self.content_begun = False
        _check_lines(message)
        await self._make_ready()
        envelope = self._commands(message, envelope_id)
        journal.begin()
        reused = self.carried > 0
        try:
            return await self._transact(message, envelope, journal, reused=reused)
        except _Stale as stale:
            self._tell(f"{self.where} closed the connection after {self.carried} messages; a new one is opened")
            before = self._transcript.take()
            await self.open()
            self._transcript.note(f"a new connection, for the last one was closed: {stale}")
            delivery = await self._transact(message, self._commands(message, envelope_id), journal, reused=False)
            return Handover(delivery.reply, delivery.queue_id, f"{before}\n{delivery.transcript}")

    async def _make_ready(self) -> None:
        """Have an open connection with no envelope on it."""
        if self.is_open and self._dirty:
            try:
                answer = await self.say(b"RSET", timeout=CLOSING_TIMEOUT)
            except SILENCE:
                self.abort()
            else:
                self._dirty = False
                if answer.code != 250:
                    self.abort()
        if not self.is_open:
            if self.carried:
                self._tell(f"{self.where} closed the connection after {self.carried} messages; a new one is opened")
            await self.open()
        elif self.carried:
            self._transcript.note(f"message {self.carried + 1} on this connection")

    def _commands(self, message: Message, envelope_id: str | None) -> _Envelope:
        notify = "SUCCESS,FAILURE,DELAY" if self.relay.answers is Answers.BOUNCES else "FAILURE,DELAY"
        try:
            made = commands(message, self.offered, dsn=self.relay.dsn, notify=notify, envelope_id=envelope_id)
        except EnvelopeError as reason:
            raise RelayError(f"{self.where}: message to {message.recipient}: {reason}; nothing was sent") from None
        return ((made.mail, Step.MAIL), (made.rcpt, Step.RCPT), (b"DATA", Step.DATA))

    async def _transact(self, message: Message, envelope: _Envelope, journal: Journal, *, reused: bool) -> Handover:
        """Take one message through MAIL, RCPT, DATA and the end of data."""
        step, quick, loop = Step.MAIL, False, asyncio.get_running_loop()
        try:
            for command, step in envelope:
                if step is Step.DATA and quick:
                    loop.call_soon(journal.announce)  # it is written while the relay thinks
                asked = loop.time()
                answer = await self.say(command)
                quick = loop.time() - asked < QUICK
                if answer.code == 421 and step is Step.MAIL and reused:
                    raise _Stale(f"421 {folded(answer.message)}")
                if answer.code != 354 if step is Step.DATA else answer.code // 100 != 2:
                    return self._answered(Reply(answer.code, answer.message, step))
            await journal.content()
            step = Step.CONTENT
            answer = await self._hand_over(message.content)
            return self._answered(Reply(answer.code, answer.message, step))
        except SILENCE as failure:
            self.abort()
            if reused and not self.content_begun:
                raise _Stale(self.explain(failure)) from None
            raise self._lost(message, step, failure) from None
        except BaseException:
            self.abort()
            raise

    async def _hand_over(self, content: bytes) -> aiosmtplib.SMTPResponse:
        client = self._client
        if client is None or client.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        client.protocol.write((b"." if content.startswith(b".") else b"") + stuffed + b".\r\n")
        self.content_begun = True  # a write that raised has sent nothing
        self._transcript.content(content)
        self.patience = self.relay.content_timeout
        async with asyncio.timeout(self.patience):
            return await client.protocol.read_response()

    def _answered(self, reply: Reply) -> Handover:
        """Keep a reply; one that makes no sense is silence."""
        if reply.code // 100 not in (2, 4, 5) or (reply.positive and reply.step is not Step.CONTENT):
            raise aiosmtplib.SMTPResponseException(reply.code, f"an answer that makes no sense: {reply.text[:200]}")
        self.carried += 1
        self._dirty = reply.step is not Step.CONTENT
        if reply.code == 421:
            self.abort()
        found = queue_id(reply.text) if reply.step is Step.CONTENT and reply.positive else None
        return Handover(reply, found, self._transcript.take())

    def _lost(self, message: Message, step: Step, failure: BaseException) -> DeliveryError:
        after = self.content_begun
        known = "whether it was taken is unknown" if after else "it was not sent"
        place = "after the message bytes" if after else f"at {step.value}"
        text = f"{self.where}: no answer {place} for {message.recipient}: {self.explain(failure)}; {known}"
        return DeliveryError(text, after_content=after, transcript=self._transcript.take())


_Envelope = tuple[tuple[bytes, Step], ...]


class _Stale(Exception):
    """The relay closed a connection that it had used before, and has seen nothing of our message."""


def _check_lines(message: Message) -> None:
    """Refuse bytes that SMTP can't carry as they are.

    A bare CR or LF would be changed on the way, and some servers take it for the end of the message (smuggling).
    """
    content = message.content
    lines = content.count(b"\r\n")
    if content.count(b"\n") != lines or content.count(b"\r") != lines or not content.endswith(b"\r\n"):
        raise ConfigError(
            f"message to {message.recipient}: a line break that is no CRLF, or none at the end; "
            "SMTP can't carry these bytes as they are"
        )
