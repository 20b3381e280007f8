"""The sandbox: a stand-in for Apple's MX, real SMTP on loopback, that refuses by a policy.

It makes no claim about how Apple decides. Nothing that it accepts is delivered anywhere.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import AnyStr

from aiosmtpd.smtp import SMTP, Envelope, Session

from harness.edge.loopback import is_loopback
from harness.edge.policy import Judge, Parcel, Policy, fill
from harness.edge.policy_file import load_policy
from harness.edge.received import Received
from harness.errors import ConfigError

MAX_MESSAGE = 40_000_000
_END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the sandbox answered to one message or recipient."""

    sender: str
    recipient: str
    domain: str
    reply: str
    rule: str  # "" where it was accepted
    size: int


class Stand:
    """The policy at work for all connections of one server."""

    def __init__(
        self,
        policy: Policy,
        domains: Mapping[str, str],
        tell: Callable[[Decision], None] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.judge = Judge(policy)
        self._domains = {address.casefold(): domain for address, domain in domains.items()}
        self._tell = tell
        self._clock = clock
        self._recent: deque[float] = deque()
        self._queued = 0

    def domain(self, recipient: str) -> str:
        """Return the Apple domain that an address counts under."""
        return self._domains.get(recipient.casefold(), recipient.rpartition("@")[2].lower())

    def recipient(self, sender: str, recipient: str) -> str | None:
        """Return the reply that refuses a recipient, if any: an unknown mailbox, a full one, or the rate."""
        refusal = self.judge.at_recipient(sender, recipient)
        rule = "recipient"
        if refusal is None:
            refusal, rule = self._too_fast(sender, recipient), "rate"
        if refusal is not None:
            self._note(Decision(sender, recipient, self.domain(recipient), refusal, rule, 0))
        return refusal

    def message(self, sender: str, recipient: str, content: bytes) -> str:
        """Return the reply to a whole message."""
        parcel = Parcel(Received(content), sender, recipient, self.domain(recipient))
        refusal = self.judge.at_end(parcel)
        self._queued += 1
        reply, rule = refusal or (f"250 2.0.0 Ok: queued as {self._queued:012X}", "")
        self._note(Decision(sender, recipient, parcel.domain, reply, rule, len(content)))
        return reply

    def _too_fast(self, sender: str, recipient: str) -> str | None:
        rate = self.judge.policy.rate
        if rate is None:
            return None
        now = self._clock()
        while self._recent and now - self._recent[0] >= rate.seconds:
            self._recent.popleft()
        if len(self._recent) >= rate.messages:
            return fill(rate.reply, sender, recipient)
        self._recent.append(now)
        return None

    def _note(self, decision: Decision) -> None:
        if self._tell is not None:
            self._tell(decision)


class _Handler:
    """What aiosmtpd asks about one connection."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT; one recipient a transaction, for one verdict is for one recipient."""
        if envelope.rcpt_tos:
            return "452 4.5.3 Too many recipients"
        refusal = self._stand.recipient(str(envelope.mail_from or ""), address)
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"


class _Session(SMTP):
    """One connection. The end of DATA is searched for in blocks: line by line takes most of a message's time."""

    line_length_limit = 65_536  # a production message may have long lines; a real relay would fold them

    def __init__(self, stand: Stand, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _Handler(stand),
            hostname="sandbox.example",
            ident="ESMTP harness sandbox",
            enable_SMTPUTF8=True,
            data_size_limit=MAX_MESSAGE,
            loop=loop,
        )
        self._stand = stand

    async def push(self, status: AnyStr) -> None:
        """Send a reply; after a 421 the connection is closed (RFC 5321 section 3.8)."""
        await super().push(status)
        if (status if isinstance(status, bytes) else status.encode()).startswith(b"421") and self.transport is not None:
            self.transport.close()

    async def smtp_DATA(self, arg: str | None) -> None:
        """Take a whole message and answer by the policy."""
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        sender, recipient = str(envelope.mail_from or ""), envelope.rcpt_tos[0]
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await self._content()
        self.envelope = self._create_envelope()
        if content is None:
            await self.push("552 5.3.4 Message size exceeds fixed limit")
        else:
            await self.push(self._stand.message(sender, recipient, content))

    async def _content(self) -> bytes | None:
        """Read to the lone dot; None if there is more than a message may have."""
        block = bytearray(b"\r\n")  # so that an empty message ends like any other
        searched, too_large = 0, False
        while (end := block.find(_END, searched)) < 0:
            searched = max(0, len(block) - len(_END))
            block += await self._reader.read(2**30)  # all that is there; a lost connection cancels this task
            if len(block) > MAX_MESSAGE:
                too_large, searched = True, 0
                del block[: -len(_END)]
        rest = bytes(block[end + len(_END) :])
        if rest:
            self._reader.feed_data(rest)  # the next command; all was read, so the order holds
        return None if too_large else bytes(block[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]


async def listen(
    policy: Policy,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    domains: Mapping[str, str] | None = None,
    tell: Callable[[Decision], None] | None = None,
) -> asyncio.Server:
    """Start the sandbox in the running loop; port 0 takes any free one.

    Raises:
        ConfigError: the host is not loopback, or the port is taken.
    """
    if not is_loopback(host):
        raise ConfigError(f"sandbox: {host} is not a loopback address; the stand-in serves this machine only")
    loop = asyncio.get_running_loop()
    stand = Stand(policy, domains or {}, tell)
    try:
        return await loop.create_server(lambda: _Session(stand, loop), host, port)
    except OSError as failure:
        raise ConfigError(
            f"sandbox: can't listen on {host}:{port}: {failure.strerror}; choose another --port"
        ) from None


async def serve(
    policy: Policy,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    domains: Mapping[str, str] | None = None,
    tell: Callable[[Decision], None] | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until cancelled; `ready` is told the port. Errors as in `listen`."""
    server = await listen(policy, host, port, domains=domains, tell=tell)
    async with server:
        if ready is not None:
            ready(_port(server))
        await server.serve_forever()


class Sandbox:
    """A sandbox in a thread of its own, for the run that starts it.

    `domains` maps seed addresses to the Apple domain that they count under. Use it as a context manager, which gives
    itself with `port` set, or call `start` and `stop`.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        domains: Mapping[str, str] | None = None,
        tell: Callable[[Decision], None] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.host, self.port = host, port
        self._policy, self._domains, self._tell = policy, domains, tell
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None

    @classmethod
    def load(cls, path: Path, domains: Mapping[str, str]) -> Sandbox:
        """Make a sandbox by a policy file, for the seeds of a segment.

        Raises:
            ConfigError: the file is wrong.
        """
        return cls(load_policy(path, path.name), domains=domains)

    def start(self) -> int:
        """Begin to listen; returns the port. Errors as in `listen`."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        starting = listen(self._policy, self.host, self.port, domains=self._domains, tell=self._tell)
        try:
            self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        except BaseException:
            self.stop()
            raise
        self.port = _port(self._server)
        return self.port

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = None

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
