"""DNS: questions to name servers, with their answers told apart; and an offline resolver that knows nothing.

A server that is silent, refuses or fails gives `failed`, never "there is none".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Answered(NamedTuple):
    """An answer in plain values: state is records, empty, no_name or failed."""

    name: str
    type: str
    state: str
    records: tuple[str, ...]
    why: str


class Dns:
    """Asks name servers, each question once."""

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53, timeout: float = 3.0) -> None:
        import dns.resolver

        self._resolver = dns.resolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        self._resolver.timeout = timeout
        self._resolver.lifetime = timeout * 2
        self._known: dict[tuple[str, str], Answered] = {}

    def ask(self, name: str, kind: str) -> Answered:
        """Look up records; never raises."""
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        return self._known[key]

    def _ask(self, name: str, kind: str) -> Answered:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            answer = self._resolver.resolve(dns.name.from_text(name), kind, search=False)
        except dns.resolver.NXDOMAIN:
            return Answered(name, kind, "no_name", (), "")
        except dns.resolver.NoAnswer:
            return Answered(name, kind, "empty", (), "")
        except (dns.resolver.NoNameservers, dns.exception.Timeout) as error:
            return Answered(name, kind, "failed", (), _why(error))
        except (dns.exception.DNSException, UnicodeError, ValueError) as error:
            return Answered(name, kind, "failed", (), f"no such question can be asked: {type(error).__name__}")
        except OSError as error:
            return Answered(name, kind, "failed", (), str(error))
        return Answered(name, kind, "records", tuple(sorted(_text(record, kind) for record in answer)), "")


class Offline:
    """Asks nobody: every question fails, and the table says so."""

    def ask(self, name: str, kind: str) -> Answered:
        """Say that nothing was asked."""
        return Answered(name, kind, "failed", (), "offline: not asked")


def _text(record: object, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", errors="replace")  # type: ignore[attr-defined]
    if kind == "MX":
        return f"{record.preference} {record.exchange.to_text()}"  # type: ignore[attr-defined]
    return str(record).rstrip(".") if kind in ("PTR", "NS", "CNAME") else str(record)


def _why(error: Exception) -> str:
    import dns.exception

    if isinstance(error, dns.exception.Timeout):
        return "no answer within the time limit"
    return "the name servers fail or refuse: " + str(error).split(": ")[-1][:120]
