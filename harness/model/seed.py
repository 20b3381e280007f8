"""Seeds and segments: mailboxes that the sender owns at Apple domains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

APPLE_DOMAINS = ("icloud.com", "me.com", "mac.com", "privaterelay.appleid.com", "custom")
RESERVED_SUFFIXES = (".example", ".test", ".invalid", ".localhost", "example.com", "example.net", "example.org")
MAX_SEEDS = 50  # a segment is a handful of own mailboxes; the harness is no bulk mailer
DEFAULT_DAILY_CAP = 10


def is_reserved(host: str) -> bool:
    """Tell whether a host name or address is under a reserved domain (RFC 2606, RFC 6761)."""
    name = "." + host.rpartition("@")[2].rstrip(".").lower()
    return any(name.endswith("." + suffix.lstrip(".")) for suffix in RESERVED_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a seed's own mail can be read back over IMAP; the password is resolved late."""

    host: str
    username: str
    password: str = field(repr=False)
    port: int = 993
    tls: str = "implicit"
    folder: str = "INBOX"
    junk: str = "Junk"
    auth: str = "login"  # login | xoauth2
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Seed:
    """One own mailbox. `domain` is the Apple domain that it is counted under.

    `merge` holds what personalization puts into this recipient's message; values may be
    strings, numbers, lists or mappings, as the template needs them.
    """

    address: str
    domain: str
    merge: Mapping[str, object] = field(default_factory=dict, hash=False)
    mailbox: Mailbox | None = None

    @property
    def id(self) -> str:
        """The address: it names the seed everywhere."""
        return self.address


@dataclass(frozen=True, slots=True)
class Segment:
    """A named few seeds, vouched for by an owner."""

    name: str
    owner: str
    seeds: tuple[Seed, ...]
    daily_cap: int = DEFAULT_DAILY_CAP

    def seed(self, address: str) -> Seed:
        """Find a seed by address; KeyError if the segment has none."""
        for seed in self.seeds:
            if seed.address == address:
                return seed
        raise KeyError(address)
