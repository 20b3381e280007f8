"""The sending host: MAIL FROM domain, reverse DNS and HELO of the sending IPs, and what is optional around them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from harness.check.lookup import Resolver, could_not
from harness.check.notice import Grade, Notice

MOST_EXCHANGES = 5  # hosts of an MX that are looked up
MOST_NAMES = 5  # names of one IP
_LINES = r"(?:^|[.-])(?:dynamic|dyn|dhcp|pool|a?dsl)(?=[.\d-]|$)"  # what access providers call their customers' lines


def mail_from_notices(domain: str, resolver: Resolver) -> list[Notice]:
    """Say whether bounces could come back: the MAIL FROM domain exists and takes mail."""
    about = f"MAIL FROM {domain}"
    mx = resolver.ask(domain, "MX")
    if mx.failed:
        return [
            Notice(
                "mail-from",
                Grade.UNKNOWN,
                about,
                "MAIL FROM domain could not be checked",
                could_not(mx),
                "Ask again later.",
            )
        ]
    hosts = [record.split()[-1].rstrip(".") for record in mx.records]
    if hosts == [""] or mx.records == ("0 .",):
        return [
            Notice(
                "mail-from-null",
                Grade.FAIL,
                about,
                "the MAIL FROM domain takes no mail (null MX)",
                f"MX {domain}: 0 . (RFC 7505)",
                "Use a domain that takes bounces.",
            )
        ]
    if hosts:
        return [_exchanges(domain, hosts, mx.records, about, resolver)]
    if mx.state.value == "no_name":
        return [
            Notice(
                "mail-from-missing",
                Grade.FAIL,
                about,
                "the MAIL FROM domain does not exist",
                f"MX {domain}: NXDOMAIN",
                "Create it with an MX: Apple refuses senders whose domain has no DNS.",
            )
        ]
    address = resolver.ask(domain, "A")
    if address.absent:
        address = resolver.ask(domain, "AAAA")
    if address.failed:
        return [
            Notice(
                "mail-from",
                Grade.UNKNOWN,
                about,
                "no MX, and its address could not be checked",
                could_not(address),
                "Ask again later.",
            )
        ]
    if address.records:
        return [
            Notice(
                "mail-from-implicit",
                Grade.WARN,
                about,
                "no MX record, an address only",
                f"{address.type} {domain}: {address.records[0]}",
                "Publish an MX, so that bounces reach a host that takes them.",
            )
        ]
    return [
        Notice(
            "mail-from-missing",
            Grade.FAIL,
            about,
            "the MAIL FROM domain has neither MX nor address",
            f"MX, A and AAAA {domain}: none",
            "Publish an MX: Apple refuses senders whose domain has no DNS.",
        )
    ]


def _exchanges(domain: str, hosts: Sequence[str], records: Sequence[str], about: str, resolver: Resolver) -> Notice:
    """Say whether any of the hosts that take a domain's mail has an address."""
    evidence = f"MX {domain}: {', '.join(records[:4])}"
    failed = None
    for host in hosts[:MOST_EXCHANGES]:
        found = resolver.ask(host, "A")
        if found.absent:
            found = resolver.ask(host, "AAAA")
        if found.records:
            return Notice("mail-from", Grade.OK, about, f"takes mail at {host}", evidence)
        failed = found if found.failed else failed
    if failed or len(hosts) > MOST_EXCHANGES:
        why = could_not(failed) if failed else evidence
        return Notice(
            "mail-from", Grade.UNKNOWN, about, "has an MX, whose address could not be checked", why, "Ask again later."
        )
    return Notice(
        "mail-from-dead",
        Grade.FAIL,
        about,
        "no host that the MX names has an address",
        f"{evidence}; A and AAAA: none",
        "Correct the MX: bounces reach nobody, and Apple refuses senders whose domain does not resolve.",
    )


