"""The sending host: MAIL FROM domain, reverse DNS and HELO of the sending IPs, and what is optional around them."""

from __future__ import annotations

import ipaddress
import re

from harness.check.lookup import Resolver, could_not
from harness.check.notice import Grade, Notice


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
        return [
            Notice(
                "mail-from", Grade.OK, about, f"takes mail at {hosts[0]}", f"MX {domain}: {', '.join(mx.records[:4])}"
            )
        ]
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
    if address.failed:
        return [
            Notice(
                "mail-from",
                Grade.UNKNOWN,
                about,
                "no MX, and A could not be checked",
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
                "no MX record, an A record only",
                f"A {domain}: {address.records[0]}",
                "Publish an MX, so that bounces reach a host that takes them.",
            )
        ]
    return [
        Notice(
            "mail-from-missing",
            Grade.FAIL,
            about,
            "the MAIL FROM domain has neither MX nor A",
            f"MX and A {domain}: none",
            "Publish an MX: Apple refuses senders whose domain has no DNS.",
        )
    ]


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
    host = found.records[0].rstrip(".").lower()
    kind = "AAAA" if ":" in ip else "A"
    forward = resolver.ask(host, kind)
    if forward.failed:
        return [
            Notice(
                "ptr",
                Grade.UNKNOWN,
                about,
                f"is called {host}; the way back could not be checked",
                could_not(forward),
                "Ask again later.",
            )
        ]
    back = {str(ipaddress.ip_address(a)) for a in forward.records}
    if str(ipaddress.ip_address(ip)) not in back:
        return [
            Notice(
                "ptr-forward",
                Grade.FAIL,
                about,
                f"is called {host}, which does not lead back",
                f"{kind} {host}: {', '.join(forward.records) or 'none'}",
                "Give the name an address record of this IP (forward-confirmed reverse DNS).",
            )
        ]
    out = [Notice("ptr", Grade.OK, about, f"is called {host}, which leads back", f"PTR {host}; {kind} {ip}")]
    if re.search(re.escape(ip.replace(".", "-")) + r"|dynamic|dhcp|pool|dsl", host):
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
