"""SPF: the record of the MAIL FROM domain, read and evaluated as a receiver does (RFC 7208)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.check.lookup import Lookup, Resolver, could_not
from harness.check.notice import Grade, Notice

MOST_LOOKUPS = 10  # section 4.6.4
MOST_VOID = 2
_TERM = re.compile(r"([+?~-]?)([a-z0-9]+)(?:[:=]([^/\s]*))?((?:/\d{1,3})?(?://\d{1,3})?)$", re.IGNORECASE)
_MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_RESULTS = {"+": "pass", "": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _PermError(Exception):
    """The record can't be evaluated, whoever sends."""


class _TempError(Exception):
    """A question had no answer."""


@dataclass(slots=True)
class _Walk:
    """One evaluation: who sends (None: nobody, count everything), what was asked, which records were read."""

    resolver: Resolver
    ip: Address | None
    lookups: int = 0
    void: int = 0
    trail: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)

    def ask(self, name: str, kind: str, *, counts: bool = True) -> Lookup:
        found = self.resolver.ask(name, kind)
        if found.failed:
            raise _TempError(could_not(found))
        if found.absent and counts:
            self.void += 1
            if self.void > MOST_VOID and self.ip is not None:
                raise _PermError(f"more than {MOST_VOID} lookups find nothing (RFC 7208 section 4.6.4)")
        return found

    def count(self) -> None:
        self.lookups += 1
        if self.lookups > 4 * MOST_LOOKUPS:
            raise _PermError(
                f"more than {4 * MOST_LOOKUPS} DNS lookups, {MOST_LOOKUPS} are allowed (RFC 7208 section 4.6.4)"
            )
        if self.lookups > MOST_LOOKUPS and self.ip is not None:
            raise _PermError(f"more than {MOST_LOOKUPS} DNS lookups (RFC 7208 section 4.6.4)")


@dataclass(frozen=True, slots=True)
class Spf:
    """What a domain's SPF comes to. `results` maps each sending IP to pass, fail, softfail, neutral or an error."""

    domain: str
    record: str | None
    lookups: int
    results: dict[str, str]
    trail: tuple[str, ...]
    error: str = ""
    failed: str = ""


def evaluate(domain: str, ips: Sequence[str], resolver: Resolver) -> Spf:
    """Read a domain's SPF, count its lookups, and evaluate it for each sending IP."""
    walk = _Walk(resolver, None)
    record, error, failed = None, "", ""
    try:
        record = _record(walk, domain)
        if record is not None:
            _check(walk, domain, record)
            if walk.lookups > MOST_LOOKUPS:
                error = f"{walk.lookups} DNS lookups, {MOST_LOOKUPS} are allowed (RFC 7208 section 4.6.4)"
            elif walk.void > MOST_VOID:
                error = f"{walk.void} lookups find nothing, {MOST_VOID} are allowed (RFC 7208 section 4.6.4)"
    except _PermError as problem:
        error = str(problem)
    except _TempError as problem:
        failed = str(problem)
    results = {ip: _result(domain, ip, resolver) for ip in ips} if record is not None else {}
    return Spf(domain, record, walk.lookups, results, tuple(walk.trail), error, failed)


def _result(domain: str, ip: str, resolver: Resolver) -> str:
    walk = _Walk(resolver, ipaddress.ip_address(ip))
    try:
        record = _record(walk, domain)
        return "none" if record is None else _check(walk, domain, record)
    except _PermError:
        return "permerror"
    except _TempError:
        return "temperror"


def _record(walk: _Walk, domain: str) -> str | None:
    found = walk.ask(domain, "TXT", counts=False)
    records = [text for text in found.records if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]
    if len(records) > 1:
        raise _PermError(f"{domain} has {len(records)} SPF records (RFC 7208 section 4.5)")
    return records[0] if records else None


def _check(walk: _Walk, domain: str, record: str, depth: int = 0) -> str:
    """Evaluate one record; without an IP every term is walked, for the count."""
    if depth > MOST_LOOKUPS + 2:
        raise _PermError(f"{domain}: includes go in a circle")
    walk.trail.append(f"{domain}: {record}")
    redirect = None
    for term in record.split()[1:]:
        match = _TERM.match(term)
        if match is None:
            raise _PermError(f"{domain}: {term!r} is no SPF term")
        sign, name, value, cidr = match[1], match[2].lower(), match[3], match[4]
        if name in ("redirect", "exp") or ("=" in term and name not in _MECHANISMS):
            redirect = value if name == "redirect" else redirect
            continue
        if name not in _MECHANISMS:
            raise _PermError(f"{domain}: {term!r} is no SPF mechanism")
        if name in ("ip4", "ip6"):
            value = term.split(":", 1)[1] if ":" in term else ""
        if _matches(walk, domain, name, value or "", cidr, depth) and walk.ip is not None:
            return _RESULTS[sign]
        if name == "all":
            return _RESULTS[sign]
    if redirect:
        walk.count()
        inner = _record(walk, redirect)
        if inner is None:
            raise _PermError(f"redirect={redirect}: there is no SPF record")
        return _check(walk, redirect, inner, depth + 1)
    return "neutral"


