"""Lookups: who is asked for DNS records and for registered domains, and why there was no answer."""

from __future__ import annotations

from typing import Protocol

from harness.model.found import Found, Lookup

NOT_ASKED = "not asked"
OFFLINE = "offline"
__all__ = ["NOT_ASKED", "OFFLINE", "Found", "Lookup", "PublicSuffixes", "Resolver", "Suffixes", "could_not", "retry"]


class Resolver(Protocol):
    """Who answers; harness.edge.dns asks name servers, tests may answer from a table."""

    def ask(self, name: str, kind: str) -> Lookup:
        """Look up A, AAAA, MX, TXT, PTR or NS records; never raises."""
        ...


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


def retry(lookup: Lookup) -> str:
    """Say what to do about a question without an answer."""
    if lookup.why.startswith("no such question"):
        return "Correct the name: DNS can't be asked for it."
    return "Ask again later."


def could_not(lookup: Lookup) -> str:
    """Say why a question has no answer; the same words for all that were not asked any more."""
    if lookup.why.startswith(OFFLINE):
        return f"{NOT_ASKED}: {OFFLINE}"
    return f"{lookup.type} {lookup.name}: {lookup.why or 'no answer'}" if lookup.asked else f"{NOT_ASKED}: {lookup.why}"
