"""Hops: the stops of a redirect chain, and whose fault it is where a chain breaks off."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What is at fault where a chain breaks off before its end."""

    NONE = "none"
    LINK = "link"  # the link itself: a circle, no web address, nothing that a reader's browser could open
    APP = "app"  # nothing is wrong: an app is opened, which no program can follow
    LENGTH = "length"  # more redirects than are followed
    CERTIFICATE = "certificate"  # for another name, or expired: browsers warn every reader
    WAY = "way"  # nobody answered, and that may be the network's fault


@dataclass(frozen=True, slots=True)
class Hop:
    """One stop: the URL, what the server answered (0: nothing), and why it went no further."""

    url: str
    status: int
    error: str = ""
    fault: Fault = Fault.NONE
