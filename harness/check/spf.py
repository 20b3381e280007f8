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
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.IGNORECASE)
_MECHANISM = re.compile(r"([+?~-]?)([a-z][a-z0-9]*)(?::(.*?))?((?:/\d{1,3})?(?://\d{1,3})?)", re.IGNORECASE)
_MACRO = re.compile(r"%(?:([%_-])|\{([a-z])(\d*)(r?)([.\-+,/_=]*)\})", re.IGNORECASE)
_MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_NEED_VALUE = ("include", "exists", "ip4", "ip6", "redirect")
_RESULTS = {"+": "pass", "": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _PermError(Exception):
    """The record can't be evaluated, whoever sends."""


class _TempError(Exception):
    """A question had no answer."""


@dataclass(frozen=True, slots=True)
class _Term:
    """One mechanism, with what it is worth where it matches."""

    result: str
    name: str
    value: str
    cidr: str = ""


@dataclass(slots=True)
class _Walk:
    """One evaluation: who sends (None: not known, walk everything), what was asked, which records were read.

    Without an IP `open` tells whether some client could have passed before a limit was reached.
    """

    resolver: Resolver
    ip: Address | None
    sender: str  # the MAIL FROM domain
    lookups: int = 0
    void: int = 0
    open: bool = False
    trail: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)

    @property
    def within(self) -> bool:
        """No limit is reached yet."""
        return self.lookups <= MOST_LOOKUPS and self.void <= MOST_VOID

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
    """What a domain's SPF comes to. `results` maps each sending IP to pass, fail, softfail, neutral, an error, or
    `uncertain`, where the record asks for more of the message at hand than its domain and IP.
    """

    domain: str
    record: str | None
    lookups: int
    results: dict[str, str]
    trail: tuple[str, ...]
    error: str = ""
    failed: str = ""
    open: bool = True  # some client may pass

    @property
    def passes(self) -> bool | None:
        """Tell whether every sending IP passes; None where that is not known."""
        results = set(self.results.values())
        if not results:
            return None if self.open or self.failed else False
        if results == {"pass"}:
            return True
        return False if results - {"pass", "uncertain", "temperror"} else None


def evaluate(domain: str, ips: Sequence[str], resolver: Resolver) -> Spf:
    """Read a domain's SPF, count its lookups, and evaluate it for each sending IP."""
    walk = _Walk(resolver, None, domain)
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
    return Spf(domain, record, walk.lookups, results, tuple(walk.trail), error, failed, walk.open)


def _result(domain: str, ip: str, resolver: Resolver) -> str:
    walk = _Walk(resolver, ipaddress.ip_address(ip), domain)
    try:
        record = _record(walk, domain)
        result = "none" if record is None else _check(walk, domain, record)
        return "uncertain" if walk.uncertain and result != "pass" else result
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
    terms, redirect = _terms(domain, record)
    for term in terms:
        if not _matches(walk, domain, term, depth):
            continue
        if term.result == "pass" and term.name != "include" and walk.within:  # an include is as open as what it holds
            walk.open = True
        if walk.ip is not None or term.name == "all":
            return term.result
    if redirect:
        walk.count()
        target = _filled(walk, domain, redirect)
        if target is None:
            return "neutral"
        inner = _record(walk, target)
        if inner is None:
            raise _PermError(f"redirect={target}: there is no SPF record")
        return _check(walk, target, inner, depth + 1)
    return "neutral"


def _terms(domain: str, record: str) -> tuple[list[_Term], str | None]:
    """Read a whole record: a fault anywhere in it is an error whoever sends (section 4.6)."""
    terms, modifiers = [], {}
    for term in record.split()[1:]:
        modifier = _MODIFIER.fullmatch(term)
        if modifier and modifier[1].lower() not in _MECHANISMS:
            name = modifier[1].lower()
            if name in ("redirect", "exp") and name in modifiers:
                raise _PermError(f"{domain}: {name}= stands there twice (RFC 7208 section 6)")
            modifiers[name] = modifier[2]
            continue
        match = _MECHANISM.fullmatch(term)
        if match is None or match[2].lower() not in _MECHANISMS:
            raise _PermError(f"{domain}: {term!r} is no SPF mechanism")
        one = _Term(_RESULTS[match[1]], match[2].lower(), match[3] or "", match[4])
        if one.name in _NEED_VALUE and not one.value:
            raise _PermError(f"{domain}: {term!r} names nothing")
        if one.name in ("ip4", "ip6"):
            _network(domain, one)
        elif not _is_length(one.cidr):
            raise _PermError(f"{domain}: {term!r} has no such prefix length")
        terms.append(one)
    if modifiers.get("redirect") == "":
        raise _PermError(f"{domain}: redirect= names nothing")
    return terms, modifiers.get("redirect")


def _is_length(cidr: str) -> bool:
    v4, _, v6 = cidr.partition("//")
    return int(v4.strip("/") or 0) <= 32 and int(v6 or 0) <= 128


def _filled(walk: _Walk, domain: str, text: str) -> str | None:
    """Fill in the macros of a name (section 7); None, and noted, where only the message at hand could."""
    known = {"d": domain, "o": walk.sender}
    if walk.ip is not None:
        six = walk.ip.version == 6
        known["i"] = ".".join(walk.ip.exploded.replace(":", "")) if six else str(walk.ip)
        known["v"] = "ip6" if six else "in-addr"

    def fill(match: re.Match[str]) -> str:
        if match[1]:
            return {"%": "%", "_": " ", "-": "%20"}[match[1]]
        pieces = re.split(f"[{re.escape(match[5] or '.')}]", known.get(match[2].lower(), "%"))
        pieces = pieces[::-1] if match[4] else pieces
        return ".".join(pieces[-int(match[3]) :] if match[3] and int(match[3]) else pieces)

    filled = _MACRO.sub(fill, text)
    if "%" in filled:
        walk.uncertain.append(text)
        walk.open = True
        return None
    return filled


