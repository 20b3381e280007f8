"""check.yaml: what `harness check` may ask, and whom. Every key has a default; the file may be missing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.edge.schema import DnsName, Duration, IpAddress, Port, Strict

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


class BlocklistFile(Strict):
    """A DNS list to ask; none is asked by default. Mind its terms of use."""

    zone: DnsName
    of: Literal["domain", "ip"] = "domain"
    codes: dict[str, str] = Field(default_factory=dict)


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