def _matches(walk: _Walk, domain: str, name: str, value: str, cidr: str, depth: int) -> bool:
    if name == "all":
        return True
    if name in ("ip4", "ip6"):
        return _in_network(walk.ip, name, value, domain)
    walk.count()
    target = value or domain
    if "%" in target:
        walk.uncertain.append(target)  # a macro asks for the message at hand
        return False
    if name == "include":
        inner = _record(walk, target)
        if inner is None:
            raise _PermError(f"include:{target}: there is no SPF record")
        return _check(walk, target, inner, depth + 1) == "pass" and walk.ip is not None
    if name == "mx":
        hosts = [record.split()[-1] for record in walk.ask(target, "MX").records]
        return any(_has_address(walk, host, cidr) for host in hosts[:10])
    if name == "exists":
        return bool(walk.ask(target, "A").records)
    return name == "a" and _has_address(walk, target, cidr)


def _in_network(ip: Address | None, name: str, value: str, domain: str) -> bool:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise _PermError(f"{domain}: {name}:{value} is no network") from None
    return ip is not None and ip.version == network.version and ip in network


def _has_address(walk: _Walk, host: str, cidr: str) -> bool:
    kind = "AAAA" if walk.ip is not None and walk.ip.version == 6 else "A"
    records = walk.ask(host, kind).records
    if walk.ip is None:
        return False
    v4, _, v6 = cidr.partition("//")
    length = (v6 if walk.ip.version == 6 else v4.strip("/")) or ("128" if walk.ip.version == 6 else "32")
    return any(walk.ip in ipaddress.ip_network(f"{record}/{length}", strict=False) for record in records)


def spf_notices(spf: Spf) -> list[Notice]:
    """Say what is wrong with a domain's SPF."""
    about = f"MAIL FROM {spf.domain}"
    if spf.failed and spf.record is None:
        return [
            Notice(
                "spf",
                Grade.UNKNOWN,
                about,
                "SPF could not be checked",
                spf.failed,
                "Ask again later, or set another resolver in check.yaml.",
            )
        ]
    if spf.error and spf.record is None:
        return [
            Notice("spf-invalid", Grade.FAIL, about, "SPF can't be evaluated", spf.error, "Leave one record of v=spf1.")
        ]
    if spf.record is None:
        return [Notice("spf-missing", Grade.FAIL, about, "no SPF record", f"TXT {spf.domain}: none begins with v=spf1",
                       "Publish one that names the relay's servers; Apple asks bulk senders for SPF and "
                       "DKIM.")]  # fmt: skip
    out = []
    if spf.error:
        out.append(
            Notice(
                "spf-invalid",
                Grade.FAIL,
                about,
                "SPF can't be evaluated",
                spf.error,
                "Take includes out that nobody sends from; receivers stop at the limit.",
            )
        )
    elif spf.failed:
        out.append(
            Notice("spf", Grade.UNKNOWN, about, "part of SPF could not be checked", spf.failed, "Ask again later.")
        )
    if re.search(r"(?:^|\s)\+?all\b", spf.record):
        out.append(
            Notice(
                "spf-open", Grade.WARN, about, "SPF lets everyone send", spf.record, "End the record with -all or ~all."
            )
        )
    for ip, result in spf.results.items():
        out.append(_for_ip(about, ip, result, spf))
    if not out:
        out.append(
            Notice("spf", Grade.OK, about, f"SPF record found, {spf.lookups} of {MOST_LOOKUPS} lookups", spf.record)
        )
    return out


def _for_ip(about: str, ip: str, result: str, spf: Spf) -> Notice:
    grade = {"pass": Grade.OK, "temperror": Grade.UNKNOWN, "neutral": Grade.WARN, "softfail": Grade.WARN}.get(
        result, Grade.FAIL
    )
    do = "" if grade is Grade.OK else f"Add {ip} to the record, or the include that the ESP names."
    return Notice(
        "spf-ip", grade, f"{about}, IP {ip}", f"SPF says {result} for {ip}", f"{spf.record} ({spf.lookups} lookups)", do
    )
