"""The relay: the SMTP server that messages are handed to, its pace and where its bounces go."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Tls(StrEnum):
    """How the connection is protected; never opportunistic."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"  # loopback only


class Answers(StrEnum):
    """Where the receiver's words are heard."""

    SESSION = "session"
    BOUNCES = "bounces"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast messages may leave. Times in seconds; None: no cap."""

    connections: int = 1
    gap: float = 3.0
    jitter: float = 0.2  # share of the gap
    per_hour: int | None = 60
    per_domain_per_hour: int | None = None
    messages_per_connection: int = 15
    avoid_top_of_hour: bool = True  # Apple answers 451 more often around :00
    backoff: float = 300.0  # after 421/450/451, before the same bytes are tried again
    retries: int = 2


@dataclass(frozen=True, slots=True)
class BounceSource:
    """One place where bounces or events are collected; secrets are resolved late and never shown."""

    kind: str  # imap | maildir | mbox | eml | events | webhook
    path: str = ""
    provider: str | None = None
    host: str = ""
    port: int = 993
    tls: Tls = Tls.IMPLICIT
    username: str = ""
    password: str = field(default="", repr=False)
    auth: str = "login"  # login | xoauth2
    folder: str = "INBOX"
    ca_file: str | None = None
    secret: str = field(default="", repr=False)  # webhook: what the provider signs with


@dataclass(frozen=True, slots=True)
class Relay:
    """One relay of relay.yaml, checked whole. `secret_names` say where secrets came from, never what they are."""

    name: str
    kind: str  # sandbox | smtp | lmtp
    policy: str = ""  # sandbox: path of the policy file
    host: str = "127.0.0.1"
    port: int = 0
    tls: Tls = Tls.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: str | None = None  # plain | login | scram-sha-256 | xoauth2; None: the best that is offered
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    helo: str | None = None
    source_address: str | None = None
    timeout: float = 60.0
    content_timeout: float = 600.0  # the end of DATA may take ten minutes (RFC 5321 section 4.5.3.2.6)
    dsn: bool = True  # ask for DSN parameters where offered (RFC 3461)
    answers: Answers = Answers.SESSION
    settle: float = 900.0  # answers by bounces: silence shorter than this is not an acceptance
    pace: Pace = Pace()
    headers: Mapping[str, str] = field(default_factory=dict)
    bounces: tuple[BounceSource, ...] = ()
    sending_ips: tuple[str, ...] = ()
    mail_from: str = ""  # the domain of the envelope sender that the provider sets; "": it keeps ours
    company: str = ""
    contact: str = ""

    @property
    def loopback(self) -> bool:
        """Nothing handed to this relay can leave the machine by its address."""
        return self.kind == "sandbox" or _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    """An address of this machine, or localhost; 127.0.0.1.shop.example is somebody else's name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