def ip_notices(ip: str, helo: str | None, resolver: Resolver) -> list[Notice]:
    """Say whether a sending IP has a name, whether the name leads back, and whether HELO has an address."""
    about = f"sending IP {ip}"
    found = resolver.ask(ipaddress.ip_address(ip).reverse_pointer, "PTR")
    if found.failed:
        return [
            Notice(
                "ptr", Grade.UNKNOWN, about, "reverse DNS could not be checked", could_not(found), "Ask again later."
            )
        ]
    if not found.records:
        return [
            Notice(
                "ptr-missing",
                Grade.FAIL,
                about,
                "no reverse DNS",
                f"PTR {found.name}: none",
                "Have the owner of the IP publish one; Apple asks for it.",
            )
        ]
    kind = "AAAA" if ":" in ip else "A"
    names = [record.rstrip(".").lower() for record in found.records[:MOST_NAMES]]
    ways = [resolver.ask(name, kind) for name in names]
    leads = [name for name, way in zip(names, ways, strict=True) if _holds(way.records, ip)]
    failed = next((way for way in ways if way.failed), None)
    if not leads and failed:
        return [
            Notice(
                "ptr",
                Grade.UNKNOWN,
                about,
                f"is called {', '.join(names)}; the way back could not be checked",
                could_not(failed),
                "Ask again later.",
            )
        ]
    if not leads:
        return [
            Notice(
                "ptr-forward",
                Grade.FAIL,
                about,
                f"is called {', '.join(names)}, which does not lead back",
                "; ".join(f"{kind} {way.name}: {', '.join(way.records) or 'none'}" for way in ways),
                "Give the name an address record of this IP (forward-confirmed reverse DNS).",
            )
        ]
    host = leads[0]  # with several names, one that leads back is enough for receivers
    out = [Notice("ptr", Grade.OK, about, f"is called {host}, which leads back", f"PTR {host}; {kind} {ip}")]
    if re.search(rf"(?<!\d){re.escape(ip.replace('.', '-'))}(?!\d)|{_LINES}", host):
        out.append(
            Notice(
                "ptr-generic",
                Grade.WARN,
                about,
                f"has a name like a customer's line: {host}",
                f"PTR {host}",
                "Give it a name of the mail domain.",
            )
        )
    if helo:
        out += helo_notices(helo, resolver)
    return out


def _holds(records: Sequence[str], ip: str) -> bool:
    return ipaddress.ip_address(ip) in {ipaddress.ip_address(record) for record in records}


def helo_notices(helo: str, resolver: Resolver) -> list[Notice]:
    """Say whether the HELO name is a host with an address."""
    if "." not in helo.strip("."):
        return [
            Notice(
                "helo",
                Grade.FAIL,
                f"HELO {helo}",
                "the HELO name is no full host name",
                helo,
                "Set helo in relay.yaml to the relay's host name.",
            )
        ]
    found = resolver.ask(helo, "A")
    six = resolver.ask(helo, "AAAA") if not found.records else found
    if found.failed and not six.records:
        return [
            Notice(
                "helo",
                Grade.UNKNOWN,
                f"HELO {helo}",
                "HELO name could not be checked",
                could_not(found),
                "Ask again later.",
            )
        ]
    if not found.records and not six.records:
        return [
            Notice(
                "helo",
                Grade.WARN,
                f"HELO {helo}",
                "the HELO name has no address",
                f"A and AAAA {helo}: none",
                "Give it one, equal to the sending IP's.",
            )
        ]
    return [Notice("helo", Grade.OK, f"HELO {helo}", "has an address", ", ".join(found.records or six.records))]


def courtesy_notices(domain: str, from_domain: str, bimi_selector: str, resolver: Resolver) -> list[Notice]:
    """Note MTA-STS and TLS-RPT of the bounce domain and BIMI of From's; no receiver refuses for want of them."""
    out = []
    for name, version, kind, what in (
        (f"_mta-sts.{domain}", "v=stsv1", "mta-sts", "MTA-STS (RFC 8461)"),
        (f"_smtp._tls.{domain}", "v=tlsrptv1", "tls-rpt", "TLS-RPT (RFC 8460)"),
        (f"{bimi_selector}._bimi.{from_domain}", "v=bimi1", "bimi", "BIMI"),
    ):
        found = resolver.ask(name, "TXT")
        record = next((r for r in found.records if r.lower().replace(" ", "").startswith(version)), None)
        if found.failed:
            out.append(Notice(kind, Grade.UNKNOWN, name, f"{what} could not be checked", could_not(found)))
        elif record:
            out.append(Notice(kind, Grade.OK, name, f"{what} is published", record[:160]))
        else:
            out.append(
                Notice(
                    kind,
                    Grade.NOTE,
                    name,
                    f"no {what}",
                    f"TXT {name}: none",
                    "Optional; no refusal comes from its absence.",
                )
            )
    return out