def _matches(walk: _Walk, domain: str, term: _Term, depth: int) -> bool:
    if term.name == "all":
        return True
    if term.name in ("ip4", "ip6"):
        network = _network(domain, term)
        return walk.ip is None or (walk.ip.version == network.version and walk.ip in network)
    walk.count()
    target = _filled(walk, domain, term.value or domain)
    if target is None:
        return walk.ip is None
    if term.name == "include":
        inner = _record(walk, target)
        if inner is None:
            raise _PermError(f"include:{target}: there is no SPF record")
        return _check(walk, target, inner, depth + 1) == "pass"
    if term.name == "mx":
        hosts = [record.split()[-1] for record in walk.ask(target, "MX").records]
        if len(hosts) > MOST_LOOKUPS:
            raise _PermError(f"mx:{target} has {len(hosts)} hosts, {MOST_LOOKUPS} are allowed (RFC 7208 section 4.6.4)")
        return any(_has_address(walk, host, term.cidr) for host in hosts)
    if term.name == "exists":
        return bool(walk.ask(target, "A").records)
    if term.name == "ptr":
        return walk.ip is None or any(_is_under(walk, name, target) for name in _names(walk, walk.ip))
    return _has_address(walk, target, term.cidr)


def _names(walk: _Walk, ip: Address) -> list[str]:
    """Return the names of an IP, as many as count (section 4.6.4)."""
    return [name.rstrip(".").lower() for name in walk.ask(ip.reverse_pointer, "PTR").records[:MOST_LOOKUPS]]


def _is_under(walk: _Walk, name: str, domain: str) -> bool:
    """Tell whether a name of the IP is of this domain, and leads back (section 5.5)."""
    return f".{name}".endswith(f".{domain.lower()}") and _has_address(walk, name, "")


def _network(domain: str, term: _Term) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(term.value + term.cidr, strict=False)
    except ValueError:
        raise _PermError(f"{domain}: {term.name}:{term.value}{term.cidr} is no network") from None
    if network.version != int(term.name[2]):
        raise _PermError(f"{domain}: {term.name}:{term.value} is an address of the other kind")
    return network


def _has_address(walk: _Walk, host: str, cidr: str) -> bool:
    """Ask for the sending IP's kind of address (section 5.3); where it is not known, both must be missing."""
    if walk.ip is None:
        return bool(walk.ask(host, "A", counts=False).records or walk.ask(host, "AAAA").records)
    records = walk.ask(host, "AAAA" if walk.ip.version == 6 else "A").records
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
        before = ""
        if spf.passes:
            before = " to its end (the sending IPs pass before)"
        elif spf.open and not spf.results:
            before = " to its end (whether the sending IPs pass before is not known)"
        out.append(
            Notice(
                "spf-invalid",
                Grade.WARN if before else Grade.FAIL,
                about,
                f"SPF can't be evaluated{before}",
                spf.error,
                "Take includes out that nobody sends from; receivers stop at the limit."
                if "are allowed" in spf.error
                else "Correct the record.",
            )
        )
    elif spf.failed:
        out.append(
            Notice("spf", Grade.UNKNOWN, about, "part of SPF could not be checked", spf.failed, "Ask again later.")
        )
    opened = next((read for read in spf.trail if re.search(r"\s\+?all(?=\s|$)", read, re.IGNORECASE)), None)
    if opened:
        out.append(
            Notice(
                "spf-open",
                Grade.WARN,
                about,
                "SPF lets everyone send",
                opened[:300],
                "End that record with -all or ~all.",
            )
        )
    for ip, result in spf.results.items():
        out.append(_for_ip(about, ip, result, spf))
    if out:
        return out
    if spf.passes is False:
        do = "Name the servers that send; -all alone is for domains that never do."
        return [Notice("spf-nobody", Grade.FAIL, about, "SPF lets nobody send", spf.record, do)]
    found = f"SPF record found, {spf.lookups} of {MOST_LOOKUPS} lookups; no sending IP is known to try it for"
    return [Notice("spf", Grade.OK, about, found, spf.record)]


def _for_ip(about: str, ip: str, result: str, spf: Spf) -> Notice:
    grade = {
        "pass": Grade.OK,
        "temperror": Grade.UNKNOWN,
        "uncertain": Grade.UNKNOWN,
        "neutral": Grade.WARN,
        "softfail": Grade.WARN,
    }.get(result, Grade.FAIL)
    if result == "temperror":
        do = "Ask again later."
    elif result == "uncertain":
        do = "Read a delivered copy back: its Authentication-Results say."
    elif result == "permerror":
        do = "Correct the record."
    else:
        do = "" if grade is Grade.OK else f"Add {ip} to the record, or the include that the ESP names."
    said = "SPF asks for more of the message than is known here" if result == "uncertain" else f"SPF says {result}"
    return Notice("spf-ip", grade, f"{about}, IP {ip}", f"{said} for {ip}", f"{spf.record} ({spf.lookups} lookups)", do)
