"""DNS: questions to name servers, with their answers told apart; and an offline resolver that knows nothing.

A server that is silent, refuses or fails gives `failed`, never "there is none". Servers that stay silent are not
asked without end: each question costs the whole time limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.model.found import Found, Lookup
from harness.model.seed import is_reserved

if TYPE_CHECKING:
    import dns.message

MOST_SILENT = 2  # questions in a row without an answer, before it is looked whether anybody is there at all
MOST_SILENCES = 24  # questions in all without an answer, whoever is there


class Dns:
    """Asks name servers, each question once; may be asked from several threads.

    Reserved names (RFC 2606) are asked only of name servers that were named: the public ones don't know them.
    """

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53, timeout: float = 3.0) -> None:
        import dns.resolver

        try:
            self._resolver = dns.resolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.resolver.Resolver(configure=False)
        if nameservers:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        self._resolver.timeout = timeout
        self._resolver.lifetime = timeout * 2
        self._named = bool(nameservers)
        self._known: dict[tuple[str, str], Lookup] = {}
        self._silent = self._silences = 0
        self._gave_up = False

    def ask(self, name: str, kind: str) -> Lookup:
        """Look up records; never raises."""
        if not self._named and is_reserved(name):
            return _unasked(name, kind, "reserved names (RFC 2606) are known to no public name server")
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        return self._known[key]

    def _ask(self, name: str, kind: str) -> Lookup:
        import dns.exception

        if not self._resolver.nameservers:
            return _failed(name, kind, "this machine has no name server; set resolver.nameservers in check.yaml")
        if self._gave_up:
            servers = ", ".join(map(str, self._resolver.nameservers[:3]))
            return _unasked(name, kind, f"{servers} stayed silent")
        try:
            found = self._look_up(name, kind)
        except dns.exception.Timeout:
            self._silent += 1
            self._silences += 1
            if self._silences >= MOST_SILENCES or (self._silent >= MOST_SILENT and not self._anybody_there()):
                self._gave_up = True
            return _failed(name, kind, "no answer within the time limit")
        self._silent = 0
        return found

    def _look_up(self, name: str, kind: str) -> Lookup:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            answer = self._resolver.resolve(dns.name.from_text(name), kind, search=False)
        except dns.resolver.NXDOMAIN:
            return Lookup(name, kind, Found.NO_NAME)
        except dns.resolver.NoAnswer as none:
            target = _left_open(none.kwargs["response"])
            if target:
                return _failed(name, kind, f"it is an alias of {target}, for which the name servers have no answer")
            return Lookup(name, kind, Found.EMPTY)
        except dns.resolver.NoNameservers as error:
            codes = sorted(set(re.findall(r"answered ([A-Z]+)", str(error))))
            return _failed(name, kind, f"the name servers answer {', '.join(codes) or 'nothing that can be read'}")
        except dns.exception.Timeout:
            raise
        except (dns.exception.DNSException, UnicodeError, ValueError) as error:
            return _failed(name, kind, f"no such question can be asked: {type(error).__name__}")
        except OSError as error:
            return _failed(name, kind, str(error))
        return Lookup(name, kind, Found.RECORDS, tuple(sorted(_text(record, kind) for record in answer)))

    def _anybody_there(self) -> bool:
        """Ask for what every name server has an answer to: the silence may be that of one domain's own servers."""
        import dns.exception

        try:
            self._look_up(".", "NS")
        except dns.exception.Timeout:
            return False
        self._silent = 0
        return True


class Offline:
    """Asks nobody: every question fails, and the table says so."""

    def ask(self, name: str, kind: str) -> Lookup:
        """Say that nothing was asked."""
        return _failed(name, kind, "offline: not asked")


def _left_open(response: dns.message.Message) -> str:
    """Return the alias that an answer ends with and says nothing of: no SOA stands beside it (RFC 2308 section 2.2)."""
    import dns.rdatatype

    aliases = [rrset for rrset in response.answer if rrset.rdtype == dns.rdatatype.CNAME]
    if not aliases or any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority):
        return ""
    return str(aliases[-1][0]).rstrip(".")


def _failed(name: str, kind: str, why: str) -> Lookup:
    return Lookup(name, kind, Found.FAILED, (), why)


def _unasked(name: str, kind: str, why: str) -> Lookup:
    return Lookup(name, kind, Found.FAILED, (), why, asked=False)


def _text(record: object, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", errors="replace")  # type: ignore[attr-defined]
    if kind == "MX":
        return f"{record.preference} {record.exchange.to_text()}"  # type: ignore[attr-defined]
    return str(record).rstrip(".") if kind in ("PTR", "NS", "CNAME") else str(record)
