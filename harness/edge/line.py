"""One line to a relay: connected, protected, greeted, logged in; commands and their answers, and a transcript.

aiosmtplib gives the protocol. What it does by itself is not used: its TLS is opportunistic, and its login tries a
wrong password three times.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket

import aiosmtplib
from aiosmtplib.esmtp import parse_esmtp_extensions

from harness.edge import sasl
from harness.edge.loopback import is_loopback
from harness.edge.tls_context import explain_tls, tls_context
from harness.edge.transcript import STRUCK, Transcript
from harness.errors import RelayError
from harness.model.relay import Relay, Tls
from harness.model.reply import Reply, Step

CLOSING_TIMEOUT = 5.0  # for RSET and QUIT, whose answers change nothing
# What counts as "no answer": lost, late, or no SMTP.
SILENCE = (OSError, aiosmtplib.SMTPException)


class DeliveryError(RelayError):
    """There was no answer to a message, or no dialogue at all.

    `after_content` tells whether the message bytes may have reached the relay: then nobody knows what became of
    them. `reply` is the refusal where the relay refused to talk (greeting, EHLO). `later`: by its own word it may
    talk another time (4yz).
    """

    def __init__(
        self,
        text: str,
        *,
        after_content: bool = False,
        reply: Reply | None = None,
        later: bool = False,
        transcript: str = "",
    ) -> None:
        super().__init__(text)
        self.after_content = after_content
        self.reply = reply
        self.later = later or (reply is not None and reply.transient)
        self.transcript = transcript


class Line:
    """A connection and its state; opened when it is needed."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.offered: dict[str, str] = {}
        self.is_up = False  # greeted, protected, logged in: what fails now is no matter of host and port
        self.patience = relay.timeout  # seconds that the last answer was waited for
        self._mechanisms: list[str] = []
        self._client: aiosmtplib.SMTP | None = None
        self._transcript = Transcript((relay.password,) if relay.password else ())

    @property
    def is_open(self) -> bool:
        """The relay has not closed the connection, as far as we know."""
        return self._client is not None and self._client.is_connected

    @property
    def where(self) -> str:
        """Name and place of the relay, for messages."""
        host = f"[{self.relay.host}]" if ":" in self.relay.host else self.relay.host
        return f"relay {self.relay.name} ({host}:{self.relay.port})"

    # -- opening -------------------------------------------------------------

    async def open(self) -> None:
        """Connect, protect the line, say hello, log in.

        Raises:
            RelayError: one line that says what happened and what to do.
            ConfigError: certificate files can't be used.
        """
        self.abort()
        self.is_up = False
        relay = self.relay
        if relay.username is not None and relay.tls is Tls.NONE:
            raise RelayError(f"{self.where}: no password goes over an open line; set tls: starttls or implicit")
        if relay.tls is Tls.NONE and not is_loopback(relay.host):
            raise RelayError(f"{self.where}: tls: none is for loopback only; set tls: starttls or implicit")
        try:
            await self._connect()
            await self._hello()
            if relay.tls is Tls.STARTTLS:
                await self._starttls()
                await self._hello()
            if relay.username is not None:
                await self._log_in(relay.username, relay.password or "")
            self.is_up = True
        except DeliveryError:
            self.abort()
            raise
        except SILENCE as failure:
            self.abort()
            raise DeliveryError(f"{self.where}: {self.explain(failure)}", transcript=self._transcript.take()) from None
        except BaseException:
            self.abort()
            raise

    async def _connect(self) -> None:
        relay = self.relay
        self._transcript = Transcript((relay.password,) if relay.password else ())
        self._transcript.note(f"connecting to {relay.host}:{relay.port}, tls {relay.tls.value}")
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname="localhost",  # unused: the greeting is ours
            source_address=(relay.source_address, 0) if relay.source_address else None,
            timeout=relay.timeout,
            use_tls=relay.tls is Tls.IMPLICIT,
            start_tls=False,
            tls_context=None if relay.tls is Tls.NONE else tls_context(relay),
        )
        self._client = client
        try:
            greeting = await client.connect()
        except aiosmtplib.SMTPConnectResponseError as refusal:
            reply = Reply(refusal.code, refusal.message, Step.CONNECT)
            raise self._refused("refuses to talk", reply) from None
        self._transcript.received(f"{greeting.code} {greeting.message}".encode())
        assert client.protocol is not None
        protocol, received = client.protocol, client.protocol.data_received

        def spy(data: bytes) -> None:
            self._transcript.received(data)
            received(data)

        protocol.data_received = spy  # type: ignore[method-assign]

    async def _hello(self) -> None:
        verb = b"LHLO" if self.relay.kind == "lmtp" else b"EHLO"
        answer = await self.say(verb + b" " + (self.relay.helo or self._own_name()).encode("ascii", "replace"))
        if answer.code != 250:
            raise self._refused(f"refuses {verb.decode()}", Reply(answer.code, answer.message, Step.HELO))
        self.offered, mechanisms = parse_esmtp_extensions(answer.message)
        self._mechanisms = mechanisms

    async def _starttls(self) -> None:
        if "starttls" not in self.offered:
            raise DeliveryError(
                f"{self.where}: STARTTLS is not offered, so nothing was sent; "
                "check the port (implicit TLS is often 465), or someone strips it on the way"
            )
        assert self._client is not None
        assert self._client.protocol is not None
        self._transcript.sent("STARTTLS")
        protocol = self._client.protocol
        await protocol.start_tls(tls_context(self.relay), self.relay.host, timeout=self.relay.timeout)
        self._client.transport = protocol.transport
        self._transcript.note("TLS begins")

    async def _log_in(self, username: str, password: str) -> None:
        """Authenticate by one mechanism, once: a wrong password is one failed login."""
        name = sasl.choose(self.relay.auth, self._mechanisms)
        if name is None:
            wanted = self.relay.auth.upper() if self.relay.auth else "a mechanism that the harness knows"
            have = ", ".join(word.upper() for word in self._mechanisms) or "none"
            raise DeliveryError(f"{self.where}: AUTH with {wanted} is not offered (it has {have}); check port and auth")
        talk = sasl.MECHANISMS[name](username, password)
        try:
            answer = await self._converse(name, talk)
        except sasl.SaslError as failure:
            raise DeliveryError(f"{self.where}: login as {username} failed: {failure}") from None
        if answer.code != 235:
            later = 400 <= answer.code < 500  # RFC 4954 section 6: 454 is a temporary failure of theirs
            raise DeliveryError(
                f"{self.where}: login as {username} was refused ({name.upper()}, tried once): {self.told(answer)}; "
                + ("try again later" if later else "check username and password"),
                later=later,
            )

    async def _converse(self, name: str, talk: sasl.Talk) -> aiosmtplib.SMTPResponse:
        command, shown = f"AUTH {name.upper()}".encode(), f"AUTH {name.upper()}"
        if name in sasl.WITH_INITIAL_RESPONSE:
            answer = await self.say(command + b" " + base64.b64encode(next(talk)), f"{shown} {STRUCK}")
            pending = False
        else:
            answer = await self.say(command, shown)
            pending = True
        response = b"-"
        while answer.code == 334:
            try:
                challenge = base64.b64decode(answer.message)
                response = next(talk) if pending else talk.send(challenge)
            except ValueError:
                raise sasl.SaslError("the server's challenge is no base64") from None
            except StopIteration:
                raise sasl.SaslError("the server asks for more than the mechanism has") from None
            pending = False
            answer = await self.say(base64.b64encode(response), STRUCK)
        if answer.code == 235 and name == "scram-sha-256" and response:
            raise sasl.SaslError("the server does not prove that it knows the password")
        return answer

    # -- in use --------------------------------------------------------------

    async def close(self) -> None:
        """Say QUIT and close."""
        if self.is_open:
            with contextlib.suppress(*SILENCE):  # it may have closed first
                await self.say(b"QUIT", timeout=CLOSING_TIMEOUT)
        self.abort()

    def abort(self) -> None:
        """Close at once: what the relay might still say must not be taken for another message's answer."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # -- inside --------------------------------------------------------------

    async def say(
        self, command: bytes, shown: str | None = None, timeout: float | None = None
    ) -> aiosmtplib.SMTPResponse:
        """Send one command and return its answer."""
        client = self._client
        if client is None or client.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        self._transcript.sent(command.decode("utf-8", "replace") if shown is None else shown)
        self.patience = timeout or self.relay.timeout
        async with asyncio.timeout(self.patience):
            return await client.protocol.execute_command(command)

    def told(self, answer: aiosmtplib.SMTPResponse) -> str:
        """Return an answer on one line, to be shown: secrets struck out."""
        return self._transcript.strike(f"{answer.code} {folded(answer.message)}")

    def _own_name(self) -> str:
        """Return the name for EHLO where none is set: the host's full name, or an address literal."""
        name = socket.gethostname()
        if "." in name.strip("."):
            return name
        assert self._client is not None
        address = str(self._client.get_transport_info("sockname")[0])
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"  # RFC 5321 section 4.1.3

    def _refused(self, what: str, reply: Reply) -> DeliveryError:
        self._transcript.received(f"{reply.code} {reply.text}".encode("utf-8", "replace"))
        return DeliveryError(
            f"{self.where} {what}: {reply.code} {folded(reply.text)}", reply=reply, transcript=self._transcript.take()
        )

    def explain(self, failure: BaseException) -> str:
        """Say in words why there was no dialogue."""
        relay = self.relay
        tls = "" if relay.tls is Tls.NONE else explain_tls(relay, failure)
        if tls:
            return tls
        if isinstance(failure, aiosmtplib.SMTPResponseException):
            return self._transcript.strike(f"the server answered {failure.code} {folded(failure.message)}")
        cause = failure.__cause__ if isinstance(failure.__cause__, OSError) else failure
        if isinstance(cause, socket.gaierror):
            return f"there is no host called {relay.host}; correct host in relay.yaml"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused; is the server running, and are host and port right?"
        if isinstance(cause, TimeoutError):
            if self.is_up:
                return f"no answer within {self.patience:g} s"
            return f"no answer within {relay.timeout:g} s; is the port right, and does a firewall let it through?"
        if isinstance(cause, (aiosmtplib.SMTPServerDisconnected, ConnectionError)):
            return "the server closed the connection"
        return f"{cause.strerror if isinstance(cause, OSError) and cause.strerror else cause}".rstrip(".")


def folded(text: str) -> str:
    """Put a reply's text on one line."""
    return " ".join(text.split())[:400]
