"""check.yaml: what `harness check` may ask, and whom. Every key has a default; the file may be missing."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from harness.edge.schema import DnsName, Duration, IpAddress, Port, Strict, dns_name
from harness.edge.secret import REFERENCE

BITS = frozenset(str(1 << n) for n in range(8))
Wait = Annotated[Duration, Field(gt=0, le=600)]


class ResolverFile(Strict):
    """Which name servers are asked; none: the system's."""

    nameservers: list[IpAddress] = Field(default_factory=list)
    port: Port = 53
    timeout: Wait = 3.0


class SelectorFile(Strict):
    """A DKIM key that the relay signs with."""

    domain: DnsName
    selector: DnsName


def zone_name(text: str) -> str:
    """Read a list's zone, of which a key may be part (`${DQS_KEY}.dbl.list.example`)."""
    return dns_name(text) if dns_name(REFERENCE.sub("key", text)) == text else text


def code(key: object) -> str:
    """Read what a list answers: an address in 127.0.0.0/8, or one bit of its last octet (1, 2, 4, ... 128)."""
    text = str(key)
    try:
        known = text in BITS or ipaddress.IPv4Address(text).is_loopback
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{text!r} is no answer of a list; write 127.0.1.2 or, for one bit of the last octet, 8")
    return text


class BlocklistFile(Strict):
    """A DNS list to ask; none is asked by default. Mind its terms of use."""

    zone: Annotated[str, AfterValidator(zone_name)]
    of: Literal["domain", "ip"] = "domain"
    codes: dict[Annotated[str, BeforeValidator(code)], str] = Field(default_factory=dict)


class FollowFile(Strict):
    """Limits of --follow. `private` lets links to loopback and private networks be followed: for tests."""

    hops: Annotated[int, Field(ge=0, le=20)] = 5
    timeout: Wait = 5.0
    private: bool = False


class SpamdFile(Strict):
    """Where a spamd answers."""

    host: str = "127.0.0.1"
    port: Port = 783
    timeout: Wait = 30.0


class CheckFile(Strict):
    """The whole file."""

    offline: bool = False
    resolver: ResolverFile = ResolverFile()
    dkim: list[SelectorFile] = Field(default_factory=list)
    blocklists: list[BlocklistFile] = Field(default_factory=list)
    follow: FollowFile = FollowFile()
    spamd: SpamdFile | None = None
    bimi_selector: DnsName = "default"
