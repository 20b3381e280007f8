"""Lookups: what a resolver answers, told apart so that "could not ask" is never taken for "is not there"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Found(StrEnum):
    """How a question was answered."""

    RECORDS = "records"
    EMPTY = "empty"  # the name exists, without records of this type
    NO_NAME = "no_name"  # NXDOMAIN
    FAILED = "failed"  # no answer, SERVFAIL, refused, or offline


@dataclass(frozen=True, slots=True)
class Lookup:
    """One answer. TXT records are whole strings; MX records are `preference host`."""

    name: str
    type: str
    state: Found
    records: tuple[str, ...] = ()
    why: str = ""

    @property
    def absent(self) -> bool:
        """It is known that there is none."""
        return self.state in (Found.EMPTY, Found.NO_NAME)

    @property
    def failed(self) -> bool:
        """Nothing is known."""
        return self.state is Found.FAILED


class Resolver(Protocol):
    """Who answers; harness.edge.dns asks name servers, tests may answer from a table."""

    def ask(self, name: str, kind: str) -> Lookup:
        """Look up A, AAAA, MX, TXT, PTR or NS records; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Name:
    """A domain with its registrable part (public suffix list), as the caller worked it out."""

    domain: str
    registrable: str


class Suffixes(Protocol):
    """The public suffix list."""

    def registrable(self, host: str) -> str:
        """Return the domain that was registered, the host itself where the list says nothing."""
        ...

    def is_public(self, ending: str) -> bool:
        """Tell a top-level domain from an ending that is none, such as that of a file."""
        ...


class PublicSuffixes:
    """The list that comes with publicsuffixlist; its private part counts (shop.esp-hosting.example is its own)."""

    def __init__(self) -> None:
        from publicsuffixlist import PublicSuffixList

        self._list = PublicSuffixList()

    def registrable(self, host: str) -> str:
        """Return the registered domain of a host."""
        return str(self._list.privatesuffix(host.lower().rstrip(".")) or host.lower().rstrip("."))

    def is_public(self, ending: str) -> bool:
        """Tell a top-level domain that exists."""
        return bool(self._list.publicsuffix(ending, accept_unknown=False))


def could_not(lookup: Lookup) -> str:
    """Say why a question has no answer."""
    return f"{lookup.type} {lookup.name}: {lookup.why or 'no answer'}"
